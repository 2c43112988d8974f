"""Methods compared on past days: whose days, which figures, and what is refused by name."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from test_backend_figures import got
from town import BATTERY, FEED_IN, HOUR, IMPORT, OPENED, iso, meter_id, refused

from backend.planning import comparison
from backend.registry.models import Battery, Community
from backend.telemetry import services as telemetry
from domain.units import MICRO_PER_UNIT, WH_PER_KWH
from ess import scheduler

DAY = date(2026, 5, 31)  # the day before the opening, in Lisbon: from 23:00 UTC to 23:00 UTC
BEGIN = datetime(2026, 5, 30, 23, tzinfo=UTC)
ADDRESS = "planning/comparison"
FRONTEND = Path(__file__).resolve().parents[3] / "frontend"
SOC_WH = 4_000


def load_wh(hour):
    return 400 + 50 * (hour % 7)


def pv_wh(hour):
    return max(0, 2_500 - 60 * (hour - 12) ** 2)


def history(hours, *, end=OPENED):
    """Ben's meters, with the battery idle, and Ana's, as a file would bring them, up to ``end``."""
    for ago in range(1, hours + 1):
        start = end - ago * HOUR
        hour = (start - BEGIN) // HOUR % 24
        net = load_wh(hour) - pv_wh(hour)
        for name, role, wh, soc in (
            ("ana", "grid", (500, 0), ""),
            ("ben", "grid", (max(net, 0), max(-net, 0)), ""),
            ("ben", "pv", (0, pv_wh(hour)), ""),
            ("ben", "battery", (0, 0), str(SOC_WH)),
        ):
            yield {
                "meter_id": meter_id(name, role),
                "interval_start": iso(start),
                "interval_s": "3600",
                "import_wh": str(wh[0]),
                "export_wh": str(wh[1]),
                "soc_wh": soc,
            }


@pytest.fixture
def metered(town):
    """The community with three days of readings before it opened."""
    telemetry.import_readings(history(72))
    return town


def test_every_method_is_compared_on_the_newest_day_that_is_over(metered):
    found = got(metered.client("operator"), ADDRESS)
    assert (found["day"], found["first_day"], found["last_day"]) == ("2026-05-31", "2026-05-30", "2026-05-31")
    assert (found["starts"][0], len(found["starts"]), found["interval_s"]) == (iso(BEGIN), 24, 3600)
    assert [method["method"] for method in found["methods"]] == list(scheduler.METHODS)
    assert {"exact", "milp", "rule"} <= set(scheduler.METHODS)
    assert found["left_out"] == []
    (site,) = found["sites"]  # Ana has no battery: no method can do anything for her
    assert (site["pseudonym"], site["capacity_kwh"], site["soc_start_kwh"]) == ("ben-p", 10.0, 4.0)


def test_the_page_has_words_for_every_method():
    words = json.loads((FRONTEND / "src" / "lib" / "messages" / "en.json").read_text())
    for method in (*scheduler.METHODS, "idle"):
        assert words.get(f"method.{method}"), method
        assert words.get(f"methodDoes.{method}"), method


def test_the_figures_are_those_of_the_metered_day_at_the_tariff(metered):
    found = got(metered.client("operator"), ADDRESS, day=str(DAY))
    net_kwh = np.array([load_wh(hour) - pv_wh(hour) for hour in range(24)]) / WH_PER_KWH

    def cost_micro(grid_kwh):
        return round((np.where(grid_kwh > 0, IMPORT, FEED_IN) * grid_kwh).sum())

    assert found["cost_without_micro"] == cost_micro(net_kwh)
    assert found["optimum_micro"] < found["cost_without_micro"]
    for method in found["methods"]:
        (site,) = method["sites"]
        assert site["feasible"], method
        assert (site["planned_by"], bool(site["reason"])) == (method["method"], True)
        power_kw, soc_kwh = np.array(site["power_kw"]), np.array(site["soc_kwh"])
        assert method["cost_micro"] == site["cost_micro"]
        assert site["cost_micro"] == pytest.approx(cost_micro(net_kwh + power_kw), abs=0.002 * MICRO_PER_UNIT)
        stored = np.where(
            power_kw > 0,
            power_kw * BATTERY["charge_efficiency"],
            power_kw / BATTERY["discharge_efficiency"],
        )
        assert soc_kwh == pytest.approx(SOC_WH / WH_PER_KWH + np.cumsum(stored), abs=0.02)
        assert soc_kwh.min() >= BATTERY["soc_min_kwh"] - 1e-6
        assert soc_kwh[-1] >= SOC_WH / WH_PER_KWH - 1e-3  # nobody saves by selling what was there
        attainable = found["cost_without_micro"] - found["optimum_micro"]
        assert method["lost"] == pytest.approx(
            (method["cost_micro"] - found["optimum_micro"]) / attainable, abs=1e-4
        )
        assert site["lost"] == pytest.approx(method["lost"])
        assert method["seconds"] > 0


def overcharge(problem):
    return np.full(problem.shape, 99.0), np.zeros(problem.shape)


def test_a_method_that_fails_takes_no_action_and_says_why(metered, monkeypatch):
    monkeypatch.setitem(scheduler.METHODS, "rule", scheduler.Method(f"{__name__}:overcharge", "planted"))
    methods = {m["method"]: m for m in got(metered.client("operator"), ADDRESS)["methods"]}
    (site,) = methods["rule"]["sites"]
    assert (site["feasible"], site["planned_by"]) == (False, "idle")
    assert site["reason"].startswith("rule passed over (max_charge_kw broken by ")
    assert methods["rule"]["lost"] == pytest.approx(1)
    assert set(site["power_kw"]) == {0}
    assert methods["milp"]["sites"][0]["feasible"]


def test_a_site_whose_readings_have_a_gap_is_left_out_by_name(town):
    gap = {iso(BEGIN + 5 * HOUR), iso(BEGIN + 6 * HOUR)}
    pv = meter_id("ben", "pv")
    rows = [r for r in history(72) if r["meter_id"] != pv or r["interval_start"] not in gap]
    telemetry.import_readings(rows)
    found = got(town.client("operator"), ADDRESS)
    assert found["left_out"] == [{"pseudonym": "ben-p", "missing_intervals": 2}]
    assert (found["sites"], found["methods"], found["cost_without_micro"]) == ([], [], 0)
    assert len(got(town.client("operator"), ADDRESS, day="2026-05-30")["sites"]) == 1


def test_a_battery_found_below_its_reserve_begins_at_it(metered):
    Battery.objects.update(soc_min_kwh=5.0)
    found = got(metered.client("operator"), ADDRESS)
    assert found["sites"][0]["soc_start_kwh"] == 5.0
    assert all(method["sites"][0]["feasible"] for method in found["methods"])


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("2026-06-01", "not_over"),
        ("9999-12-31", "not_over"),
        ("2026-05-29", "too_early"),  # its first hours were not metered
        ("0001-01-01", "too_early"),
        ("2026-02-30", "invalid"),
        ("yesterday", "invalid"),
        ("", "invalid"),
        ("\x00", "invalid"),
    ],
)
def test_a_day_that_cannot_be_compared_is_refused_by_name(metered, day, code):
    refused(metered.client("operator").get(f"/api/v1/{ADDRESS}", {"day": day}), 400, "day", code)


@pytest.mark.parametrize("hours", [0, 1, 12, 35])
def test_before_a_whole_day_was_metered_there_is_none(town, hours):
    """At 13:00 local time, 35 hours reach back to 02:00 of the day before."""
    telemetry.import_readings(history(hours))
    refused(town.client("operator").get(f"/api/v1/{ADDRESS}"), 400, "day", "none_yet")


def test_only_operators_compare(metered):
    statuses = [
        metered.client(who).get(f"/api/v1/{ADDRESS}").status_code
        for who in (None, "ana", "ben", "auditor", "operator")
    ]
    assert statuses == [403, 403, 403, 403, 200]


@pytest.mark.parametrize(
    ("day", "zone", "minutes", "start", "intervals"),
    [
        (date(2026, 3, 29), "Europe/Lisbon", 60, datetime(2026, 3, 29, 0, tzinfo=UTC), 23),
        (date(2026, 10, 25), "Europe/Lisbon", 15, datetime(2026, 10, 24, 23, tzinfo=UTC), 100),
        (date(2026, 6, 1), "America/Los_Angeles", 60, datetime(2026, 6, 1, 7, tzinfo=UTC), 24),
        # Midnight lies inside an interval: the day's first one begins after it.
        (date(2026, 6, 1), "Asia/Kolkata", 60, datetime(2026, 5, 31, 19, tzinfo=UTC), 24),
        (date(2026, 6, 1), "Asia/Kolkata", 30, datetime(2026, 5, 31, 18, 30, tzinfo=UTC), 48),
    ],
)
def test_a_local_day_holds_the_intervals_that_begin_in_it(day, zone, minutes, start, intervals):
    grid = comparison.local_day(Community(time_zone=zone, interval_minutes=minutes), day)
    assert (grid.start, len(grid)) == (start, intervals)


@pytest.mark.usefixtures("metered")
def test_methods_may_know_the_days_before_and_nothing_of_the_day():
    grid = comparison.local_day(Community.objects.get(), DAY)
    day = comparison.metered_day(grid)
    net_kw = np.array([load_wh(hour) - pv_wh(hour) for hour in range(24)]) / WH_PER_KWH
    assert day.past_net_load_kw.shape == (1, 1, 24)  # of the fourteen before, one was metered as a whole
    assert day.past_net_load_kw[0, 0] == pytest.approx(net_kw)
    later = comparison.metered_day(comparison.local_day(Community.objects.get(), DAY - timedelta(days=1)))
    assert (later.past_net_load_kw == 0).all()


@pytest.mark.usefixtures("town")
def test_a_day_of_25_hours_does_not_look_into_itself():
    """The last scenario would otherwise end with the day's own first hour."""
    Community.objects.update(time_zone="Atlantic/Azores", anchor_community=OPENED + timedelta(days=365))
    day = date(2026, 10, 25)
    begin = datetime(2026, 10, 25, 0, tzinfo=UTC)
    assert begin.astimezone(ZoneInfo("Atlantic/Azores")).hour == 0
    telemetry.import_readings(history(24 * 4, end=begin + 25 * HOUR))
    found = comparison.metered_day(comparison.local_day(Community.objects.get(), day))
    assert (len(found.grid), found.grid.start) == (25, begin)
    assert found.past_net_load_kw.shape == (1, 1, 25)
