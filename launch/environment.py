"""Where a community's state lies, and the variables that its processes are given."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account

from launch.ports import HOST

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: processes run here."""

SERVICE_VARIABLES: Mapping[str, str] = {
    "postgres": "DATABASE_URL",
    "redis": "REDIS_URL",
    "anvil": "CHAIN_RPC_URL",
    "mqtt": "MQTT_URL",
}
"""The variable that replaces each embedded service."""

_SOLE = ("DEPLOYER", "ADMIN", "OPERATOR", "REGISTRAR", "PAUSER", "ISSUER", "SPONSOR", "AGENT")
_ATTESTORS = ("ATTESTOR_1", "ATTESTOR_2", "ATTESTOR_3")
ATTESTOR_KEYS = tuple(f"{name}_KEY" for name in _ATTESTORS)
CHAIN_KEYS = (*(f"{name}_KEY" for name in _SOLE), *ATTESTOR_KEYS)
"""A key each for whoever has power on the chain; a process is given those that it needs, and no other."""
ADDRESSES = (*(f"{name}_ADDRESS" for name in _SOLE), "ATTESTOR_ADDRESS")
"""The accounts of these keys; the attestors' are one variable, by comma."""
_WORDS = ("DJANGO_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")


@dataclass(frozen=True)
class State:
    """The folder of one community: everything that a restart resumes from."""

    folder: Path

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.folder / "logs"

    @property
    def keys(self) -> Path:
        """Secrets; readable by the owner only."""
        return self.folder / "keys"

    @property
    def ports(self) -> Path:
        """The ports of the last start."""
        return self.folder / "ports.json"

    def create(self) -> "State":
        """Make the folders. Others may pass through (an unprivileged Postgres must), not look."""
        for folder, mode in ((self.folder, 0o711), (self.logs, 0o755), (self.keys, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        return self


class KeyFormatError(Exception):
    """A variable that should hold a private key does not."""


def new_keys() -> dict[str, str]:
    """Random secrets for a platform: keys of the chain, passwords of the services."""
    words = {name: secrets.token_urlsafe(32) for name in _WORDS}
    return {name: "0x" + secrets.token_hex(32) for name in CHAIN_KEYS} | words


def addresses(keys: Mapping[str, str]) -> dict[str, str]:
    """The accounts of the chain's keys, as variables.

    Raises:
        KeyFormatError: one is no private key; the message does not hold it.
    """
    found = {name: _address(name, keys[f"{name}_KEY"]) for name in (*_SOLE, *_ATTESTORS)}
    sole = {f"{name}_ADDRESS": found[name] for name in _SOLE}
    return {**sole, "ATTESTOR_ADDRESS": ",".join(found[name] for name in _ATTESTORS)}


def _address(name: str, key: str) -> str:
    try:
        return str(Account.from_key(key).address)
    except Exception:  # noqa: BLE001 - whatever was wrong, the key must not be told
        raise KeyFormatError(f"{name}_KEY is not a private key: 32 bytes in 0x hex") from None


def platform_keys(state: State) -> dict[str, str]:
    """The platform's secrets: made at the first start, the same ones ever after; new names are added."""
    file = state.keys / "platform.env"
    lines = file.read_text().splitlines() if file.exists() else []
    kept = dict(line.split("=", 1) for line in lines)
    wanted = new_keys()
    if wanted.keys() - kept.keys():
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{name}={value}\n" for name, value in (wanted | kept).items()))
        draft.replace(file)
    return wanted | kept


@dataclass(frozen=True)
class Layout:
    """Where everything of one instance is, and how its processes are told."""

    state: State
    ports: Mapping[str, int]
    """The port of each server, by process name."""
    keys: Mapping[str, str]
    """What `platform_keys` returned."""
    variables: Mapping[str, str]
    """The environment of every process."""
    reserved: Mapping[str, str]
    """Keys and accounts of the chain: for those processes that name them in `processes.Definition.given`."""

    @classmethod
    def of(
        cls, state: State, ports: Mapping[str, int], keys: Mapping[str, str], given: Mapping[str, str]
    ) -> "Layout":
        """Put the environment together; what `given`, the launcher's own, sets stands."""
        database = f"commonwatt:{keys['POSTGRES_PASSWORD']}@{HOST}:{ports['postgres']}/postgres"
        chain_keys = {name: given.get(name) or keys[name] for name in CHAIN_KEYS}
        accounts = {name: given.get(name) or found for name, found in addresses(chain_keys).items()}
        replaceable = {
            "DJANGO_SECRET_KEY": keys["DJANGO_SECRET_KEY"],
            "DATABASE_URL": f"postgresql://{database}",
            "REDIS_URL": f"redis://:{keys['REDIS_PASSWORD']}@{HOST}:{ports['redis']}/0",
            "CHAIN_RPC_URL": f"http://{HOST}:{ports['anvil']}",
            "MQTT_URL": f"mqtt://{HOST}:{ports['mqtt']}",
            "SOLC": str(ROOT / "contracts" / "bin" / "solc"),
        }
        own = {
            "WEB_URL": f"http://{HOST}:{ports['web']}",
            "COMMONWATT_STATE": str(state.folder),
            "PYTHONUNBUFFERED": "1",
        }
        reserved = {**chain_keys, **accounts}
        public = {name: value for name, value in given.items() if name not in reserved}
        return cls(state, ports, keys, {**replaceable, **public, **own}, reserved)

    def url(self, service: str) -> str:
        """How clients reach a service."""
        return self.variables[SERVICE_VARIABLES[service]]
