"""A community whose models are older than the registry goes on: its rows stay, and do not serve."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from town import OPENED

BEFORE, AFTER = [("planning", "0001_initial")], [("planning", "0002_model_registry")]


def migrated(target):
    """The models as they are at ``target``."""
    executor = MigrationExecutor(connection)
    executor.migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


@pytest.mark.django_db(transaction=True)
def test_models_of_before_are_retired():
    try:
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
    finally:
        after = migrated(AFTER).get_model("planning", "ModelVersion")
    rows = list(after.objects.values_list("status", "crowned_at", "artefact_sha256", "path"))
    assert rows == [("retired", None, "", "models/load")] * 2
