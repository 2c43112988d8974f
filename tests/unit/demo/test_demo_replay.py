"""Which row is replayed at which instant."""

import csv
import gzip
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from demo.day import LocalDay
from demo.prepare import SCENARIOS
from demo.replay import home_replays
from demo.scenario import load_scenario

HOUR = timedelta(hours=1)
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
BERLIN = ZoneInfo("Europe/Berlin")
BUILDINGS = SCENARIOS.parent / "data" / "buildings"


@pytest.fixture(scope="module")
def fontana():
    return home_replays(load_scenario(SCENARIOS / "fontana.yaml"))


@pytest.fixture(scope="module")
def simbench():
    return home_replays(load_scenario(SCENARIOS / "simbench.yaml"))


@pytest.fixture(scope="module")
def building_1():
    """Load and PV by hour-ending label."""
    with gzip.open(BUILDINGS / "fontana_buildings_01_11.csv.gz", "rt") as stream:
        return {
            row["hour_ending_local"]: (float(row["load_kwh"]), float(row["pv_w_per_kwp"]))
            for row in csv.DictReader(stream)
            if row["building"] == "1"
        }


@pytest.fixture(scope="module")
def profiles():
    with gzip.open(BUILDINGS / "simbench_15min_2016.csv.gz", "rt") as stream:
        return list(csv.DictReader(stream))


def local(zone, *when) -> datetime:
    return datetime(*when, tzinfo=zone).astimezone(UTC)


def starts(day: LocalDay) -> list[datetime]:
    return [day.start + at * day.step for at in range(day.count)]


@pytest.mark.parametrize(
    ("when", "label"),
    [
        ((2026, 8, 1, 0), "2016-08-01T01:00"),
        ((2026, 6, 15, 12), "2017-06-15T13:00"),
        ((2026, 12, 31, 23), "2017-01-01T00:00"),
        ((2026, 7, 31, 22), "2017-07-31T23:00"),
        ((2026, 7, 31, 23), "2016-08-01T00:00"),
        ((2028, 2, 29, 12), "2017-02-28T13:00"),
    ],
)
def test_an_hour_is_the_row_whose_label_ends_it(fontana, building_1, when, label):
    energy = fontana["rosa"].energy(local(LOS_ANGELES, *when))
    load_kwh, pv_w_per_kwp = building_1[label]
    assert energy.load_kwh == pytest.approx(load_kwh)
    assert energy.pv_kwh == pytest.approx(pv_w_per_kwp / 1_000 * 4.0)


def test_a_spring_day_of_23_hours_skips_one_row(fontana, building_1):
    day = LocalDay.of(date(2026, 3, 8), LOS_ANGELES, HOUR)
    assert day.count == 23
    loads = [fontana["rosa"].energy(start).load_kwh for start in starts(day)]
    labels = [
        f"2017-03-{'09' if hour == 23 else '08'}T{(hour + 1) % 24:02d}:00" for hour in range(24) if hour != 2
    ]
    assert loads == pytest.approx([building_1[label][0] for label in labels])


def test_an_autumn_day_of_25_hours_repeats_one_row(fontana, building_1):
    day = LocalDay.of(date(2026, 11, 1), LOS_ANGELES, HOUR)
    assert day.count == 25
    loads = [fontana["rosa"].energy(start).load_kwh for start in starts(day)]
    hours = [0, 1, 1, *range(2, 24)]
    labels = [f"2016-11-{'02' if hour == 23 else '01'}T{(hour + 1) % 24:02d}:00" for hour in hours]
    assert loads == pytest.approx([building_1[label][0] for label in labels])


def test_a_quarter_hour_is_a_quarter_of_the_power(simbench, profiles):
    row = next(row for row in profiles if row["time"] == "15.06.2016 12:15")
    energy = simbench["katrin"].energy(local(BERLIN, 2026, 6, 15, 12, 15))
    assert energy.load_kwh == pytest.approx(float(row["H0-A_pload"]) * 3.5 / 4)
    assert energy.pv_kwh == pytest.approx(float(row["PV1"]) * 6 / 4)


def test_the_series_own_repeated_hour_is_replayed_in_its_order(simbench, profiles):
    quarter = timedelta(minutes=15)
    day = LocalDay.of(date(2022, 10, 30), BERLIN, quarter)  # as in 2016, clocks go back on 30 October
    assert day.count == 100
    rows = [row for row in profiles if row["time"].startswith("30.10.2016")]
    loads = [simbench["piotr"].energy(start).load_kwh for start in starts(day)]
    assert loads == pytest.approx([float(row["H0-C_pload"]) * 2.6 / 4 for row in rows])


def test_an_hour_that_the_series_skips_takes_the_hour_before(simbench):
    home = simbench["piotr"]
    for minute in (0, 15, 30, 45):
        skipped = home.energy(local(BERLIN, 2026, 3, 27, 2, minute))
        assert skipped == home.energy(local(BERLIN, 2026, 3, 27, 1, minute))


def test_a_short_series_repeats_in_order():
    home = home_replays(load_scenario(SCENARIOS / "minimal.yaml"))["ada"]
    at = local(LOS_ANGELES, 2026, 1, 20, 9)
    week = [home.energy(at + day * 24 * HOUR) for day in range(7)]
    assert [home.energy(at + (day + 7) * 24 * HOUR) for day in range(7)] == week
    assert len(set(week)) == 7


@pytest.mark.parametrize("year", [2026, 2027, 2028])
def test_every_interval_of_every_year_has_its_row(fontana, year):
    first, last = (local(LOS_ANGELES, y, 1, 1) for y in (year, year + 1))
    hours = (last - first) // HOUR
    loads = Counter(fontana["linh"].energy(first + at * HOUR).load_kwh >= 0 for at in range(hours))
    assert loads == {True: hours}


def test_naive_time_is_refused(fontana):
    with pytest.raises(ValueError, match="time zone"):
        fontana["rosa"].energy(datetime(2026, 6, 15))  # noqa: DTZ001 - what is refused
