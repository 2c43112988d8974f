"""``python -m forecasting backtest|compare``: forecast any regular CSV from rolling origins."""

import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import FieldError
from forecasting.backtest import Backtest, Score, backtest, rolling_origins, score
from forecasting.models import MODELS, train
from forecasting.series import History
from forecasting.table import HEADER, Layout, read_history, write_forecasts

BAD_INPUT = 2
EPILOG = f"""
A row of the file is the interval that starts at its time; it is known when the interval ends. A forecast
issued at 10:00 has seen rows before 10:00; its lead 1 is the interval that starts at 10:00. The model is
trained once, on the rows before --train-end; origins follow from there, as long as the file holds the whole
horizon. Exogenous columns are measurements, used up to the issue time and no further.
Output: {",".join(HEADER)}; times are UTC.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 2 when the input cannot be accepted, with the reason on standard error."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "backtest":
            result = _run(options, options.model, _history(options))
            with options.out.open("w", encoding="utf-8", newline="") as file:
                write_forecasts(file, result)
            print(f"{result.issued_at.size} origins x {options.horizon} leads -> {options.out}")
        else:
            history = _history(options)
            _print_scores({name: score(_run(options, name, history)) for name in MODELS})
    except (FieldError, OSError, UnicodeDecodeError) as error:
        print(f"{options.csv}: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m forecasting", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("backtest", "write every forecast"), ("compare", "print how good each model was")):
        command = commands.add_parser(
            name, help=text, description=text, epilog=EPILOG, formatter_class=RawDescriptionHelpFormatter
        )
        command.add_argument("--csv", type=Path, required=True, help="comma-separated, UTF-8, may be .gz")
        command.add_argument("--time-column", required=True, help="ISO 8601 start of each interval")
        command.add_argument("--target", required=True, help="column to forecast; an empty cell is a gap")
        command.add_argument("--exogenous", default="", help="other measured columns, comma-separated")
        command.add_argument("--time-zone", help="IANA zone of times without an offset")
        command.add_argument("--step", type=_duration, required=True, help="5min, 15min, 30min or 1h")
        command.add_argument("--horizon", type=int, required=True, help="steps ahead")
        command.add_argument("--origin-every", type=_duration, required=True, help="such as 1h")
        command.add_argument(
            "--train-end", type=datetime.fromisoformat, required=True, help="such as 2022-01-01"
        )
        command.add_argument("--seed", type=int, default=1, help="of the draw of training examples")
        if name == "backtest":
            command.add_argument("--model", choices=MODELS, required=True)
            command.add_argument("--out", type=Path, required=True, help="CSV to write")
    return parser


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9]\d*)\s*(min|h|d)", text)
    if not found:
        raise ValueError(text)
    return (
        int(found[1])
        * {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}[found[2]]
    )


def _history(options: Namespace) -> History:
    layout = Layout(
        time=options.time_column,
        target=options.target,
        step=options.step,
        exogenous=tuple(name.strip() for name in options.exogenous.split(",") if name.strip()),
        time_zone=_zone(options.time_zone),
    )
    return read_history(options.csv, layout)


def _zone(name: str | None) -> str | None:
    try:
        return name and ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise FieldError("--time-zone", f"{name!r} is not a time zone, such as America/Fortaleza") from error


def _run(options: Namespace, name: str, history: History) -> Backtest:
    end: datetime = options.train_end
    if end.tzinfo is None:
        end = end.replace(tzinfo=ZoneInfo(history.time_zone))
    end = end.astimezone(UTC)
    step, every, horizon = history.grid.step, options.origin_every, options.horizon
    if every % step:
        raise FieldError("--origin-every", f"must be a multiple of --step {step}, got {every}")
    if horizon < 1:
        raise FieldError("--horizon", f"must be at least 1, got {horizon}")
    origins = rolling_origins(end, history.grid.end - horizon * step, every)
    if (end - history.grid.start) % step or not history.grid.start < end or not origins:
        raise FieldError(
            "--train-end",
            f"must be the start of a row, with rows before it and {horizon} steps after it; "
            f"the file spans {history.grid.start.isoformat()} to {history.grid.end.isoformat()}",
        )
    model = train(name, history.as_of(end), trained_at=end, seed=options.seed, horizon=horizon)
    return backtest(model, history, origins=origins, horizon=horizon)


def _print_scores(scores: dict[str, Score]) -> None:
    names = Score.__slots__
    width = max(map(len, scores))
    print(" " * width, *(f"{name:>12}" for name in names))
    for model, row in scores.items():
        print(f"{model:<{width}}", *(f"{getattr(row, name):12.5g}" for name in names))


if __name__ == "__main__":
    sys.exit(main())
