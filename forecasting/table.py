"""A CSV file as a history, and forecasts as a CSV file."""

import csv
import gzip
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import numpy as np

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.backtest import Backtest
from forecasting.quantiles import LEVELS
from forecasting.series import History

HEADER = ("issued_at", "target_time", "lead", *(f"q{round(level * 100):02d}" for level in LEVELS))


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns to read. ``time`` is the start of each interval, in ``time_zone`` where it has no offset."""

    time: str
    target: str
    step: timedelta
    exogenous: tuple[str, ...] = ()
    time_zone: str | None = None


def read_history(path: Path, layout: Layout) -> History:
    """The target (one series) and exogenous columns of a comma-separated file, plain or ``.gz``, UTF-8.

    An empty cell is a gap. Rows must follow one another by one step. A file in local time may keep 24 rows on
    days on which the clock changes: the hour that does not exist is dropped, the missing one becomes a gap.
    Raises FieldError that names line and column.
    """
    with _opened(path) as file:
        reader = csv.reader(file)
        header = next(reader, [])
        columns = [_position(header, name) for name in (layout.time, layout.target, *layout.exogenous)]
        instants, rows = [], []
        for instant, cells in _placed(reader, columns, layout):
            instants.append(instant)
            rows.append(cells)
    if not instants:
        raise FieldError("line 2", "the file has no rows", code="no_data")
    grid = TimeGrid(instants[0], layout.step, (instants[-1] - instants[0]) // layout.step + 1)
    panel = np.full((len(columns) - 1, len(grid)), np.nan)
    panel[:, [(instant - grid.start) // layout.step for instant in instants]] = np.array(rows).T
    return History(
        grid=grid,
        names=(layout.target,),
        values=panel[:1],
        time_zone=layout.time_zone or "UTC",
        exogenous_names=layout.exogenous,
        exogenous=panel[1:] if layout.exogenous else None,
    )


def write_forecasts(file: TextIO, result: Backtest) -> None:
    """Rows of ``HEADER`` for the first series; lead 1 starts at issue, empty where too little is known."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    step = np.timedelta64(result.history.grid.step)
    for issued_at, rows in zip(result.issued_at, result.quantiles[0], strict=True):
        targets = np.datetime_as_string(issued_at + np.arange(len(rows)) * step, unit="s")
        issued = f"{np.datetime_as_string(issued_at, unit='s')}Z"
        for lead, (target, row) in enumerate(zip(targets, rows, strict=True), start=1):
            writer.writerow([issued, f"{target}Z", lead, *(_text(value) for value in row)])


def _text(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _position(header: list[str], name: str) -> int:
    if name not in header:
        present = ", ".join(header) or "no header"
        raise FieldError(f"line 1, column {name}", f"is missing; the file has {present}")
    return header.index(name)


def _placed(
    reader: Iterator[list[str]], columns: Sequence[int], layout: Layout
) -> Iterator[tuple[datetime, list[float]]]:
    """The instant (UTC) and the numbers of each row, but of those in an hour that the local clock skipped."""
    before: datetime | None = None
    clock_before: datetime | None = None
    names = (layout.time, layout.target, *layout.exogenous)
    for line, row in enumerate(reader, start=2):
        if len(row) <= max(columns):
            raise FieldError(f"line {line}", f"has {len(row)} fields, needs {max(columns) + 1}")
        cells = [row[column].strip() for column in columns]
        clock = _time(cells[0], f"line {line}, column {layout.time}")
        numbers = [
            _number(cell, f"line {line}, column {name}")
            for cell, name in zip(cells[1:], names[1:], strict=True)
        ]
        instant = _instant(clock, before, layout, line)
        if instant is not None:
            gap = layout.step if before is None else instant - before
            if gap != layout.step and not (gap > layout.step and _even(clock, clock_before, layout.step)):
                raise FieldError(
                    f"line {line}, column {layout.time}",
                    f"{cells[0]} follows the row above by {gap}, not by {layout.step}",
                )
            yield instant, numbers
            before = instant
        clock_before = clock


def _even(clock: datetime, before: datetime | None, step: timedelta) -> bool:
    """Whether a clock without offset moved by one step; if more time has passed, it was set back."""
    return before is not None and clock.tzinfo is None and clock - before == step


def _time(cell: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(cell)
    except ValueError as error:
        raise FieldError(where, f"{cell!r} is not an ISO 8601 time, such as 2024-01-31T13:00Z") from error


def _number(cell: str, where: str) -> float:
    if not cell:
        return math.nan
    try:
        number = float(cell)
    except ValueError as error:
        raise FieldError(where, f"{cell!r} is not a number") from error
    if not math.isfinite(number):
        raise FieldError(where, f"{cell!r} is not a finite number; leave a gap empty", code="not_finite")
    return number


def _instant(clock: datetime, before: datetime | None, layout: Layout, line: int) -> datetime | None:
    """``clock`` in UTC, the second of two equal times when the first has been; None when it never was."""
    if clock.tzinfo is not None:
        return clock.astimezone(UTC)
    if layout.time_zone is None:
        raise FieldError(
            f"line {line}, column {layout.time}",
            f"{clock.isoformat()} has no offset from UTC; name the file's zone with --time-zone",
            code="naive_time",
        )
    local = clock.replace(tzinfo=ZoneInfo(layout.time_zone))
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if first.astimezone(local.tzinfo).replace(tzinfo=None) != clock:
        return None
    return second if before is not None and first <= before else first
