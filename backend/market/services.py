"""Writes of the market: intervals opened, orders taken, auctions cleared, states moved on."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from backend.market.models import DeliveryInterval, Order, Trade
from backend.registry import queries as registry
from backend.registry import signing
from backend.registry.models import Community, Meter, Participant
from domain.errors import FieldError
from domain.time import require_utc
from domain.typed_data import SIDE_CODE
from domain.units import amount_micro_down
from pricing.auction import clear

State = DeliveryInterval.State
MAX_WH = 10**9
MAX_PRICE = 10**12


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order as it came in, not yet believed."""

    owner: str
    meter_id: str
    side: str
    interval_start: datetime
    interval_s: int
    energy_wh: int
    limit_micro_per_kwh: int
    fee_cap_micro_per_kwh: int
    imbalance_cap_micro_per_kwh: int
    nonce: int
    expiry: datetime
    signature: str

    def message(self) -> dict[str, Any]:
        """The order's EIP-712 message."""
        return {
            "owner": self.owner,
            "meterId": bytes.fromhex(self.meter_id[2:]),
            "side": SIDE_CODE[self.side],
            "intervalStart": int(self.interval_start.timestamp()),
            "intervalSeconds": self.interval_s,
            "energyWh": self.energy_wh,
            "limitPrice": self.limit_micro_per_kwh,
            "feeCap": self.fee_cap_micro_per_kwh,
            "imbalanceCap": self.imbalance_cap_micro_per_kwh,
            "nonce": self.nonce,
            "expiry": int(self.expiry.timestamp()),
        }


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
def place_order(received: SignedOrder, *, as_of: datetime) -> Order:
    """Store a signed order; FieldError names the field when any part of it is wrong or too late.

    The interval's row is locked, so that an order and the closing of the gate never overlap.
    """
    community = registry.community()
    meter = _own_meter(received)
    interval = DeliveryInterval.objects.select_for_update().filter(start=received.interval_start).first()
    if interval is None:
        raise FieldError(
            "interval_start", "is not a delivery interval whose gate has opened", code="unknown_interval"
        )
    if as_of >= interval.gate_closure or interval.state != State.OPEN:
        raise FieldError(
            "interval_start", f"the gate closed at {interval.gate_closure.isoformat()}", code="gate_closed"
        )
    _check_terms(received, interval)
    owner = meter.site.participant
    signer, by_agent = _signer(received, community, owner)
    opposite = interval.orders.filter(participant=owner, state=Order.State.OPEN).exclude(side=received.side)
    if opposite.exists():
        raise FieldError("side", "this member already has open orders on the other side of this interval")
    try:
        with transaction.atomic():
            return Order.objects.create(
                interval=interval,
                participant=owner,
                meter=meter,
                side=received.side,
                energy_wh=received.energy_wh,
                limit_micro_per_kwh=received.limit_micro_per_kwh,
                fee_cap_micro_per_kwh=received.fee_cap_micro_per_kwh,
                imbalance_cap_micro_per_kwh=received.imbalance_cap_micro_per_kwh,
                nonce=received.nonce,
                expiry=received.expiry,
                signer=signer,
                signature=received.signature,
                digest=signing.digest("Order", received.message(), community.eip712()),
                by_agent=by_agent,
                placed_at=as_of,
                sequence=_next_sequence(),
            )
    except IntegrityError as error:
        raise FieldError("nonce", "was used before by this owner", code="already_used") from error


def _own_meter(received: SignedOrder) -> Meter:
    meter = registry.meter(received.meter_id)
    if meter is None or meter.role != Meter.Role.GRID:
        raise FieldError("meter_id", "is not a grid meter of this community", code="unknown_meter")
    if meter.site.participant.wallet_address != received.owner:
        raise FieldError("owner", "is not the owner of this meter", code="unknown_owner")
    return meter


def _check_terms(received: SignedOrder, interval: DeliveryInterval) -> None:
    if received.interval_s != interval.interval_s:
        raise FieldError("interval_s", f"must be {interval.interval_s}")
    if not 0 < received.energy_wh <= MAX_WH:
        raise FieldError("energy_wh", f"must lie in [1, {MAX_WH}]")
    for name in ("limit_micro_per_kwh", "fee_cap_micro_per_kwh", "imbalance_cap_micro_per_kwh"):
        if not 0 <= getattr(received, name) <= MAX_PRICE:
            raise FieldError(name, f"must lie in [0, {MAX_PRICE}]")
    if received.fee_cap_micro_per_kwh < interval.fee_micro_per_kwh:
        raise FieldError("fee_cap_micro_per_kwh", f"must allow the fee of {interval.fee_micro_per_kwh}")
    if require_utc(received.expiry, "expiry") < interval.start:
        raise FieldError("expiry", "must not be before the start of delivery")
    if not 0 <= received.nonce < 2**63:
        raise FieldError("nonce", "must lie in [0, 2^63)")


def _signer(received: SignedOrder, community: Community, owner: Participant) -> tuple[str, bool]:
    signer = signing.recover("Order", received.message(), community.eip712(), signature=received.signature)
    if signer == owner.wallet_address:
        return signer, False
    mandate = registry.active_mandate(owner.pk, signer, received.interval_start)
    if mandate is None:
        raise FieldError(
            "signature",
            "was made neither by the owner nor by an agent with a mandate",
            code="wrong_signature",
        )
    limit = received.limit_micro_per_kwh
    if received.side == "buy" and limit > mandate.max_buy_micro_per_kwh:
        raise FieldError("limit_micro_per_kwh", f"the mandate allows at most {mandate.max_buy_micro_per_kwh}")
    if received.side == "sell" and limit < mandate.min_sell_micro_per_kwh:
        raise FieldError(
            "limit_micro_per_kwh", f"the mandate asks for at least {mandate.min_sell_micro_per_kwh}"
        )
    return signer, True


def _next_sequence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('market_order_arrival')")
        return int(cursor.fetchone()[0])


@transaction.atomic
def cancel_order(order_id: str, *, participant_id: int, as_of: datetime) -> Order:
    """Withdraw an open order before its gate closes; FieldError when it is too late.

    The interval's row is locked before the order's, as the clearing does it: the two never block each other.
    """
    interval_id = Order.objects.values_list("interval_id", flat=True).get(
        id=order_id, participant_id=participant_id
    )
    interval = DeliveryInterval.objects.select_for_update().get(pk=interval_id)
    order = Order.objects.select_for_update().get(id=order_id)
    if order.state != Order.State.OPEN:
        raise FieldError("state", f"the order is {order.state}", code="not_open")
    if as_of >= interval.gate_closure or interval.state != State.OPEN:
        raise FieldError(
            "state", f"the gate closed at {interval.gate_closure.isoformat()}", code="gate_closed"
        )
    order.state = Order.State.CANCELLED
    order.save(update_fields=["state"])
    return order


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
    Trade.objects.bulk_create(
        Trade(
            interval=interval,
            buy_order=orders[trade.buy_order_id],
            sell_order=orders[trade.sell_order_id],
            energy_wh=trade.energy_wh,
            price_micro_per_kwh=trade.price_micro_per_kwh,
        )
        for trade in clearing.trades
    )
    for trade in clearing.trades:
        orders[trade.buy_order_id].matched_wh += trade.energy_wh
        orders[trade.sell_order_id].matched_wh += trade.energy_wh
    for order in orders.values():
        order.state = Order.State.MATCHED if order.matched_wh else Order.State.UNMATCHED
    Order.objects.bulk_update(orders.values(), ["matched_wh", "state"])
    interval.clearing_micro_per_kwh = clearing.price_micro_per_kwh
    interval.traded_wh = clearing.traded_wh
    interval.welfare_micro = clearing.welfare_micro
    interval.state = State.CLEARED
    interval.save()
    return True


def mark_committed(interval_id: int) -> None:
    """The batch root is on chain: from now on the match cannot be rewritten."""
    DeliveryInterval.objects.filter(pk=interval_id, state=State.CLEARED).update(state=State.COMMITTED)


@transaction.atomic
def void_trades(interval_id: int, *, keep: Collection[int] = ()) -> int:
    """Undo the trades of an interval that the chain will not settle; returns how many.

    ``keep`` names the trades (by key) that stand: none where the interval was not committed in time.
    """
    interval = DeliveryInterval.objects.select_for_update().get(pk=interval_id)
    removed, _ = interval.trades.exclude(pk__in=keep).delete()
    if not removed:
        return 0
    kept = list(interval.trades.select_related("buy_order", "sell_order"))
    matched_wh: Counter[UUID] = Counter()
    for trade in kept:
        matched_wh[trade.buy_order_id] += trade.energy_wh
        matched_wh[trade.sell_order_id] += trade.energy_wh
    orders = list(interval.orders.filter(state=Order.State.MATCHED))
    for order in orders:
        order.matched_wh = matched_wh[order.pk]
        order.state = Order.State.MATCHED if order.matched_wh else Order.State.UNMATCHED
    Order.objects.bulk_update(orders, ["matched_wh", "state"])
    interval.traded_wh = sum(trade.energy_wh for trade in kept)
    interval.welfare_micro = sum(
        amount_micro_down(
            trade.energy_wh, trade.buy_order.limit_micro_per_kwh - trade.sell_order.limit_micro_per_kwh
        )
        for trade in kept
    )
    if not kept:
        interval.clearing_micro_per_kwh = None
    interval.save()
    return removed


def mark_settled(interval_id: int) -> None:
    """The chain has settled the interval."""
    DeliveryInterval.objects.filter(pk=interval_id, state__in=[State.CLEARED, State.COMMITTED]).update(
        state=State.SETTLED
    )


def mark_lost(interval_id: int, *, committed: bool) -> None:
    """The chain has lost the block that settled the interval, and unless ``committed`` its commitment too."""
    state = State.COMMITTED if committed else State.CLEARED
    found = DeliveryInterval.objects.filter(pk=interval_id, state__in=[State.COMMITTED, State.SETTLED])
    found.update(state=state)
