"""The shared vectors: eth_account makes the same signatures, and the files are what the generator writes."""

import json

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from contracts.vectors import generate
from domain.typed_data import DOMAIN_NAME, DOMAIN_VERSION, TYPES, typed_data

EIP712 = json.loads((generate.FOLDER / "eip712.json").read_text())
CASES = [pytest.param(case, id=case["name"]) for case in EIP712["cases"]]
LIBRARIES = generate.FOLDER.parent / "src/libraries"
SOURCE = "".join((LIBRARIES / name).read_text() for name in ("OrderTypes.sol", "ReadingTypes.sol"))
IN_SOURCE = [name for name in generate.EVERY_TYPE if name != "Permit"]  # that one is OpenZeppelin's


def signable(case):
    """As the platform signs it, where it does."""
    if case["primary_type"] not in TYPES:
        return generate.signable(case["primary_type"], case["message"])
    domain = EIP712["domains"][case["domain"]]
    return encode_typed_data(
        full_message=typed_data(
            case["primary_type"],
            case["message"],
            chain_id=domain["chainId"],
            verifying_contract=domain["verifyingContract"],
        )
    )


@pytest.mark.parametrize("case", CASES)
def test_digest_and_signature_are_what_eth_account_makes(case):
    signed = Account.sign_message(signable(case), case["private_key"])
    assert "0x" + signed.message_hash.hex() == case["digest"]
    assert "0x" + signed.signature.hex() == case["signature"]
    assert len(signed.signature) == 65


@pytest.mark.parametrize("case", CASES)
def test_signature_recovers_to_its_signer(case):
    assert Account.recover_message(signable(case), signature=case["signature"]) == case["signer"]


@pytest.mark.parametrize("case", [case for case in EIP712["cases"] if "readings" in case])
def test_attestors_sign_the_hash_of_the_packed_readings(case):
    assert "0x" + keccak(hexstr=case["readings"]).hex() == case["message"]["readingsHash"]
    assert len(bytes.fromhex(case["readings"][2:])) % 30 == 0


@pytest.mark.parametrize("case", [case for case in EIP712["cases"] if "orders" in case])
def test_agents_sign_the_chained_hash_of_their_orders(case):
    assert generate.orders_hash(case["orders"]) == case["message"]["ordersHash"]


def test_every_type_has_two_cases():
    for primary_type in generate.EVERY_TYPE:
        assert sum(case["primary_type"] == primary_type for case in EIP712["cases"]) >= 2


def test_exchange_and_oracle_share_name_and_version_alone():
    exchange, oracle = (EIP712["domains"][name] for name in ("exchange", "oracle"))
    for domain in (exchange, oracle):
        assert (domain["name"], domain["version"]) == (DOMAIN_NAME, DOMAIN_VERSION)
    assert exchange["verifyingContract"] != oracle["verifyingContract"]


@pytest.mark.parametrize("primary_type", IN_SOURCE)
def test_solidity_hashes_the_same_type_string(primary_type):
    members = ",".join(" ".join(member) for member in generate.EVERY_TYPE[primary_type])
    assert f'"{primary_type}({members})"' in SOURCE


@pytest.mark.parametrize(
    ("name", "document"), [("eip712", generate.eip712), ("settlement", generate.settlement)]
)
def test_files_are_what_the_generator_writes(name, document):
    assert (generate.FOLDER / f"{name}.json").read_text() == generate.text(document())
