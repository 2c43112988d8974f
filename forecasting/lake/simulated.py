"""A stand-in for a portal that was never reached: a plausible file in the publisher's layout."""

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import numpy as np

from domain.errors import FieldError
from domain.time import require_utc
from forecasting.lake.reader import Portal, Reader

DAYS = 28
DAILY_SWING, WEEKEND_DROP, NOISE = 0.25, 0.1, 0.03
EVENING_HOUR = 19


def simulated_file(reader: Reader, *, until: datetime, seed: int, days: int = DAYS) -> bytes:
    """``days`` whole local days before ``until`` as the portal would publish them, deterministic by ``seed``.

    Each quantity is its typical level with a daily swing that peaks in the evening, quieter weekends and
    noise. FieldError when the reader names no portal.
    """
    if reader.portal is None or reader.step is None:
        raise FieldError("dataset", f"{reader.dataset} is published by no portal")
    output = StringIO()
    writer = csv.writer(output, delimiter=reader.delimiter, lineterminator="\n")
    writer.writerow([accepted[0] for accepted in reader.published.values()])
    writer.writerows(_rows(reader, reader.portal, until, seed, days))
    return output.getvalue().encode(reader.encoding)


def _rows(reader: Reader, portal: Portal, until: datetime, seed: int, days: int) -> Iterator[list[str]]:
    rng = np.random.default_rng(seed)
    step = reader.step or timedelta(days=1)
    local = require_utc(until, "until").astimezone(ZoneInfo(reader.zone)).replace(tzinfo=None)
    first = datetime(local.year, local.month, local.day) - timedelta(days=days)  # noqa: DTZ001  the file's own clock
    for number in range(days * reader.steps_per_day):
        start = first + number * step
        hour = start.hour + start.minute / 60
        swing = 1 + DAILY_SWING * np.cos(2 * np.pi * (hour - EVENING_HOUR) / 24)
        level = swing * (1 - WEEKEND_DROP * (start.weekday() >= 5))  # noqa: PLR2004  Saturday and Sunday
        for series in portal.series:
            noise = 1 + NOISE * rng.standard_normal(len(portal.levels))
            cells = dict(portal.keys(series, start))
            for (name, typical), factor in zip(portal.levels.items(), noise, strict=True):
                cells[name] = f"{typical * level * factor:.6f}"
            yield [cells[name] for name in reader.published]
