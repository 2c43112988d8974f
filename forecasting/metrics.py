"""How good a forecast was. NaN in ``actual`` marks an interval without a reading and is left out."""

import numpy as np

from domain.errors import FieldError
from forecasting.series import FloatArray


def mae(actual: FloatArray, point: FloatArray) -> float:
    """Mean absolute error, in the unit of the series."""
    return float(np.nanmean(np.abs(actual - point)))


def rmse(actual: FloatArray, point: FloatArray) -> float:
    """Root of the mean squared error, in the unit of the series."""
    return float(np.sqrt(np.nanmean((actual - point) ** 2)))


def nrmse(actual: FloatArray, point: FloatArray) -> float:
    """RMSE over the mean absolute actual value; FieldError when that is zero."""
    level = float(np.nanmean(np.abs(actual)))
    if level == 0:
        raise FieldError("actual", "is zero throughout, so nRMSE has no meaning")
    return rmse(actual, point) / level


def mase(actual: FloatArray, point: FloatArray, *, past: FloatArray, season: int) -> float:
    """MAE over the mean absolute seasonal difference of ``past`` (..., T), ``season`` steps apart.

    Below 1 is better than the seasonal naive forecast was on the past (Hyndman and Koehler 2006).
    """
    naive = float(np.nanmean(np.abs(past[..., season:] - past[..., :-season])))
    if naive == 0:
        raise FieldError("past", "repeats itself exactly, so MASE has no meaning")
    return mae(actual, point) / naive


def pinball(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Mean quantile loss of each level, shape (Q,); ``quantiles`` is ``actual.shape + (Q,)``."""
    miss = actual[..., None] - quantiles
    tau = np.asarray(levels)
    loss = np.maximum(tau * miss, (tau - 1) * miss).reshape(-1, len(levels))
    return np.asarray(np.nanmean(loss, axis=0))


def crps(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]) -> float:
    """Continuous ranked probability score, twice the quantile loss integrated over the level.

    Each level stands for the part of (0, 1) nearest to it (Gneiting and Ranjan 2011, eq. 6, as a sum).
    """
    tau = np.asarray(levels)
    edges = np.concatenate([[0.0], (tau[1:] + tau[:-1]) / 2, [1.0]])
    return float(2 * (np.diff(edges) * pinball(actual, quantiles, levels)).sum())


def coverage(actual: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Share of actual values inside ``[lower, upper]``."""
    known = np.isfinite(actual)
    return float(((actual >= lower) & (actual <= upper))[known].mean())
