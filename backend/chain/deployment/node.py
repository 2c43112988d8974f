"""What deploying asks of a node, beyond what the platform does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from web3 import Web3
from web3.exceptions import BadFunctionCallOutput, ContractLogicError
from web3.types import RPCEndpoint

from backend.chain.client import Chain
from backend.chain.compiler import Artifact
from backend.chain.deployment import create2
from backend.chain.deployment.plan import DeploymentError, Plan, role_id
from backend.chain.errors import ChainUnavailableError, ContractsMissingError, RevertedError

_SCRATCH = "0x00000000000000000000000000000000C0de0000"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a transaction would do; ``gas`` is what it would use, ``returned`` its answer as 0x hex."""

    gas: int
    succeeds: bool
    returned: str


class DeploymentNode(Chain):
    """A node, and the contracts of a plan at the addresses where they are or will be."""

    @classmethod
    def of(cls, url: str, plan: Plan) -> Self:
        """Access to the contracts of a plan."""
        contracts: Mapping[str, tuple[str, Artifact]] = {
            role: (address, plan.artifacts[role]) for role, address in plan.addresses.items()
        }
        return cls(url, contracts, chain_id=plan.network.chain_id)

    def require_proxy(self) -> None:
        """DeploymentError when the deterministic deployment proxy is not on this chain."""
        if not self.code(create2.PROXY):
            raise DeploymentError(
                f"the deterministic deployment proxy is not at {create2.PROXY} on chain {self.chain_id()}; "
                "https://github.com/Arachnid/deterministic-deployment-proxy says how to put it there"
            )

    def code(self, address: str) -> bytes:
        """Runtime code; empty where no contract lies."""
        return bytes(self._web3.eth.get_code(Web3.to_checksum_address(address)))

    def balance(self, address: str) -> int:
        """In wei."""
        return self._web3.eth.get_balance(Web3.to_checksum_address(address))

    def has_role(self, contract: str, role: str, account: str) -> bool:
        """Whether the account has the role; False where the contract is not there yet."""
        if not self.has_code(self.addresses[contract]):
            return False
        return bool(self.call(contract, "hasRole", role_id(role), Web3.to_checksum_address(account)))

    def answer(self, contract: str, view: str) -> Any:  # noqa: ANN401 - the ABI decides
        """What a view function says; None where what lies there does not have it."""
        try:
            return self.call(contract, view)
        except (BadFunctionCallOutput, ContractLogicError, ContractsMissingError):
            return None

    def simulate(
        self, calls: Sequence[tuple[str, str]], *, sender: str, last: bytes = b""
    ) -> list[Simulated] | None:
        """What transactions (to, data) would do one after the other; None where the node cannot tell.

        Each is in a block of its own, so that all together may use more gas than one block has. ``last`` is
        creation code to be run at the end, at an address of no meaning.
        """
        blocks: list[dict[str, Any]] = [
            {"calls": [{"from": sender, "to": to, "input": d}]} for to, d in calls
        ]
        if last:
            code = {_SCRATCH: {"code": "0x" + last.hex()}}
            blocks.append(
                {"stateOverrides": code, "calls": [{"from": sender, "to": _SCRATCH, "input": "0x"}]}
            )
        request: dict[str, Any] = {"blockStateCalls": blocks, "validation": False}
        try:
            answer = self._web3.provider.make_request(RPCEndpoint("eth_simulateV1"), [request, "latest"])
        except ChainUnavailableError:
            return None
        if "error" in answer:
            return None
        return [_simulated(block["calls"][0]) for block in answer["result"]]

    def refusal(self, simulated: Simulated) -> RevertedError:
        """Why a simulated transaction failed, by the contracts' ABIs."""
        return self._reverted(ContractLogicError(data=simulated.returned))


def _simulated(outcome: Mapping[str, Any]) -> Simulated:
    returned = outcome.get("error", {}).get("data") or outcome["returnData"]
    return Simulated(int(outcome["gasUsed"], 16), int(outcome["status"], 16) == 1, returned)
