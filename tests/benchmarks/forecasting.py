"""Every forecasting model on the last fifth of seven kinds of series, beside naive and plain yardsticks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from forecasting.backtest import Backtest, backtest, rolling_origins
from forecasting.examples import values_at
from forecasting.models import train
from forecasting.series import DAY, FloatArray, History, IntArray
from tests.benchmarks.forecast_tasks import HOUR, TASKS, Task, split
from tests.benchmarks.registry import Row, at_least, at_most

MODELS = ("linear", "lightgbm", "lstm", "transformer", "hybrid")
SEED = 1
PLAIN_LAGS = (1, 2, 3, 24, 48, 72, 168)
COVERED = (77.0, 83.0)  # % of readings in the 80 % band
LOWEST, MIDDLE, HIGHEST = 1, 3, 5


def forecasting(scale: float) -> list[Row]:
    """All tasks at scale 1; below it, one small task by a quick model, to see that it runs: no bars."""
    if scale < 1:
        return [replace(row, target="", holds=None) for row in _rows(TASKS[-2], ("linear",))]
    return [row for task in TASKS for row in _rows(task, MODELS)]


def _rows(task: Task, models: tuple[str, ...]) -> Iterator[Row]:
    history = task.history()
    end = split(history)
    last = history.grid.end - task.horizon * HOUR
    origins = rolling_origins(end, last, HOUR)
    yardsticks = {"seasonal naive": _naive(task, history), "plain LightGBM": _plain(task, history, end)}
    best: dict[str, float] = {}
    for name, told in yardsticks.items():
        for kind, figure in _figures(task, history, told, yardsticks).items():
            yield Row(f"{task.name}{kind}: {name}", figure, task.measure)
    for name in models:
        model = train(name, history.as_of(end), trained_at=end, seed=SEED, horizon=task.horizon)
        found = backtest(model, history, origins=origins, horizon=task.horizon)
        said = found.quantiles[..., MIDDLE]
        for kind, figure in _figures(task, history, said, yardsticks).items():
            yield Row(f"{task.name}{kind}: {name}", figure, task.measure)
            best[kind] = min(best.get(kind, np.inf), figure)
        covered = 100 * _covered(found)
        yield Row(f"{task.name}: {name}, in the 80 % band", covered, "%")
        if name == models[-1]:
            yield at_least(f"{task.name}: in the 80 % band", covered, "%", COVERED[0])
            yield at_most(f"{task.name}: in the 80 % band", covered, "%", COVERED[1])
    bars = {"": task.every_hour, " (a)": task.every_hour, " (b)": task.midnight}
    for kind, figure in best.items():
        bar = bars[kind]
        if bar is not None:
            yield at_most(f"{task.name}{kind}: best of ours", figure, task.measure, bar)


def _figures(
    task: Task, history: History, said: FloatArray, yardsticks: dict[str, FloatArray]
) -> dict[str, float]:
    """The figure of the longest lead at every hour, and where there is one of all leads from midnight."""
    positions = _positions(task, history)
    actual = values_at(history, positions[:, None] + np.arange(task.horizon))
    midnight = (history.grid.start.hour + positions) % 24 == 0
    longest = (slice(None), slice(None), slice(task.horizon - 1, task.horizon))
    found = {" (a)" if task.midnight is not None else "": _measured(task, actual, said, yardsticks, longest)}
    if task.midnight is not None:
        found[" (b)"] = _measured(task, actual, said, yardsticks, (slice(None), midnight, slice(None)))
    return found


def _measured(
    task: Task, actual: FloatArray, said: FloatArray, yardsticks: dict[str, FloatArray], part: tuple[Any, ...]
) -> float:
    missed = actual[part] - said[part]
    if task.measure == "MAE":
        return float(np.nanmean(np.abs(missed)))
    if task.measure == "nRMSE %":
        return float(100 * np.sqrt(np.nanmean(missed**2)) / np.nanmean(actual[part]))
    by_series = np.sqrt(np.nanmean(missed**2, axis=(1, 2)))
    if task.measure == "relative RMSE":
        rivals = [
            np.sqrt(np.nanmean((actual[part] - x[part]) ** 2, axis=(1, 2))) for x in yardsticks.values()
        ]
        return float((by_series / np.min(rivals, axis=0)).mean())
    return float(by_series.mean())


def _covered(found: Backtest) -> float:
    known = np.isfinite(found.actual)
    inside = (found.actual >= found.quantiles[..., LOWEST]) & (found.actual <= found.quantiles[..., HIGHEST])
    return float(inside[known].mean())


def _naive(task: Task, history: History) -> FloatArray:
    """The value ``naive_lag`` hours before, or the newest such one that is known, (N, O, H)."""
    positions = _positions(task, history)
    targets = positions[:, None] + np.arange(task.horizon)
    return _filled(history)[:, targets - task.naive_lag]


def _plain(task: Task, history: History, end: datetime) -> FloatArray:
    """LightGBM as it comes, for each series and lead: newest values, the hour on past days, the clock."""
    positions, learn = _positions(task, history), (end - history.grid.start) // HOUR
    values, measured = _filled(history), values_at(history, np.arange(len(history.grid))[None])[:, 0]
    hours = pd.DatetimeIndex(history.starts, tz="UTC").tz_convert(history.time_zone)
    clock = np.stack([hours.hour, hours.day_of_week], axis=-1).astype(np.float64)
    said = np.empty((len(values), len(positions), task.horizon))
    for lead in range(task.horizon):
        lags = [lag for lag in PLAIN_LAGS if lag > lead] or [task.horizon]
        lags += [lead + 1, lead + 2]
        at = np.arange(max(lags), values.shape[1])
        for row, series in enumerate(values):
            inputs = np.column_stack([*(series[at - lag] for lag in lags), clock[at]])
            known = (at < learn) & np.isfinite(measured[row, at])
            data = lightgbm.Dataset(inputs[known], series[at][known])
            trees = lightgbm.train({"verbosity": -1, "num_threads": 1, "seed": SEED}, data, 100)
            said[row, :, lead] = trees.predict(inputs[positions + lead - at[0]], num_threads=1)
    return said


def _positions(task: Task, history: History) -> IntArray:
    first = (split(history) - history.grid.start) // HOUR
    return np.arange(first, len(history.grid) - task.horizon + 1)


def _filled(history: History) -> FloatArray:
    """Values (N, T) whose gaps take the value of the day before, for yardsticks that know no gaps."""
    filled = values_at(history, np.arange(len(history.grid))[None])[:, 0]
    for row, at in np.argwhere(~np.isfinite(filled)):
        filled[row, at] = filled[row, at - DAY // HOUR]
    return filled
