"""Gives a test session its own services; pytest loads this before Django's settings (`-p launch.testing`).

Settings read the services' addresses when they are imported. So ports and passwords are chosen here at once,
and each server starts when the first test asks for its fixture. A service whose variable is set is used as
it is.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launch.embedded import running
from launch.environment import SERVICE_VARIABLES, Layout, State, new_keys
from launch.ports import any_free
from launch.services import embedded

_STATE = State(Path(tempfile.gettempdir()) / f"commonwatt-tests-{os.getpid()}")
_EXTERNAL = frozenset(name for name, variable in SERVICE_VARIABLES.items() if os.environ.get(variable))
_LAYOUT = Layout.of(_STATE, any_free(), new_keys(), os.environ)

os.environ.update({**_LAYOUT.variables, **_LAYOUT.reserved})


@contextmanager
def _service(name: str) -> Iterator[str]:
    """The address of a service that runs."""
    address = _LAYOUT.url(name)
    if name in _EXTERNAL:
        yield address
        return
    _STATE.create()
    process = embedded(name, _LAYOUT, durable=False)
    with running(process, log=_STATE.logs / f"{name}.log"):
        yield address


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """DATABASE_URL of a running PostgreSQL; `django_db` tests get it by themselves."""
    with _service("postgres") as url:
        yield url


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """REDIS_URL of a running Redis."""
    with _service("redis") as url:
        yield url


@pytest.fixture(scope="session")
def chain() -> Iterator[str]:
    """CHAIN_RPC_URL of a running Anvil; blocks are mined on demand (`evm_mine`)."""
    with _service("anvil") as url:
        yield url


@pytest.fixture(scope="session")
def mqtt() -> Iterator[str]:
    """MQTT_URL of a running broker."""
    with _service("mqtt") as url:
        yield url


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(_STATE.folder, ignore_errors=True)
