"""A plan as transactions, each of which can tell from the chain whether it was made."""

from dataclasses import dataclass

from backend.chain.deployment import create2
from backend.chain.deployment.contents import TIMELOCK
from backend.chain.deployment.node import DeploymentNode
from backend.chain.deployment.plan import ADMIN_ROLE, Creation, Plan, role_id


@dataclass(frozen=True, slots=True)
class Create:
    """A contract to put at its address."""

    creation: Creation

    @property
    def key(self) -> str:
        """The step's name, unique in its plan."""
        return f"create {self.creation.role}"

    def transaction(self, node: DeploymentNode) -> tuple[str, str]:  # noqa: ARG002 - as the other steps
        """Where to send what."""
        return create2.PROXY, create2.call_data(self.creation.salt, self.creation.init_code)

    def is_done(self, node: DeploymentNode) -> bool:
        """Whether a contract lies at its address."""
        return node.has_code(self.creation.address)


@dataclass(frozen=True, slots=True)
class GrantRole:
    """A role for an account to have; the deployer grants it."""

    contract: str
    role: str
    holder: str
    account: str

    @property
    def key(self) -> str:
        """The step's name, unique in its plan."""
        return f"grant {self.contract} {self.role} to {self.holder} {self.account}"

    def transaction(self, node: DeploymentNode) -> tuple[str, str]:
        """Where to send what."""
        arguments = [role_id(self.role), self.account]
        return node.addresses[self.contract], node.call_data(self.contract, "grantRole", arguments)

    def is_done(self, node: DeploymentNode) -> bool:
        """Whether the account has the role."""
        return node.has_role(self.contract, self.role, self.account)


@dataclass(frozen=True, slots=True)
class Renounce:
    """The deployer's last act in a contract: it gives its own power up."""

    contract: str
    deployer: str

    @property
    def key(self) -> str:
        """The step's name, unique in its plan."""
        return f"renounce {self.contract} {ADMIN_ROLE} of deployer {self.deployer}"

    def transaction(self, node: DeploymentNode) -> tuple[str, str]:
        """Where to send what."""
        arguments = [role_id(ADMIN_ROLE), self.deployer]
        return node.addresses[self.contract], node.call_data(self.contract, "renounceRole", arguments)

    def is_done(self, node: DeploymentNode) -> bool:
        """Whether the contract is there and the deployer is not its admin."""
        there = node.has_code(node.addresses[self.contract])
        return there and not node.has_role(self.contract, ADMIN_ROLE, self.deployer)


Step = Create | GrantRole | Renounce


def steps_of(plan: Plan) -> list[Step]:
    """All steps in order: contracts, roles; then the timelock becomes admin, and the deployer nobody."""
    administered = [creation.role for creation in plan.creations if creation.administered]
    return [
        *(Create(creation) for creation in plan.creations),
        *(GrantRole(g.contract, g.role, g.holder, g.account) for g in plan.grants),
        *(GrantRole(role, ADMIN_ROLE, TIMELOCK, plan.timelock) for role in administered),
        *(Renounce(role, plan.deployer) for role in administered),
    ]
