"""A community older than the registry of models goes on: nothing is lost, no unknown model serves."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from town import OPENED

from backend.registry.models import Participant, Site

BEFORE, REGISTRY, ROLES, VERSIONS = [
    [("planning", name)]
    for name in ("0001_initial", "0002_model_registry", "0003_roles_of_runs", "0005_versions_that_served")
]


def migrated(target):
    """The models as they are at ``target``."""
    executor = MigrationExecutor(connection)
    executor.migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


@pytest.fixture
def _as_it_is_now():
    """The tables as all other tests expect them, also where one here fails."""
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_as_it_is_now")
def test_models_of_before_are_retired():
    before = migrated(BEFORE).get_model("planning", "ModelVersion")
    for hours in (0, 24):
        before.objects.create(
            name="lightgbm",
            quantity="load",
            trained_at=OPENED + timedelta(hours=hours),
            path="models/load",
            seed=1,
            data_hash="0" * 64,
        )
    after = migrated(REGISTRY).get_model("planning", "ModelVersion")
    rows = list(after.objects.values_list("status", "crowned_at", "artefact_sha256", "path"))
    assert rows == [("retired", None, "", "models/load")] * 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_as_it_is_now")
def test_runs_keep_what_they_were_for_and_forecasts_who_made_them():
    user = get_user_model().objects.create(username="ana")
    owner = Participant.objects.create(user=user, name="Ana", pseudonym="A1", wallet_address="0x1")
    site = Site.objects.create(participant=owner, name="home")
    old = migrated(REGISTRY)
    forecasts = old.get_model("planning", "SiteForecast").objects
    for name, made_by in (("lightgbm", "hybrid"), ("seasonal_naive", "")):
        run = old.get_model("planning", "ForecastRun").objects.create(
            kind="rolling", model_name=name, issued_at=OPENED
        )
        forecasts.create(
            run=run,
            site_id=site.pk,
            quantity="load",
            model_name=made_by,
            start=OPENED,
            step_s=3600,
            available_at=OPENED,
            levels=[0.5],
            power_kw=[[1.0]],
        )
    kept = migrated(ROLES).get_model("planning", "SiteForecast").objects.order_by("pk")
    assert list(kept.values_list("run__role", "model_name")) == [
        ("served", "hybrid"),
        ("reference", "seasonal_naive"),
    ]
    back = migrated(REGISTRY).get_model("planning", "ForecastRun").objects.order_by("pk")
    assert list(back.values_list("model_name", flat=True)) == ["lightgbm", "seasonal_naive"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_as_it_is_now")
def test_runs_keep_by_name_who_served_them():
    counted = {"load": {"sites_by_model": {"lightgbm": 11, "seasonal_naive": 1}, "passed_over": ["hybrid"]}}
    before = migrated(ROLES).get_model("planning", "ForecastRun").objects
    for role, served in (("served", counted), ("reference", {})):
        before.create(kind="rolling", role=role, issued_at=OPENED, served=served)
    after = migrated(VERSIONS).get_model("planning", "ForecastRun").objects
    listed = [
        {"name": "lightgbm", "version": None, "sites": 11},
        {"name": "seasonal_naive", "version": None, "sites": 1},
    ]
    assert after.get(role="served").served == {"load": {"models": listed, "passed_over": ["hybrid"]}}
    assert after.get(role="reference").served == {}
    back = migrated(ROLES).get_model("planning", "ForecastRun").objects
    assert back.get(role="served").served == counted
