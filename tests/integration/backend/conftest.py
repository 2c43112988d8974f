"""A small community on a real Postgres and Redis; the chain is a stub that does not answer."""

import pytest
from django.core.cache import cache
from town import Town

from backend.chain.errors import ChainUnavailableError
from backend.settlement import connection


@pytest.fixture(autouse=True)
def _rim(redis, settings, monkeypatch):  # noqa: ARG001 - Redis has to run
    """Fast passwords, and no chain: whatever needs one has to say so."""

    def unavailable():
        raise ChainUnavailableError("no chain in this test")

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(connection, "chain", unavailable)


@pytest.fixture
def town(db):  # noqa: ARG001 - the database
    """The community as loaded, its clock at the opening."""
    cache.clear()
    built = Town()
    return built.load(built.facts())


@pytest.fixture
def lasting_town(transactional_db):  # noqa: ARG001 - the database
    """The same, committed: other connections see it."""
    cache.clear()
    built = Town()
    return built.load(built.facts())
