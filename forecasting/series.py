"""A panel of series on one UTC grid that remembers when each of its values became known."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from holidays import list_supported_countries
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.time import TimeGrid, require_utc

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
InstantArray = NDArray[np.datetime64]
DurationArray = NDArray[np.timedelta64]
DAY = timedelta(days=1)


def instant64(value: datetime) -> np.datetime64:
    """``value`` as numpy's UTC instant in microseconds."""
    return np.datetime64(require_utc(value, "instant").replace(tzinfo=None), "us")


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Measured series of a community, one row a series.

    Attributes:
        grid: T intervals.
        names: N distinct names, one a row of ``values``.
        values: shape (N, T), mean power (or any other quantity) per interval in the caller's unit and sign;
            NaN marks a gap.
        time_zone: IANA name of the wall clock that people at the sites live by.
        delay: how long after the end of an interval its value is *normally* known. Models learn with
            the newest value that is normally there.
        available_at: shape (N, T), UTC instants at which each value became known; None means the end of the
            interval plus ``delay``.
        exogenous_names: K names of other measured series, common to all N (a temperature, a price).
        exogenous: shape (K, T), NaN marks a gap; known ``delay`` after the interval, as the values are.
        outlook_names: K' names of series that somebody else forecasts and publishes (a temperature, a load).
        outlook: shape (K', T'), T' >= T, what was published for each interval and for those that follow the
            grid, NaN where nothing was.
        outlook_ahead: how long before the start of an interval its published value is known.
        static_names: K'' names of what does not change with time (a nominal power, a floor area).
        static: shape (N, K''), NaN where unknown.
        country: ISO 3166 code whose public holidays people keep; empty when they are not known.
        latitude: degrees north of the sites; with ``longitude`` it gives models the height of the sun.
        longitude: degrees east.
    """

    grid: TimeGrid
    names: tuple[str, ...]
    values: FloatArray
    time_zone: str = "UTC"
    delay: timedelta = timedelta(0)
    available_at: InstantArray | None = None
    exogenous_names: tuple[str, ...] = ()
    exogenous: FloatArray | None = None
    outlook_names: tuple[str, ...] = ()
    outlook: FloatArray | None = None
    outlook_ahead: timedelta = DAY
    static_names: tuple[str, ...] = ()
    static: FloatArray | None = None
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) != len(self.names):
            raise FieldError("names", f"must be distinct and at least one, got {self.names}")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise FieldError("time_zone", f"unknown time zone {self.time_zone!r}") from error
        if self.delay < timedelta(0):
            raise FieldError("delay", f"must not be negative, got {self.delay}")
        if (self.latitude is None) != (self.longitude is None):
            raise FieldError("latitude", "must be given together with longitude")
        steps = len(self.grid)
        _require_panel("values", self.values, (len(self.names), steps))
        _require_panel("exogenous", self.exogenous, (len(self.exogenous_names), steps))
        published = steps if self.outlook is None else max(steps, self.outlook.shape[-1])
        _require_panel("outlook", self.outlook, (len(self.outlook_names), published))
        if self.static_names or self.static is not None:
            _require_panel("static", self.static, (len(self.names), len(self.static_names)))
        if self.country and self.country not in list_supported_countries():
            raise FieldError(
                "country", f"no public holidays are known of {self.country!r}; give a code such as BR"
            )
        if self.available_at is not None and self.available_at.shape != self.values.shape:
            raise FieldError("available_at", f"must have shape {self.values.shape}")

    @property
    def starts(self) -> InstantArray:
        """Start of each interval, shape (T,)."""
        return instant64(self.grid.start) + np.arange(len(self.grid)) * np.timedelta64(self.grid.step)

    @property
    def nominal(self) -> InstantArray:
        """When the value of each interval is normally known, shape (T,)."""
        return self.starts + np.timedelta64(self.grid.step + self.delay)

    @property
    def availability(self) -> InstantArray:
        """When each value became known, shape (N, T)."""
        if self.available_at is not None:
            return self.available_at
        return np.broadcast_to(self.nominal, self.values.shape)

    @property
    def steps_per_day(self) -> int:
        """Intervals in 24 hours."""
        return DAY // self.grid.step

    def even_stride(self, least: int) -> int:
        """The smallest stride, at least ``least`` and 1, that comes by every time of day, not by some."""
        stride = max(1, least)
        while np.gcd(stride, self.steps_per_day) > 1:
            stride += 1
        return stride

    @property
    def steps_withheld(self) -> int:
        """How many of the newest complete intervals are normally still unknown when a forecast is issued."""
        return self.delay // self.grid.step

    def require_available(self, issued_at: datetime) -> None:
        """FieldError(code="leak") when the panel holds a value that was not known at ``issued_at``."""
        self._require_known(self.names, self.values, self.availability, issued_at)
        if self.exogenous is not None:
            nominal = np.broadcast_to(self.nominal, self.exogenous.shape)
            self._require_known(self.exogenous_names, self.exogenous, nominal, issued_at)

    def _require_known(
        self, names: tuple[str, ...], panel: FloatArray, availability: InstantArray, issued_at: datetime
    ) -> None:
        late = np.isfinite(panel) & (availability > instant64(issued_at))
        if late.any():
            row, column = np.argwhere(late)[0]
            what = f"{names[row]} at {self.starts[column]}Z became known at {availability[row, column]}Z"
            raise FieldError("history", f"{what}, after {issued_at.isoformat()}", code="leak")

    def as_of(self, instant: datetime) -> Self:
        """What was known at ``instant``: later intervals are cut off, values that came later become gaps."""
        count = (require_utc(instant, "instant") - self.grid.start) // self.grid.step
        if count < 1:
            raise FieldError("instant", f"{instant.isoformat()} precedes the first complete interval")
        count = min(count, len(self.grid))
        unknown = self.availability[:, :count] > instant64(instant)
        changes: dict[str, Any] = {
            "grid": TimeGrid(self.grid.start, self.grid.step, count),
            "values": np.where(unknown, np.nan, self.values[:, :count]),
        }
        if self.available_at is not None:
            changes["available_at"] = self.available_at[:, :count]
        if self.exogenous is not None:
            hidden = self.nominal[:count] > instant64(instant)
            changes["exogenous"] = np.where(hidden, np.nan, self.exogenous[:, :count])
        if self.outlook is not None:
            published = (instant + self.outlook_ahead - self.grid.start) // self.grid.step + 1
            changes["outlook"] = self.outlook[:, : max(count, published)]
        return replace(self, **changes)

    def since(self, start: datetime) -> Self:
        """The intervals that begin at or after ``start``."""
        step = self.grid.step
        first = max(0, -((self.grid.start - require_utc(start, "start")) // step))
        if first >= len(self.grid):
            raise FieldError("start", f"{start.isoformat()} lies after the last interval")
        changes: dict[str, Any] = {
            "grid": TimeGrid(self.grid.start + first * step, step, len(self.grid) - first),
            "values": self.values[:, first:],
        }
        if self.available_at is not None:
            changes["available_at"] = self.available_at[:, first:]
        if self.exogenous is not None:
            changes["exogenous"] = self.exogenous[:, first:]
        if self.outlook is not None:
            changes["outlook"] = self.outlook[:, first:]
        return replace(self, **changes)


def _require_panel(field: str, panel: FloatArray | None, shape: tuple[int, int]) -> None:
    if panel is None and shape[0] == 0:
        return
    if panel is None or panel.shape != shape:
        raise FieldError(field, f"must have shape {shape}, got {None if panel is None else panel.shape}")
    if np.isinf(panel).any():
        raise FieldError(field, "must be finite or NaN (a gap)", code="not_finite")
