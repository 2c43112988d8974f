"""How far the platform trusts its node, and what it pays for gas."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from backend.chain.client import LOCAL_CHAIN_ID

CONFIRMATIONS = 12
STALE_AFTER_S = 300
PATIENCE_BLOCKS = 10
MAX_FEE_WEI = 500 * 10**9


@dataclass(frozen=True, slots=True)
class Caution:
    """The limits.

    Attributes:
        confirmations: Blocks on top of a transaction's own, after which it is final. 0: at once; the chain
            may then lose any block, as a local Anvil does that was killed.
        stale_after: How far the newest block may be behind the community's clock; None: any.
        patience_blocks: Blocks that a transaction waits for its turn before it offers more.
        max_fee_wei: The most that is ever offered for a unit of gas.
    """

    confirmations: int
    stale_after: timedelta | None
    patience_blocks: int
    max_fee_wei: int


def caution(chain_id: int | None) -> Caution:
    """The settings for this chain; the local one follows our own clock and is believed at once."""
    local = chain_id == LOCAL_CHAIN_ID
    stale_s = _number("CHAIN_STALE_AFTER_S", 0 if local else STALE_AFTER_S)
    return Caution(
        confirmations=_number("CHAIN_CONFIRMATIONS", 0 if local else CONFIRMATIONS),
        stale_after=timedelta(seconds=stale_s) if stale_s else None,
        patience_blocks=max(_number("CHAIN_PATIENCE_BLOCKS", PATIENCE_BLOCKS), 1),
        max_fee_wei=_number("CHAIN_MAX_FEE_WEI", MAX_FEE_WEI),
    )


def _number(name: str, default: int) -> int:
    given = str(getattr(settings, name))
    if not given:
        return default
    if not given.isdecimal():
        raise ImproperlyConfigured(f"{name} is {given!r}: a whole number, 0 or more")
    return int(given)
