"""The chain as this platform knows it: its node, recorded contracts, keys and accounts by environment."""

import os
from functools import lru_cache
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from backend.chain.client import LOCAL_CHAIN_ID, Chain
from backend.chain.compiler import Artifact, compile_contracts, standard_input
from backend.chain.deployment import Deployment
from backend.chain.deployment.keys import from_hex
from backend.chain.errors import ContractsMissingError
from backend.registry import queries as registry
from backend.registry.models import Community


def chain() -> Chain:
    """Access to the community's contracts; opened once in a process.

    Raises:
        ContractsMissingError: nothing was deployed yet.
    """
    recorded = recorded_on(registry.community())
    if recorded is None:
        raise ContractsMissingError("no contracts are recorded: run manage.py deploy_contracts")
    return _connect(recorded, settings.CHAIN_RPC_URL)


def recorded_on(community: Community) -> Deployment | None:
    """The deployment that the community's row names, or None."""
    if community.chain_id is None:
        return None
    addresses = {
        "token": community.token_address,
        "registry": community.registry_address,
        "oracle": community.oracle_address,
        "exchange": community.exchange_address,
    }
    return Deployment(chain_id=community.chain_id, addresses=addresses, first_block=0)


@lru_cache(maxsize=1)
def artifacts() -> dict[str, Artifact]:
    """The compiled contracts."""
    root = Path(settings.BASE_DIR)
    solc = Path(os.environ.get("SOLC", root / "contracts" / "bin" / "solc"))
    return compile_contracts(root / "contracts", cache=root / "build" / "contracts", solc=solc)


def compiler_input() -> dict[str, Any]:
    """What the compiler is given for all contracts."""
    return standard_input(Path(settings.BASE_DIR) / "contracts")


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


def accounts(name: str) -> tuple[str, ...]:
    """The accounts of a holder of power, by its name in capitals (``OPERATOR``).

    They are in ``OPERATOR_ADDRESS``, by comma; or else they are those of its ``keys``.

    Raises:
        ImproperlyConfigured: neither is in the environment.
    """
    given = [part.strip() for part in os.environ.get(f"{name}_ADDRESS", "").split(",") if part.strip()]
    found = tuple(given) or tuple(from_hex(key, name=f"{name}_KEY").address for key in keys(name))
    if not found:
        raise ImproperlyConfigured(f"neither {name}_ADDRESS nor {name}_KEY is set")
    return found


def keys(name: str) -> tuple[str, ...]:
    """The private keys of a holder of power that this process is told, by its name (``ATTESTOR``).

    They are in ``ATTESTOR_KEY``, or in ``ATTESTOR_1_KEY``, ``ATTESTOR_2_KEY`` and so on.
    """
    names = [f"{name}_KEY", *takewhile(os.environ.get, (f"{name}_{n}_KEY" for n in count(1)))]
    return tuple(filter(None, map(os.environ.get, names)))


@lru_cache(maxsize=4)
def _connect(deployment: Deployment, url: str) -> Chain:
    return deployment.connect(url, artifacts())
