"""Which TCP port each server listens on."""

import json
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

HOST = "127.0.0.1"
"""Embedded servers listen on this machine only."""

PREFERRED: Mapping[str, int] = {"web": 8000, "postgres": 54320, "redis": 63790, "anvil": 8545, "mqtt": 1883}


class PortBusyError(Exception):
    """The port that was asked for is taken."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def unused(count: int) -> list[int]:
    """`count` different ports that are free now, chosen by the kernel."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def any_free() -> dict[str, int]:
    """Ports for an instance that is to be in nobody's way."""
    return dict(zip(PREFERRED, unused(len(PREFERRED)), strict=True))


def choose(remembered: Mapping[str, int], *, web: int | None) -> dict[str, int]:
    """A port for each server: the one it had last, else its usual one, else any that is free.

    Args:
        remembered: the ports of the last start.
        web: the web server's port where the user insists on one.

    Raises:
        PortBusyError: `web` is taken.
    """
    if web is not None and not is_free(web):
        raise PortBusyError(f"Port {web} is in use: stop what listens there, or choose another with PORT=")
    wanted = {**PREFERRED, **remembered}
    spare = any_free()
    chosen = {name: port if is_free(port) else spare[name] for name, port in wanted.items()}
    return chosen if web is None else {**chosen, "web": web}


def recall(file: Path) -> dict[str, int]:
    """The ports that `remember` wrote, or none."""
    return {name: int(port) for name, port in json.loads(file.read_text()).items()} if file.exists() else {}


def remember(file: Path, ports: Mapping[str, int]) -> None:
    """Write the ports for the next start."""
    file.write_text(json.dumps(dict(ports), indent=2) + "\n")
