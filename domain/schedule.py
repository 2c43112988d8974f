"""What an asset is asked to do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.time import TimeGrid


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """A battery's plan: charge and discharge power at the AC terminal (both >= 0) and SoC, each (T,).

    ``soc_kwh`` is the state at the end of each interval. ``reason`` says why this method was used.
    """

    grid: TimeGrid
    charge_kw: NDArray[np.float64]
    discharge_kw: NDArray[np.float64]
    soc_kwh: NDArray[np.float64]
    method: str
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("charge_kw", "discharge_kw", "soc_kwh"):
            values = getattr(self, name)
            if values.shape != (len(self.grid),):
                raise FieldError(name, f"must have shape ({len(self.grid)},), got {values.shape}")
            if not np.isfinite(values).all():
                raise FieldError(name, "must be finite", code="not_finite")

    @property
    def power_kw(self) -> NDArray[np.float64]:
        """Net battery power, positive charging."""
        return self.charge_kw - self.discharge_kw
