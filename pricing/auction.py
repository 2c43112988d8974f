"""The uniform-price call auction of one delivery interval (``pay_as_clear``).

Bids are sorted from the highest limit, offers from the lowest; ties go to the earlier order, then to the
lower id. Two pointers walk the sorted books and pair quantities while the bid's limit is at least the
offer's: the quantity where the two curves cross, which is the most that can trade at one price inside every
limit. The price is the mid-point of the two last limits paired, rounded down to a micro-unit per kWh, which
stays inside both. Sorting dominates: O(n log n).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.errors import FieldError
from domain.market import Clearing, Order, Side, Trade
from domain.units import amount_micro_down


def clear(orders: Iterable[Order]) -> Clearing:
    """Match the open orders of one delivery interval.

    The result does not depend on the order of the input. An order's quantity may be executed in part. Every
    executed bid has a limit >= the price, every executed offer a limit <= it.

    Raises:
        FieldError: an order id appears twice, or a participant stands on both sides (the book must have
            cancelled one of them before the gate closed: one does not trade with oneself).

    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> result = clear([
    ...     Order("b", "ana", "m1", Side.BUY, 1_500, 200_000, at),
    ...     Order("s", "rui", "m2", Side.SELL, 1_000, 101_001, at),
    ... ])
    >>> result.price_micro_per_kwh, result.traded_wh, result.welfare_micro
    (150500, 1000, 98999)
    """
    orders = list(orders)
    _require_sound(orders)
    bids = sorted((o for o in orders if o.side is Side.BUY), key=_bid_rank)
    offers = sorted((o for o in orders if o.side is Side.SELL), key=_offer_rank)
    pairs = _pair(bids, offers)
    if not pairs:
        return Clearing(price_micro_per_kwh=None, trades=(), traded_wh=0, welfare_micro=0)
    marginal_bid, marginal_offer, _ = pairs[-1]
    price = midpoint_down(marginal_bid.limit_micro_per_kwh, marginal_offer.limit_micro_per_kwh)
    return Clearing(
        price_micro_per_kwh=price,
        trades=tuple(Trade(bid.order_id, offer.order_id, wh, price) for bid, offer, wh in pairs),
        traded_wh=sum(wh for _, _, wh in pairs),
        welfare_micro=sum(
            amount_micro_down(wh, bid.limit_micro_per_kwh - offer.limit_micro_per_kwh)
            for bid, offer, wh in pairs
        ),
    )


def midpoint_down(bid_micro_per_kwh: int, offer_micro_per_kwh: int) -> int:
    """Half-way between two integer prices, rounded down: an odd micro-unit goes to the buyers."""
    return (bid_micro_per_kwh + offer_micro_per_kwh) // 2


def _bid_rank(order: Order) -> tuple[int, datetime, str]:
    return (-order.limit_micro_per_kwh, order.placed_at, order.order_id)


def _offer_rank(order: Order) -> tuple[int, datetime, str]:
    return (order.limit_micro_per_kwh, order.placed_at, order.order_id)


def _pair(bids: Sequence[Order], offers: Sequence[Order]) -> list[tuple[Order, Order, int]]:
    """(bid, offer, Wh) in execution order; both books best first."""
    pairs = []
    left = {order.order_id: order.energy_wh for order in (*bids, *offers)}
    b = s = 0
    while b < len(bids) and s < len(offers):
        bid, offer = bids[b], offers[s]
        if bid.limit_micro_per_kwh < offer.limit_micro_per_kwh:
            break
        wh = min(left[bid.order_id], left[offer.order_id])
        pairs.append((bid, offer, wh))
        left[bid.order_id] -= wh
        left[offer.order_id] -= wh
        b += left[bid.order_id] == 0
        s += left[offer.order_id] == 0
    return pairs


def _require_sound(orders: Sequence[Order]) -> None:
    if len({order.order_id for order in orders}) != len(orders):
        raise FieldError("order_id", "must be unique within an auction", code="duplicate")
    buyers = {order.participant_id for order in orders if order.side is Side.BUY}
    both = sorted(buyers & {order.participant_id for order in orders if order.side is Side.SELL})
    if both:
        raise FieldError("participant_id", f"{both[0]} stands on both sides", code="self_trade")
