"""What a model may look at when it forecasts an interval, and nothing that was known later.

Direct multi-horizon: one row a (series, origin, lead), where lead 0 is the interval that begins at the
origin. Quantities are divided by the scale of their series at the origin, so that one model serves homes and
substations. Every value passes through ``Vista.take``: a gap or a late reading is NaN, a future one raises.
"""

import warnings
from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domain.errors import FieldError
from forecasting.series import FloatArray, History, InstantArray, IntArray
from forecasting.sun import sin_elevation

DAYS_BACK = 7
WEEK_LAG = DAYS_BACK - 1  # for leads up to a day this is the same day of the week
RECENT = 3
LEAST_SPREAD = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Vista:
    """A history seen from O origins, positions on its grid, at the instants ``as_of``, shape (O,) each."""

    history: History
    origins: IntArray
    as_of: InstantArray

    @classmethod
    def at(cls, history: History, origins: IntArray) -> Self:
        """Each origin just after the newest value that is normally there has come in."""
        starts = history.starts[0] + origins * np.timedelta64(history.grid.step)
        return cls(history, origins, starts + np.timedelta64(history.delay % history.grid.step))

    @property
    def newest(self) -> IntArray:
        """Position of the newest value that is normally known at each origin, shape (O,)."""
        return self.origins - 1 - self.history.steps_withheld

    @property
    def half_hour(self) -> int:
        """Steps in about half an hour, at least one: how far around a time of day is still much the same."""
        return max(1, round(0.5 / self.history.grid.step_h))

    def days_back(self, targets: IntArray) -> IntArray:
        """Whole days from ``targets`` (O, L) back to the newest such time of day that may be known."""
        return -((self.newest[:, None] - targets) // self.history.steps_per_day)

    def past_week(self) -> FloatArray:
        """Values of the newest 7 days, shape (N, O, 7 days), newest first."""
        return self.take(self.newest[:, None] - np.arange(DAYS_BACK * self.history.steps_per_day))

    def take(self, positions: IntArray) -> FloatArray:
        """Values at ``positions`` (O, ...) of all series, shape (N, O, ...); NaN where not known."""
        history = self.history
        return self._take(history.values, history.availability, positions)

    def take_exogenous(self, positions: IntArray) -> FloatArray:
        """Exogenous values at ``positions`` (O, ...), shape (K, O, ...); NaN where not known."""
        panel = self.history.exogenous
        if panel is None:
            return np.empty((0, *positions.shape))
        return self._take(panel, np.broadcast_to(self.history.nominal, panel.shape), positions)

    def _take(self, panel: FloatArray, availability: InstantArray, positions: IntArray) -> FloatArray:
        trailing = (1,) * (positions.ndim - 1)
        if (positions > self.newest.reshape(-1, *trailing)).any():
            raise FieldError("positions", "a feature reaches past what was known at its origin", code="leak")
        inside = np.clip(positions, 0, panel.shape[1] - 1)
        known = (inside == positions) & (availability[:, inside] <= self.as_of.reshape(-1, *trailing))
        return np.where(known, panel[:, inside], np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """``table`` is (N, O, L, F); ``scale`` (N, O) is in the unit of the series, NaN when nothing is known.

    ``base`` and ``spread`` (N, O, L), in units of ``scale``, are a first guess of the value and of how far it
    may be wrong: the same time of day yesterday and in the past week. A model learns
    ``(value - base) / spread``.
    """

    names: tuple[str, ...]
    table: NDArray[np.float32]
    scale: FloatArray
    base: FloatArray
    spread: FloatArray


def build(vista: Vista, leads: IntArray) -> Features:
    """Features of intervals ``origins + leads``; ``leads`` (O, L) are in steps, never negative."""
    if (leads < 0).any():
        raise FieldError("leads", "must not be negative")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an empty window has the mean NaN
        scale, at_origin = _origin_features(vista)
        base, spread, at_target = _target_features(vista, leads, scale)
    shape = base.shape
    columns = {name: np.broadcast_to(values[..., None], shape) for name, values in at_origin.items()}
    columns |= at_target
    columns |= {name: np.broadcast_to(values, shape) for name, values in _calendar(vista, leads).items()}
    table = np.stack([np.asarray(values, dtype=np.float32) for values in columns.values()], axis=-1)
    return Features(tuple(columns), table, scale, base, spread)


def _origin_features(vista: Vista) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Scale (N, O) and what is the same for all leads: newest values, level and shape of the series."""
    day = vista.history.steps_per_day
    week = vista.past_week()
    scale = np.nanmean(np.abs(week), axis=-1)
    unit = np.where(scale > 0, scale, 1.0)[..., None]
    week = week / unit
    same_times = week[..., :RECENT, None] - _by_day(week, day)[..., :RECENT, 1:]
    columns = {f"recent_{i}": week[..., i] for i in range(RECENT)}
    columns["recent_mean"] = np.nanmean(week[..., :RECENT], axis=-1)
    columns["recent_anomaly"] = np.nanmean(same_times, axis=(-1, -2))
    columns["day_mean"] = np.nanmean(week[..., :day], axis=-1)
    columns["day_trend"] = columns["day_mean"] - np.nanmean(week[..., day:], axis=-1)
    columns["week_std"] = np.nanstd(week, axis=-1)
    columns["week_max"] = np.nanmax(week, axis=-1)
    columns["log_scale"] = np.log(unit[..., 0])
    for name, row in zip(vista.history.exogenous_names, vista.take_exogenous(vista.newest), strict=True):
        columns[f"{name}_newest"] = np.broadcast_to(row, scale.shape)
    return scale, columns


def _by_day(window: FloatArray, day: int) -> FloatArray:
    """A window counted backwards, (..., D * day), as (..., day, D): the same time of day side by side."""
    return np.swapaxes(window.reshape(*window.shape[:-1], -1, day), -1, -2)


def _target_features(
    vista: Vista, leads: IntArray, scale: FloatArray
) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
    """Base, spread and features: the same time of day on the newest days that are known, and around it."""
    history = vista.history
    day = history.steps_per_day
    targets = vista.origins[:, None] + leads
    days = targets[..., None] - (vista.days_back(targets)[..., None] + np.arange(DAYS_BACK)) * day
    unit = np.where(scale > 0, scale, 1.0)[..., None, None]
    same = vista.take(days) / unit
    reach = vista.half_hour
    around_days = days[..., None] + np.arange(-reach, reach + 1)
    around = vista.take(np.minimum(around_days, vista.newest[:, None, None, None])) / unit[..., None]
    mean = np.nanmean(same, axis=-1)
    around_std = np.nanstd(around, axis=(-1, -2))
    columns = {
        "same_1": same[..., 0],
        "same_2": same[..., 1],
        "same_3": same[..., 2],
        "same_weekday": same[..., WEEK_LAG],
        "same_mean": mean,
        "same_mean_3": np.nanmean(same[..., :3], axis=-1),
        "same_max": np.nanmax(same, axis=-1),
        "same_min": np.nanmin(same, axis=-1),
        "around_1": np.nanmean(around[..., 0, :], axis=-1),
        "around_mean": np.nanmean(around, axis=(-1, -2)),
        "around_std": around_std,
    }
    for name, row in zip(history.exogenous_names, vista.take_exogenous(days[..., 0]), strict=True):
        columns[f"{name}_same_1"] = np.broadcast_to(row, mean.shape)
    level = np.where(scale > 0, 1.0, 0.0)[..., None]
    mean = np.where(np.isnan(mean), level, mean)
    base = (np.where(np.isnan(same[..., 0]), mean, same[..., 0]) + mean) / 2
    spread = np.where(np.isnan(around_std), level, around_std) + LEAST_SPREAD
    return base, spread, columns


def _calendar(vista: Vista, leads: IntArray) -> dict[str, FloatArray]:
    """Local time of day and week of the target, its lead, and the sun's height over the site; (O, L) each."""
    history = vista.history
    step = np.timedelta64(history.grid.step)
    starts = history.starts[0] + (vista.origins[:, None] + leads) * step
    local = pd.DatetimeIndex(starts.ravel(), tz="UTC").tz_convert(ZoneInfo(history.time_zone))
    hour = np.asarray(local.hour + local.minute / 60, dtype=np.float64).reshape(leads.shape)
    weekday = np.asarray(local.day_of_week, dtype=np.float64).reshape(leads.shape)
    columns = {
        "lead_h": leads * history.grid.step_h,
        "hour": hour,
        "hour_sin": np.sin(2 * np.pi * hour / 24),
        "hour_cos": np.cos(2 * np.pi * hour / 24),
        "weekday": weekday,
        "weekend": (weekday >= 5).astype(np.float64),  # noqa: PLR2004  (Saturday)
    }
    if history.latitude is not None and history.longitude is not None:
        columns["sun"] = sin_elevation(
            starts + step / 2, latitude=history.latitude, longitude=history.longitude
        )
    return columns
