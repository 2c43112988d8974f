"""Reads of the market."""

from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from backend.market.models import DeliveryInterval, Order, PriceRun, Trade
from domain.errors import FieldError
from domain.market import ORDERS_AN_INTERVAL, first_nonce

State = DeliveryInterval.State


def intervals(start: datetime, end: datetime) -> QuerySet[DeliveryInterval]:
    """Delivery intervals that begin in ``[start, end)``, in order."""
    return DeliveryInterval.objects.filter(start__gte=start, start__lt=end).order_by("start")


def interval_at(start: datetime) -> DeliveryInterval | None:
    """The delivery interval that begins at ``start``, or None."""
    return DeliveryInterval.objects.filter(start=start).first()


def closed_and_open(now: datetime) -> QuerySet[DeliveryInterval]:
    """Intervals whose gate has closed but which have not been cleared."""
    return DeliveryInterval.objects.filter(state=State.OPEN, gate_closure__lte=now).order_by("start")


def uncommitted(now: datetime) -> QuerySet[DeliveryInterval]:
    """Cleared intervals whose delivery has not begun: there is still time to commit them."""
    return DeliveryInterval.objects.filter(state=State.CLEARED, start__gt=now).order_by("start")


def delivered(now: datetime) -> QuerySet[DeliveryInterval]:
    """Cleared or committed intervals whose delivery is over."""
    return DeliveryInterval.objects.filter(state__in=[State.CLEARED, State.COMMITTED], end__lte=now).order_by(
        "start"
    )


def orders_of(participant_id: int | None) -> QuerySet[Order]:
    """Orders of one participant, or of all; newest first."""
    found = Order.objects.select_related("interval", "participant", "meter").order_by("-sequence")
    return found if participant_id is None else found.filter(participant_id=participant_id)


def trades(participant_id: int | None = None) -> QuerySet[Trade]:
    """Trades of one participant, or of all; newest first."""
    found = Trade.objects.select_related(
        "interval", "buy_order__participant", "sell_order__participant"
    ).order_by("-interval__start", "id")
    if participant_id is None:
        return found
    return found.filter(
        Q(buy_order__participant_id=participant_id) | Q(sell_order__participant_id=participant_id)
    )


def free_nonce(participant_id: int, start: datetime) -> int:
    """The lowest nonce that no order of this member for the interval at ``start`` has.

    Raises:
        FieldError: the member has placed as many orders as it can.
    """
    first = first_nonce(start)
    possible = range(first, first + ORDERS_AN_INTERVAL)
    used = Order.objects.filter(participant_id=participant_id, nonce__in=possible)
    taken = set(used.values_list("nonce", flat=True))
    for nonce in possible:
        if nonce not in taken:
            return nonce
    raise FieldError("nonce", f"all {ORDERS_AN_INTERVAL} of this interval are used up", code="exhausted")


def book(interval: DeliveryInterval) -> dict[str, list[dict[str, int]]]:
    """Depth by price, [{price_micro_per_kwh, energy_wh}]: bids from the highest, offers from the lowest."""
    live = interval.orders.exclude(state=Order.State.CANCELLED)
    depth: dict[str, list[dict[str, int]]] = {}
    for name, side, rank in (
        ("bids", "buy", "-limit_micro_per_kwh"),
        ("offers", "sell", "limit_micro_per_kwh"),
    ):
        rows = (
            live.filter(side=side)
            .values("limit_micro_per_kwh")
            .annotate(energy=Sum("energy_wh"))
            .order_by(rank)
        )
        depth[name] = [
            {"price_micro_per_kwh": row["limit_micro_per_kwh"], "energy_wh": row["energy"]} for row in rows
        ]
    return depth


def latest_prices(now: datetime) -> PriceRun | None:
    """The newest price run made at or before ``now``."""
    return PriceRun.objects.filter(as_of__lte=now).order_by("-as_of").first()
