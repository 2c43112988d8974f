"""The report of a period: what membership was worth, and whether the books are whole."""

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.kpi import queries
from backend.market import queries as market
from backend.planning.models import ForecastRun, SiteForecast
from backend.registry import queries as registry
from backend.registry.models import Community, Site
from backend.settlement import queries as settlement
from backend.telemetry import queries as telemetry
from domain.energy import SiteEnergy
from domain.errors import FieldError
from domain.time import TimeGrid
from domain.units import MICRO_PER_UNIT, WH_PER_KWH
from ess.dynamics import replay
from ess.problem import BatteryProblem, columns_of
from ess.scheduler import schedule

Floats = NDArray[np.float64]


def report(start: datetime, end: datetime) -> dict[str, Any]:
    """Figures of the intervals that begin in ``[start, end)``; FieldError when none does.

    Without the VPP means: own PV, own battery on self-consumption, the retailer's tariff.
    """
    community = registry.community()
    grid = intervals_within(community, start, end)
    sites = list(registry.sites())
    energy = telemetry.site_energy(grid, sites)
    alone = without_community(community, grid, sites, energy)
    nets = settlement.net_by_participant(start, end)
    total = queries.add_up(grid, energy.values())
    net_import = np.nan_to_num(total.grid_import - total.grid_export)
    load_kwh = float(np.nansum(total.load))
    members = [
        {
            "pseudonym": site.participant.pseudonym,
            "cost_micro": nets.get(site.participant_id, 0),
            "cost_without_micro": alone[site.pk][0],
            "saved_micro": alone[site.pk][0] - nets.get(site.participant_id, 0),
        }
        for site in sites
    ]
    trades = market.trades().filter(interval__start__gte=start, interval__start__lt=end)
    traded_wh = sum(trade.energy_wh for trade in trades)
    count, gas = len(trades), settlement.gas_used(start, end)
    settled = queries.settled_intervals(start, end)
    return {
        "scenario": community.scenario,
        "currency": community.currency,
        "from": start,
        "to": end,
        "members": members,
        "cost_micro": sum(m["cost_micro"] for m in members),
        "cost_without_micro": sum(m["cost_without_micro"] for m in members),
        "saved_micro": sum(m["saved_micro"] for m in members),
        "load_kwh": round(load_kwh, 3),
        "self_sufficiency": share(1 - float(np.maximum(net_import, 0).sum()) / load_kwh)
        if load_kwh
        else None,
        "peak_import_kw": round(float(np.max(net_import)) / grid.step_h, 3),
        "peak_import_without_kw": round(float(np.max(sum(a[1] for a in alone.values()))), 3),
        "traded_kwh": traded_wh / WH_PER_KWH,
        "trades": count,
        "gas_per_trade": round(gas / count) if count else None,
        "forecast_error": forecast_errors(grid, sites, energy),
        "intervals": len(grid),
        "settled_intervals": settled,
        "unsettled_intervals": len(grid) - settled,
        "conserved": settlement.conserved(start, end),
    }


def intervals_within(community: Community, start: datetime, end: datetime) -> TimeGrid:
    """The intervals that begin in ``[start, end)``; FieldError when none does."""
    first = registry.interval_start(community, start)
    if first < start:
        first += community.step
    if first >= end:
        raise FieldError("to", "no delivery interval begins in this range")
    return TimeGrid(first, community.step, -((first - end) // community.step))


def share(value: float) -> float:
    """A share rounded for display, within [0, 1]."""
    return round(min(max(value, 0.0), 1.0), 4)


def without_community(
    community: Community, grid: TimeGrid, sites: list[Site], energy: dict[int, SiteEnergy]
) -> dict[int, tuple[int, Floats]]:
    """Each site alone, its battery on self-consumption: (cost in micro-units, net import kW (T,))."""
    tariff = community.to_tariff()
    buy = np.array([tariff.import_price(instant) for instant in grid]) / MICRO_PER_UNIT
    sell = np.full(len(grid), tariff.feed_in_micro_per_kwh / MICRO_PER_UNIT)
    kw_per_wh = 1 / (WH_PER_KWH * grid.step_h)
    before = telemetry.newest_soc_kwh(grid.start)
    found: dict[int, tuple[int, Floats]] = {}
    for site in sites:
        load_kw = np.nan_to_num(energy[site.pk].load) * kw_per_wh
        pv_kw = np.nan_to_num(energy[site.pk].pv) * kw_per_wh
        grid_kw = load_kw - pv_kw
        cost = float((np.where(grid_kw > 0, buy, sell) * grid_kw).sum() * grid.step_h)
        if hasattr(site, "battery"):
            battery = site.battery.to_domain()
            meter = next(m for m in site.meters.all() if m.role == "battery")
            soc_kwh = min(before.get(meter.pk, battery.soc_min_kwh), battery.capacity_kwh)
            problem = BatteryProblem(
                **columns_of([battery]),
                load_kw=load_kw[None],
                pv_kw=pv_kw[None],
                buy=buy[None],
                sell=sell[None],
                soc_initial_kwh=np.array([soc_kwh]),
                soc_final_kwh=np.array([min(soc_kwh, battery.soc_min_kwh)]),
                step_h=grid.step_h,
            )
            planned = schedule(problem, method="rule")
            judged = replay(problem, planned.charge_kw, planned.discharge_kw)
            cost, grid_kw = float(judged.cost[0]), judged.grid_kw[0]
        found[site.pk] = (round(cost * MICRO_PER_UNIT), grid_kw)
    return found


def forecast_errors(
    grid: TimeGrid, sites: list[Site], energy: dict[int, SiteEnergy]
) -> dict[str, dict[str, float | None]]:
    """Mean absolute error of the first interval of each forecast, per site, kWh, by quantity and role."""
    runs = ForecastRun.objects.filter(
        kind=ForecastRun.Kind.ROLLING, issued_at__gte=grid.start, issued_at__lt=grid.end
    )
    errors: dict[tuple[str, str], list[float]] = {}
    for stored in SiteForecast.objects.filter(run__in=runs, site__in=sites).select_related("run"):
        actual = energy[stored.site_id].load if stored.quantity == "load" else energy[stored.site_id].pv
        measured_kwh = actual[grid.index(stored.start)] / WH_PER_KWH
        median_kwh = stored.to_domain().quantile(0.5)[0] * grid.step_h
        if np.isfinite(measured_kwh):
            errors.setdefault((stored.run.role, stored.quantity), []).append(abs(measured_kwh - median_kwh))
    return {
        quantity: {
            f"{role}_mae_kwh": round(float(np.mean(errors[role, quantity])), 4)
            if (role, quantity) in errors
            else None
            for role in ForecastRun.Role
        }
        for quantity in ("load", "pv")
    }
