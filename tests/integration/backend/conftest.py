"""A small community on a real Postgres and Redis; the chain is a stub that does not answer."""

import pytest
from django.core.cache import cache
from forecasters import DAYS, MIDNIGHT, Lucky, Week, meter_readings
from town import Town

from backend.chain.errors import ChainUnavailableError
from backend.planning import artefacts, serving
from backend.settlement import connection
from backend.telemetry.models import Reading
from forecasting.models import MODELS
from forecasting.series import DAY


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


@pytest.fixture
def _forecasters(settings, tmp_path, monkeypatch):
    """A registry of its own, without shipped models, and challengers that learn at once."""
    settings.STATE_DIR = tmp_path / "state"
    settings.FORECAST_CHALLENGERS = ["week", "lucky"]
    for model in (Week, Lucky):
        monkeypatch.setitem(MODELS, model.name, model)
    monkeypatch.setattr(Week, "fitted", [])
    monkeypatch.setattr(serving, "SHIPPED", tmp_path / "weights")
    monkeypatch.setattr(serving, "_adapted", {})
    artefacts._loaded.cache_clear()


@pytest.fixture
def known(town):
    """Three weeks of readings until the first midnight, to which the clock is stepped."""
    start = MIDNIGHT - DAYS * DAY
    Reading.objects.bulk_create(meter_readings(town, start, DAYS * 24))
    return town.to(MIDNIGHT)
