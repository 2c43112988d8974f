"""The one way to the chain: rows written with what they settle, sent by one sender at a time.

A row's nonce, gas and fees are stored before it is sent, so that after a crash the same bytes are sent
again, or their receipt is found. ``sender`` sends, ``follower`` watches what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from backend.chain.client import Chain
from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.registry import queries as registry
from backend.registry.locks import sole
from backend.settlement.caution import caution
from backend.settlement.models import OutboxTransaction
from backend.settlement.services import follower, others, trouble
from backend.settlement.services.rows import NOT_IN_A_BLOCK, UNSENT
from backend.settlement.services.sender import Sender

State = OutboxTransaction.State


def enqueue(  # noqa: PLR0913 - a row's columns
    key: str,
    contract: str,
    function: str,
    arguments: Sequence[Any],
    *,
    after: OutboxTransaction | None = None,
    not_after: datetime | None = None,
) -> OutboxTransaction:
    """The outbox row with this key, made in the caller's transaction when it is new.

    ``contract`` is a role (``exchange``, ``registry``); ``arguments`` are JSON: bytes as 0x hex, structs by
    field name. ``after`` names a row that must have done its work before, ``not_after`` the block time from
    which on this one is not sent.
    """
    given = {"contract": contract, "function": function, "arguments": list(arguments)}
    row, _ = OutboxTransaction.objects.get_or_create(
        key=key, defaults={**given, "after": after, "not_after": not_after}
    )
    return row


def retry(key: str) -> bool:
    """Let a failed row be tried again; False when there is none."""
    failed = OutboxTransaction.objects.filter(key=key, state=State.FAILED)
    return failed.update(state=State.PENDING, error="", **NOT_IN_A_BLOCK, **UNSENT) == 1


@dataclass(frozen=True, slots=True)
class Keys:
    """Who sends: the registrar what goes to the registry, the operator all else."""

    operator: str = field(repr=False)
    registrar: str = field(repr=False)


def pump(chain: Chain, keys: Keys) -> list[OutboxTransaction]:
    """Take back what was lost, find what was mined, by us or others, send what waits.

    Returns the rows that changed state. Does nothing while another process is at it.

    Raises:
        ChainUnavailableError: the node does not answer, or not so that it can be believed; call again later.
        ContractsMissingError: the node has another chain, or one that was started afresh.
    """
    with sole("outbox") as alone:
        if not alone:
            return []
        try:
            changed = _round(chain, keys)
        except (ChainUnavailableError, ContractsMissingError) as error:
            trouble.waits(str(error))
            raise
        trouble.over()
        return changed


def _round(chain: Chain, keys: Keys) -> list[OutboxTransaction]:
    community = registry.community()
    limits = caution(community.chain_id)
    now = registry.now(community)
    head = follower.trusted_head(chain, limits, now)
    # Blocks in the place of lost ones may be older than those: what is over by our clock is over.
    clocked = replace(head, time=max(head.time, now))
    lost = follower.take_back(chain, limits)
    taken = others.take_over(chain, head, limits)
    registrations = OutboxTransaction.objects.filter(contract="registry")
    batches = OutboxTransaction.objects.exclude(contract="registry")
    moved = [
        row
        for key, rows in ((keys.registrar, registrations), (keys.operator, batches))
        for row in Sender(chain, rows, caution=limits, head=clocked, key=key).run()
    ]
    final = follower.make_final(chain.head(), limits)
    return list({row.pk: row for row in (*lost, *taken, *moved, *final)}.values())
