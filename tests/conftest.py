"""Fixtures for every test. The services' own (postgres, redis, chain, mqtt) are in launch/testing.py."""

import pytest


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: str) -> None:
    """A test that wants a database has a server for it."""
