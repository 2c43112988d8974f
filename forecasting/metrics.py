"""How good forecasts were, one against another.

NaN in ``actual`` marks an interval without a reading and is left out; a forecast must be finite wherever
there is a reading. Every function raises FieldError: "no_data" when nothing is left to compare, "not_finite"
for a forecast that is NaN or infinite, "no_scale" when a ratio has nothing to stand on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from domain.errors import FieldError
from forecasting.series import FloatArray


def mae(actual: FloatArray, point: FloatArray) -> float:
    """Mean absolute error, in the unit of the series."""
    known, forecast = _paired(actual, point=point)
    return float(np.abs(known - forecast).mean())


def rmse(actual: FloatArray, point: FloatArray) -> float:
    """Root of the mean squared error, in the unit of the series."""
    known, forecast = _paired(actual, point=point)
    return float(np.sqrt(((known - forecast) ** 2).mean()))


def mean_rmse(actual: FloatArray, point: FloatArray) -> float:
    """Mean over series of each one's RMSE; the first axis is the series, and each must have a reading."""
    for row, series in enumerate(actual):
        if np.isnan(series).all():
            raise FieldError("actual", f"holds no reading of series {row}", code="no_data")
    _paired(actual, point=point)
    return float(np.mean([rmse(*pair) for pair in zip(actual, point, strict=True)]))


def nrmse(actual: FloatArray, point: FloatArray) -> float:
    """RMSE over the mean absolute actual value."""
    error = rmse(actual, point)
    level = float(np.nanmean(np.abs(actual)))
    if level == 0:
        raise FieldError("actual", "is zero throughout, so nRMSE has no meaning", code="no_scale")
    return error / level


def mase(actual: FloatArray, point: FloatArray, *, past: FloatArray, season: int) -> float:
    """MAE over the mean absolute seasonal difference of ``past`` (..., T), ``season`` steps apart.

    Below 1 is better than the seasonal naive forecast was on the past (Hyndman and Koehler 2006).
    """
    error = mae(actual, point)
    changes = np.abs(past[..., season:] - past[..., :-season])
    if np.isnan(changes).all():
        message = f"holds no two readings {season} steps apart, so MASE has no meaning"
        raise FieldError("past", message, code="no_scale")
    naive = float(np.nanmean(changes))
    if naive == 0:
        raise FieldError("past", "repeats itself exactly, so MASE has no meaning", code="no_scale")
    return error / naive


def pinball(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Mean quantile loss of each level, shape (Q,); ``quantiles`` is ``actual.shape + (Q,)``."""
    known, forecast = _paired_levels(actual, quantiles, levels)
    miss = known[:, None] - forecast
    tau = np.asarray(levels)
    return np.asarray(np.maximum(tau * miss, (tau - 1) * miss).mean(axis=0))


def crps(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]) -> float:
    """Continuous ranked probability score, twice the quantile loss integrated over the level.

    Each level stands for the part of (0, 1) nearest to it (Gneiting and Ranjan 2011, eq. 6, as a sum).
    """
    tau = np.asarray(levels)
    edges = np.concatenate([[0.0], (tau[1:] + tau[:-1]) / 2, [1.0]])
    return float(2 * (np.diff(edges) * pinball(actual, quantiles, levels)).sum())


def coverage(actual: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Share of actual values inside ``[lower, upper]``, both bounds included."""
    known, low = _paired(actual, lower=lower)
    _, high = _paired(actual, upper=upper)
    return float(((known >= low) & (known <= high)).mean())


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Observed shares at each of Q levels, shape (Q,) each, of ``count`` readings.

    A calibrated quantile at level p has ``below <= p <= at_or_below``: the two differ where readings equal
    the quantile, as those of PV do at night.
    """

    levels: FloatArray
    below: FloatArray
    at_or_below: FloatArray
    count: int


def reliability(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]) -> Reliability:
    """How often the actual value fell below each quantile; ``quantiles`` is ``actual.shape + (Q,)``."""
    known, forecast = _paired_levels(actual, quantiles, levels)
    return Reliability(
        levels=np.asarray(levels),
        below=(known[:, None] < forecast).mean(axis=0),
        at_or_below=(known[:, None] <= forecast).mean(axis=0),
        count=known.size,
    )


def skill(error: float, reference_error: float) -> float:
    """Part of the reference's error that is avoided: 1 is perfect, 0 as bad as it, below 0 worse."""
    if reference_error == 0:
        raise FieldError("reference_error", "is zero, so skill has no meaning", code="no_scale")
    return 1 - error / reference_error


def by_lead(metric: Callable[..., float], actual: FloatArray, *forecasts: FloatArray) -> FloatArray:
    """``metric(actual, *forecasts)`` at each lead alone, shape (H,); NaN at a lead without a reading.

    ``actual`` is (..., H) and each forecast (..., H) or (..., H, Q).
    """
    axis = actual.ndim - 1
    found = np.full(actual.shape[-1], np.nan)
    for lead in range(len(found)):
        if np.isfinite(actual[..., lead]).any():
            at_lead = (np.take(forecast, lead, axis=axis) for forecast in forecasts)
            found[lead] = metric(actual[..., lead], *at_lead)
    if np.isnan(found).all():
        raise FieldError("actual", "holds no reading to compare a forecast with", code="no_data")
    return found


@dataclass(frozen=True, slots=True)
class DieboldMariano:
    """Of ``count`` forecasts: ``statistic`` is negative where the first lost less, ``p_value`` two-sided."""

    statistic: float
    p_value: float
    count: int


def diebold_mariano(difference: FloatArray, *, overlap: int) -> DieboldMariano:
    """Whether two forecasts lose equally on average, from their difference of losses (O,), in time order.

    ``overlap`` is h, the steps ahead in units of the distance of successive forecasts: their errors share
    what happened in between, so the variance of the mean takes autocovariances up to lag h - 1 (Diebold
    and Mariano 1995), with equal weights or, where these give no positive variance, with Bartlett's. NaN is
    left out, and distances in time are kept. Statistic and Student's t with count - 1 degrees of freedom
    after Harvey, Leybourne and Newbold (1997).

    Raises FieldError: "too_short" unless more than ``overlap`` differences are known, "no_scale" when they
    are all the same and not zero.
    """
    if np.isinf(difference).any():
        raise FieldError("difference", "must be finite or NaN", code="not_finite")
    known = ~np.isnan(difference)
    count = int(known.sum())
    if overlap < 1:
        raise FieldError("overlap", f"must be at least 1, got {overlap}")
    if count <= overlap:
        message = f"holds {count} known values, needs more than {overlap}"
        raise FieldError("difference", message, code="too_short")
    mean = float(difference[known].mean())
    departures = np.where(known, difference - mean, 0.0)
    if mean == 0 and not departures.any():
        return DieboldMariano(0.0, 1.0, count)
    variance = variance_of_mean(departures, count, overlap=overlap)
    if variance <= (1e-12 * mean) ** 2:
        raise FieldError("difference", "is the same throughout, so the test has no meaning", code="no_scale")
    statistic = mean / np.sqrt(variance)
    return DieboldMariano(float(statistic), float(2 * student.sf(abs(statistic), count - 1)), count)


def variance_of_mean(departures: FloatArray, count: int, *, overlap: int, tapered: bool = False) -> float:
    """Of the mean of ``count`` values, from ``departures`` (O,) that are zero where unknown.

    Values depend on each other up to lag ``overlap`` - 1. Autocovariances weigh the same unless that gives no
    positive variance or ``tapered`` is asked for: then Bartlett's weights (Newey and West). With the
    small-sample factor of Harvey, Leybourne and Newbold.
    """
    lags = np.arange(min(overlap, departures.size))
    products = [departures[lag:] @ departures[: departures.size - lag] for lag in lags]
    autocovariance = np.array(products) / count
    twice = np.where(lags == 0, 1.0, 2.0)
    variance = float(twice @ autocovariance)
    if tapered or variance <= 0:
        variance = float(twice * (1 - lags / overlap) @ autocovariance)
    factor = (count + 1 - 2 * overlap + overlap * (overlap - 1) / count) / count
    return variance / count / factor


def _paired(actual: FloatArray, **named: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The K readings, shape (K,), and the one named forecast of them, shape (K, ...)."""
    [(field, forecast)] = named.items()
    if forecast.shape[: actual.ndim] != actual.shape:
        raise FieldError(field, f"must have the shape {actual.shape} of actual, got {forecast.shape}")
    known = ~np.isnan(actual)
    if not known.any():
        raise FieldError("actual", "holds no reading to compare a forecast with", code="no_data")
    readings, chosen = actual[known], forecast[known]
    for name, values in (("actual", readings), (field, chosen)):
        if not np.isfinite(values).all():
            raise FieldError(name, "must be finite wherever there is a reading", code="not_finite")
    return readings, chosen


def _paired_levels(
    actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    """The K readings, shape (K,), and their quantiles, shape (K, Q)."""
    tau = np.asarray(levels)
    if not tau.size or not ((tau > 0) & (tau < 1)).all() or (np.diff(tau) <= 0).any():
        raise FieldError("levels", f"must increase inside (0, 1), got {levels}")
    if quantiles.shape != (*actual.shape, tau.size):
        message = f"must have shape {(*actual.shape, tau.size)}, got {quantiles.shape}"
        raise FieldError("quantiles", message)
    return _paired(actual, quantiles=quantiles)
