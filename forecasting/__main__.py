"""Forecast any regular CSV from rolling origins, and keep what was learned.

python -m forecasting backtest --csv FILE --time-column T --target COL --horizon 24 --step 1h
    --origin-every 1h --model lightgbm --train-end 2022-01-01 --out FORECASTS.csv

A row of the file is the interval that starts at its time; it is known when the interval ends. A forecast
issued at 10:00 has seen rows before 10:00; its lead 1 is the interval that starts at 10:00. A model is
trained on the rows before --train-end; origins follow from there, as long as the file holds the whole
horizon. Exogenous columns are measurements, used up to the issue time and no further; columns that are known
ahead were published before the interval.

Exit status: 0; 2 when the input is refused, with the reason on standard error. Output is whole or absent.
"""

import math
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path

from domain.errors import FieldError
from forecasting import shell
from forecasting.models import MODELS
from forecasting.table import HEADER, YEARS

BAD_INPUT = 2
# Commands of rooms of their own, which heavy libraries make slow to import.
ROOMS = {"lake": "files into the lake", "health": "battery health"}
UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LONGEST_DIGITS = 6


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the module's docstring gives the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given).parse_args(given)
    options.arguments = given
    try:
        said: str | int | None = options.run(options)
    except (FieldError, OSError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    if isinstance(said, str):
        print(said)
        return 0
    return said or 0  # a room of its own has printed what it had to say


def _parser(given: list[str]) -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m forecasting", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str, run: Callable[[Namespace], str]) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        _describe_file(command)
        return command

    command = add(
        "backtest", f"write every forecast, as {','.join(HEADER)}; times are UTC", shell.run_backtest
    )
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", choices=MODELS, help="train this one")
    which.add_argument("--model-dir", type=Path, help="use this one, which the train command saved")
    _describe_origins(command, train_end_needed=False)
    command.add_argument("--out", type=Path, required=True, help="CSV to write")

    command = add("compare", "print how good each model was", shell.run_compare)
    command.add_argument("--models", type=_models, help="such as linear,lightgbm; all unless given")
    _describe_origins(command)

    command = add("report", "write pictures and the table of compare", shell.run_report)
    command.add_argument("--models", type=_models, help="such as linear,lightgbm; all unless given")
    command.add_argument("--unit", default="", help="of the target, for the axes")
    command.add_argument("--out", type=Path, required=True, help="folder to write")
    _describe_origins(command)

    command = add("train", "save a model and its card", shell.run_train)
    command.add_argument("--model", choices=MODELS, required=True)
    command.add_argument("--train-end", type=_instant, required=True, help="such as 2022-01-01")
    command.add_argument(
        "--origin-every", type=_duration, default=timedelta(days=1), help="for the card's figures (1d)"
    )
    command.add_argument("--out", type=Path, required=True, help="folder to write")
    command.set_defaults(refit_every=None, anew=False)

    for name, text in ROOMS.items():
        if name in given[:1]:
            room = import_module(f"forecasting.{name}.shell")
            getattr(room, f"add_{name}_parser")(commands)
            commands.choices[name].set_defaults(run=room.run)
        else:
            commands.add_parser(name, help=text)
    return parser


def _describe_file(command: ArgumentParser) -> None:
    command.add_argument("--csv", type=Path, required=True, help="comma-separated, UTF-8, may be .gz")
    command.add_argument(
        "--time-column", required=True, help="start of each interval: ISO 8601 or Unix seconds"
    )
    command.add_argument("--target", required=True, help="column to forecast; an empty cell is a gap")
    command.add_argument("--step", type=_duration, required=True, help="5min, 15min, 30min or 1h")
    command.add_argument("--horizon", type=_count(1), required=True, help="steps ahead")
    command.add_argument("--time-zone", help="IANA zone of times without an offset")
    command.add_argument("--missing-rows", action="store_true", help="take an absent row as a gap")
    command.add_argument("--exogenous", type=_names, default=(), help="other measured columns, such as a,b")
    command.add_argument(
        "--known-ahead", type=_names, default=(), help="columns published before, such as a,b"
    )
    command.add_argument(
        "--known-ahead-by",
        type=_duration,
        default=timedelta(days=1),
        help="how long before its interval such a value is out (1d)",
    )
    command.add_argument(
        "--country", type=str.upper, default="", help="whose public holidays count, such as BR"
    )
    command.add_argument("--latitude", type=_degrees(90), help="degrees north, for the height of the sun")
    command.add_argument("--longitude", type=_degrees(180), help="degrees east")
    command.add_argument("--seed", type=_count(0), default=1, help="of all that is drawn in training (1)")


def _describe_origins(command: ArgumentParser, *, train_end_needed: bool = True) -> None:
    command.add_argument("--origin-every", type=_duration, required=True, help="such as 1h")
    command.add_argument("--train-end", type=_instant, required=train_end_needed, help="such as 2022-01-01")
    command.add_argument("--refit-every", type=_duration, help="adapt to what has come since, such as 7d")
    command.add_argument("--anew", action="store_true", help="learn all anew then, a day apart at least")


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9]\d*)\s*(min|h|d)", text, re.ASCII)
    if not found or len(found[1]) > LONGEST_DIGITS:
        raise ArgumentTypeError(f"{text!r} is not a duration, such as 15min, 1h or 7d")
    return int(found[1]) * UNITS[found[2]]


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not an ISO 8601 time, such as 2022-01-01T00:00Z") from error
    if instant.year not in YEARS:
        raise ArgumentTypeError(f"{text!r} lies outside the years {YEARS.start} to {YEARS.stop - 1}")
    return instant


def _count(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < least:
            raise ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
        return int(text)

    return count


def _degrees(largest: float) -> Callable[[str], float]:
    def degrees(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= largest:
            raise ArgumentTypeError(f"must be degrees in [-{largest:g}, {largest:g}], got {text!r}")
        return value

    return degrees


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _models(text: str) -> tuple[str, ...]:
    names = _names(text)
    unknown = [name for name in names if name not in MODELS]
    if unknown or not names:
        raise ArgumentTypeError(f"must be among {', '.join(MODELS)}, got {text!r}")
    return names


if __name__ == "__main__":
    sys.exit(main())
