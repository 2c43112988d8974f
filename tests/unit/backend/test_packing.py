"""Proofs and registers as the contracts read them."""

import pytest
from eth_account import Account

from backend.settlement import packing

LOW, MIDDLE, HIGH = (f"0x{digit * 40}" for digit in ("1", "a", "F"))


def test_a_proof_names_all_attestors_by_account_and_has_the_signatures_of_some():
    signature = "0x" + Account.create().unsafe_sign_hash(bytes(32)).signature.hex().removeprefix("0x")
    compact = bytes.fromhex(packing.compact(signature)[2:])
    given = {HIGH: None, LOW: signature, MIDDLE: None}
    expected = b"\x01" + compact + b"\x00" + b"\xaa" * 20 + b"\x00" + b"\xff" * 20
    assert packing.pack_attested_proof(given, gaps=False) == b"\x01" + expected
    assert packing.pack_attested_proof(given, gaps=True) == b"\x03" + expected


@pytest.mark.parametrize("registers", [[], [None], [(1, 2**32 - 1), None, (2**32 - 1, 0)]])
def test_registers_are_read_from_the_beginning_of_the_evidence(registers):
    evidence = packing.pack_registers(registers) + b"a proof"
    assert packing.unpack_registers(evidence, members=len(registers)) == registers
