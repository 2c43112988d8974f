"""What a network is shown: the past week of a series, and a row for each value that is asked for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.calendar import calendar
from forecasting.features import Features
from forecasting.series import FloatArray, History
from forecasting.vista import DAYS_BACK, Vista

Floats32 = NDArray[np.float32]
CLOCK = ("hour_sin", "hour_cos", "weekend")
WEEKDAYS = 7
HARMONICS = (2, 3, 4)


@dataclass(frozen=True, slots=True)
class Patches:
    """How a week is cut: ``count`` patches of ``steps`` readings each, the last ends with the newest."""

    day: int
    steps: int

    @classmethod
    def of(cls, history: History, per_day: int) -> "Patches":
        """As near to ``per_day`` patches a day as the step of ``history`` allows."""
        return cls(history.steps_per_day, max(1, history.steps_per_day // per_day))

    @property
    def count(self) -> int:
        """Whole patches in the past week."""
        return DAYS_BACK * self.day // self.steps


def past_weeks(vista: Vista, scale: FloatArray) -> Floats32:
    """Values of the newest 7 days by ``scale`` (N, O), oldest first, (N, O, S); NaN where unknown."""
    unit = np.where(scale > 0, scale, 1.0)[..., None]
    return (vista.past_week()[..., ::-1] / unit).astype(np.float32)


def patch_calendar(vista: Vista, patches: Patches) -> Floats32:
    """The calendar of the first step of each patch of the week past, (O, patches, K)."""
    back = np.arange(patches.count, 0, -1) * patches.steps - 1
    positions = vista.newest[:, None] - back
    distinct, place = np.unique(positions, return_inverse=True)
    history = vista.history
    starts = history.starts[0] + distinct * np.timedelta64(history.grid.step)
    columns = calendar(history, starts, annual=False)
    clock = [columns[name] for name in CLOCK]
    clock.append(columns.get("holiday_0", np.zeros(len(distinct))))
    rows = np.concatenate([np.stack(clock, axis=-1), _one_hot(columns["weekday"])], axis=-1)
    return np.asarray(rows[place.reshape(positions.shape)], dtype=np.float32)


def asked(features: Features, guess: FloatArray) -> Floats32:
    """The table relative to ``guess`` (N, O, L), the guess and the clock finer than the table has it.

    Levels are in units of the spread, as what the network is to say. Shape (N, O, L, F); NaN where unknown.
    """
    table = features.relative_to(guess)
    table[..., features.level] /= features.spread[..., None].astype(np.float32)
    hour = features.column("hour") * np.float32(2 * np.pi / 24)
    more = [guess, np.log(features.spread)]
    more += [turn(k * hour) for k in HARMONICS for turn in (np.sin, np.cos)]
    parts = [table, np.stack(more, axis=-1), _one_hot(features.column("weekday"))]
    return np.concatenate(parts, axis=-1, dtype=np.float32)


def _one_hot(weekday: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(weekday[..., None] == np.arange(WEEKDAYS))
