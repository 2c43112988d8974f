"""EIP-712 and EIP-191 signatures: made, and recovered to the address that made them."""

from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, _hash_eip191_message, encode_defunct, encode_typed_data
from eth_utils.address import to_checksum_address

from domain.errors import FieldError
from domain.typed_data import typed_data

SIGNATURE_LENGTH = 132
HIGHEST_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # half the order of secp256k1


def signable(primary_type: str, message: dict[str, Any], eip712: dict[str, Any]) -> SignableMessage:
    """The document of ``message`` under one of the community's EIP-712 domains (``Community.eip712()``)."""
    return encode_typed_data(full_message=typed_data(primary_type, message, **eip712))


def digest(primary_type: str, message: dict[str, Any], eip712: dict[str, Any]) -> str:
    """The 32-byte EIP-712 digest as 0x hex."""
    return "0x" + bytes(_hash_eip191_message(signable(primary_type, message, eip712))).hex()


def struct_hash(primary_type: str, message: dict[str, Any], eip712: dict[str, Any]) -> bytes:
    """The 32-byte EIP-712 hash of ``message`` alone, whatever contract it is for."""
    return signable(primary_type, message, eip712).body


def sign(primary_type: str, message: dict[str, Any], eip712: dict[str, Any], *, key: str) -> str:
    """A 65-byte signature as 0x hex, made with the private ``key``."""
    return "0x" + bytes(Account.sign_message(signable(primary_type, message, eip712), key).signature).hex()


def recover(primary_type: str, message: dict[str, Any], eip712: dict[str, Any], *, signature: str) -> str:
    """The checksummed address that signed ``message``; FieldError on a malformed signature."""
    return _recover(signable(primary_type, message, eip712), signature)


def recover_text(text: str, *, signature: str) -> str:
    """The checksummed address that signed ``text`` by personal_sign (EIP-191)."""
    return _recover(encode_defunct(text=text), signature)


def address_of(key: str) -> str:
    """The checksummed address of a private key."""
    return str(Account.from_key(key).address)


def checksum_address(value: str, field: str) -> str:
    """``value`` as a checksummed address, or FieldError naming ``field``."""
    try:
        return str(to_checksum_address(value))
    except ValueError as error:
        raise FieldError(field, "must be a 20-byte address in 0x hex") from error


def _recover(message: SignableMessage, signature: str) -> str:
    if len(signature) != SIGNATURE_LENGTH or not signature.startswith("0x"):
        raise FieldError("signature", "must be 65 bytes in 0x hex", code="malformed_signature")
    try:
        return str(Account.recover_message(message, signature=_canonical(signature)))
    except (
        Exception
    ) as error:  # eth_keys raises several unrelated types for a signature that is no curve point
        raise FieldError(
            "signature", "is not a valid secp256k1 signature", code="malformed_signature"
        ) from error


def _canonical(signature: str) -> bytes:
    """The signature's bytes; ValueError unless in the one form that the contracts take: low s, v 27 or 28."""
    raw = bytes.fromhex(signature[2:])
    if int.from_bytes(raw[32:64], "big") > HIGHEST_S or raw[64] not in {27, 28}:
        raise ValueError("not in its canonical form")
    return raw
