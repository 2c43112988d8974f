"""Rolling origins: what a model would have said, hour after hour, with what was known then."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from domain.errors import FieldError
from domain.time import require_utc
from forecasting import metrics
from forecasting.features import Vista
from forecasting.models.base import Model
from forecasting.quantiles import LEVELS, MEDIAN
from forecasting.series import FloatArray, History, InstantArray, IntArray

ORIGINS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Forecasts of N series from O origins, H steps each, beside what happened.

    ``issued_at`` has shape (O,); lead 0 of origin o is the interval that starts there. ``quantiles`` is
    (N, O, H, Q) at ``LEVELS``; ``actual`` is (N, O, H), NaN where unknown.
    """

    history: History
    issued_at: InstantArray
    quantiles: FloatArray
    actual: FloatArray


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of the median and of the quantiles, and the share of actual values inside the 80 % band."""

    mae: float
    rmse: float
    nrmse: float
    mase: float
    pinball: float
    crps: float
    coverage_80: float


def rolling_origins(first: datetime, last: datetime, every: timedelta) -> list[datetime]:
    """``first``, ``first + every``, ... not later than ``last``."""
    return [first + i * every for i in range((last - first) // every + 1)]


def backtest(model: Model, history: History, *, origins: Sequence[datetime], horizon: int) -> Backtest:
    """Forecasts issued at each of ``origins`` (increasing, on the grid) from what was known at that time.

    FieldError(code="leak") when the first one precedes the end of training.
    """
    if not origins:
        raise FieldError("origins", "must not be empty")
    model.require_usable(history, require_utc(origins[0], "origins"), horizon)
    positions = np.array([(origin - history.grid.start) // history.grid.step for origin in origins])
    parts = [
        model.quantiles(Vista.at(history, part), horizon)
        for part in np.split(positions, range(ORIGINS_AT_ONCE, len(positions), ORIGINS_AT_ONCE))
    ]
    return Backtest(
        history=history,
        issued_at=Vista.at(history, positions).as_of,
        quantiles=np.concatenate(parts, axis=1),
        actual=_actual(history, positions, horizon),
    )


def _actual(history: History, origins: IntArray, horizon: int) -> FloatArray:
    positions = origins[:, None] + np.arange(horizon)
    inside = np.minimum(positions, len(history.grid) - 1)
    return np.where(positions == inside, history.values[:, inside], np.nan)


def joined(parts: Iterable[Backtest]) -> Backtest:
    """Backtests of one history, one after the other."""
    parts = list(parts)
    return Backtest(
        parts[0].history,
        np.concatenate([part.issued_at for part in parts]),
        np.concatenate([part.quantiles for part in parts], axis=1),
        np.concatenate([part.actual for part in parts], axis=1),
    )


def score(result: Backtest, lead: int | None = None) -> Score:
    """Pooled over series and origins, for one lead (0 is the first interval) or for all of them."""
    leads = slice(None) if lead is None else slice(lead, lead + 1)
    actual, quantiles = result.actual[..., leads], result.quantiles[..., leads, :]
    known = np.isfinite(actual) & np.isfinite(quantiles).all(axis=-1)
    if not known.any():
        raise FieldError("actual", "holds no reading to compare a forecast with", code="no_data")
    actual, quantiles = actual[known], quantiles[known]
    point = quantiles[..., MEDIAN]
    past = result.history.as_of(_first_issue(result)).values
    return Score(
        mae=metrics.mae(actual, point),
        rmse=metrics.rmse(actual, point),
        nrmse=metrics.nrmse(actual, point),
        mase=metrics.mase(actual, point, past=past, season=result.history.steps_per_day),
        pinball=float(metrics.pinball(actual, quantiles, LEVELS).mean()),
        crps=metrics.crps(actual, quantiles, LEVELS),
        coverage_80=metrics.coverage(
            actual, quantiles[..., LEVELS.index(0.1)], quantiles[..., LEVELS.index(0.9)]
        ),
    )


def _first_issue(result: Backtest) -> datetime:
    grid = result.history.grid
    step = (result.issued_at[0] - result.history.starts[0]) // np.timedelta64(grid.step)
    return grid.start + int(step) * grid.step
