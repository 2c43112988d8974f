"""Giving rows their nonces and fees, sending them, and finding them in blocks."""

import logging

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from backend.chain.client import Chain, Envelope, Fees, Head, Receipt, SignedTransaction
from backend.chain.errors import (
    ChainUnavailableError,
    GasCapExceededError,
    NodeRefusedError,
    NonceTakenError,
    RevertedError,
    UnderpricedError,
)
from backend.registry import signing
from backend.settlement.caution import Caution
from backend.settlement.models import OutboxTransaction
from backend.settlement.services import confirmation
from backend.settlement.services.rows import move, note, sign_anew

State = OutboxTransaction.State
MAX_IN_FLIGHT = 16
MAX_BUMPS = 8
PASSING_REFUSALS = frozenset(
    {
        "DeliveryNotEnded",
        "EnforcedPause",
        "IntervalOpen",
        "ReadingAwaited",
        "StillBinding",
        "TermExceedsWithdrawalDelay",
    }
)
"""Refusals that time or the pauser lifts."""
DONE_BEFORE = frozenset(
    {"AlreadyCommitted", "AlreadySettled", "MeterTaken", "NotCommitted", "RootMismatch", "StaleNonce"}
)
"""Refusals that one gets for doing a thing twice: an earlier transaction of the row may have done it."""
logger = logging.getLogger(__name__)


class Sender:
    """One account's round of the outbox, after lost blocks were dealt with."""

    def __init__(
        self,
        chain: Chain,
        rows: QuerySet[OutboxTransaction],
        *,
        caution: Caution,
        head: Head,
        key: str,
    ) -> None:
        """Prepare to send ``rows`` with the account of ``key``."""
        self._chain = chain
        self._rows = rows
        self._key = key
        self._caution = caution
        self._head = head
        self._address = signing.address_of(key)

    def run(self) -> list[OutboxTransaction]:
        """Returns the rows that changed state.

        Raises:
            ChainUnavailableError: the node does not answer, or gives the account an impossible nonce.
        """
        mined, buried = self._nonces()
        changed = []
        reachable = mined
        for row in self._rows.filter(state=State.SENT).order_by("nonce"):
            if self._follow(row, mined=mined, buried=buried, reachable=reachable):
                changed.append(row)
            if row.nonce is not None:
                reachable = max(reachable, row.nonce + 1)
        return changed + self._send_waiting()

    def _nonces(self) -> tuple[int, int]:
        """How many of the account's transactions are in blocks, and in blocks that lie deep enough.

        Raises:
            ChainUnavailableError: fewer than were seen, or more than can be ours in blocks that are new.
        """
        mined = self._chain.mined_nonce(self._address)
        depth = max(self._caution.confirmations, 1)
        buried = self._chain.spent_nonce(self._address, depth=depth)
        ours = OutboxTransaction.objects.filter(sender=self._address, nonce__isnull=False)
        seen = _next_nonce(ours.filter(block_number__isnull=False))
        if mined < seen:
            raise ChainUnavailableError(f"the node has forgotten transactions: nonce {mined} after {seen}")
        if mined > max(_next_nonce(ours), buried):
            raise ChainUnavailableError(f"the account's nonce jumped to {mined}, beyond all that was sent")
        return mined, buried

    def _follow(self, row: OutboxTransaction, *, mined: int, buried: int, reachable: int) -> bool:
        """Look for a sent row's receipt; send the row again where the node has lost it.

        Nonces below ``buried`` were used when this round began, so a receipt that is there can be found.
        Nonces above ``reachable`` have a gap below them.
        """
        receipt = self._receipt(row.tx_hash, *row.replaced_hashes)
        if receipt:
            return self._record(row, receipt)
        nonce = row.signed_nonce
        if row.sender != self._address or nonce < buried or nonce > reachable:
            logger.warning("%s: nonce %d of %s is not to be had; signing again", row, nonce, row.sender)
            sign_anew(row)
            return True
        if not self._chain.is_known(row.tx_hash):
            if why := self._over(row):
                self._fail(row, why)
                return True
            move(row, State.SENT, sent_at_block=self._head.number)
            self._send(row)
        elif self._head.base_fee > row.max_fee_wei or self._waits_too_long(row, mined):
            self._send(row, bump=True)
        return False

    def _over(self, row: OutboxTransaction) -> str:
        """Why the row must not be sent any more, or nothing."""
        if row.not_after is None or self._head.time < row.not_after:
            return ""
        return f"it was not to be sent after {row.not_after.isoformat()}"

    def _waits_too_long(self, row: OutboxTransaction, mined: int) -> bool:
        """Whether blocks pass the row by though it is its turn: its tip is too low."""
        passed = self._head.number - (row.sent_at_block or 0)
        return row.nonce == mined and passed >= self._caution.patience_blocks

    def _receipt(self, *hashes: str) -> Receipt | None:
        return next(filter(None, map(self._chain.receipt, hashes)), None)

    def _record(self, row: OutboxTransaction, receipt: Receipt) -> bool:
        hashes = {row.tx_hash, *row.replaced_hashes} - {"", receipt.tx_hash}
        columns = {
            "sender": receipt.sender,
            "nonce": receipt.nonce,
            "tx_hash": receipt.tx_hash,
            "replaced_hashes": sorted(hashes),
            "block_number": receipt.block_number,
            "block_hash": receipt.block_hash,
            "block_time": receipt.block_time,
            "gas_used": receipt.gas_used,
        }
        why = None if receipt.succeeded else self._chain.why_reverted(receipt)
        with transaction.atomic():
            same_nonce = OutboxTransaction.objects.filter(sender=receipt.sender, nonce=receipt.nonce)
            for rival in same_nonce.exclude(pk=row.pk):
                sign_anew(rival)
            if why is None:
                move(row, State.MINED, error="", **columns)
                confirmation.mined(self._chain, row, receipt)
            else:
                move(row, State.REVERTED, error=str(why), **columns)
        if why is not None:
            logger.error("%s was refused by the chain: %s", row.key, why)
        return True

    def _send_waiting(self) -> list[OutboxTransaction]:
        """Send pending rows in the order they were written, with consecutive nonces."""
        mined = self._chain.mined_nonce(self._address)
        in_flight = OutboxTransaction.objects.filter(state=State.SENT, sender=self._address)
        count = in_flight.count()
        nonce = max(mined, _next_nonce(in_flight))
        free = Q(after=None) | Q(after__state__in=OutboxTransaction.ON_CHAIN)
        waiting = self._rows.filter(free, state=State.PENDING).order_by("id")
        changed = []
        for row in waiting:
            receipt = self._receipt(*row.replaced_hashes)
            if receipt:
                self._record(row, receipt)
                changed.append(row)
                continue
            if count >= MAX_IN_FLIGHT:
                break
            if why := self._over(row):
                self._fail(row, why)
                changed.append(row)
                continue
            gas = self._gas(row, others=count)
            if gas:
                if not self._offer(row, nonce, gas):
                    break
                nonce, count = nonce + 1, count + 1
            if row.state != State.PENDING:
                changed.append(row)
        return changed

    def _gas(self, row: OutboxTransaction, *, others: int) -> int:
        """The gas limit for a pending row, or 0 where it has to wait or has failed.

        What is in flight (``others``) may be what this row builds on; some refusals pass with time.
        """
        try:
            return self._chain.estimate_gas(self._to(row), self._data(row), sender=self._address)
        except NodeRefusedError as error:
            note(row, f"the node does not estimate it: {error}")
        except GasCapExceededError as refusal:
            self._fail(row, str(refusal))
        except RevertedError as refusal:
            done = bool(row.replaced_hashes) and refusal.name in DONE_BEFORE
            if others:
                note(row, str(refusal), level=logging.INFO)
            elif done or refusal.name in PASSING_REFUSALS:
                note(row, str(refusal))
            else:
                self._fail(row, str(refusal))
        return 0

    def _offer(self, row: OutboxTransaction, nonce: int, gas: int) -> bool:
        """Sign and send; False where the chain is dearer than we may pay."""
        cap = self._caution.max_fee_wei
        if self._head.base_fee > cap:
            note(row, f"gas costs {self._head.base_fee} wei, more than CHAIN_MAX_FEE_WEI ({cap})")
            return False
        row.nonce, row.gas_limit = nonce, gas
        self._sign_and_store(row, self._chain.fees().capped(cap))
        self._send(row)
        return True

    def _send(self, row: OutboxTransaction, *, bump: bool = False) -> None:
        for _ in range(MAX_BUMPS):
            if bump and not self._bump(row):
                return
            try:
                self._chain.send(self._signed(row).raw)
            except UnderpricedError:
                bump = True
            except NonceTakenError:
                return  # the next round finds the receipt, or signs again
            except NodeRefusedError as error:
                note(row, f"the node does not take it: {error}")
                return
            else:
                return
        note(row, "the node wants still higher fees")

    def _bump(self, row: OutboxTransaction) -> bool:
        """Offer more for the same nonce; False where that would exceed the cap."""
        cap = self._caution.max_fee_wei
        fees = Fees(row.max_fee_wei, row.tip_wei).replacement(self._chain.fees(), cap=cap)
        if fees is None:
            note(row, f"a higher fee is needed than CHAIN_MAX_FEE_WEI ({cap}) allows")
            return False
        row.replaced_hashes = [row.tx_hash, *row.replaced_hashes]
        self._sign_and_store(row, fees)
        return True

    def _sign_and_store(self, row: OutboxTransaction, fees: Fees) -> None:
        row.max_fee_wei, row.tip_wei = fees.max_fee, fees.max_priority_fee
        move(
            row,
            State.SENT,
            sender=self._address,
            nonce=row.nonce,
            gas_limit=row.gas_limit,
            max_fee_wei=row.max_fee_wei,
            tip_wei=row.tip_wei,
            tx_hash=self._signed(row).tx_hash,
            replaced_hashes=row.replaced_hashes,
            sent_at_block=self._head.number,
            error="",
        )

    def _signed(self, row: OutboxTransaction) -> SignedTransaction:
        envelope = Envelope(row.signed_nonce, row.gas_limit, Fees(row.max_fee_wei, row.tip_wei))
        return self._chain.sign(self._to(row), self._data(row), envelope, key=self._key)

    def _to(self, row: OutboxTransaction) -> str:
        return self._chain.addresses[row.contract]

    def _data(self, row: OutboxTransaction) -> str:
        return self._chain.call_data(row.contract, row.function, row.arguments)

    def _fail(self, row: OutboxTransaction, why: str) -> None:
        logger.error("%s cannot be sent: %s", row.key, why)
        with transaction.atomic():
            move(row, State.FAILED, error=why, nonce=None)
            confirmation.final(row)


def _next_nonce(rows: QuerySet[OutboxTransaction]) -> int:
    """One more than the highest nonce of ``rows``, 0 for none."""
    last = rows.aggregate(last=Max("nonce"))["last"]
    return 0 if last is None else int(last) + 1
