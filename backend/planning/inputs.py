"""What models are given: the readings of the community's sites as a history."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from backend.registry import queries as registry
from backend.registry.models import Community, Meter, Site
from backend.telemetry import queries as telemetry
from domain.time import TimeGrid
from domain.units import WH_PER_KWH
from forecasting.calendar import clock_of
from forecasting.series import History, instant64

HORIZON = timedelta(hours=24)
MAX_HISTORY = timedelta(days=42)
QUANTITIES = ("load", "pv")
READING_GRACE = 0.25  # of an interval: how long planning waits for late readings
SEED = 20_260_101


def horizon_grid(community: Community, as_of: datetime) -> TimeGrid:
    """The intervals that forecasts and plans made at ``as_of`` cover."""
    return TimeGrid(as_of, community.step, HORIZON // community.step)


def sites_with(quantity: str) -> list[Site]:
    """The sites that have ``quantity``: all have load."""
    return [site for site in registry.sites() if quantity == "load" or site.pv_nominal_kw > 0]


def history(community: Community, quantity: str, as_of: datetime, sites: Sequence[Site]) -> History:
    """Mean power (kW) of ``sites`` (at least one), up to ``as_of``; gaps are NaN.

    Load and generation are both positive. A site's series has its row id for a name. A reading is known at
    the end of its interval if it came while planning waits for it, and else when it came, so what is judged
    from earlier origins has not seen it there; at ``as_of`` all is known that is stored.
    """
    # Of older ones nothing is read, and a meter whose clock was reset tells nothing of how much is known.
    first = telemetry.first_reading_start(since=as_of - MAX_HISTORY) or as_of
    # a first reading at or after ``as_of`` leaves one interval of which nothing is known
    start = min(first, as_of - community.step)
    grid = TimeGrid(start, community.step, (as_of - start) // community.step)
    energy = telemetry.site_energy(grid, sites)
    rows = [energy[site.pk].load if quantity == "load" else energy[site.pk].pv for site in sites]
    values = np.maximum(np.array(rows) / (WH_PER_KWH * grid.step_h), 0)
    past = History(
        grid=grid,
        names=tuple(str(site.pk) for site in sites),
        values=values,
        time_zone=clock_of(quantity, community.time_zone),
    )
    available_at = past.availability.copy()
    row_of = {site.pk: row for row, site in enumerate(sites)}
    for site_id, role, start, received_at in telemetry.late_readings(
        grid, sites, grace=READING_GRACE * community.step
    ):
        if quantity == "load" or role == Meter.Role.PV:
            at = row_of[site_id], grid.index(start)
            available_at[at] = max(available_at[at], instant64(min(received_at, as_of)))
    return replace(past, available_at=available_at)
