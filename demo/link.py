"""What a home's devices need of a network, whichever it is."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum, auto
from typing import Any, Protocol

from demo.home import Command


class Outcome(Enum):
    """What became of a reading."""

    ARRIVED = auto()
    """The platform has it (perhaps for the second time)."""
    LATER = auto()
    """It may or may not have arrived; send it again."""
    REFUSED = auto()
    """The platform will never take it."""


class Link(Protocol):
    """A home's way to the platform. While ``cut_off`` is set nothing passes, either way."""

    cut_off: bool

    def hurry(self) -> None:
        """A new interval has begun: look for a command at once."""

    async def run(self) -> None:
        """Keep the link up and hand over commands as they come, for ever."""

    async def deliver(self, reading: dict[str, Any]) -> Outcome:
        """Send a signed reading and learn what became of it."""

    async def send_status(self, meter_id: str, body: dict[str, Any]) -> None:
        """Sign and send a status; the newest counts, so a lost one is not sent again."""

    async def send_ack(self, meter_id: str, body: dict[str, Any]) -> bool:
        """Sign and send an acknowledgement; whether it was sent."""


OnCommand = Callable[[dict[str, Any]], None]


def parse_command(facts: dict[str, Any]) -> Command:
    """A command as the platform writes it; ValueError or KeyError when it is not one."""
    lease = datetime.fromisoformat(facts["lease_expires_at"])
    return Command(
        command_id=int(facts["id"]),
        sequence=int(facts["sequence"]),
        start=datetime.fromisoformat(facts["interval_start"]),
        end=min(lease, datetime.fromisoformat(facts["interval_end"])),
        power_min_kw=float(facts["power_min_kw"]),
        power_max_kw=float(facts["power_max_kw"]),
        grid_target_kw=float(facts["grid_target_kw"]),
    )


def outcome_of_problem(status: int, problem: dict[str, Any]) -> Outcome:
    """What a refusal (problem+json) says about the reading that was refused.

    A replayed reading has arrived before; one that is too early, and any failure of the platform's own, calls
    for patience.
    """
    codes = {str(problem.get("code", "")), *(str(e.get("code", "")) for e in problem.get("errors", []))}
    if "replayed" in codes or "duplicate" in codes:
        return Outcome.ARRIVED
    if "too_early" in codes or status in PATIENCE or status >= SERVER_ERROR:
        return Outcome.LATER
    return Outcome.REFUSED


PATIENCE = frozenset({404, 408, 425, 429})
SERVER_ERROR = 500
