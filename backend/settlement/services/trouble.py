"""What keeps the outbox from trusting its chain: stored for everybody to see, logged once."""

import logging

from backend.settlement.models import ChainTrouble

logger = logging.getLogger(__name__)


def waits(reason: str) -> None:
    """The outbox waits; a new reason is logged, the same one again is not."""
    known = ChainTrouble.objects.filter(id=1).first()
    if known is None or known.reason != reason:
        logger.error("the outbox waits: %s", reason)
        since = {} if known is None else {"since": known.since}
        ChainTrouble(id=1, reason=reason, **since).save()


def over() -> None:
    """The outbox goes on."""
    removed, _ = ChainTrouble.objects.filter(id=1).delete()
    if removed:
        logger.info("the outbox goes on")
