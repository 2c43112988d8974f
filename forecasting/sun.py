"""Where the sun stands, and what it gives under a clear sky (pvlib)."""

import warnings

import numpy as np
import pandas as pd
from pvlib.location import Location

from forecasting.series import FloatArray, InstantArray

FULL_SUN_W_PER_M2 = 1_000.0


def clear_sky(instants: InstantArray, *, latitude: float, longitude: float) -> tuple[FloatArray, FloatArray]:
    """Sine of the sun's elevation and clear-sky horizontal irradiance, kW/m2, at UTC ``instants`` (T,).

    Solar position by NREL's algorithm, irradiance by the model of Haurwitz, which needs nothing but the
    elevation; both as pvlib computes them.
    """
    place = Location(latitude, longitude)
    times = pd.DatetimeIndex(instants, tz="UTC")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # pvlib asks pandas for the day of the year by its old name
        position = place.get_solarposition(times)
        irradiance = place.get_clearsky(times, model="haurwitz", solar_position=position)["ghi"]
    sine = np.sin(np.radians(position["elevation"].to_numpy(dtype=np.float64)))
    return sine, irradiance.to_numpy(dtype=np.float64) / FULL_SUN_W_PER_M2
