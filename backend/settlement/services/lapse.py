"""Intervals that can never be settled: said so, and left alone."""

import logging
from datetime import timedelta

from django.db import transaction

from backend.chain.client import Chain
from backend.market.models import DeliveryInterval, Order
from backend.market.services import let_stand, mark_lapsed, rematched
from backend.settlement.models import Commitment, OutboxTransaction, Settlement
from backend.settlement.services.rows import move

State = OutboxTransaction.State
IN_FLIGHT = (State.SENT, State.MINED, State.REVERTED)
"""The chain has the row, and what becomes of it is not final."""
logger = logging.getLogger(__name__)


def reason(chain: Chain, interval: DeliveryInterval) -> str:
    """Why the interval can never be settled, or nothing: by the chain's clock, and by what is final on it."""
    closes_at = interval.start + timedelta(seconds=chain.call("exchange", "settlementTerm"))
    if chain.head().time > closes_at:
        return f"it could be settled until {closes_at.isoformat()}"
    commitments = Commitment.objects.filter(interval=interval, transaction__state=State.CONFIRMED)
    if any(found.too_late for found in commitments.select_related("transaction", "interval")):
        return "a batch with orders was committed after its delivery had begun"
    return ""


def lapse(interval: DeliveryInterval, why: str) -> list[str]:
    """Give the interval up, once nothing of it is in flight; returns what it waits for.

    Parts that were settled in time stay settled. For all others nobody is billed or paid, and their trades
    are void.
    """
    commitments = OutboxTransaction.objects.filter(commitment__interval=interval)
    settlements = Settlement.objects.filter(interval=interval).select_related("transaction")
    rows = [*commitments, *(settlement.transaction for settlement in settlements)]
    if any(row.state in IN_FLIGHT for row in rows):
        return ["what is on its way to the chain"]
    logger.error("%s will never be settled: %s", interval, why)
    with transaction.atomic():
        standing = []
        for settlement in settlements:
            if settlement.transaction.on_chain:
                meters = settlement.lines.values("meter")
                orders = interval.orders.filter(state=Order.State.MATCHED, meter__in=meters)
                standing.append(rematched(interval, orders.select_related("meter")))
            else:
                withdraw(settlement, why)
        for row in commitments.filter(state=State.PENDING):
            move(row, State.FAILED, error=why)
        let_stand(interval.pk, standing)
        mark_lapsed(interval.pk)
    return []


def withdraw(settlement: Settlement, why: str) -> None:
    """Forget a settlement that the chain has not made, and free its row's key for another one.

    Without its nonce the row is not followed any more: whatever block loses it, it is never sent again.
    """
    row = settlement.transaction
    settlement.delete()
    move(row, State.FAILED, key=f"{row.key} withdrawn {row.pk}", nonce=None, error=f"withdrawn: {why}")
