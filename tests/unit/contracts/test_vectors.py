"""The shared vectors: eth_account makes the same signatures, and the files are what the generator writes."""

import json

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from contracts.vectors import generate
from domain.typed_data import DOMAIN_NAME, DOMAIN_VERSION, TYPES, typed_data

EIP712 = json.loads((generate.FOLDER / "eip712.json").read_text())
CASES = [pytest.param(case, id=case["name"]) for case in EIP712["cases"]]
LIBRARIES = generate.FOLDER.parent / "src/libraries"
SOURCE = "".join((LIBRARIES / name).read_text() for name in ("OrderTypes.sol", "ReadingTypes.sol"))


def signable(case):
    document = typed_data(
        case["primary_type"],
        case["message"],
        chain_id=EIP712["domain"]["chainId"],
        verifying_contract=EIP712["domain"]["verifyingContract"],
    )
    return encode_typed_data(full_message=document)


@pytest.mark.parametrize("case", CASES)
def test_digest_and_signature_are_what_eth_account_makes(case):
    signed = Account.sign_message(signable(case), case["private_key"])
    assert "0x" + signed.message_hash.hex() == case["digest"]
    assert "0x" + signed.signature.hex() == case["signature"]
    assert len(signed.signature) == 65


@pytest.mark.parametrize("case", CASES)
def test_signature_recovers_to_its_signer(case):
    assert Account.recover_message(signable(case), signature=case["signature"]) == case["signer"]


def test_every_type_has_two_cases_in_the_platforms_domain():
    assert (EIP712["domain"]["name"], EIP712["domain"]["version"]) == (DOMAIN_NAME, DOMAIN_VERSION)
    for primary_type in TYPES:
        assert sum(case["primary_type"] == primary_type for case in EIP712["cases"]) >= 2


@pytest.mark.parametrize("primary_type", TYPES)
def test_solidity_hashes_the_same_type_string(primary_type):
    members = ",".join(" ".join(member) for member in TYPES[primary_type])
    assert f'"{primary_type}({members})"' in SOURCE


@pytest.mark.parametrize(
    ("name", "document"), [("eip712", generate.eip712), ("settlement", generate.settlement)]
)
def test_files_are_what_the_generator_writes(name, document):
    assert (generate.FOLDER / f"{name}.json").read_text() == generate.text(document())
