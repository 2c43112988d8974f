"""Following the chain: what lies deep enough is final, and what a lost block said is taken back.

Rows keep number and hash of their block. Each round walks back from the newest of them to one that is final
and still on the chain; rows in blocks that the chain no longer has are sent again, and the books with them
go back to what the chain says now.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from backend.chain.client import Chain, Head
from backend.chain.errors import ChainUnavailableError
from backend.settlement.caution import Caution
from backend.settlement.models import OutboxTransaction
from backend.settlement.services import confirmation, others
from backend.settlement.services.rows import NOT_IN_A_BLOCK, move

State = OutboxTransaction.State
FINAL = (State.CONFIRMED, State.FAILED)
LOST = "the chain has lost its block; it is sent again"
logger = logging.getLogger(__name__)


def trusted_head(chain: Chain, caution: Caution, now: datetime) -> Head:
    """The newest block of a node that seems to be on our chain and at its end.

    Raises:
        ChainUnavailableError: it is syncing, or far behind ``now``, or behind what was seen.
        ContractsMissingError: it is on another chain.
    """
    chain.require_contracts()
    if chain.is_syncing():
        raise ChainUnavailableError("the node is syncing")
    head = chain.head()
    if caution.stale_after is not None and head.time < now - caution.stale_after:
        raise ChainUnavailableError(
            f"the node's newest block is more than {caution.stale_after} behind the community's clock"
        )
    seen = _in_blocks().aggregate(newest=Max("block_number"))["newest"] or 0
    if caution.confirmations and head.number < seen:
        raise ChainUnavailableError(f"the node went back below block {seen}, which it had shown before")
    return head


def take_back(chain: Chain, caution: Caution) -> list[OutboxTransaction]:
    """Undo what lost blocks had said; returns the rows that are to be sent again.

    Raises:
        ChainUnavailableError: a block is gone that was final. On a chain with confirmations that is not a
            reorganisation but a node that cannot be trusted, so nothing is undone.
    """
    lost = _lost(chain)
    for row in lost:
        if caution.confirmations and row.state in FINAL:
            raise ChainUnavailableError(f"the node denies block {row.block_number}, which was final")
    with transaction.atomic():
        for row in lost:
            logger.error("the chain has lost block %s with %s; sending it again", row.block_number, row.key)
            if row.by_another:
                others.give_back(row, LOST)
            else:
                move(row, State.SENT, error=LOST, sent_at_block=None, **NOT_IN_A_BLOCK)
        for row in lost:
            confirmation.undone(row)
    return lost


def make_final(head: Head, caution: Caution) -> list[OutboxTransaction]:
    """Confirm what lies deep enough below ``head``, for good; returns those rows."""
    deep = OutboxTransaction.objects.filter(
        state__in=[State.MINED, State.REVERTED], block_number__lte=head.number - caution.confirmations
    ).order_by("block_number", "nonce")
    rows = list(deep)
    for row in rows:
        with transaction.atomic():
            if row.state == State.MINED:
                move(row, State.CONFIRMED)
            else:
                move(row, State.FAILED)
            confirmation.final(row)
    return rows


def _in_blocks() -> QuerySet[OutboxTransaction]:
    """Rows that were seen in a block; those without a nonce belong to contracts or intervals of the past, or
    stand for what somebody else did.
    """  # noqa: D205 (the sentence does not fit into one line)
    followed = Q(nonce__isnull=False) | Q(by_another=True)
    return OutboxTransaction.objects.filter(followed).exclude(block_hash="")


def _lost(chain: Chain) -> list[OutboxTransaction]:
    """Rows whose block is not on the chain; a final row whose block is there vouches for all before it."""
    lost = []
    hashes: dict[int, str | None] = {}
    for row in _in_blocks().order_by("-block_number", "-nonce").iterator():
        number = row.block_number or 0
        if number not in hashes:
            block = chain.block(number)
            hashes[number] = block.hash if block else None
        if row.block_hash != hashes[number]:
            lost.append(row)
        elif row.state in FINAL:
            break
    return lost
