"""Where the sun stands."""

import numpy as np

from forecasting.series import FloatArray, InstantArray

J2000 = np.datetime64("2000-01-01T12:00", "us")


def sin_elevation(instants: InstantArray, *, latitude: float, longitude: float) -> FloatArray:
    """Sine of the sun's elevation at UTC ``instants``, negative below the horizon; good to about 0.01 rad.

    Low-precision formulae of the Astronomical Almanac (Michalsky 1988), as used for sizing PV.
    """
    days = (instants - J2000) / np.timedelta64(1, "D")
    mean_longitude = np.radians((280.460 + 0.9856474 * days) % 360)
    anomaly = np.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean_longitude + np.radians(1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    sidereal = np.radians((280.46062 + 360.98564737 * days + longitude) % 360)
    height = np.sin(np.radians(latitude)) * np.sin(declination) + np.cos(np.radians(latitude)) * np.cos(
        declination
    ) * np.cos(sidereal - ascension)
    return np.asarray(height, dtype=np.float64)
