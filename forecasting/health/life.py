"""Remaining useful life, in cycles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import lightgbm
import numpy as np

from domain.errors import FieldError
from forecasting.health.features import Trace
from forecasting.health.learners import Process, fit_trees
from forecasting.series import FloatArray, IntArray

FROM_CYCLE = 60
FROM_SHARE = 0.15  # of a short life, such as NASA's
EVERY = 4
THINNED = 5  # a process is fitted to every so-manieth example: its time grows with their cube
LEAST_LEFT = 3


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """Log of the remaining cycles: the mean of trees and a Gaussian process, which err differently."""

    booster: lightgbm.Booster
    process: Process

    @classmethod
    def fit(cls, traces: Sequence[Trace], *, seed: int) -> Self:
        """Learn from cells whose end is on record; each weighs the same. FieldError when there are none."""
        ended = [each for each in traces if each.cell.end_cycle is not None]
        if not ended:
            raise FieldError("cells", "none has reached its end of life", code="no_data")
        at = [origins(each, EVERY) for each in ended]
        x = np.concatenate([each.table[its] for each, its in zip(ended, at, strict=True)])
        y = np.concatenate([np.log(remaining(each, its)) for each, its in zip(ended, at, strict=True)])
        weight = np.concatenate([np.full(len(its), 1 / len(its)) for its in at])
        weight *= len(weight) / weight.sum()
        return cls(fit_trees(x, y, seed=seed, weight=weight), Process.fit(x[::THINNED], y[::THINNED]))

    def log_cycles(self, trace: Trace, at: IntArray) -> FloatArray:
        """Log of the remaining cycles at positions ``at`` (m,)."""
        if not len(at):
            return np.empty(0)
        x = trace.table[at]
        return np.asarray((self.booster.predict(x, num_threads=1) + self.process.predict(x)) / 2)


def origins(trace: Trace, every: int) -> IntArray:
    """Every so-manieth position before the end of life; empty when that is not on record."""
    end = trace.cell.end_cycle
    if end is None:
        return np.arange(0)
    return np.arange(min(FROM_CYCLE, int(FROM_SHARE * end)), end - LEAST_LEFT + 1, every)


def remaining(trace: Trace, at: IntArray) -> FloatArray:
    """Cycles from positions ``at`` (m,) to the end of life; FieldError when that is not on record."""
    end = trace.cell.end_cycle
    if end is None:
        raise FieldError("cell", f"{trace.cell.name} has not reached its end of life", code="no_data")
    return np.asarray(end - at, dtype=np.float64)
