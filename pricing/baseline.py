"""What a member would have used had no demand-response event been called.

High-X-of-Y with a symmetric additive adjustment: of the Y last similar days take the X that used most in the
event's hours, average them interval by interval, then shift the average by how much the event day differed
from it in a window before the event. The shift works both ways and is capped. PJM's default customer baseline
has this form (PJM Manual 11; KEMA, "PJM Empirical Analysis of Demand Response Baseline
Methods", 2011).

Energies are kWh per interval, positive consumption, net of generation (so they may be negative).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """A programme's rule: average the ``high`` days of most use; adjust by at most ``cap``.

    ``cap`` is a share, >= 0, of the unadjusted baseline's mean size over the event.
    """

    high: int
    cap: float = 0.2

    def __post_init__(self) -> None:
        if self.high < 1:
            raise FieldError("high", f"must be at least 1, got {self.high}")
        if self.cap < 0:
            raise FieldError("cap", f"must not be negative, got {self.cap}")


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """``baseline_kwh`` of shape (E,), one per event interval, already including ``adjustment_kwh``.

    ``days`` are the rows of the history that were averaged, ascending.
    """

    baseline_kwh: NDArray[np.float64]
    adjustment_kwh: float
    days: tuple[int, ...]

    def reduction_kwh(self, metered_kwh: NDArray[np.float64]) -> NDArray[np.float64]:
        """Energy not used, (E,): positive where the member used less than its baseline."""
        return self.baseline_kwh - metered_kwh


def similar_days(
    candidates: Iterable[date], day: date, *, excluded: Collection[date], count: int
) -> list[date]:
    """The last ``count`` dates before ``day`` of its kind (working day or weekend), oldest first.

    ``excluded`` names holidays and days with events, which say nothing of ordinary use. Fewer come back when
    there are fewer.
    """
    weekend = day.weekday() >= SATURDAY
    similar = sorted(
        d for d in candidates if d < day and d not in excluded and (d.weekday() >= SATURDAY) == weekend
    )
    return similar[max(len(similar) - count, 0) :]


def baseline(
    history_kwh: NDArray[np.float64],
    today_kwh: NDArray[np.float64],
    *,
    event: slice,
    window: slice,
    rule: BaselineRule,
) -> Baseline:
    """High-X-of-Y baseline of the intervals ``event``, adjusted by the intervals ``window``.

    Args:
        history_kwh: Shape (Y, T), similar days oldest first, whole days.
        today_kwh: Shape (T,), the event day; only ``window`` is read.
        event: Positions of the event's intervals in the day.
        window: Positions before the event that the adjustment compares.
        rule: X (no more than Y) and the cap. Between days of equal use the later is taken.

    Raises:
        FieldError: shapes do not fit, figures are not finite, there are fewer days than X, or the window
            does not end before the event.

    >>> history = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 4.0], [3.0, 3.0, 6.0]])
    >>> result = baseline(history, np.array([2.5, 2.5, 0.0]),
    ...     event=slice(2, 3), window=slice(0, 2), rule=BaselineRule(high=2))
    >>> result.baseline_kwh.tolist(), result.days
    ([5.5], (1, 2))
    """
    window_kwh = today_kwh[window]
    if history_kwh.shape != (len(history_kwh), today_kwh.size):
        raise FieldError("history_kwh", f"must have shape (Y, {today_kwh.size}), got {history_kwh.shape}")
    positions = range(today_kwh.size)
    if not positions[event] or not positions[window] or positions[window][-1] >= positions[event][0]:
        raise FieldError("window", "must hold at least one interval and end before the event")
    if not np.isfinite(history_kwh).all() or not np.isfinite(window_kwh).all():
        raise FieldError("history_kwh", "must be finite, and so must today's window", code="not_finite")
    if rule.high > len(history_kwh):
        raise FieldError("history_kwh", f"holds {len(history_kwh)} days where the rule averages {rule.high}")
    use_kwh = history_kwh[:, event].sum(axis=1)
    newest_first = np.arange(len(history_kwh))[::-1]
    chosen = np.sort(newest_first[np.argsort(-use_kwh[newest_first], kind="stable")[: rule.high]])
    average_kwh = history_kwh[chosen].mean(axis=0)
    limit_kwh = rule.cap * float(np.abs(average_kwh[event]).mean())
    difference_kwh = float((window_kwh - average_kwh[window]).mean())
    adjustment_kwh = min(max(difference_kwh, -limit_kwh), limit_kwh)
    return Baseline(average_kwh[event] + adjustment_kwh, adjustment_kwh, tuple(int(d) for d in chosen))
