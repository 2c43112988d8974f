"""The platform's agent: places members' orders inside their mandates, from forecasts and plans."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import transaction
from eth_utils.crypto import keccak
from numpy.typing import NDArray

from backend.market import queries
from backend.market.models import AgentRound, DeliveryInterval, Order, PriceRun
from backend.market.services import SignedOrder, place_order
from backend.registry import queries as registry
from backend.registry import signing
from backend.registry.models import Community, Meter, Site
from domain.errors import FieldError
from domain.market import Side
from domain.time import TimeGrid
from pricing.band import local_price_band, supply_and_demand
from pricing.bidding import OutsidePrices, order_blocks

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class NetPosition:
    """A site's net position by interval and quantile, kWh of shape (T, Q), positive needs energy."""

    grid: TimeGrid
    levels: tuple[float, ...]
    net_kwh: NDArray[np.float64]


def set_prices(positions: Mapping[int, NetPosition], *, as_of: datetime) -> PriceRun:
    """Store the local price band and reference path for the coming day; once for each ``as_of``."""
    existing = PriceRun.objects.filter(as_of=as_of).first()
    if existing:
        return existing
    first = next(iter(positions.values()))
    medians = np.array([p.net_kwh[:, p.levels.index(0.5)] for p in positions.values()])
    supply_kwh, demand_kwh = supply_and_demand(medians)
    tariff = registry.community().to_tariff()
    band = local_price_band(tariff, first.grid, supply_kwh=supply_kwh, demand_kwh=demand_kwh)
    with transaction.atomic():
        run, _ = PriceRun.objects.get_or_create(
            as_of=as_of,
            defaults={
                "start": first.grid.start,
                "floor_micro_per_kwh": band.floor.tolist(),
                "ceiling_micro_per_kwh": band.ceiling.tolist(),
                "reference_micro_per_kwh": band.reference.tolist(),
            },
        )
        for start, reference in zip(first.grid, band.reference.tolist(), strict=True):
            DeliveryInterval.objects.filter(start=start, state=DeliveryInterval.State.OPEN).update(
                reference_micro_per_kwh=reference
            )
    return run


@transaction.atomic
def run_agents(positions: Mapping[int, NetPosition], *, as_of: datetime) -> AgentRound:
    """Place the agents' orders for the interval whose gate closes next; once for each ``as_of``.

    A member who has placed an order of its own in that interval is left alone.
    """
    community = registry.community()
    existing = AgentRound.objects.select_for_update().filter(as_of=as_of).first()
    if existing:
        return existing
    target = as_of + (community.gate_close_intervals + 1) * community.step
    interval = DeliveryInterval.objects.filter(start=target, state=DeliveryInterval.State.OPEN).first()
    placed = 0
    if interval is not None:
        busy = set(
            interval.orders.exclude(state=Order.State.CANCELLED).values_list("participant_id", flat=True)
        )
        for site in registry.sites():
            if site.pk in positions and site.participant_id not in busy:
                placed += _place_blocks(community, interval, site, positions[site.pk], as_of)
    return AgentRound.objects.create(as_of=as_of, orders=placed)


def _place_blocks(
    community: Community, interval: DeliveryInterval, site: Site, position: NetPosition, as_of: datetime
) -> int:
    mandate = registry.active_mandate(site.participant_id, community.agent_address, interval.start)
    if mandate is None:
        return 0
    prices = OutsidePrices(
        retail_import=interval.retail_micro_per_kwh,
        feed_in=interval.feed_in_micro_per_kwh,
        imbalance=interval.imbalance_micro_per_kwh,
        fee=interval.fee_micro_per_kwh,
    )
    row = position.net_kwh[position.grid.index(interval.start)]
    placed = 0
    for block in order_blocks(levels=position.levels, net_kwh=row, prices=prices):
        limit = (
            min(block.limit_micro_per_kwh, mandate.max_buy_micro_per_kwh)
            if block.side == Side.BUY
            else max(block.limit_micro_per_kwh, mandate.min_sell_micro_per_kwh)
        )
        terms = OrderTerms(block.side, block.energy_wh, limit, block.imbalance_cap_micro_per_kwh)
        try:
            place_for_member(registry.grid_meter(site), interval, terms, as_of=as_of)
            placed += 1
        except FieldError as error:
            logger.warning("no agent order for %s at %s: %s", site.participant, interval, error)
    return placed


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What a member wants: energy in Wh, prices in micro-units per kWh."""

    side: Side
    energy_wh: int
    limit_micro_per_kwh: int
    imbalance_cap_micro_per_kwh: int


@transaction.atomic
def place_for_member(
    meter: Meter, interval: DeliveryInterval, terms: OrderTerms, *, as_of: datetime
) -> Order:
    """Sign an order with the agent's key inside the member's mandate, and place it.

    The interval's row is locked, so that no two orders take the same nonce.
    """
    if not settings.AGENT_KEY:
        raise FieldError(
            "signature", "this platform runs no agent; sign with your own wallet", code="no_agent"
        )
    community, owner = registry.community(), meter.site.participant
    DeliveryInterval.objects.select_for_update().get(pk=interval.pk)
    mandate = registry.active_mandate(owner.pk, community.agent_address, interval.start)
    cap = terms.imbalance_cap_micro_per_kwh
    unsigned = SignedOrder(
        owner=owner.wallet_address,
        meter_id=meter.meter_id,
        side=str(terms.side),
        interval_start=interval.start,
        interval_s=interval.interval_s,
        energy_wh=terms.energy_wh,
        limit_micro_per_kwh=terms.limit_micro_per_kwh,
        fee_cap_micro_per_kwh=interval.fee_micro_per_kwh,
        imbalance_cap_micro_per_kwh=min(cap, mandate.imbalance_cap_micro_per_kwh) if mandate else cap,
        nonce=queries.free_nonce(owner.pk, interval.start),
        expiry=interval.end,
        signature="",
    )
    signature = signing.sign("Order", unsigned.message(), community.eip712(), key=settings.AGENT_KEY)
    return place_order(replace(unsigned, signature=signature), as_of=as_of)


def can_sign_for(agent: str) -> bool:
    """Whether the key of the agent with this address is here."""
    return bool(settings.AGENT_KEY) and signing.address_of(settings.AGENT_KEY) == agent


def sign_batch(interval: DeliveryInterval, orders: Sequence[Order]) -> str:
    """The agent's one signature over all its orders in a batch, given in batch order, 0x hex.

    It signs ``AgentOrders``: the hash h(n) with h(0) = 0 and h(i) = keccak256(h(i - 1) ‖ hash of order i).

    Raises:
        FieldError: this platform does not hold the key of the agent who signed the orders.
    """
    community, key = registry.community(), settings.AGENT_KEY
    if not all(can_sign_for(order.signer) for order in orders):
        raise FieldError("signature", "the key of the agent of these orders is not here", code="no_agent")
    chain = bytes(32)
    for order in orders:
        chain = keccak(
            chain + signing.struct_hash("Order", signed_terms(order).message(), community.eip712())
        )
    message = {"intervalStart": int(interval.start.timestamp()), "ordersHash": chain}
    return signing.sign("AgentOrders", message, community.eip712(), key=key)


def signed_terms(order: Order) -> SignedOrder:
    """A stored order as it came in."""
    return SignedOrder(
        owner=order.participant.wallet_address,
        meter_id=order.meter.meter_id,
        side=order.side,
        interval_start=order.interval.start,
        interval_s=order.interval.interval_s,
        energy_wh=order.energy_wh,
        limit_micro_per_kwh=order.limit_micro_per_kwh,
        fee_cap_micro_per_kwh=order.fee_cap_micro_per_kwh,
        imbalance_cap_micro_per_kwh=order.imbalance_cap_micro_per_kwh,
        nonce=order.nonce,
        expiry=order.expiry,
        signature=order.signature,
    )
