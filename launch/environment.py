"""Where a community's state lies, and the variables that its processes are given."""

import os
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


def variables(
    state: State, ports: Mapping[str, int], keys: Mapping[str, str], given: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment of every process; whatever `given` already sets stands.

    Args:
        state: the community's folder.
        ports: the port of each embedded server, by process name.
        keys: what `platform_keys` returned.
        given: the launcher's own environment.
    """
    defaults = {
        **{name: keys[name] for name in (*_CHAIN_KEYS, "DJANGO_SECRET_KEY")},
        "DATABASE_URL": f"postgresql://commonwatt:{keys['POSTGRES_PASSWORD']}@{HOST}:{ports['postgres']}/postgres",
        "REDIS_URL": f"redis://:{keys['REDIS_PASSWORD']}@{HOST}:{ports['redis']}/0",
        "CHAIN_RPC_URL": f"http://{HOST}:{ports['anvil']}",
        "MQTT_URL": f"mqtt://{HOST}:{ports['mqtt']}",
        "WEB_URL": f"http://{HOST}:{ports['web']}",
        "SOLC": str(ROOT / "contracts" / "bin" / "solc"),
        "COMMONWATT_STATE": str(state.folder),
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **given, "COMMONWATT_STATE": str(state.folder)}
