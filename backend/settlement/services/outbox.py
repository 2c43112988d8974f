"""The one way to the chain: rows written with what they settle, sent by one sender at a time.

A row's nonce, gas and fees are stored before it is sent, so that after a crash the same bytes are sent
again, or their receipt is found. A row whose nonce was used by another transaction starts over; a confirmed
row whose block the chain has lost is sent again.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from backend.chain.client import Chain, Envelope, Fees, Receipt, SignedTransaction
from backend.chain.errors import NonceTakenError, RevertedError, UnderpricedError
from backend.registry import signing
from backend.registry.locks import sole
from backend.settlement.models import OutboxTransaction
from backend.settlement.services import confirmation

State = OutboxTransaction.State
MAX_IN_FLIGHT = 16
MAX_BUMPS = 8
PASSING_REFUSALS = frozenset({"DeliveryNotEnded", "ReadingAwaited", "RetailerUnderfunded", "EnforcedPause"})
UNSENT: dict[str, Any] = {
    "sender": "",
    "nonce": None,
    "gas_limit": 0,
    "max_fee_wei": 0,
    "tip_wei": 0,
    "tx_hash": "",
    "replaced_hashes": [],
}
logger = logging.getLogger(__name__)


def enqueue(key: str, contract: str, function: str, arguments: Sequence[Any]) -> OutboxTransaction:
    """The outbox row with this key, made in the caller's transaction when it is new.

    ``contract`` is a role (``exchange``, ``registry``); ``arguments`` are JSON: bytes as 0x hex, structs by
    field name.
    """
    row, _ = OutboxTransaction.objects.get_or_create(
        key=key, defaults={"contract": contract, "function": function, "arguments": list(arguments)}
    )
    return row


def retry(key: str) -> bool:
    """Let a failed row be tried again; False when there is none."""
    failed = OutboxTransaction.objects.filter(key=key, state=State.FAILED)
    return failed.update(state=State.PENDING, error="", **UNSENT) == 1


def pump(chain: Chain, *, operator_key: str) -> list[OutboxTransaction]:
    """Confirm what was mined, send again what was lost, send what waits; returns the rows that changed state.

    Does nothing while another process is at it.

    Raises:
        ChainUnavailableError: the node does not answer; call again later.
        ContractsMissingError: the node has another chain, or one that was started afresh.
    """
    with sole("outbox") as alone:
        return _Sender(chain, operator_key).run() if alone else []


class _Sender:
    """One round of the outbox."""

    def __init__(self, chain: Chain, key: str) -> None:
        self._chain = chain
        self._key = key
        self._address = signing.address_of(key)

    def run(self) -> list[OutboxTransaction]:
        self._chain.require_contracts()
        mined = self._chain.mined_nonce(self._address)
        lost = OutboxTransaction.objects.filter(state=State.CONFIRMED, sender=self._address, nonce__gte=mined)
        for row in lost:
            logger.error("the chain has lost %s; sending it again", row.key)
            _move(row, State.SENT, block_number=None, block_time=None, gas_used=None)
        spent = self._chain.spent_nonce(self._address)
        sent = OutboxTransaction.objects.filter(state=State.SENT).order_by("nonce")
        changed = [row for row in sent if self._follow(row, spent)]
        return changed + self._send_waiting()

    def _follow(self, row: OutboxTransaction, spent: int) -> bool:
        """Look for a sent row's receipt; send the row again where the node has lost it.

        Nonces below ``spent`` were used when this round began, so a receipt that is there can be found.
        """
        for tx_hash in (row.tx_hash, *row.replaced_hashes):
            receipt = self._chain.receipt(tx_hash)
            if receipt:
                return self._record(row, receipt)
        if row.sender != self._address or row.signed_nonce < spent:
            logger.warning(
                "%s: nonce %d of %s is spent or not ours; signing again", row, row.signed_nonce, row.sender
            )
            _move(row, State.PENDING, **UNSENT)
            return True
        if not self._chain.is_known(row.tx_hash):
            self._send(row)
        elif self._chain.head().base_fee > row.max_fee_wei:
            self._send(row, bump=True)
        return False

    def _record(self, row: OutboxTransaction, receipt: Receipt) -> bool:
        mined = {
            "tx_hash": receipt.tx_hash,
            "block_number": receipt.block_number,
            "block_time": receipt.block_time,
            "gas_used": receipt.gas_used,
        }
        if not receipt.succeeded:
            return self._fail(row, self._chain.why_reverted(receipt), **mined)
        with transaction.atomic():
            _move(row, State.CONFIRMED, error="", **mined)
            confirmation.confirmed(self._chain, row, receipt)
        return True

    def _send_waiting(self) -> list[OutboxTransaction]:
        """Send pending rows in the order they were written, with consecutive nonces."""
        mined = self._chain.mined_nonce(self._address)
        in_flight = OutboxTransaction.objects.filter(state=State.SENT, sender=self._address)
        count = in_flight.count()
        last = in_flight.aggregate(last=Max("nonce"))["last"]
        nonce = mined if last is None else max(mined, last + 1)
        waiting = OutboxTransaction.objects.filter(state=State.PENDING).order_by("id")
        changed = []
        fees = self._chain.fees() if waiting.exists() else Fees(0, 0)
        for row in waiting:
            if count >= MAX_IN_FLIGHT:
                break
            try:
                gas = self._estimate(row)
            except RevertedError as refusal:
                # What is in flight may be what this row builds on; some refusals pass with time.
                if count or refusal.name in PASSING_REFUSALS:
                    _note(row, refusal)
                else:
                    self._fail(row, refusal)
                    changed.append(row)
                continue
            row.nonce, row.gas_limit = nonce, gas
            self._sign_and_store(row, fees)
            self._send(row)
            nonce, count = nonce + 1, count + 1
            changed.append(row)
        return changed

    def _estimate(self, row: OutboxTransaction) -> int:
        return self._chain.estimate_gas(self._to(row), self._data(row), sender=self._address)

    def _send(self, row: OutboxTransaction, *, bump: bool = False) -> None:
        for _ in range(MAX_BUMPS):
            if bump:
                row.replaced_hashes = [row.tx_hash, *row.replaced_hashes]
                self._sign_and_store(row, Fees(row.max_fee_wei, row.tip_wei).bumped())
            try:
                self._chain.send(self._signed(row).raw)
            except UnderpricedError:
                bump = True
            except NonceTakenError:
                return  # the next round finds the receipt, or signs again
            else:
                return
        logger.warning("%s: the node wants still higher fees", row)

    def _sign_and_store(self, row: OutboxTransaction, fees: Fees) -> None:
        row.max_fee_wei, row.tip_wei = fees.max_fee, fees.max_priority_fee
        _move(
            row,
            State.SENT,
            sender=self._address,
            nonce=row.nonce,
            gas_limit=row.gas_limit,
            max_fee_wei=row.max_fee_wei,
            tip_wei=row.tip_wei,
            tx_hash=self._signed(row).tx_hash,
            replaced_hashes=row.replaced_hashes,
            error="",
        )

    def _signed(self, row: OutboxTransaction) -> SignedTransaction:
        envelope = Envelope(row.signed_nonce, row.gas_limit, Fees(row.max_fee_wei, row.tip_wei))
        return self._chain.sign(self._to(row), self._data(row), envelope, key=self._key)

    def _to(self, row: OutboxTransaction) -> str:
        return self._chain.addresses[row.contract]

    def _data(self, row: OutboxTransaction) -> str:
        return self._chain.call_data(row.contract, row.function, row.arguments)

    def _fail(self, row: OutboxTransaction, why: RevertedError, **mined: Any) -> bool:  # noqa: ANN401 - columns
        logger.error("%s was refused by the chain: %s", row.key, why)
        _move(row, State.FAILED, error=str(why), **mined)
        return True


def _move(row: OutboxTransaction, state: State, **columns: Any) -> None:  # noqa: ANN401 - columns
    for name, value in {"state": state, **columns}.items():
        setattr(row, name, value)
    row.save(update_fields=["state", *columns])


def _note(row: OutboxTransaction, refusal: RevertedError) -> None:
    if row.error != str(refusal):
        row.error = str(refusal)
        row.save(update_fields=["error"])
