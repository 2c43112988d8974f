"""What goes to the chain and comes back, as plain values; fees in wei per gas."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from web3.types import TxReceipt

FEE_BUMP_PERCENT = 125
NODES_BUMP_PERCENT = 110  # nodes refuse a replacement that does not raise both fees by a tenth


@dataclass(frozen=True, slots=True)
class Head:
    """One block, mostly the newest; ``gas_limit`` is what all its transactions together may use."""

    number: int
    hash: str
    time: datetime
    base_fee: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees, wei per gas."""

    max_fee: int
    max_priority_fee: int

    def capped(self, cap: int) -> "Fees":
        """These fees, neither above ``cap``."""
        return Fees(min(self.max_fee, cap), min(self.max_priority_fee, cap))

    def replacement(self, market: "Fees", *, cap: int) -> "Fees | None":
        """Fees that a node lets replace these and that are no lower than the market's.

        None when ``cap`` leaves too little room.

        >>> Fees(100, 10).replacement(Fees(90, 30), cap=1_000)
        Fees(max_fee=126, max_priority_fee=30)
        >>> Fees(100, 10).replacement(Fees(90, 30), cap=109) is None
        True
        """
        found = Fees(
            max(_raised(self.max_fee), market.max_fee),
            max(_raised(self.max_priority_fee), market.max_priority_fee),
        ).capped(cap)
        enough = _replaces(found.max_fee, self.max_fee) and _replaces(
            found.max_priority_fee, self.max_priority_fee
        )
        return found if enough else None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Everything of a transaction but what it does; ``gas`` is its limit."""

    nonce: int
    gas: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Signed bytes and their hash, 0x-prefixed hex; the same input always gives the same bytes."""

    raw: str
    tx_hash: str


class Log(NamedTuple):
    """What a contract logged, undecoded."""

    topics: tuple[bytes, ...]
    data: bytes
    tx_hash: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction; ``raw`` is what the node said, for decoding events."""

    tx_hash: str
    sender: str
    nonce: int
    succeeded: bool
    block_number: int
    block_hash: str
    block_time: datetime
    gas_used: int
    raw: TxReceipt


def _raised(fee: int) -> int:
    return fee * FEE_BUMP_PERCENT // 100 + 1


def _replaces(new: int, old: int) -> bool:
    return new > old and new * 100 >= old * NODES_BUMP_PERCENT
