"""What the platform learns from a mined transaction, and forgets when the chain loses it."""

import logging
from collections import Counter
from collections.abc import Callable

from backend.chain.client import Chain, Receipt
from backend.market.models import Trade
from backend.market.services import mark_committed, mark_lost, mark_settled
from backend.settlement import bills, events, packing
from backend.settlement.bills import Bill
from backend.settlement.models import Commitment, OutboxTransaction, Settlement, StatementLine
from backend.settlement.services import lines
from backend.settlement.services.lapse import withdraw

State = OutboxTransaction.State
logger = logging.getLogger(__name__)


def mined(chain: Chain, row: OutboxTransaction, receipt: Receipt) -> None:
    """Move on what the row was written for, in the transaction that marks it mined. May happen twice."""
    after = _AFTER.get(row.function)
    if after:
        after(chain, row, receipt)


def undone(row: OutboxTransaction) -> None:
    """Take back what ``mined`` moved on; the row and all that were lost with it are marked sent already."""
    for settlement in Settlement.objects.filter(transaction=row):
        settlement.agrees = None
        settlement.unpaid_micro = settlement.fund_micro = settlement.reduced_micro = 0
        settlement.save()
        lines.follow(settlement, _registers_of(row, members=settlement.lines.count()))
    interval_id = _interval_of(row)
    if interval_id is not None and not _is_settled(interval_id):
        committed = Commitment.objects.filter(
            interval_id=interval_id, transaction__state__in=OutboxTransaction.ON_CHAIN
        )
        mark_lost(interval_id, committed=committed.exists())


def final(row: OutboxTransaction) -> None:
    """Draw the consequence of a row that succeeded or failed for good."""
    interval_id = _interval_of(row)
    if interval_id is not None:
        withdraw_stale(interval_id)


def withdraw_stale(interval_id: int) -> None:
    """Withdraw what was written on top of a commitment that has failed for good.

    Its trades cannot be settled, not even where the chain had taken the commitment once and then lost it. The
    interval then settles with the retailer alone.
    """
    commitments = Commitment.objects.filter(interval_id=interval_id)
    if not commitments.filter(late=False, transaction__state=State.FAILED).exists():
        return
    if commitments.filter(late=True).exists():
        return
    stale = Settlement.objects.filter(
        interval_id=interval_id, transaction__state__in=[State.PENDING, State.FAILED]
    )
    for settlement in stale.select_related("transaction", "interval"):
        logger.error("%s: its commitment is lost for good; its trades are void", settlement.interval)
        withdraw(settlement, "its commitment was lost")


def _interval_of(row: OutboxTransaction) -> int | None:
    """The interval (by key) that the row commits or settles."""
    for batch in (Commitment, Settlement):
        found = batch.objects.filter(transaction=row).values_list("interval_id", flat=True).first()
        if found is not None:
            return found
    return None


def _is_settled(interval_id: int) -> bool:
    """Whether the settlement of every part is on chain."""
    parts = Settlement.objects.filter(interval_id=interval_id)
    return parts.exists() and not parts.exclude(transaction__state__in=OutboxTransaction.ON_CHAIN).exists()


def _after_commit(_chain: Chain, row: OutboxTransaction, _receipt: Receipt) -> None:
    commitment = Commitment.objects.select_related("interval", "transaction").get(transaction=row)
    if commitment.too_late:
        logger.error("%s: its commitment came after delivery had begun", commitment.interval)
    else:
        mark_committed(commitment.interval_id)


def _after_settle(chain: Chain, row: OutboxTransaction, receipt: Receipt) -> None:
    """Compare every figure that the chain reports with what was computed here, to the micro-unit."""
    settlement = Settlement.objects.select_related("interval").get(transaction=row)
    found = _settled_in(chain, receipt, settlement)
    registers = [None if r.missing else (r.import_wh, r.export_wh) for r in found.readings]
    if row.by_another and lines.follow(settlement, registers):
        logger.warning("%s: it was settled with other readings; the books follow", settlement.interval)
    differences = [
        *bills.problems(found),
        *_line_differences(settlement, bills.bills(found)),
        *_trade_differences(settlement, bills.trades(found)),
    ]
    for difference in differences:
        logger.error("%s: chain and books differ: %s", settlement.interval, difference)
    settlement.unpaid_micro = sum(found.unpaid.values())
    settlement.fund_micro = found.fund_paid
    settlement.reduced_micro = sum(found.reduced.values())
    if settlement.unpaid_micro or settlement.fund_micro or settlement.reduced_micro:
        logger.warning(
            "%s: members could not pay %d micro-units; the fund paid %d, and credits were reduced by %d",
            settlement.interval,
            settlement.unpaid_micro,
            settlement.fund_micro,
            settlement.reduced_micro,
        )
    settlement.agrees = not differences
    settlement.save(update_fields=["unpaid_micro", "fund_micro", "reduced_micro", "agrees"])
    if _is_settled(settlement.interval_id):
        mark_settled(settlement.interval_id)


def _settled_in(chain: Chain, receipt: Receipt, settlement: Settlement) -> events.Settled:
    """What the transaction says of this part; somebody else's may settle others beside it."""
    meters = set(settlement.lines.values_list("meter__meter_id", flat=True))
    start = int(settlement.interval.start.timestamp())
    found = events.settlements(events.decoded(chain.logs_of("exchange", receipt)))
    return max(
        (one for one in found if one.start == start),
        key=lambda one: len(meters.intersection(reading.meter_id for reading in one.readings)),
    )


def _registers_of(row: OutboxTransaction, *, members: int) -> list[tuple[int, int] | None]:
    """The registers in the evidence that the row has."""
    _, evidence, _ = row.arguments
    return packing.unpack_registers(bytes.fromhex(evidence[2:]), members=members)


def _line_differences(settlement: Settlement, on_chain: list[Bill]) -> list[str]:
    chain = {bill.meter_id: bill for bill in on_chain}
    books = {line.meter.meter_id: line for line in settlement.lines.select_related("meter", "participant")}
    differences = [f"meter {meter_id} is on one side only" for meter_id in chain.keys() ^ books.keys()]
    for meter_id in chain.keys() & books.keys():
        differences += _compare_line(books[meter_id], chain[meter_id])
    return differences


def _compare_line(line: StatementLine, bill: Bill) -> list[str]:
    chain = bill.line._asdict() | {
        "net_micro": bill.line.net_micro,
        "estimated": bill.estimated,
        "account": bill.account,
    }
    books = {name: getattr(line, name) for name in chain if name != "account"}
    books["account"] = line.participant.wallet_address
    return [
        f"{line.participant} {name}: chain {chain[name]}, books {books[name]}"
        for name in chain
        if chain[name] != books[name]
    ]


def _trade_differences(settlement: Settlement, on_chain: list[events.Traded]) -> list[str]:
    found = Trade.objects.filter(
        interval=settlement.interval, buy_order__meter__in=settlement.lines.values("meter")
    ).select_related("buy_order__participant", "sell_order__participant")
    books = Counter(
        events.Traded(
            trade.buy_order.participant.wallet_address,
            trade.sell_order.participant.wallet_address,
            trade.energy_wh,
            trade.price_micro_per_kwh,
        )
        for trade in found
    )
    chain = Counter(on_chain)
    return [] if books == chain else [f"trades: chain {dict(chain)}, books {dict(books)}"]


_AFTER: dict[str, Callable[[Chain, OutboxTransaction, Receipt], None]] = {
    "commitBatch": _after_commit,
    "settleBatch": _after_settle,
}
