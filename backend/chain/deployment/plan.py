"""The table of contents worked out for one chain: every address and argument, before anything is sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3

from backend.chain.compiler import Artifact
from backend.chain.deployment import create2
from backend.chain.deployment.contents import (
    GRANTS,
    NAMES,
    TIMELOCK,
    At,
    Contract,
    Grant,
    Terms,
    contracts,
)
from backend.chain.deployment.networks import Kind, Network

LABEL = "commonwatt"
ADMIN_ROLE = "DEFAULT_ADMIN_ROLE"
LOCAL_ADMIN_DELAY_S = 60
ADMIN_DELAY_S = 2 * 86_400


class DeploymentError(Exception):
    """The contracts cannot be put there as asked, and what to do about it."""


def role_id(name: str) -> bytes:
    """A role's identifier in OpenZeppelin's AccessControl; an identifier in 0x hex is itself."""
    if name.startswith("0x"):
        return bytes.fromhex(name[2:])
    return bytes(32) if name == ADMIN_ROLE else keccak(text=name)


@dataclass(frozen=True, slots=True)
class Creation:
    """One contract to be created; ``arguments`` and the answers of ``views`` are addresses and figures."""

    role: str
    name: str
    address: str
    salt: bytes
    init_code: bytes
    arguments: tuple[Any, ...]
    encoded_arguments: bytes
    views: Mapping[str, Any]
    administered: bool
    born_with: Mapping[str, tuple[str, ...]]
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """One account's role in one contract."""

    contract: str
    role: str
    holder: str
    account: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a complete deployment consists of.

    ``artifacts`` are those of all contracts by role, the token's included when it is an existing one.
    """

    network: Network
    deployer: str
    label: str
    terms: Terms
    creations: tuple[Creation, ...]
    grants: tuple[RoleGrant, ...]
    addresses: Mapping[str, str]
    artifacts: Mapping[str, Artifact]

    @classmethod
    def of(
        cls,
        network: Network,
        terms: Terms,
        artifacts: Mapping[str, Artifact],
        *,
        deployer: str,
        label: str = LABEL,
    ) -> "Plan":
        """Work it out.

        Args:
            network: The chain.
            terms: What the community's contracts are built with.
            artifacts: The build, by Solidity name.
            deployer: The account that sends everything, and is admin until the end.
            label: Part of every salt; another one gives another set of addresses.

        Raises:
            DeploymentError: a test stablecoin where money is or may be real; a timelock that is too short;
                a deployer who is also something else.
        """
        terms = _checked(terms, network, deployer)
        addresses: dict[str, str] = {}
        if terms.token:
            addresses["token"] = Web3.to_checksum_address(terms.token)
        creations = []
        for contract in contracts(terms, deployer=deployer):
            creation = _creation(contract, artifacts[contract.name], addresses, label)
            addresses[contract.role] = creation.address
            creations.append(creation)
        return cls(
            network=network,
            deployer=deployer,
            label=label,
            terms=terms,
            creations=tuple(creations),
            grants=tuple(_granted(GRANTS, terms)),
            addresses=addresses,
            artifacts={role: artifacts[NAMES[role]] for role in addresses},
        )

    @property
    def timelock(self) -> str:
        """The admin of everything, once all is done."""
        return self.addresses[TIMELOCK]

    @property
    def digest(self) -> str:
        """A name of the whole: two plans of one digest are one."""
        whole = [
            self.network.chain_id,
            self.addresses["token"],
            [[c.role, c.address] for c in self.creations],
            sorted([g.contract, g.role, g.account] for g in self.grants),
        ]
        return "0x" + keccak(text=json.dumps(whole)).hex()


def _checked(terms: Terms, network: Network, deployer: str) -> Terms:
    """The terms with the timelock's delay filled in."""
    if terms.token is None:
        if network.kind is Kind.MAIN:
            raise DeploymentError(
                f"money on {network.name} is real: name the stablecoin to settle in (--token)"
            )
        if network.kind is Kind.UNKNOWN:
            raise DeploymentError(
                f"chain {network.name} is not known here: name the stablecoin to settle in (--token), or say "
                "that it is a test chain (--play-money)"
            )
    for holder, accounts in terms.accounts.items():
        if deployer in accounts:
            raise DeploymentError(f"{deployer} deploys and is {holder}: the deployer must have no role after")
    if network.kind is Kind.LOCAL:
        delay = LOCAL_ADMIN_DELAY_S if terms.admin_delay_s is None else terms.admin_delay_s
        return replace(terms, admin_delay_s=delay)
    # Whoever disagrees with a change must be able to leave before it takes effect.
    delay = (
        max(ADMIN_DELAY_S, terms.withdrawal_delay_s) if terms.admin_delay_s is None else terms.admin_delay_s
    )
    if delay < terms.withdrawal_delay_s:
        raise DeploymentError(
            f"a timelock of {delay} s lets nobody withdraw ({terms.withdrawal_delay_s} s) before a change"
        )
    return replace(terms, admin_delay_s=delay)


def _creation(contract: Contract, artifact: Artifact, addresses: Mapping[str, str], label: str) -> Creation:
    arguments = tuple(_resolved(value, addresses) for value in contract.arguments)
    factory = Web3().eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    init_code = bytes.fromhex(factory.constructor(*arguments).data_in_transaction.removeprefix("0x"))
    salt = create2.salt(label, contract.role)
    return Creation(
        role=contract.role,
        name=contract.name,
        address=create2.address(salt, init_code),
        salt=salt,
        init_code=init_code,
        arguments=arguments,
        encoded_arguments=init_code[len(artifact.bytecode) // 2 - 1 :],
        views={name: _resolved(value, addresses) for name, value in contract.views.items()},
        administered=contract.administered,
        born_with=contract.born_with,
        artifact=artifact,
    )


def _resolved(value: Any, addresses: Mapping[str, str]) -> Any:  # noqa: ANN401 - the ABI decides
    if isinstance(value, At):
        return addresses[value.role]
    if isinstance(value, tuple):
        return tuple(_resolved(part, addresses) for part in value)
    if isinstance(value, str) and Web3.is_address(value):
        return Web3.to_checksum_address(value)
    return value


def _granted(grants: tuple[Grant, ...], terms: Terms) -> list[RoleGrant]:
    return [
        RoleGrant(grant.contract, grant.role, grant.holder, account)
        for grant in grants
        for account in terms.accounts[grant.holder]
    ]
