"""A history as it looked at the instants at which forecasts are issued."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from domain.errors import FieldError
from forecasting.calendar import clock_ahead
from forecasting.series import FloatArray, History, InstantArray, IntArray

DAYS_BACK = 7


@dataclass(frozen=True, slots=True, eq=False)
class Vista:
    """A history seen from O origins, positions on its grid, at the instants ``as_of``, shape (O,) each.

    All that a model looks at passes through here: a gap or a late reading is NaN, a future one raises.
    """

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

    def days_back(self, targets: IntArray, days: int = 1) -> IntArray:
        """Whole periods of ``days`` from ``targets`` (O, L) back to the newest that may be known."""
        return -((self.newest[:, None] - targets) // (self.history.steps_per_day * days))

    def same_time(self, targets: IntArray, days: IntArray) -> IntArray:
        """Positions of the wall clock's time of ``targets`` (O, ...) whole ``days`` earlier, of their shape.

        Where summer time begins in between and that is not known yet, 24 hours a day earlier.
        """
        history = self.history
        step = np.timedelta64(history.grid.step)
        sundial = targets - days * history.steps_per_day
        zone, start = history.time_zone, history.starts[0]
        now, then = (clock_ahead(zone, start + at * step) for at in (targets, sundial))
        moved = sundial + np.rint((now - then) / step).astype(np.int64)
        return np.where(moved > _aligned(self.newest, moved), sundial, moved)

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

    def take_outlook(self, positions: IntArray) -> FloatArray:
        """What was published for ``positions`` (O, ...), shape (K', O, ...); NaN where not yet or never."""
        panel = self.history.outlook
        if panel is None:
            return np.empty((0, *positions.shape))
        start = self.history.starts[0] + positions * np.timedelta64(self.history.grid.step)
        published = start - np.timedelta64(self.history.outlook_ahead) <= _aligned(self.as_of, positions)
        inside = np.clip(positions, 0, panel.shape[1] - 1)
        return np.where((inside == positions) & published, panel[:, inside], np.nan)

    def _take(self, panel: FloatArray, availability: InstantArray, positions: IntArray) -> FloatArray:
        if (positions > _aligned(self.newest, positions)).any():
            raise FieldError("positions", "a feature reaches past what was known at its origin", code="leak")
        inside = np.clip(positions, 0, panel.shape[1] - 1)
        known = (inside == positions) & (availability[:, inside] <= _aligned(self.as_of, positions))
        return np.where(known, panel[:, inside], np.nan)


def _aligned(per_origin: Any, positions: IntArray) -> Any:  # noqa: ANN401 - positions or instants alike
    """``per_origin`` (O,) with an axis for each further axis of ``positions``."""
    return per_origin.reshape(-1, *(1,) * (positions.ndim - 1))
