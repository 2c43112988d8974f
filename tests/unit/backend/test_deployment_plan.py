"""What is deployed, worked out before anything is sent."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from backend.chain.deployment import DeploymentError, Plan, Terms, create2, networks
from backend.chain.deployment.contents import HOLDERS, NAMES, At, contracts
from backend.chain.deployment.keys import KeyFormatError, from_hex, from_keystore, keystore_address
from backend.chain.deployment.steps import Renounce, steps_of
from backend.chain.deployment.verification import expected_holders, is_build, masked, overlaps
from backend.settlement import connection

ROOT = Path(__file__).resolve().parents[3]
SEPOLIA = networks.BY_NAME["sepolia"]
ANVIL = networks.BY_NAME["anvil"]
# https://eips.ethereum.org/EIPS/eip-1014#examples: creator, salt, creation code, address
EIP_1014 = [
    ("00" * 20, "00" * 32, "00", "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
    (f"deadbeef{'00' * 16}", "00" * 32, "00", "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"),
    (
        f"deadbeef{'00' * 16}",
        f"{'00' * 12}feed{'00' * 18}",
        "00",
        "0xD04116cDd17beBE565EB2422F2497E06cC1C9833",
    ),
    ("00" * 20, "00" * 32, "deadbeef", "0x70f2b2914A2a4b783FaEFb75f459A580616Fcb5e"),
    (
        f"{'00' * 16}deadbeef",
        f"{'00' * 28}cafebabe",
        "deadbeef",
        "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7",
    ),
    (
        f"{'00' * 16}deadbeef",
        f"{'00' * 28}cafebabe",
        "deadbeef" * 11,
        "0x1d8bfDC5D46DC4f61D6b6115972536eBE6A8854C",
    ),
    ("00" * 20, "00" * 32, "", "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"),
]


def account(name):
    return Account.from_key(keccak(text=name)).address


def terms(**changes):
    accounts = {holder: (account(holder),) for holder in HOLDERS}
    accounts["attestor"] = tuple(account(f"attestor {n}") for n in range(3))
    given = {
        "retailer": account("retailer"),
        "fund": account("fund"),
        "accounts": accounts,
        "interval_s": 3_600,
        "withdrawal_delay_s": 18_000,
        "settlement_term_s": 14_400,
        "reading_deadline_s": 7_200,
    }
    return Terms(**given | changes)


def plan(network=ANVIL, label="test", **changes):
    return Plan.of(
        network, terms(**changes), connection.artifacts(), deployer=account("deployer"), label=label
    )


@pytest.mark.parametrize(("creator", "salt", "code", "address"), EIP_1014)
def test_addresses_are_those_of_eip_1014(creator, salt, code, address):
    assert create2.address(bytes.fromhex(salt), bytes.fromhex(code), creator="0x" + creator) == address


def test_an_address_follows_from_all_that_is_deployed_and_from_nothing_else():
    first = plan()
    assert first.addresses == plan().addresses
    assert first.digest == plan().digest
    for other in (
        plan(label="another"),
        plan(withdrawal_delay_s=18_001),
        plan(retailer=account("another retailer")),
    ):
        assert other.addresses["exchange"] != first.addresses["exchange"]
        assert other.digest != first.digest


def test_another_pauser_is_another_plan_at_the_same_addresses():
    accounts = terms().accounts | {"pauser": (account("another pauser"),)}
    assert plan(accounts=accounts).addresses == plan().addresses
    assert plan(accounts=accounts).digest != plan().digest


def references(values):
    for value in values:
        if isinstance(value, tuple):
            yield from references(value)
        elif isinstance(value, At):
            yield value.role


def test_every_contract_of_the_table_is_named_and_every_reference_points_backwards():
    seen = set()
    for contract in contracts(replace(terms(), admin_delay_s=60), deployer=account("deployer")):
        assert NAMES[contract.role] == contract.name
        assert set(references((*contract.arguments, *contract.views.values()))) <= seen, contract.role
        seen.add(contract.role)
    assert seen == set(NAMES)


def test_every_immutable_value_of_our_contracts_has_a_view_that_is_checked():
    for creation in plan().creations:
        files = [ROOT / "contracts" / name for name in json.loads(creation.artifact.metadata)["sources"]]
        ours = "".join(file.read_text() for file in files if file.exists())
        declared = set(re.findall(r"public immutable (\w+);", ours))
        assert declared <= set(creation.views), creation.role
        assert declared or not creation.administered


def test_the_tables_mainnets_are_those_that_the_test_stablecoin_refuses():
    listed = re.search(
        r"mainnets = \[(.*?)\]", (ROOT / "contracts/src/MockStablecoin.sol").read_text(), re.DOTALL
    )
    refused = {int(number) for number in re.findall(r"\b\d+\b", re.sub(r"uint\d+", "", listed[1]))}
    assert {n.chain_id for n in networks.BY_ID.values() if n.kind is networks.Kind.MAIN} == refused
    assert len(networks.BY_NAME) == len(networks.BY_ID)


def test_play_money_is_refused_where_money_is_or_may_be_real():
    for network in networks.BY_ID.values():
        if network.kind is networks.Kind.MAIN:
            with pytest.raises(DeploymentError, match="is real: name the stablecoin"):
                plan(network)
    with pytest.raises(DeploymentError, match="chain 4711 is not known here"):
        plan(networks.find("4711"))
    real = plan(networks.BY_NAME["base"], token=account("USDC"))
    assert "token" not in {creation.role for creation in real.creations}
    assert real.addresses["token"] == account("USDC")
    exchange = next(c for c in real.creations if c.role == "exchange")
    assert exchange.arguments[0][0] == account("USDC")


def test_a_network_has_a_name_or_a_number():
    assert networks.find("sepolia").chain_id == networks.find("11155111").chain_id == 11_155_111
    with pytest.raises(ValueError, match="'seplia' is no network"):
        networks.find("seplia")


def test_no_account_has_two_roles():
    accounts = terms().accounts
    for holder in HOLDERS:
        for other in set(HOLDERS) - {holder}:
            with pytest.raises(ValueError, match="each needs an account of its own"):
                terms(accounts=accounts | {holder: accounts[other][:1]})
    with pytest.raises(ValueError, match="attestor and attestor"):
        terms(accounts=accounts | {"attestor": (account("a"), account("a"))})
    with pytest.raises(DeploymentError, match="deploys and is pauser"):
        plan(accounts=accounts | {"pauser": (account("deployer"),)})


@pytest.mark.parametrize("wrong", ["0x" + "00" * 20, account("x").lower(), "nobody"])
def test_an_account_is_a_checksummed_address(wrong):
    with pytest.raises(ValueError, match="is not a checksummed address"):
        terms(accounts=terms().accounts | {"issuer": (wrong,)})


def test_every_holder_is_named_and_attestors_can_agree():
    with pytest.raises(ValueError, match="no account is named for issuer, sponsor"):
        terms(accounts=terms().accounts | {"issuer": (), "sponsor": ()})
    with pytest.raises(ValueError, match="4 of 3 attestors cannot agree"):
        terms(attestor_threshold=4)


def test_members_can_leave_before_a_change_takes_effect():
    def delay(network, **changes):
        return plan(network, **changes).terms.admin_delay_s

    assert delay(ANVIL) == 60
    assert delay(ANVIL, admin_delay_s=5) == 5
    assert delay(SEPOLIA) == 172_800
    assert delay(SEPOLIA, withdrawal_delay_s=200_000) == 200_000
    with pytest.raises(DeploymentError, match="lets nobody withdraw"):
        plan(SEPOLIA, admin_delay_s=17_999)


def test_the_deployer_keeps_nothing_and_the_timelock_administers_all():
    made = plan(SEPOLIA)
    holders = expected_holders(made)
    everybody = {who for roles in holders.values() for accounts in roles.values() for who in accounts}
    assert made.deployer not in everybody
    assert {roles["DEFAULT_ADMIN_ROLE"] for roles in holders.values()} == {frozenset({made.timelock})}
    assert holders["registry"]["REGISTRAR_ROLE"] == {account("registrar")}
    assert holders["oracle"]["ATTESTOR_ROLE"] == {account(f"attestor {n}") for n in range(3)}
    assert (
        holders["exchange"]["PAUSER_ROLE"] == holders["demand_response"]["PAUSER_ROLE"] == {account("pauser")}
    )
    assert holders["certificates"]["ISSUER_ROLE"] == {account("issuer")}
    assert overlaps(holders) == []
    administered = [c.role for c in made.creations if c.administered]
    last = steps_of(made)[-len(administered) :]
    assert [step.contract for step in last if isinstance(step, Renounce)] == administered


def test_an_account_with_two_roles_is_told():
    operator = account("operator")
    holders = {
        "exchange": {"OPERATOR_ROLE": frozenset({operator})},
        "registry": {"REGISTRAR_ROLE": frozenset({operator})},
    }
    assert overlaps(holders) == [f"{operator} has OPERATOR_ROLE, REGISTRAR_ROLE"]


def test_masking_blanks_immutables_and_nothing_else():
    assert masked(bytes(range(1, 9)), [[1, 2], [6, 2]]) == bytes([1, 0, 0, 4, 5, 6, 0, 0])
    artifact = connection.artifacts()["EnergyExchange"]
    built = bytearray(bytes.fromhex(artifact.runtime[2:]))
    assert artifact.immutables
    start, length = artifact.immutables[0]
    assert is_build(bytes(built), artifact)
    built[start + length - 1] ^= 0xFF
    assert is_build(bytes(built), artifact)
    built[start + length] ^= 0xFF
    assert not is_build(bytes(built), artifact)
    assert not is_build(bytes.fromhex(artifact.runtime[2:]) + b"\x00", artifact)
    assert not is_build(b"", artifact)


def test_a_key_that_is_none_is_not_told():
    for wrong in ("0x1234", "my-secret", "0x" + "zz" * 32):
        with pytest.raises(KeyFormatError) as caught:
            from_hex(wrong, name="DEPLOYER_KEY")
        assert wrong not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_a_keystore_opens_with_its_password_only(tmp_path):
    key = keccak(text="deployer")
    file = tmp_path / "key.json"
    file.write_text(json.dumps(Account.encrypt(key, "correct horse", iterations=2)))
    assert keystore_address(file) == account("deployer")
    assert from_keystore(file, "correct horse").address == account("deployer")
    with pytest.raises(KeyFormatError, match="does not open with this password"):
        from_keystore(file, "battery staple")
    file.write_text("[]")
    with pytest.raises(KeyFormatError, match="is not a keystore file"):
        from_keystore(file, "correct horse")


def test_accounts_come_from_addresses_or_from_keys(monkeypatch):
    for name in ("OPERATOR", "ATTESTOR"):
        monkeypatch.delenv(f"{name}_ADDRESS", raising=False)
    for n in range(1, 4):
        monkeypatch.setenv(f"ATTESTOR_{n}_KEY", "0x" + keccak(text=f"attestor {n}").hex())
    monkeypatch.setenv("OPERATOR_KEY", "0x" + keccak(text="operator").hex())
    assert connection.accounts("OPERATOR") == (account("operator"),)
    assert connection.accounts("ATTESTOR") == tuple(account(f"attestor {n}") for n in (1, 2, 3))
    monkeypatch.setenv("ATTESTOR_ADDRESS", f"{account('x')}, {account('y')}")
    assert connection.accounts("ATTESTOR") == (account("x"), account("y"))
