"""SoH some cycles ahead, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import lightgbm
import numpy as np

from domain.errors import FieldError
from forecasting.health.conformal import Bands
from forecasting.health.features import Trace
from forecasting.health.learners import fit_trees
from forecasting.series import FloatArray, IntArray

LEADS = (10, 25, 50, 100, 150, 200)
FROM_CYCLE = 30
EVERY = 8
ODD_CHANGE = 0.02  # of SoH in 100 cycles: a larger error is an odd cycle or an odd cell
PER = 100  # cycles in which a change of SoH is counted


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Trees from features and lead to the mean change of SoH in 100 cycles, and how wrong they are.

    Errors are kept for a change in 100 cycles, by its size: fast fade is foreseen less exactly.
    """

    booster: lightgbm.Booster

    @classmethod
    def fit(cls, traces: Sequence[Trace], *, seed: int) -> Self:
        """Learn from every eighth cycle of each cell, at each of ``LEADS``."""
        parts = [(each, lead, origins(each, lead, EVERY)) for each in traces for lead in LEADS]
        x = np.concatenate([_inputs(each, at, lead) for each, lead, at in parts])
        y = np.concatenate([PER / lead * (each.soh[at + lead] - each.soh[at]) for each, lead, at in parts])
        return cls(fit_trees(x, y, seed=seed, huber=ODD_CHANGE))

    def change(self, trace: Trace, at: IntArray, lead: int) -> FloatArray:
        """Mean change of SoH in 100 of the ``lead`` cycles after positions ``at`` (m,); fade is negative."""
        if lead not in LEADS:
            raise FieldError("lead", f"must be one of {LEADS} cycles, got {lead}")
        if not len(at):
            return np.empty(0)
        return np.asarray(self.booster.predict(_inputs(trace, at, lead), num_threads=1))

    def soh(self, trace: Trace, at: IntArray, lead: int) -> FloatArray:
        """Expected SoH ``lead`` cycles after positions ``at`` (m,); ``lead`` is one of ``LEADS``."""
        return np.asarray(trace.soh[at] + lead / PER * self.change(trace, at, lead))


def origins(trace: Trace, lead: int, every: int) -> IntArray:
    """Every so-manieth position from which the outcome ``lead`` cycles ahead is on record."""
    return np.arange(FROM_CYCLE, len(trace) - lead, every)


def _inputs(trace: Trace, at: IntArray, lead: int) -> FloatArray:
    return np.column_stack([trace.table[at], np.full(len(at), lead)])


def bands(traces: Sequence[Trace], changes: Sequence[FloatArray], lead: int) -> Bands:
    """Bands of the change, from predictions for cells that were held out, at every eighth of ``origins``."""
    truth = []
    for each in traces:
        at = origins(each, lead, EVERY)
        truth.append(PER / lead * (each.soh[at + lead] - each.soh[at]))
    return Bands.fit(changes, truth)
