"""Putting the platform's contracts on its chain, once."""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from backend.chain import deployment as chain_deployment
from backend.chain.client import Chain
from backend.chain.deployment import Deployment, Terms
from backend.registry import signing
from backend.registry.models import Community
from backend.settlement import connection
from backend.settlement.models import Commitment, OutboxTransaction, Settlement
from backend.settlement.services.rows import NOT_IN_A_BLOCK, UNSENT

State = OutboxTransaction.State
SETTLEMENT_TERM_S = 86_400  # the longest that the contract takes
BATCH_FUNCTIONS = ("commitBatch", "settleBatch")
logger = logging.getLogger(__name__)


def deploy(*, terms: Terms | None = None, chain_id: int | None = None) -> Deployment:
    """The contracts on the node's chain, created if they are not there, and noted on the community.

    Args:
        terms: What the exchange is built with; by default the community's.
        chain_id: The chain that the caller expects; by default whichever the node is on.

    Raises:
        ChainUnavailableError: the node does not answer.
        ValueError: the node is on another chain, or there are neither terms nor a community.
        RevertedError: ``MainnetRefused`` when no stablecoin is named on a chain where money is real.
    """
    found = Chain(settings.CHAIN_RPC_URL, {}).chain_id()
    if chain_id is not None and chain_id != found:
        raise ValueError(f"the node at {settings.CHAIN_RPC_URL} is on chain {found}, not {chain_id}")
    community = Community.objects.filter(id=1).first()
    deployment = _recorded(found, community)
    if deployment is None:
        terms = terms or community_terms()
        deployer_key = connection.secret_key("DEPLOYER_KEY")
        deployment = chain_deployment.deploy(
            settings.CHAIN_RPC_URL, connection.artifacts(), terms, deployer_key=deployer_key
        )
        logger.info("contracts created: %s", deployment)
        _start_over()
    deployment.save(connection.deployment_path(found))
    Community.objects.filter(id=1).update(
        chain_id=deployment.chain_id,
        token_address=deployment.token,
        registry_address=deployment.registry,
        oracle_address=deployment.oracle,
        exchange_address=deployment.exchange,
    )
    return deployment


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
    """A batch is committed at the earliest when the gate closes; withdrawals asked for then outlast its term."""
    return Terms(
        retailer=retailer,
        fund=fund,
        operator=signing.address_of(connection.secret_key("OPERATOR_KEY")),
        interval_s=step_s,
        withdrawal_delay_s=SETTLEMENT_TERM_S + (gate_close_intervals + 1) * step_s,
        settlement_term_s=SETTLEMENT_TERM_S,
        reading_deadline_s=reading_deadline_s,
    )


def _recorded(chain_id: int, community: Community | None) -> Deployment | None:
    """The deployment on file, or on the community, if its code is really on this chain."""
    candidates = [Deployment.load(connection.deployment_path(chain_id))]
    if community is not None and community.chain_id == chain_id:
        candidates.append(
            Deployment(
                chain_id,
                token=community.token_address,
                registry=community.registry_address,
                oracle=community.oracle_address,
                exchange=community.exchange_address,
                first_block=0,
            )
        )
    chain = Chain(settings.CHAIN_RPC_URL, {})
    for candidate in filter(None, candidates):
        addresses = (candidate.token, candidate.registry, candidate.oracle, candidate.exchange)
        if all(address and chain.has_code(address) for address in addresses):
            return candidate
    return None


@transaction.atomic
def _start_over() -> None:
    """After a chain was lost: registrations are sent again, and what was not settled settles afresh.

    A batch that was committed on the old chain cannot be settled on the new one: it settles retail only.
    """
    unsettled = Settlement.objects.exclude(transaction__state=State.CONFIRMED)
    late = Commitment.objects.filter(late=True).exclude(interval__settlements__transaction__state=State.CONFIRMED)
    rows = [row for found in (unsettled, late) for row in found.values_list("transaction_id", flat=True)]
    unsettled.delete()
    late.delete()
    OutboxTransaction.objects.filter(pk__in=rows).delete()
    batches = OutboxTransaction.objects.filter(function__in=BATCH_FUNCTIONS)
    batches.filter(commitment__isnull=False, commitment__interval__settlements__isnull=True).update(
        state=State.FAILED, error="its chain is gone; the contracts were deployed afresh"
    )
    batches.update(nonce=None)
    OutboxTransaction.objects.exclude(function__in=BATCH_FUNCTIONS).update(
        state=State.PENDING, error="", **NOT_IN_A_BLOCK, **UNSENT
    )
