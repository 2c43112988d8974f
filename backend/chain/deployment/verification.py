"""Comparing what lies on the chain with the build and the plan."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from eth_utils.crypto import keccak
from web3 import Web3

from backend.chain.compiler import Artifact
from backend.chain.deployment.contents import TIMELOCK
from backend.chain.deployment.node import DeploymentNode
from backend.chain.deployment.plan import ADMIN_ROLE, Creation, Plan, role_id

_GRANTED = keccak(text="RoleGranted(bytes32,address,address)")
_REVOKED = keccak(text="RoleRevoked(bytes32,address,address)")
_GOVERNANCE = frozenset({"PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"})
"""The timelock's own roles, which the admins share; all others are disjoint."""
Holders = Mapping[str, Mapping[str, frozenset[str]]]
"""Accounts by contract and role."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``difference`` is empty when it is as it should be."""

    name: str
    difference: str = ""


def masked(code: bytes, immutables: Iterable[Iterable[int]]) -> bytes:
    """Code with zeros where immutables are."""
    blank = bytearray(code)
    for start, length in immutables:
        blank[start : start + length] = bytes(length)
    return bytes(blank)


def is_build(code: bytes, artifact: Artifact) -> bool:
    """Whether code on a chain is the build's, but for the values of its immutables."""
    built = bytes.fromhex(artifact.runtime[2:])
    return len(code) == len(built) and masked(code, artifact.immutables) == masked(built, artifact.immutables)


def verify(node: DeploymentNode, plan: Plan, *, first_block: int) -> list[Check]:
    """Every check of code, arguments and roles; roles by their events from ``first_block`` on."""
    checks = [check for creation in plan.creations for check in code_checks(node, creation)]
    if any(check.difference for check in checks if check.name.startswith("code of ")):
        return checks  # whatever lies there, its answers say nothing
    return checks + list(_role_checks(node, plan, first_block))


def code_checks(node: DeploymentNode, creation: Creation) -> Iterator[Check]:
    """Whether the contract's code is the build's, and its views answer what the plan says."""
    code = node.code(creation.address)
    difference = "" if is_build(code, creation.artifact) else "is not what the build gives"
    where = f"{creation.name} at {creation.address}"
    yield Check(f"code of {creation.role} ({where})", difference if code else "nothing lies there")
    if difference:
        return
    for view, expected in creation.views.items():
        found = node.answer(creation.role, view)
        yield Check(f"{creation.role}.{view}() is {expected}", "" if found == expected else f"it is {found}")


def expected_holders(plan: Plan) -> Holders:
    """Who is to have which role, when all is done."""
    holders: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for creation in plan.creations:
        if creation.administered or creation.role == TIMELOCK:
            holders[creation.role][ADMIN_ROLE].add(plan.timelock)
        for role, accounts in creation.born_with.items():
            holders[creation.role][role].update(accounts)
    for grant in plan.grants:
        holders[grant.contract][grant.role].add(grant.account)
    return _frozen(holders)


def actual_holders(node: DeploymentNode, plan: Plan, *, first_block: int) -> Holders:
    """Who has which role by the contracts' events, whoever it was given to; unknown roles by their id."""
    expected = expected_holders(plan)
    names = {role_id(role): role for roles in expected.values() for role in roles} | {bytes(32): ADMIN_ROLE}
    holders: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for contract in expected:
        for log in node.logs(contract, from_block=first_block):
            topics = log.topics
            if topics[0] not in (_GRANTED, _REVOKED):
                continue
            role = names.get(topics[1], "0x" + topics[1].hex())
            account = Web3.to_checksum_address(topics[2][12:])
            change = set.add if topics[0] == _GRANTED else set.discard
            change(holders[contract][role], account)
    return _frozen(holders)


def overlaps(holders: Holders) -> list[str]:
    """Accounts with more than one role, wherever; the admins' roles in the timelock count as one."""
    found: dict[str, set[str]] = defaultdict(set)
    for roles in holders.values():
        for role, accounts in roles.items():
            for account in accounts:
                found[account].add("governance" if role in _GOVERNANCE else role)
    return [
        f"{account} has {', '.join(sorted(roles))}"
        for account, roles in sorted(found.items())
        if len(roles) > 1
    ]


def _role_checks(node: DeploymentNode, plan: Plan, first_block: int) -> Iterator[Check]:
    expected = expected_holders(plan)
    actual = actual_holders(node, plan, first_block=first_block)
    for contract, roles in expected.items():
        for role in sorted({*roles, *(role for role, who in actual.get(contract, {}).items() if who)}):
            due, seen = roles.get(role, frozenset()), actual.get(contract, {}).get(role, frozenset())
            # An event may lie before `first_block`; the contract itself has the last word on those we know.
            known = due | {plan.deployer}
            has = (seen - known) | {account for account in known if node.has_role(contract, role, account)}
            name = f"{role} of {contract}: {', '.join(sorted(due)) or 'nobody'}"
            yield Check(name, _set_difference(due, has))
        for role in roles:
            if role != ADMIN_ROLE:
                own, admin = (bytes(node.call(contract, *view)) for view in ((role,), _admin_of(role)))
                name = f"{role} of {contract} has its usual id, and the admin grants it"
                usual = own == role_id(role) and admin == role_id(ADMIN_ROLE)
                yield Check(name, "" if usual else f"its id is 0x{own.hex()}, its admin's 0x{admin.hex()}")
    yield Check("no account has two roles", "; ".join(overlaps(actual)))


def _admin_of(role: str) -> tuple[str, bytes]:
    return "getRoleAdmin", role_id(role)


def _set_difference(due: frozenset[str], has: set[str] | frozenset[str]) -> str:
    lacking, extra = sorted(due - has), sorted(has - due)
    words = [f"{account} lacks it" for account in lacking] + [f"{account} has it too" for account in extra]
    return "; ".join(words)


def _frozen(holders: Mapping[str, Mapping[str, set[str]]]) -> Holders:
    return {c: {role: frozenset(who) for role, who in roles.items()} for c, roles in holders.items()}
