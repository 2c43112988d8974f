"""What flows where behind one grid connection."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Wh = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SiteEnergy:
    """Registers of a site's meters per interval, Wh, each of shape (T,); NaN where no reading is known.

    A meter that the site does not have reads zero.
    """

    grid_import: Wh
    grid_export: Wh
    pv: Wh
    battery_charge: Wh
    battery_discharge: Wh
    soc: Wh

    @property
    def load(self) -> Wh:
        """Consumption behind the meter: what came in by any way less what left."""
        return self.grid_import - self.grid_export + self.pv + self.battery_discharge - self.battery_charge

    @property
    def battery(self) -> Wh:
        """Net battery energy, positive charging."""
        return self.battery_charge - self.battery_discharge
