"""Early warning of accelerated fade: an alarm before the knee of the capacity curve costs half a life.

In the next 100 cycles fade is *accelerated* when it is at least twice the cell's own rate so far (since its
highest state of health) and at least 2 % of rated capacity. The alarm is given when forecast and measurement
agree on that by a margin, at which hardly any of the cells that taught it would have had it without need.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from forecasting.health.features import Trace
from forecasting.health.trajectory import PER
from forecasting.series import FloatArray, IntArray

AHEAD = 100
FROM_CYCLE = 60
FROM_FADING = 20  # cycles of fade before a rate of it means something
LOOK_EVERY = 5
IN_A_ROW = 2
RECENT = 30
TRUST = 2.0  # the recent rate must be at least half of the one that is forecast
FALSE_ALARMS = 0.025  # the promise is 5 %: a rank among few cells is an uncertain one
LEAST_FOLLOWED = 20
NEVER = -np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerated:
    """What counts as accelerated fade: ``times`` the rate so far, and ``least_fade`` of SoH in 100 cycles."""

    times: float = 2.0
    least_fade: float = 0.02

    def limit(self, trace: Trace, at: IntArray) -> FloatArray:
        """Least loss of SoH in 100 cycles that is accelerated, at positions ``at`` (m,)."""
        soh, peak = trace.soh, peak_cycle(trace)
        so_far = PER * (soh[peak[at]] - soh[at]) / np.maximum(at - peak[at], 1)
        return np.asarray(np.maximum(self.times * so_far, self.least_fade))

    def happened(self, trace: Trace, at: IntArray) -> NDArray[np.bool_]:
        """Whether fade was accelerated in the 100 cycles after ``at`` (m,), or in those on record."""
        later = np.minimum(at + AHEAD, len(trace) - 1)
        loss = PER * (trace.soh[at] - trace.soh[later]) / np.maximum(later - at, 1)
        return np.asarray(loss >= self.limit(trace, at))


def peak_cycle(trace: Trace) -> IntArray:
    """Where the highest state of health up to each cycle was, (n,)."""
    soh = trace.soh
    rising = soh >= np.maximum.accumulate(soh)
    return np.asarray(np.maximum.accumulate(np.where(rising, np.arange(len(soh)), 0)))


def looks(trace: Trace) -> IntArray:
    """Positions at which the alarm looks: every fifth, once the cell has faded for a while."""
    at = np.arange(LOOK_EVERY - 1, len(trace), LOOK_EVERY)
    return at[(at >= FROM_CYCLE) & (at - peak_cycle(trace)[at] >= FROM_FADING)]


def excess(trace: Trace, loss_ahead: FloatArray, kind: Accelerated) -> FloatArray:
    """By how much the fade is accelerated at ``looks``, share of rated capacity in 100 cycles, (m,).

    ``loss_ahead`` (m,) is the forecast for the next 100 cycles. It counts for at most twice the loss rate of
    the last 30 cycles, and the lower of two looks in a row is taken.
    """
    at = looks(trace)
    recent = PER / RECENT * (trace.soh[np.maximum(at - RECENT, 0)] - trace.soh[at])
    over = np.minimum(loss_ahead, TRUST * recent) - kind.limit(trace, at)
    before = np.concatenate([np.full(IN_A_ROW - 1, NEVER), over])
    return np.asarray(np.min([before[i : i + len(over)] for i in range(IN_A_ROW)], axis=0))


@dataclass(frozen=True, slots=True)
class Alarm:
    """Given at the first look whose excess is above ``margin``; it is never taken back."""

    margin: float
    kind: Accelerated = Accelerated()

    @classmethod
    def fit(cls, traces: Sequence[Trace], losses: Sequence[FloatArray], kind: Accelerated) -> Self:
        """The margin that would have kept enough held-out cells free of a false alarm.

        Conformal over cells: a cell's score is the highest excess it showed, before its fade first was
        accelerated, without need.
        """
        scores = np.sort([_worst(each, loss, kind) for each, loss in zip(traces, losses, strict=True)])
        rank = int(np.ceil((1 - FALSE_ALARMS) * (len(scores) + 1)))
        return cls(float(scores[min(rank, len(scores)) - 1]), kind)

    def given(self, trace: Trace, loss_ahead: FloatArray) -> int | None:
        """Position at which the alarm is given; None when it is not."""
        above = np.flatnonzero(excess(trace, loss_ahead, self.kind) > self.margin)
        return int(looks(trace)[above[0]]) if len(above) else None


def _worst(trace: Trace, loss_ahead: FloatArray, kind: Accelerated) -> float:
    at = looks(trace)
    judged = at < len(trace) - LEAST_FOLLOWED
    happened = kind.happened(trace, at)
    first = np.argmax(happened & judged) if (happened & judged).any() else len(at)
    unneeded = judged & ~happened & (np.arange(len(at)) < first)
    return float(excess(trace, loss_ahead, kind)[unneeded].max(initial=NEVER))


def bent_line(soh: FloatArray) -> tuple[int, float, float]:
    """Knee of a whole life (n,) >= 60: two lines that meet, by least squares.

    Returns the position where they meet, and the change of SoH per cycle before and after. This is the
    simplest of the knee definitions that Fermín-Cueto et al. 2020 compare (Bacon and Watts 1971).
    """
    cycle = np.arange(len(soh), dtype=np.float64)
    best = (np.inf, 0, 0.0, 0.0)
    for knee in range(20, len(soh) - 20, LOOK_EVERY):
        design = np.column_stack([np.ones_like(cycle), cycle, np.maximum(cycle - knee, 0)])
        weights = np.linalg.lstsq(design, soh)[0]
        squares = float(((design @ weights - soh) ** 2).sum())
        best = min(best, (squares, knee, float(weights[1]), float(weights[1] + weights[2])))
    return best[1:]
