"""The house itself: its walls, its schema and its migrations."""

import io
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("domain", "forecasting", "ess", "pricing", "backend", "demo", "launch")
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]

# What must not be, one for each wall: file, and the line that is planted in it.
VIOLATIONS = {
    "1.": ("pricing/units_planted.py", "import ess.problem"),
    "2.": ("backend/registry/planted.py", "import backend.kpi.report"),
    "3.": ("backend/market/queries.py", "import backend.market.services"),
    "4.": ("domain/planted.py", "import django.conf"),
    "5.": ("backend/planning/planted.py", "import lightgbm"),
    "6.": ("backend/market/planted.py", "import web3"),
    "7.": ("demo/planted.py", "import backend.registry.models"),
}


def lint_imports(folder):
    """Which walls stand, by the number that their names begin with."""
    done = subprocess.run([*LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    walls = {
        line.split()[0]: line.split()[-1]
        for line in done.stdout.splitlines()
        if line.endswith((" KEPT", " BROKEN"))
    }
    assert len(walls) == len(VIOLATIONS), done.stdout + done.stderr
    return walls, done.returncode


def test_the_walls_stand():
    walls, code = lint_imports(ROOT)
    assert set(walls.values()) == {"KEPT"}
    assert code == 0


def test_the_walls_are_without_exceptions():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {name[:2] for name in (c["name"] for c in contracts)} == set(VIOLATIONS)
    assert not [c["name"] for c in contracts if "ignore_imports" in c]


def test_whoever_breaks_a_wall_is_told(tmp_path):
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, line in VIOLATIONS.values():
        with (tmp_path / file).open("a") as planted:
            planted.write(f"\n{line}\n")
    walls, code = lint_imports(tmp_path)
    assert walls == dict.fromkeys(VIOLATIONS, "BROKEN")
    assert code != 0


def test_the_schema_is_whole_and_the_clients_copy_is_not_stale():
    schema = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=schema)
    kept = json.loads((ROOT / "frontend" / "openapi.json").read_text())
    assert kept == json.loads(schema.getvalue()), (
        "frontend/openapi.json is stale: python manage.py spectacular --format openapi-json "
        "--file frontend/openapi.json && npm --prefix frontend run generate"
    )


@pytest.mark.django_db
def test_every_change_of_a_model_has_its_migration():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
