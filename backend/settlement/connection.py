"""The chain as this platform knows it: its node, the recorded contracts and the operator's key."""

import os
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from backend.chain.client import LOCAL_CHAIN_ID, Chain
from backend.chain.compiler import Artifact, compile_contracts
from backend.chain.deployment import Deployment
from backend.chain.errors import ContractsMissingError
from backend.registry import queries as registry


def chain() -> Chain:
    """Access to the community's contracts; opened once in a process.

    Raises:
        ContractsMissingError: nothing was deployed yet.
    """
    community = registry.community()
    if community.chain_id is None:
        raise ContractsMissingError("no contracts are recorded: run manage.py deploy_contracts")
    recorded = Deployment(
        chain_id=community.chain_id,
        token=community.token_address,
        registry=community.registry_address,
        oracle=community.oracle_address,
        exchange=community.exchange_address,
        first_block=0,
    )
    return _connect(recorded, settings.CHAIN_RPC_URL)


@lru_cache(maxsize=1)
def artifacts() -> dict[str, Artifact]:
    """The compiled contracts."""
    root = Path(settings.BASE_DIR)
    solc = Path(os.environ.get("SOLC", root / "contracts" / "bin" / "solc"))
    return compile_contracts(root / "contracts", cache=root / "build" / "contracts", solc=solc)


def deployment_path(chain_id: int) -> Path:
    """Where a deployment is recorded: local chains with the state, public ones in the repository."""
    root = settings.STATE_DIR if chain_id == LOCAL_CHAIN_ID else Path(settings.BASE_DIR) / "contracts"
    return Path(root) / "deployments" / f"{chain_id}.json"


def secret_key(name: str) -> str:
    """A private key (0x hex) from the environment; ImproperlyConfigured when it is not there."""
    key = os.environ.get(name, "")
    if not key:
        raise ImproperlyConfigured(f"{name} is not set: a private key in 0x hex")
    return key


@lru_cache(maxsize=4)
def _connect(deployment: Deployment, url: str) -> Chain:
    return deployment.connect(url, artifacts())
