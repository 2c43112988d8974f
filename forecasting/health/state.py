"""SoH now, from one segment of one charge: no full discharge is needed, and no past."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import lightgbm
import numpy as np

from domain.errors import FieldError
from forecasting.health.cells import Cell
from forecasting.health.learners import fit_trees
from forecasting.series import FloatArray

EVERY = 4  # neighbouring cycles teach the same


@dataclass(frozen=True, slots=True, eq=False)
class StateNow:
    """Trees from ``Cell.charge_per_rated`` of a cycle to the capacity of that cycle over the rated one."""

    booster: lightgbm.Booster

    @classmethod
    def fit(cls, cells: Sequence[Cell], *, seed: int) -> Self:
        """Learn from those of ``cells`` whose charging was measured; FieldError when there are none."""
        measured = [cell for cell in cells if np.isfinite(cell.charge).all()]
        if not measured:
            raise FieldError("cells", "none has its charging measured", code="no_data")
        x = np.concatenate([cell.charge_per_rated[::EVERY] for cell in measured])
        y = np.concatenate([cell.measured_soh[::EVERY] for cell in measured])
        return cls(fit_trees(x, y, seed=seed))

    def predict(self, cell: Cell) -> FloatArray:
        """SoH in each cycle (n,), NaN where its charging was not measured."""
        known = np.asarray(np.isfinite(cell.charge).all(axis=1))
        soh = np.full(len(cell.charge), np.nan)
        if known.any():
            soh[known] = self.booster.predict(cell.charge_per_rated[known], num_threads=1)
        return soh
