"""The devices of one home at work: they live its physics in community time and report over a link."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eth_account.signers.local import LocalAccount

from demo.home import Command, Home, MeteredInterval
from demo.link import Link, Outcome, parse_command
from demo.losses import Losses
from demo.signing import SigningDomain, signed_reading
from demo.store import HomeFile, Reading
from domain.time import floor_to_step

FIRST_RETRY_S, LONGEST_RETRY_S = 0.2, 5.0
AT_ONCE = 6  # readings under way together
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a home's devices are. ``meters`` maps a role to a meter id, ``accounts`` a meter id to its key."""

    username: str
    home: Home
    meters: Mapping[str, str]
    accounts: Mapping[str, LocalAccount]
    domain: SigningDomain
    losses: Losses


class Household:
    """One home's devices at work.

    ``link`` is set by whoever builds the household, since a link hands its commands back to it.
    """

    link: Link

    def __init__(self, equipment: Equipment, memory: HomeFile) -> None:
        self._equipment = equipment
        self._home = equipment.home
        self._memory = memory
        self._now: datetime | None = None
        self._acks: deque[dict[str, Any]] = deque()
        self._acked = -1
        self._status_due = asyncio.Event()
        self._work = asyncio.Event()

    async def run(self) -> None:
        """Keep the link, deliver what is due; ``tick`` must be called as time goes by."""
        self._work.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.link.run())
            group.create_task(self._deliver_for_ever())
            group.create_task(self._report_for_ever())

    def tick(self, now: datetime) -> None:
        """Live until ``now``: meter every interval that has ended, keep or lose the connection."""
        self._now = now
        self.link.cut_off = self._equipment.losses.lost(now)
        if not self.link.cut_off and (self._memory.outbox or self._acks):
            self._work.set()
        boundary = floor_to_step(now, self._home.step)
        if boundary > self._memory.state.time:
            self._live(boundary)
            self._status_due.set()
            self._work.set()
            self.link.hurry()

    def wants_command(self) -> bool:
        """Whether no command is in force now."""
        return not self._home.obeys(self._memory.state)

    def take_command(self, facts: dict[str, Any]) -> None:
        """Obey a command and acknowledge it, or refuse it with a reason; an old copy is ignored."""
        state, now = self._memory.state, self._now
        if now is None:
            return
        try:
            command = parse_command(facts)
        except (KeyError, TypeError, ValueError):
            logger.warning("%s: not a command: %s", self._equipment.username, facts)
            return
        if command.sequence < state.sequence:
            return
        if command.sequence == state.sequence:
            if self._acked < command.sequence and command == state.command:
                self._acknowledge(command, "")
            return
        reason = _refusal(command, now)
        if reason:
            if self._acked < command.sequence:
                self._acknowledge(command, reason)
            return
        if now > state.time:
            self._live(now)
        self._memory.lived(replace(self._memory.state, command=command, sequence=command.sequence))
        self._acknowledge(command, "")
        self._status_due.set()

    def _live(self, until: datetime) -> None:
        state, readings = self._memory.state, list[Reading]()
        for lived, metered in self._home.advance(state, until):
            state = lived
            if metered:
                readings += self._readings(metered)
        self._memory.lived(state, readings)

    def _readings(self, metered: MeteredInterval) -> list[Reading]:
        interval_s = int(self._home.step.total_seconds())
        start = f"{metered.start:%Y-%m-%dT%H:%M:%SZ}"
        return [
            Reading(meter_id, start, interval_s, *metered.register(role))
            for role, meter_id in self._equipment.meters.items()
        ]

    def _acknowledge(self, command: Command, reason: str) -> None:
        self._acked = command.sequence
        self._acks.append(
            {
                "command_id": command.command_id,
                "meter_id": self._equipment.meters["battery"],
                "state": "refused" if reason else "accepted",
                "reason": reason,
            }
        )
        self._work.set()

    async def _deliver_for_ever(self) -> None:
        pause_s = FIRST_RETRY_S
        while True:
            await self._work.wait()
            self._work.clear()
            if await self.deliver_once():
                pause_s = FIRST_RETRY_S
                continue
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)
            self._work.set()

    async def deliver_once(self) -> bool:
        """Send what waits, oldest first; whether all of it has gone."""
        if self.link.cut_off:
            return True  # until the connection is back
        while self._acks and await self.link.send_ack(self._equipment.meters["battery"], self._acks[0]):
            self._acks.popleft()
        batch = self._memory.outbox[:AT_ONCE]
        outcomes = await asyncio.gather(*(self.link.deliver(self._signed(reading)) for reading in batch))
        for reading, outcome in zip(batch, outcomes, strict=True):
            if outcome is Outcome.REFUSED:
                logger.error("%s: the platform will not take %s", self._equipment.username, reading)
        done = [r for r, outcome in zip(batch, outcomes, strict=True) if outcome is not Outcome.LATER]
        self._memory.arrived(done)
        if done and self._memory.outbox:
            self._work.set()
            return True
        return not (self._memory.outbox or self._acks)

    def _signed(self, reading: Reading) -> dict[str, Any]:
        return signed_reading(self._equipment.accounts[reading.meter_id], self._equipment.domain, reading)

    async def _report_for_ever(self) -> None:
        while True:
            await self._status_due.wait()
            self._status_due.clear()
            for role, meter_id in self._equipment.meters.items():
                await self.link.send_status(meter_id, self._status(role, meter_id))

    def _status(self, role: str, meter_id: str) -> dict[str, Any]:
        """What a meter shows now, kW: positive import, charging; negative export, generation, discharge."""
        state = self._memory.state
        power_kw = {
            "grid": self._home.grid_kw,
            "pv": lambda s: -self._home.pv_kw(s),
            "battery": self._home.battery_kw,
        }[role](state)
        at = max(self._now or state.time, state.time)
        return {
            "meter_id": meter_id,
            "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
            "power_kw": round(power_kw, 6) + 0.0,
            "soc_kwh": round(state.soc_kwh, 6) if role == "battery" else None,
        }


def _refusal(command: Command, now: datetime) -> str:
    """Why a command is not obeyed, or nothing."""
    if not all(map(math.isfinite, (command.power_min_kw, command.power_max_kw, command.grid_target_kw))):
        return "power is not a finite number"
    if command.power_min_kw > command.power_max_kw:
        return "power_min_kw is above power_max_kw"
    if command.end <= now:
        return "the lease has expired"
    return ""
