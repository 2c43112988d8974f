"""What models are given: the readings of the community's sites as a history."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from backend.registry import queries as registry
from backend.registry.models import Community, Site
from backend.telemetry import queries as telemetry
from domain.time import TimeGrid
from domain.units import WH_PER_KWH
from forecasting.calendar import clock_of
from forecasting.series import History

HORIZON = timedelta(hours=24)
MAX_HISTORY = timedelta(days=42)
QUANTITIES = ("load", "pv")
SEED = 20_260_101


def horizon_grid(community: Community, as_of: datetime) -> TimeGrid:
    """The intervals that forecasts and plans made at ``as_of`` cover."""
    return TimeGrid(as_of, community.step, HORIZON // community.step)


def sites_with(quantity: str) -> list[Site]:
    """The sites that have ``quantity``: all have load."""
    return [site for site in registry.sites() if quantity == "load" or site.pv_nominal_kw > 0]


def history(community: Community, quantity: str, as_of: datetime, sites: Sequence[Site]) -> History:
    """Mean power (kW) of ``sites`` (at least one), up to ``as_of``; gaps are NaN.

    Load and generation are both positive. A site's series has its row id for a name.
    """
    first = telemetry.first_reading_start()
    # a first reading at or after ``as_of`` leaves one interval of which nothing is known
    start = min(max(first or as_of, as_of - MAX_HISTORY), as_of - community.step)
    grid = TimeGrid(start, community.step, (as_of - start) // community.step)
    energy = telemetry.site_energy(grid, sites)
    rows = [energy[site.pk].load if quantity == "load" else energy[site.pk].pv for site in sites]
    values = np.maximum(np.array(rows) / (WH_PER_KWH * grid.step_h), 0)
    return History(
        grid=grid,
        names=tuple(str(site.pk) for site in sites),
        values=values,
        time_zone=clock_of(quantity, community.time_zone),
    )
