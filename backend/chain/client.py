"""Typed access to one chain and to the platform's contracts on it."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ABI, BlockNumber, ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import (
    BadFunctionCallOutput,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3RPCError,
)
from web3.types import BlockData, BlockIdentifier, FilterParams, LogReceipt, RPCEndpoint, TxParams

from backend.chain.compiler import Artifact
from backend.chain.errors import (
    ChainUnavailableError,
    ContractsMissingError,
    GasCapExceededError,
    NodeRefusedError,
    NonceTakenError,
    RevertedError,
    UnderpricedError,
)
from backend.chain.reverts import explain
from backend.chain.transport import Transport
from backend.chain.values import Envelope, Fees, Head, Log, Receipt, SignedTransaction

__all__ = ["LOCAL_CHAIN_ID", "Chain", "Envelope", "Fees", "Head", "Log", "Receipt", "SignedTransaction"]

GAS_MARGIN_PERCENT = 125
MAX_TRANSACTION_GAS = 16_777_216  # EIP-7825
LOCAL_CHAIN_ID = 31337
BLOCKS_A_QUERY = 50_000
logger = logging.getLogger(__name__)


class Chain:
    """One node, and the platform's contracts by role (``token``, ``registry``, ``oracle``, ``exchange``)."""

    def __init__(
        self, url: str, contracts: Mapping[str, tuple[str, Artifact]], *, chain_id: int | None = None
    ) -> None:
        """Connect lazily; ``contracts`` maps a role to its address and artefact."""
        self._web3 = Web3(Transport(url))
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

    def is_syncing(self) -> bool:
        """Whether the node says itself that it is behind."""
        return self._web3.eth.syncing is not False

    def head(self) -> Head:
        """The newest block."""
        return _head(self._web3.eth.get_block("latest"))

    def block(self, number: int) -> Head | None:
        """The block with this number, or None where the chain is shorter."""
        return _head(found) if (found := self._block(BlockNumber(number))) else None

    def fees(self) -> Fees:
        """Fees that stay enough while the base fee doubles."""
        tip = int(self._web3.eth.max_priority_fee)
        return Fees(2 * self.head().base_fee + tip, tip)

    def mined_nonce(self, account: str) -> int:
        """How many of the account's transactions are in blocks."""
        return self._web3.eth.get_transaction_count(Web3.to_checksum_address(account), "latest")

    def spent_nonce(self, account: str, *, depth: int) -> int:
        """Nonces below this were used ``depth`` blocks ago or earlier.

        0 where the node, fresh from a restart, has only the newest block's state.
        """
        block = BlockNumber(max(self.head().number - depth, 0))
        try:
            return self._web3.eth.get_transaction_count(Web3.to_checksum_address(account), block)
        except Web3RPCError:
            return 0

    def call(self, role: str, function: str, *arguments: Any) -> Any:  # noqa: ANN401 - the ABI decides
        """The answer of a view function at the newest block; structs have their fields as attributes."""
        try:
            return self._function(role, function, arguments).call()
        except BadFunctionCallOutput as error:
            raise ContractsMissingError(f"no {role} that answers {function}") from error
        except Web3RPCError as error:
            raise ChainUnavailableError(f"{function}: {_said(error)}") from error

    def call_data(self, role: str, function: str, arguments: Sequence[Any]) -> str:
        """What to send to the contract to call the function, 0x hex; structs are mappings by field name."""
        return str(self._contracts[role].encode_abi(function, list(arguments)))

    def estimate_gas(self, to: str | None, data: str, *, sender: str) -> int:
        """Gas limit for a transaction, with a margin; ``to`` is None to create a contract.

        Raises:
            RevertedError: the contract would refuse it at the newest block.
            GasCapExceededError: it needs more gas than one transaction or block may use.
            NodeRefusedError: the node does not say.
        """
        transaction: TxParams = {"from": Web3.to_checksum_address(sender), "data": HexStr(data)}
        if to is not None:
            transaction["to"] = Web3.to_checksum_address(to)
        try:
            needed = self._web3.eth.estimate_gas(transaction, "latest")
        except ContractLogicError as error:
            raise self._reverted(error) from error
        except Web3RPCError as error:
            if "gas required exceeds" in _said(error).lower():
                raise GasCapExceededError(MAX_TRANSACTION_GAS) from error
            raise NodeRefusedError(_said(error)) from error
        cap = min(MAX_TRANSACTION_GAS, self.head().gas_limit)
        if needed > cap:
            raise GasCapExceededError(cap, needed)
        return min(needed * GAS_MARGIN_PERCENT // 100, cap)

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
            NodeRefusedError: anything else, such as an account without money for gas.
        """
        try:
            self._web3.eth.send_raw_transaction(HexBytes(raw))
        except Web3RPCError as error:
            said = _said(error).lower()
            if "already known" in said or "already imported" in said:
                return
            if "nonce too low" in said:
                raise NonceTakenError(said) from error
            if "underpriced" in said or "less than block base fee" in said:
                raise UnderpricedError(said) from error
            raise NodeRefusedError(said) from error

    def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt of a mined transaction, or None.

        Raises:
            ChainUnavailableError: the block that the receipt names does not hold the transaction.
        """
        try:
            raw = self._web3.eth.get_transaction_receipt(HexStr(tx_hash))
        except TransactionNotFound:
            return None
        block = self._block(raw["blockNumber"])
        held = block["transactions"] if block and block["hash"] == raw["blockHash"] else ()
        if block is None or HexBytes(tx_hash) not in held:
            raise ChainUnavailableError(f"receipt and block of {tx_hash} contradict each other")
        try:
            sent = self._web3.eth.get_transaction(HexStr(tx_hash))
        except TransactionNotFound as error:
            raise ChainUnavailableError(f"{tx_hash} has a receipt and is unknown") from error
        return Receipt(
            tx_hash=raw["transactionHash"].to_0x_hex(),
            sender=sent["from"],
            nonce=sent["nonce"],
            succeeded=raw["status"] == 1,
            block_number=raw["blockNumber"],
            block_hash=raw["blockHash"].to_0x_hex(),
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
        try:
            sent = self._web3.eth.get_transaction(receipt.raw["transactionHash"])
            again: TxParams = {
                "from": sent["from"],
                "to": sent["to"],
                "data": sent["input"],
                "gas": sent["gas"],
            }
            self._web3.eth.call(again, receipt.block_number)
        except ContractLogicError as error:
            return self._reverted(error)
        except Web3RPCError:
            logger.info("the node no longer has the state of block %d", receipt.block_number)
        return RevertedError("Unknown", {"gas_used": receipt.gas_used, "gas": sent["gas"]})

    def logs_of(self, role: str, receipt: Receipt) -> list[Log]:
        """What the contract logged in a mined transaction, in order."""
        return [_log(log) for log in receipt.raw["logs"] if log["address"] == self._addresses[role]]

    def logs(self, role: str, *, from_block: int = 0) -> list[Log]:
        """Every log of the contract as the node has it, in chain order."""
        newest = self.head().number
        found: list[Log] = []
        for first in range(from_block, newest + 1, BLOCKS_A_QUERY):
            last = min(first + BLOCKS_A_QUERY - 1, newest)
            asked: FilterParams = {"address": self._addresses[role], "fromBlock": first, "toBlock": last}
            found += [_log(log) for log in self._web3.eth.get_logs(asked)]
        return found

    def set_local_balance(self, account: str, *, wei: int) -> None:
        """Give an account money for gas; only a local Anvil can do it."""
        self._web3.provider.make_request(
            RPCEndpoint("anvil_setBalance"), [Web3.to_checksum_address(account), hex(wei)]
        )

    def _block(self, number: BlockIdentifier) -> BlockData | None:
        try:
            return self._web3.eth.get_block(number)
        except BlockNotFound:
            return None

    def _function(self, role: str, function: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401 - web3's
        return self._contracts[role].functions[function](*arguments)

    def _reverted(self, error: ContractLogicError) -> RevertedError:
        return explain(error, [contract.abi for contract in self._contracts.values()])


def _said(error: Web3RPCError) -> str:
    answer = error.rpc_response or {}
    return str(answer.get("error", {}).get("message", error))


def _head(block: BlockData) -> Head:
    return Head(
        number=block["number"],
        hash=block["hash"].to_0x_hex(),
        time=datetime.fromtimestamp(block["timestamp"], UTC),
        base_fee=int(block.get("baseFeePerGas", 0)),
        gas_limit=block["gasLimit"],
    )


def _log(log: LogReceipt) -> Log:
    return Log(tuple(map(bytes, log["topics"])), bytes(log["data"]), log["transactionHash"].to_0x_hex())
