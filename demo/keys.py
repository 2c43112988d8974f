"""The private keys of owners' wallets and of meters: made once, at random, kept where only their owner reads.

``<state>/keys/wallets.json`` maps a username (or ``retailer``, ``community_fund``) to a key,
``<state>/keys/meters.json`` a meter id. The platform never sees either; nothing prints them.
"""

import secrets
from collections.abc import Iterable
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from demo.files import PRIVATE, read_json, write_json

PRIVATE_FOLDER = 0o700


class KeyRing:
    """The keys of one file, made where they are missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, str] = read_json(path) if path.exists() else {}

    @classmethod
    def wallets(cls, state: Path) -> "KeyRing":
        """Keys of the owners, the retailer and the community fund."""
        return cls(state / "keys" / "wallets.json")

    @classmethod
    def meters(cls, state: Path) -> "KeyRing":
        """Keys of the meters."""
        return cls(state / "keys" / "meters.json")

    def ensure(self, names: Iterable[str]) -> None:
        """Make a key for every name that has none yet."""
        missing = [name for name in names if name not in self._keys]
        if missing:
            self._keys |= {name: "0x" + secrets.token_hex(32) for name in missing}
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
            write_json(self._path, self._keys, mode=PRIVATE)

    def account(self, name: str) -> LocalAccount:
        """The account of ``name``; KeyError when it has no key."""
        account: LocalAccount = Account.from_key(self._keys[name])
        return account
