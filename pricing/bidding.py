"""Limit orders that a forecast's uncertainty is worth: the newsvendor rule, one block per quantile segment.

All prices per kWh: ``p`` clearing (unknown, uniform), ``r`` retail import, ``f`` feed-in, ``i`` imbalance,
``e`` fee. The rules of ``pricing.settlement`` decide what a marginal Wh earns.

Seller. Surplus is random; ``tau`` is the probability that a given Wh of it is *not* there. When it is there,
selling earns ``p - e`` instead of ``f``; when not, the shortfall ``i - p`` is charged. The Wh is worth
offering at ``p`` when

    (1 - tau) (p - e - f) - tau (i - p) >= 0    <=>    p >= (1 - tau) (f + e) + tau i

Buyer. Need is random; ``tau`` is the probability that a given Wh of it is *not* needed. Buying costs ``p +
e`` and saves ``r`` when the Wh is needed, else it is credited at ``f``. Worth bidding at ``p`` when

    (1 - tau) r + tau f - p - e >= 0            <=>    p <= (1 - tau) r + tau f - e

These equalities, read as a critical fractile, are the newsvendor solution (Arrow, Harris, Marschak 1951; for
electricity markets Pinson, Chevallier, Kariniotakis 2007, doi:10.1109/TPWRS.2007.901117). A block takes one
segment between neighbouring quantiles, where the distribution is taken as linear, at the mean ``tau`` of the
segment. Its Wh fill in order of rising ``tau``, so any part of it executed at its limit gains at least
nothing in expectation. Below the lowest level the distribution is unknown and ``tau`` is taken at that
level.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.forecast import Forecast
from domain.market import Side
from domain.units import wh_from_kwh_down

MINIMUM_BLOCK_WH = 10


@dataclass(frozen=True, slots=True)
class OutsidePrices:
    """Prices outside the auction that an agent expects for the interval, micro-units per kWh, all >= 0."""

    retail_import: int
    feed_in: int
    imbalance: int
    fee: int


@dataclass(frozen=True, slots=True)
class OrderBlock:
    """One order to place. ``risk`` is the block's mean probability of not being there (or not needed).

    ``imbalance_cap_micro_per_kwh`` is the largest shortfall charge the block was priced for: the clearing
    price is at least the limit, so ``imbalance - limit`` bounds it. It is 0 on a bid, which cannot fall
    short.
    """

    side: Side
    energy_wh: int
    limit_micro_per_kwh: int
    imbalance_cap_micro_per_kwh: int
    risk: float


def net_quantiles(
    load: Forecast, pv: Forecast | None, battery_kw: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Quantiles of a member's net position, kWh per interval, shape (T, Q) at ``load.levels``.

    Positive needs energy. ``battery_kw`` has shape (T,), positive charging, and is certain (it is the plan).
    Load and PV are taken as independent: around the median, squared spreads add, which is exact for normal
    distributions. A low net position is a low load with a high PV, so PV enters at the mirrored level.

    Raises:
        FieldError: grids differ, or ``battery_kw`` has another shape than (T,).
    """
    if pv is not None and pv.grid != load.grid:
        raise FieldError("pv", "must lie on the time grid of load")
    if battery_kw.shape != (len(load.grid),):
        raise FieldError("battery_kw", f"must have shape ({len(load.grid)},), got {battery_kw.shape}")
    columns = []
    load_median = load.quantile(0.5)
    pv_median = np.zeros_like(load_median) if pv is None else pv.quantile(0.5)
    for level in load.levels:
        load_spread = load.quantile(level) - load_median
        pv_spread = np.zeros_like(load_spread) if pv is None else pv.quantile(1 - level) - pv_median
        spread = np.hypot(load_spread, pv_spread) * np.sign(level - 0.5)
        columns.append(load_median - pv_median + battery_kw + spread)
    return np.maximum.accumulate(np.column_stack(columns), axis=1) * load.grid.step_h


def order_blocks(
    *, levels: tuple[float, ...], net_kwh: NDArray[np.float64], prices: OutsidePrices
) -> tuple[OrderBlock, ...]:
    """The orders of one member for one interval, all on one side, safest first.

    ``net_kwh`` has shape (Q,): non-decreasing quantiles of the net position at ``levels`` (inside (0, 1)),
    positive needing energy. A positive median bids, any other offers. Bid limits are rounded down and offer
    limits up. Blocks under 10 Wh are left out, and so are those whose limit no member could meet with a
    gain: a bid below feed-in plus fee, an offer above retail minus fee.

    Raises:
        FieldError: shapes differ, values are not finite, or quantiles cross.

    >>> prices = OutsidePrices(retail_import=200_000, feed_in=50_000, imbalance=200_000, fee=1_000)
    >>> net_kwh = np.array([-1.2, -1.0, -0.8])
    >>> order_blocks(levels=(0.1, 0.5, 0.9), net_kwh=net_kwh, prices=prices)[0].limit_micro_per_kwh
    65900
    """
    if net_kwh.shape != (len(levels),):
        raise FieldError("net_kwh", f"must have shape ({len(levels)},), got {net_kwh.shape}")
    if not np.isfinite(net_kwh).all() or (np.diff(net_kwh) < 0).any():
        raise FieldError("net_kwh", "must be finite and must not decrease")
    if np.interp(0.5, levels, net_kwh) > 0:
        bids = (_bid(energy_wh, risk, prices) for energy_wh, risk in _segments(levels, net_kwh))
        return tuple(b for b in bids if b.limit_micro_per_kwh >= prices.feed_in + prices.fee)
    mirrored = tuple(1 - level for level in reversed(levels))
    offers = (_offer(energy_wh, risk, prices) for energy_wh, risk in _segments(mirrored, -net_kwh[::-1]))
    return tuple(o for o in offers if o.limit_micro_per_kwh <= prices.retail_import - prices.fee)


def _segments(levels: tuple[float, ...], quantity_kwh: NDArray[np.float64]) -> list[tuple[int, float]]:
    """(Wh, mean probability of not reaching them) of the positive part of each quantile segment.

    Wh are differences of rounded-down quantiles, so that together they never exceed the highest one.
    """
    corners = [(0.0, levels[0])]
    for (low_kwh, low), (high_kwh, high) in pairwise(zip(quantity_kwh, levels, strict=True)):
        if low_kwh <= 0 < high_kwh:
            corners = [(0.0, low + (high - low) * -low_kwh / (high_kwh - low_kwh))]
    corners += [(float(q), level) for q, level in zip(quantity_kwh, levels, strict=True) if q > 0]
    blocks = [
        (wh_from_kwh_down(high_kwh) - wh_from_kwh_down(low_kwh), float(low + high) / 2)
        for (low_kwh, low), (high_kwh, high) in pairwise(corners)
    ]
    return [(energy_wh, risk) for energy_wh, risk in blocks if energy_wh >= MINIMUM_BLOCK_WH]


def _bid(energy_wh: int, risk: float, prices: OutsidePrices) -> OrderBlock:
    worth = (1 - risk) * prices.retail_import + risk * prices.feed_in - prices.fee
    return OrderBlock(Side.BUY, energy_wh, math.floor(worth), 0, risk)


def _offer(energy_wh: int, risk: float, prices: OutsidePrices) -> OrderBlock:
    worth = (1 - risk) * (prices.feed_in + prices.fee) + risk * prices.imbalance
    limit = math.ceil(worth)
    return OrderBlock(Side.SELL, energy_wh, limit, max(prices.imbalance - limit, 0), risk)
