"""The series that forecasts are judged on: the last fifth of each is the test, and nobody learns from it."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from domain.time import TimeGrid
from forecasting.series import FloatArray, History

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
HOUR = timedelta(hours=1)
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Task:
    """One figure to reach: what is forecast, how far ahead, in which measure, and the bar.

    It goes from process to process, so ``history`` must be a function that pickle finds.
    """

    name: str
    history: Callable[[], History]
    horizon: int
    measure: str
    every_hour: float | None  # the bar for the longest lead of forecasts issued every hour
    midnight: float | None = None  # the bar for leads 1 to 24 of forecasts issued at midnight
    naive_lag: int = 24  # hours; the seasonal naive's
    anew: bool = False  # whether models are learnt anew each week: where a week is much of what there is


def split(history: History) -> datetime:
    """Where the test begins."""
    return history.grid.start + int(len(history.grid) * (1 - TEST_SHARE)) * history.grid.step


def _panel(start: datetime, values: FloatArray, names: tuple[str, ...], country: str = "") -> History:
    """Hourly rows on the wall clock of the file, taken as UTC: the hour that summer time skips is a gap."""
    return History(TimeGrid(start, HOUR, values.shape[1]), names, values, country=country)


def ons_se_load() -> History:
    """Brazil's south-east, MW; zero and empty are gaps."""
    table = pd.read_csv(DATA / "system_load" / "ons_hourly_load_2016_2022.csv.gz")
    values = table["SE"].to_numpy(dtype=np.float64)
    values = np.where(values > 0, values, np.nan)
    return _panel(datetime(2016, 1, 1, tzinfo=UTC), values[None], ("SE",), "BR")


def belgian_price() -> History:
    """Day-ahead price, EUR/MWh."""
    table = pd.read_csv(DATA / "prices" / "epf_belgium_day_ahead_2011_2014.csv.gz")
    values = table["price_eur_per_mwh"].to_numpy(dtype=np.float64)
    return _panel(datetime(2011, 1, 9, tzinfo=UTC), values[None], ("price",), "BE")


def ampds_home(*, circuits: bool) -> History:
    """The whole house, Wh; with its circuits as measurements of the past."""
    with gzip.open(DATA / "appliances" / "ampds_hourly_wh_2012_04_to_2013_03.csv.gz") as file:
        table = pd.read_csv(file)
    seconds = table["unix_s"].to_numpy()
    at = (seconds - seconds[0]) // 3_600
    grid = TimeGrid(datetime.fromtimestamp(int(seconds[0]), UTC), HOUR, int(at[-1]) + 1)

    def column(name: str) -> FloatArray:
        values = np.full(len(grid), np.nan)
        values[at] = table[name]
        return values

    names = tuple(name for name in table.columns if name not in {"unix_s", "M_E", "WHE"}) if circuits else ()
    return History(
        grid,
        ("WHE",),
        column("WHE")[None],
        time_zone="America/Vancouver",
        country="CA",
        exogenous_names=names,
        exogenous=np.stack([column(name) for name in names]) if names else None,
    )


def fontana_homes() -> History:
    """Eleven homes, kWh."""
    table = pd.read_csv(DATA / "buildings" / "fontana_buildings_01_11.csv.gz")
    wide = table.pivot_table(index="hour_ending_local", columns="building", values="load_kwh")
    names = tuple(f"home {number}" for number in wide.columns)
    return _panel(datetime(2016, 7, 31, 23, tzinfo=UTC), wide.to_numpy(dtype=np.float64).T, names, "US")


def fontana_aggregate() -> History:
    """The eleven homes together, kWh."""
    homes = fontana_homes()
    return _panel(homes.grid.start, np.sum(homes.values, axis=0, keepdims=True), ("homes",), "US")


def telecom_sites() -> History:
    """Load of seven base stations, kWh; the file has day numbers only."""
    table = pd.read_csv(DATA / "telecom" / "sites_01_07_hourly.csv.gz")
    wide = table.pivot_table(index=["day", "hour"], columns="site", values="load_kwh")
    values = wide.to_numpy(dtype=np.float64).T
    return _panel(datetime(2024, 1, 1, tzinfo=UTC), values, tuple(map(str, wide.columns)))


TASKS = (
    Task("ONS SE load, 1 h", ons_se_load, 1, "nRMSE %", 0.60, naive_lag=1),
    Task("ONS SE load, 24 h", ons_se_load, 24, "nRMSE %", 2.75, 2.25, naive_lag=168),
    Task("Belgian price, 24 h", belgian_price, 24, "MAE", 4.95),
    Task("AMPds home, 1 h", partial(ampds_home, circuits=False), 1, "RMSE", 570.0, anew=True),
    Task("AMPds home with circuits, 1 h", partial(ampds_home, circuits=True), 1, "RMSE", 545.0, anew=True),
    Task("Fontana homes, 1 h", fontana_homes, 1, "mean RMSE", 0.70),
    Task("Fontana aggregate, 24 h", fontana_aggregate, 24, "RMSE", 3.88, 3.50),
    Task("telecom sites, 24 h", telecom_sites, 24, "relative RMSE", 0.97, 0.95),
)
