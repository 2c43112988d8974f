"""The platform's one line, top to bottom.

    telemetry → forecast → schedule → price → orders → clearing → commitment
              → delivery → meter verification → settlement → statement → KPI

Tasks pass ids and an ``as_of`` instant, never data. ``tick`` looks at the clock and at the state of the books
and enqueues what is due. A stage that was done before does nothing, so a task may run twice, late, or after a
crash; a task that was lost is found due again at the next tick.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from celery import Task, shared_task
from celery.signals import worker_ready
from django.core.cache import cache
from django.db import InterfaceError, OperationalError
from django.db import connection as database
from numpy.typing import NDArray

from backend.dispatch import services as dispatch
from backend.market import agents
from backend.market import queries as market
from backend.market import services as market_services
from backend.market.models import AgentRound
from backend.planning import queries as planning
from backend.planning import services as planning_services
from backend.planning.inputs import READING_GRACE, horizon_grid
from backend.planning.models import ScheduleRun
from backend.registry import queries as registry
from backend.registry import services as registry_services
from backend.registry.locks import sole
from backend.registry.models import Community, Meter
from backend.registry.tasks import announce
from backend.settlement import queries as settlement
from backend.settlement import services as settlement_services
from backend.settlement.tasks import pump
from backend.telemetry import queries as telemetry
from domain.time import TimeGrid
from domain.units import MICRO_PER_UNIT, WH_PER_KWH
from pricing.bidding import net_quantiles

NET_LEVELS = (0.1, 0.5, 0.9)
CLAIM_S = 20  # an enqueued stage is not enqueued again within this time
TRAINING_CLAIM_S = 600  # a training that failed is tried again after this time
TRAINING_LIMIT_S = 1_800
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """A stage to run for the interval that begins at ``interval_start``, or what it waits for."""

    stage: str
    key: str
    interval_start: datetime
    waits_for: str = ""


def due(community: Community, now: datetime) -> Iterator[Due]:
    """Everything that is to be done at ``now``, in the order of the flow."""
    for interval in market.closed_and_open(now):
        yield Due("clear", str(interval.pk), interval.start)
    for interval in market.uncommitted(now):
        yield Due("commit", str(interval.pk), interval.start)
    yield from _planning_due(community, now)
    yield from _learning_due(community, now)
    for interval in market.delivered(now):
        missing = telemetry.missing_readings(interval.start, Meter.Role.GRID)
        waiting = missing and now < interval.end + community.reading_deadline
        waits_for = f"{len(missing)} readings" if waiting else ""
        yield Due("settle", str(interval.pk), interval.start, waits_for)
    for commitment in settlement.unreleased():
        closes_at = settlement.closes_at(commitment.interval)
        waits_for = "" if now > closes_at else f"the end of its settlement term at {closes_at.isoformat()}"
        yield Due("release", str(commitment.interval_id), commitment.interval.start, waits_for)


def _planning_due(community: Community, now: datetime) -> Iterator[Due]:
    """Planning waits some time for late readings, then goes on without them."""
    as_of = registry.interval_start(community, now)
    if AgentRound.objects.filter(as_of=as_of).exists():
        return
    missing = telemetry.missing_readings(as_of - community.step) if as_of > community.opened_at else []
    waiting = missing and now < as_of + READING_GRACE * community.step
    yield Due("plan", as_of.isoformat(), as_of, f"{len(missing)} readings" if waiting else "")


def _learning_due(community: Community, now: datetime) -> Iterator[Due]:
    """Drift is looked for, and then models are trained, once the plan of that instant is made.

    So every plan is made by the models that were champions before its instant, however long a training takes.
    """
    checked_at = planning_services.drift_check_due(community, now)
    if checked_at is not None:
        if AgentRound.objects.filter(as_of__gte=checked_at).exists():
            yield Due("look_for_drift", checked_at.isoformat(), checked_at)
        return
    as_of = planning_services.training_due(community, now)
    if as_of is not None and AgentRound.objects.filter(as_of__gte=as_of).exists():
        yield Due("train", as_of.isoformat(), as_of)


def ready() -> bool:
    """Whether every member is on chain and the clock runs, or stands ready to be advanced."""
    return settlement.onboarded()


@shared_task
def tick() -> None:
    """Look at the clock and enqueue what is due; a held clock starts once all members are on chain."""
    if ready():
        registry_services.start_clock()
        now = registry_services.see_clock()
        community = registry.community()
        market_services.open_intervals(now)
        for item in due(community, now):
            claimed_s = TRAINING_CLAIM_S if item.stage == "train" else CLAIM_S
            if not item.waits_for and cache.add(claim(item.stage, item.key), 1, claimed_s):
                STAGES[item.stage].delay(item.key, now.isoformat())
    pump.delay()


def claim(stage: str, key: str) -> str:
    """The cache key that keeps a stage from being enqueued again while it runs."""
    return f"claim:{stage}:{key}"


@contextmanager
def released_if_cut_off(stage: str, key: str) -> Iterator[None]:
    """Let a stage be enqueued again at once when it has lost its database."""
    try:
        yield
    except (InterfaceError, OperationalError):
        cache.delete(claim(stage, key))
        raise


@worker_ready.connect
def release_claims(**_: object) -> None:
    """A worker that comes up may follow one that was killed: nothing waits for what that one had claimed.

    Where other workers go on, they may find a stage done or under way twice, which is no harm.
    """
    try:
        community = registry.community()
        for item in due(community, registry.now(community)):
            cache.delete(claim(item.stage, item.key))
    except (Community.DoesNotExist, InterfaceError, OperationalError) as error:
        logger.warning("claims stay until they expire: %s", error)
    finally:
        database.close()


@shared_task
def plan(as_of_iso: str, _now_iso: str) -> None:
    """Forecast, schedule, price and place the agents' orders as of one interval's start."""
    as_of = datetime.fromisoformat(as_of_iso)
    with released_if_cut_off("plan", as_of_iso), sole("plan") as mine:
        if not mine or AgentRound.objects.filter(as_of=as_of).exists():
            return
        planning_services.run_forecasts(as_of)
        schedule_batteries(as_of)
        positions = net_positions(as_of)
        if positions:
            agents.set_prices(positions, as_of=as_of)
        agents.run_agents(positions, as_of=as_of)
    announce("planned", as_of=as_of_iso)
    cache.delete(claim("plan", as_of_iso))


@shared_task
def look_for_drift(as_of_iso: str, _now_iso: str) -> None:
    """See whether forecasts have become worse, or readings different."""
    with released_if_cut_off("look_for_drift", as_of_iso), sole("look_for_drift") as mine:
        if mine:
            planning_services.look_for_drift(datetime.fromisoformat(as_of_iso))
            cache.delete(claim("look_for_drift", as_of_iso))


@shared_task(time_limit=TRAINING_LIMIT_S)
def train(as_of_iso: str, _now_iso: str) -> None:
    """Train challengers, judge them beside the champions, and crown who is better; on a queue of its own."""
    with released_if_cut_off("train", as_of_iso), sole("train") as mine:
        if mine:
            planning_services.train_models(datetime.fromisoformat(as_of_iso))
            cache.delete(claim("train", as_of_iso))


@shared_task
def clear(interval_id: str, as_of_iso: str) -> None:
    """Close the gate of one interval, match it, and write its commitment."""
    as_of = datetime.fromisoformat(as_of_iso)
    with released_if_cut_off("clear", interval_id):
        market_services.clear_interval(int(interval_id), as_of=as_of)
    announce("cleared", interval_id=interval_id)
    commit(interval_id, as_of_iso)
    cache.delete(claim("clear", interval_id))


@shared_task
def commit(interval_id: str, as_of_iso: str) -> None:
    """Write the commitment of a cleared interval, and send it."""
    with released_if_cut_off("commit", interval_id):
        settlement_services.commit(int(interval_id), datetime.fromisoformat(as_of_iso))
    pump.delay()
    cache.delete(claim("commit", interval_id))


@shared_task
def settle(interval_id: str, as_of_iso: str) -> None:
    """Verify the readings of a delivered interval, write its settlement, and send it."""
    with released_if_cut_off("settle", interval_id):
        settlement_services.settle(int(interval_id), datetime.fromisoformat(as_of_iso))
    pump.delay()
    cache.delete(claim("settle", interval_id))


@shared_task
def release(interval_id: str, as_of_iso: str) -> None:
    """Let the chain say that an interval can no longer be settled."""
    settlement_services.release(int(interval_id), datetime.fromisoformat(as_of_iso))
    pump.delay()
    cache.delete(claim("release", interval_id))


STAGES: dict[str, Task[[str, str], None]] = {
    "clear": clear,
    "commit": commit,
    "look_for_drift": look_for_drift,
    "plan": plan,
    "release": release,
    "settle": settle,
    "train": train,
}


def schedule_batteries(as_of: datetime) -> None:
    """Plan the batteries against expected prices and what is already traded; send the set-points."""
    community = registry.community()
    grid = horizon_grid(community, as_of)
    outlook = market_outlook(community, grid)
    run = planning_services.run_schedules(as_of, outlook)
    idle = np.zeros(len(grid))
    set_points = {
        site_id: dispatch.SetPoint(
            grid_target_kw=float(outlook.committed_kw.get(site_id, idle)[0]),
            power_min_kw=site_plan.power_min_kw,
            power_max_kw=site_plan.power_max_kw,
        )
        for site_id, site_plan in planning.plans_of(run).items()
    }
    dispatch.issue_commands(set_points, as_of=as_of)


def market_outlook(community: Community, grid: TimeGrid) -> planning_services.Outlook:
    """Expected local prices over ``grid``, and each site's trades where the gate has closed."""
    tariff = community.to_tariff()
    retail = np.array([tariff.import_price(start) for start in grid]) / MICRO_PER_UNIT
    feed_in = np.full(len(grid), tariff.feed_in_micro_per_kwh / MICRO_PER_UNIT)
    fee = tariff.fee_micro_per_kwh / MICRO_PER_UNIT
    reference = np.full(len(grid), np.nan)
    prices = market.latest_prices(grid.start)
    if prices is not None:
        for offset, value in enumerate(prices.reference_micro_per_kwh):
            position = (prices.start - grid.start) // grid.step + offset
            if 0 <= position < len(grid):
                reference[position] = value / MICRO_PER_UNIT
    known = np.isfinite(reference)
    closed = np.array([community.gate_closure(start) <= grid.start for start in grid])
    return planning_services.Outlook(
        buy=np.where(known, reference + fee, retail),
        sell=np.where(known, reference - fee, feed_in),
        imbalance_buy=retail,
        imbalance_sell=feed_in,
        gate_closed=closed,
        committed_kw=committed_power(grid, int(closed.sum())),
    )


def committed_power(grid: TimeGrid, closed: int) -> dict[int, NDArray[np.float64]]:
    """Power bought (positive) less sold by each site in the first ``closed`` intervals of ``grid``, kW."""
    found: dict[int, NDArray[np.float64]] = {}
    end = grid.start + closed * grid.step
    trades = market.trades().filter(interval__start__gte=grid.start, interval__start__lt=end)
    for trade in trades.select_related("interval", "buy_order__meter", "sell_order__meter"):
        power_kw = trade.energy_wh / WH_PER_KWH / grid.step_h
        for order, sign in ((trade.buy_order, 1), (trade.sell_order, -1)):
            row = found.setdefault(order.meter.site_id, np.zeros(len(grid)))
            row[grid.index(trade.interval.start)] += sign * power_kw
    return found


def net_positions(as_of: datetime) -> dict[int, agents.NetPosition]:
    """Each site's net position by quantile: forecast load less forecast PV plus the battery's plan."""
    forecasts = planning.forecasts_of(planning.issued_run(as_of))
    plans = planning.plans_of(ScheduleRun.objects.get(as_of=as_of))
    positions = {}
    for (site_id, quantity), stored in forecasts.items():
        if quantity != "load":
            continue
        load = stored.to_domain()
        pv = forecasts.get((site_id, "pv"))
        site_plan = plans.get(site_id)
        battery_kw = np.zeros(len(load.grid))
        if site_plan is not None:
            battery_kw = np.array(site_plan.charge_kw) - np.array(site_plan.discharge_kw)
        quantiles = net_quantiles(load, pv.to_domain() if pv else None, battery_kw)
        columns = [load.levels.index(level) for level in NET_LEVELS]
        positions[site_id] = agents.NetPosition(load.grid, NET_LEVELS, quantiles[:, columns])
    return positions
