"""Settlements that somebody else has made: anybody may, with the committed batch and proven readings.

The books follow the chain: the row that was to settle the part stands for the transaction that did.
"""

import logging

from django.db import transaction
from django.db.models import F, Q

from backend.chain.client import Chain, Head
from backend.market.models import DeliveryInterval
from backend.settlement import events
from backend.settlement.caution import Caution
from backend.settlement.models import Commitment, OutboxTransaction, Settlement
from backend.settlement.services import confirmation
from backend.settlement.services.rows import NOT_IN_A_BLOCK, UNSENT, move

State = OutboxTransaction.State
logger = logging.getLogger(__name__)


def take_over(chain: Chain, head: Head, caution: Caution) -> list[OutboxTransaction]:
    """Let rows that wait, or were refused, stand for what others did before them; returns those rows.

    A row that is in a block with a refusal gives up its nonce only below blocks that count as spent
    (``Sender``).
    """
    over = [DeliveryInterval.State.SETTLED, DeliveryInterval.State.LAPSED]
    deep = Q(block_number=None) | Q(block_number__lte=head.number - max(caution.confirmations, 1))
    rows = OutboxTransaction.objects.filter(
        deep, state__in=[State.PENDING, State.REVERTED, State.FAILED], settlement__isnull=False
    ).exclude(settlement__interval__state__in=over)
    return [row for row in rows.select_related("settlement__interval").order_by("id") if _taken(chain, row)]


def give_back(row: OutboxTransaction, error: str) -> None:
    """The chain has lost what somebody else did: the row does it itself."""
    hashes = row.replaced_hashes
    move(
        row,
        State.PENDING,
        by_another=False,
        **{**UNSENT, **NOT_IN_A_BLOCK, "replaced_hashes": hashes, "error": error},
    )


def unclaimed(chain: Chain, interval: DeliveryInterval) -> bool:
    """Whether the chain has settled a part of the interval's batch that the books do not know of."""
    settled = Settlement.objects.filter(interval=interval, transaction__state__in=OutboxTransaction.ON_CHAIN)
    return len(_settlements(chain, interval)) > settled.count()


def _taken(chain: Chain, row: OutboxTransaction) -> bool:
    settlement = row.settlement
    start = int(settlement.interval.start.timestamp())
    _, settled_parts, committed_at = chain.call("exchange", "commitments", start)
    if committed_at and settled_parts <= settlement.part:
        return False
    found = _settlements(chain, settlement.interval)
    if len(found) <= settlement.part:
        return False  # not committed, or released
    tx_hash = found[settlement.part]
    if tx_hash in {row.tx_hash, *row.replaced_hashes}:
        return False  # the sender finds its receipt
    receipt = chain.receipt(tx_hash)
    if receipt is None:
        return False
    logger.warning("%s: %s did it before us, in %s", row.key, receipt.sender, tx_hash)
    with transaction.atomic():
        move(
            row,
            State.MINED,
            **{
                **UNSENT,
                "replaced_hashes": [name for name in (row.tx_hash, *row.replaced_hashes) if name],
                "by_another": True,
                "sender": receipt.sender,
                "tx_hash": tx_hash,
                "block_number": receipt.block_number,
                "block_hash": receipt.block_hash,
                "block_time": receipt.block_time,
                "gas_used": None,  # we have not paid it, and it may be for more than this
                "error": "",
            },
        )
        confirmation.mined(chain, row, receipt)
    return True


def _settlements(chain: Chain, interval: DeliveryInterval) -> list[str]:
    """Transactions that settled the parts of the interval's batch, in the order of the parts, as 0x hex."""
    committed = Commitment.objects.filter(
        interval=interval, transaction__state__in=OutboxTransaction.ON_CHAIN
    )
    block = committed.values_list(F("transaction__block_number"), flat=True).first()
    if block is None:
        return []
    start = int(interval.start.timestamp())
    logs = chain.logs("exchange", from_block=block)
    return [
        event.tx_hash
        for event in events.decoded(logs)
        if event.name == "BatchSettled" and event.values[0] == start
    ]
