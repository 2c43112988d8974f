"""One Commonwatt on this machine: a state folder held by one launcher, its services, its processes."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from launch import probes
from launch.environment import SERVICE_VARIABLES, Layout, State, platform_keys
from launch.ports import HOST
from launch.processes import BOOTSTRAP, DEVICES, ONBOARD, PREPARE, TIMEKEEPER, WEB, WORKERS, Definition
from launch.services import embedded
from launch.supervisor import StartError, Supervisor

Say = Callable[[str], None]

_PROBES = {
    "postgres": probes.postgres,
    "redis": probes.redis_server,
    "anvil": probes.chain,
    "mqtt": probes.mqtt,
}
_EXTERNAL_S = 10.0


class StateBusyError(Exception):
    """Another launcher holds the state folder, or it holds another community."""


@contextmanager
def held(state: State) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it when we end, however we end.

    Raises:
        StateBusyError: another launcher holds it.
    """
    with (state.folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StateBusyError(
                f"Commonwatt already runs from {state.folder} ({lock.read().strip()}): "
                "stop it first, or set COMMONWATT_STATE to another folder"
            ) from None
        lock.truncate(0)
        lock.write(f"pid {os.getpid()}")
        lock.flush()
        yield
        lock.truncate(0)


def claim(state: State, scenario: str) -> None:
    """Note whose state this is.

    Raises:
        StateBusyError: it is another community's.
    """
    note = state.folder / "scenario"
    if note.exists() and (found := note.read_text().strip()) != scenario:
        raise StateBusyError(
            f"{state.folder} holds the community of {found}, not of {scenario}: "
            "set COMMONWATT_STATE to another folder"
        )
    note.write_text(scenario + "\n")


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What is about to run."""

    layout: Layout
    supervisor: Supervisor
    external: frozenset[str]
    say: Say

    @classmethod
    def create(
        cls, state: State, *, ports: Mapping[str, int], say: Say, given: Mapping[str, str]
    ) -> "Instance":
        """Put the environment together.

        Args:
            state: the folder, held.
            ports: where each server is to listen.
            say: tells people what happens.
            given: the launcher's environment; a service whose variable it sets is not started.
        """
        layout = Layout.of(state, ports, platform_keys(state), given)
        return cls(
            layout=layout,
            supervisor=Supervisor(logs=state.logs, environment=layout.variables, say=say),
            external=frozenset(name for name, variable in SERVICE_VARIABLES.items() if given.get(variable)),
            say=say,
        )

    async def start_services(self) -> None:
        """Start the embedded services, and see that the others answer.

        Raises:
            StartError: one does not.
        """
        own = [embedded(name, self.layout) for name in SERVICE_VARIABLES if name not in self.external]
        await self.supervisor.start(*own)
        for name in self.external:
            variable = SERVICE_VARIABLES[name]
            try:
                await probes.answers(partial(_PROBES[name], self.layout.url(name)), within_s=_EXTERNAL_S)
            except TimeoutError as silence:
                raise StartError(
                    f"{variable} is set, but nothing there answers as {name} should"
                ) from silence

    async def start_platform(self, placeholders: Mapping[str, str]) -> None:
        """Start everything but the devices and their owners.

        Args:
            placeholders: scenario, date and speed, as `processes.Definition` wants them.
        """
        self.say("starting the services")
        await self.start_services()
        self.say("preparing the community")
        await self._once(PREPARE, placeholders)
        if "anvil" not in self.external:
            await self._start([TIMEKEEPER], placeholders)
        self.say("bringing database, contracts and history up to date")
        await self._once(BOOTSTRAP, placeholders)
        self.say("starting the platform")
        await self._start([WEB], placeholders)
        await self._start(WORKERS, placeholders)

    async def start_devices(self, placeholders: Mapping[str, str]) -> None:
        """Let the owners sign, and switch their devices on."""
        self.say("owners sign, devices connect")
        await self._once(ONBOARD, placeholders)
        await self._start([DEVICES], placeholders)

    async def _start(self, definitions: Sequence[Definition], placeholders: Mapping[str, str]) -> None:
        values, reserved = self._filled(placeholders), self.layout.reserved
        await self.supervisor.start(*(d.process(values, reserved) for d in definitions))

    async def _once(self, definition: Definition, placeholders: Mapping[str, str]) -> None:
        await self.supervisor.once(definition.process(self._filled(placeholders), self.layout.reserved))

    def _filled(self, placeholders: Mapping[str, str]) -> dict[str, str]:
        return {
            **placeholders,
            "state": str(self.layout.state.folder),
            "host": HOST,
            "port": str(self.layout.ports["web"]),
            "web_url": self.layout.variables["WEB_URL"],
        }


def fresh_logs(logs: Path) -> None:
    """Set the logs of the last run aside; those before it go."""
    for log in logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))
