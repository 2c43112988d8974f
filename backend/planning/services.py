"""Forecasts issued and batteries scheduled; what a later stage knows comes in as an argument."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from backend.planning import artefacts, contests, drift, queries
from backend.planning.inputs import QUANTITIES, SEED, history, horizon_grid, sites_with
from backend.planning.models import (
    Contest,
    DriftCheck,
    ForecastRun,
    ModelVersion,
    ScheduleRun,
    SiteForecast,
    SitePlan,
    Tuning,
)
from backend.planning.serving import serve
from backend.registry import queries as registry
from backend.registry.models import Community, Site
from backend.telemetry import queries as telemetry
from domain.errors import FieldError
from domain.forecast import Forecast
from domain.time import TimeGrid
from ess.envelope import first_envelope
from ess.explain import Wording, next_decision
from ess.problem import BatteryProblem, columns_of
from ess.scheduler import schedule
from forecasting.tuning import tune

DRIFT_EVERY = timedelta(hours=6)
Made = tuple[Forecast, ModelVersion | None]  # None: by the reference
Issued = tuple[ForecastRun.Role, str, Site, Made]  # str: the quantity
logger = logging.getLogger(__name__)


def train_models(as_of: datetime) -> list[Contest]:
    """Train and judge challengers of each quantity on what is known at ``as_of``; once for each instant.

    One process at a time, which the caller sees to.
    """
    artefacts.clear_drafts()
    return [contests.hold(quantity, as_of) for quantity in QUANTITIES]


def training_due(community: Community, now: datetime) -> datetime | None:
    """The instant as of which models are to be trained, or None.

    That is the newest local midnight since the opening, and later on the check that found new drift, once.
    """
    held = [contest.as_of for contest in map(queries.newest_contest, QUANTITIES) if contest]
    done = min(held) if len(held) == len(QUANTITIES) else None
    midnight = registry.interval_start(community, registry.local_midnight(community, now))
    wanted = [alarm.opened_at for alarm in queries.open_alarms()]
    wanted += [midnight] if midnight >= community.opened_at else []
    due = [instant for instant in wanted if done is None or instant > done]
    return max(due, default=None)


def look_for_drift(as_of: datetime) -> list[DriftCheck]:
    """Look for drift of each quantity, and open or close alarms; once for each instant."""
    return [drift.check(quantity, as_of) for quantity in QUANTITIES]


def drift_check_due(community: Community, now: datetime) -> datetime | None:
    """The instant as of which drift is to be looked for, or None: every six hours from local midnight."""
    midnight = registry.interval_start(community, registry.local_midnight(community, now))
    as_of = midnight + (now - midnight) // DRIFT_EVERY * DRIFT_EVERY
    checked = DriftCheck.objects.filter(as_of=as_of).count() == len(QUANTITIES)
    return None if checked or as_of < community.opened_at else as_of


def tune_model(name: str, quantity: str, *, as_of: datetime, seconds: float, trials: int | None) -> Tuning:
    """Look for better settings on what is known at ``as_of``, and train with them from the next time on.

    Raises:
        FieldError: the model or quantity is unknown, no site has the quantity, or too little is known.
    """
    if quantity not in QUANTITIES:
        raise FieldError("quantity", f"must be one of {', '.join(QUANTITIES)}, got {quantity!r}")
    sites = sites_with(quantity)
    if not sites:
        raise FieldError("quantity", f"no site has {quantity}", code="no_data")
    past = history(registry.community(), quantity, as_of, sites)
    tuned = tune(name, past, trained_at=as_of, seed=SEED, seconds=seconds, trials=trials)
    tuning, _ = Tuning.objects.update_or_create(
        name=name,
        quantity=quantity,
        as_of=as_of,
        defaults={"seed": SEED, "settings": tuned.settings, "score": tuned.score, "trials": tuned.trials},
    )
    return tuning


def run_forecasts(as_of: datetime) -> ForecastRun:
    """Issue the rolling forecast of all sites, at local midnight the day-ahead one too; once an ``as_of``.

    A site of which too little is known gets none, and holds nobody else up.
    """
    existing = queries.rolling_run(as_of)
    if existing:
        return existing
    community = registry.community()
    kinds = [ForecastRun.Kind.ROLLING]
    if registry.interval_start(community, registry.local_midnight(community, as_of)) == as_of:
        kinds.append(ForecastRun.Kind.DAY_AHEAD)
    issued, served = _issued(community, as_of)
    with transaction.atomic():
        for kind in kinds:
            for role in ForecastRun.Role:
                facts = served if role == ForecastRun.Role.SERVED else {}
                run, fresh = ForecastRun.objects.get_or_create(
                    kind=kind, role=role, issued_at=as_of, defaults={"served": facts}
                )
                if fresh:
                    SiteForecast.objects.bulk_create(
                        _stored(run, quantity, site, *made)
                        for issued_as, quantity, site, made in issued
                        if issued_as == role
                    )
    return queries.issued_run(as_of)


def _issued(community: Community, as_of: datetime) -> tuple[list[Issued], dict[str, Any]]:
    """Served and reference forecasts, by quantity, of the sites of which every quantity can be forecast.

    Beside them, by quantity, which models serve how many of these sites, and who was passed over.
    """
    steps = len(horizon_grid(community, as_of))
    known: defaultdict[tuple[ForecastRun.Role, str], dict[str, Made]] = defaultdict(dict)
    passed_over = {}
    for quantity in QUANTITIES:
        concerned = sites_with(quantity)
        if not concerned:
            continue
        past = history(community, quantity, as_of, concerned)
        served = serve(quantity, past, as_of=as_of, steps=steps)
        passed_over[quantity] = served.passed_over
        for series, forecast in served.forecasts.items():
            known[ForecastRun.Role.SERVED, series][quantity] = (forecast, served.made_by.get(series))
        for series, forecast in served.reference.items():
            known[ForecastRun.Role.REFERENCE, series][quantity] = (forecast, None)
    issued = []
    for site in registry.sites():
        quantities = QUANTITIES if site.pv_nominal_kw > 0 else ("load",)
        for role in ForecastRun.Role:
            found = known[role, str(site.pk)]
            if len(found) == len(quantities):
                issued += [(role, quantity, site, made) for quantity, made in found.items()]
            else:
                logger.warning("no %s forecast for %s: too little is known of it", role, site)
    facts = {
        quantity: {"models": _serving(quantity, issued), "passed_over": reasons}
        for quantity, reasons in passed_over.items()
    }
    return issued, facts


def _serving(quantity: str, issued: Sequence[Issued]) -> list[dict[str, Any]]:
    """The models of the served forecasts of ``quantity``, each with its number of sites."""
    makers = Counter(
        (forecast.model, version.pk if version else None)
        for role, forecast_of, _, (forecast, version) in issued
        if (role, forecast_of) == (ForecastRun.Role.SERVED, quantity)
    )
    return [{"name": name, "version": version, "sites": sites} for (name, version), sites in makers.items()]


def _stored(
    run: ForecastRun, quantity: str, site: Site, forecast: Forecast, version: ModelVersion | None
) -> SiteForecast:
    return SiteForecast(
        run=run,
        site=site,
        quantity=quantity,
        model_name=forecast.model,
        model_version=version,
        start=forecast.grid.start,
        step_s=int(forecast.grid.step.total_seconds()),
        available_at=forecast.available_at,
        levels=list(forecast.levels),
        power_kw=forecast.power_kw.round(6).tolist(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What the market tells the planner, on the planning grid of T intervals.

    ``buy`` and ``sell`` are expected prices per kWh, shape (T,). ``gate_closed`` says where trades are fixed:
    there ``committed_kw``, by site id, holds the power already bought (positive) or sold (negative), shape
    (T,), and deviations from it cost ``imbalance_buy`` and earn ``imbalance_sell``.
    """

    buy: NDArray[np.float64]
    sell: NDArray[np.float64]
    imbalance_buy: NDArray[np.float64]
    imbalance_sell: NDArray[np.float64]
    gate_closed: NDArray[np.bool_]
    committed_kw: Mapping[int, NDArray[np.float64]]


def run_schedules(as_of: datetime, outlook: Outlook) -> ScheduleRun:
    """Plan every battery over the coming day; once for each ``as_of``.

    A battery whose site has no forecast gets no plan: its device keeps to its own rule.

    In intervals whose gate has closed, trades are fixed: the connection's position is measured from what was
    bought and sold, and only the difference is priced, at the imbalance prices.
    """
    existing = queries.schedule_run(as_of)
    if existing:
        return existing
    community = registry.community()
    grid = horizon_grid(community, as_of)
    medians = _medians(as_of)
    sites = [site for site in registry.sites() if hasattr(site, "battery") and (site.pk, "load") in medians]
    if not sites:
        return ScheduleRun.objects.get_or_create(as_of=as_of, defaults={"seconds": 0.0})[0]
    problem = _problem(sites, grid, outlook, medians, states_of_charge(sites, as_of))
    planned = schedule(problem)
    envelope = first_envelope(problem, planned)
    # Where no method has a plan that holds, the device is to rest: no value of storing is known to act by.
    acts = np.array([method != "idle" for method in planned.method])
    wording = Wording(grid, ZoneInfo(community.time_zone), community.currency)
    with transaction.atomic():
        run, fresh = ScheduleRun.objects.get_or_create(as_of=as_of, defaults={"seconds": planned.seconds})
        if fresh:
            SitePlan.objects.bulk_create(
                SitePlan(
                    run=run,
                    site=site,
                    charge_kw=planned.charge_kw[row].round(6).tolist(),
                    discharge_kw=planned.discharge_kw[row].round(6).tolist(),
                    soc_kwh=planned.soc_kwh[row].round(6).tolist(),
                    power_min_kw=float(envelope.minimum_kw[row] * acts[row]),
                    power_max_kw=float(envelope.maximum_kw[row] * acts[row]),
                    method=planned.method[row],
                    reason=planned.reason[row][:300],
                    explanation=next_decision(problem, planned, wording, row)[:300],
                )
                for row, site in enumerate(sites)
            )
    return run


def _medians(as_of: datetime) -> dict[tuple[int, str], NDArray[np.float64]]:
    run = queries.issued_run(as_of)
    return {key: stored.to_domain().quantile(0.5) for key, stored in queries.forecasts_of(run).items()}


def _problem(
    sites: list[Site],
    grid: TimeGrid,
    outlook: Outlook,
    medians_kw: Mapping[tuple[int, str], NDArray[np.float64]],
    soc_kwh: Mapping[int, float],
) -> BatteryProblem:
    idle = np.zeros(len(grid))
    committed = np.array([outlook.committed_kw.get(site.pk, idle) for site in sites])
    batteries = [site.battery.to_domain() for site in sites]
    initial = np.array([soc_kwh[site.pk] for site in sites])
    shape = committed.shape
    floor = np.array([battery.soc_min_kwh for battery in batteries])
    return BatteryProblem(
        **columns_of(batteries),
        load_kw=np.array([medians_kw[site.pk, "load"] for site in sites]) - committed,
        pv_kw=np.array([medians_kw.get((site.pk, "pv"), idle) for site in sites]),
        buy=np.broadcast_to(np.where(outlook.gate_closed, outlook.imbalance_buy, outlook.buy), shape),
        sell=np.broadcast_to(np.where(outlook.gate_closed, outlook.imbalance_sell, outlook.sell), shape),
        soc_initial_kwh=initial,
        soc_final_kwh=np.minimum(initial, floor),
        step_h=grid.step_h,
    )


def states_of_charge(sites: list[Site], as_of: datetime) -> dict[int, float]:
    """State of charge of each site's battery by its newest reading, kWh, within the battery's capacity."""
    known = telemetry.newest_soc_kwh(as_of)
    found = {}
    for site in sites:
        meter = next(m for m in site.meters.all() if m.role == "battery")
        found[site.pk] = min(known.get(meter.pk, site.battery.soc_min_kwh), site.battery.capacity_kwh)
    return found
