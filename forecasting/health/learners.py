"""The two learners: boosted trees, and a Gaussian process where a smooth answer is wanted."""

from dataclasses import dataclass
from typing import Self

import lightgbm
import numpy as np
from numpy.typing import NDArray

from forecasting.series import FloatArray

TREES = 400
CLIP = 4.0
LENGTH = 8.0  # of the kernel, in spreads of a feature
LINEAR = 0.05
NOISE = 0.5
JITTER_SPREAD = 1e-12
NORMAL_80 = 2.563  # spreads between the 10th and the 90th percentile of a normal distribution


def fit_trees(
    x: FloatArray,
    y: FloatArray,
    *,
    seed: int,
    weight: FloatArray | None = None,
    huber: float | None = None,
) -> lightgbm.Booster:
    """Gradient-boosted trees (LightGBM; Ke et al. 2017) for ``y`` (m,) given ``x`` (m, F).

    Squared loss; with ``huber``, an error beyond that size counts linearly, so that a few odd cycles do not
    decide.
    """
    loss = {"objective": "l2"} if huber is None else {"objective": "huber", "alpha": huber}
    parameters = {
        **loss,
        "learning_rate": 0.04,
        "num_leaves": 15,
        "min_data_in_leaf": 20,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "feature_fraction": 0.5,
        "lambda_l2": 1.0,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, lightgbm.Dataset(x, label=y, weight=weight), TREES)


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """Posterior mean of a Gaussian process (Rasmussen and Williams 2006, algorithm 2.1) at M points.

    Kernel: squared exponential plus linear. Features are centred at their median ``centre`` (F,), divided by
    ``spread`` (F,) and cut at four spreads; an unknown one is taken as the median. ``points`` is (M, F),
    ``weights`` (M,), ``mean`` (1,); single precision, as stored.
    """

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    points: NDArray[np.float32]
    weights: NDArray[np.float32]
    mean: NDArray[np.float32]

    @classmethod
    def fit(cls, x: FloatArray, y: FloatArray) -> Self:
        """Condition on all of ``x`` (M, F) and ``y`` (M,): time grows with M cubed."""
        low, centre, high = np.nanquantile(x, (0.1, 0.5, 0.9), axis=0)
        spread = np.where(high > low, (high - low) / NORMAL_80, 1.0) + JITTER_SPREAD
        points = _scaled(x, centre, spread)
        mean = float(y.mean())
        inside = _kernel(points, points) + NOISE**2 * np.eye(len(points))
        weights = np.linalg.solve(inside, y - mean)
        single = np.float32
        return cls(
            centre.astype(single),
            spread.astype(single),
            points.astype(single),
            weights.astype(single),
            np.array([mean], dtype=single),
        )

    def predict(self, x: FloatArray) -> FloatArray:
        """The mean at ``x`` (m, F), shape (m,)."""
        at = _scaled(x, self.centre.astype(np.float64), self.spread.astype(np.float64))
        return np.asarray(self.mean[0] + _kernel(at, self.points.astype(np.float64)) @ self.weights)


def _scaled(x: FloatArray, centre: FloatArray, spread: FloatArray) -> FloatArray:
    return np.asarray(np.nan_to_num(np.clip((x - centre) / spread, -CLIP, CLIP)))


def _kernel(a: FloatArray, b: FloatArray) -> FloatArray:
    inner = a @ b.T
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * inner
    return np.asarray(np.exp(-squared / (2 * LENGTH**2)) + LINEAR * inner)
