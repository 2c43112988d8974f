"""When a home's devices are cut off from the network: drawn once a day from the scenario's seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DAY_MINUTES = 1_440.0


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of one home: on average ``per_day``, each between half and one and a half ``minutes`` long.

    They are a function of community time alone, so that a day can be lived again.
    """

    seed: int
    username: str
    per_day: float
    minutes: float

    def lost(self, now: datetime) -> bool:
        """Whether the home is cut off at ``now`` (UTC)."""
        today = now.astimezone(UTC).date()
        days = (today - timedelta(days=1), today)
        return any(start <= now < end for day in days for start, end in self.of_day(day))

    def of_day(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The losses ``[start, end)`` that begin on a UTC day; the times between them are exponential."""
        if self.per_day == 0:
            return
        draw = random.Random(f"{self.seed}/{self.username}/{day}")  # noqa: S311 (a simulated nuisance)
        midnight = datetime.combine(day, time(0), UTC)
        minute = draw.expovariate(self.per_day / DAY_MINUTES)
        while minute < DAY_MINUTES:
            length = min(self.minutes * draw.uniform(0.5, 1.5), DAY_MINUTES)
            start = midnight + timedelta(minutes=minute)
            yield start, start + timedelta(minutes=length)
            minute += length + draw.expovariate(self.per_day / DAY_MINUTES)
