"""Weights for an average of forecasts, by what each of them missed."""

import numpy as np
from scipy.optimize import nnls

from forecasting.series import FloatArray

DIGITS = 6
HEAVY = 1e3  # how strongly the weights are asked to sum to 1, in units of the errors


def weights_of(missed: FloatArray, prior: FloatArray, strength: float) -> FloatArray:
    """Non-negative weights (M,) that sum to 1 and make ``missed`` (E, M) cancel best, drawn to ``prior``.

    As weights that sum to 1 give ``actual - sum(w * said) = sum(w * missed)``, the mean square of that is a
    quadratic form in w; ``strength`` times the members' mean square is added for what departs from ``prior``.
    Averages of forecasts that err differently: Bates and Granger (1969).
    """
    if not len(missed):
        return prior
    products = missed.T @ missed / len(missed)
    square = np.trace(products) / len(prior)
    if square == 0:
        return prior
    root = np.linalg.cholesky(products + (strength + 1e-9) * square * np.eye(len(prior)))
    heavy = HEAVY * np.sqrt(square)
    left = np.vstack([root.T, heavy * np.ones(len(prior))])
    right = np.concatenate([np.linalg.solve(root, strength * square * prior), [heavy]])
    weights, _ = nnls(left, right)
    return np.asarray((weights / weights.sum()).round(DIGITS))
