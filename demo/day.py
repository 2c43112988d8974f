"""``python -m demo day``: conducts one local day with a stepped clock, as fast as platform and devices go.

An HTTP client like any other, signed in as the operator: it moves the clock to each interval boundary, waits
until the pipeline has nothing left to do, and goes on until every interval of the day is settled.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from rich.console import Console

from demo.devices import web_url
from demo.files import read_json
from demo.prepare import STEPPED_LEAD_INTERVALS
from demo.report import report_table
from domain.time import floor_to_step

POLL_S = 0.15
QUIET_S = 0.4  # devices have taken their commands
GRACE_S = 2.0  # readings of devices that are connected come within this time
AGAIN_GRACE_S = 0.4  # for what was already waited for
STEP_TIMEOUT_S = 300.0
QUARTERS = 4
logger = logging.getLogger(__name__)


class DayError(RuntimeError):
    """The day could not be conducted to its end."""


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A local day ``[start, end)`` in UTC, of ``count`` intervals of length ``step``."""

    start: datetime
    end: datetime
    step: timedelta

    @classmethod
    def of(cls, day: date, zone: ZoneInfo, step: timedelta) -> "LocalDay":
        """The day as its inhabitants count it: 23, 24 or 25 hours."""
        start, end = (datetime.combine(d, clock_time(0), zone) for d in (day, day + timedelta(days=1)))
        return cls(start.astimezone(UTC), end.astimezone(UTC), step)

    @property
    def count(self) -> int:
        """How many intervals it has."""
        return (self.end - self.start) // self.step


class Conductor:
    """The operator's hands: one signed-in session, and a deadline (monotonic seconds) for everything."""

    def __init__(
        self, http: httpx.Client, *, deadline: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = http
        self._deadline = deadline
        self._sleep = sleep
        self._waited_for: set[tuple[str, str]] = set()

    def sign_in(self, username: str, password: str) -> None:
        """Open the session, waiting for the platform to be up."""
        while True:
            try:
                self._http.get("/api/v1/csrf").raise_for_status()
                self._post("/api/v1/session", {"username": username, "password": password})
            except httpx.TransportError:
                self._pause(POLL_S, "the platform to come up")
            else:
                return

    def now(self) -> datetime:
        """Community time; DayError when the clock runs by itself."""
        clock = self._get("/api/v1/clock")
        if clock["speed"] != 0:
            raise DayError(
                "the clock runs by itself; a day is conducted on a stepped clock (prepare --stepped)"
            )
        return datetime.fromisoformat(clock["now"])

    def advance(self, to: datetime) -> None:
        """Move the clock."""
        self._post("/api/v1/clock/advance", {"to": f"{to:%Y-%m-%dT%H:%M:%SZ}"})

    def settle_down(self) -> list[dict[str, Any]]:
        """Wait until nothing is pending but what waits for lost devices' readings, and return that."""
        started = time.monotonic()
        while True:
            status = self._get("/api/v1/pipeline/status")
            pending: list[dict[str, Any]] = status["pending"] if status.get("ready", True) else [
                {"stage": "onboarding", "interval_start": "", "waits_for": ""}
            ]  # fmt: skip
            waited = time.monotonic() - started
            if all("readings" in entry["waits_for"] for entry in pending):
                keys = {(entry["stage"], entry["interval_start"]) for entry in pending}
                if waited >= (AGAIN_GRACE_S if keys <= self._waited_for else GRACE_S) or not pending:
                    self._waited_for |= keys
                    return pending
            if waited > STEP_TIMEOUT_S:
                raise DayError(f"the pipeline is stuck: {pending}")
            self._pause(POLL_S, f"the pipeline: {pending}")

    def report(self, day: LocalDay) -> dict[str, Any]:
        """The KPI report of the day."""
        span = {"from": f"{day.start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{day.end:%Y-%m-%dT%H:%M:%SZ}"}
        facts: dict[str, Any] = self._get("/api/v1/kpi/report", span)
        return facts

    def settled(self, day: LocalDay) -> int:
        """How many intervals of the day are settled."""
        span = {"from": f"{day.start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{day.end:%Y-%m-%dT%H:%M:%SZ}"}
        return sum(interval["state"] == "settled" for interval in self._get("/api/v1/intervals", span))

    def rest(self) -> None:
        """Leave the devices a moment to take their commands."""
        self._pause(QUIET_S, "the devices")

    def _get(self, path: str, params: dict[str, str] | None = None) -> Any:  # noqa: ANN401 (JSON)
        while True:
            try:
                answer = self._http.get(path, params=params)
                if answer.is_success:
                    return answer.json()
                if answer.is_client_error:
                    raise DayError(f"GET {path}: {answer.text[:500]}")
                problem = str(answer.status_code)
            except httpx.TransportError as error:
                problem = repr(error)
            self._pause(POLL_S, f"{path} ({problem})")

    def _post(self, path: str, body: dict[str, str]) -> None:
        headers = {
            "X-CSRFToken": self._http.cookies.get("csrftoken") or "",
            "Referer": str(self._http.base_url),
        }
        answer = self._http.post(path, json=body, headers=headers)
        if answer.is_error:
            raise DayError(f"POST {path}: {answer.text[:500]}")

    def _pause(self, seconds: float, what: str) -> None:
        if time.monotonic() > self._deadline:
            raise DayError(f"out of time, waiting for {what}")
        self._sleep(seconds)


def conduct(
    conductor: Conductor, day: LocalDay, *, deadline_after: timedelta, say: Callable[[str], None]
) -> None:
    """Live until every interval of ``day`` is settled.

    Readings that a lost device still owes are waited for until ``deadline_after`` the day's end, when the
    platform settles without them. While planning waits for readings, time moves by quarter intervals.
    """
    last = day.end + deadline_after + 2 * day.step
    now = conductor.now()
    while True:
        waiting = conductor.settle_down()
        if floor_to_step(now, day.step) == now:
            conductor.rest()
        settled = conductor.settled(day) if now > day.start else 0
        say(f"{now:%Y-%m-%d %H:%M}Z  {settled}/{day.count} settled{_words(waiting)}")
        if settled >= day.count and now >= day.end:
            return
        if now >= last:
            raise DayError(f"only {settled} of {day.count} intervals are settled at {now.isoformat()}")
        boundary = floor_to_step(now, day.step) + day.step
        planning = any(entry["stage"] == "plan" for entry in waiting)
        now = min(boundary, now + day.step / QUARTERS) if planning else boundary
        conductor.advance(now)


def run_day(state: Path, *, day: date | None, as_json: bool, timeout_s: float) -> int:
    """Conduct a day and print its report; 0 when it is whole: every interval settled and money conserved."""
    facts = read_json(state / "community.json")
    step, zone = timedelta(minutes=facts["interval_minutes"]), ZoneInfo(facts["time_zone"])
    first = datetime.fromisoformat(facts["clock"]["start"]) + STEPPED_LEAD_INTERVALS * step
    local_day = LocalDay.of(day or first.astimezone(zone).date(), zone, step)
    operator = next(person for person in facts["staff"] if person["role"] == "operator")
    messages = Console(stderr=True, highlight=False)
    with httpx.Client(base_url=web_url(), timeout=30.0) as http:
        conductor = Conductor(http, deadline=time.monotonic() + timeout_s)
        try:
            conductor.sign_in(operator["username"], operator["password"])
            conduct(
                conductor, local_day, say=messages.print,
                deadline_after=timedelta(minutes=facts["reading_deadline_minutes"]),
            )  # fmt: skip
            report = conductor.report(local_day)
        except DayError as error:
            messages.print(f"[red]{error}[/red]")
            return 1
    if as_json:
        json.dump(report, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        Console().print(report_table(report))
    whole = report["settled_intervals"] == report["intervals"] == local_day.count
    return 0 if whole and report["conserved"] is True else 1


def _words(waiting: list[dict[str, Any]]) -> str:
    return "".join(f"; {entry['stage']} waits for {entry['waits_for']}" for entry in waiting)
