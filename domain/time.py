"""UTC time and the regular grid that every series lies on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.errors import FieldError

SUPPORTED_STEP_MINUTES = (5, 15, 30, 60)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def require_utc(value: datetime, field: str) -> datetime:
    """``value`` in UTC, or FieldError naming ``field`` when it carries no offset."""
    if value.tzinfo is None:
        raise FieldError(field, "must carry a time zone offset, such as Z or +00:00", code="naive_time")
    return value.astimezone(UTC)


def floor_to_step(instant: datetime, step: timedelta) -> datetime:
    """The start of the interval of length ``step`` that contains ``instant``."""
    return instant - (require_utc(instant, "instant") - EPOCH) % step


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """``count`` half-open intervals of length ``step`` beginning at ``start`` (UTC)."""

    start: datetime
    step: timedelta
    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", require_utc(self.start, "start"))
        if self.step not in [timedelta(minutes=m) for m in SUPPORTED_STEP_MINUTES]:
            raise FieldError("step", f"must be one of {SUPPORTED_STEP_MINUTES} minutes, got {self.step}")
        if self.count < 1:
            raise FieldError("count", f"must be at least 1, got {self.count}")
        if floor_to_step(self.start, self.step) != self.start:
            raise FieldError("start", f"must lie on a multiple of {self.step}, got {self.start.isoformat()}")

    @property
    def step_h(self) -> float:
        """Length of one interval in hours."""
        return self.step / timedelta(hours=1)

    @property
    def end(self) -> datetime:
        """The instant at which the last interval ends."""
        return self.start + self.count * self.step

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[datetime]:
        return (self.start + i * self.step for i in range(self.count))

    def index(self, instant: datetime) -> int:
        """Position of the interval containing ``instant``; FieldError when it lies outside."""
        position = (require_utc(instant, "instant") - self.start) // self.step
        if not 0 <= position < self.count:
            raise FieldError("instant", f"{instant.isoformat()} lies outside [{self.start}, {self.end})")
        return position
