"""Orders, trades and what a clearing decides. Money in micro-units, energy in Wh."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.errors import FieldError
from domain.time import require_utc


class Side(StrEnum):
    """A bid buys energy, an offer sells it."""

    BUY = "buy"
    SELL = "sell"


ORDERS_AN_INTERVAL = 256
"""An owner's orders for one interval: each uses up one of as many nonces."""
INTERVALS_REMEMBERED = 96
"""Of so many intervals, up to the latest settled one, the exchange knows which are settled."""
MAX_UINT32 = 2**32 - 1
"""Wh of an order, and prices in micro-units per kWh, have four bytes in a batch."""


def settlement_term(step: timedelta) -> timedelta:
    """How long from its start an interval of this length can be settled: the longest that the exchange takes.

    A day; of intervals shorter than a quarter of an hour as long as it remembers them (``Intervals.sol``).
    """
    return min(timedelta(days=1), INTERVALS_REMEMBERED * step)


def first_nonce(interval_start: datetime) -> int:
    """The nonce of an owner's first order for the interval: a nonce is interval start x 256 + k."""
    return int(interval_start.timestamp()) * ORDERS_AN_INTERVAL


@dataclass(frozen=True, slots=True)
class Order:
    """A limit order for one delivery interval; ``placed_at`` and ``order_id`` break ties.

    ``k`` counts the owner's orders for the interval; with ``meter_id`` it is the order's place in a batch.
    """

    order_id: str
    participant_id: str
    meter_id: str
    side: Side
    energy_wh: int
    limit_micro_per_kwh: int
    placed_at: datetime
    k: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "placed_at", require_utc(self.placed_at, "placed_at"))
        if self.energy_wh <= 0:
            raise FieldError("energy_wh", f"must be above 0, got {self.energy_wh}")
        if self.limit_micro_per_kwh < 0:
            raise FieldError("limit_micro_per_kwh", f"must not be negative, got {self.limit_micro_per_kwh}")


@dataclass(frozen=True, slots=True)
class Trade:
    """``energy_wh`` from the seller's order to the buyer's at the clearing price."""

    buy_order_id: str
    sell_order_id: str
    energy_wh: int
    price_micro_per_kwh: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """Result of one call auction; ``price_micro_per_kwh`` is None when nothing crossed.

    ``trades`` are the pairs that ``domain.fills.chained`` makes of what was executed. ``welfare_micro`` is
    the sum over executed bids of energy x limit, less that over executed offers, rounded down once.
    """

    price_micro_per_kwh: int | None
    trades: tuple[Trade, ...]
    traded_wh: int
    welfare_micro: int


@dataclass(frozen=True, slots=True)
class MeterReading:
    """Energy through one meter in one delivery interval; both registers are >= 0."""

    meter_id: str
    interval_start: datetime
    interval_s: int
    import_wh: int
    export_wh: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval_start", require_utc(self.interval_start, "interval_start"))
        for name in ("import_wh", "export_wh"):
            if getattr(self, name) < 0:
                raise FieldError(name, f"must not be negative, got {getattr(self, name)}", code="negative")


@dataclass(frozen=True, slots=True)
class SettlementPrices:
    """Prices of one delivery interval, micro-units per kWh, as committed before delivery."""

    clearing: int
    retail_import: int
    feed_in: int
    imbalance: int
    fee: int


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """What one member owes and is owed for one interval; every amount >= 0, in micro-units.

    ``net_micro`` is positive when the member pays. ``imported_wh`` and ``exported_wh`` are the metered (or
    fallback) quantities.
    """

    imported_wh: int
    exported_wh: int
    bought_wh: int
    sold_wh: int
    delivered_wh: int
    retail_import_wh: int
    feed_in_wh: int
    purchase_micro: int
    sale_micro: int
    shortfall_micro: int
    fee_micro: int
    retail_micro: int
    feed_in_micro: int

    @property
    def net_micro(self) -> int:
        """Micro-units that the member pays; negative when it is paid."""
        paid = self.purchase_micro + self.shortfall_micro + self.fee_micro + self.retail_micro
        return paid - self.sale_micro - self.feed_in_micro
