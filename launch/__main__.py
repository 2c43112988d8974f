"""`python -m launch run | day | check | services | keys`: see docs/operations.md."""

import argparse
import asyncio
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launch import ports
from launch.environment import ROOT, SERVICE_VARIABLES, KeyFormatError, State, addresses, new_keys
from launch.instance import Instance, StateBusyError, claim, fresh_logs, held
from launch.process import PrepareError, Process
from launch.processes import DAY
from launch.report import complain, say, welcome
from launch.services import MissingServiceError
from launch.supervisor import StartError

_INTERRUPTED = 130


class UnknownScenarioError(Exception):
    """There is no such scenario."""


_REASONS = (
    StateBusyError,
    KeyFormatError,
    ports.PortBusyError,
    StartError,
    PrepareError,
    MissingServiceError,
    UnknownScenarioError,
)
"""What people can mend: told in words, without a traceback."""


@dataclass(frozen=True)
class Scenario:
    """A community to run: a name in scenarios/, or a file."""

    given: str
    """As the demo's processes are told: the name, or the absolute path."""
    name: str

    @classmethod
    def find(cls, given: str) -> "Scenario":
        """Look it up.

        Raises:
            UnknownScenarioError: neither a name nor a file.
        """
        if (ROOT / "scenarios" / f"{given}.yaml").exists():
            return cls(given, given)
        file = Path(given)
        if not file.is_file():
            names = ", ".join(sorted(f.stem for f in (ROOT / "scenarios").glob("*.yaml")))
            raise UnknownScenarioError(f"There is no scenario {given!r}: give one of {names}, or a file")
        return cls(str(file.resolve()), file.stem)


@contextmanager
def _instance(folder: Path, *, fresh: bool, port: int | None = None) -> Iterator[Instance]:
    """Hold a state folder and say what would run from it.

    Args:
        folder: where the state lies.
        fresh: whether to begin with nothing, in nobody's way, on services of its own.
        port: of the web server, where the user insists on one.

    Raises:
        StateBusyError: somebody else's files lie there, or another launcher holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fresh and any(folder.iterdir()) and not (folder / "lock").exists():
        raise StateBusyError(f"{folder} holds other files: set COMMONWATT_STATE to another folder")
    state = State(folder)
    with held(state):
        if fresh:
            for entry in folder.iterdir():
                if entry.name != "lock":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        state.create()
        fresh_logs(state.logs)
        given = dict(os.environ)
        if fresh:
            chosen = ports.any_free()
            for variable in SERVICE_VARIABLES.values():  # what others keep there is not to be played with
                given.pop(variable, None)
        else:
            chosen = ports.choose(ports.recall(state.ports), web=port)
            ports.remember(state.ports, chosen)
        yield Instance.create(state, ports=chosen, say=say, given=given)


async def _run(arguments: argparse.Namespace) -> int:
    scenario = Scenario.find(arguments.scenario)
    folder = _state_folder() or ROOT / ".commonwatt" / scenario.name
    with _instance(folder, fresh=False, port=arguments.port) as instance:
        claim(instance.layout.state, scenario.given)
        placeholders = {"scenario": scenario.given, "date": "today", "speed": arguments.speed}
        async with instance.supervisor:
            await instance.start_platform(placeholders)
            await instance.start_devices(placeholders)
            await welcome(instance)
            await _for_ever()
    return 0


async def _day(arguments: argparse.Namespace) -> int:
    scenario = Scenario.find(arguments.scenario)
    folder = (_state_folder() or ROOT / ".commonwatt") / "day"
    with _instance(folder, fresh=True) as instance:
        async with instance.supervisor:
            placeholders = {"scenario": scenario.given, "date": arguments.date, "speed": "0"}
            await instance.start_platform(placeholders)
            await instance.start_devices(placeholders)
            say(f"the day begins (logs in {instance.layout.state.logs})")
            command = (sys.executable, *DAY.command[1:], "--date", arguments.date, *arguments.rest)
            return await instance.supervisor.once(Process(name=DAY.name, argv=command), shown=True)


async def _check(arguments: argparse.Namespace) -> int:
    scenario = Scenario.find(arguments.scenario)
    folder = (_state_folder() or ROOT / ".commonwatt") / "check"
    with _instance(folder, fresh=True) as instance:
        placeholders = {"scenario": scenario.given, "date": "today", "speed": arguments.speed}
        async with instance.supervisor:
            await instance.start_platform(placeholders)
            await instance.start_devices(placeholders)
            say(f"running {shlex.join(arguments.argv)}")
            return await instance.supervisor.once(
                Process(name="check", argv=tuple(arguments.argv)), shown=True
            )


async def _services(_: argparse.Namespace) -> int:
    with _instance(_state_folder() or ROOT / ".commonwatt" / "services", fresh=False) as instance:
        async with instance.supervisor:
            await instance.start_services()
            for name in (*SERVICE_VARIABLES.values(), "SOLC", "WEB_URL", "COMMONWATT_STATE"):
                print(f"export {name}={shlex.quote(instance.layout.variables[name])}")
            print(
                f"set -a; . {shlex.quote(str(instance.layout.state.keys / 'platform.env'))}; set +a",
                flush=True,
            )
            await _for_ever()
    return 0


async def _keys(_: argparse.Namespace) -> int:
    keys = new_keys()
    for name, value in {**keys, **addresses(keys)}.items():
        print(f"{name}={value}")
    return 0


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _state_folder() -> Path | None:
    given = os.environ.get("COMMONWATT_STATE")
    return Path(given).resolve() if given else None


async def _until_told(
    work: Callable[[argparse.Namespace], Awaitable[int]], arguments: argparse.Namespace
) -> int:
    """Do the work; a signal to end cancels it, so that all is stopped in order."""
    task = asyncio.ensure_future(work(arguments))

    def interrupt() -> None:
        if not task.cancelling():
            say("stopping")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        say("stopped")
        return _INTERRUPTED


_COMMANDS = {"run": _run, "day": _day, "check": _check, "services": _services, "keys": _keys}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="everything, until Ctrl-C")
    run.add_argument("--port", type=int, help="the web server's port")
    day = commands.add_parser("day", help="one day as fast as it goes; further options go to its conductor")
    day.add_argument("--date", default="today", help="which day (YYYY-MM-DD)")
    check = commands.add_parser("check", help="everything, from a fresh state, while a command runs")
    check.add_argument("argv", nargs="+", metavar="COMMAND")
    for sub in (run, day, check):
        sub.add_argument("--scenario", default="fontana", help="a name in scenarios/, or a file")
    for sub in (run, check):
        sub.add_argument("--speed", default="scenario", help="seconds of the community's time in one of ours")
    commands.add_parser("services", help="only the four services, until Ctrl-C")
    commands.add_parser("keys", help="print new keys and passwords, for docker compose's .env")
    return parser


def main() -> int:
    """Read the command line and do it; the exit status says how it went."""
    parser = _parser()
    arguments, rest = parser.parse_known_args()
    if rest and arguments.command != "day":
        parser.error(f"unknown arguments: {shlex.join(rest)}")
    arguments.rest = rest
    try:
        status = asyncio.run(_until_told(_COMMANDS[arguments.command], arguments))
    except _REASONS as reason:
        complain(str(reason))
        return 1
    return 0 if status == _INTERRUPTED and arguments.command in {"run", "services"} else status


if __name__ == "__main__":
    sys.exit(main())
