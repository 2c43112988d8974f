"""Where a community's state lies, and the variables that its processes are given."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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

_CHAIN_KEYS = ("OPERATOR_KEY", "AGENT_KEY", "DEPLOYER_KEY")
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


def new_keys() -> dict[str, str]:
    """Random secrets for a platform: keys of the chain, passwords of the services."""
    words = {name: secrets.token_urlsafe(32) for name in _WORDS}
    return {name: "0x" + secrets.token_hex(32) for name in _CHAIN_KEYS} | words


def platform_keys(state: State) -> dict[str, str]:
    """The platform's secrets: made at the first start, the same ones ever after."""
    file = state.keys / "platform.env"
    if not file.exists():
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{name}={value}\n" for name, value in new_keys().items()))
        draft.replace(file)
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


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

    @classmethod
    def of(
        cls, state: State, ports: Mapping[str, int], keys: Mapping[str, str], given: Mapping[str, str]
    ) -> "Layout":
        """Put the environment together; what `given`, the launcher's own, sets stands."""
        database = f"commonwatt:{keys['POSTGRES_PASSWORD']}@{HOST}:{ports['postgres']}/postgres"
        replaceable = {
            **{name: keys[name] for name in (*_CHAIN_KEYS, "DJANGO_SECRET_KEY")},
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
        return cls(state, ports, keys, {**replaceable, **given, **own})

    def url(self, service: str) -> str:
        """How clients reach a service."""
        return self.variables[SERVICE_VARIABLES[service]]
