"""The days on which the network is trained: measured and synthetic ones, and what else a home may meet.

Three in ten keep the battery they came with, the others get one from ``varied``. Half of the days are moved:
load, sun, the hour at which the day begins, wear, and for some other prices or a limited connection. Every
row can be met.
"""

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from ess.corridor import can_be_met
from ess.days import HOURS, seed_days, varied
from ess.problem import BatteryProblem, Floats

Rows = NDArray[np.bool_]

OWN_BATTERY, MOVED = 0.3, 0.5  # shares of the days
ROLLED, OTHER_PRICES, WORN, LIMITED = 0.25, 0.6, 0.2, 0.1  # shares of the moved ones
TARIFF, ONE_TO_ONE, SHARE_OF_PRICE = 0.5, 0.1, 0.5  # shares of other prices
QUARTERS = 4
MOST_WEAR = 0.3  # of the mean price
ARRAYS = tuple(item.name for item in fields(BatteryProblem) if item.name != "step_h")


def mixture(measured: BatteryProblem, count: int, *, seed: int) -> BatteryProblem:
    """``count`` days (count, 24), half of them drawn from ``measured`` (m, 24), half synthetic."""
    rng = np.random.default_rng(seed)
    drawn = measured.rows(rng.integers(0, measured.shape[0], count // 2))
    synthetic = seed_days(count - count // 2, seed=int(rng.integers(2**31)))
    both = {name: np.concatenate([getattr(drawn, name), getattr(synthetic, name)]) for name in ARRAYS}
    days = BatteryProblem(**both, step_h=drawn.step_h)
    moved = rng.random(count) < MOVED
    shifted = _chosen(moved, _moved(days, rng), days)
    other = varied(shifted, seed=int(rng.integers(2**31)))
    own = rng.random(count) < OWN_BATTERY
    limited = moved & (rng.random(count) < LIMITED)
    return _limited(_chosen(own, shifted, other), limited, rng)


def quarter_hours(days: BatteryProblem, *, seed: int) -> BatteryProblem:
    """The same days (count, 96) in quarter hours, with load and sun that move within the hour."""
    rng = np.random.default_rng(seed)
    fine = {
        name: np.repeat(getattr(days, name), QUARTERS, axis=1)
        for name in ARRAYS
        if getattr(days, name).ndim > 1
    }
    for name, most in (("load_kw", 0.6), ("pv_kw", 0.3)):
        spread = rng.uniform(0, most, (days.shape[0], 1))
        fine[name] = fine[name] * np.exp(rng.normal(0, 1, fine[name].shape) * spread)
    quarters = replace(days, **fine, step_h=days.step_h / QUARTERS)
    unlimited = replace(quarters, import_limit_kw=np.array(np.inf), export_limit_kw=np.array(np.inf))
    return _chosen(can_be_met(quarters), quarters, unlimited)


def _chosen(where: Rows, first: BatteryProblem, second: BatteryProblem) -> BatteryProblem:
    """The rows of ``first`` where so, else those of ``second``."""
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in ARRAYS}
    chosen = {
        name: np.where(where[:, None] if one.ndim > 1 else where, one, other)
        for name, (one, other) in pairs.items()
    }
    return BatteryProblem(**chosen, step_h=first.step_h)


def _moved(days: BatteryProblem, rng: np.random.Generator) -> BatteryProblem:
    """The same days with more or less load and sun, another first hour, other prices, wear."""
    count = days.shape[0]
    begin = np.where(rng.random(count) < ROLLED, rng.integers(0, HOURS, count), 0)
    order = (np.arange(HOURS) + begin[:, None]) % HOURS
    load, pv, buy, sell = (
        np.take_along_axis(values, order, axis=1)
        for values in (days.load_kw, days.pv_kw, days.buy, days.sell)
    )
    load = load * np.exp(rng.normal(0, 0.4, (count, 1)) + rng.normal(0, 0.15, days.shape))
    pv = pv * rng.uniform(0, 2.5, (count, 1))
    other = rng.random(count)[:, None] < OTHER_PRICES
    other_buy = _other_prices(count, rng)
    other_sell = _feed_in(other_buy, rng)
    wear = rng.random(count) < WORN
    return replace(
        days,
        load_kw=load,
        pv_kw=pv,
        buy=np.where(other, other_buy, buy),
        sell=np.where(other, other_sell, sell),
        degradation_cost_per_kwh=np.where(wear, rng.uniform(0, MOST_WEAR, count) * buy.mean(axis=1), 0.0),
    )


def _other_prices(count: int, rng: np.random.Generator) -> Floats:
    """Prices (count, 24) of a tariff by time of use, or shaped like a day-ahead market's; some with noise."""
    hours, shape = np.arange(HOURS), (count, HOURS)
    level = rng.uniform(0.08, 0.5, (count, 1))
    tariff = np.ones(shape)
    for low, high in ((0.3, 1.0), (1.0, 3.0)):
        start, length = rng.integers(0, HOURS, (count, 1)), rng.integers(2, 9, (count, 1))
        inside = (hours - start) % HOURS < length
        tariff = np.where(inside, tariff * rng.uniform(low, high, (count, 1)), tariff)
    walk = np.cumsum(rng.normal(0, 0.12, shape), axis=1)
    humps = np.zeros(shape)
    for peak in (8, 19):
        height = rng.uniform(0, 0.8, (count, 1))
        humps += height * np.exp(-((hours - rng.normal(peak, 1.5, (count, 1))) ** 2) / 8)
    market = np.exp(walk - walk.mean(axis=1, keepdims=True) + humps)
    prices = level * np.where(rng.random((count, 1)) < TARIFF, tariff, market)
    noise = rng.choice([0.0, 0.01, 0.03], (count, 1)) * rng.normal(0, 1, shape)
    return np.maximum(prices + noise, 0.01)


def _feed_in(buy: Floats, rng: np.random.Generator) -> Floats:
    """A share of the price (all of it now and then), or one price all day; never above the price to buy."""
    count = len(buy)
    share = np.where(rng.random((count, 1)) < ONE_TO_ONE, 1.0, rng.uniform(0, 1, (count, 1)))
    constant = rng.uniform(0, 1, (count, 1)) * buy.mean(axis=1, keepdims=True)
    return np.where(rng.random((count, 1)) < SHARE_OF_PRICE, share * buy, np.minimum(constant, buy))


def _limited(days: BatteryProblem, rows: Rows, rng: np.random.Generator) -> BatteryProblem:
    """Connection limits a little above what the bare home needs, in ``rows`` where they can be kept."""
    net_kw = days.net_load_kw
    room = rng.uniform(0.2, 2.0, (2, len(rows), 1)) * days.max_charge_kw[:, None]
    highest = np.maximum(net_kw, 0).max(axis=1, keepdims=True) + room[0]
    lowest = np.maximum(-net_kw, 0).max(axis=1, keepdims=True) + room[1]
    limited = replace(
        days,
        import_limit_kw=np.where(rows[:, None], highest, np.inf) + np.zeros(days.shape),
        export_limit_kw=np.where(rows[:, None], lowest, np.inf) + np.zeros(days.shape),
    )
    return _chosen(can_be_met(limited), limited, days)
