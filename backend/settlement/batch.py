"""The matched batch of an interval: what of it the chain will accept, and its root."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from backend.chain.client import Chain
from backend.market.models import DeliveryInterval, Order, Trade
from domain.market import SettlementPrices
from domain.typed_data import SIDE_CODE

MISSING: dict[str, Any] = {"importWh": 0, "exportWh": 0, "signature": "0x"}


@dataclass(frozen=True, slots=True)
class MeterTrades:
    """What a meter bought, and sold as (Wh, imbalance cap) per order, in batch order."""

    bought_wh: int
    sold: tuple[tuple[int, int], ...]


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


def build(interval: DeliveryInterval, trades: Iterable[Trade], meter_ids: Collection[str]) -> dict[str, Any]:
    """The contract's ``Batch`` as JSON, the same for the same input: orders by arrival, fills as traded."""
    fills = sorted(trades, key=lambda trade: trade.pk)
    orders = {trade.buy_order_id: trade.buy_order for trade in fills}
    orders |= {trade.sell_order_id: trade.sell_order for trade in fills}
    ranked = sorted(orders.values(), key=lambda order: order.sequence)
    position = {order.pk: index for index, order in enumerate(ranked)}
    prices = prices_of(interval)
    return {
        "intervalStart": int(interval.start.timestamp()),
        "intervalSeconds": interval.interval_s,
        "prices": {
            "clearing": prices.clearing,
            "retailImport": prices.retail_import,
            "feedIn": prices.feed_in,
            "imbalance": prices.imbalance,
            "fee": prices.fee,
        },
        "orders": [{"order": signed_message(order), "signature": order.signature} for order in ranked],
        "fills": [
            {"buy": position[t.buy_order_id], "sell": position[t.sell_order_id], "energyWh": t.energy_wh}
            for t in fills
        ],
        "meterIds": sorted(meter_ids),
    }


def signed_message(order: Order) -> dict[str, Any]:
    """The order's EIP-712 message as JSON."""
    return {
        "owner": order.participant.wallet_address,
        "meterId": order.meter.meter_id,
        "side": SIDE_CODE[order.side],
        "intervalStart": int(order.interval.start.timestamp()),
        "intervalSeconds": order.interval.interval_s,
        "energyWh": order.energy_wh,
        "limitPrice": order.limit_micro_per_kwh,
        "feeCap": order.fee_cap_micro_per_kwh,
        "imbalanceCap": order.imbalance_cap_micro_per_kwh,
        "nonce": order.nonce,
        "expiry": int(order.expiry.timestamp()),
    }


def root_of(chain: Chain, batch: Mapping[str, Any]) -> str:
    """``keccak256(abi.encode(batch))`` as 0x hex; needs no node."""
    encoded = bytes.fromhex(chain.call_data("exchange", "hashBatch", [batch])[2:])[4:]
    return "0x" + keccak(encoded).hex()


def batch_prices(batch: Mapping[str, Any]) -> SettlementPrices:
    """The prices in a batch."""
    given = batch["prices"]
    return SettlementPrices(
        clearing=given["clearing"],
        retail_import=given["retailImport"],
        feed_in=given["feedIn"],
        imbalance=given["imbalance"],
        fee=given["fee"],
    )


def trades_by_meter(batch: Mapping[str, Any]) -> dict[str, MeterTrades]:
    """Executed quantities of each meter in the batch, added up as the contract does."""
    filled_wh = [0] * len(batch["orders"])
    for fill in batch["fills"]:
        filled_wh[fill["buy"]] += fill["energyWh"]
        filled_wh[fill["sell"]] += fill["energyWh"]
    bought: dict[str, int] = {}
    sold: dict[str, list[tuple[int, int]]] = {}
    for signed, energy_wh in zip(batch["orders"], filled_wh, strict=True):
        order = signed["order"]
        if order["side"] == SIDE_CODE["buy"]:
            bought[order["meterId"]] = bought.get(order["meterId"], 0) + energy_wh
        else:
            sold.setdefault(order["meterId"], []).append((energy_wh, order["imbalanceCap"]))
    return {
        meter: MeterTrades(bought.get(meter, 0), tuple(sold.get(meter, ()))) for meter in batch["meterIds"]
    }
