"""What each member owes for one delivery interval; ``EnergyExchange.settleBatch`` computes the same figures.

Derivation. A member bought ``B`` and sold ``S`` Wh; its grid meter shows import ``M`` and export ``X``.

* Delivered ``D = min(S, X)``: nobody is paid for a sale that its meter did not see leave. ``D`` fills the
  member's sell orders in fill order, so each order's shortfall, and the cap it signed, is its own.
* What was imported beyond the purchase, ``max(M - B, 0)``, comes from the retailer; what was exported beyond
  the sale, ``max(X - S, 0)``, and what was bought and not taken, ``max(B - M, 0)``, goes to it at feed-in.

Amounts that a member pays are rounded up and those it is paid are rounded down, so no rounding creates money:
the retailer's account takes the difference (``IntervalSettlement.retailer_delta_micro``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import FieldError
from domain.market import SettlementLine, SettlementPrices
from domain.units import amount_micro_down, amount_micro_up


@dataclass(frozen=True, slots=True)
class MeterInterval:
    """One member grid meter in one delivery interval.

    ``imported_wh`` and ``exported_wh`` are both None when the reading is missing. ``sold`` holds a pair
    (energy Wh, imbalance cap in micro-units per kWh) for each filled sell order, in fill order.
    """

    meter_id: str
    imported_wh: int | None
    exported_wh: int | None
    bought_wh: int
    sold: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class IntervalSettlement:
    """Lines in the order of the meters given, and what the other two accounts take (micro-units).

    ``retailer_delta_micro`` is positive when the retailer is paid. Members' nets add up to
    ``retailer_delta_micro + fees_micro`` exactly. ``estimated[i]`` says that line i rests on the fallback.
    """

    lines: tuple[SettlementLine, ...]
    estimated: tuple[bool, ...]
    retailer_delta_micro: int
    fees_micro: int


def settle_meter(
    *,
    imported_wh: int,
    exported_wh: int,
    bought_wh: int,
    sold: Sequence[tuple[int, int]],
    prices: SettlementPrices,
) -> SettlementLine:
    """The settlement of one meter, to the micro-unit.

    Args:
        imported_wh: Metered (or fallback) import, Wh, >= 0.
        exported_wh: Metered (or fallback) export, Wh, >= 0.
        bought_wh: Executed purchases of the interval, Wh, >= 0.
        sold: (executed Wh, imbalance cap in micro-units per kWh) for each sell order, in fill order.
        prices: The committed prices, micro-units per kWh, all >= 0.

    Raises:
        FieldError: a quantity, a cap or a price is negative.

    >>> line = settle_meter(
    ...     imported_wh=0, exported_wh=800, bought_wh=0, sold=[(1_000, 90_000)],
    ...     prices=SettlementPrices(
    ...         clearing=100_000, retail_import=200_000, feed_in=50_000, imbalance=250_000, fee=1_000),
    ... )
    >>> line.delivered_wh, line.sale_micro, line.shortfall_micro, line.net_micro
    (800, 80000, 18000, -61200)
    """
    _require_not_negative(imported_wh, exported_wh, bought_wh, sold, prices)
    sold_wh = sum(energy_wh for energy_wh, _ in sold)
    delivered_wh = min(sold_wh, exported_wh)
    retail_import_wh = max(imported_wh - bought_wh, 0)
    feed_in_wh = max(exported_wh - sold_wh, 0) + max(bought_wh - imported_wh, 0)
    return SettlementLine(
        imported_wh=imported_wh,
        exported_wh=exported_wh,
        bought_wh=bought_wh,
        sold_wh=sold_wh,
        delivered_wh=delivered_wh,
        retail_import_wh=retail_import_wh,
        feed_in_wh=feed_in_wh,
        purchase_micro=amount_micro_up(bought_wh, prices.clearing),
        sale_micro=amount_micro_down(delivered_wh, prices.clearing),
        shortfall_micro=_shortfall_micro(delivered_wh, sold, prices),
        fee_micro=amount_micro_up(bought_wh, prices.fee) + amount_micro_up(delivered_wh, prices.fee),
        retail_micro=amount_micro_up(retail_import_wh, prices.retail_import),
        feed_in_micro=amount_micro_down(feed_in_wh, prices.feed_in),
    )


def fallback(bought_wh: int) -> tuple[int, int]:
    """(imported Wh, exported Wh) where no reading came: it took what it bought and delivered nothing."""
    return bought_wh, 0


def settle_interval(meters: Sequence[MeterInterval], prices: SettlementPrices) -> IntervalSettlement:
    """Settle every member meter of one interval.

    Raises:
        FieldError: half a reading is missing, a meter appears twice, or purchases and sales differ in total.
    """
    if len({meter.meter_id for meter in meters}) != len(meters):
        raise FieldError("meter_id", "each meter settles once in an interval", code="duplicate")
    bought_wh = sum(meter.bought_wh for meter in meters)
    sold_wh = sum(energy_wh for meter in meters for energy_wh, _ in meter.sold)
    if bought_wh != sold_wh:
        raise FieldError("sold", f"purchases ({bought_wh} Wh) and sales ({sold_wh} Wh) must be equal")
    lines = []
    for meter in meters:
        imported_wh, exported_wh = _reading(meter)
        line = settle_meter(
            imported_wh=imported_wh,
            exported_wh=exported_wh,
            bought_wh=meter.bought_wh,
            sold=meter.sold,
            prices=prices,
        )
        lines.append(line)
    fees_micro = sum(line.fee_micro for line in lines)
    return IntervalSettlement(
        lines=tuple(lines),
        estimated=tuple(meter.imported_wh is None for meter in meters),
        retailer_delta_micro=sum(line.net_micro for line in lines) - fees_micro,
        fees_micro=fees_micro,
    )


def _reading(meter: MeterInterval) -> tuple[int, int]:
    if meter.imported_wh is None and meter.exported_wh is None:
        return fallback(meter.bought_wh)
    if meter.imported_wh is None or meter.exported_wh is None:
        raise FieldError("exported_wh", f"half of the reading of meter {meter.meter_id} is missing")
    return meter.imported_wh, meter.exported_wh


def _shortfall_micro(delivered_wh: int, sold: Sequence[tuple[int, int]], prices: SettlementPrices) -> int:
    """Shortfall charge: per order, (imbalance - clearing)+ up to the order's cap, rounded up per order."""
    premium = max(prices.imbalance - prices.clearing, 0)
    left_wh = delivered_wh
    charge = 0
    for energy_wh, cap in sold:
        filled_wh = min(left_wh, energy_wh)
        left_wh -= filled_wh
        charge += amount_micro_up(energy_wh - filled_wh, min(premium, cap))
    return charge


def _require_not_negative(
    imported_wh: int,
    exported_wh: int,
    bought_wh: int,
    sold: Sequence[tuple[int, int]],
    prices: SettlementPrices,
) -> None:
    named = {
        "imported_wh": imported_wh,
        "exported_wh": exported_wh,
        "bought_wh": bought_wh,
        "sold": min((min(pair) for pair in sold), default=0),
        **{f"prices.{name}": getattr(prices, name) for name in prices.__slots__},
    }
    for name, value in named.items():
        if value < 0:
            raise FieldError(name, f"must not be negative, got {value}", code="negative")
