"""What the contract will accept, asked of the contract itself before a batch is committed to it.

A batch with one order that the contract refuses can never be settled. So whatever a member has ended,
cancelled or never registered is left out, and its trades are void. The contract judges by what stands when
the batch is committed; what is asked here must stand from now until delivery starts, which covers that.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Sum

from backend.chain.client import Chain
from backend.market import agents
from backend.market.models import DeliveryInterval, Order
from backend.registry import queries as registry
from backend.registry.models import Meter
from backend.settlement.models import OutboxTransaction

_DAY_S = 86_400
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in a batch.

    Attributes:
        meters: Grid meters that are on chain and whose owners accept the retailer's prices in the interval.
        fallback_import_w: By account, what a meter without a reading is taken to have drawn.
        notice_until: When the last agreement that was replaced just now comes into force; None without one.
    """

    meters: list[Meter]
    fallback_import_w: dict[str, int]
    notice_until: datetime | None


def members(chain: Chain, interval: DeliveryInterval, *, at: datetime) -> Members:
    """Who can be billed in a batch that is committed at ``at`` or later."""
    found = Members([], {}, None)
    notices = []
    for meter in registry.meters(Meter.Role.GRID):
        owner = meter.site.participant.wallet_address
        if chain.call("registry", "keyOf", meter.meter_id)[0] != meter.key_address:
            continue
        terms = chain.call("exchange", "supplyOf", owner)
        if not _accepts(terms, interval):
            continue
        if terms.since > at.timestamp():
            notices.append(datetime.fromtimestamp(terms.since, UTC))
            continue
        found.meters.append(meter)
        found.fallback_import_w[owner] = terms.fallbackImportW
    return Members(found.meters, found.fallback_import_w, max(notices, default=None))


def admissible_orders(
    chain: Chain, interval: DeliveryInterval, meters: Collection[Meter], *, at: datetime
) -> list[Order]:
    """The interval's matched orders that the contract accepts in a batch committed at ``at`` or later."""
    matched = (
        interval.orders.filter(state=Order.State.MATCHED)
        .select_related("participant", "meter", "interval")
        .order_by("sequence")
    )
    known = {meter.pk for meter in meters}
    use = _DayUse(chain, interval)
    accepted = []
    for order in matched:
        why = _refusal(chain, interval, order, known, at) or (order.by_agent and use.beyond(order))
        if why:
            logger.error("order %s cannot be settled and its trades are void: %s", order.pk, why)
        else:
            accepted.append(order)
    return accepted


def _accepts(terms: Any, interval: DeliveryInterval) -> bool:  # noqa: ANN401 - the contract's SupplyTerms
    start = int(interval.start.timestamp())
    return bool(
        terms.validFrom <= start < min(terms.endDay * _DAY_S, terms.endsAt)
        and interval.retail_micro_per_kwh <= terms.maxImportPrice
        and interval.feed_in_micro_per_kwh >= terms.minFeedInPrice
    )


def _refusal(
    chain: Chain, interval: DeliveryInterval, order: Order, meters: Collection[int], at: datetime
) -> str:
    if order.meter_id not in meters:
        return "its meter has no supply agreement on chain"
    if order.expiry < interval.start:
        return "it expires before delivery"
    if chain.call("exchange", "cancelledSince", order.participant.wallet_address, order.nonce):
        return "its owner has cancelled it"
    if order.fee_cap_micro_per_kwh < interval.fee_micro_per_kwh:
        return "its fee cap is below the fee"
    return _outside_mandate(chain, interval, order, at) if order.by_agent else ""


def _outside_mandate(chain: Chain, interval: DeliveryInterval, order: Order, at: datetime) -> str:
    if not agents.can_sign_for(order.signer):
        return "its agent's key is not here, and the agent signs once more for the whole batch"
    terms = chain.call("exchange", "mandateOf", order.participant.wallet_address, order.signer)
    start = int(interval.start.timestamp())
    if start > terms.validUntil or start >= terms.endsAt or terms.since > at.timestamp():
        return "the mandate has ended, or is not in force on chain"
    if order.side == "buy" and order.limit_micro_per_kwh > terms.maxBuyPrice:
        return "its limit is above the mandate's"
    if order.side == "sell" and order.limit_micro_per_kwh < terms.minSellPrice:
        return "its limit is below the mandate's"
    if order.fee_cap_micro_per_kwh > terms.feeCap or order.imbalance_cap_micro_per_kwh > terms.imbalanceCap:
        return "its caps are above the mandate's"
    return ""


class _DayUse:
    """Wh that agents have traded and are about to trade for each owner on the interval's UTC day."""

    def __init__(self, chain: Chain, interval: DeliveryInterval) -> None:
        self._chain = chain
        self._interval = interval
        self._used_wh: dict[int, int] = {}

    def beyond(self, order: Order) -> str:
        """Why the order exceeds its mandate's energy a day, or nothing: then it counts."""
        owner = order.participant.wallet_address
        if order.participant_id not in self._used_wh:
            day = int(self._interval.start.timestamp()) // _DAY_S
            settled_wh = self._chain.call("exchange", "mandateUsage", owner, day)
            self._used_wh[order.participant_id] = settled_wh + self._awaiting_wh(order)
        used_wh = self._used_wh[order.participant_id] + order.matched_wh
        most = self._chain.call("exchange", "mandateOf", owner, order.signer).maxWhPerDay
        if used_wh > most:
            return f"the mandate's {most} Wh a day are used up"
        self._used_wh[order.participant_id] = used_wh
        return ""

    def _awaiting_wh(self, order: Order) -> int:
        """What is committed for the owner and day, and not settled."""
        interval, state = self._interval, DeliveryInterval.State
        day = interval.start - timedelta(seconds=int(interval.start.timestamp()) % _DAY_S)
        pending = Order.objects.filter(
            participant=order.participant_id,
            by_agent=True,
            interval__start__gte=day,
            interval__start__lt=day + timedelta(days=1),
            interval__state__in=[state.CLEARED, state.COMMITTED],
            interval__commitments__late=False,
        ).exclude(interval__commitments__transaction__state=OutboxTransaction.State.FAILED)
        return int(pending.aggregate(wh=Sum("matched_wh"))["wh"] or 0)
