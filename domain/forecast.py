"""A probabilistic forecast and the instants that keep it free of the future."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.time import TimeGrid, require_utc


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Quantiles of mean power per interval.

    ``power_kw`` has shape (T, Q): row t is interval t of ``grid``, column q the level ``levels[q]``; values
    do not decrease along a row. ``issued_at`` is when the forecast was made, ``available_at`` when its newest
    input was known; ``available_at <= issued_at`` or the forecast has seen the future.
    """

    grid: TimeGrid
    issued_at: datetime
    available_at: datetime
    levels: tuple[float, ...]
    power_kw: NDArray[np.float64]
    model: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "issued_at", require_utc(self.issued_at, "issued_at"))
        object.__setattr__(self, "available_at", require_utc(self.available_at, "available_at"))
        if self.available_at > self.issued_at:
            raise FieldError("available_at", "must not be later than issued_at", code="leak")
        if list(self.levels) != sorted(set(self.levels)) or not all(0 < q < 1 for q in self.levels):
            raise FieldError("levels", f"must increase inside (0, 1), got {self.levels}")
        if self.power_kw.shape != (len(self.grid), len(self.levels)):
            raise FieldError("power_kw", f"must have shape (T, Q), got {self.power_kw.shape}")
        if not np.isfinite(self.power_kw).all():
            raise FieldError("power_kw", "must be finite", code="not_finite")
        if (np.diff(self.power_kw, axis=1) < 0).any():
            raise FieldError("power_kw", "quantiles must not cross")

    def quantile(self, level: float) -> NDArray[np.float64]:
        """Power at ``level``, shape (T,), linear between the levels and flat outside them."""
        return np.array([np.interp(level, self.levels, row) for row in self.power_kw])

    def lead_time(self, position: int) -> timedelta:
        """From issue to the start of interval ``position``."""
        return self.grid.start + position * self.grid.step - self.issued_at
