"""What was deployed where, as a file that is whole at every moment; it holds no secret."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from backend.chain.client import Chain, Receipt
from backend.chain.compiler import Artifact
from backend.chain.deployment import create2
from backend.chain.deployment.contents import NAMES, Terms
from backend.chain.deployment.plan import Creation, Plan
from backend.chain.deployment.steps import GrantRole, Step, steps_of
from backend.chain.files import write_whole

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts lie, by role; ``first_block`` is before the first one's creation."""

    chain_id: int
    addresses: Mapping[str, str] = field(hash=False)
    first_block: int

    @classmethod
    def load(cls, path: Path) -> "Deployment | None":
        """The complete deployment recorded at ``path``, or None."""
        journal = Journal.open(path)
        return journal.deployment if journal is not None and journal.content["complete"] else None

    def connect(self, url: str, artifacts: Mapping[str, Artifact]) -> Chain:
        """Access to these contracts through the node at ``url``."""
        contracts = {role: (address, artifacts[NAMES[role]]) for role, address in self.addresses.items()}
        return Chain(url, contracts, chain_id=self.chain_id)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A transaction that was signed and, but for a crash, sent; ``max_fee`` in wei per gas.

    ``replaced`` are the hashes of those with the same nonce before it; one of them may be mined instead.
    """

    tx_hash: str
    nonce: int
    max_fee: int
    replaced: tuple[str, ...] = ()


class Journal:
    """The record of one deployment, from before its first transaction on."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        """Hold ``content``; ``save`` writes it."""
        self.path = path
        self.content = content

    @classmethod
    def open(cls, path: Path) -> "Journal | None":
        """The record at ``path``; None when there is none, or none that we can read."""
        if not path.exists():
            return None
        content = json.loads(path.read_text())
        return cls(path, content) if content.get("format") == FORMAT else None

    @classmethod
    def begin(cls, path: Path, plan: Plan, *, first_block: int) -> "Journal":
        """A new record of a plan of which nothing was sent yet; not saved."""
        content = {
            "format": FORMAT,
            "network": plan.network.name,
            "chain_id": plan.network.chain_id,
            "complete": False,
            "plan": plan.digest,
            "label": plan.label,
            "deployer": plan.deployer,
            "create2_proxy": create2.PROXY,
            "first_block": first_block,
            "compiler": _compiler(plan),
            "terms": asdict(plan.terms),
            "addresses": dict(plan.addresses),
            "contracts": {creation.role: _contract(creation) for creation in plan.creations},
            "transactions": dict.fromkeys(step.key for step in steps_of(plan)),
            "roles": [
                {"contract": s.contract, "role": s.role, "holder": s.holder, "account": s.account}
                for s in steps_of(plan)
                if isinstance(s, GrantRole)
            ],
            "in_flight": None,
        }
        return cls(path, content)

    @property
    def deployment(self) -> Deployment:
        """The addresses."""
        content = self.content
        return Deployment(content["chain_id"], content["addresses"], content["first_block"])

    @property
    def terms(self) -> Terms:
        """What it was built with."""
        fields = dict(self.content["terms"])
        accounts = {holder: tuple(accounts) for holder, accounts in fields.pop("accounts").items()}
        return Terms(accounts=accounts, **fields)

    def sending(self, step: Step, sent: "InFlight") -> None:
        """Note a transaction before it is sent, so that one that outlives us is waited for."""
        self.content["in_flight"] = {"step": step.key, **asdict(sent)}
        self.save()

    def in_flight(self, step: Step) -> "InFlight | None":
        """The transaction that was sent last, if it was this step's and its receipt is not noted."""
        sent = dict(self.content["in_flight"] or {})
        if sent.pop("step", None) != step.key:
            return None
        return InFlight(**sent | {"replaced": tuple(sent["replaced"])})

    def made(self, step: Step, receipt: Receipt) -> None:
        """Note a step's transaction."""
        self.content["transactions"][step.key] = {
            "tx_hash": receipt.tx_hash,
            "block_number": receipt.block_number,
            "gas_used": receipt.gas_used,
        }
        self.content["in_flight"] = None
        self.save()

    def complete(self, code_hashes: Mapping[str, str]) -> None:
        """Note that all is there and was checked; ``code_hashes`` are of the code on the chain, by role."""
        for role, code_hash in code_hashes.items():
            self.content["contracts"][role]["code_hash"] = code_hash
        self.content |= {"complete": True, "in_flight": None}
        self.save()

    def save(self) -> None:
        """Write the file."""
        write_whole(self.path, json.dumps(self.content, indent=2) + "\n")


def _compiler(plan: Plan) -> dict[str, Any]:
    metadata = json.loads(plan.creations[-1].artifact.metadata)
    settings = {k: v for k, v in metadata["settings"].items() if k not in {"compilationTarget", "libraries"}}
    return {"version": metadata["compiler"]["version"], "settings": settings}


def _contract(creation: Creation) -> dict[str, Any]:
    return {
        "name": creation.name,
        "source": creation.artifact.source,
        "address": creation.address,
        "salt": "0x" + creation.salt.hex(),
        "constructor_arguments": list(creation.arguments),
        "encoded_arguments": "0x" + creation.encoded_arguments.hex(),
        "init_code_hash": "0x" + keccak(creation.init_code).hex(),
        "build_code_hash": "0x" + keccak(hexstr=creation.artifact.runtime).hex(),
        "code_hash": None,
    }
