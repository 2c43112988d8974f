"""``python -m demo prepare | devices | timekeeper | onboard | day``: the demo community's processes."""

import argparse
import logging
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from demo.prepare import find_scenario, prepare
from demo.yaml_lines import ScenarioError

MAX_SPEED = 3_600


def main() -> int:
    """Read the command line and do it; the exit status says how it went."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        return int(arguments.work(arguments))
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2
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


def _day(text: str) -> date | None:
    return None if text == "today" else date.fromisoformat(text)


def _speed(text: str) -> float:
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
    sub.add_argument("--date", type=_day, default=None, help="the first local day: today or YYYY-MM-DD")
    sub.add_argument(
        "--speed", type=_speed, default=120.0, help="seconds of community time in one of ours; 0 is stepped"
    )
    sub.add_argument("--stepped", action="store_true", help="the same as --speed 0")
    sub.set_defaults(work=_prepare)
    return parser


if __name__ == "__main__":
    sys.exit(main())
