"""What each member owes for one delivery interval; ``EnergyExchange.settleBatch`` computes the same figures.

Derivation. A member bought ``B`` and sold ``S`` Wh; its grid meter shows import ``M`` and export ``X``.

* Delivered ``D = min(S, X)``: nobody is paid for a sale that its meter did not see leave. ``D`` fills the
  member's sales in batch order, so each sale's shortfall, and the cap that was signed for it, is its own.
* What was imported beyond the purchase, ``max(M - B, 0)``, comes from the retailer; what was exported beyond
  the sale, ``max(X - S, 0)``, and what was bought and not taken, ``max(B - M, 0)``, goes to it at feed-in.

Amounts that a member pays are rounded up and those it is paid are rounded down, each once over the meter's
sum of Wh x price, so no rounding creates money: the retailer's account takes the difference
(``IntervalSettlement.retailer_delta_micro``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.errors import FieldError
from domain.market import SettlementLine, SettlementPrices
from domain.units import amount_micro_down, amount_micro_up, micro_down, micro_up

SECONDS_PER_HOUR = 3_600


class Purchase(NamedTuple):
    """Energy bought, and its price per kWh: at a uniform price the clearing price, else the trade's own."""

    energy_wh: int
    price: int


class Sale(NamedTuple):
    """Energy sold, its price per kWh, and the most that the seller signed to pay per kWh not delivered."""

    energy_wh: int
    price: int
    imbalance_cap: int


@dataclass(frozen=True, slots=True)
class MeterInterval:
    """One member grid meter in one delivery interval; trades in batch order.

    ``imported_wh`` and ``exported_wh`` are both None when the reading is missing; ``fallback_import_w`` is
    the mean power that the member agreed to be billed for then.
    """

    meter_id: str
    imported_wh: int | None
    exported_wh: int | None
    bought: tuple[Purchase, ...] = ()
    sold: tuple[Sale, ...] = ()
    fallback_import_w: int = 0


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
    bought: Sequence[Purchase],
    sold: Sequence[Sale],
    prices: SettlementPrices,
) -> SettlementLine:
    """The settlement of one meter, to the micro-unit.

    Args:
        imported_wh: Metered (or fallback) import, Wh, >= 0.
        exported_wh: Metered (or fallback) export, Wh, >= 0.
        bought: What was bought.
        sold: What was sold, in batch order.
        prices: The committed prices, micro-units per kWh, all >= 0; ``clearing`` does not enter.

    Raises:
        FieldError: a quantity, a cap or a price is negative.

    >>> line = settle_meter(
    ...     imported_wh=0, exported_wh=800, bought=[], sold=[Sale(1_000, 100_000, imbalance_cap=90_000)],
    ...     prices=SettlementPrices(
    ...         clearing=100_000, retail_import=200_000, feed_in=50_000, imbalance=250_000, fee=1_000),
    ... )
    >>> line.delivered_wh, line.sale_micro, line.shortfall_micro, line.net_micro
    (800, 80000, 18000, -61200)
    """
    _require_not_negative(imported_wh, exported_wh, bought, sold, prices)
    bought_wh = sum(purchase.energy_wh for purchase in bought)
    sold_wh = sum(sale.energy_wh for sale in sold)
    delivered_wh = min(sold_wh, exported_wh)
    sale_product, shortfall_product = _deliver(delivered_wh, sold, prices.imbalance)
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
        purchase_micro=micro_up(sum(purchase.energy_wh * purchase.price for purchase in bought)),
        sale_micro=micro_down(sale_product),
        shortfall_micro=micro_up(shortfall_product),
        fee_micro=amount_micro_up(bought_wh, prices.fee) + amount_micro_up(delivered_wh, prices.fee),
        retail_micro=amount_micro_up(retail_import_wh, prices.retail_import),
        feed_in_micro=amount_micro_down(feed_in_wh, prices.feed_in),
    )


def fallback(bought_wh: int, *, import_w: int, interval_s: int) -> tuple[int, int]:
    """(imported Wh, exported Wh) where no reading came.

    The meter is taken to have imported what it bought, or what its owner agreed to where that is more, and to
    have delivered nothing.

    >>> fallback(100, import_w=500, interval_s=900)
    (125, 0)
    """
    return max(bought_wh, import_w * interval_s // SECONDS_PER_HOUR), 0


def settle_interval(
    meters: Sequence[MeterInterval], prices: SettlementPrices, *, interval_s: int
) -> IntervalSettlement:
    """Settle every member meter of one interval of ``interval_s`` seconds, or of a part of it.

    Raises:
        FieldError: half a reading is missing, a meter appears twice, or purchases and sales differ in total.
    """
    if len({meter.meter_id for meter in meters}) != len(meters):
        raise FieldError("meter_id", "each meter settles once in an interval", code="duplicate")
    bought_wh = sum(purchase.energy_wh for meter in meters for purchase in meter.bought)
    sold_wh = sum(sale.energy_wh for meter in meters for sale in meter.sold)
    if bought_wh != sold_wh:
        raise FieldError("sold", f"purchases ({bought_wh} Wh) and sales ({sold_wh} Wh) must be equal")
    lines = []
    for meter in meters:
        imported_wh, exported_wh = _reading(meter, interval_s)
        line = settle_meter(
            imported_wh=imported_wh,
            exported_wh=exported_wh,
            bought=meter.bought,
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


def _reading(meter: MeterInterval, interval_s: int) -> tuple[int, int]:
    if meter.imported_wh is None and meter.exported_wh is None:
        bought_wh = sum(purchase.energy_wh for purchase in meter.bought)
        return fallback(bought_wh, import_w=meter.fallback_import_w, interval_s=interval_s)
    if meter.imported_wh is None or meter.exported_wh is None:
        raise FieldError("exported_wh", f"half of the reading of meter {meter.meter_id} is missing")
    return meter.imported_wh, meter.exported_wh


def _deliver(delivered_wh: int, sold: Sequence[Sale], imbalance: int) -> tuple[int, int]:
    """Sums of Wh x price: what is delivered at its price, the rest at (imbalance - price)+ up to the cap."""
    left_wh = delivered_wh
    sale = shortfall = 0
    for energy_wh, price, cap in sold:
        filled_wh = min(left_wh, energy_wh)
        left_wh -= filled_wh
        sale += filled_wh * price
        shortfall += (energy_wh - filled_wh) * min(max(imbalance - price, 0), cap)
    return sale, shortfall


def _require_not_negative(
    imported_wh: int,
    exported_wh: int,
    bought: Sequence[Purchase],
    sold: Sequence[Sale],
    prices: SettlementPrices,
) -> None:
    named = {
        "imported_wh": imported_wh,
        "exported_wh": exported_wh,
        "bought": min((min(purchase) for purchase in bought), default=0),
        "sold": min((min(sale) for sale in sold), default=0),
        **{f"prices.{name}": getattr(prices, name) for name in prices.__slots__},
    }
    for name, value in named.items():
        if value < 0:
            raise FieldError(name, f"must not be negative, got {value}", code="negative")
