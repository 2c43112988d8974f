"""The conductor, against a hand-written platform that settles an interval two steps after its start."""

import io
import json
import time
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from rich.console import Console

from demo.day import Conductor, DayError, LocalDay, conduct
from demo.report import report_table

HOUR = timedelta(hours=1)
ZONE = ZoneInfo("America/Los_Angeles")
DAY = LocalDay.of(date(2026, 6, 15), ZONE, HOUR)


class StubPlatform:
    """A clock, and intervals settled once their readings are in (``late``: interval to when its are)."""

    def __init__(
        self, start: datetime, *, speed: float = 0.0, late: dict[datetime, datetime] | None = None
    ) -> None:
        self.now = start
        self.speed = speed
        self.late = late or {}
        self.moves: list[datetime] = []
        self.polls = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/")
        if request.method == "POST":
            assert request.headers["X-CSRFToken"] == "token"
        if path == "csrf":
            return httpx.Response(204, headers={"Set-Cookie": "csrftoken=token"})
        if path == "session":
            return httpx.Response(200 if json.loads(request.content)["password"] == "right" else 401, json={})
        if path == "clock":
            return httpx.Response(200, json={"now": self.now.isoformat(), "speed": self.speed})
        if path == "clock/advance":
            to = datetime.fromisoformat(json.loads(request.content)["to"])
            assert to > self.now
            self.now = to
            self.moves.append(to)
            return httpx.Response(200, json={})
        if path == "pipeline/status":
            self.polls += 1
            return httpx.Response(200, json={"ready": True, "pending": self.pending()})
        assert path == "intervals"
        first = datetime.fromisoformat(request.url.params["from"])
        states = ["settled" if self.settled(first + at * HOUR) else "open" for at in range(DAY.count)]
        return httpx.Response(200, json=[{"state": state} for state in states])

    def settled(self, start: datetime) -> bool:
        return self.now >= self.late.get(start, start + HOUR)

    def pending(self) -> list[dict]:
        waiting = [
            {"stage": "settle", "interval_start": start.isoformat(), "waits_for": "1 readings"}
            for start in self.late
            if start + HOUR <= self.now and not self.settled(start)
        ]
        if waiting and self.now.minute == 0 and self.now - HOUR in self.late:
            waiting.append(
                {"stage": "plan", "interval_start": self.now.isoformat(), "waits_for": "1 readings"}
            )
        return waiting


@pytest.fixture
def fast(monkeypatch):
    """Seconds of waiting pass at once."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    return sleep


def conductor(platform: StubPlatform, sleep, *, deadline: float = 1e6) -> Conductor:
    http = httpx.Client(transport=httpx.MockTransport(platform), base_url="http://platform")
    operator = Conductor(http, deadline=deadline, sleep=sleep)
    operator.sign_in("operator", "right")
    return operator


def run(platform: StubPlatform, sleep, **arguments) -> list[str]:
    said: list[str] = []
    conduct(conductor(platform, sleep, **arguments), DAY, deadline_after=2 * HOUR, say=said.append)
    return said


@pytest.mark.parametrize(("day", "count"), [("2026-06-15", 24), ("2026-03-08", 23), ("2026-11-01", 25)])
def test_a_local_day_has_its_own_number_of_intervals(day, count):
    assert LocalDay.of(date.fromisoformat(day), ZONE, HOUR).count == count
    assert LocalDay.of(date.fromisoformat(day), ZONE, HOUR / 4).count == 4 * count


def test_a_day_goes_boundary_by_boundary(fast):
    platform = StubPlatform(DAY.start - 3 * HOUR)
    said = run(platform, fast)
    assert platform.moves == [DAY.start + at * HOUR for at in range(-2, 25)]
    assert said[-1].endswith("24/24 settled")


def test_late_readings_are_waited_for_by_quarters_then_by_steps(fast):
    late = DAY.start + 5 * HOUR
    platform = StubPlatform(DAY.start - 3 * HOUR, late={late: late + 3 * HOUR})
    run(platform, fast)
    assert late + 1.25 * HOUR in platform.moves
    assert late + 1.5 * HOUR not in platform.moves
    assert late + 2 * HOUR in platform.moves


def test_readings_that_never_come_end_the_day_badly(fast):
    last = DAY.end - HOUR
    platform = StubPlatform(DAY.start - 3 * HOUR, late={last: DAY.end + 99 * HOUR})
    with pytest.raises(DayError, match="only 23 of 24"):
        run(platform, fast)


def test_a_running_clock_is_not_conducted(fast):
    with pytest.raises(DayError, match="runs by itself"):
        run(StubPlatform(DAY.start, speed=120.0), fast)


def test_there_is_an_end_to_patience(fast):
    with pytest.raises(DayError, match="out of time"):
        run(StubPlatform(DAY.start - 3 * HOUR), fast, deadline=3.0)


def test_a_wrong_password_is_told(fast):
    operator = Conductor(
        httpx.Client(transport=httpx.MockTransport(StubPlatform(DAY.start)), base_url="http://p"),
        deadline=1e6, sleep=fast,
    )  # fmt: skip
    with pytest.raises(DayError, match="/session"):
        operator.sign_in("operator", "wrong")


def test_the_report_is_a_table():
    member = {
        "pseudonym": "Tansy",
        "cost_micro": 1_000_000,
        "cost_without_micro": 1_500_000,
        "saved_micro": 500_000,
    }
    totals = {key: member[key] for key in ("cost_micro", "cost_without_micro", "saved_micro")}
    report = {
        "scenario": "minimal",
        "currency": "USD",
        "from": "a",
        "to": "b",
        "members": [member],
        **totals,
        "settled_intervals": 24,
        "intervals": 24,
        "conserved": True,
        "load_kwh": 10.0,
        "self_sufficiency": None,
        "peak_import_kw": 1.0,
        "peak_import_without_kw": 2.0,
        "traded_kwh": 3.0,
        "trades": 4,
        "gas_per_trade": None,
        "forecast_error": {"load": {"naive_mae_kwh": 0.5, "other_mae_kwh": None}},
    }
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(report_table(report))
    text = console.export_text()
    assert "Tansy" in text
    assert "24 of 24" in text
