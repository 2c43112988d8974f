"""CSV series in local wall-clock time: read once, checked, and looked up by local label."""

import csv
import gzip
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from demo.yaml_lines import shown

ISO_MINUTES = "%Y-%m-%dT%H:%M"
MINUTES_PER_DAY = 1_440
MINUTES_PER_HOUR = 60
LEAP_DAY, LEAP_STAND_IN = (2, 29), (2, 28)
Slot = tuple[int, int, int]  # month, day, minute of the day at which the interval starts


class SeriesError(ValueError):
    """A series that cannot be used; ``field`` is the scenario's key that is to blame."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class LocalSeries:
    """Values of one column by (month, day, minute of day), and those of the repeated autumn hour if present.

    ``days`` maps (month, day) to the file's date, in the file's order.
    """

    def __init__(
        self, days: dict[tuple[int, int], date], values: dict[Slot, float], repeated: dict[Slot, float]
    ) -> None:
        self.days = days
        self.values = values
        self.repeated = repeated
        self._order = list(days)

    def at(self, local: datetime) -> float:
        """The value of the interval that starts at ``local`` (aware, in the community's time zone).

        Day: the same month and day where the file has it; 29 February falls back on the 28th; otherwise days
        are counted from the file's first and wrap round. Hour: in the repeated hour of autumn the file's
        second value if it has one, else its only value again; an hour that the file skips (its own spring
        change) takes the value one hour earlier (or later, just after midnight).
        """
        month, day = self._day(local.date())
        minute = local.hour * MINUTES_PER_HOUR + local.minute
        if local.fold and (month, day, minute) in self.repeated:
            return self.repeated[(month, day, minute)]
        for shift in (0, -MINUTES_PER_HOUR, MINUTES_PER_HOUR):
            slot = (month, day, minute + shift)
            if slot in self.values:
                return self.values[slot]
        raise KeyError(local)

    def _day(self, wanted: date) -> tuple[int, int]:
        same = (wanted.month, wanted.day)
        for candidate in (same, LEAP_STAND_IN if same == LEAP_DAY else same):
            if candidate in self.days:
                return candidate
        first = self.days[self._order[0]]
        return self._order[(wanted - first).days % len(self._order)]


class SeriesFile(BaseModel):
    """A CSV or CSV.GZ file with one row an interval (with ``where``, one row an interval and home)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    file: str
    time_column: str = "time"
    time_format: str = ISO_MINUTES
    label: Literal["start", "end"] = "start"

    def read(
        self, *, base: Path, column: str, where: dict[str, str | int], step_minutes: int, zone: ZoneInfo
    ) -> LocalSeries:
        """The values of ``column`` in the rows that match ``where``; SeriesError names the line at fault."""
        conditions = tuple((name, str(value)) for name, value in where.items())
        frame = _frame(base / self.file, self, conditions, step_minutes, zone)
        at = _position(frame.header, column, frame.path, "column")
        values: dict[Slot, float] = {}
        repeated: dict[Slot, float] = {}
        for line, slot, row, again in frame.rows:
            value = _number(row[at])
            if value is None:
                place = f"{shown(frame.path)} line {line}: {column}"
                raise SeriesError("column", f'{place}: "{row[at]}" is not a finite number of 0 or more')
            (repeated if again else values)[slot] = value
        return LocalSeries(frame.days, values, repeated)


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows of one home: (line, slot, fields, whether it is the second in a repeated autumn hour)."""

    path: Path
    header: list[str]
    days: dict[tuple[int, int], date]
    rows: list[tuple[int, Slot, list[str], bool]]


@lru_cache(maxsize=64)
def _frame(
    path: Path, source: SeriesFile, conditions: tuple[tuple[str, str], ...], step_minutes: int, zone: ZoneInfo
) -> Frame:
    header, rows = _rows(path)
    time_at = _position(header, source.time_column, path, "time_column")
    tests = [(_position(header, name, path, "where"), value) for name, value in conditions]
    shift = timedelta(minutes=step_minutes if source.label == "end" else 0)
    days: dict[tuple[int, int], date] = {}
    kept: list[tuple[int, Slot, list[str], bool]] = []
    seen: set[tuple[Slot, bool]] = set()
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(header):
            raise SeriesError(
                "file", f"{shown(path)} line {line}: {len(row)} fields, the header has {len(header)}"
            )
        if tests and not all(row[at] == value for at, value in tests):
            continue
        start = _label(row[time_at], source.time_format, path, line) - shift
        slot = (start.month, start.day, start.hour * MINUTES_PER_HOUR + start.minute)
        again = (slot, False) in seen
        if days.setdefault(slot[:2], start.date()) != start.date() and again:
            continue  # the same day of a later year
        if again and ((slot, True) in seen or not _is_ambiguous(start, zone)):
            raise SeriesError("file", f"{shown(path)} line {line}: the label {row[time_at]} repeats")
        seen.add((slot, again))
        kept.append((line, slot, row, again))
    if not kept:
        raise SeriesError("where", f"{shown(path)} has no row where {dict(conditions)}")
    _require_whole_days(days, {slot for slot, _ in seen}, step_minutes=step_minutes, zone=zone, path=path)
    return Frame(path, header, days, kept)


def _label(text: str, time_format: str, path: Path, line: int) -> datetime:
    try:
        if time_format == ISO_MINUTES:
            return datetime.fromisoformat(text).replace(tzinfo=None)
        return datetime.strptime(text, time_format)  # noqa: DTZ007 (labels are local wall-clock time)
    except ValueError as error:
        place = f"{shown(path)} line {line}"
        raise SeriesError("time_format", f'{place}: "{text}" is not of the form {time_format}') from error


@lru_cache(maxsize=8)
def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="")
        ) as stream:
            rows = list(csv.reader(stream))
    except FileNotFoundError as error:
        raise SeriesError("file", f"there is no file {shown(path)}") from error
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise SeriesError("file", f"{shown(path)} cannot be read: {error}") from error
    if not rows:
        raise SeriesError("file", f"{shown(path)} is empty")
    return rows[0], rows[1:]


def _position(header: list[str], column: str, path: Path, field: str) -> int:
    if column not in header:
        raise SeriesError(field, f'{shown(path)} has no column "{column}" (it has {", ".join(header)})')
    return header.index(column)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _is_ambiguous(label: datetime, zone: ZoneInfo) -> bool:
    before, after = (label.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return before is not None and after is not None and before > after


def _exists(label: datetime, zone: ZoneInfo) -> bool:
    aware = label.replace(tzinfo=zone)
    return aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == label


def _require_whole_days(
    days: dict[tuple[int, int], date], slots: set[Slot], *, step_minutes: int, zone: ZoneInfo, path: Path
) -> None:
    for (month, day), whole in days.items():
        midnight = datetime.combine(whole, datetime.min.time())
        for minute in range(0, MINUTES_PER_DAY, step_minutes):
            label = midnight + timedelta(minutes=minute)
            if (month, day, minute) not in slots and _exists(label, zone):
                raise SeriesError(
                    "file",
                    f"{shown(path)} has no row for the interval that starts {label:%Y-%m-%d %H:%M} local",
                )
