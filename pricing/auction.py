"""The uniform-price call auction of one delivery interval (``pay_as_clear``).

Bids are sorted from the highest limit, offers from the lowest; ties go to the earlier order, then to the
lower id. Two pointers walk the sorted books and execute quantities while the bid's limit is at least the
offer's: up to where the two curves cross, which is the most that can trade at one price inside every
limit. The price is the mid-point of the two last limits met, rounded down to a micro-unit per kWh, which
stays inside both. Sorting dominates: O(n log n).

At one price it does not matter to anybody with whom it trades, so the pairs are those that anybody can make
again from what was executed: bids and offers laid end to end (``domain.fills``), by meter and k.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from domain.errors import FieldError
from domain.fills import Fill, chained
from domain.market import Clearing, Order, Side, Trade
from domain.units import micro_down


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
    executed_wh, marginal = _execute(orders)
    if marginal is None:
        return Clearing(price_micro_per_kwh=None, trades=(), traded_wh=0, welfare_micro=0)
    price = midpoint_down(*(order.limit_micro_per_kwh for order in marginal))
    return _clearing(orders, executed_wh, price)


def rematch(orders: Iterable[Order], price: int) -> Clearing:
    """What stands of a clearing at ``price`` when only these orders of it are left.

    ``orders`` have what was executed of them as their energy. Where one side has more than the other, the
    keener orders stand and the less keen ones are cut.

    Raises:
        FieldError: as ``clear``.
    """
    orders = list(orders)
    _require_sound(orders)
    executed_wh, _ = _execute(orders)
    return _clearing(orders, executed_wh, price)


def midpoint_down(bid_micro_per_kwh: int, offer_micro_per_kwh: int) -> int:
    """Half-way between two integer prices, rounded down: an odd micro-unit goes to the buyers."""
    return (bid_micro_per_kwh + offer_micro_per_kwh) // 2


def _clearing(orders: Sequence[Order], executed_wh: Mapping[str, int], price: int) -> Clearing:
    ranked = sorted((order for order in orders if executed_wh[order.order_id]), key=_batch_rank)
    pairs = chained(Fill(order.side, executed_wh[order.order_id]) for order in ranked)
    gain = {Side.BUY: 1, Side.SELL: -1}
    return Clearing(
        price_micro_per_kwh=price,
        trades=tuple(
            Trade(ranked[buy].order_id, ranked[sell].order_id, energy_wh, price)
            for buy, sell, energy_wh in pairs
        ),
        traded_wh=sum(pair.energy_wh for pair in pairs),
        welfare_micro=micro_down(
            sum(gain[o.side] * executed_wh[o.order_id] * o.limit_micro_per_kwh for o in ranked)
        ),
    )


def _bid_rank(order: Order) -> tuple[int, datetime, str]:
    return (-order.limit_micro_per_kwh, order.placed_at, order.order_id)


def _offer_rank(order: Order) -> tuple[int, datetime, str]:
    return (order.limit_micro_per_kwh, order.placed_at, order.order_id)


def _batch_rank(order: Order) -> tuple[str, int, str]:
    return (order.meter_id, order.k, order.order_id)


def _execute(orders: Iterable[Order]) -> tuple[dict[str, int], tuple[Order, Order] | None]:
    """Executed Wh by order id, and the last bid and offer that met."""
    orders = list(orders)
    bids = sorted((order for order in orders if order.side is Side.BUY), key=_bid_rank)
    offers = sorted((order for order in orders if order.side is Side.SELL), key=_offer_rank)
    executed_wh = {order.order_id: 0 for order in orders}
    marginal = None
    b = s = 0
    while b < len(bids) and s < len(offers):
        bid, offer = bids[b], offers[s]
        if bid.limit_micro_per_kwh < offer.limit_micro_per_kwh:
            break
        marginal = (bid, offer)
        left = [order.energy_wh - executed_wh[order.order_id] for order in marginal]
        for order in marginal:
            executed_wh[order.order_id] += min(left)
        b += left[0] == min(left)
        s += left[1] == min(left)
    return executed_wh, marginal


def _require_sound(orders: Sequence[Order]) -> None:
    if len({order.order_id for order in orders}) != len(orders):
        raise FieldError("order_id", "must be unique within an auction", code="duplicate")
    buyers = {order.participant_id for order in orders if order.side is Side.BUY}
    both = sorted(buyers & {order.participant_id for order in orders if order.side is Side.SELL})
    if both:
        raise FieldError("participant_id", f"{both[0]} stands on both sides", code="self_trade")
