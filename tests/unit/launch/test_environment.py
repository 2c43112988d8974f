import re

from launch.environment import SERVICE_VARIABLES, Layout, State, new_keys, platform_keys
from launch.ports import PREFERRED


def test_keys_are_made_once_and_are_the_owners_alone(tmp_path):
    state = State(tmp_path / "state").create()

    first = platform_keys(state)

    assert platform_keys(state) == first
    assert (state.keys / "platform.env").stat().st_mode & 0o777 == 0o600
    assert state.keys.stat().st_mode & 0o777 == 0o700
    assert all(
        re.fullmatch("0x[0-9a-f]{64}", first[name]) for name in ("OPERATOR_KEY", "AGENT_KEY", "DEPLOYER_KEY")
    )
    assert len(set(first.values())) == len(first)


def test_a_variable_that_is_set_stands(tmp_path):
    given = {"DATABASE_URL": "postgresql://elsewhere/db", "OPERATOR_KEY": "0x01", "HOME": "/home/me"}

    values = Layout.of(State(tmp_path), PREFERRED, new_keys(), given).variables

    assert {name: values[name] for name in given} == given
    assert values["CHAIN_RPC_URL"] == f"http://127.0.0.1:{PREFERRED['anvil']}"
    assert values.keys() >= set(SERVICE_VARIABLES.values())


def test_the_services_passwords_are_in_their_addresses_only(tmp_path):
    values = Layout.of(State(tmp_path), PREFERRED, new_keys(), {}).variables

    assert not {"POSTGRES_PASSWORD", "REDIS_PASSWORD"} & values.keys()
