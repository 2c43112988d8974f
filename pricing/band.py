"""Where a local price can lie, and the reference that supply and demand suggest inside it.

The band. A seller would rather feed in than sell for less than the feed-in price plus the fee it pays; a
buyer would rather import than buy for more than the retail price minus its fee. Between the two both gain.

The reference is the internal selling price of Liu et al. (2017), with the band's floor ``f`` and ceiling
``c`` in place of their feed-in and utility prices, and ``r`` = supply / demand:

    reference = f * c / ((c - f) * r + f)   for 0 <= r <= 1,     f   for r > 1

It falls from ``c`` (nothing to share) to ``f`` (more than is needed), convexly. Their internal buying price,
``reference * r + c * (1 - r)``, needs no series of its own: it is what buyers pay on average when a share
``r`` of their need is bought at the reference and the rest from the retailer.

Source: N. Liu, X. Yu, C. Wang, C. Li, L. Ma, J. Lei, "Energy-Sharing Model With Price-Based Demand Response
for Microgrids of Peer-to-Peer Prosumers", IEEE Trans. Power Systems 32(5), 2017,
doi:10.1109/TPWRS.2017.2649558.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.tariff import Tariff


@dataclass(frozen=True, slots=True, eq=False)
class PriceBand:
    """Floor, ceiling and reference price per interval, each (T,) int64 micro-units per kWh.

    ``floor <= reference <= ceiling`` in every interval.
    """

    floor: NDArray[np.int64]
    ceiling: NDArray[np.int64]
    reference: NDArray[np.int64]


def supply_and_demand(net_kwh: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What members can share and what they need, kWh >= 0, each (T,).

    ``net_kwh`` has shape (members, T): positive where a member needs energy, negative where it has a surplus.
    """
    return -np.minimum(net_kwh, 0).sum(axis=0), np.maximum(net_kwh, 0).sum(axis=0)


def local_price_band(
    tariff: Tariff,
    instants: Iterable[datetime],
    *,
    supply_kwh: NDArray[np.float64],
    demand_kwh: NDArray[np.float64],
) -> PriceBand:
    """Band and reference for the intervals that start at ``instants`` (UTC), rounded to nearest.

    ``supply_kwh`` and ``demand_kwh`` have shape (T,), >= 0. With neither supply nor demand nothing can trade
    and the reference is the mid-point of the band (rounded down).

    Raises:
        FieldError: a series has another length than ``instants``, is negative or is not finite.

    >>> from datetime import UTC
    >>> band = local_price_band(
    ...     Tariff("UTC", 200_000, 49_000, fee_micro_per_kwh=1_000), [datetime(2026, 1, 1, tzinfo=UTC)] * 3,
    ...     supply_kwh=np.array([0.0, 1.0, 5.0]), demand_kwh=np.array([2.0, 2.0, 2.0]))
    >>> band.reference.tolist()
    [199000, 79920, 50000]
    """
    retail = np.array([tariff.import_price(instant) for instant in instants], dtype=np.int64)
    for name, values in (("supply_kwh", supply_kwh), ("demand_kwh", demand_kwh)):
        if values.shape != retail.shape:
            raise FieldError(name, f"must have shape {retail.shape}, got {values.shape}")
        if not np.isfinite(values).all() or (values < 0).any():
            raise FieldError(name, "must be finite and not negative")
    floor = np.full_like(retail, tariff.feed_in_micro_per_kwh + tariff.fee_micro_per_kwh)
    ceiling = retail - tariff.fee_micro_per_kwh
    return PriceBand(floor, ceiling, _reference(floor, ceiling, supply_kwh, demand_kwh))


def _reference(
    floor: NDArray[np.int64],
    ceiling: NDArray[np.int64],
    supply_kwh: NDArray[np.float64],
    demand_kwh: NDArray[np.float64],
) -> NDArray[np.int64]:
    """The formula above times demand / demand, so that it needs no ratio where demand is 0."""
    shared_kwh = np.minimum(supply_kwh, demand_kwh)
    weight = (ceiling - floor) * shared_kwh + floor * demand_kwh
    unpriced = np.where(supply_kwh > 0, floor, ceiling).astype(np.float64)
    price = np.divide(floor * ceiling * demand_kwh, weight, out=unpriced, where=weight > 0)
    idle = (supply_kwh == 0) & (demand_kwh == 0)
    price = np.where(idle, (floor + ceiling) // 2, price)
    return np.clip(np.rint(price), floor, ceiling).astype(np.int64)
