"""What each scheduling method would have made of a day that is over: computed on request, never stored."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from backend.planning.services import states_of_charge
from backend.registry import queries as registry
from backend.registry.models import Community, Site
from backend.telemetry import queries as telemetry
from domain.errors import FieldError
from domain.time import EPOCH, TimeGrid
from domain.units import MICRO_PER_UNIT, WH_PER_KWH
from ess.causal.outlook import Outlook
from ess.compare import Comparison, Outcome, compare
from ess.problem import BatteryProblem, columns_of
from ess.scheduler import METHODS, schedule

ONE_DAY = timedelta(days=1)
PAST_DAYS = 14
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MeteredDay:
    """What was metered of the sites whose readings are whole, on ``grid``; row i of (n, T) is ``sites[i]``.

    ``past_net_load_kw`` (n, S, T), load less PV of the days before on which all of them are whole, oldest
    first, is what a method that does not know the day may know of it (one day of zeros where there is none).
    ``missing`` says of each of the other sites how many intervals of the day lack a reading.
    """

    grid: TimeGrid
    sites: list[Site]
    load_kw: Floats
    pv_kw: Floats
    past_net_load_kw: Floats
    missing: dict[Site, int]


def known_days(community: Community, now: datetime) -> tuple[date, date] | None:
    """The first and the last whole local day that is over and of which anything is known, or None."""
    first_reading = telemetry.first_reading_start()
    if first_reading is None:
        return None
    zone = ZoneInfo(community.time_zone)
    first, last = first_reading.astimezone(zone).date(), now.astimezone(zone).date() - ONE_DAY
    if first_reading > _begin(community, first):
        first += ONE_DAY
    return (first, last) if first <= last else None


def compare_day(asked: date | None) -> dict[str, Any]:
    """Every method on the community's batteries on one local day: ``asked``, or the newest that is over.

    Each site stands alone with the retail tariff, and each battery ends with at least what it began with.

    Raises:
        FieldError: ``day`` is not over, or lies before the first reading, or no whole day is known yet.
    """
    community = registry.community()
    days = known_days(community, registry.now(community))
    if days is None:
        raise FieldError("day", "no whole local day has been metered yet", code="none_yet")
    first, last = days
    day = last if asked is None else asked
    if day < first:
        raise FieldError("day", f"must not lie before {first}, the first that was metered", code="too_early")
    if day > last:
        raise FieldError("day", f"must be over: the last such day is {last}", code="not_over")
    metered = metered_day(local_day(community, day))
    return {
        "day": day,
        "first_day": first,
        "last_day": last,
        "interval_s": int(community.step.total_seconds()),
        "starts": list(metered.grid),
        "left_out": [
            {"pseudonym": site.participant.pseudonym, "missing_intervals": count}
            for site, count in metered.missing.items()
        ],
        **_facts(community, metered),
    }


def local_day(community: Community, day: date) -> TimeGrid:
    """The delivery intervals that begin on a local day; 23 or 25 hours of them where clocks change."""
    start, end = (_begin(community, each) for each in (day, day + ONE_DAY))
    return TimeGrid(start, community.step, (end - start) // community.step)


def _begin(community: Community, day: date) -> datetime:
    """Start of the first delivery interval that begins on a local day."""
    midnight = datetime.combine(day, time(0), ZoneInfo(community.time_zone)).astimezone(UTC)
    return EPOCH - (EPOCH - midnight) // community.step * community.step


def metered_day(grid: TimeGrid) -> MeteredDay:
    """Load and PV of every site with a battery, as its meters measured them."""
    sites = [site for site in registry.sites() if hasattr(site, "battery")]
    per_day, steps = ONE_DAY // grid.step, len(grid)
    before = PAST_DAYS * per_day
    energy = telemetry.site_energy(
        TimeGrid(grid.start - PAST_DAYS * ONE_DAY, grid.step, before + steps), sites
    )
    missing = {site: int(np.isnan(energy[site.pk].load[before:]).sum()) for site in sites}
    whole = [site for site in sites if not missing[site]]
    kw_per_wh = 1 / (WH_PER_KWH * grid.step_h)
    shape = (len(whole), before + steps)
    load_kw = np.array([energy[site.pk].load for site in whole]).reshape(shape) * kw_per_wh
    pv_kw = np.array([energy[site.pk].pv for site in whole]).reshape(shape) * kw_per_wh
    past = sliding_window_view((load_kw - pv_kw)[:, :before], steps, axis=1)[:, ::per_day]
    known = past[:, np.isfinite(past).all(axis=(0, 2))]
    return MeteredDay(
        grid=grid,
        sites=whole,
        load_kw=load_kw[:, before:],
        pv_kw=pv_kw[:, before:],
        past_net_load_kw=known if known.shape[1] else np.zeros((len(whole), 1, steps)),
        missing={site: count for site, count in missing.items() if count},
    )


def day_problem(community: Community, metered: MeteredDay) -> BatteryProblem:
    """The day as the schedulers are asked it: prices of the retail tariff, the same SoC at both ends."""
    tariff, shape = community.to_tariff(), metered.load_kw.shape
    buy = np.array([tariff.import_price(start) for start in metered.grid]) / MICRO_PER_UNIT
    columns = columns_of([site.battery.to_domain() for site in metered.sites])
    known = states_of_charge(metered.sites, metered.grid.start)
    # A battery found below its reserve would make the day's first intervals impossible for every method.
    soc_kwh = np.maximum([known[site.pk] for site in metered.sites], columns["soc_min_kwh"])
    return BatteryProblem(
        **columns,
        load_kw=metered.load_kw,
        pv_kw=metered.pv_kw,
        buy=np.broadcast_to(buy, shape),
        sell=np.full(shape, tariff.feed_in_micro_per_kwh / MICRO_PER_UNIT),
        soc_initial_kwh=soc_kwh,
        soc_final_kwh=soc_kwh,
        step_h=metered.grid.step_h,
    )


def _facts(community: Community, metered: MeteredDay) -> dict[str, Any]:
    if not metered.sites:
        return {"cost_without_micro": 0, "optimum_micro": 0, "sites": [], "methods": []}
    problem = day_problem(community, metered)
    comparison = compare(
        problem,
        tuple(METHODS),
        runs=2,
        scheduler=partial(schedule, outlook=Outlook(metered.past_net_load_kw)),
    )
    return {
        "cost_without_micro": _micro_nearest(comparison.cost_without.sum()),
        "optimum_micro": _micro_nearest(comparison.optimum.sum()),
        "sites": [
            {
                "pseudonym": site.participant.pseudonym,
                "capacity_kwh": site.battery.capacity_kwh,
                "soc_start_kwh": problem.soc_initial_kwh[row],
                "cost_without_micro": _micro_nearest(comparison.cost_without[row]),
                "optimum_micro": _micro_nearest(comparison.optimum[row]),
            }
            for row, site in enumerate(metered.sites)
        ],
        "methods": [_method(comparison, outcome) for outcome in comparison.outcomes],
    }


def _method(comparison: Comparison, outcome: Outcome) -> dict[str, Any]:
    plan = outcome.plan
    power_kw = (plan.charge_kw - plan.discharge_kw).round(3)
    return {
        "method": outcome.method,
        "seconds": plan.seconds,
        "cost_micro": _micro_nearest(outcome.cost.sum()),
        "lost": _known(outcome.lost),
        "sites": [
            {
                "cost_micro": _micro_nearest(outcome.cost[row]),
                "lost": _known(outcome.lost_by_row[row]),
                "feasible": bool(outcome.feasible[row]),
                "planned_by": plan.method[row],
                "reason": plan.reason[row],
                "power_kw": power_kw[row].tolist(),
                "soc_kwh": plan.soc_kwh[row].round(3).tolist(),
            }
            for row in range(len(comparison.optimum))
        ],
    }


def _micro_nearest(money: float) -> int:
    return round(money * MICRO_PER_UNIT)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
