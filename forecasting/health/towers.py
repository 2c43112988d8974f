"""The telecom sites, and how well the charge of their batteries is foreseen a day ahead.

Nobody published the charge of these batteries. What is called actual here is simulated: measured load and sun
through ``soc_paths``, under the published outage plan, which is a week that repeats from the first hour on.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from domain.battery import Battery
from domain.errors import FieldError
from forecasting.health.soc import paths, rank_persistence, soc_paths, soc_quantiles
from forecasting.quantiles import HIGH, LEVELS, LOW, MEDIAN
from forecasting.series import BoolArray, FloatArray

FOLDER = Path(__file__).resolve().parents[2] / "data" / "telecom"
HOURLY, SITES, OUTAGES = (
    "sites_01_07_hourly.csv.gz",
    "site_information_and_grid_outage_raw_01_07.csv",
    "outage_plan_168h_01_07.csv",
)
HOURS = 24
PAST_DAYS = 14
TEST_SHARE = 0.2
PATHS = 400
UNCERTAIN = 0.01


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tower:
    """D days of one site by hours, (D, 24) each; ``grid_kw`` is 0 in an outage."""

    name: str
    battery: Battery
    soc_initial_kwh: float
    load_kw: FloatArray
    pv_kw: FloatArray
    grid_kw: FloatArray


def read_towers(folder: Path = FOLDER) -> list[Tower]:
    """The sites of the three files as published, in order; formats in data/README.md.

    The files do not explain their columns. We read: charge coefficient, the charging power as a share of the
    capacity per hour; discharge coefficient, what leaves the battery for each kWh that it gives; ``DOD``, the
    lowest SoC (the initial 0.2 lies just above its 0.15). Discharging has no other limit than the load.
    """
    hourly = pd.read_csv(folder / HOURLY)
    outages = pd.read_csv(folder / OUTAGES)
    facts = pd.read_csv(folder / SITES, usecols=range(9), encoding="utf-8-sig", header=0, index_col=False)
    towers = []
    for row in facts.itertuples(index=False):
        name, _, capacity_ah, voltage_v, charge, discharge, soc, floor, grid_kw = row
        hours = hourly[hourly["site"] == name]
        out = outages.loc[outages["site"] == name, "grid_outage"].to_numpy()
        if not len(hours) or len(hours) % HOURS or not len(out):
            raise FieldError(
                str(name), f"has {len(hours)} hours and {len(out)} of its outage plan", code="no_data"
            )
        load_kw = hours["load_kwh"].to_numpy(dtype=np.float64)
        capacity_kwh = float(capacity_ah * voltage_v / 1000)
        battery = Battery(
            capacity_kwh=capacity_kwh,
            max_charge_kw=float(charge) * capacity_kwh,
            max_discharge_kw=float(load_kw.max()),
            discharge_efficiency=1 / float(discharge),
            soc_min_kwh=float(floor) * capacity_kwh,
        )
        towers.append(
            Tower(
                name=str(name),
                battery=battery,
                soc_initial_kwh=float(soc) * capacity_kwh,
                load_kw=load_kw.reshape(-1, HOURS),
                pv_kw=hours["solar_kwh"].to_numpy(dtype=np.float64).reshape(-1, HOURS),
                grid_kw=(float(grid_kw) * (1 - np.resize(out, len(hours)))).reshape(-1, HOURS),
            )
        )
    return towers


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SocForecasts:
    """Forecasts issued at each midnight of the last fifth of the days, as shares of capacity.

    ``quantiles`` (D, 24, Q) at ``LEVELS``, ``actual`` and ``yesterday`` (the same hour's SoC a day earlier),
    (D, 24).
    """

    quantiles: FloatArray
    actual: FloatArray
    yesterday: FloatArray

    @property
    def uncertain(self) -> BoolArray:
        """Where the 80 % interval is wider than 1 % of capacity; elsewhere the battery is full or empty."""
        return np.asarray(self.quantiles[..., HIGH] - self.quantiles[..., LOW] > UNCERTAIN)

    def coverage(self) -> float:
        """Share of uncertain hours whose SoC lies in the 80 % interval."""
        inside = (self.actual >= self.quantiles[..., LOW]) & (self.actual <= self.quantiles[..., HIGH])
        return float(inside[self.uncertain].mean())

    def mae(self) -> tuple[float, float]:
        """Mean absolute error of the median, and of yesterday's SoC, over all hours."""
        return (
            float(np.abs(self.quantiles[..., MEDIAN] - self.actual).mean()),
            float(np.abs(self.yesterday - self.actual).mean()),
        )


def soc_forecasts(tower: Tower, *, seed: int) -> SocForecasts:
    """A day ahead at midnight, the charge at that moment and the outage plan known.

    Load and sun are foreseen by what the same hour was on the last 14 days: any better forecast can take
    their place. How long a departure lasts is learned from the days before the test.
    """
    days = len(tower.load_kw)
    first = days - round(TEST_SHARE * days)
    load, sun = _by_past_days(tower.load_kw), _by_past_days(tower.pv_kw)
    before = slice(PAST_DAYS, first)
    keeps = [
        rank_persistence(actual[before], quantiles[before])
        for actual, quantiles in ((tower.load_kw, load), (tower.pv_kw, sun))
    ]
    actual = _simulated(tower, (tower.load_kw - tower.pv_kw).ravel(), tower.soc_initial_kwh)
    states = []
    for day in range(first, days):
        drawn = [
            paths(quantiles[day], persistence=keep, count=PATHS, seed=seed + 2 * day + i)
            for i, (quantiles, keep) in enumerate(zip((load, sun), keeps, strict=True))
        ]
        soc = soc_paths(
            drawn[0] - drawn[1],
            tower.grid_kw[day],
            tower.battery,
            soc_initial_kwh=np.array(actual[day - 1, -1]),
            step_h=1.0,
        )
        states.append(soc_quantiles(soc))
    share = tower.battery.capacity_kwh
    return SocForecasts(
        quantiles=np.array(states) / share,
        actual=actual[first:] / share,
        yesterday=actual[first - 1 : -1] / share,
    )


def _by_past_days(power_kw: FloatArray) -> FloatArray:
    """Quantiles (D, 24, Q) of the same hour on the 14 days before; NaN on the first 14 days.

    Of n exchangeable values the next falls below the k-th with probability k / (n + 1): Weibull's positions.
    """
    quantiles = np.full((*power_kw.shape, len(LEVELS)), np.nan)
    for day in range(PAST_DAYS, len(power_kw)):
        past = power_kw[day - PAST_DAYS : day]
        quantiles[day] = np.quantile(past, LEVELS, axis=0, method="weibull").T
    return quantiles


def _simulated(tower: Tower, net_load_kw: FloatArray, soc_kwh: float) -> FloatArray:
    """SoC (D, 24) kWh of one known course of things."""
    soc = soc_paths(
        net_load_kw[None], tower.grid_kw.ravel(), tower.battery, soc_initial_kwh=np.array(soc_kwh), step_h=1.0
    )
    return soc.reshape(-1, HOURS)
