import re

import pytest
from eth_account import Account

from launch.environment import (
    ADDRESSES,
    CHAIN_KEYS,
    SERVICE_VARIABLES,
    KeyFormatError,
    Layout,
    State,
    addresses,
    new_keys,
    platform_keys,
)
from launch.ports import PREFERRED


def test_keys_are_made_once_and_are_the_owners_alone(tmp_path):
    state = State(tmp_path / "state").create()

    first = platform_keys(state)

    assert platform_keys(state) == first
    assert (state.keys / "platform.env").stat().st_mode & 0o777 == 0o600
    assert state.keys.stat().st_mode & 0o777 == 0o700
    assert all(re.fullmatch("0x[0-9a-f]{64}", first[name]) for name in CHAIN_KEYS)
    assert len(set(first.values())) == len(first)


def test_a_state_from_before_gets_the_keys_that_are_new(tmp_path):
    state = State(tmp_path / "state").create()
    first = platform_keys(state)
    file = state.keys / "platform.env"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("REGISTRAR_KEY=")]
    file.write_text("\n".join(lines) + "\n")

    second = platform_keys(state)

    assert {name for name in first if second[name] != first[name]} == {"REGISTRAR_KEY"}
    assert platform_keys(state) == second
    assert file.stat().st_mode & 0o777 == 0o600


def test_every_account_is_its_keys_and_is_one_of_its_own():
    keys = new_keys()

    accounts = addresses(keys)

    assert set(accounts) == set(ADDRESSES)
    assert accounts["OPERATOR_ADDRESS"] == Account.from_key(keys["OPERATOR_KEY"]).address
    attestors = accounts["ATTESTOR_ADDRESS"].split(",")
    assert attestors == [Account.from_key(keys[f"ATTESTOR_{n}_KEY"]).address for n in (1, 2, 3)]
    everybody = [*attestors, *(v for name, v in accounts.items() if name != "ATTESTOR_ADDRESS")]
    assert len(set(everybody)) == len(CHAIN_KEYS)


def test_no_key_of_the_chain_is_in_everybodys_environment(tmp_path):
    given = {"SPONSOR_KEY": new_keys()["SPONSOR_KEY"], "PAUSER_ADDRESS": "0x" + "11" * 20}
    keys = new_keys()

    layout = Layout.of(State(tmp_path), PREFERRED, keys, given)

    secret = {keys[name] for name in CHAIN_KEYS} | {given["SPONSOR_KEY"]}
    assert not secret & set(layout.variables.values())
    assert not {*CHAIN_KEYS, *ADDRESSES} & layout.variables.keys()
    assert layout.reserved["SPONSOR_KEY"] == given["SPONSOR_KEY"]
    assert layout.reserved["SPONSOR_ADDRESS"] == Account.from_key(given["SPONSOR_KEY"]).address
    assert layout.reserved["PAUSER_ADDRESS"] == given["PAUSER_ADDRESS"]


def test_a_key_that_is_none_is_not_told(tmp_path):
    with pytest.raises(KeyFormatError, match="OPERATOR_KEY is not a private key") as caught:
        Layout.of(State(tmp_path), PREFERRED, new_keys(), {"OPERATOR_KEY": "0xsecret"})

    assert "secret" not in str(caught.value)


def test_a_variable_that_is_set_stands(tmp_path):
    given = {"DATABASE_URL": "postgresql://elsewhere/db", "DJANGO_SECRET_KEY": "x", "HOME": "/home/me"}

    values = Layout.of(State(tmp_path), PREFERRED, new_keys(), given).variables

    assert {name: values[name] for name in given} == given
    assert values["CHAIN_RPC_URL"] == f"http://127.0.0.1:{PREFERRED['anvil']}"
    assert values.keys() >= set(SERVICE_VARIABLES.values())


def test_the_services_passwords_are_in_their_addresses_only(tmp_path):
    values = Layout.of(State(tmp_path), PREFERRED, new_keys(), {}).variables

    assert not {"POSTGRES_PASSWORD", "REDIS_PASSWORD"} & values.keys()
