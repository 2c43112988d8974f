"""Forecasts issued and batteries scheduled; what a later stage knows comes in as an argument."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray

from backend.planning import queries
from backend.planning.models import ForecastRun, ModelVersion, ScheduleRun, SiteForecast, SitePlan
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
from forecasting.models import Model, load_model, train
from forecasting.series import History

HORIZON = timedelta(hours=24)
MAX_HISTORY = timedelta(days=42)
RETRAIN_AFTER = timedelta(days=1)
SEED = 20_260_101
QUANTITIES = ("load", "pv")
logger = logging.getLogger(__name__)


def horizon_grid(community: Community, as_of: datetime) -> TimeGrid:
    """The intervals that forecasts and plans made at ``as_of`` cover."""
    return TimeGrid(as_of, community.step, HORIZON // community.step)


def history(community: Community, quantity: str, as_of: datetime) -> tuple[History, list[Site]]:
    """Mean power (kW) of each site that has ``quantity``, up to ``as_of``; gaps are NaN."""
    first = telemetry.first_reading_start()
    start = max(first or as_of - community.step, as_of - MAX_HISTORY)
    grid = TimeGrid(start, community.step, (as_of - start) // community.step)
    sites = [site for site in registry.sites() if quantity == "load" or site.pv_nominal_kw > 0]
    energy = telemetry.site_energy(grid, sites)
    rows = [energy[site.pk].load if quantity == "load" else energy[site.pk].pv for site in sites]
    kw_per_wh = 1 / (1_000 * grid.step_h)
    values = np.maximum(np.array(rows) * kw_per_wh, 0)
    names = tuple(str(site.pk) for site in sites)
    return History(grid=grid, names=names, values=values, time_zone=community.time_zone), sites


def train_models(as_of: datetime) -> list[ModelVersion]:
    """Train the serving model of each quantity on what is known at ``as_of``; once for each instant.

    Where too little is known yet, there is no model yet.
    """
    community = registry.community()
    trained = []
    for quantity in QUANTITIES:
        past, sites = history(community, quantity, as_of)
        if not sites:
            continue
        key = {"name": queries.SERVING_MODEL, "quantity": quantity, "trained_at": as_of}
        version = ModelVersion.objects.filter(**key).first()
        if version is None:
            path = Path("models") / f"{quantity}-{as_of:%Y%m%dT%H%M}"
            try:
                model = train(queries.SERVING_MODEL, past, trained_at=as_of, seed=SEED)
            except FieldError as error:
                if error.code != "too_short":
                    raise
                logger.warning("no %s model yet: the history %s", quantity, error.message)
                continue
            model.save(settings.STATE_DIR / path)
            digest = hashlib.sha256(past.values.tobytes()).hexdigest()
            version, _ = ModelVersion.objects.get_or_create(
                **key, defaults={"path": str(path), "seed": SEED, "data_hash": digest}
            )
        trained.append(version)
    return trained


def training_due(as_of: datetime) -> bool:
    """Whether the serving models are missing or older than a day."""
    version = queries.newest_model("load")
    return version is None or version.trained_at <= as_of - RETRAIN_AFTER


@lru_cache(maxsize=8)
def _artefact(path: str) -> Model:
    return load_model(settings.STATE_DIR / path)


def run_forecasts(as_of: datetime) -> ForecastRun:
    """Issue the rolling forecast of all sites, at local midnight the day-ahead one too; once an ``as_of``.

    A site of which too little is known gets none, and holds nobody else up.
    """
    existing = queries.rolling_run(as_of)
    if existing:
        return existing
    community = registry.community()
    kinds = [ForecastRun.Kind.ROLLING]
    if as_of.astimezone(ZoneInfo(community.time_zone)).time() == datetime.min.time():
        kinds.append(ForecastRun.Kind.DAY_AHEAD)
    issued = _issued(community, as_of)
    with transaction.atomic():
        for kind in kinds:
            for name in (queries.SERVING_MODEL, queries.REFERENCE_MODEL):
                run, fresh = ForecastRun.objects.get_or_create(kind=kind, model_name=name, issued_at=as_of)
                if fresh:
                    SiteForecast.objects.bulk_create(
                        _stored(run, quantity, site, forecast)
                        for issuer, quantity, site, forecast in issued
                        if issuer == name
                    )
    return queries.issued_run(as_of)


def _issued(community: Community, as_of: datetime) -> list[tuple[str, str, Site, Forecast]]:
    """Each model's forecasts, by quantity, of the sites of which every quantity can be forecast."""
    steps = len(horizon_grid(community, as_of))
    known: defaultdict[tuple[str, str], dict[str, Forecast]] = defaultdict(dict)
    for quantity in QUANTITIES:
        past, sites = history(community, quantity, as_of)
        if not sites:
            continue
        for name, model in _models(quantity, past, as_of).items():
            forecasts = model.forecast_known(past, issued_at=as_of, horizon=steps)
            for series, forecast in forecasts.items():
                known[name, series][quantity] = forecast
    issued = []
    for site in registry.sites():
        quantities = QUANTITIES if site.pv_nominal_kw > 0 else ("load",)
        for name in (queries.SERVING_MODEL, queries.REFERENCE_MODEL):
            found = known[name, str(site.pk)]
            if len(found) == len(quantities):
                issued += [(name, quantity, site, forecast) for quantity, forecast in found.items()]
            else:
                logger.warning("no %s forecast for %s: too little is known of it", name, site)
    return issued


def _models(quantity: str, past: History, as_of: datetime) -> dict[str, Model]:
    """The reference, and the serving model once one could be trained, by name."""
    models = {queries.REFERENCE_MODEL: train(queries.REFERENCE_MODEL, past, trained_at=as_of, seed=SEED)}
    version = queries.newest_model(quantity)
    if version is not None:
        models[queries.SERVING_MODEL] = _artefact(version.path)
    return models


def _stored(run: ForecastRun, quantity: str, site: Site, forecast: Forecast) -> SiteForecast:
    return SiteForecast(
        run=run,
        site=site,
        quantity=quantity,
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
