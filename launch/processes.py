"""Every process of Commonwatt, as data, in the order of starting. docker-compose.yml holds the same table."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial

from launch import probes
from launch.environment import ADDRESSES, ATTESTOR_KEYS
from launch.process import Process


class Kind(Enum):
    """How a process is run."""

    SERVICE = "service"
    """A server that others stand on; embedded unless its variable is set."""
    STEP = "step"
    """Runs to its end before what follows it starts; running it again changes nothing."""
    DAEMON = "daemon"
    """Runs until all is stopped."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One process.

    The words of `command` may hold {placeholders}: scenario, date, speed, state (the folder), host and port
    (of the web server).
    """

    name: str
    kind: Kind
    command: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    """The keys and accounts of the chain that it is told; no other process sees them."""
    stop_signal: signal.Signals = signal.SIGTERM

    def process(self, values: Mapping[str, str], reserved: Mapping[str, str]) -> Process:
        """The process that this describes, with its placeholders filled, and told its part of `reserved`."""
        program, *arguments = (word.format_map(values) for word in self.command)
        web = self.name == "web"
        return Process(
            name=self.name,
            argv=(sys.executable if program == "python" else program, *arguments),
            address=values["web_url"] if web else "",
            probe=partial(probes.web, values["web_url"]) if web else None,
            environment={name: reserved[name] for name in self.given},
            stop_signal=self.stop_signal,
        )


def _python(line: str) -> tuple[str, ...]:
    return ("python", *line.split())


SERVICES = tuple(Definition(name=name, kind=Kind.SERVICE) for name in ("postgres", "redis", "anvil", "mqtt"))

PREPARE = Definition(
    name="prepare",
    kind=Kind.STEP,
    command=_python("-m demo prepare --scenario {scenario} --state {state} --date {date} --speed {speed}"),
)
"""The demo community's public facts, history and the keys of its meters and owners."""

TIMEKEEPER = Definition(name="timekeeper", kind=Kind.DAEMON, command=_python("-m demo timekeeper"))
"""Gives the chain's blocks the community's time."""

BOOTSTRAP = Definition(
    name="bootstrap",
    kind=Kind.STEP,
    command=_python(
        "manage.py bootstrap --community {state}/community.json --history {state}/history.csv.gz"
    ),
    given=("DEPLOYER_KEY", *ADDRESSES),
)
"""Database schema, contracts, community, past readings."""

WEB = Definition(
    name="web",
    kind=Kind.DAEMON,
    command=_python(
        "-m uvicorn backend.config.asgi:application --host {host} --port {port}"
        " --no-access-log --timeout-graceful-shutdown 2"
    ),
    given=("AGENT_KEY",),
)
"""HTTP API, live events, pages; signs what members ask their agent to sign."""

WORKERS = (
    Definition(
        name="worker",
        kind=Kind.DAEMON,
        command=_python("-m celery -A backend.config.celery worker --concurrency 2 --loglevel INFO"),
        given=("OPERATOR_KEY", "REGISTRAR_KEY", "AGENT_KEY", *ATTESTOR_KEYS),
        stop_signal=signal.SIGQUIT,  # now: a task that is cut off is run again
    ),
    Definition(
        name="beat",
        kind=Kind.DAEMON,
        command=_python(
            "-m celery -A backend.config.celery beat --schedule {state}/beat --pidfile= --loglevel WARNING"
        ),
    ),
    Definition(name="bridge", kind=Kind.DAEMON, command=_python("manage.py mqtt_bridge")),
)

ONBOARD = Definition(name="onboard", kind=Kind.STEP, command=_python("-m demo onboard"))
"""The owners sign their mandates and supply agreements, and deposit."""

DEVICES = Definition(name="devices", kind=Kind.DAEMON, command=_python("-m demo devices"))
"""Meters and batteries."""

TABLE = (*SERVICES, PREPARE, TIMEKEEPER, BOOTSTRAP, WEB, *WORKERS, ONBOARD, DEVICES)

DAY = Definition(name="day", kind=Kind.STEP, command=_python("-m demo day"))
"""Conducts one day with a stepped clock, beside all the others."""
