"""``python -m demo prepare | devices | timekeeper | onboard | day``: the demo community's processes."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from demo.day import run_day
from demo.devices import run_devices
from demo.onboard import OnboardingError, run_onboard
from demo.prepare import find_scenario, prepare
from demo.timekeeper import run_timekeeper
from demo.yaml_lines import ScenarioError

MAX_SPEED = 3_600


def main() -> int:
    """Read the command line and do it; the exit status says how it went."""
    arguments = _parser().parse_args()
    if arguments.work is not _prepare and not (arguments.state / "community.json").exists():
        print(f"{arguments.state} holds no community: run `python -m demo prepare` first", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        return int(arguments.work(arguments))
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2
    except OnboardingError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _prepare(arguments: argparse.Namespace) -> int:
    made = prepare(
        find_scenario(arguments.scenario),
        arguments.state,
        day=arguments.date,
        speed=0.0 if arguments.stepped else arguments.speed,
        wall_now=datetime.now(UTC),
    )
    print(f"{arguments.state / 'community.json'}: {'written' if made else 'kept as it was'}")
    return 0


def _devices(arguments: argparse.Namespace) -> int:
    return asyncio.run(_until_told(run_devices(arguments.state)))


def _timekeeper(arguments: argparse.Namespace) -> int:
    return asyncio.run(_until_told(run_timekeeper(arguments.state)))


def _onboard(arguments: argparse.Namespace) -> int:
    run_onboard(arguments.state)
    return 0


def _conduct(arguments: argparse.Namespace) -> int:
    return run_day(arguments.state, day=arguments.date, as_json=arguments.json, timeout_s=arguments.timeout)


async def _until_told(work: Coroutine[Any, Any, None]) -> int:
    """Do ``work`` until it ends or a signal ends it."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return 0
    return 0


def _date(text: str) -> date | None:
    return None if text == "today" else date.fromisoformat(text)


def _speed(text: str) -> float | None:
    if text == "scenario":
        return None
    speed = float(text)
    if not 0 <= speed <= MAX_SPEED:
        raise argparse.ArgumentTypeError(f"must lie in [0, {MAX_SPEED}]")
    return speed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get("COMMONWATT_STATE", ".commonwatt")),
        help="the community's folder (default: $COMMONWATT_STATE)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sub = commands.add_parser("prepare", parents=[state], help="keys, public facts and past readings")
    sub.add_argument("--scenario", default="fontana", help="a name in scenarios/, or a file")
    sub.add_argument("--date", type=_date, default=None, help="the first local day: today or YYYY-MM-DD")
    sub.add_argument(
        "--speed", type=_speed, help="seconds of community time in one of ours (0: stepped); the scenario's"
    )
    sub.add_argument("--stepped", action="store_true", help="the same as --speed 0")
    sub.set_defaults(work=_prepare)
    sub = commands.add_parser("devices", parents=[state], help="every meter and battery, until stopped")
    sub.set_defaults(work=_devices)
    sub = commands.add_parser("timekeeper", parents=[state], help="the demo chain's time, until stopped")
    sub.set_defaults(work=_timekeeper)
    sub = commands.add_parser("onboard", parents=[state], help="owners deposit and sign")
    sub.set_defaults(work=_onboard)
    sub = commands.add_parser("day", parents=[state], help="conduct one day of a stepped community")
    sub.add_argument(
        "--date", type=_date, default=None, help="the local day: today or YYYY-MM-DD (default: the prepared)"
    )
    sub.add_argument("--json", action="store_true", help="print the report as JSON")
    sub.add_argument("--timeout", type=float, default=1_500.0, help="seconds after which to give up")
    sub.set_defaults(work=_conduct)
    return parser


if __name__ == "__main__":
    sys.exit(main())
