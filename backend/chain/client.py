"""Typed access to one chain and to the platform's contracts on it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ABI, BlockNumber, ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.logs import DISCARD
from web3.types import FilterParams, RPCEndpoint, RPCResponse, TxParams, TxReceipt

from backend.chain.compiler import Artifact
from backend.chain.errors import (
    ChainUnavailableError,
    ContractsMissingError,
    NonceTakenError,
    RevertedError,
    UnderpricedError,
)
from backend.chain.reverts import explain

TIMEOUT_S = 5.0
GAS_MARGIN_PERCENT = 125
FEE_BUMP_PERCENT = 125
LOCAL_CHAIN_ID = 31337
BLOCKS_A_QUERY = 50_000
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block; fees in wei per gas."""

    number: int
    time: datetime
    base_fee: int


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees, wei per gas."""

    max_fee: int
    max_priority_fee: int

    def bumped(self) -> "Fees":
        """Fees high enough for a node to let them replace these."""
        return Fees(
            self.max_fee * FEE_BUMP_PERCENT // 100 + 1, self.max_priority_fee * FEE_BUMP_PERCENT // 100 + 1
        )


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


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction; ``raw`` is what the node said, for decoding events."""

    tx_hash: str
    succeeded: bool
    block_number: int
    block_time: datetime
    gas_used: int
    raw: TxReceipt


class Chain:
    """One node, and the platform's contracts by role (``token``, ``registry``, ``exchange``)."""

    def __init__(
        self, url: str, contracts: Mapping[str, tuple[str, Artifact]], *, chain_id: int | None = None
    ) -> None:
        """Connect lazily; ``contracts`` maps a role to its address and artefact."""
        self._web3 = Web3(_Provider(url, {"timeout": TIMEOUT_S}, exception_retry_configuration=None))
        self._chain_id = chain_id
        self._addresses = {
            role: Web3.to_checksum_address(address) for role, (address, _) in contracts.items()
        }
        self._contracts: dict[str, Contract] = {
            role: self._web3.eth.contract(
                address=self._addresses[role], abi=cast("ABI", artifact.abi), decode_tuples=True
            )
            for role, (_, artifact) in contracts.items()
        }

    @property
    def addresses(self) -> Mapping[str, ChecksumAddress]:
        """Contract addresses by role."""
        return self._addresses

    def chain_id(self) -> int:
        """The node's chain id."""
        return self._web3.eth.chain_id

    def require_contracts(self) -> None:
        """Refuse to go on when this is not the chain, or the exchange is not on it.

        Raises:
            ContractsMissingError: another chain id, or no code at the exchange's address.
        """
        found = self.chain_id()
        if self._chain_id not in (None, found):
            raise ContractsMissingError(f"the node is on chain {found}, not {self._chain_id}")
        if not self.has_code(self._addresses["exchange"]):
            raise ContractsMissingError(f"no exchange at {self._addresses['exchange']} on chain {found}")

    def has_code(self, address: str) -> bool:
        """Whether a contract lies at ``address``."""
        return len(self._web3.eth.get_code(Web3.to_checksum_address(address))) > 0

    def head(self) -> Head:
        """The newest block."""
        block = self._web3.eth.get_block("latest")
        return Head(
            number=block["number"],
            time=datetime.fromtimestamp(block["timestamp"], UTC),
            base_fee=int(block.get("baseFeePerGas", 0)),
        )

    def fees(self) -> Fees:
        """Fees that stay enough while the base fee doubles."""
        tip = int(self._web3.eth.max_priority_fee)
        return Fees(2 * self.head().base_fee + tip, tip)

    def mined_nonce(self, account: str) -> int:
        """How many of the account's transactions are in blocks."""
        return self._web3.eth.get_transaction_count(Web3.to_checksum_address(account), "latest")

    def spent_nonce(self, account: str) -> int:
        """Nonces below this were used a block ago or earlier, so that their receipts are there.

        0 where the node, fresh from a restart, has only the newest block's state.
        """
        block = BlockNumber(max(self.head().number - 1, 0))
        try:
            return self._web3.eth.get_transaction_count(Web3.to_checksum_address(account), block)
        except Web3RPCError:
            return 0

    def call(self, role: str, function: str, *arguments: Any) -> Any:  # noqa: ANN401 - the ABI decides
        """The answer of a view function at the newest block; structs have their fields as attributes."""
        return self._function(role, function, arguments).call()

    def call_data(self, role: str, function: str, arguments: Sequence[Any]) -> str:
        """What to send to the contract to call the function, 0x hex; structs are mappings by field name."""
        return str(self._contracts[role].encode_abi(function, list(arguments)))

    def estimate_gas(self, to: str | None, data: str, *, sender: str) -> int:
        """Gas limit for a transaction, with a margin; ``to`` is None to create a contract.

        Raises:
            RevertedError: the contract would refuse it at the newest block.
        """
        transaction: TxParams = {"from": Web3.to_checksum_address(sender), "data": HexStr(data)}
        if to is not None:
            transaction["to"] = Web3.to_checksum_address(to)
        try:
            needed = self._web3.eth.estimate_gas(transaction, "latest")
        except ContractLogicError as error:
            raise self._reverted(error) from error
        return needed * GAS_MARGIN_PERCENT // 100

    def sign(self, to: str | None, data: str, envelope: Envelope, *, key: str) -> SignedTransaction:
        """A signed transaction, not sent yet."""
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id if self._chain_id is not None else self.chain_id(),
            "nonce": envelope.nonce,
            "data": data,
            "value": 0,
            "gas": envelope.gas,
            "maxFeePerGas": envelope.fees.max_fee,
            "maxPriorityFeePerGas": envelope.fees.max_priority_fee,
        }
        if to is not None:
            transaction["to"] = to
        account: LocalAccount = Account.from_key(key)
        signed = account.sign_transaction(transaction)
        return SignedTransaction(raw=signed.raw_transaction.to_0x_hex(), tx_hash=signed.hash.to_0x_hex())

    def send(self, raw: str) -> None:
        """Hand signed bytes to the node; sending what it already has is no error.

        Raises:
            NonceTakenError: the nonce is used.
            UnderpricedError: a higher fee is wanted.
        """
        try:
            self._web3.eth.send_raw_transaction(HexBytes(raw))
        except Web3RPCError as error:
            said = str(error).lower()
            if "already known" in said or "already imported" in said:
                return
            if "nonce too low" in said:
                raise NonceTakenError(said) from error
            if "underpriced" in said or "less than block base fee" in said:
                raise UnderpricedError(said) from error
            raise

    def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt of a mined transaction, or None."""
        try:
            raw = self._web3.eth.get_transaction_receipt(HexStr(tx_hash))
        except TransactionNotFound:
            return None
        block = self._web3.eth.get_block(raw["blockNumber"])
        return Receipt(
            tx_hash=raw["transactionHash"].to_0x_hex(),
            succeeded=raw["status"] == 1,
            block_number=raw["blockNumber"],
            block_time=datetime.fromtimestamp(block["timestamp"], UTC),
            gas_used=raw["gasUsed"],
            raw=raw,
        )

    def is_known(self, tx_hash: str) -> bool:
        """Whether the node holds the transaction, mined or waiting."""
        try:
            self._web3.eth.get_transaction(HexStr(tx_hash))
        except TransactionNotFound:
            return False
        return True

    def why_reverted(self, receipt: Receipt) -> RevertedError:
        """The contract's reason for a mined failure, found by calling it again in the same block."""
        sent = self._web3.eth.get_transaction(receipt.raw["transactionHash"])
        again: TxParams = {"from": sent["from"], "to": sent["to"], "data": sent["input"], "gas": sent["gas"]}
        try:
            self._web3.eth.call(again, receipt.block_number)
        except ContractLogicError as error:
            return self._reverted(error)
        except Web3RPCError:
            logger.info("the node no longer has the state of block %d", receipt.block_number)
        return RevertedError("Unknown", {"gas_used": receipt.gas_used, "gas": sent["gas"]})

    def events(self, role: str, name: str, receipt: Receipt) -> list[dict[str, Any]]:
        """Arguments of each event ``name`` that the contract emitted in the transaction, in order."""
        decoded = self._contracts[role].events[name]().process_receipt(receipt.raw, errors=DISCARD)
        return [dict(event["args"]) for event in decoded if event["address"] == self._addresses[role]]

    def logs(self, role: str, *, from_block: int = 0) -> list[dict[str, Any]]:
        """Every log of the contract as the node has it: topics and data undecoded, in chain order."""
        newest = self.head().number
        found: list[dict[str, Any]] = []
        for first in range(from_block, newest + 1, BLOCKS_A_QUERY):
            last = min(first + BLOCKS_A_QUERY - 1, newest)
            asked: FilterParams = {"address": self._addresses[role], "fromBlock": first, "toBlock": last}
            found += [cast("dict[str, Any]", log) for log in self._web3.eth.get_logs(asked)]
        return found

    def set_local_balance(self, account: str, *, wei: int) -> None:
        """Give an account money for gas; only a local Anvil can do it."""
        self._web3.provider.make_request(
            RPCEndpoint("anvil_setBalance"), [Web3.to_checksum_address(account), hex(wei)]
        )

    def _function(self, role: str, function: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401 - web3's
        return self._contracts[role].functions[function](*arguments)

    def _reverted(self, error: ContractLogicError) -> RevertedError:
        return explain(error, [contract.abi for contract in self._contracts.values()])


class _Provider(HTTPProvider):
    """Turns every way of not reaching the node into one error."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 - web3's signature
        try:
            return super().make_request(method, params)
        except requests.RequestException as error:
            raise ChainUnavailableError(f"{self.endpoint_uri}: {type(error).__name__}") from error
