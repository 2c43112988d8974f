"""Writes of the market: intervals opened, orders taken, auctions cleared, states moved on."""

from backend.market.services.clearing import (
    clear_interval,
    let_stand,
    mark_committed,
    mark_lapsed,
    mark_lost,
    mark_settled,
    open_intervals,
    rematched,
)
from backend.market.services.orders import MAX_PRICE, MAX_WH, SignedOrder, cancel_order, place_order

__all__ = [
    "MAX_PRICE",
    "MAX_WH",
    "SignedOrder",
    "cancel_order",
    "clear_interval",
    "let_stand",
    "mark_committed",
    "mark_lapsed",
    "mark_lost",
    "mark_settled",
    "open_intervals",
    "place_order",
    "rematched",
]
