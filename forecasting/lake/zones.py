"""Wall clocks to UTC and back as expressions of whole seconds, with both kinds of clock change explicit."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import ibis.expr.types as ir

from forecasting.lake.cells import FALSE, case

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Transition:
    """At ``utc_s`` the zone's offset from UTC goes from ``before_s`` to ``after_s`` seconds."""

    utc_s: int
    before_s: int
    after_s: int


@lru_cache(maxsize=64)
def transitions(zone: str, first_s: int, last_s: int) -> tuple[Transition, ...]:
    """Clock changes of ``zone`` within a day of the span [``first_s``, ``last_s``], seconds since 1970."""
    found, clock = [], ZoneInfo(zone)
    for day in range(first_s // DAY_S - 1, last_s // DAY_S + 2):
        low, high = day * DAY_S, (day + 1) * DAY_S
        before, after = _offset_s(clock, low), _offset_s(clock, high)
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset_s(clock, middle) == before else (low, middle)
        found.append(Transition(high, before, after))
    return tuple(found)


def offset_at_s(zone: str, instant_s: int) -> int:
    """Seconds that the clock of ``zone`` is ahead of UTC at ``instant_s``."""
    return _offset_s(ZoneInfo(zone), instant_s)


def is_skipped(local_s: ir.IntegerValue, changes: tuple[Transition, ...]) -> ir.BooleanValue:
    """Whether the clock never showed this time, having been set forward."""
    found: ir.BooleanValue = FALSE
    for change in changes:
        found |= (local_s >= change.utc_s + change.before_s) & (local_s < change.utc_s + change.after_s)
    return found


def is_repeated(local_s: ir.IntegerValue, changes: tuple[Transition, ...]) -> ir.BooleanValue:
    """Whether the clock showed this time twice, having been set back."""
    found: ir.BooleanValue = FALSE
    for change in changes:
        found |= (local_s >= change.utc_s + change.after_s) & (local_s < change.utc_s + change.before_s)
    return found


def utc_from_local(
    local_s: ir.IntegerValue,
    is_second: ir.BooleanValue,
    *,
    changes: tuple[Transition, ...],
    offset_s: int,
) -> ir.IntegerValue:
    """UTC seconds of a wall clock's; ``is_second`` chooses of two; without changes ``offset_s`` holds."""
    if not changes:
        return local_s - offset_s
    branches: list[tuple[ir.Value | bool, ir.Value | str | int | float]] = []
    for change in changes:
        branches.append((local_s < change.utc_s + min(change.before_s, change.after_s), change.before_s))
        overlap = (local_s < change.utc_s + change.before_s) & ~is_second
        branches.append((overlap, change.before_s))
    return local_s - case(*branches, otherwise=changes[-1].after_s)


def local_from_utc(
    utc_s: ir.IntegerValue, *, changes: tuple[Transition, ...], offset_s: int
) -> ir.IntegerValue:
    """The wall clock's seconds at UTC seconds."""
    if not changes:
        return utc_s + offset_s
    branches: list[tuple[ir.Value | bool, ir.Value | str | int | float]] = [
        (utc_s < change.utc_s, change.before_s) for change in changes
    ]
    return utc_s + case(*branches, otherwise=changes[-1].after_s)


def _offset_s(clock: ZoneInfo, instant_s: int) -> int:
    offset = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=instant_s)).astimezone(clock).utcoffset()
    if offset is None:  # a ZoneInfo always has one; its base class promises none
        raise ValueError(clock.key)
    return int(offset.total_seconds())
