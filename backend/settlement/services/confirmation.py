"""What the platform learns from a mined transaction, and forgets when the chain loses it."""

import logging
from collections.abc import Callable
from typing import Any

from backend.chain.client import Chain, Receipt
from backend.market.services import mark_committed, mark_lost, mark_settled
from backend.settlement.models import Commitment, OutboxTransaction, Settlement, StatementLine
from backend.settlement.services.rows import move

logger = logging.getLogger(__name__)

LINE_FIELDS = {
    "importedWh": "imported_wh",
    "exportedWh": "exported_wh",
    "boughtWh": "bought_wh",
    "soldWh": "sold_wh",
    "deliveredWh": "delivered_wh",
    "retailImportWh": "retail_import_wh",
    "feedInWh": "feed_in_wh",
    "purchase": "purchase_micro",
    "sale": "sale_micro",
    "shortfall": "shortfall_micro",
    "fee": "fee_micro",
    "retail": "retail_micro",
    "feedIn": "feed_in_micro",
}
"""The contract's ``Line`` by the names of ``domain.market.SettlementLine``."""


def mined(chain: Chain, row: OutboxTransaction, receipt: Receipt) -> None:
    """Move on what the row was written for, in the transaction that marks it mined. May happen twice."""
    after = _AFTER.get(row.function)
    if after:
        after(chain, row, receipt)


def undone(row: OutboxTransaction) -> None:
    """Take back what ``mined`` moved on; the row and all that were lost with it are marked sent already."""
    Settlement.objects.filter(transaction=row).update(agrees=None, unpaid_micro=0)
    interval_id = _interval_of(row)
    on_chain = {"interval_id": interval_id, "transaction__state__in": OutboxTransaction.ON_CHAIN}
    if interval_id is not None and not Settlement.objects.filter(**on_chain).exists():
        mark_lost(interval_id, committed=Commitment.objects.filter(**on_chain).exists())


def final(row: OutboxTransaction) -> None:
    """Draw the consequence of a row that succeeded or failed for good.

    Trades whose commitment has failed for good cannot be settled, not even where the chain had taken the
    commitment once and then lost it. A settlement that was written on top of it is withdrawn, so that the
    interval settles with the retailer alone.
    """
    interval_id = _interval_of(row)
    failed = OutboxTransaction.State.FAILED
    if not Commitment.objects.filter(interval_id=interval_id, transaction__state=failed).exists():
        return
    stale = Settlement.objects.filter(
        interval_id=interval_id,
        interval__trades__isnull=False,
        transaction__state__in=[OutboxTransaction.State.PENDING, failed],
    )
    for settlement in stale.select_related("transaction", "interval").distinct():
        logger.error("%s: its commitment is lost for good; its trades are void", settlement.interval)
        sent = settlement.transaction
        settlement.delete()
        # Without its nonce it is not followed any more: whatever block loses it, it is never sent again.
        withdrawn = {"key": f"{sent.key} withdrawn {sent.pk}", "nonce": None}
        move(sent, failed, **withdrawn, error="withdrawn: its commitment was lost")


def _interval_of(row: OutboxTransaction) -> int | None:
    """The interval (by key) that the row commits or settles."""
    for batch in (Commitment, Settlement):
        found = batch.objects.filter(transaction=row).values_list("interval_id", flat=True).first()
        if found is not None:
            return found
    return None


def _after_commit(_chain: Chain, row: OutboxTransaction, _receipt: Receipt) -> None:
    mark_committed(Commitment.objects.get(transaction=row).interval_id)


def _after_settle(chain: Chain, row: OutboxTransaction, receipt: Receipt) -> None:
    """Compare every figure that the chain reports with what was computed here, to the micro-unit."""
    settlement = Settlement.objects.select_related("interval").get(transaction=row)
    unpaid = sum(event["amount"] for event in chain.events("exchange", "Unpaid", receipt))
    differences = [
        *_line_differences(settlement, chain.events("exchange", "MemberSettled", receipt)),
        *_trade_differences(row.arguments[0], chain.events("exchange", "TradeSettled", receipt)),
    ]
    # The retailer bears what a member could not pay.
    expected = settlement.retailer_micro - unpaid
    differences.extend(
        f"retailer: chain {event['retailerDelta']}, books {expected}"
        for event in chain.events("exchange", "BatchSettled", receipt)
        if event["retailerDelta"] != expected
    )
    for difference in differences:
        logger.error("%s: chain and books differ: %s", settlement.interval, difference)
    if unpaid:
        logger.warning(
            "%s: members could not pay %d micro-units; the retailer bears them", settlement.interval, unpaid
        )
    settlement.unpaid_micro = unpaid
    settlement.agrees = not differences
    settlement.save(update_fields=["unpaid_micro", "agrees"])
    mark_settled(settlement.interval_id)


def _line_differences(settlement: Settlement, events: list[dict[str, Any]]) -> list[str]:
    on_chain = {"0x" + event["meterId"].hex(): event for event in events}
    books = {line.meter.meter_id: line for line in settlement.lines.select_related("meter", "participant")}
    differences = [f"meter {meter_id} is on one side only" for meter_id in on_chain.keys() ^ books.keys()]
    for meter_id in on_chain.keys() & books.keys():
        differences += _compare_line(books[meter_id], on_chain[meter_id])
    return differences


def _compare_line(line: StatementLine, event: dict[str, Any]) -> list[str]:
    chain_side = {ours: event["line"][theirs] for theirs, ours in LINE_FIELDS.items()}
    chain_side |= {"estimated": event["estimated"], "account": event["account"]}
    books_side = {name: getattr(line, name) for name in LINE_FIELDS.values()}
    books_side |= {"estimated": line.estimated, "account": line.participant.wallet_address}
    return [
        f"{line.participant} {name}: chain {chain_side[name]}, books {books_side[name]}"
        for name in books_side
        if chain_side[name] != books_side[name]
    ]


def _trade_differences(batch: dict[str, Any], events: list[dict[str, Any]]) -> list[str]:
    orders = [signed["order"]["owner"] for signed in batch["orders"]]
    price = batch["prices"]["clearing"]
    books = [(orders[f["buy"]], orders[f["sell"]], f["energyWh"], price) for f in batch["fills"]]
    on_chain = [(e["buyer"], e["seller"], e["energyWh"], e["price"]) for e in events]
    return [] if books == on_chain else [f"trades: chain {on_chain}, books {books}"]


_AFTER: dict[str, Callable[[Chain, OutboxTransaction, Receipt], None]] = {
    "commitBatch": _after_commit,
    "settleBatch": _after_settle,
}
