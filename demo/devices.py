"""``python -m demo devices``: every meter and battery of the community, in one process."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import httpx

from demo.clock import CommunityClock
from demo.files import read_json
from demo.history import build_homes
from demo.household import Equipment, Household
from demo.http_link import HttpLink
from demo.keys import KeyRing
from demo.losses import Losses
from demo.mqtt_link import MqttLink
from demo.scenario import load_scenario
from demo.signing import SigningDomain
from demo.store import HomeFile

TICK_S = 0.05
ASK_AGAIN_S = 0.5
TIMEOUT_S = 10.0
logger = logging.getLogger(__name__)


def web_url() -> str:
    """Where the platform's web server is."""
    return os.environ.get("WEB_URL", "http://127.0.0.1:8000")


def mqtt_url() -> str:
    """Where the MQTT broker is."""
    return os.environ.get("MQTT_URL", "mqtt://127.0.0.1:1883")


async def run_devices(state: Path) -> None:
    """Run the community in ``state`` until cancelled."""
    facts = read_json(state / "community.json")
    scenario = load_scenario(Path(facts["scenario_file"]))
    homes = build_homes(scenario, facts)
    async with httpx.AsyncClient(base_url=web_url(), timeout=TIMEOUT_S) as http:
        domain = SigningDomain.of_meters(await community_of(http))
        clock = CommunityClock(http)
        keys = KeyRing.meters(state)
        households = []
        for member in facts["members"]:
            name = member["username"]
            losses = Losses(
                facts["seed"],
                name,
                facts["connection"]["losses_per_day"],
                facts["connection"]["loss_minutes"],
            )
            accounts = {m["meter_id"]: keys.account(m["meter_id"]) for m in member["meters"]}
            meters = {m["role"]: m["meter_id"] for m in member["meters"]}
            equipment = Equipment(name, homes[name], meters, accounts, domain, losses)
            household = Household(equipment, HomeFile.open(state, name))
            household.link = _link(member, household, http, accounts, meters.get("battery"))
            households.append(household)
        logger.info(
            "%s homes with %s meters", len(households), sum(len(m["meters"]) for m in facts["members"])
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(clock.follow())
            group.create_task(_tick(clock, households))
            for household in households:
                group.create_task(household.run())


async def community_of(http: httpx.AsyncClient) -> dict[str, Any]:
    """The platform's public facts, as soon as it is up and its contracts are deployed."""
    while True:
        try:
            answer = await http.get("/api/v1/community")
            answer.raise_for_status()
            facts: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError):
            facts = {}
        if facts.get("contracts", {}).get("oracle"):
            return facts
        await asyncio.sleep(ASK_AGAIN_S)


async def _tick(clock: CommunityClock, households: list[Household]) -> None:
    while True:
        now = clock.now()
        if now is not None:
            for household in households:
                household.tick(now)
        await asyncio.sleep(TICK_S)


def _link(
    member: dict[str, Any],
    household: Household,
    http: httpx.AsyncClient,
    accounts: dict[str, Any],
    battery_meter: str | None,
) -> HttpLink | MqttLink:
    if member["meters"][0]["transport"] == "mqtt":
        return MqttLink(
            mqtt_url(), accounts, username=member["username"], battery_meter=battery_meter,
            on_command=household.take_command,
        )  # fmt: skip
    return HttpLink(
        http, accounts, battery_meter=battery_meter,
        on_command=household.take_command, wants_command=household.wants_command,
    )  # fmt: skip
