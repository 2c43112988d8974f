"""Every forecasting model on the last fifth of seven kinds of series, beside naive, plain and public peers.

Each model learns once, on what precedes the test, and each week is adapted to what is known by then, or
learnt anew where the task says so. The hybrid is trained once, and its members with it; their bands are not
calibrated.
"""

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from domain.time import TimeGrid
from forecasting import shipped
from forecasting.backtest import backtest, rolling_origins
from forecasting.examples import values_at
from forecasting.health import training as health
from forecasting.metrics import coverage, diebold_mariano, mae, mean_rmse, nrmse, rmse
from forecasting.models import SHIPPED, Model, load_model, train
from forecasting.models.hybrid import MEMBERS, Hybrid
from forecasting.quantiles import HIGH, LOW, MEDIAN
from forecasting.series import DAY, FloatArray, History, IntArray
from tests.benchmarks.forecast_tasks import HOUR, ROOT, TASKS, Task, split
from tests.benchmarks.registry import Row, at_least, at_most, best_of

PROCESSES = 2
SEED = 1
WEEK = timedelta(days=7)
PLAIN_LAGS = (1, 2, 3, 24, 48, 72, 168)
COVERED = (77.0, 83.0)  # % of readings in the 80 % band
PEERS = ROOT / "build" / "peers" / "3.3.0" / "bin" / "python"
NAIVE, HYBRID = "seasonal naive", "hybrid"
NOT_WORSE_ON = 7  # of the eight tasks, the hybrid than each of its members
UNDER_NAIVE = 22.0  # %
SERVED, SERVED_DAYS = 1_000, 28


@dataclass(frozen=True)
class Result:
    """What one task gave: figures by kind ("", or " (a)" and " (b)") and model, and % in the 80 % band.

    ``p_values``, by member: of the test of Diebold and Mariano that the hybrid loses as much.
    """

    task: Task
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    covered: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    p_values: dict[str, float] = field(default_factory=dict)


def forecasting(scale: float) -> list[Row]:
    """All tasks at scale 1; below it, one small task by a quick model, to see that it runs: no bars."""
    if scale < 1:
        rows = [*_told(_judged(len(TASKS) - 2, peers=False, only="linear")), *serving(20)]
        return [replace(row, target="", holds=None) for row in rows]
    if not PEERS.exists():
        raise FileNotFoundError(f"{PEERS}: the public peers' environment, which `make bench-forecast` makes")
    with ProcessPoolExecutor(PROCESSES) as pool:
        futures = [pool.submit(_judged, number) for number in range(len(TASKS))]
        for future in as_completed(futures):
            if future.exception() is None:
                _announce(future.result())
    results = [future.result() for future in futures]
    return [
        *(row for result in results for row in _told(result)),
        *_hybrids(results),
        *serving(SERVED),
        *shipping(),
    ]


def _announce(result: Result) -> None:
    """Tell it at once, as the whole takes long: what is found is not lost with what fails elsewhere."""
    for row in _told(result):
        print(f"{row.metric}: {row.value:,.6g} {row.unit} {row.target}", file=sys.stderr, flush=True)


def _judged(number: int, *, peers: bool = True, only: str = "") -> Result:
    """Every model on one task of ``TASKS``."""
    logging.disable(logging.WARNING)
    task = TASKS[number]
    result = Result(task)
    history = task.history()
    end = split(history)
    yardsticks = {NAIVE: _naive(task, history), "plain LightGBM": _plain(task, history, end)}
    said = dict(yardsticks)
    if peers:
        said |= _peers(task, history)
    origins = rolling_origins(end, history.grid.end - task.horizon * HOUR, HOUR)
    for name in (only,) if only else (HYBRID, "transformer"):
        began = time.perf_counter()
        model = train(name, history.as_of(end), trained_at=end, seed=SEED, horizon=task.horizon)
        result.seconds[name] = time.perf_counter() - began
        actual = values_at(history, _positions(task, history)[:, None] + np.arange(task.horizon))
        for one, quantiles in _forecasts(task, model, history, origins).items():
            said[one] = quantiles[..., MEDIAN]
            result.covered[one] = 100 * coverage(actual, quantiles[..., LOW], quantiles[..., HIGH])
    for name, values in said.items():
        for kind, figure in _figures(task, history, values, yardsticks).items():
            result.figures.setdefault(kind, {})[name] = figure
    if HYBRID in result.covered:
        result.p_values.update(_p_values(task, actual, said))
    return result


def _p_values(task: Task, actual: FloatArray, said: dict[str, FloatArray]) -> dict[str, float]:
    """See ``Result.p_values``: of losses at the longest lead, by origin."""
    lost = {
        name: np.abs(actual - said[name])[..., -1] ** (1 if task.measure == "MAE" else 2)
        for name in (HYBRID, *(member.name for member in MEMBERS))
    }
    return {
        name: diebold_mariano((lost[HYBRID] - losses).mean(axis=0), overlap=task.horizon).p_value
        for name, losses in lost.items()
        if name != HYBRID
    }


def _forecasts(task: Task, model: Model, history: History, origins: list[datetime]) -> dict[str, FloatArray]:
    """Quantiles (N, O, H, Q) of a model, and of the hybrid's members as it adapts them, by name."""
    parts: dict[str, list[FloatArray]] = {}
    for first in range(0, len(origins), WEEK // HOUR):
        week = origins[first : first + WEEK // HOUR]
        if first:
            refitted = model.relearned if task.anew else model.adapted
            model = refitted(history.as_of(week[0]), at=week[0])
        for one in (*(model.members if isinstance(model, Hybrid) else ()), model):
            found = backtest(one, history, origins=week, horizon=task.horizon)
            parts.setdefault(one.name, []).append(found.quantiles)
    return {name: np.concatenate(quantiles, axis=1) for name, quantiles in parts.items()}


def _told(result: Result) -> Iterator[Row]:
    """A task's rows: all figures, then the best of ours against the bar, and how often bands were right."""
    task = result.task
    bars = {"": task.every_hour, " (a)": task.every_hour, " (b)": task.midnight}
    for kind, figures in result.figures.items():
        for name, figure in figures.items():
            yield Row(f"{task.name}{kind}: {name}", figure, task.measure)
        bar, best = bars[kind], min(figures[name] for name in result.covered)
        if bar is not None:
            yield at_most(f"{task.name}{kind}: best of ours", best, task.measure, bar)
    for name, seconds in result.seconds.items():
        yield Row(f"{task.name}: {name}, training", seconds, "s")
    for name, p_value in result.p_values.items():
        yield Row(f"{task.name}: hybrid against {name}, Diebold-Mariano", p_value, "p")
    served = result.covered.get(HYBRID, min(result.covered.values()))
    yield at_least(f"{task.name}: in the 80 % band", served, "%", COVERED[0])
    yield at_most(f"{task.name}: in the 80 % band", served, "%", COVERED[1])


def _hybrids(results: list[Result]) -> Iterator[Row]:
    """The hybrid against its members and the seasonal naive, by the figure of the longest lead."""
    longest = [next(iter(result.figures.values())) for result in results]
    members = [member.name for member in MEMBERS]
    held = sum(all(figures[HYBRID] <= figures[name] for name in members) for figures in longest)
    under = np.mean([1 - figures[HYBRID] / figures[NAIVE] for figures in longest])
    yield at_least("hybrid at least as good as each member", held, "tasks", NOT_WORSE_ON)
    yield at_least("hybrid under seasonal naive, on average", float(100 * under), "%", UNDER_NAIVE)


def serving(count: int) -> list[Row]:
    """A day ahead of ``count`` homes, of which four weeks are known, by the model that ships."""
    model = load_model(SHIPPED / "lightgbm-load-1h")
    start = datetime(2026, 6, 1, tzinfo=UTC)
    hours = np.arange(SERVED_DAYS * 24)
    rng = np.random.default_rng(SEED)
    values = rng.gamma(2.0, 0.3, (count, len(hours))) + np.sin(2 * np.pi * hours / 24) ** 2
    history = History(TimeGrid(start, HOUR, len(hours)), tuple(map(str, range(count))), values)
    seconds = best_of(lambda: model.predict(history, issued_at=history.grid.end, horizon=24), 3)
    return [at_most(f"24 h ahead of {count:,} series", seconds, "s", 5.0)]


def shipping() -> list[Row]:
    """Training all shipped models, one after the other, with what their cards say of them."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        shipped.make_all(shipped.SOURCE, Path(folder))
        health.make(seed=SEED, folder=Path(folder) / "health")
    return [at_most("training all shipped models", (time.perf_counter() - began) / 60, "min", 30.0)]


def _peers(task: Task, history: History) -> dict[str, FloatArray]:
    """What NHITS and PatchTST say, (N, O, H) by name."""
    first = int(_positions(task, history)[0])
    with tempfile.TemporaryDirectory() as folder:
        panel, out = Path(folder) / "panel.npz", Path(folder) / "said.npz"
        np.savez(panel, values=_filled(history))
        script = Path(__file__).with_name("forecast_peers.py")
        options = [f"--first={first}", f"--horizon={task.horizon}"]
        options += ["--absolute"] if task.measure == "MAE" else []
        subprocess.run([PEERS, script, panel, out, *options], cwd=folder, check=True, capture_output=True)
        with np.load(out) as found:
            return {name: found[name] for name in found.files}


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
    if task.measure == "MAE":
        return mae(actual[part], said[part])
    if task.measure == "nRMSE %":
        return 100 * nrmse(actual[part], said[part])
    if task.measure == "relative RMSE":
        best = np.min([_by_series(actual[part], rival[part]) for rival in yardsticks.values()], axis=0)
        return float((_by_series(actual[part], said[part]) / best).mean())
    return mean_rmse(actual[part], said[part])


def _by_series(actual: FloatArray, said: FloatArray) -> FloatArray:
    return np.array([rmse(*pair) for pair in zip(actual, said, strict=True)])


def _naive(task: Task, history: History) -> FloatArray:
    """The value ``naive_lag`` hours before, (N, O, H)."""
    positions = _positions(task, history)
    targets = positions[:, None] + np.arange(task.horizon)
    return _filled(history)[:, targets - task.naive_lag]


def _plain(task: Task, history: History, end: datetime) -> FloatArray:
    """LightGBM as it comes, for each series and lead: newest values, the hour on past days, the clock."""
    positions, learn = _positions(task, history), (end - history.grid.start) // HOUR
    values = _filled(history)
    hours = pd.DatetimeIndex(history.starts, tz="UTC").tz_convert(history.time_zone)
    clock = np.stack([hours.hour, hours.day_of_week], axis=-1).astype(np.float64)
    said = np.empty((len(values), len(positions), task.horizon))
    for lead in range(task.horizon):
        lags = sorted({lead + 1, lead + 2, *(lag for lag in PLAIN_LAGS if lag > lead)})
        at = np.arange(max(lags), values.shape[1])
        for row, series in enumerate(values):
            inputs = np.column_stack([*(series[at - lag] for lag in lags), clock[at]])
            known = (at < learn) & np.isfinite(history.values[row, at])  # noqa: PD011 - no frame
            data = lightgbm.Dataset(inputs[known], series[at][known])
            trees = lightgbm.train({"verbosity": -1, "num_threads": 1, "seed": SEED}, data, 100)
            said[row, :, lead] = trees.predict(inputs[positions + lead - at[0]], num_threads=1)
    return said


def _positions(task: Task, history: History) -> IntArray:
    first = (split(history) - history.grid.start) // HOUR
    return np.arange(first, len(history.grid) - task.horizon + 1)


def _filled(history: History) -> FloatArray:
    """Values (N, T) whose gaps take the value of the day before, for yardsticks that know no gaps."""
    filled = history.values.copy()  # noqa: PD011 - no frame
    for row, at in np.argwhere(~np.isfinite(filled)):
        filled[row, at] = filled[row, at - DAY // HOUR]
    return filled
