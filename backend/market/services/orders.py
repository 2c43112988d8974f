"""Orders taken and withdrawn."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction

from backend.market.models import DeliveryInterval, Order
from backend.registry import queries as registry
from backend.registry import signing
from backend.registry.models import Community, Mandate, Meter, Participant
from domain.errors import FieldError
from domain.market import MAX_UINT32, ORDERS_AN_INTERVAL, first_nonce
from domain.time import require_utc
from domain.typed_data import SIDE_CODE

State = DeliveryInterval.State
MAX_WH = MAX_PRICE = MAX_UINT32
MAX_ORDERS_A_METER = 63  # a batch counts them with six bits
PRICES = ("limit_micro_per_kwh", "fee_cap_micro_per_kwh", "imbalance_cap_micro_per_kwh")


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
    _check_book(received, interval, meter)
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


def _check_book(received: SignedOrder, interval: DeliveryInterval, meter: Meter) -> None:
    live = interval.orders.filter(participant=meter.site.participant, state=Order.State.OPEN)
    if live.exclude(side=received.side).exists():
        raise FieldError("side", "this member already has open orders on the other side of this interval")
    if live.filter(meter=meter).count() >= MAX_ORDERS_A_METER:
        raise FieldError("meter_id", f"has {MAX_ORDERS_A_METER} open orders in this interval already")


def _check_terms(received: SignedOrder, interval: DeliveryInterval) -> None:
    if received.interval_s != interval.interval_s:
        raise FieldError("interval_s", f"must be {interval.interval_s}")
    if not 0 < received.energy_wh <= MAX_WH:
        raise FieldError("energy_wh", f"must lie in [1, {MAX_WH}]")
    for name in PRICES:
        if not 0 <= getattr(received, name) <= MAX_PRICE:
            raise FieldError(name, f"must lie in [0, {MAX_PRICE}]")
    if received.fee_cap_micro_per_kwh < interval.fee_micro_per_kwh:
        raise FieldError("fee_cap_micro_per_kwh", f"must allow the fee of {interval.fee_micro_per_kwh}")
    if require_utc(received.expiry, "expiry") < interval.start:
        raise FieldError("expiry", "must not be before the start of delivery")
    first = first_nonce(interval.start)
    if not first <= received.nonce < first + ORDERS_AN_INTERVAL:
        raise FieldError(
            "nonce",
            f"must be the interval's start in Unix seconds x {ORDERS_AN_INTERVAL} + k, "
            f"so lie in [{first}, {first + ORDERS_AN_INTERVAL})",
        )


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
    _check_mandate(received, mandate)
    return signer, True


def _check_mandate(received: SignedOrder, mandate: Mandate) -> None:
    limit = received.limit_micro_per_kwh
    if received.side == "buy" and limit > mandate.max_buy_micro_per_kwh:
        raise FieldError("limit_micro_per_kwh", f"the mandate allows at most {mandate.max_buy_micro_per_kwh}")
    if received.side == "sell" and limit < mandate.min_sell_micro_per_kwh:
        raise FieldError(
            "limit_micro_per_kwh", f"the mandate asks for at least {mandate.min_sell_micro_per_kwh}"
        )
    for name in ("fee_cap_micro_per_kwh", "imbalance_cap_micro_per_kwh"):
        if getattr(received, name) > getattr(mandate, name):
            raise FieldError(name, f"the mandate allows at most {getattr(mandate, name)}")


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
