"""The deployer's key, from the environment or a keystore; it is in memory only, and in no message."""

import json
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address


class KeyFormatError(ValueError):
    """What was given is no key; the message does not hold it."""


def from_hex(key: str, *, name: str) -> LocalAccount:
    """The account of a private key in hex; ``name`` is what to call it when it is none."""
    try:
        account: LocalAccount = Account.from_key(key)
    except Exception:  # noqa: BLE001 - whatever was wrong, the key must not be told
        raise KeyFormatError(f"{name} is not a private key: 32 bytes in 0x hex") from None
    return account


def from_keystore(path: Path, password: str) -> LocalAccount:
    """The account of an encrypted key file (Web3 Secret Storage, version 3)."""
    content = _keystore(path)
    try:
        return from_hex(Account.decrypt(content, password).to_0x_hex(), name=str(path))
    except (KeyError, TypeError, ValueError, NotImplementedError):
        raise KeyFormatError(f"{path} does not open with this password") from None


def keystore_address(path: Path) -> str:
    """The account of a key file, without its password."""
    address = _keystore(path).get("address")
    if not isinstance(address, str):
        raise KeyFormatError(f"{path} does not name its account")
    return str(to_checksum_address(address))


def _keystore(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        raise KeyFormatError(f"{path} is not a keystore file") from None
    if not isinstance(content, dict) or not ({"crypto", "Crypto"} & content.keys()):
        raise KeyFormatError(f"{path} is not a keystore file")
    return content
