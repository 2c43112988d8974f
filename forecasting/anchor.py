"""A guess to depart from: a few levels weighed for each lead, drawn towards the first guess."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from forecasting.examples import Examples
from forecasting.features import Features
from forecasting.series import FloatArray, IntArray

LEVELS_USED = (
    "recent_0", "recent_1", "then_1", "then_mean", "then_week", "same_1", "same_mean", "same_mean_28",
    "week_1", "weeks_mean", "day_mean", "week_mean", "month_mean",
    "onward_1", "onward_7", "onward_mean",
)  # fmt: skip
PENALTY = 20.0
DIGITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """``weights`` (H, K) of what the levels of ``LEVELS_USED`` are above the base, by lead.

    The newest value says much of the next hour and little of tomorrow; last week's day says much where work
    rules, and little in a home. A ridge finds how much; without examples it is the base.
    """

    weights: FloatArray

    @classmethod
    def fit(cls, examples: Examples, horizon: int) -> Self:
        """The ridge of each lead, in units of scale; leads without examples share one."""
        inputs = _inputs(examples.features)
        target = examples.departure(examples.features.base)
        leads = np.broadcast_to(examples.leads, target.shape)
        common = _ridge(inputs[examples.usable], target[examples.usable], np.zeros(inputs.shape[-1]))
        weights = np.empty((horizon, inputs.shape[-1]))
        for lead in range(horizon):
            chosen = examples.usable & (leads == lead)
            weights[lead] = _ridge(inputs[chosen], target[chosen], common)
        return cls(weights.round(DIGITS))

    def guess(self, features: Features, leads: IntArray) -> FloatArray:
        """Values of the intervals at ``leads`` (O, L), shape (N, O, L), in units of scale."""
        return np.asarray(features.base + np.einsum("nolk,olk->nol", _inputs(features), self.weights[leads]))

    def dump(self) -> list[list[float]]:
        """As JSON types."""
        rows: list[list[float]] = self.weights.tolist()
        return rows

    @classmethod
    def load(cls, rows: Any) -> Self:  # noqa: ANN401 - what JSON holds
        """What ``dump`` gave."""
        return cls(np.array(rows, dtype=np.float64))


def _inputs(features: Features) -> FloatArray:
    columns = [features.names.index(name) for name in LEVELS_USED]
    return np.asarray(np.nan_to_num(features.table[..., columns] - features.base[..., None]))


def _ridge(inputs: FloatArray, target: FloatArray, prior: FloatArray) -> FloatArray:
    """Least squares with a penalty on what departs from ``prior`` (K,)."""
    unit = max(float((inputs**2).mean()), 1e-12) if inputs.size else 1.0
    penalty = PENALTY * unit * np.eye(len(prior))
    missed = target - inputs @ prior
    return np.asarray(prior + np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ missed))
