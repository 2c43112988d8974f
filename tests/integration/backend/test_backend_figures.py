"""Live view, series and report with little or no data: shapes that hold, no NaN, no division by zero."""

import json
from datetime import timedelta

import pytest
from town import FEED_IN, HOUR, IMPORT, OPENED, Town, iso, meter_id, refused

from backend.telemetry.models import DeviceStatus
from backend.telemetry.services import MAX_ENERGY_WH

MINUTE = timedelta(minutes=1)
SPAN = {"from": iso(OPENED), "to": iso(OPENED + 2 * HOUR)}


def got(client, address, **query):
    """The JSON of an answer that a browser can read: no NaN, no infinity."""
    answer = client.get(f"/api/v1/{address}", query)
    assert answer.status_code == 200, answer.content[:500]

    def stranger(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(answer.content, parse_constant=stranger)


@pytest.fixture
def empty(db):  # noqa: ARG001 - the database
    """A community that nobody has joined yet."""
    town = Town()
    return town.load(town.facts(names=()))


def test_a_community_of_nobody_has_figures(empty):
    client = empty.client("operator")
    live = got(client, "live")
    assert live["homes"] == []
    assert live["current"]["load_kw"] == live["current"]["grid_kw"] == 0
    assert live["kpi"] == {"saved_micro_today": 0, "self_sufficiency_today": None, "traded_wh_today": 0}
    points = got(client, "series", **SPAN)["points"]
    assert [p["load_kwh"] for p in points] == [0, 0]
    report = got(client, "kpi/report", **SPAN)
    assert report["members"] == []
    assert (report["self_sufficiency"], report["gas_per_trade"], report["trades"]) == (None, None, 0)
    assert got(client, "pipeline/status")["ready"] is False
    assert got(client, "intervals", **SPAN) == got(client, "orders") == got(client, "trades") == []


def test_members_without_data_have_figures(town):
    client = town.client("ana")
    live = got(town.client(), "live")
    assert [h["online"] for h in live["homes"]] == [False] * 3
    assert {h["soc_kwh"] for h in live["homes"]} == {None}
    assert live["current"]["price_micro_per_kwh"] is None
    assert (live["current"]["retail_micro_per_kwh"], live["current"]["feed_in_micro_per_kwh"]) == (
        IMPORT,
        FEED_IN,
    )
    assert live["chain"]["block_number"] is None
    assert live["chain"]["last_settled"] is None

    (first, _) = got(town.client(), "series", **SPAN)["points"]
    assert first["load_kwh"] is first["load_forecast_kwh"] is first["battery_plan_kwh"] is None
    assert first["retail_micro_per_kwh"] == IMPORT
    (mine, _) = got(client, "series", **SPAN, scope="mine")["points"]
    assert set(mine) == set(first)

    report = got(client, "kpi/report", **SPAN)
    assert {m["saved_micro"] for m in report["members"]} == {0}
    assert report["load_kwh"] == report["peak_import_kw"] == 0
    assert report["self_sufficiency"] is None
    assert report["forecast_error"]["pv"] == {"served_mae_kwh": None, "reference_mae_kwh": None}
    assert (report["intervals"], report["settled_intervals"], report["unsettled_intervals"]) == (2, 0, 2)
    assert report["conserved"] is True
    assert got(client, "plan") == {"as_of": None, "method": "", "reason": "", "explanation": ""}
    account = got(client, "account")
    assert account["balance_micro"] is account["mandate"] is None
    assert got(client, "statements", **SPAN)["lines"] == []


def test_sums_are_unknown_until_every_home_has_reported(town):
    town.to(OPENED + HOUR)
    town.read("ana", wh=(1_000, 0))
    assert got(town.client(), "series", **SPAN)["points"][0]["load_kwh"] is None
    assert got(town.client("ana"), "series", **SPAN, scope="mine")["points"][0]["load_kwh"] == 1.0
    town.read("cleo", wh=(500, 0))
    town.read("ben", wh=(0, 2_000))
    town.read("ben", "pv", wh=(0, 3_000))
    town.read("ben", "battery", wh=(400, 100), soc_wh=5_000)
    first, second = got(town.client(), "series", **SPAN)["points"]
    # Ben: 0 - 2,000 + 3,000 + 100 - 400 = 700 Wh
    assert (first["load_kwh"], first["pv_kwh"], first["battery_kwh"]) == (2.2, 3.0, 0.3)
    assert (first["import_kwh"], first["export_kwh"], first["soc_kwh"]) == (1.5, 2.0, 5.0)
    assert second["load_kwh"] is None
    report = got(town.client("auditor"), "kpi/report", **SPAN)
    assert report["load_kwh"] == 2.2
    assert report["self_sufficiency"] == 1.0
    assert report["cost_without_micro"] == sum(m["cost_without_micro"] for m in report["members"])


def test_the_largest_readings_and_statuses_stay_numbers(town):
    town.to(OPENED + HOUR)
    for name in ("ana", "ben", "cleo"):
        town.read(name, wh=(MAX_ENERGY_WH, MAX_ENERGY_WH))
        meter = town.meter(name)
        DeviceStatus.objects.create(meter=meter, at=OPENED, power_kw=1e6, soc_kwh=None)
    town.read("ben", "pv", wh=(MAX_ENERGY_WH, MAX_ENERGY_WH))
    town.read("ben", "battery", wh=(MAX_ENERGY_WH, 0), soc_wh=MAX_ENERGY_WH)
    assert got(town.client(), "live")["current"]["grid_kw"] == 3e6
    got(town.client(), "series", **SPAN)
    got(town.client("ana"), "kpi/report", **SPAN)


def test_homes_that_report_are_online_until_they_fall_silent(town):
    for role, power in (("grid", -1.0), ("pv", -3.0), ("battery", 1.5)):
        meter = town.meter("ben", role)
        soc = 5.0 if role == "battery" else None
        DeviceStatus.objects.create(meter=meter, at=OPENED, power_kw=power, soc_kwh=soc)
    (home,) = [h for h in got(town.client(), "live")["homes"] if h["pseudonym"] == "ben-p"]
    assert (home["online"], home["load_kw"], home["pv_kw"], home["soc_kwh"]) == (True, 0.5, 3.0, 5.0)
    town.to(OPENED + 2 * HOUR)
    assert not any(h["online"] for h in got(town.client(), "live")["homes"])


@pytest.mark.parametrize("address", ["series", "kpi/report", "intervals", "statements"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "from"),
        ({"from": SPAN["from"]}, "to"),
        (SPAN | {"from": "2026-06-01T12:00:00"}, "from"),
        (SPAN | {"from": "noon"}, "from"),
        (SPAN | {"from": "\x00"}, "from"),
        (SPAN | {"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}, "from"),
        (SPAN | {"from": "9999-12-31T00:00:00Z", "to": "9999-12-31T23:00:00Z"}, "from"),
        (SPAN | {"to": SPAN["from"]}, "to"),
        (SPAN | {"to": iso(OPENED - HOUR)}, "to"),
        (SPAN | {"to": iso(OPENED + timedelta(days=41))}, "to"),
    ],
    ids=lambda v: str(v)[:60],
)
def test_a_range_that_is_none_is_refused_by_name(town, address, query, field):
    refused(town.client("ana").get(f"/api/v1/{address}", query), 400, field)


@pytest.mark.parametrize(
    ("begin", "end", "intervals"), [(0, 120, 2), (30, 120, 1), (0, 61, 2), (30, 61, 1), (1, 59, None)]
)
def test_a_report_is_of_the_intervals_that_begin_in_its_range(town, begin, end, intervals):
    span = {"from": iso(OPENED + begin * MINUTE), "to": iso(OPENED + end * MINUTE)}
    if intervals is None:
        refused(town.client("ana").get("/api/v1/kpi/report", span), 400, "to")
    else:
        assert got(town.client("ana"), "kpi/report", **span)["intervals"] == intervals


def test_a_series_begins_with_the_interval_that_its_range_begins_in(town):
    span = SPAN | {"from": iso(OPENED + 30 * MINUTE)}
    points = got(town.client(), "series", **span)["points"]
    assert [p["start"] for p in points] == [iso(OPENED), iso(OPENED + HOUR)]


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("orders?limit=0", "limit"),
        ("orders?limit=501", "limit"),
        ("orders?limit=²", "limit"),
        ("orders?limit=" + "9" * 5_000, "limit"),
        ("orders?limit=ten", "limit"),
        ("orders?state=lost", "state"),
        ("orders?state=%00", "state"),
        ("trades?limit=-1", "limit"),
        ("trades?scope=yours", "scope"),
        ("intervals/noon/book", "start"),
        ("intervals/2026-06-01T15:00:00/book", "start"),
        ("intervals/2026-06-01/book", "start"),
        ("intervals/9999-12-31T23:00:00Z/book", "start"),
        ("intervals/%00/book", "start"),
    ],
)
def test_queries_are_checked_by_name(town, address, field):
    refused(town.client("ana").get(f"/api/v1/{address}"), 400, field)


def test_an_unknown_interval_has_no_book(town):
    answer = town.client("ana").get(f"/api/v1/intervals/{iso(OPENED + 900 * HOUR)}/book")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_public_facts_name_no_keys(town):
    facts = got(town.client(), "community")
    assert facts["eip712"]["chainId"] == 31_337
    assert facts["tariff"]["import_micro_per_kwh"] == IMPORT
    text = json.dumps(facts)
    assert not [key for key in town.keys.values() if key[2:] in text]
    assert meter_id("ana") not in text
