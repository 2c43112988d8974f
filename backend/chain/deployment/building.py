"""Making a plan true, one transaction after the other, from wherever it stands.

Whether a step is done is read from the chain, never from the journal. The journal names the transaction that
was sent last, so that one that outlives us is waited for and not sent twice; losing it loses no contract.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from backend.chain.client import Envelope, Fees, Receipt
from backend.chain.deployment.costs import estimate
from backend.chain.deployment.journal import Deployment, InFlight, Journal
from backend.chain.deployment.networks import Kind
from backend.chain.deployment.node import DeploymentNode
from backend.chain.deployment.plan import DeploymentError, Plan
from backend.chain.deployment.steps import Create, Step, steps_of
from backend.chain.deployment.verification import code_checks, verify
from backend.chain.errors import ChainUnavailableError, NonceTakenError, RevertedError, UnderpricedError

RECEIPT_TIMEOUT_S = 120.0
MAX_BUMPS = 8
TOKEN_DECIMALS = 6
POLL_S, LOCAL_POLL_S = 2.0, 0.05
_LOCAL_BALANCE_WEI = 10**24
Tell = Callable[[str], None]
logger = logging.getLogger(__name__)


def deploy(url: str, plan: Plan, *, signer: LocalAccount, path: Path, tell: Tell = logger.info) -> Deployment:
    """Create what is missing, set up the roles, check everything, and record it at ``path``.

    Args:
        url: The node.
        plan: What is to be there; its deployer is ``signer``.
        signer: Signs; its key goes nowhere else.
        path: The journal's file.
        tell: Told of each step as it is taken. Whatever it raises stops the work; it can be taken up again.

    Raises:
        DeploymentError: it cannot be done as asked, or what lies there is not what it should be.
        RevertedError: a contract refused.
        ChainUnavailableError: the node does not answer, or mines nothing for two minutes.
    """
    node = DeploymentNode.of(url, plan)
    require_chain(node, plan)
    journal = _journal(node, plan, path)
    if plan.network.kind is Kind.LOCAL:
        _give_gas(node, plan)
    work = _Building(node, plan, journal, signer, tell)
    work.run()
    differences = [c for c in verify(node, plan, first_block=journal.deployment.first_block) if c.difference]
    if differences:
        listed = "\n".join(f"  {check.name}: {check.difference}" for check in differences)
        raise DeploymentError(f"what was deployed is not as it should be:\n{listed}")
    journal.complete({c.role: "0x" + keccak(node.code(c.address)).hex() for c in plan.creations})
    return journal.deployment


def require_chain(node: DeploymentNode, plan: Plan) -> None:
    """DeploymentError when this is another chain, lacks the proxy, or the given stablecoin is none."""
    found = node.chain_id()
    if found != plan.network.chain_id:
        raise DeploymentError(f"the node is on chain {found}, not {plan.network.chain_id}")
    node.require_proxy()
    if plan.terms.token is None:
        return
    if not node.has_code(plan.addresses["token"]):
        raise DeploymentError(f"no stablecoin lies at {plan.addresses['token']} on {plan.network.name}")
    decimals = node.answer("token", "decimals")
    if decimals != TOKEN_DECIMALS:
        raise DeploymentError(f"the stablecoin has {decimals} decimals; the platform counts in 6")


def set_aside(path: Path, plan: Plan) -> None:
    """Keep a record of another deployment under another name, so that this plan can have one."""
    found = Journal.open(path)
    if found is not None and found.content["plan"] != plan.digest:
        path.replace(path.with_suffix(f".{found.content['plan'][2:10]}.json"))


def _journal(node: DeploymentNode, plan: Plan, path: Path) -> Journal:
    """The plan's journal, taken up or begun; that of another deployment is kept unless its chain is gone."""
    found = Journal.open(path)
    created = [] if found is None else [c["address"] for c in found.content["contracts"].values()]
    if found is not None and any(map(node.has_code, created)):
        if found.content["plan"] == plan.digest:
            return found
        raise DeploymentError(
            f"{path} records another deployment: the build, the terms or the accounts changed since. "
            "Check it with --verify, change its roles through the timelock, or set it aside with "
            "--replace and deploy another one"
        )
    journal = Journal.begin(path, plan, first_block=_first_block(node, plan))
    if found is not None and found.content["plan"] == plan.digest:
        journal.content["in_flight"] = found.content["in_flight"]  # the first one, not mined yet
    journal.save()
    return journal


def _first_block(node: DeploymentNode, plan: Plan) -> int:
    """The newest block; 0 where some contracts are there already, since nobody knows since when."""
    return 0 if any(node.has_code(c.address) for c in plan.creations) else node.head().number


def _give_gas(node: DeploymentNode, plan: Plan) -> None:
    for account in {plan.deployer, *(a for accounts in plan.terms.accounts.values() for a in accounts)}:
        if node.balance(account) < _LOCAL_BALANCE_WEI // 2:
            node.set_local_balance(account, wei=_LOCAL_BALANCE_WEI)


def _raised(fees: Fees) -> Fees:
    """High enough for a node to let it replace a transaction that it holds."""
    return Fees(fees.max_fee * 5 // 4 + 1, fees.max_priority_fee * 5 // 4 + 1)


class _Building:
    """One run through the steps."""

    def __init__(
        self, node: DeploymentNode, plan: Plan, journal: Journal, signer: LocalAccount, tell: Tell
    ) -> None:
        self._node, self._plan, self._journal = node, plan, journal
        self._signer, self._tell = signer, tell
        self._poll_s = LOCAL_POLL_S if plan.network.kind is Kind.LOCAL else POLL_S

    def run(self) -> None:
        self._require_money()
        for step in steps_of(self._plan):
            while not step.is_done(self._node):
                self._make(step)
            self._note(step)
            if isinstance(step, Create):
                self._require_build(step)

    def _missing(self) -> list[Step]:
        return [step for step in steps_of(self._plan) if not step.is_done(self._node)]

    def _require_money(self) -> None:
        """Refuse to begin what cannot be finished: money is lacking, or the chain would refuse a step."""
        missing = self._missing()
        if not missing:
            return
        try:
            gas = sum(estimate(self._node, missing, sender=self._signer.address).gas)
        except DeploymentError:
            if len(self._missing()) == len(missing):
                raise
            self._require_money()  # what an earlier run had sent was mined meanwhile
            return
        needed = gas * self._node.fees().max_fee
        held = self._node.balance(self._signer.address)
        if held < needed:
            currency = self._plan.network.currency
            raise DeploymentError(
                f"{self._signer.address} holds {held / 1e18:.6f} {currency}; the {len(missing)} steps "
                f"that are left may cost {needed / 1e18:.6f}"
            )

    def _require_build(self, step: Create) -> None:
        wrong = [check for check in code_checks(self._node, step.creation) if check.difference]
        if wrong:
            raise DeploymentError("; ".join(f"{check.name}: {check.difference}" for check in wrong))

    def _make(self, step: Step) -> None:
        """Send the step's transaction, unless it is on its way, and wait for it."""
        sent = self._journal.in_flight(step)
        if sent is None or not self._is_under_way(sent):
            sent = self._send(step)
            if sent is None:
                return
            self._tell(f"sent   {step.key}: {sent.tx_hash}")
        receipt = self._wait(sent)
        if receipt is None:
            return  # another transaction took its place; the chain says whether it did its work
        if not receipt.succeeded:
            if step.is_done(self._node):
                return  # somebody else put the same contract there first
            raise self._node.why_reverted(receipt)
        self._wait_for(step)
        self._journal.made(step, receipt)
        self._tell(f"mined  {step.key}: block {receipt.block_number}, {receipt.gas_used} gas")

    def _is_under_way(self, sent: InFlight) -> bool:
        """Whether the node has the transaction and may mine it at today's fees."""
        return self._node.is_known(sent.tx_hash) and self._node.head().base_fee <= sent.max_fee

    def _note(self, step: Step) -> None:
        """A transaction that was mined while nobody looked belongs in the journal too."""
        sent = self._journal.in_flight(step)
        for tx_hash in (sent.tx_hash, *sent.replaced) if sent else ():
            receipt = self._node.receipt(tx_hash)
            if receipt and receipt.succeeded:
                self._journal.made(step, receipt)

    def _send(self, step: Step) -> InFlight | None:
        """The transaction as sent; None when one that was sent earlier was mined just now."""
        nonce = self._node.mined_nonce(self._signer.address)
        if step.is_done(self._node):
            return None  # asked after the nonce: whatever is mined from here on takes it
        to, data = step.transaction(self._node)
        try:
            gas = self._gas(step, to, data)
        except RevertedError:
            if step.is_done(self._node):
                return None
            raise
        envelope = Envelope(nonce, gas, self._node.fees())
        for _ in range(MAX_BUMPS):
            signed = self._node.sign(to, data, envelope, key="0x" + self._signer.key.hex())
            sent = InFlight(
                signed.tx_hash, envelope.nonce, envelope.fees.max_fee, self._before(step, envelope)
            )
            self._journal.sending(step, sent)
            try:
                self._node.send(signed.raw)
            except UnderpricedError:
                envelope = Envelope(envelope.nonce, envelope.gas, _raised(envelope.fees))
            except NonceTakenError:
                return None
            else:
                return sent
        raise ChainUnavailableError(f"{step.key}: the node wants far more than the fees that it names")

    def _before(self, step: Step, envelope: Envelope) -> tuple[str, ...]:
        """Hashes of what was sent for this step with the same nonce."""
        before = self._journal.in_flight(step)
        same = before is not None and before.nonce == envelope.nonce
        return (before.tx_hash, *before.replaced) if before and same else ()

    def _gas(self, step: Step, to: str, data: str) -> int:
        try:
            return self._node.estimate_gas(to, data, sender=self._signer.address)
        except RevertedError:
            if isinstance(step, Create):
                # The proxy swallows the constructor's reason; created directly, it speaks.
                init_code = "0x" + step.creation.init_code.hex()
                self._node.estimate_gas(None, init_code, sender=self._signer.address)
            raise

    def _wait(self, sent: InFlight) -> Receipt | None:
        """The receipt; None when the nonce was used by another transaction."""
        deadline = time.monotonic() + RECEIPT_TIMEOUT_S
        while time.monotonic() < deadline:
            spent = self._node.mined_nonce(self._signer.address) > sent.nonce
            receipt = self._node.receipt(sent.tx_hash)
            if receipt or spent:
                return receipt
            time.sleep(self._poll_s)
        raise ChainUnavailableError(
            f"{sent.tx_hash} was not mined in {RECEIPT_TIMEOUT_S:.0f} s: run the command again, it goes on"
        )

    def _wait_for(self, step: Step) -> None:
        """A node behind which there are several may answer from one that lags."""
        deadline = time.monotonic() + RECEIPT_TIMEOUT_S
        while not step.is_done(self._node):
            if time.monotonic() > deadline:
                raise ChainUnavailableError(f"{step.key} was mined, but the node does not show it")
            time.sleep(self._poll_s)
