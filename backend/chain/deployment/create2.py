"""Addresses that follow from what is deployed (EIP-1014), through the deterministic deployment proxy.

The proxy (https://github.com/Arachnid/deterministic-deployment-proxy) has no owner and is at the same address
on most chains: it takes salt and creation code and hands both to CREATE2. So an address is the hash of salt,
creation code and constructor arguments: whoever sends them, whenever, gets the same contract there or none.
"""

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"


def salt(label: str, role: str) -> bytes:
    """The salt of a contract: another ``label`` gives a whole set of its own."""
    return keccak(text=f"{label}/{role}")


def address(salt: bytes, init_code: bytes, *, creator: str = PROXY) -> str:
    """Where ``creator`` puts a contract: keccak256(0xff ‖ creator ‖ salt ‖ keccak256(init code))[12:]."""
    return to_checksum_address(keccak(b"\xff" + bytes.fromhex(creator[2:]) + salt + keccak(init_code))[12:])


def call_data(salt: bytes, init_code: bytes) -> str:
    """What to send to the proxy, 0x hex."""
    return "0x" + (salt + init_code).hex()
