"""What the launcher knows of a process."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from launch.leash import leashed


class PrepareError(Exception):
    """What has to be there before a process can start could not be made."""


def _nothing() -> None:
    """The preparation of a process that needs none."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A command to keep running (or, with `supervisor.once`, to run to its end)."""

    name: str
    argv: tuple[str, ...]
    address: str = ""
    """Where it listens: [scheme://]host:port."""
    stop_signal: signal.Signals = signal.SIGTERM
    """Asks it to end soon; also sent by the kernel when the launcher dies."""
    account: str | None = None
    """Whom it runs as, if not as the launcher's own user."""
    prepare: Callable[[], None] = _nothing
    """Run before each start, so also after a crash."""
    probe: Callable[[], Awaitable[None]] | None = None
    """Raises while what listens at `address` cannot serve; None if the process serves nobody."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that other processes are not given."""
    upkeep: Callable[[], None] = _nothing
    """Run every ten seconds while the process lives."""

    @property
    def port(self) -> int:
        """The port of `address`."""
        return int(self.address.rsplit(":", 1)[1])

    def command(self) -> list[str]:
        """The command line to start, tied to the caller's life."""
        return leashed(self.argv, signal=self.stop_signal, account=self.account)
