"""What the steps of a plan would cost, without sending one."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.chain.deployment.node import DeploymentNode
from backend.chain.deployment.plan import DeploymentError, Plan
from backend.chain.deployment.steps import Create, GrantRole, Step, steps_of

# Where a node lacks eth_simulateV1: the protocol's prices for code, and from receipts for the rest.
_TRANSACTION_GAS, _CREATE_GAS, _BYTE_GAS, _RUNTIME_BYTE_GAS, _WORD_GAS = 21_000, 32_000, 16, 200, 2
_CONSTRUCTOR_GAS, _ROLE_GAS = 250_000, 90_000
_ATTESTOR_GAS = 250_000  # the oracle keeps their sorted list: enough for the first dozen
MAX_CODE_BYTES = 24_576  # EIP-170


@dataclass(frozen=True, slots=True)
class Estimate:
    """Gas of each step; ``simulated`` by the node, or else guessed by formula, a little too high."""

    gas: list[int]
    simulated: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One step of a dry run; ``gas`` is None when it is done already."""

    step: Step
    gas: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A dry run; fees in wei per gas, balance and costs in wei."""

    lines: list[Line]
    simulated: bool
    gas_price: int
    max_gas_price: int
    balance: int

    @property
    def gas(self) -> int:
        """Of all steps that are left."""
        return sum(line.gas or 0 for line in self.lines)

    @property
    def cost(self) -> int:
        """At current fees."""
        return self.gas * self.gas_price

    @property
    def max_cost(self) -> int:
        """At the fees that the transactions would allow."""
        return self.gas * self.max_gas_price


def preview(node: DeploymentNode, plan: Plan) -> Preview:
    """What ``deploy`` would do now; nothing is sent.

    Raises:
        DeploymentError: a step would fail.
    """
    steps = steps_of(plan)
    missing = [step for step in steps if not step.is_done(node)]
    estimated = estimate(node, missing, sender=plan.deployer)
    gas = {step.key: used for step, used in zip(missing, estimated.gas, strict=True)}
    fees = node.fees()
    return Preview(
        lines=[Line(step, gas.get(step.key)) for step in steps],
        simulated=estimated.simulated,
        gas_price=node.head().base_fee + fees.max_priority_fee,
        max_gas_price=fees.max_fee,
        balance=node.balance(plan.deployer),
    )


def estimate(node: DeploymentNode, steps: Sequence[Step], *, sender: str) -> Estimate:
    """Gas of steps that are to be made one after the other.

    Raises:
        DeploymentError: a step would fail.
    """
    calls = [step.transaction(node) for step in steps]
    outcomes = node.simulate(calls, sender=sender) if steps else []
    if outcomes is None:
        return Estimate([_guess(step, node) for step in steps], simulated=False)
    for index, (step, outcome) in enumerate(zip(steps, outcomes, strict=True)):
        if not outcome.succeeds:
            why = _why(node, step, calls[:index], sender=sender) or str(node.refusal(outcome))
            raise DeploymentError(f"the chain would refuse to {step.key}: {why}")
    return Estimate([outcome.gas for outcome in outcomes], simulated=True)


def _why(node: DeploymentNode, step: Step, before: Sequence[tuple[str, str]], *, sender: str) -> str:
    """Why a contract cannot be created, which the proxy does not tell; "" when we cannot either."""
    if not isinstance(step, Create):
        return ""
    size = len(step.creation.artifact.runtime) // 2 - 1
    if size > MAX_CODE_BYTES:
        return f"it has {size} bytes of code, and a chain takes {MAX_CODE_BYTES}"
    again = node.simulate(before, sender=sender, last=step.creation.init_code)
    return str(node.refusal(again[-1])) if again and not again[-1].succeeds else ""


def _guess(step: Step, node: DeploymentNode) -> int:
    if not isinstance(step, Create):
        listed = isinstance(step, GrantRole) and step.role == "ATTESTOR_ROLE"
        return _ATTESTOR_GAS if listed else _ROLE_GAS
    _, data = step.transaction(node)
    code, runtime = len(data) // 2 - 1, len(step.creation.artifact.runtime) // 2 - 1
    by_size = _BYTE_GAS * code + _WORD_GAS * (code + 31) // 32 + _RUNTIME_BYTE_GAS * runtime
    return _TRANSACTION_GAS + _CREATE_GAS + _CONSTRUCTOR_GAS + by_size
