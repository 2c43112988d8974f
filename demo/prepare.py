"""``python -m demo prepare``: keys, public facts and past readings of a demo community.

Writes ``<state>/community.json``, the public facts that the platform is told (times ISO-8601 with Z, prices
in micro-units per kWh, money in micro-units)::

    {
      "name": "Fontana, California", "scenario": "fontana", "scenario_file": "/…/scenarios/fontana.yaml",
      "time_zone": "America/Los_Angeles", "currency": "USD", "interval_minutes": 60, "seed": 11,
      "reading_deadline_minutes": 120,
      "market": {"gate_open_h": 24, "gate_close_intervals": 1},
      "tariff": {"import_micro_per_kwh": 210000, "feed_in_micro_per_kwh": 80000, "fee_micro_per_kwh": 2000,
                 "bands": [{"from": "16:00", "to": "21:00", "weekdays": [0, …, 6],
                            "price_micro_per_kwh": 500000}]},
      "mandate": {"max_wh_per_day": 100000, "valid_days": 365,
                  "max_buy_micro_per_kwh": 540000, "min_sell_micro_per_kwh": 80000,
                  "fee_cap_micro_per_kwh": 2000, "imbalance_cap_micro_per_kwh": 540000},
      "connection": {"losses_per_day": 0.5, "loss_minutes": 45.0},
      "clock": {"start": "2026-11-21T16:00:00Z", "speed": 120.0},
      "opening_balance_micro": 250000000, "retailer_balance_micro": 100000000000,
      "retailer_address": "0x…", "community_fund_address": "0x…",
      "staff": [{"username": "operator", "name": "Operator", "role": "operator", "password": "…"}, …auditor],
      "members": [{
        "username": "rosa", "name": "Rosa Delgado", "pseudonym": "Juniper", "password": "…",
        "wallet_address": "0x…", "site": {"latitude": 34.09, "longitude": -117.44} or {},
        "meters": [{"meter_id": "0x<64 hex>", "role": "grid|pv|battery", "key_address": "0x…",
                    "transport": "http|mqtt"}],
        "battery": {"capacity_kwh", "max_charge_kw", "max_discharge_kw", "charge_efficiency",
                    "discharge_efficiency", "soc_min_kwh"} or null,
        "pv_nominal_kw": 4.0 or null,
        "fallback_import_w": 1100
      }]
    }

and ``<state>/history.csv.gz`` (``demo.history``), ``<state>/devices/*.json`` (each home's state of charge)
and ``<state>/keys`` (``demo.keys``). ``community.json`` comes last, whole; where it exists nothing changes.
"""

import math
import random
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from demo.files import read_json, write_json
from demo.history import write_history
from demo.keys import KeyRing
from demo.replay import HomeReplay, home_replays
from demo.scenario import WEEKDAYS, BatteryUnit, LoadedScenario, Member, Scenario, load_scenario, tariff_at
from demo.series import MINUTES_PER_HOUR
from demo.yaml_lines import ScenarioError
from domain.meter_ids import FIRST_NUMBER, meter_id
from domain.units import MICRO_PER_UNIT, WH_PER_KWH, micro_from_price

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
OPENING_HOUR = time(8)
STEPPED_LEAD_INTERVALS = 3
FALLBACK_STEP_W = 50
PSEUDONYMS = (
    "Juniper", "Poppy", "Sage", "Willow", "Lupine", "Cedar", "Yarrow", "Aster", "Laurel", "Iris", "Hazel",
    "Clover", "Rowan", "Alder", "Linden", "Heather", "Fennel", "Myrtle", "Larch", "Sorrel", "Tansy",
    "Bramble", "Elder", "Maple",
)  # fmt: skip


def find_scenario(given: str) -> Path:
    """The file of a scenario given by name (in ``scenarios/``) or by path, or ScenarioError."""
    for path in (SCENARIOS / f"{given}.yaml", Path(given)):
        if path.is_file():
            return path
    names = ", ".join(sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
    raise ScenarioError([f"{given}: there is no such file, nor a scenario of that name ({names})"])


def prepare(
    scenario_path: Path, state: Path, *, day: date | None, speed: float | None, wall_now: datetime
) -> bool:
    """Prepare ``state`` for a community that starts on local ``day`` (None: the wall's); False when it was.

    ``speed`` None is the scenario's own. A running clock (> 0) starts at 08:00 local; a stepped one (0) three
    intervals before local midnight, so that the first interval of the day can be traded.
    """
    target = state / "community.json"
    scenario = load_scenario(scenario_path)
    if target.exists():
        known = read_json(target)["scenario"]
        if known != scenario.facts.name:
            raise ScenarioError(
                [f"{state}: holds the community {known}; choose another --state for this scenario"]
            )
        return False
    speed = scenario.facts.speed if speed is None else speed
    start = clock_start(scenario.facts, day=day, stepped=speed == 0, wall_now=wall_now)
    facts = community_facts(scenario, state, start=start, speed=speed)
    write_history(scenario, facts, state, end=start)
    write_json(target, facts)
    return True


def clock_start(facts: Scenario, *, day: date | None, stepped: bool, wall_now: datetime) -> datetime:
    """The community time (UTC) at which the platform goes live."""
    local_day = day or wall_now.astimezone(facts.zone).date()
    if not stepped:
        return datetime.combine(local_day, OPENING_HOUR, facts.zone).astimezone(UTC)
    midnight = datetime.combine(local_day, time(0), facts.zone).astimezone(UTC)
    return midnight - STEPPED_LEAD_INTERVALS * timedelta(minutes=facts.interval_minutes)


def community_facts(
    scenario: LoadedScenario, state: Path, *, start: datetime, speed: float
) -> dict[str, Any]:
    """The content of ``community.json``; makes the keys that it needs the addresses of."""
    facts = scenario.facts
    wallets, meters = KeyRing.wallets(state), KeyRing.meters(state)
    wallets.ensure([*(member.username for member in facts.members), "retailer", "community_fund"])
    owners = {member.username: wallets.account(member.username).address for member in facts.members}
    meters.ensure(
        meter_id(owners[member.username], FIRST_NUMBER[role])
        for member in facts.members
        for role in roles(member)
    )
    replays = home_replays(scenario)
    pseudonyms = [name + (f" {lap}" if lap > 1 else "") for lap in range(1, 43) for name in PSEUDONYMS]
    pseudonyms = pseudonyms[: max(len(facts.members), len(PSEUDONYMS))]
    random.Random(facts.seed).shuffle(pseudonyms)  # noqa: S311 (names, not secrets)
    return {
        "name": facts.title,
        "scenario": facts.name,
        "scenario_file": str(scenario.path.resolve()),
        "time_zone": facts.time_zone,
        "currency": facts.currency,
        "interval_minutes": facts.interval_minutes,
        "seed": facts.seed,
        "reading_deadline_minutes": facts.reading_deadline_minutes,
        "market": facts.market.model_dump(),
        "tariff": _tariff(facts, start),
        "mandate": _mandate(facts),
        "connection": facts.connection.model_dump(),
        "clock": {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "speed": speed},
        "opening_balance_micro": round(facts.opening_balance * MICRO_PER_UNIT),
        "retailer_balance_micro": round(facts.retailer_balance * MICRO_PER_UNIT),
        "retailer_address": wallets.account("retailer").address,
        "community_fund_address": wallets.account("community_fund").address,
        "staff": [
            {"username": role, "name": role.capitalize(), "role": role, "password": facts.demo_password}
            for role in ("operator", "auditor")
        ],
        "members": [
            {
                "username": member.username,
                "name": member.name,
                "pseudonym": pseudonym,
                "password": facts.demo_password,
                "wallet_address": owners[member.username],
                "site": facts.site.model_dump() if facts.site else {},
                "meters": [_meter(owners[member.username], member, role, meters) for role in roles(member)],
                "battery": _battery(member.battery) if member.battery else None,
                "pv_nominal_kw": member.pv.nominal_kw if member.pv else None,
                "fallback_import_w": _fallback_import_w(facts, member, replays[member.username]),
            }
            for member, pseudonym in zip(facts.members, pseudonyms, strict=False)
        ],
    }


def roles(member: Member) -> list[str]:
    """The meters that a home has."""
    return ["grid", *(["pv"] if member.pv else []), *(["battery"] if member.battery else [])]


def _meter(owner: str, member: Member, role: str, keys: KeyRing) -> dict[str, str]:
    name = meter_id(owner, FIRST_NUMBER[role])
    address = keys.account(name).address
    return {"meter_id": name, "role": role, "key_address": address, "transport": member.transport}


def _fallback_import_w(facts: Scenario, member: Member, replay: HomeReplay) -> int:
    """What the member names, else the mean of its load, rounded up to a whole step.

    That is at least what the home imports on average, since panels only take from it: silence does not pay.
    """
    if member.fallback_import_w is not None:
        return member.fallback_import_w
    mean_w = replay.mean_load_kwh() * WH_PER_KWH * MINUTES_PER_HOUR / facts.interval_minutes
    return math.ceil(mean_w / FALLBACK_STEP_W) * FALLBACK_STEP_W


def _battery(unit: BatteryUnit) -> dict[str, float]:
    one_way = math.sqrt(unit.round_trip_efficiency)
    return {
        "capacity_kwh": unit.capacity_kwh,
        "max_charge_kw": unit.max_charge_kw,
        "max_discharge_kw": unit.max_discharge_kw,
        "charge_efficiency": one_way,
        "discharge_efficiency": one_way,
        "soc_min_kwh": unit.soc_min_kwh,
    }


def _tariff(facts: Scenario, start: datetime) -> dict[str, Any]:
    """The tariff of the season in which the community starts (months are resolved here)."""
    return {
        "import_micro_per_kwh": micro_from_price(facts.tariff.import_per_kwh),
        "feed_in_micro_per_kwh": micro_from_price(facts.tariff.feed_in_per_kwh),
        "fee_micro_per_kwh": micro_from_price(facts.tariff.fee_per_kwh),
        "bands": [
            {
                "from": f"{band.start:%H:%M}",
                "to": f"{band.end:%H:%M}",
                "weekdays": sorted(WEEKDAYS.index(day) for day in band.weekdays),
                "price_micro_per_kwh": micro_from_price(band.price_per_kwh),
            }
            for band in tariff_at(facts, _season_month(facts, start))
        ],
    }


def _season_month(facts: Scenario, start: datetime) -> int:
    """The month of the first full local day that follows a stepped start, of the present day otherwise."""
    lead = STEPPED_LEAD_INTERVALS * timedelta(minutes=facts.interval_minutes)
    return (start + lead).astimezone(facts.zone).month


def _mandate(facts: Scenario) -> dict[str, int]:
    """What an agent may do: any price that the retailer's own prices, in any season, leave worth while.

    Who falls short pays for energy what the retailer asks for it; so that price is the cap on imbalance.
    """
    highest = max([facts.tariff.import_per_kwh, *(band.price_per_kwh for band in facts.tariff.bands)])
    return {
        "max_wh_per_day": facts.mandate.max_wh_per_day,
        "valid_days": facts.mandate.valid_days,
        "max_buy_micro_per_kwh": micro_from_price(highest),
        "min_sell_micro_per_kwh": micro_from_price(facts.tariff.feed_in_per_kwh),
        "fee_cap_micro_per_kwh": micro_from_price(facts.tariff.fee_per_kwh),
        "imbalance_cap_micro_per_kwh": micro_from_price(highest),
    }
