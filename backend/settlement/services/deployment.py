"""Putting the platform's contracts on its chain, and looking whether they are as they should be."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from eth_account.signers.local import LocalAccount

from backend.chain import deployment as chain_deployment
from backend.chain.client import Chain
from backend.chain.deployment import Deployment, DeploymentError, Plan, Terms
from backend.chain.deployment.building import require_chain, set_aside
from backend.chain.deployment.contents import HOLDERS
from backend.chain.deployment.costs import Preview, preview
from backend.chain.deployment.journal import Journal
from backend.chain.deployment.keys import from_hex
from backend.chain.deployment.networks import Kind, Network, by_id
from backend.chain.deployment.node import DeploymentNode
from backend.chain.deployment.plan import LABEL
from backend.chain.deployment.sources import write_sources
from backend.chain.deployment.verification import Check, verify
from backend.registry.models import Community
from backend.settlement import connection
from backend.settlement.models import Commitment, OutboxTransaction, Settlement
from backend.settlement.services.rows import NOT_IN_A_BLOCK, UNSENT
from domain.market import settlement_term

State = OutboxTransaction.State
BATCH_FUNCTIONS = ("commitBatch", "settleBatch", "release")
logger = logging.getLogger(__name__)


def deploy() -> Deployment:
    """The community's contracts on the node's chain, as recorded there, or created (or completed) now.

    What is recorded and stands is left as it is, also when the build has changed since.

    Raises:
        ChainUnavailableError: the node does not answer.
        DeploymentError: they cannot be put there.
        ValueError: there is no community, or accounts that are to be disjoint are not.
    """
    network = by_id(Chain(settings.CHAIN_RPC_URL, {}).chain_id())
    standing = _standing(network.chain_id)
    if standing is not None:
        _note(standing)
        return standing
    signer = from_hex(connection.secret_key("DEPLOYER_KEY"), name="DEPLOYER_KEY")
    plan = plan_for(network, community_terms(), deployer=signer.address)
    # On a local chain, half of an older build is of no use to anybody.
    return build(plan, signer=signer, replacing=network.kind is Kind.LOCAL)


def plan_for(network: Network, terms: Terms, *, deployer: str, label: str = LABEL) -> Plan:
    """Everything that a deployment by these terms consists of; DeploymentError where it may not be made."""
    return Plan.of(network, terms, connection.artifacts(), deployer=deployer, label=label)


def build(
    plan: Plan, *, signer: LocalAccount, replacing: bool = False, tell: Callable[[str], None] = logger.info
) -> Deployment:
    """Make a plan true, from wherever it stands, and note it on the community.

    Args:
        plan: What is to be there.
        signer: Its deployer.
        replacing: A record of another deployment on this chain is set aside.
        tell: Told of each step.

    Raises:
        ChainUnavailableError, DeploymentError, RevertedError: see ``backend.chain.deployment.deploy``.
    """
    path = connection.deployment_path(plan.network.chain_id)
    node = _node(plan)
    if replacing:
        set_aside(path, plan)
    if not node.has_code(plan.addresses["exchange"]):
        _start_over()  # now, so that it has been done whenever the exchange is there
    deployment = chain_deployment.deploy(settings.CHAIN_RPC_URL, plan, signer=signer, path=path, tell=tell)
    write_sources(path.with_suffix(""), plan, connection.compiler_input())
    _note(deployment)
    return deployment


def dry_run(plan: Plan) -> Preview:
    """What ``build`` would do now, and cost; nothing is sent or written."""
    return preview(_node(plan), plan)


def inspect(network: Network) -> list[Check]:
    """Compare the recorded deployment with the build, its terms and the chain.

    Raises:
        DeploymentError: nothing is recorded for this network, or the node is on another one.
    """
    path = connection.deployment_path(network.chain_id)
    journal = Journal.open(path)
    if journal is None:
        raise DeploymentError(f"{path} records no deployment")
    known = replace(network, kind=Kind.TEST) if network.kind is Kind.UNKNOWN else network
    deployer, label = journal.content["deployer"], journal.content["label"]
    plan = plan_for(known, journal.terms, deployer=deployer, label=label)
    moved = [
        Check(
            f"address of {role}", f"recorded at {journal.deployment.addresses.get(role)}, by the build {due}"
        )
        for role, due in plan.addresses.items()
        if journal.deployment.addresses.get(role) != due
    ]
    return moved or verify(_node(plan), plan, first_block=journal.deployment.first_block)


def community_terms() -> Terms:
    """The exchange's terms by the loaded community; ValueError when none is loaded."""
    community = Community.objects.filter(id=1).first()
    if community is None:
        raise ValueError("no community is loaded")
    return _terms(
        retailer=community.retailer_address,
        fund=community.community_fund_address,
        step_s=community.interval_minutes * 60,
        gate_close_intervals=community.gate_close_intervals,
        reading_deadline_s=community.reading_deadline_minutes * 60,
    )


def terms_from_facts(facts: Mapping[str, Any]) -> Terms:
    """The exchange's terms by the content of ``community.json``."""
    return _terms(
        retailer=facts["retailer_address"],
        fund=facts["community_fund_address"],
        step_s=facts["interval_minutes"] * 60,
        gate_close_intervals=facts["market"]["gate_close_intervals"],
        reading_deadline_s=facts["reading_deadline_minutes"] * 60,
    )


def _terms(
    *, retailer: str, fund: str, step_s: int, gate_close_intervals: int, reading_deadline_s: int
) -> Terms:
    """A batch is committed when the gate closes at the earliest; a withdrawal asked for then outlasts it."""
    term_s = int(settlement_term(timedelta(seconds=step_s)).total_seconds())
    return Terms(
        retailer=retailer,
        fund=fund,
        accounts={holder: connection.accounts(holder.upper()) for holder in HOLDERS},
        interval_s=step_s,
        withdrawal_delay_s=term_s + (gate_close_intervals + 1) * step_s,
        settlement_term_s=term_s,
        reading_deadline_s=reading_deadline_s,
        admin_delay_s=settings.ADMIN_DELAY_S,
    )


def _node(plan: Plan) -> DeploymentNode:
    """The node, on which the plan can be made true."""
    node = DeploymentNode.of(settings.CHAIN_RPC_URL, plan)
    require_chain(node, plan)
    return node


def _standing(chain_id: int) -> Deployment | None:
    """The deployment on file, or on the community, if its code is really on this chain."""
    community = Community.objects.filter(id=1, chain_id=chain_id).first()
    candidates = [
        Deployment.load(connection.deployment_path(chain_id)),
        connection.recorded_on(community) if community else None,
    ]
    chain = Chain(settings.CHAIN_RPC_URL, {})
    for candidate in filter(None, candidates):
        if all(map(chain.has_code, candidate.addresses.values())):
            return candidate
    return None


def _note(deployment: Deployment) -> None:
    Community.objects.filter(id=1).update(
        chain_id=deployment.chain_id,
        token_address=deployment.addresses["token"],
        registry_address=deployment.addresses["registry"],
        oracle_address=deployment.addresses["oracle"],
        exchange_address=deployment.addresses["exchange"],
    )


@transaction.atomic
def _start_over() -> None:
    """After a chain was lost: registrations are sent again, and what was not settled settles afresh.

    A batch that was committed on the old chain cannot be settled on the new one: it settles retail only.
    """
    unsettled = Settlement.objects.exclude(transaction__state=State.CONFIRMED)
    late = Commitment.objects.filter(late=True).exclude(
        interval__settlements__transaction__state=State.CONFIRMED
    )
    rows = [row for found in (unsettled, late) for row in found.values_list("transaction_id", flat=True)]
    unsettled.delete()
    late.delete()
    OutboxTransaction.objects.filter(pk__in=rows).delete()
    batches = OutboxTransaction.objects.filter(function__in=BATCH_FUNCTIONS)
    batches.filter(commitment__isnull=False, commitment__interval__settlements__isnull=True).update(
        state=State.FAILED, error="its chain is gone; the contracts were deployed afresh"
    )
    batches.update(nonce=None, by_another=False)
    OutboxTransaction.objects.exclude(function__in=BATCH_FUNCTIONS).update(
        state=State.PENDING, error="", **NOT_IN_A_BLOCK, **UNSENT
    )
