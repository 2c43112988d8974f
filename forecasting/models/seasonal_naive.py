"""Tomorrow is like today: the yardstick that every other model has to beat."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from domain.time import require_utc
from forecasting.models.base import Model, Settings, read_header, write_header
from forecasting.quantiles import LEVELS, MEDIAN, sample_quantiles, tidy
from forecasting.series import FloatArray, History
from forecasting.vista import DAYS_BACK, Vista

RESIDUAL_DAYS = 28


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SeasonalNaive(Model):
    """The median is the newest known value at the same time of day.

    The other quantiles add what that guess missed in the past four weeks within half an hour of this time of
    day, series by series. All of it is read from the history at issue, so there is nothing to learn.
    """

    name: ClassVar[str] = "seasonal_naive"

    @classmethod
    def fit(
        cls,
        history: History,
        *,
        trained_at: datetime,
        horizon: int,
        seed: int,  # noqa: ARG003 - as all models
        settings: Settings,  # noqa: ARG003 - as all models
    ) -> Self:
        """A model for the step of ``history``."""
        trained_at = require_utc(trained_at, "trained_at")
        history.require_available(trained_at)
        return cls(trained_at=trained_at, horizon=horizon, step=history.grid.step)

    def quantiles(self, vista: Vista, horizon: int) -> FloatArray:
        """See ``Model.quantiles``."""
        targets = vista.origins[:, None] + np.arange(horizon)
        back = vista.days_back(targets)
        same = vista.take(vista.same_time(targets[..., None], back[..., None] + np.arange(DAYS_BACK)))
        newest_known = np.isfinite(same).argmax(axis=-1)[..., None]
        median = np.take_along_axis(same, newest_known, axis=-1)

        reach = vista.half_hour
        days = vista.same_time(targets[..., None], back[..., None] + np.arange(RESIDUAL_DAYS))
        around = np.minimum(days[..., None] + np.arange(-reach, reach + 1), vista.newest[:, None, None, None])
        missed = vista.take(around) - vista.take(vista.same_time(around, back[..., None, None]))
        offsets = sample_quantiles(missed.reshape(*missed.shape[:-2], -1))
        offsets[..., :MEDIAN] = np.minimum(offsets[..., :MEDIAN], 0.0)
        offsets[..., MEDIAN] = np.where(np.isnan(offsets[..., MEDIAN]), np.nan, 0.0)
        offsets[..., MEDIAN + 1 :] = np.maximum(offsets[..., MEDIAN + 1 :], 0.0)
        return tidy(median + offsets, vista)

    def save(self, directory: Path) -> None:
        """Write the header; there is nothing else."""
        write_header(directory, self.header() | {"levels": LEVELS})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote."""
        header = read_header(directory, cls.name)
        return cls(trained_at=header["trained_at"], horizon=header["horizon"], step=header["step"])
