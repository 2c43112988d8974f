"""How a row of the outbox changes: in one place, and said once."""

import logging
from typing import Any

from django.utils import timezone

from backend.settlement.models import OutboxTransaction

State = OutboxTransaction.State
UNSENT: dict[str, Any] = {
    "sender": "",
    "nonce": None,
    "gas_limit": 0,
    "max_fee_wei": 0,
    "tip_wei": 0,
    "tx_hash": "",
    "replaced_hashes": [],
    "sent_at_block": None,
}
NOT_IN_A_BLOCK: dict[str, Any] = {
    "block_number": None,
    "block_hash": "",
    "block_time": None,
    "gas_used": None,
}
logger = logging.getLogger(__name__)


def move(row: OutboxTransaction, state: State, **columns: Any) -> None:  # noqa: ANN401 - columns
    """Store the row's new state with the columns that come with it."""
    if row.state != state:
        columns["since"] = timezone.now()
    for name, value in {"state": state, **columns}.items():
        setattr(row, name, value)
    row.save(update_fields=["state", *columns])


def note(row: OutboxTransaction, reason: str, *, level: int = logging.WARNING) -> None:
    """Store what the row waits for; logged when it is news."""
    if row.error != reason:
        logger.log(level, "%s waits: %s", row.key, reason)
        row.error = reason
        row.save(update_fields=["error"])


def sign_anew(row: OutboxTransaction) -> None:
    """Let a row start over with another nonce; its earlier hashes are kept, one of them may be mined yet."""
    earlier = [row.tx_hash, *row.replaced_hashes]
    move(row, State.PENDING, **{**UNSENT, "replaced_hashes": earlier})
