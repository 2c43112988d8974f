"""The process table, docker-compose.yml and docs/operations.md tell the same."""

import re
from importlib.util import find_spec

import pytest
import yaml

from launch.environment import ROOT
from launch.processes import TABLE, Kind

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
IN_COMPOSE = {
    "scenario": "${SCENARIO:-fontana}",
    "state": "/state",
    "date": "today",
    "speed": "${SPEED:-scenario}",
    "host": "0.0.0.0",  # noqa: S104 (in a container, whose ports compose opens)
    "port": "8000",
}
OWN = [d for d in TABLE if d.kind is not Kind.SERVICE]


def test_compose_has_every_process_and_no_other():
    assert list(SERVICES) == [d.name for d in TABLE]


@pytest.mark.parametrize("definition", OWN, ids=lambda d: d.name)
def test_compose_runs_the_same_command(definition):
    service = SERVICES[definition.name]

    assert service["command"] == [word.format_map(IN_COMPOSE) for word in definition.command]
    assert service.get("stop_signal", "SIGTERM") == definition.stop_signal.name
    assert (service["restart"] == "no") == (definition.kind is Kind.STEP)


@pytest.mark.parametrize("name", [*SERVICES, "day"])
def test_every_command_exists(name):
    command = SERVICES[name].get("command", []) if name in SERVICES else ["python", "-m", "demo", "day"]
    if command[:2] == ["python", "-m"]:
        assert find_spec(command[2]) is not None
    elif command[:2] == ["python", "manage.py"]:
        assert list(ROOT.glob(f"backend/*/management/commands/{command[2]}.py"))
    elif command:
        assert command[0] in {"anvil", "redis-server"}


def test_every_image_is_pinned_to_a_version():
    images = {service["image"] for service in SERVICES.values()}
    built_from = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    assert all(re.search(r":\d+\.\d+", image) for image in (images - {"commonwatt"}) | built_from)


def test_every_variable_is_documented():
    documented = set(
        re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    )

    used = {name for service in SERVICES.values() for name in service["environment"] if "build" in service}

    assert used <= documented
