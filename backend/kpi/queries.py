"""Figures put together from what the other apps hold; nothing here is stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.market import queries as market
from backend.market.models import DeliveryInterval
from backend.planning import queries as planning
from backend.planning.models import SiteForecast, SitePlan
from backend.registry import queries as registry
from backend.registry.models import Community, Site
from backend.settlement import queries as settlement
from backend.telemetry import queries as telemetry
from domain.energy import SiteEnergy
from domain.time import TimeGrid
from domain.units import WH_PER_KWH
from forecasting.combine import sum_independent

Floats = NDArray[np.float64]
BAND = (0.1, 0.9)
MAX_RUN = timedelta(days=2)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Sums over sites per interval of ``grid``, kWh of shape (T,); NaN until every site has reported."""

    load: Floats
    pv: Floats
    battery: Floats
    grid_import: Floats
    grid_export: Floats
    soc: Floats


def measured(grid: TimeGrid, sites: list[Site]) -> Measured:
    """What the meters of ``sites`` said."""
    return add_up(grid, telemetry.site_energy(grid, sites).values())


def add_up(grid: TimeGrid, energies: Iterable[SiteEnergy]) -> Measured:
    """Sums over sites; zero where there is none."""
    found = list(energies)

    def total_kwh(name: str) -> Floats:
        return sum((getattr(energy, name) for energy in found), np.zeros(len(grid))) / WH_PER_KWH

    return Measured(
        load=total_kwh("load"),
        pv=total_kwh("pv"),
        battery=total_kwh("battery"),
        grid_import=total_kwh("grid_import"),
        grid_export=total_kwh("grid_export"),
        soc=total_kwh("soc"),
    )


def series(start: datetime, end: datetime, sites: list[Site]) -> list[dict[str, Any]]:
    """Measured, expected and planned energy and prices, a row an interval; None where unknown.

    What was expected of a past interval is the forecast issued at its start; of a coming one, the newest.
    """
    community = registry.community()
    now = registry.now(community)
    first = registry.interval_start(community, start)
    grid = TimeGrid(first, community.step, max(1, -((first - end) // community.step)))
    actual = measured(grid, sites)
    load, pv = expected(grid, sites, "load", now), expected(grid, sites, "pv", now)
    plan_kwh, soc_plan = planned(grid, sites, now)
    tariff = community.to_tariff()
    intervals = {i.start: i for i in market.intervals(grid.start, grid.end)}
    rows = []
    for t, instant in enumerate(grid):
        interval = intervals.get(instant)
        rows.append(
            {
                "start": instant,
                "load_kwh": _value(actual.load[t]),
                "pv_kwh": _value(actual.pv[t]),
                "battery_kwh": _value(actual.battery[t]),
                "import_kwh": _value(actual.grid_import[t]),
                "export_kwh": _value(actual.grid_export[t]),
                "soc_kwh": _value(actual.soc[t]),
                "load_p10_kwh": _value(load[0, t]),
                "load_forecast_kwh": _value(load[1, t]),
                "load_p90_kwh": _value(load[2, t]),
                "pv_p10_kwh": _value(pv[0, t]),
                "pv_forecast_kwh": _value(pv[1, t]),
                "pv_p90_kwh": _value(pv[2, t]),
                "battery_plan_kwh": _value(plan_kwh[t]),
                "soc_plan_kwh": _value(soc_plan[t]),
                "price_micro_per_kwh": interval.clearing_micro_per_kwh if interval else None,
                "reference_micro_per_kwh": interval.reference_micro_per_kwh if interval else None,
                "retail_micro_per_kwh": tariff.import_price(instant),
                "feed_in_micro_per_kwh": tariff.feed_in_micro_per_kwh,
                "traded_wh": interval.traded_wh if interval else None,
            }
        )
    return rows


def _value(number: float) -> float | None:
    return round(float(number), 3) if np.isfinite(number) else None


def expected(grid: TimeGrid, sites: list[Site], quantity: str, now: datetime) -> Floats:
    """Forecast energy of all sites, kWh of shape (3, T): 10 %, 50 %, 90 %; NaN where one's is missing."""
    found = np.full((3, len(grid)), np.nan)
    newest = planning.newest_rolling_run(now)
    runs = planning.rolling_runs().filter(issued_at__gte=grid.start, issued_at__lt=min(grid.end, now))
    wanted = {*runs.values_list("pk", flat=True), *([newest.pk] if newest else [])}
    by_run: dict[int, list[SiteForecast]] = {}
    for stored in SiteForecast.objects.select_related("run").filter(
        run__in=wanted, quantity=quantity, site__in=sites
    ):
        by_run.setdefault(stored.run_id, []).append(stored)
    concerned = [site for site in sites if quantity == "load" or site.pv_nominal_kw > 0]
    for run_id, stored_forecasts in by_run.items():
        if len(stored_forecasts) < len(concerned):
            continue
        total = sum_independent([stored.to_domain() for stored in stored_forecasts])
        steps = len(total.grid) if newest and run_id == newest.pk else 1
        bands = np.array([total.quantile(level) for level in (BAND[0], 0.5, BAND[1])]) * grid.step_h
        for offset in range(steps):
            position = (total.grid.start - grid.start) // grid.step + offset
            if 0 <= position < len(grid):
                found[:, position] = bands[:, offset]
    return found


def planned(grid: TimeGrid, sites: list[Site], now: datetime) -> tuple[Floats, Floats]:
    """Planned battery energy (kWh, positive charges) and SoC at the end of each interval, each (T,)."""
    energy, soc = np.full(len(grid), np.nan), np.full(len(grid), np.nan)
    newest = planning.newest_schedule_run(now)
    plans = SitePlan.objects.select_related("run").filter(site__in=sites)
    within = plans.filter(run__as_of__gte=grid.start, run__as_of__lt=min(grid.end, now))
    by_instant: dict[datetime, list[SitePlan]] = {}
    for plan in [*within, *(plans.filter(run=newest) if newest else [])]:
        by_instant.setdefault(plan.run.as_of, []).append(plan)
    for as_of, found in sorted(by_instant.items()):
        last = newest is not None and as_of == newest.as_of
        distinct = {plan.pk: plan for plan in found}.values()
        power_kw = np.sum([np.array(p.charge_kw) - np.array(p.discharge_kw) for p in distinct], axis=0)
        soc_kwh = np.sum([p.soc_kwh for p in distinct], axis=0)
        for offset in range(len(power_kw) if last else 1):
            position = (as_of - grid.start) // grid.step + offset
            if 0 <= position < len(grid):
                energy[position], soc[position] = power_kw[offset] * grid.step_h, soc_kwh[offset]
    return energy, soc


def live() -> dict[str, Any]:
    """The community at this moment: what devices report now, the interval's prices, the chain."""
    community = registry.community()
    now = registry.now(community)
    start = registry.interval_start(community, now)
    homes = [_home(site, now, community) for site in registry.sites()]
    interval = market.interval_at(start)
    tariff = community.to_tariff()
    imports = sum(max(home["grid_kw"], 0.0) for home in homes)
    exports = sum(max(-home["grid_kw"], 0.0) for home in homes)
    return {
        "now": now,
        "interval_start": start,
        "interval_end": start + community.step,
        "current": {
            "load_kw": sum(home["load_kw"] for home in homes),
            "pv_kw": sum(home["pv_kw"] for home in homes),
            "battery_kw": sum(home["battery_kw"] for home in homes),
            "grid_kw": imports - exports,
            "neighbours_kw": min(imports, exports),
            "price_micro_per_kwh": interval.clearing_micro_per_kwh if interval else None,
            "retail_micro_per_kwh": tariff.import_price(start),
            "feed_in_micro_per_kwh": tariff.feed_in_micro_per_kwh,
        },
        "homes": homes,
        "chain": settlement.chain_summary(),
    }


def _home(site: Site, now: datetime, community: Community) -> dict[str, Any]:
    statuses = {meter.role: meter.status for meter in site.meters.all() if hasattr(meter, "status")}
    power = {role: status.power_kw for role, status in statuses.items()}
    pv_kw, battery_kw, grid_kw = abs(power.get("pv", 0.0)), power.get("battery", 0.0), power.get("grid", 0.0)
    battery = getattr(site, "battery", None)
    fresh = [status.at > now - 2 * community.step for status in statuses.values()]
    return {
        "pseudonym": site.participant.pseudonym,
        "load_kw": max(grid_kw + pv_kw - battery_kw, 0.0),
        "pv_kw": pv_kw,
        "battery_kw": battery_kw,
        "grid_kw": grid_kw,
        "soc_kwh": statuses["battery"].soc_kwh if "battery" in statuses else None,
        "capacity_kwh": battery.capacity_kwh if battery else None,
        "online": bool(fresh) and all(fresh),
    }


def expected_intervals(community: Community, start: datetime, end: datetime) -> int:
    """How many delivery intervals lie in ``[start, end)``."""
    return (end - start) // community.step


def settled_intervals(start: datetime, end: datetime) -> int:
    """How many intervals of ``[start, end)`` the chain has settled."""
    return market.intervals(start, end).filter(state=DeliveryInterval.State.SETTLED).count()


def settled_until(start: datetime) -> datetime:
    """End of the unbroken run of settled intervals that begins at ``start``; ``start`` when there is none."""
    until = start
    for interval in market.intervals(start, start + MAX_RUN).filter(state=DeliveryInterval.State.SETTLED):
        if interval.start != until:
            break
        until = interval.end
    return until
