"""What a model may look at when it forecasts an interval, and nothing that was known later.

Direct multi-horizon: one row a (series, origin, lead), where lead 0 is the interval that begins at the
origin. Quantities are divided by the scale of their series at the origin, so that one model serves homes and
substations.
"""

import warnings
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from forecasting.calendar import calendar
from forecasting.series import BoolArray, FloatArray, History, IntArray
from forecasting.sun import clear_sky
from forecasting.vista import DAYS_BACK, Vista

RECENT = 24
ANOMALY = 3  # newest values of which the departure from their usual is taken
WEEKS = 4
ONWARD_DAYS = (1, 2, DAYS_BACK)  # whose change from now to the target's time of day is added to now
MONTH_DAYS = 28
SAMPLES = 24  # of a day, at most, that tell the level of a month
LEAST_SPREAD = 0.05
YEAR_DAYS = 400
MOST_DAYS_BACK = 35
RECURS = 0.3  # correlation of a day's anomalies with those so many days ago, from which on it is a feature


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a history is long enough to teach; a model keeps the recipe that it was trained with.

    ``annual`` adds the time of year; ``days`` are further whole days back, beyond the past week, after which
    the series were found to repeat themselves.
    """

    annual: bool = False
    days: tuple[int, ...] = ()

    @classmethod
    def of(cls, history: History) -> Self:
        """The recipe for training on ``history``."""
        length = len(history.grid) / history.steps_per_day
        return cls(annual=length >= YEAR_DAYS, days=_recurrences(history))

    @classmethod
    def load(cls, header: dict[str, Any]) -> Self:
        """What ``dump`` gave."""
        return cls(annual=header["annual"], days=tuple(header["days"]))

    def dump(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """``table`` is (N, O, L, F); ``scale`` (N, O) is in the unit of the series, NaN when nothing is known.

    ``base`` and ``spread`` (N, O, L), in units of ``scale``, are a first guess of the value and of how far it
    may be wrong: the same time of day yesterday and in the past week. ``level`` (F,) says which columns are
    values of the series in units of ``scale``, to be compared with ``base``.
    """

    names: tuple[str, ...]
    table: NDArray[np.float32]
    scale: FloatArray
    base: FloatArray
    spread: FloatArray
    level: BoolArray

    @property
    def unit(self) -> FloatArray:
        """What values are divided by, (N, O, 1): the scale, NaN where that is zero."""
        return np.where(self.scale > 0, self.scale, np.nan)[..., None]

    def relative_to(self, guess: FloatArray) -> NDArray[np.float32]:
        """The table with ``guess`` (N, O, L) taken from its level columns."""
        relative = self.table.copy()
        relative[..., self.level] -= guess[..., None].astype(np.float32)
        return relative

    def column(self, name: str) -> NDArray[np.float32]:
        """One column, shape (N, O, L)."""
        return self.table[..., self.names.index(name)]


def build(vista: Vista, leads: IntArray, recipe: Recipe | None = None) -> Features:
    """Features of intervals ``origins + leads``; ``leads`` (O, L) are in steps, never negative."""
    if (leads < 0).any():
        raise FieldError("leads", "must not be negative")
    recipe = recipe or Recipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an empty window has the mean NaN
        scale, origin_levels, origin_others = _origin_features(vista)
        base, spread, levels, others = _target_features(vista, leads, scale, recipe)
        sun_levels, sun_others = _sun_features(vista, leads, scale)
    shape = base.shape
    levels = {name: values[..., None] for name, values in origin_levels.items()} | levels | sun_levels
    starts = vista.history.starts[0] + (vista.origins[:, None] + leads) * np.timedelta64(
        vista.history.grid.step
    )
    others = {name: values[..., None] for name, values in origin_others.items()} | others | sun_others
    others["lead_h"] = np.asarray(leads * vista.history.grid.step_h, dtype=np.float64)
    others |= calendar(vista.history, starts, annual=recipe.annual)
    columns = levels | others
    table = np.empty((*shape, len(columns)), dtype=np.float32)
    for k, values in enumerate(columns.values()):
        table[..., k] = values
    level = np.arange(len(columns)) < len(levels)
    return Features(tuple(columns), table, scale, base, spread, level)


def _origin_features(vista: Vista) -> tuple[FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
    """Scale (N, O), and levels and other columns that are the same for all leads."""
    history = vista.history
    day = history.steps_per_day
    week = vista.past_week()
    stride = history.even_stride(day // SAMPLES)
    month = vista.take(vista.newest[:, None] - np.arange(0, MONTH_DAYS * day, stride))
    scale = np.where(np.isfinite(week).any(axis=-1), np.nanmean(np.abs(month), axis=-1), np.nan)
    unit = np.where(scale > 0, scale, 1.0)[..., None]
    week = week / unit
    by_day = _by_day(week, day)
    levels = {f"recent_{i}": week[..., i] for i in range(min(RECENT, day))}
    levels |= {f"then_{d}": by_day[..., 0, d] for d in (1, 2, DAYS_BACK - 1)}
    week_before = vista.take((vista.newest - DAYS_BACK * day)[:, None] - np.arange(ANOMALY)) / unit
    for k in range(1, ANOMALY):
        levels[f"then_1_{k}"] = by_day[..., k, 1]
        levels[f"then_week_{k}"] = week_before[..., k]
    levels["then_mean"] = np.nanmean(by_day[..., 0, 1:], axis=-1)
    levels["then_week"] = week_before[..., 0]
    windows = {"recent": ANOMALY, "quarter": day // 4, "half": day // 2, "day": day, "days": 3 * day}
    for name, steps in windows.items():
        levels[f"{name}_mean"] = np.nanmean(week[..., :steps], axis=-1)
    levels["month_mean"] = np.nanmean(month / unit, axis=-1)
    levels["week_mean"] = np.nanmean(week, axis=-1)
    quarter = week[..., : max(1, day // 4)]
    for name, part in (("quarter", quarter), ("day", week[..., :day])):
        levels[f"{name}_max"] = np.nanmax(part, axis=-1)
        levels[f"{name}_min"] = np.nanmin(part, axis=-1)
    others = {
        "step": week[..., 0] - week[..., 1],
        "day_step": by_day[..., 0, 0] - by_day[..., 0, 1],
        "quarter_std": np.nanstd(quarter, axis=-1),
        "recent_anomaly": np.nanmean(week[..., :ANOMALY, None] - by_day[..., :ANOMALY, 1:], axis=(-1, -2)),
        "day_trend": levels["day_mean"] - np.nanmean(week[..., day:], axis=-1),
        "day_std": np.nanstd(week[..., :day], axis=-1),
        "week_std": np.nanstd(week, axis=-1),
        "week_max": np.nanmax(week, axis=-1),
        "log_scale": np.log(unit[..., 0]),
    }
    past_day = vista.take_exogenous(vista.newest[:, None] - np.arange(day))
    for name, row in zip(history.exogenous_names, past_day, strict=True):
        others |= {f"{name}_newest": row[None, :, 0], f"{name}_before": row[None, :, 1]}
        for window, steps in (("quarter", day // 4), ("day", day)):
            others[f"{name}_{window}_mean"] = np.nanmean(row[None, :, :steps], axis=-1)
    for k, name in enumerate(history.static_names):
        assert history.static is not None  # noqa: S101 - History requires it with its names
        others[name] = np.broadcast_to(history.static[:, k, None], scale.shape)
    return scale, levels, others


def _by_day(window: FloatArray, day: int) -> FloatArray:
    """A window counted backwards, (..., D * day), as (..., day, D): the same time of day side by side."""
    return np.swapaxes(window.reshape(*window.shape[:-1], -1, day), -1, -2)


def _target_features(
    vista: Vista, leads: IntArray, scale: FloatArray, recipe: Recipe
) -> tuple[FloatArray, FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
    """Base, spread, levels and others: the same time of day on the newest days that are known, and around."""
    history = vista.history
    targets = vista.origins[:, None] + leads
    days = vista.same_time(targets[..., None], vista.days_back(targets)[..., None] + np.arange(MONTH_DAYS))
    unit = np.where(scale > 0, scale, 1.0)[..., None, None]
    month = vista.take(days) / unit
    days, same = days[..., :DAYS_BACK], month[..., :DAYS_BACK]
    reach = vista.half_hour
    around_days = days[..., None] + np.arange(-reach, reach + 1)
    around = vista.take(np.minimum(around_days, vista.newest[:, None, None, None])) / unit[..., None]
    mean = np.nanmean(same, axis=-1)
    around_std = np.nanstd(around, axis=(-1, -2))
    weeks_back = vista.days_back(targets, DAYS_BACK)[..., None] + np.arange(WEEKS)
    weeks = vista.same_time(targets[..., None], weeks_back * DAYS_BACK)
    by_week = vista.take(weeks) / unit
    levels = {f"same_{d + 1}": same[..., d] for d in range(DAYS_BACK)}
    levels |= {f"week_{w + 1}": by_week[..., w] for w in range(WEEKS)}
    levels |= {
        "same_mean": mean,
        "same_mean_3": np.nanmean(same[..., :3], axis=-1),
        "same_mean_28": np.nanmean(month, axis=-1),
        "same_max": np.nanmax(same, axis=-1),
        "same_min": np.nanmin(same, axis=-1),
        "weeks_mean": np.nanmean(by_week, axis=-1),
        "before_1": around[..., 0, 0],
        "after_1": around[..., 0, -1],
        "around_1": np.nanmean(around[..., 0, :], axis=-1),
        "around_mean": np.nanmean(around, axis=(-1, -2)),
    }
    newest = vista.newest[:, None, None]
    now = vista.take(newest) / unit
    onward = now + same - vista.take(newest + days - targets[..., None]) / unit
    onward_weeks = now + by_week - vista.take(newest + weeks - targets[..., None]) / unit
    levels |= {f"onward_{d}": onward[..., d - 1] for d in ONWARD_DAYS}
    levels["onward_mean"] = np.nanmean(onward, axis=-1)
    levels["onward_weeks"] = np.nanmean(onward_weeks, axis=-1)
    if recipe.days:
        far = vista.take(
            np.minimum(vista.same_time(targets[..., None], np.array(recipe.days)), days[..., :1])
        )
        levels |= {f"days_{d}": far[..., k] / unit[..., 0] for k, d in enumerate(recipe.days)}
    others = {"around_std": around_std, "same_std_28": np.nanstd(month, axis=-1)}
    for name, row in zip(history.exogenous_names, vista.take_exogenous(days[..., 0]), strict=True):
        others[f"{name}_same_1"] = row[None]
    for name, row, before in zip(
        history.outlook_names, vista.take_outlook(targets), vista.take_outlook(days[..., 0]), strict=True
    ):
        others[f"{name}_ahead"] = row[None]
        others[f"{name}_change"] = (row - before)[None]
    level = np.where(scale > 0, 1.0, 0.0)[..., None]
    mean = np.where(np.isnan(mean), level, mean)
    base = (np.where(np.isnan(same[..., 0]), mean, same[..., 0]) + mean) / 2
    spread = np.where(np.isnan(around_std), level, around_std) + LEAST_SPREAD
    return base, spread, levels, others


def _sun_features(
    vista: Vista, leads: IntArray, scale: FloatArray
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """The sun over the target, and the past day's yield in proportion to a clear sky's (N, O, L)."""
    history = vista.history
    if history.latitude is None or history.longitude is None:
        return {}, {}
    day = history.steps_per_day
    targets = vista.origins[:, None] + leads
    first = int(vista.newest.min()) - day
    step = np.timedelta64(history.grid.step)
    middles = history.starts[0] + (np.arange(first, int(targets.max()) + 1) + 0.5) * step
    sine, clear = clear_sky(middles, latitude=history.latitude, longitude=history.longitude)
    past = vista.newest[:, None] - np.arange(day)
    given, possible = vista.take(past), clear[past - first]
    known = np.isfinite(given)
    share = np.nansum(given, axis=-1) / np.maximum((possible * known).sum(axis=-1), LEAST_SPREAD)
    unit = np.where(scale > 0, scale, 1.0)
    return (
        {"clear_share": (share / unit)[..., None] * clear[targets - first]},
        {"sun": sine[targets - first], "clear_sky": clear[targets - first]},
    )


def _recurrences(history: History) -> tuple[int, ...]:
    """Days back, beyond the past week and not whole weeks, after which anomalies come again.

    An anomaly is a value less the mean of its time of day in the past week. Series of which the same stretch
    was recorded twice, or that follow a month, show here; most show nothing.
    """
    day = history.steps_per_day
    values = history.values
    whole = values[:, : values.shape[1] // day * day].reshape(len(values), -1, day)
    if whole.shape[1] < MOST_DAYS_BACK:
        return ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a day without readings has the mean NaN
        usual = np.nanmean(
            np.stack([whole[:, DAYS_BACK - d : whole.shape[1] - d] for d in range(1, DAYS_BACK + 1)]), axis=0
        )
    anomaly = whole[:, DAYS_BACK:] - usual
    anomaly /= np.nanstd(anomaly, axis=(1, 2), keepdims=True) + 1e-12
    found = {}
    for back in range(DAYS_BACK + 1, min(MOST_DAYS_BACK, anomaly.shape[1] - DAYS_BACK) + 1):
        if back % DAYS_BACK:
            product = anomaly[:, back:] * anomaly[:, :-back]
            found[back] = float(np.nanmean(product))
    return tuple(back for back, likeness in found.items() if likeness > RECURS)
