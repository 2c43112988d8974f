"""A CSV file as a history, and forecasts as a CSV file."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import numpy as np

from domain.errors import FieldError
from domain.time import EPOCH, TimeGrid
from forecasting.backtest import Backtest
from forecasting.quantiles import LEVELS
from forecasting.records import naming, records
from forecasting.series import History

HEADER = ("issued_at", "target_time", "lead", *(f"q{round(level * 100):02d}" for level in LEVELS))
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
LARGEST = 1e15  # in size; squares of what is larger would drown the rest
UNIX_SECONDS = re.compile(r"\d{9,10}", re.ASCII)
YEARS = range(1900, 2200)


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns to read. ``time`` is the start of each interval, in ``time_zone`` where it has no offset.

    ``exogenous`` are measured with the target; ``outlook`` was published before each interval. With
    ``missing_rows`` an absent row is a gap, else an error.
    """

    time: str
    target: str
    step: timedelta
    exogenous: tuple[str, ...] = ()
    outlook: tuple[str, ...] = ()
    time_zone: str | None = None
    missing_rows: bool = False

    def __post_init__(self) -> None:
        TimeGrid(EPOCH, self.step, 1)  # refuses a step that no grid has
        names = (self.time, *self.figures)
        if len(set(names)) < len(names):
            raise FieldError("columns", f"must be distinct, got {', '.join(names)}")

    @property
    def figures(self) -> tuple[str, ...]:
        """The columns of numbers, in order."""
        return (self.target, *self.exogenous, *self.outlook)


def read_history(path: Path, layout: Layout) -> History:
    """The target (one series) and other columns of a comma-separated file, plain or ``.gz``, UTF-8.

    An empty cell is a gap. Times are ISO 8601 or whole seconds since 1970 in UTC, and increase by one step. A
    file in local time may keep 24 rows on days on which the clock changes: the hour that does not exist is
    dropped, the missing one becomes a gap. Raises FieldError that names the file and, where there are, line
    and column.
    """
    instants, rows = [], []
    with naming(path):
        lines = records(path)
        _, header = next(lines, (1, []))
        for instant, cells in _placed(lines, header, layout):
            instants.append(instant)
            rows.append(cells)
    if not instants:
        raise FieldError(f"{path}: line 2", "the file has no rows", code="no_data")
    grid = TimeGrid(instants[0], layout.step, (instants[-1] - instants[0]) // layout.step + 1)
    panel = np.full((len(layout.figures), len(grid)), np.nan)
    panel[:, [(instant - grid.start) // layout.step for instant in instants]] = np.array(rows).T
    others = 1 + len(layout.exogenous)
    return History(
        grid=grid,
        names=(layout.target,),
        values=panel[:1],
        time_zone=layout.time_zone or "UTC",
        exogenous_names=layout.exogenous,
        exogenous=panel[1:others] if layout.exogenous else None,
        outlook_names=layout.outlook,
        outlook=panel[others:] if layout.outlook else None,
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


def _position(header: list[str], name: str) -> int:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise FieldError("line 1", f"cells must be separated by commas, got {header[0]!r}")
    if header.count(name) != 1:
        problem = "appears more than once" if name in header else "is missing"
        present = ", ".join(header) or "no header"
        raise FieldError(f"line 1, column {name}", f"{problem}; the file has {present}")
    return header.index(name)


def _placed(
    lines: Iterator[tuple[int, list[str]]], header: list[str], layout: Layout
) -> Iterator[tuple[datetime, list[float]]]:
    """The instant (UTC) and the numbers of each row, but of those in an hour that the local clock skipped."""
    names = (layout.time, *layout.figures)
    columns = [_position(header, name) for name in names]
    before: datetime | None = None
    clock_before: datetime | None = None
    for line, row in lines:
        if len(row) != len(header):
            raise FieldError(f"line {line}", f"has {len(row)} cells, the header {len(header)}")
        cell, *cells = (row[column] for column in columns)
        where = f"line {line}, column {layout.time}"
        clock = _time(cell, where)
        instant = _instant(clock, before, layout, where)
        numbers = [
            _number(text, f"line {line}, column {name}") for text, name in zip(cells, names[1:], strict=True)
        ]
        if instant is not None:
            problem = _irregular(instant, before, layout, even=_even(clock, clock_before, layout.step))
            if problem:
                raise FieldError(where, f"{cell} {problem}", code="irregular")
            yield instant, numbers
            before = instant
        clock_before = clock


def _even(clock: datetime, before: datetime | None, step: timedelta) -> bool:
    """Whether a clock without offset moved by one step; if more time has passed, it was set back."""
    return before is not None and clock.tzinfo is None and clock - before == step


def _irregular(instant: datetime, before: datetime | None, layout: Layout, *, even: bool) -> str:
    """What is wrong with a row at ``instant`` after one at ``before``; empty when nothing is."""
    step = layout.step
    if before is None:
        return f"is no whole multiple of {step} in UTC" if (instant - EPOCH) % step else ""
    passed = instant - before
    if not passed:
        return "repeats the time of the row above"
    if passed < timedelta(0):
        return "precedes the row above; sort the file by time"
    if passed == step or (passed > step and (even or (layout.missing_rows and not passed % step))):
        return ""
    return f"follows the row above by {passed}, not by {step}"


def _time(cell: str, where: str) -> datetime:
    try:
        is_unix = UNIX_SECONDS.fullmatch(cell)
        clock = EPOCH + timedelta(seconds=int(cell)) if is_unix else datetime.fromisoformat(cell)
    except ValueError as error:
        raise FieldError(where, f"{cell!r} is not an ISO 8601 time, such as 2024-01-31T13:00Z") from error
    if clock.year not in YEARS:
        raise FieldError(where, f"{cell!r} lies outside the years {YEARS.start} to {YEARS.stop - 1}")
    return clock


def _number(cell: str, where: str) -> float:
    if not cell:
        return math.nan
    if not NUMBER.fullmatch(cell):
        raise FieldError(where, f"{cell!r} is not a number; leave a gap empty")
    number = float(cell)
    if abs(number) > LARGEST:
        raise FieldError(where, f"{cell!r} is larger than {LARGEST:g}; use another unit", code="too_large")
    return number


def _instant(clock: datetime, before: datetime | None, layout: Layout, where: str) -> datetime | None:
    """``clock`` in UTC, the second of two equal times when the first has been; None when it never was."""
    if clock.tzinfo is not None:
        return clock.astimezone(UTC)
    if layout.time_zone is None:
        message = f"{clock.isoformat()} has no offset from UTC; name the file's zone with --time-zone"
        raise FieldError(where, message, code="naive_time")
    local = clock.replace(tzinfo=ZoneInfo(layout.time_zone))
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if first.astimezone(local.tzinfo).replace(tzinfo=None) != clock:
        return None
    return second if before is not None and first <= before else first
