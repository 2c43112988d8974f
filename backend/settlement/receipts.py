"""The way of one trade from signed order to bill, as far as its reader may see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.market.models import Order, Trade
from backend.settlement.models import Commitment, OutboxTransaction, Settlement, StatementLine
from backend.settlement.queries import LINE_FIELDS
from backend.telemetry.models import Reading

State = OutboxTransaction.State
PROGRESS = {
    State.PENDING: "pending",
    State.SENT: "pending",
    State.MINED: "done",
    State.REVERTED: "failed",
    State.CONFIRMED: "done",
    State.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One station; ``state`` is done, pending or failed, ``hash`` an order digest or a transaction hash."""

    name: str
    at: datetime | None
    state: str
    hash: str | None
    detail: Mapping[str, Any]


def steps(trade: Trade, *, may_see: Callable[[int], bool]) -> list[Step]:
    """The trade's stations in order.

    ``may_see`` tells by participant id whose limit price, readings and bill the reader may see: their own, or
    everybody's for staff. The other side is shown by pseudonym and signature alone.
    """
    orders = [trade.buy_order, trade.sell_order]
    commitments = Commitment.objects.filter(interval=trade.interval, late=False)
    commitment = commitments.select_related("transaction").first()
    settlements = Settlement.objects.filter(lines__meter=trade.buy_order.meter, interval=trade.interval)
    settlement = settlements.select_related("transaction").first()
    seen = [order for order in orders if may_see(order.participant_id)]
    return [
        _ordered(orders, seen),
        _matched(trade),
        _committed(commitment),
        _read(trade, seen),
        _settled(settlement),
        _billed(settlement, seen),
    ]


def _ordered(orders: list[Order], seen: list[Order]) -> Step:
    facts = [
        {
            "side": order.side,
            "participant": order.participant.pseudonym,
            "digest": order.digest,
            "signer": order.signer,
            "by_agent": order.by_agent,
            "placed_at": order.placed_at,
            "energy_wh": order.energy_wh if order in seen else None,
            "limit_micro_per_kwh": order.limit_micro_per_kwh if order in seen else None,
        }
        for order in orders
    ]
    shown = (seen or orders)[0]
    return Step("order", shown.placed_at, "done", shown.digest, {"orders": facts})


def _matched(trade: Trade) -> Step:
    facts = {"energy_wh": trade.energy_wh, "price_micro_per_kwh": trade.price_micro_per_kwh}
    return Step("match", trade.interval.gate_closure, "done", None, facts)


def _committed(commitment: Commitment | None) -> Step:
    if commitment is None:
        return Step("commitment", None, "pending", None, {})
    return _mined("commitment", commitment.transaction, {"root": commitment.root})


def _read(trade: Trade, seen: list[Order]) -> Step:
    meters = {trade.buy_order.meter_id, trade.sell_order.meter_id}
    found = Reading.objects.filter(
        meter__in=meters, interval_start=trade.interval.start, quality=Reading.Quality.SIGNED
    )
    readings = {reading.meter_id: reading for reading in found}
    complete = len(readings) == len(meters)
    facts = [
        {
            "participant": order.participant.pseudonym,
            "meter_id": order.meter.meter_id,
            "import_wh": readings[order.meter_id].import_wh,
            "export_wh": readings[order.meter_id].export_wh,
            "source": readings[order.meter_id].source,
            "received_at": readings[order.meter_id].received_at,
            "signature": readings[order.meter_id].signature,
        }
        for order in seen
        if order.meter_id in readings
    ]
    at = max(reading.received_at for reading in readings.values()) if complete else None
    return Step("reading", at, "done" if complete else "pending", None, {"readings": facts})


def _settled(settlement: Settlement | None) -> Step:
    if settlement is None:
        return Step("settlement", None, "pending", None, {})
    return _mined("settlement", settlement.transaction, {"agrees": settlement.agrees})


def _billed(settlement: Settlement | None, seen: list[Order]) -> Step:
    meters = [order.meter_id for order in seen]
    found = StatementLine.objects.filter(settlement=settlement, meter__in=meters) if settlement else ()
    bills = [
        {
            "participant": line.participant.pseudonym,
            "estimated": line.estimated,
            **{name: getattr(line, name) for name in LINE_FIELDS},
        }
        for line in found
    ]
    if settlement is None:
        return Step("bill", None, "pending", None, {"lines": []})
    sent = settlement.transaction
    return Step("bill", sent.block_time, PROGRESS[State(sent.state)], None, {"lines": bills})


def _mined(name: str, sent: OutboxTransaction, facts: dict[str, Any]) -> Step:
    facts |= {"block_number": sent.block_number, "gas_used": sent.gas_used, "error": sent.error or None}
    return Step(name, sent.block_time, PROGRESS[State(sent.state)], sent.tx_hash or None, facts)
