"""Intervals opened, auctions cleared, and what became of them on the chain."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from backend.market.models import DeliveryInterval, Order, Trade
from backend.registry import queries as registry
from domain.market import Clearing
from pricing.auction import clear, rematch

State = DeliveryInterval.State


def open_intervals(as_of: datetime) -> int:
    """Open every delivery interval whose gate is open at ``as_of``; returns how many are new."""
    community = registry.community()
    tariff = community.to_tariff()
    start = max(registry.first_interval_start(community), registry.interval_start(community, as_of))
    horizon = as_of + timedelta(hours=community.gate_open_h)
    known = set(
        DeliveryInterval.objects.filter(start__gte=start, start__lte=horizon).values_list("start", flat=True)
    )
    fresh = []
    while start <= horizon:
        if start not in known:
            retail = tariff.import_price(start)
            fresh.append(
                DeliveryInterval(
                    start=start,
                    end=start + community.step,
                    gate_closure=community.gate_closure(start),
                    retail_micro_per_kwh=retail,
                    feed_in_micro_per_kwh=tariff.feed_in_micro_per_kwh,
                    imbalance_micro_per_kwh=retail,
                    fee_micro_per_kwh=tariff.fee_micro_per_kwh,
                )
            )
        start += community.step
    return len(DeliveryInterval.objects.bulk_create(fresh, ignore_conflicts=True))


@transaction.atomic
def clear_interval(interval_id: int, *, as_of: datetime) -> bool:
    """Run the call auction of a closed interval; False when that was done before or the gate is open."""
    interval = DeliveryInterval.objects.select_for_update().get(pk=interval_id)
    if interval.state != State.OPEN or as_of < interval.gate_closure:
        return False
    orders = {
        order.clearing_id: order
        for order in interval.orders.filter(state=Order.State.OPEN)
        .select_related("meter")
        .order_by("sequence")
    }
    clearing = clear([order.to_domain() for order in orders.values()])
    interval.clearing_micro_per_kwh = clearing.price_micro_per_kwh
    interval.state = State.CLEARED
    _write(interval, orders, [clearing])
    return True


def rematched(interval: DeliveryInterval, orders: Iterable[Order]) -> Clearing:
    """What stands of the interval's clearing, at its price, when only these orders of it are left."""
    price = interval.clearing_micro_per_kwh
    return clear([]) if price is None else rematch([order.executed() for order in orders], price)


@transaction.atomic
def let_stand(interval_id: int, clearings: Sequence[Clearing]) -> bool:
    """Undo whatever of an interval's trades is not in ``clearings``; True when that was something.

    These are the parts of its batch that the chain will settle: none where it was not committed in time.
    """
    interval = DeliveryInterval.objects.select_for_update().get(pk=interval_id)
    found = interval.trades.select_related("buy_order", "sell_order")
    before = {(t.buy_order.clearing_id, t.sell_order.clearing_id, t.energy_wh) for t in found}
    after = {(t.buy_order_id, t.sell_order_id, t.energy_wh) for part in clearings for t in part.trades}
    if before == after:
        return False
    interval.trades.all().delete()
    orders = {order.clearing_id: order for order in interval.orders.filter(state=Order.State.MATCHED)}
    if not after:
        interval.clearing_micro_per_kwh = None
    _write(interval, orders, clearings)
    return True


def _write(interval: DeliveryInterval, orders: Mapping[str, Order], clearings: Sequence[Clearing]) -> None:
    """Store the trades, and what follows from them for their orders and their interval."""
    trades = [trade for clearing in clearings for trade in clearing.trades]
    Trade.objects.bulk_create(
        Trade(
            interval=interval,
            buy_order=orders[trade.buy_order_id],
            sell_order=orders[trade.sell_order_id],
            energy_wh=trade.energy_wh,
            price_micro_per_kwh=trade.price_micro_per_kwh,
        )
        for trade in trades
    )
    matched_wh: Counter[str] = Counter()
    for trade in trades:
        matched_wh[trade.buy_order_id] += trade.energy_wh
        matched_wh[trade.sell_order_id] += trade.energy_wh
    for clearing_id, order in orders.items():
        order.matched_wh = matched_wh[clearing_id]
        order.state = Order.State.MATCHED if order.matched_wh else Order.State.UNMATCHED
    Order.objects.bulk_update(orders.values(), ["matched_wh", "state"])
    interval.traded_wh = sum(clearing.traded_wh for clearing in clearings)
    interval.welfare_micro = sum(clearing.welfare_micro for clearing in clearings)
    interval.save()


def mark_committed(interval_id: int) -> None:
    """The batch root is on chain: from now on the match cannot be rewritten."""
    DeliveryInterval.objects.filter(pk=interval_id, state=State.CLEARED).update(state=State.COMMITTED)


def mark_settled(interval_id: int) -> None:
    """The chain has settled the interval."""
    DeliveryInterval.objects.filter(pk=interval_id, state__in=[State.CLEARED, State.COMMITTED]).update(
        state=State.SETTLED
    )


def mark_lapsed(interval_id: int) -> None:
    """The chain will never settle the interval."""
    DeliveryInterval.objects.filter(pk=interval_id, state__in=[State.CLEARED, State.COMMITTED]).update(
        state=State.LAPSED
    )


def mark_lost(interval_id: int, *, committed: bool) -> None:
    """The chain has lost the block that settled the interval, and unless ``committed`` its commitment too."""
    state = State.COMMITTED if committed else State.CLEARED
    found = DeliveryInterval.objects.filter(pk=interval_id, state__in=[State.COMMITTED, State.SETTLED])
    found.update(state=state)
