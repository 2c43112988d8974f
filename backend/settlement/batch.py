"""The matched batch of an interval in its parts, as nested JSON."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from backend.market import agents
from backend.market import services as market
from backend.market.models import DeliveryInterval, Order
from backend.registry.models import Meter
from backend.settlement import packing, parts
from domain.market import Clearing, SettlementPrices
from domain.meter_ids import account_of, meter_id, number_of
from domain.typed_data import SIDE_CODE
from pricing.settlement import MeterInterval, Purchase, Sale

SIGNED_BY_OWNER = 0
FIRST_AGENT = 2
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be committed, and the clearing that stands in each of its parts."""

    parts: list[Part]
    clearings: list[Clearing]


def build(interval: DeliveryInterval, meters: Sequence[Meter], orders: Sequence[Order]) -> Batch:
    """The batch of these meters and orders, the same for the same input.

    ``orders`` are those that the contract will accept, with what was matched of them. Where less is sold than
    bought in a part, or more, the less keen orders are cut.
    """
    members = sorted(meters, key=lambda meter: meter.meter_id)
    by_meter: dict[int, list[Order]] = defaultdict(list)
    for order in sorted(orders, key=lambda order: order.nonce):
        by_meter[order.meter_id].append(order)
    accounts = [list(own) for _, own in groupby(members, key=lambda meter: account_of(meter.meter_id))]
    loads = [
        parts.Load(len(own), tuple(_terms(order) for meter in own for order in by_meter[meter.pk]))
        for own in accounts
    ]
    built = Batch([], [])
    for places in parts.cut(loads):
        present = [meter for place in places for meter in accounts[place]]
        clearing = market.rematched(interval, [order for meter in present for order in by_meter[meter.pk]])
        built.parts.append(_part(interval, present, by_meter, clearing))
        built.clearings.append(clearing)
    return built


def prices_of(interval: DeliveryInterval) -> SettlementPrices:
    """The interval's prices; where nothing crossed the clearing price is feed-in, and moves no money."""
    clearing = interval.clearing_micro_per_kwh
    return SettlementPrices(
        clearing=interval.feed_in_micro_per_kwh if clearing is None else clearing,
        retail_import=interval.retail_micro_per_kwh,
        feed_in=interval.feed_in_micro_per_kwh,
        imbalance=interval.imbalance_micro_per_kwh,
        fee=interval.fee_micro_per_kwh,
    )


def packed(batch_parts: Sequence[Part]) -> list[tuple[str, str]]:
    """For each part its bytes and the root of those that follow it, 0x hex."""
    data = [packing.pack(part) for part in batch_parts]
    return [
        ("0x" + part.hex(), "0x" + following.hex())
        for part, following in zip(data, packing.root_of(data)[1:], strict=True)
    ]


def root_of(batch_parts: Sequence[Part]) -> str:
    """What is committed, 0x hex."""
    return "0x" + packing.root_of([packing.pack(part) for part in batch_parts])[0].hex()


def meter_ids(part: Part) -> list[str]:
    """The part's meters in its order."""
    return [meter_id(member["account"], member["number"]) for member in part["members"]]


def prices_in(part: Part) -> SettlementPrices:
    """The prices in a part."""
    given = part["prices"]
    return SettlementPrices(
        clearing=given["clearing"],
        retail_import=given["retailImport"],
        feed_in=given["feedIn"],
        imbalance=given["imbalance"],
        fee=given["fee"],
    )


def meter_intervals(
    part: Part, registers: Sequence[tuple[int, int] | None], fallback_import_w: Mapping[str, int]
) -> list[MeterInterval]:
    """What each member bought, sold and metered, as settlement takes it."""
    found = []
    for member, reading in zip(part["members"], registers, strict=True):
        executed = [
            (order, fill["energyWh"], fill["price"])
            for order in member["orders"]
            for fill in order["executions"]
        ]
        imported_wh, exported_wh = reading or (None, None)
        found.append(
            MeterInterval(
                meter_id=meter_id(member["account"], member["number"]),
                imported_wh=imported_wh,
                exported_wh=exported_wh,
                bought=tuple(
                    Purchase(wh, price) for order, wh, price in executed if order["side"] == SIDE_CODE["buy"]
                ),
                sold=tuple(
                    Sale(wh, price, order["imbalanceCap"])
                    for order, wh, price in executed
                    if order["side"] == SIDE_CODE["sell"]
                ),
                fallback_import_w=fallback_import_w[member["account"]],
            )
        )
    return found


def _part(
    interval: DeliveryInterval,
    meters: Sequence[Meter],
    by_meter: Mapping[int, Sequence[Order]],
    clearing: Clearing,
) -> Part:
    executed_wh: dict[str, int] = defaultdict(int)
    for trade in clearing.trades:
        executed_wh[trade.buy_order_id] += trade.energy_wh
        executed_wh[trade.sell_order_id] += trade.energy_wh
    standing = {
        meter.pk: [order for order in by_meter.get(meter.pk, ()) if executed_wh[order.clearing_id]]
        for meter in meters
    }
    by_agent: dict[str, list[Order]] = defaultdict(list)
    for order in (order for meter in meters for order in standing[meter.pk] if order.by_agent):
        by_agent[order.signer].append(order)
    signers = list(by_agent)
    prices = prices_of(interval)
    return {
        "intervalStart": int(interval.start.timestamp()),
        "prices": {
            "clearing": prices.clearing,
            "retailImport": prices.retail_import,
            "feedIn": prices.feed_in,
            "imbalance": prices.imbalance,
            "fee": prices.fee,
        },
        "trades": 0,
        "members": [
            {
                "account": meter.site.participant.wallet_address,
                "number": number_of(meter.meter_id),
                "orders": [
                    _order(order, executed_wh[order.clearing_id], prices.clearing, signers)
                    for order in standing[meter.pk]
                ],
            }
            for meter in meters
        ],
        "agents": [
            {"agent": signer, "signature": packing.compact(agents.sign_batch(interval, signed))}
            for signer, signed in by_agent.items()
        ],
    }


def _order(order: Order, energy_wh: int, price: int, signers: Sequence[str]) -> dict[str, Any]:
    fee_cap, imbalance_cap, expiry = _terms(order)
    return {
        "side": SIDE_CODE[order.side],
        "k": order.k,
        "energyWh": order.energy_wh,
        "limitPrice": order.limit_micro_per_kwh,
        "feeCap": fee_cap,
        "imbalanceCap": imbalance_cap,
        "expiry": expiry,
        "authority": FIRST_AGENT + signers.index(order.signer) if order.by_agent else SIGNED_BY_OWNER,
        "signature": "0x" if order.by_agent else packing.compact(order.signature),
        "executions": [{"trade": 0, "energyWh": energy_wh, "price": price}],
    }


def _terms(order: Order) -> tuple[int, int, int]:
    return (
        order.fee_cap_micro_per_kwh,
        order.imbalance_cap_micro_per_kwh,
        int(order.expiry.timestamp()),
    )
