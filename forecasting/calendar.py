"""What the calendar knows of an interval: the wall clock, holidays, the time of year."""

from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import pandas as pd

from forecasting.series import DurationArray, FloatArray, History, InstantArray, IntArray

SATURDAY = 5
AROUND_DAYS = (
    -7,
    -1,
    0,
    1,
)  # a holiday moves what people do on the days beside it, and spoils the week's lag


def calendar(history: History, starts: InstantArray, *, annual: bool) -> dict[str, FloatArray]:
    """Columns of the intervals that begin at the UTC instants ``starts``, of the same shape each.

    Hour and weekday are those of the wall clock; ``holiday_0`` is 1 on a public holiday of the history's
    country, 0.5 on an optional one; ``annual`` adds the time of year.
    """
    local = pd.DatetimeIndex(starts.ravel(), tz="UTC").tz_convert(ZoneInfo(history.time_zone))
    hour = np.asarray(local.hour + local.minute / 60, dtype=np.float64).reshape(starts.shape)
    weekday = np.asarray(local.day_of_week, dtype=np.float64).reshape(starts.shape)
    columns = {
        "hour": hour,
        "hour_sin": np.sin(2 * np.pi * hour / 24),
        "hour_cos": np.cos(2 * np.pi * hour / 24),
        "weekday": weekday,
        "weekend": (weekday >= SATURDAY).astype(np.float64),
    }
    if history.country:
        day: InstantArray = local.tz_localize(None).to_numpy().astype("datetime64[D]").reshape(starts.shape)
        for offset in AROUND_DAYS:
            beside: InstantArray = day + np.timedelta64(offset, "D")
            columns[f"holiday_{offset}"] = _holiday(history.country, beside)
    if annual:
        turn = 2 * np.pi * np.asarray(local.day_of_year, dtype=np.float64).reshape(starts.shape) / 365.25
        for k in (1, 2):
            columns[f"year_sin_{k}"] = np.sin(k * turn)
            columns[f"year_cos_{k}"] = np.cos(k * turn)
    return columns


def clock_of(quantity: str, time_zone: str) -> str:
    """The clock that ``quantity`` keeps: people live by their ``time_zone``, PV knows no summer time."""
    return "UTC" if quantity == "pv" else time_zone


def clock_ahead(time_zone: str, instants: InstantArray) -> DurationArray:
    """How far the wall clock of ``time_zone`` is ahead of UTC at ``instants``, of the same shape."""
    years = (end.astype("datetime64[us]").item().year for end in (instants.min(), instants.max()))
    changes, ahead = _clock_changes(time_zone, *years)
    return ahead[np.searchsorted(changes, instants, side="right")]


@lru_cache(maxsize=64)
def _clock_changes(time_zone: str, first: int, last: int) -> tuple[InstantArray, DurationArray]:
    """When the wall clock moves in these years (K,), and how far ahead of UTC it is in between (K + 1,)."""
    utc = pd.date_range(f"{first}-01-01", f"{last + 1}-01-01", freq="15min", tz="UTC")
    ahead = (utc.tz_convert(ZoneInfo(time_zone)).tz_localize(None) - utc.tz_localize(None)).to_numpy()
    moved = np.flatnonzero(np.diff(ahead)) + 1
    return utc.tz_localize(None).to_numpy()[moved], ahead[np.concatenate([[0], moved])]


def _holiday(country: str, days: InstantArray) -> FloatArray:
    """1 on public holidays, 0.5 on optional ones, else 0, of ``days`` (datetime64[D])."""
    number = days.astype(np.int64)
    first, last = int(number.min()), int(number.max())
    public, optional = _holidays_between(country, days.min().item().year, days.max().item().year)
    table = np.zeros(last - first + 1)
    for worth, dates in ((0.5, optional), (1.0, public)):
        inside = dates[(dates >= first) & (dates <= last)]
        table[inside - first] = worth
    return np.asarray(table[number - first])


@lru_cache(maxsize=64)
def _holidays_between(country: str, first: int, last: int) -> tuple[IntArray, IntArray]:
    """Days since 1970 of the public and of the optional holidays of these years."""
    found = []
    supported = holidays.country_holidays(country).supported_categories
    for category in ("public", "optional"):
        dates = (
            holidays.country_holidays(country, years=range(first, last + 1), categories=category)
            if category in supported
            else {}
        )
        found.append(np.array(sorted(dates), dtype="datetime64[D]").astype(np.int64))
    return found[0], found[1]
