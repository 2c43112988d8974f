"""What a prepared state folder holds."""

import csv
import gzip
import json
import math
import stat
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from eth_account import Account

from demo.files import read_json
from demo.keys import KeyRing
from demo.onboard import agreements
from demo.prepare import SCENARIOS, clock_start, find_scenario, prepare
from demo.scenario import load_scenario
from demo.signing import SigningDomain, sign_document
from demo.yaml_lines import ScenarioError
from domain.meter_ids import require_own

WALL = datetime(2026, 11, 21, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def fontana_facts():
    return load_scenario(SCENARIOS / "fontana.yaml").facts


@pytest.mark.parametrize(
    ("day", "stepped", "start"),
    [
        (None, False, "2026-11-21T16:00:00+00:00"),
        (None, True, "2026-11-21T05:00:00+00:00"),
        (date(2026, 6, 15), True, "2026-06-15T04:00:00+00:00"),
        (date(2026, 6, 15), False, "2026-06-15T15:00:00+00:00"),
        (date(2026, 3, 9), True, "2026-03-09T04:00:00+00:00"),
        (date(2026, 11, 1), True, "2026-11-01T04:00:00+00:00"),
    ],
)
def test_the_clock_starts_at_eight_or_three_hours_before_midnight(fontana_facts, day, stepped, start):
    assert clock_start(fontana_facts, day=day, stepped=stepped, wall_now=WALL).isoformat() == start


def test_public_facts_hold_no_key(prepared):
    text = (prepared / "community.json").read_text()
    keys = [
        *read_json(prepared / "keys/wallets.json").values(),
        *read_json(prepared / "keys/meters.json").values(),
    ]
    assert len(keys) == len(set(keys)) == 4 + 4  # two owners, retailer, fund; four meters
    assert not any(key in text or key[2:] in text for key in keys)


def test_keys_are_for_their_owner_only(prepared):
    assert stat.S_IMODE((prepared / "keys").stat().st_mode) == 0o700
    for path in [*(prepared / "keys").iterdir(), *(prepared / "devices").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_addresses_belong_to_the_keys(prepared):
    facts = read_json(prepared / "community.json")
    wallets, meters = KeyRing.wallets(prepared), KeyRing.meters(prepared)
    assert facts["retailer_address"] == wallets.account("retailer").address
    for member in facts["members"]:
        assert member["wallet_address"] == wallets.account(member["username"]).address
        for meter in member["meters"]:
            assert meter["key_address"] == meters.account(meter["meter_id"]).address
            require_own(meter["meter_id"], account=member["wallet_address"], role=meter["role"])
    assert [[m["role"] for m in member["meters"]] for member in facts["members"]] == [
        ["grid", "pv", "battery"],
        ["grid"],
    ]


def test_a_second_time_nothing_changes(state):
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert prepare(SCENARIOS / "minimal.yaml", state, day=None, speed=60.0, wall_now=WALL) is False
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == before


def test_a_folder_of_another_community_is_refused(state):
    with pytest.raises(ScenarioError, match="holds the community minimal"):
        prepare(SCENARIOS / "fontana.yaml", state, day=None, speed=60.0, wall_now=WALL)


def test_an_interrupted_preparation_is_begun_again_with_the_same_keys(state):
    keys = read_json(state / "keys/meters.json")
    (state / "community.json").unlink()
    assert prepare(SCENARIOS / "minimal.yaml", state, day=date(2026, 6, 15), speed=0.0, wall_now=WALL)
    assert read_json(state / "keys/meters.json") == keys


def test_history_is_complete_and_ends_where_the_devices_go_on(prepared):
    facts = read_json(prepared / "community.json")
    start = datetime.fromisoformat(facts["clock"]["start"])
    rows = defaultdict(dict)
    with gzip.open(prepared / "history.csv.gz", "rt") as stream:
        for row in csv.DictReader(stream):
            rows[row["meter_id"]][datetime.fromisoformat(row["interval_start"])] = row
    expected = [start - timedelta(hours=at) for at in range(8 * 24, 0, -1)]
    meters = {m["role"]: m["meter_id"] for m in facts["members"][0]["meters"]}
    for series in rows.values():
        assert list(series) == expected
    for at in expected:
        grid, pv, battery = (rows[meters[role]][at] for role in ("grid", "pv", "battery"))
        assert int(grid["import_wh"]) == 0 or int(grid["export_wh"]) == 0
        assert int(pv["import_wh"]) == 0
        assert int(battery["import_wh"]) <= 5_000
        assert 0 <= int(battery["soc_wh"]) <= 6_400
        assert grid["soc_wh"] == pv["soc_wh"] == ""
    memory = json.loads((prepared / "devices/ada.json").read_text())
    assert datetime.fromisoformat(memory["state"]["time"]) == start
    last = rows[meters["battery"]][expected[-1]]
    assert round(memory["state"]["soc_kwh"] * 1_000) == int(last["soc_wh"])


@pytest.mark.parametrize(
    ("day", "prices"),
    [
        (date(2026, 6, 15), {540_000, 400_000, 220_000}),
        (date(2026, 10, 1), {500_000}),
        (date(2026, 6, 1), {540_000, 400_000, 220_000}),
    ],
)
def test_the_tariff_is_that_of_the_season(tmp_path, day, prices):
    prepare(SCENARIOS / "fontana.yaml", tmp_path, day=day, speed=0.0, wall_now=WALL)
    bands = read_json(tmp_path / "community.json")["tariff"]["bands"]
    first_match = {}
    for band in bands:
        for weekday in band["weekdays"]:
            first_match.setdefault((band["from"], weekday), band["price_micro_per_kwh"])
    assert set(first_match.values()) == prices


def test_owners_sign_the_same_agreements_again(prepared):
    facts = read_json(prepared / "community.json")
    member = facts["members"][0]
    agent = Account.create().address
    first, again = (list(agreements(facts, member, agent)) for _ in range(2))
    assert first == again
    (_, kind, mandate), (_, _, supply) = first
    assert mandate["maxBuyPrice"] == supply["maxImportPrice"] == 300_000
    assert mandate["minSellPrice"] == supply["minFeedInPrice"] == 80_000
    assert mandate["feeCap"] == 0
    assert mandate["imbalanceCap"] == 300_000
    assert supply["fallbackImportW"] == member["fallback_import_w"]
    assert supply["validFrom"] == datetime.fromisoformat(facts["clock"]["start"]).timestamp()
    signature = sign_document(
        KeyRing.wallets(prepared).account("ada"), SigningDomain(31337, agent), kind, mandate
    )
    assert len(signature) == 132


def test_a_silent_meter_counts_as_the_member_says_or_else_as_its_mean_load(prepared):
    members = read_json(prepared / "community.json")["members"]
    with (SCENARIOS / "minimal.csv").open() as stream:
        loads_kwh = [float(row["upstairs_kwh"]) for row in csv.DictReader(stream)]
    mean_w = 1_000 * sum(loads_kwh) / len(loads_kwh)
    assert [member["fallback_import_w"] for member in members] == [50 * math.ceil(mean_w / 50), 1_000]


def test_a_scenario_is_found_by_name_or_path(tmp_path):
    assert find_scenario("fontana") == SCENARIOS / "fontana.yaml"
    own = tmp_path / "own.yaml"
    own.touch()
    assert find_scenario(str(own)) == own
    with pytest.raises(
        ScenarioError, match=r"nowhere.yaml: there is no such file.*\(fontana, minimal, simbench\)"
    ):
        find_scenario("nowhere.yaml")
