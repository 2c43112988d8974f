"""The process table, docker-compose.yml and docs/operations.md tell the same."""

import re
from importlib.util import find_spec

import pytest
import yaml

from launch.environment import ADDRESSES, ATTESTOR_KEYS, CHAIN_KEYS, ROOT
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


@pytest.mark.parametrize("name", SERVICES)
def test_compose_tells_a_process_the_same_keys_and_accounts(name):
    (definition,) = (d for d in TABLE if d.name == name)
    told = SERVICES[name].get("environment", {})

    assert {v for v in told if v in {*CHAIN_KEYS, *ADDRESSES}} == set(definition.given)
    assert all(told[v] == f"${{{v}:?}}" for v in definition.given)


def test_a_key_but_the_agents_is_with_one_process_and_the_deployers_with_none_that_stays():
    holders = {key: [d for d in TABLE if key in d.given] for key in CHAIN_KEYS}

    # What an agent may sign is bounded by mandates: members ask it to on the site, and it trades by itself.
    assert [d.name for d in holders.pop("AGENT_KEY")] == ["web", "worker"]
    assert all(len(who) <= 1 for who in holders.values())
    assert [d.kind for d in holders["DEPLOYER_KEY"]] == [Kind.STEP]
    assert not holders["ADMIN_KEY"]


def test_a_process_is_told_what_it_is_given_and_no_more():
    reserved = {name: f"value of {name}" for name in (*CHAIN_KEYS, *ADDRESSES)}
    worker = next(d for d in TABLE if d.name == "worker").process(
        dict.fromkeys(IN_COMPOSE, "") | {"web_url": ""}, reserved
    )

    assert worker.environment == {
        name: reserved[name] for name in ("OPERATOR_KEY", "REGISTRAR_KEY", "AGENT_KEY", *ATTESTOR_KEYS)
    }


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
        re.findall(r"^\| `([A-Z_0-9]+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    )

    used = {name for service in SERVICES.values() for name in service["environment"] if "build" in service}

    assert used <= documented
