"""Community time as seen from outside: asked of the platform a few times a second, computed in between.

A guess never runs ahead of the platform: answers take time to come, and a clock that did not move between two
looks (held, stepped, or not yet known to run) is not assumed to move.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

RUNNING_POLL_S = 0.3
STEPPED_POLL_S = 0.1
LONGEST_GUESS_S = 2.0  # a platform that is down does not let time pass


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the platform's clock; ``seen_at`` is when the answer had come, by the monotonic clock."""

    now: datetime
    pace: float
    seen_at: float

    def at(self, monotonic: float) -> datetime:
        """Community time at ``monotonic``."""
        passed = min(max(monotonic - self.seen_at, 0.0), LONGEST_GUESS_S)
        return self.now + timedelta(seconds=passed * self.pace)


class CommunityClock:
    """Follows ``GET /api/v1/clock``."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._sight: Sight | None = None
        self._speed = 1.0

    def now(self) -> datetime | None:
        """Community time, or None before the platform first answers."""
        return self._sight.at(time.monotonic()) if self._sight else None

    async def look(self) -> None:
        """Ask once; httpx.HTTPError when the platform does not answer well."""
        answer = await self._http.get("/api/v1/clock")
        answer.raise_for_status()
        facts: dict[str, Any] = answer.json()
        now, self._speed = datetime.fromisoformat(facts["now"]), float(facts["speed"])
        moves = self._sight is not None and now > self._sight.now
        self._sight = Sight(now, self._speed if moves else 0.0, time.monotonic())

    async def follow(self) -> None:
        """Ask for ever."""
        while True:
            try:
                await self.look()
            except (httpx.HTTPError, ValueError, KeyError):
                await asyncio.sleep(RUNNING_POLL_S)
            await asyncio.sleep(STEPPED_POLL_S if self._speed == 0 else RUNNING_POLL_S)
