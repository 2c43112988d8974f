"""Putting the contracts on a chain, once."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3

from backend.chain.client import LOCAL_CHAIN_ID, Chain, Envelope, Receipt
from backend.chain.compiler import Artifact
from backend.chain.errors import ChainUnavailableError

RECEIPT_TIMEOUT_S = 120.0
KEY_NOTICE_S = 86_400  # in which an owner can refuse a meter's new key
ATTESTORS_NEEDED = 1
_POLL_S = 0.1
_LOCAL_BALANCE_WEI = 10**24


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts lie; ``first_block`` is the block of the token's creation or before it."""

    chain_id: int
    token: str
    registry: str
    oracle: str
    exchange: str
    first_block: int

    @classmethod
    def load(cls, path: Path) -> "Deployment | None":
        """The deployment recorded at ``path``, or None."""
        return cls(**json.loads(path.read_text())) if path.exists() else None

    def save(self, path: Path) -> None:
        """Record the deployment at ``path``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def connect(self, url: str, artifacts: dict[str, Artifact]) -> Chain:
        """Access to these contracts through the node at ``url``."""
        contracts = {
            "token": (self.token, artifacts["MockStablecoin"]),
            "registry": (self.registry, artifacts["ParticipantRegistry"]),
            "oracle": (self.oracle, artifacts["MeterOracle"]),
            "exchange": (self.exchange, artifacts["EnergyExchange"]),
        }
        return Chain(url, contracts, chain_id=self.chain_id)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contracts are built with; durations in seconds. ``token`` is an existing stablecoin, or None."""

    retailer: str
    fund: str
    operator: str
    interval_s: int
    withdrawal_delay_s: int
    settlement_term_s: int
    reading_deadline_s: int
    token: str | None = None


def deploy(url: str, artifacts: dict[str, Artifact], terms: Terms, *, deployer_key: str) -> Deployment:
    """Create the contracts and make the operator operator and registrar; the deployer stays admin.

    Raises:
        RevertedError: ``MainnetRefused`` when ``terms.token`` is None on a chain where money is real.
        ChainUnavailableError: the node does not answer, or mines nothing for two minutes.
    """
    sender = _Sender(Chain(url, {}), deployer_key)
    chain_id = sender.chain.chain_id()
    if chain_id == LOCAL_CHAIN_ID:
        for account in (sender.address, terms.operator):
            sender.chain.set_local_balance(account, wei=_LOCAL_BALANCE_WEI)
    first_block = sender.chain.head().number
    token = terms.token or sender.create(artifacts["MockStablecoin"], [])
    registry = sender.create(artifacts["ParticipantRegistry"], [sender.address, KEY_NOTICE_S])
    oracle = sender.create(
        artifacts["MeterOracle"],
        [registry, sender.address, ATTESTORS_NEEDED, terms.reading_deadline_s],
    )
    exchange_terms = (
        token,
        oracle,
        Web3.to_checksum_address(terms.retailer),
        Web3.to_checksum_address(terms.fund),
        sender.address,
        terms.interval_s,
        terms.withdrawal_delay_s,
        terms.settlement_term_s,
    )
    exchange = sender.create(artifacts["EnergyExchange"], [exchange_terms])
    deployment = Deployment(chain_id, token, registry, oracle, exchange, first_block)
    chain = deployment.connect(url, artifacts)
    for role, function in (
        ("registry", "REGISTRAR_ROLE"),
        ("exchange", "OPERATOR_ROLE"),
    ):
        name = chain.call(role, function)
        data = chain.call_data(role, "grantRole", [name, Web3.to_checksum_address(terms.operator)])
        sender.transact(chain.addresses[role], data)
    return deployment


class _Sender:
    """Sends one transaction after the other and waits for each; the chain may mine by its own clock."""

    def __init__(self, chain: Chain, key: str) -> None:
        self.chain = chain
        self._key = key
        self.address: str = Account.from_key(key).address

    def create(self, artifact: Artifact, arguments: list[Any]) -> str:
        """Address of the contract created."""
        contract = Web3().eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        data = contract.constructor(*arguments).data_in_transaction
        return str(self.transact(None, data).raw["contractAddress"])

    def transact(self, to: str | None, data: str) -> Receipt:
        """Send and wait until it is mined."""
        envelope = Envelope(
            nonce=self.chain.mined_nonce(self.address),
            gas=self.chain.estimate_gas(to, data, sender=self.address),
            fees=self.chain.fees(),
        )
        signed = self.chain.sign(to, data, envelope, key=self._key)
        self.chain.send(signed.raw)
        deadline = time.monotonic() + RECEIPT_TIMEOUT_S
        while (receipt := self.chain.receipt(signed.tx_hash)) is None:
            if time.monotonic() > deadline:
                raise ChainUnavailableError(f"{signed.tx_hash} was not mined in {RECEIPT_TIMEOUT_S:.0f} s")
            time.sleep(_POLL_S)
        if not receipt.succeeded:
            raise self.chain.why_reverted(receipt)
        return receipt
