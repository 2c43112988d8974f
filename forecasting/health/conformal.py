"""Cells held out by turns, and what the errors on them say about the next cell: conformal prediction.

Cycles of one cell are alike, so the unit that is exchanged is the cell: each weighs the same in a quantile,
and no cell is judged by a model that has seen it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np

from domain.errors import FieldError
from forecasting.health.features import Trace
from forecasting.series import FloatArray, IntArray

FOLDS = 5
BINS = 3
M = TypeVar("M")
P = TypeVar("P")


def fold_of(groups: Sequence[str], count: int, *, seed: int) -> IntArray:
    """The fold 0 .. count - 1 of each cell, (C,): every group is spread over the folds, by lot."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(groups), dtype=np.int64)
    for group in sorted(set(groups)):
        members = rng.permutation([i for i, name in enumerate(groups) if name == group])
        fold[members] = np.arange(len(members)) % count
    return fold


def held_out(
    traces: Sequence[Trace],
    fit: Callable[[Sequence[Trace]], M],
    predict: Callable[[M, Trace], P],
    *,
    seed: int,
) -> list[P]:
    """For each cell, ``predict`` with what ``fit`` learned from the other folds' cells."""
    fold = fold_of([each.cell.group for each in traces], FOLDS, seed=seed)
    models = {k: fit([each for each, its in zip(traces, fold, strict=True) if its != k]) for k in set(fold)}
    return [predict(models[its], each) for each, its in zip(traces, fold, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """How far the truth lies from a prediction, by how much is predicted.

    ``edges`` (B - 1,) part the predictions; between two of them 80 % of the errors (truth less prediction)
    lie from ``low`` to ``high``, (B,) each, which never leave the prediction itself outside.
    """

    edges: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def fit(cls, predicted: Sequence[FloatArray], truth: Sequence[FloatArray], *, level: float = 0.8) -> Self:
        """From one array of predictions for cells that were held out, and of truths, for each cell."""
        known = [i for i, each in enumerate(predicted) if len(each)]
        if len(known) < FOLDS:
            raise FieldError("cells", f"needs at least {FOLDS} with a known outcome, got {len(known)}")
        cell = np.concatenate([np.full(len(predicted[i]), i) for i in known])
        at = np.concatenate([predicted[i] for i in known])
        error = np.concatenate([truth[i] for i in known]) - at
        parts = np.unique(np.quantile(at, np.arange(1, BINS) / BINS, method="nearest"))
        edges = parts[parts > at.min()]  # no part without a prediction
        bins = np.searchsorted(edges, at, side="right")
        tail = (1 - level) / 2
        bounds = [
            [_quantile_by_cell(error[bins == k], cell[bins == k], share) for k in range(len(edges) + 1)]
            for share in (tail, 1 - tail)
        ]
        return cls(edges, np.minimum(bounds[0], 0.0), np.maximum(bounds[1], 0.0))

    def around(self, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bound of the truth, each of the shape of ``predicted``."""
        bins = np.searchsorted(self.edges, predicted, side="right")
        return predicted + self.low[bins], predicted + self.high[bins]


def _quantile_by_cell(error: FloatArray, cell: IntArray, share: float) -> float:
    """The quantile in which every cell weighs the same, moved outwards by what C cells leave unknown."""
    names, index, counts = np.unique(cell, return_inverse=True, return_counts=True)
    outwards = (1 + 1 / len(names)) * (share - 0.5) + 0.5
    order = np.argsort(error)
    reached = np.cumsum(1 / counts[index[order]]) / len(names)
    place = np.searchsorted(reached, np.clip(outwards, 0, 1))
    return float(error[order[min(int(place), len(order) - 1)]])
