"""Has a model become worse, or the world different? Two alarms, from what was measured since.

Error drift: the mean loss of recent days lies above that of the days on which the model was chosen, by more
than a margin and by more than chance (a one-sided test that allows for the dependence of neighbouring days).
Input drift: the population stability index of each series, against what its own past has shown to be usual.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from domain.errors import FieldError
from forecasting import metrics
from forecasting.backtest import Backtest
from forecasting.quantiles import LEVELS
from forecasting.series import DAY, BoolArray, FloatArray

ERROR_MARGIN = 0.2
ERROR_LEVEL = 0.01
LEAST_DAYS = 3
BINS = 10
NOTABLE_PSI = 0.25
PSI_MARGIN = 1.5
LEAST_SHARE = 0.25
LEAST_REFERENCE_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class ErrorDrift:
    """``ratio`` is recent loss over the loss at validation; ``p_value`` that of "no more than the margin"."""

    ratio: float
    p_value: float
    alarm: bool


@dataclass(frozen=True, slots=True)
class InputDrift:
    """By series: its index now, and what it has to exceed to count as drifted."""

    index: dict[str, float]
    bound: dict[str, float]
    drifted: tuple[str, ...]
    alarm: bool


def daily_losses(result: Backtest, known: BoolArray | None = None) -> FloatArray:
    """Mean pinball loss of the forecasts issued on each day since the first origin, shape (D,).

    In the unit of the series; ``known`` (N, O, H) says which intervals count (those with both a reading and a
    forecast unless given); NaN for a day without any.
    """
    if known is None:
        known = np.isfinite(result.actual) & result.answered
    days = (result.issued_at - result.issued_at[0]) // np.timedelta64(DAY)
    losses = np.full(int(days[-1]) + 1, np.nan)
    for day in range(len(losses)):
        here = known & (days == day)[:, None]
        if here.any():
            losses[day] = metrics.pinball(result.actual[here], result.quantiles[here], LEVELS).mean()
    return losses


def mean_above_zero(values: FloatArray, *, lags: int = 1) -> float:
    """p-value of "the mean of ``values`` (n,) is not above zero", values in the order of time.

    On differences of two forecasts' losses this is the test of Diebold and Mariano, one-sided, with Bartlett
    weights (Newey and West), which keep the variance positive, and the small-sample factor and Student's
    distribution of Harvey, Leybourne and Newbold. ``lags``: how many values on, neighbours still depend on
    each other; for daily losses of forecasts a day long, 1.

    Raises:
        FieldError: fewer than ``LEAST_DAYS`` values, or one that is not finite.
    """
    values = _required(values, "values")
    return _p_value(float(values.mean()), _variance_of_mean(values, lags), len(values) - 1)


def error_drift(
    validation: FloatArray,
    recent: FloatArray,
    *,
    margin: float = ERROR_MARGIN,
    level: float = ERROR_LEVEL,
    lags: int = 1,
) -> ErrorDrift:
    """Whether losses of ``recent`` days (n,) exceed those of ``validation`` (m,) by more than ``margin``.

    Each is one loss a day, in the order of time, positive. One-sided test of the difference of two means,
    each with its variance as in ``mean_above_zero``, by Student's distribution with the fewer degrees of
    freedom.

    Raises:
        FieldError: fewer than ``LEAST_DAYS`` days, or a loss that is not finite.
    """
    before, after = _required(validation, "validation"), _required(recent, "recent")
    usual = float(before.mean())
    ratio = float(after.mean()) / usual if usual > 0 else float("inf") if after.any() else 1.0
    excess = float(after.mean()) - (1 + margin) * usual
    variance = _variance_of_mean(after, lags) + (1 + margin) ** 2 * _variance_of_mean(before, lags)
    p_value = _p_value(excess, variance, min(len(before), len(after)) - 1)
    return ErrorDrift(ratio=ratio, p_value=p_value, alarm=p_value < level)


def stability_index(reference: FloatArray, recent: FloatArray, *, bins: int = BINS) -> float:
    """Population stability index of ``recent`` (n,) against ``reference`` (m,): sum of (q - p) ln(q / p).

    p and q are the shares in ``bins`` classes of equal share of the reference, and one more for gaps (NaN);
    half a count is added to each class, so that an empty one stays finite. 0 is "the same"; by convention a
    shift is notable above 0.25.
    """
    known = reference[np.isfinite(reference)]
    inner = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if known.size else np.empty(0)

    def shares(values: FloatArray) -> FloatArray:
        finite = np.isfinite(values)
        counts = np.bincount(np.searchsorted(inner, values[finite], side="right"), minlength=len(inner) + 1)
        smoothed = np.append(counts, (~finite).sum()) + 0.5
        return np.asarray(smoothed / smoothed.sum(), dtype=np.float64)

    p, q = shares(reference), shares(recent)
    return float(((q - p) * np.log(q / p)).sum())


def input_drift(
    names: tuple[str, ...],
    values: FloatArray,
    *,
    recent_steps: int,
    notable: float = NOTABLE_PSI,
    least_share: float = LEAST_SHARE,
) -> InputDrift:
    """Whether the newest ``recent_steps`` of ``values`` (N, T) are distributed unlike what came before.

    A series has drifted when its index exceeds ``notable`` and, by half, every index that a block of the same
    length had in the past against the rest of the past: days of one kind come in runs, which is no drift. The
    alarm needs ``least_share`` of all series, and two where there are several: one home on holiday raises
    none.

    Raises:
        FieldError: the past is shorter than ``LEAST_REFERENCE_BLOCKS`` such blocks.
    """
    past, recent = values[:, :-recent_steps], values[:, -recent_steps:]
    blocks = past.shape[1] // recent_steps
    if blocks < LEAST_REFERENCE_BLOCKS:
        message = f"must hold {LEAST_REFERENCE_BLOCKS + 1} times the {recent_steps} recent steps"
        raise FieldError("values", message, code="too_short")
    index, bound = {}, {}
    for name, before, now in zip(names, past, recent, strict=True):
        index[name] = stability_index(before, now)
        own = before[-blocks * recent_steps :].reshape(blocks, recent_steps)
        usual = max(
            stability_index(np.delete(own, block, axis=0).ravel(), own[block]) for block in range(blocks)
        )
        bound[name] = max(notable, PSI_MARGIN * usual)
    drifted = tuple(name for name in names if index[name] > bound[name])
    enough = max(min(2, len(names)), least_share * len(names))
    return InputDrift(index, bound, drifted, alarm=len(drifted) >= enough)


def _p_value(mean: float, variance: float, degrees: int) -> float:
    if variance == 0:  # no doubt: all values are the same
        return 0.0 if mean > 0 else 1.0
    return float(stats.t.sf(mean / variance**0.5, degrees))


def _variance_of_mean(values: FloatArray, lags: int) -> float:
    departures = values - values.mean()
    return max(0.0, metrics.variance_of_mean(departures, len(values), overlap=lags + 1, tapered=True))


def _required(values: FloatArray, field: str) -> FloatArray:
    if len(values) < LEAST_DAYS:
        raise FieldError(field, f"must hold at least {LEAST_DAYS} days, got {len(values)}", code="too_short")
    if not np.isfinite(values).all():
        raise FieldError(field, "must be finite", code="not_finite")
    return values
