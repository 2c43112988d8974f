"""Days to train and measure on: measured days of the Fontana homes, and synthetic ones of the seed's kind.

The synthetic day (a sine of sun, two humps of load, a noisy two-level price, a feed-in price of 30 % that
dips at noon, a battery of 10 kWh and 3 kW) is that of the learning-to-optimise system this room grew from: E.
Safarzadeh-Ravajiri, Learning to Optimize for BESS Day-Ahead Scheduling, 2025 (MIT licence).

Whoever trains, trains on days before ``TEST_FROM`` (and chooses between models on those from
``VALIDATE_FROM``); figures that are shown come from days after it.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domain.errors import FieldError
from ess.corridor import soc_corridor
from ess.problem import EFFICIENCIES, FLOOR, RATINGS, SERIES, STATES, BatteryProblem, Floats

BUILDINGS = Path(__file__).resolve().parents[1] / "data" / "buildings"
FEED_IN_PER_KWH = 0.08  # as in scenarios/fontana.yaml
HOURS = 24
PAST_DAYS = 14
PEAK_HOURS = (16, 21)  # of the synthetic day, both included
BEGIN = date(2016, 8, 1)
FIRST_DAY, VALIDATE_FROM, TEST_FROM, LAST_DAY = (
    BEGIN + timedelta(days=PAST_DAYS),
    date(2017, 4, 13),
    date(2017, 5, 20),
    date(2017, 7, 30),
)  # 70 %, 10 % and 20 % of the year


@dataclass(frozen=True, slots=True, eq=False)
class HomeDays:
    """n measured days of homes, each from midnight to midnight, the battery half full at both ends.

    ``problem`` (n, 24) with the homes' own batteries; ``home`` (n,) 1 to 11; ``day`` (n,) datetime64[D];
    ``past_net_load_kw`` (n, 14, 24): the same home's load less PV on the days before, oldest first.
    """

    problem: BatteryProblem
    home: NDArray[np.intp]
    day: NDArray[np.datetime64]
    past_net_load_kw: Floats

    def rows(self, chosen: NDArray[np.intp]) -> "HomeDays":
        """The days ``chosen``, in that order."""
        return HomeDays(
            self.problem.rows(chosen), self.home[chosen], self.day[chosen], self.past_net_load_kw[chosen]
        )


def home_year(folder: Path = BUILDINGS) -> BatteryProblem:
    """The whole year of every home, (11, 8760), its battery half full at both ends; it begins at 23:00.

    ``folder`` holds the three Fontana files as ``data/README.md`` describes them: measured hours are labelled
    by their end, the tariff (as in scenarios/fontana.yaml) by the clock at their start. Prices: USD per kWh.
    """
    table = pd.read_csv(folder / "fontana_buildings_01_11.csv.gz")
    ratings = pd.read_csv(folder / "fontana_building_attributes.csv").to_dict("list")
    tariff = pd.read_csv(folder / "fontana_tariff_carbon.csv.gz")["tariff_usd_per_kwh"]
    load_kw = np.array(table["load_kwh"], dtype=np.float64).reshape(len(ratings["building"]), -1)
    yield_kw_per_kwp = np.array(table["pv_w_per_kwp"], dtype=np.float64).reshape(load_kw.shape) / 1e3
    capacity, power, efficiency, pv_nominal_kw = (
        np.array(ratings[name], dtype=np.float64)
        for name in ("battery_kwh", "battery_kw", "battery_efficiency", "pv_nominal_kw")
    )
    return BatteryProblem(
        load_kw=load_kw,
        pv_kw=yield_kw_per_kwp * pv_nominal_kw[:, None],
        buy=np.broadcast_to(np.roll(tariff, 1), load_kw.shape),
        sell=np.full(load_kw.shape, FEED_IN_PER_KWH),
        capacity_kwh=capacity,
        max_charge_kw=power,
        max_discharge_kw=power,
        charge_efficiency=np.sqrt(efficiency),
        discharge_efficiency=np.sqrt(efficiency),
        soc_initial_kwh=capacity / 2,
        soc_min_kwh=np.zeros(len(capacity)),
        soc_final_kwh=capacity / 2,
        step_h=1.0,
    )


def home_days(first: date, last: date, folder: Path = BUILDINGS) -> HomeDays:
    """Every home's days from ``first`` to ``last``, both included; by day, then by home.

    Raises:
        FieldError: a day, or a day of its past, lies outside the year.
    """
    if first < FIRST_DAY or last > LAST_DAY or last < first:
        raise FieldError("first", f"days must lie between {FIRST_DAY} and {LAST_DAY}")
    year = home_year(folder)
    begin, end = ((day - BEGIN).days for day in (first, last + timedelta(days=1)))
    days = np.repeat(np.arange(begin, end), year.shape[0])
    home = np.tile(np.arange(year.shape[0]), end - begin)
    arrays: dict[str, Any] = {name: _by_day(getattr(year, name))[home, days] for name in (*SERIES, FLOOR)}
    arrays |= {name: getattr(year, name)[home] for name in (*RATINGS, *EFFICIENCIES, *STATES)}
    net_kw = _by_day(year.net_load_kw)
    past = np.stack([net_kw[home, days - ago] for ago in range(PAST_DAYS, 0, -1)], axis=1)
    return HomeDays(BatteryProblem(**arrays, step_h=year.step_h), home + 1, np.datetime64(BEGIN) + days, past)


def _by_day(hours: Floats) -> Floats:
    """(homes, days, 24) from a year whose first hour ends at a midnight; a last part of a day is left."""
    whole_days = (hours.shape[1] - 1) // HOURS
    return hours[:, 1 : 1 + whole_days * HOURS].reshape(len(hours), whole_days, HOURS)


def seed_days(count: int, *, seed: int) -> BatteryProblem:
    """``count`` synthetic days of the seed's kind with the seed's battery, half full at both ends."""
    rng = np.random.default_rng(seed)
    hours, shape = np.arange(HOURS), (count, HOURS)

    def per_day(low: float, high: float) -> Floats:
        return rng.uniform(low, high, (count, 1))

    sun = per_day(3.0, 5.0) * np.maximum(0, np.sin(np.pi * (hours - 6) / 12))
    pv_kw = np.maximum(0, sun + rng.normal(0, 0.2, shape))
    morning, evening = (np.exp(-((hours - peak) ** 2) / 8) for peak in (7, 19))
    load = per_day(2.0, 3.0) * morning + per_day(3.0, 4.5) * evening + per_day(0.5, 1.0)
    load_kw = np.maximum(0, load + rng.normal(0, 0.1, shape))
    base, peak = per_day(0.10, 0.15), per_day(0.25, 0.35)
    buy = np.where((hours >= PEAK_HOURS[0]) & (hours <= PEAK_HOURS[1]), peak, base) + rng.normal(
        0, 0.02, shape
    )
    buy = np.maximum(0.05, buy)
    sell = np.maximum(0.02, 0.3 * buy * (1 - 0.3 * np.exp(-((hours - 12) ** 2) / 16)))
    return BatteryProblem(
        load_kw=load_kw,
        pv_kw=pv_kw,
        buy=buy,
        sell=sell,
        capacity_kwh=np.full(count, 10.0),
        max_charge_kw=np.full(count, 3.0),
        max_discharge_kw=np.full(count, 3.0),
        charge_efficiency=np.full(count, 0.95),
        discharge_efficiency=np.full(count, 0.95),
        soc_initial_kwh=np.full(count, 5.0),
        soc_min_kwh=np.zeros(count),
        soc_final_kwh=np.full(count, 5.0),
        step_h=1.0,
    )


def varied(problem: BatteryProblem, *, seed: int) -> BatteryProblem:
    """The same days with a battery of its own in each row; every row can be met.

    Capacity is 2 to 30 kWh, a full charge takes 1 to 6 hours, one-way efficiencies are 0.85 to 1, the floor
    is up to 20 % of capacity, the initial state anything above it, and the final floor anything that can
    still be reached.
    """
    rng = np.random.default_rng(seed)
    count = problem.shape[0]
    capacity = np.exp(rng.uniform(np.log(2), np.log(30), count))
    floor = capacity * rng.uniform(0, 0.2, count)
    changed = replace(
        problem,
        capacity_kwh=capacity,
        max_charge_kw=capacity / rng.uniform(1, 6, count),
        max_discharge_kw=capacity / rng.uniform(1, 6, count),
        charge_efficiency=rng.uniform(0.85, 1, count),
        discharge_efficiency=rng.uniform(0.85, 1, count),
        soc_initial_kwh=floor + (capacity - floor) * rng.uniform(0, 1, count),
        soc_min_kwh=floor,
        soc_final_kwh=floor,
    )
    wanted = floor + (capacity - floor) * rng.uniform(0, 1, count)
    demanding = replace(changed, soc_final_kwh=wanted)
    out_of_reach = np.maximum(soc_corridor(demanding)[0][:, 0] - changed.soc_initial_kwh, 0)
    return replace(changed, soc_final_kwh=np.maximum(wanted - 1.001 * out_of_reach, floor))
