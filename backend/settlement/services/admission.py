"""What the contract will accept, asked of the contract itself before a batch is committed to it.

A batch with one order that the contract refuses can never be settled. So whatever a member has ended,
cancelled or never registered is left out, and its trades are void. Everything must stand until delivery
starts, which is later than any commitment.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import Q

from backend.chain.client import Chain
from backend.market.models import DeliveryInterval, Order, Trade
from backend.registry import queries as registry
from backend.registry.models import Meter
from backend.settlement.models import OutboxTransaction

_DAY_S = 86_400
logger = logging.getLogger(__name__)


def settling_meters(chain: Chain, interval: DeliveryInterval) -> list[Meter]:
    """Grid meters that are on chain and whose owners accept the retailer's prices in the interval."""
    return [meter for meter in registry.meters(Meter.Role.GRID) if _is_supplied(chain, meter, interval)]


def admissible_trades(chain: Chain, interval: DeliveryInterval, meters: Collection[Meter]) -> list[Trade]:
    """The interval's trades of which the contract accepts both orders, as many as one batch can hold."""
    trades = list(
        interval.trades.select_related(
            *(
                f"{side}__{name}"
                for side in ("buy_order", "sell_order")
                for name in ("participant", "meter", "interval")
            )
        ).order_by("id")
    )
    known = {meter.pk for meter in meters}
    refused = _refused_orders(chain, interval, trades, known)
    for order, why in refused.items():
        logger.error("order %s cannot be settled and its trades are void: %s", order.pk, why)
    accepted = [t for t in trades if t.buy_order not in refused and t.sell_order not in refused]
    return _fitting(accepted, chain.call("exchange", "MAX_ORDERS"), chain.call("exchange", "MAX_FILLS"))


def _fitting(trades: list[Trade], max_orders: int, max_fills: int) -> list[Trade]:
    """The first of the trades, as the auction made them: the keenest bids and offers."""
    orders: set[UUID] = set()
    for position, trade in enumerate(trades):
        orders |= {trade.buy_order_id, trade.sell_order_id}
        if len(orders) > max_orders or position == max_fills:
            logger.error("%d trades do not fit into one batch and are void", len(trades) - position)
            return trades[:position]
    return trades


def _refused_orders(
    chain: Chain, interval: DeliveryInterval, trades: Iterable[Trade], meters: Collection[int]
) -> dict[Order, str]:
    executed_wh: dict[Order, int] = defaultdict(int)
    for trade in trades:
        executed_wh[trade.buy_order] += trade.energy_wh
        executed_wh[trade.sell_order] += trade.energy_wh
    used_wh: dict[tuple[str, str], int] = {}
    refused = {}
    for order, energy_wh in executed_wh.items():
        if order.meter_id not in meters:
            refused[order] = "its meter has no supply agreement on chain"
        elif order.expiry < interval.start:
            refused[order] = "it expires before delivery"
        elif chain.call("exchange", "isNonceUsed", order.participant.wallet_address, order.nonce):
            refused[order] = "its owner has cancelled or used its nonce"
        elif order.by_agent and (why := _outside_mandate(chain, interval, order, energy_wh, used_wh)):
            refused[order] = why
    return refused


def _is_supplied(chain: Chain, meter: Meter, interval: DeliveryInterval) -> bool:
    account, key = chain.call("registry", "meters", meter.meter_id)
    if (account, key) != (meter.site.participant.wallet_address, meter.key_address):
        return False
    terms = chain.call("exchange", "supplyOf", meter.meter_id)
    start = int(interval.start.timestamp())
    return bool(
        start <= terms.validUntil
        and start < terms.endsAt
        and interval.retail_micro_per_kwh <= terms.maxImportPrice
        and interval.feed_in_micro_per_kwh >= terms.minFeedInPrice
    )


def _outside_mandate(
    chain: Chain,
    interval: DeliveryInterval,
    order: Order,
    energy_wh: int,
    used_wh: dict[tuple[str, str], int],
) -> str:
    """Why the mandate does not cover the order, or nothing; counts its energy in ``used_wh`` when it does."""
    owner, agent = order.participant.wallet_address, order.signer
    terms = chain.call("exchange", "mandateOf", owner, agent)
    start = int(interval.start.timestamp())
    if start > terms.validUntil or start >= terms.endsAt:
        return "the mandate has ended or is not on chain"
    buys = order.side == "buy"
    if buys and order.limit_micro_per_kwh > terms.maxBuyPrice:
        return "its limit is above the mandate's"
    if not buys and order.limit_micro_per_kwh < terms.minSellPrice:
        return "its limit is below the mandate's"
    if (owner, agent) not in used_wh:
        settled_wh = chain.call("exchange", "mandateUsage", owner, agent, start // _DAY_S)
        used_wh[owner, agent] = settled_wh + _awaiting_wh(interval, order)
    if used_wh[owner, agent] + energy_wh > terms.maxWhPerDay:
        return f"the mandate's {terms.maxWhPerDay} Wh a day are used up"
    used_wh[owner, agent] += energy_wh
    return ""


def _awaiting_wh(interval: DeliveryInterval, order: Order) -> int:
    """Wh that the agent traded for the owner that UTC day and that are committed but not settled."""
    day = interval.start - timedelta(seconds=int(interval.start.timestamp()) % _DAY_S)
    found = Trade.objects.filter(
        Q(buy_order__participant=order.participant, buy_order__signer=order.signer)
        | Q(sell_order__participant=order.participant, sell_order__signer=order.signer),
        interval__start__gte=day,
        interval__start__lt=day + timedelta(days=1),
        interval__commitment__isnull=False,
    ).exclude(interval__state=DeliveryInterval.State.SETTLED)
    pending = found.exclude(interval__commitment__transaction__state=OutboxTransaction.State.FAILED)
    return sum(pending.values_list("energy_wh", flat=True))
