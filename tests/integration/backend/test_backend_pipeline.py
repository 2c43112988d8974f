"""The line: what is due when, nothing done twice, and what is traded shapes the next plan. No chain."""

from datetime import timedelta

import numpy as np
import pytest
from town import HOUR, OPENED, iso, meter_id

from backend import pipeline
from backend.dispatch.models import Command
from backend.market import services as market
from backend.market.models import AgentRound, DeliveryInterval, Order, PriceRun, Trade
from backend.planning import services as planning
from backend.planning.models import ForecastRun, ModelVersion, ScheduleRun, SiteForecast, SitePlan
from backend.registry.models import Community
from backend.settlement import queries as settlement
from backend.telemetry import services as telemetry

FIRST = OPENED + HOUR  # the first interval whose gate closes after the opening
NOW = FIRST + HOUR
DAYS = 12


class Recorder:
    """Stands where a Celery task stands, and runs nothing."""

    def __init__(self):
        self.calls = []

    def delay(self, key, now):
        self.calls.append((key, now))


@pytest.fixture
def enqueued(monkeypatch):
    """What `tick` enqueues, by stage."""
    for stage in list(pipeline.STAGES):
        monkeypatch.setitem(pipeline.STAGES, stage, Recorder())
    return lambda: {stage: task.calls for stage, task in pipeline.STAGES.items() if task.calls}


def due(now):
    return [(d.stage, d.interval_start, d.waits_for) for d in pipeline.due(Community.objects.get(), now)]


def planned(as_of):
    AgentRound.objects.create(as_of=as_of, orders=0)


def test_stages_come_due_as_time_moves(town):
    town.to(OPENED)
    assert due(OPENED) == [("plan", OPENED, ""), ("clear", FIRST, "")][::-1]
    planned(OPENED)
    interval = town.interval(FIRST)
    assert due(OPENED) == [("clear", FIRST, "")]
    market.clear_interval(interval.pk, as_of=OPENED)
    assert due(OPENED) == [("commit", FIRST, "")]
    market.mark_committed(interval.pk)
    assert due(OPENED) == due(FIRST - timedelta(seconds=1)) == []

    grace = FIRST + 0.25 * HOUR
    assert due(FIRST)[1:] == [("plan", FIRST, "5 readings")]
    assert due(grace - timedelta(seconds=1))[1:] == [("plan", FIRST, "5 readings")]
    assert due(grace)[1:] == [("plan", FIRST, "")]
    planned(FIRST)

    end = FIRST + HOUR
    for start in (FIRST + HOUR, FIRST + 2 * HOUR):
        market.clear_interval(town.interval(start).pk, as_of=start)
        market.mark_committed(town.interval(start).pk)
    planned(end)
    assert due(end) == [("settle", FIRST, "3 readings")]
    town.to(end)
    for name in ("ana", "ben"):
        town.read(name, start=FIRST)
    assert due(end) == [("settle", FIRST, "1 readings")]
    town.read("cleo", start=FIRST)
    assert due(end) == [("settle", FIRST, "")]
    market.mark_settled(interval.pk)
    assert due(end) == []


def test_a_missing_reading_is_waited_for_until_the_deadline(town):
    town.to(OPENED)
    market.clear_interval(town.interval(FIRST).pk, as_of=OPENED)
    deadline = FIRST + HOUR + timedelta(minutes=120)
    late = [d for d in due(deadline - timedelta(seconds=1)) if d[0] == "settle"]
    assert late == [("settle", FIRST, "3 readings")]
    assert [d for d in due(deadline) if d[0] == "settle"] == [("settle", FIRST, "")]


def test_an_interval_that_was_never_committed_is_not_committed_late(town):
    town.to(OPENED)
    market.clear_interval(town.interval(FIRST).pk, as_of=OPENED)
    assert "commit" in [d[0] for d in due(FIRST - timedelta(seconds=1))]
    assert "commit" not in [d[0] for d in due(FIRST)]


def test_nothing_begins_before_every_member_is_on_chain(town, enqueued):  # noqa: ARG001 - the community
    Community.objects.update(speed=120, anchor_wall=None)
    pipeline.tick()
    assert enqueued() == {}
    assert not DeliveryInterval.objects.exists()
    assert Community.objects.get().anchor_wall is None


def test_a_tick_enqueues_what_is_due_once(town, enqueued, monkeypatch):  # noqa: ARG001 - the community
    monkeypatch.setattr(settlement, "onboarded", lambda: True)
    pipeline.tick()
    pipeline.tick()
    pk = DeliveryInterval.objects.get(start=FIRST).pk
    assert enqueued() == {
        "plan": [(OPENED.isoformat(), OPENED.isoformat())],
        "clear": [(str(pk), OPENED.isoformat())],
    }
    assert DeliveryInterval.objects.count() == 24
    assert Community.objects.get().anchor_wall is not None


def test_the_gates_that_open_are_a_day_ahead_and_open_once(town):
    town.to(OPENED)
    starts = list(DeliveryInterval.objects.order_by("start").values_list("start", flat=True))
    assert (starts[0], starts[-1]) == (FIRST, OPENED + 24 * HOUR)
    assert market.open_intervals(OPENED) == 0
    assert market.open_intervals(FIRST + timedelta(minutes=1)) == 1


def history():
    """Daily rhythms of twelve days, as a file would bring them."""
    for hours in range(1, DAYS * 24 + 1):
        start = OPENED - hours * HOUR
        sun = max(0.0, np.sin((start.hour - 6) / 12 * np.pi))
        pv, wobble = round(3_000 * sun), hours * 37 % 90
        for name, load in (("ana", 600), ("ben", 300), ("cleo", 450)):
            net = load + wobble - (pv if name == "ben" else 0)
            yield row(meter_id(name), start, (max(net, 0), max(-net, 0)))
        yield row(meter_id("ben", "pv"), start, (0, pv))
        yield row(meter_id("ben", "battery"), start, (0, 0), soc="6000")


def row(meter, start, wh, soc=""):
    return {
        "meter_id": meter,
        "interval_start": iso(start),
        "interval_s": "3600",
        "import_wh": str(wh[0]),
        "export_wh": str(wh[1]),
        "soc_wh": soc,
    }


@pytest.fixture
def known(town):
    """The community with a history, its first gates open, and mandates of Ana and Ben."""
    telemetry.import_readings(history())
    town.to(OPENED)
    for name in ("ana", "ben"):
        town.mandate(name, max_buy=150_000, min_sell=95_000)
    return town


def books():
    kept = (
        ModelVersion,
        ForecastRun,
        SiteForecast,
        ScheduleRun,
        SitePlan,
        PriceRun,
        AgentRound,
        Order,
        Command,
    )
    return {model.__name__: list(model.objects.order_by("pk").values_list("pk", flat=True)) for model in kept}


def test_a_plan_is_made_once_and_inside_every_mandate(known):
    target = FIRST + HOUR
    own = known.place("cleo", start=target)
    pipeline.plan(OPENED.isoformat(), OPENED.isoformat())
    before = books()
    pipeline.plan(OPENED.isoformat(), OPENED.isoformat())
    assert books() == before

    orders = Order.objects.filter(by_agent=True).select_related("participant", "interval")
    assert orders.count() == AgentRound.objects.get().orders > 0
    assert {o.interval.start for o in orders} == {target}
    assert {o.participant.pseudonym for o in orders} == {"ana-p", "ben-p"}
    for order in orders:
        kept = order.limit_micro_per_kwh
        assert kept <= 150_000 if order.side == "buy" else kept >= 95_000
    assert Order.objects.get(participant__pseudonym="cleo-p") == own

    plan = SitePlan.objects.get()
    assert plan.method in {"l2o", "exact"}
    assert plan.explanation
    assert 1.0 - 1e-6 <= min(plan.soc_kwh) <= max(plan.soc_kwh) <= 10.0 + 1e-6
    command = Command.objects.get()
    assert (command.sequence, command.interval_start, command.lease_expires_at) == (1, OPENED, FIRST)
    assert {run.kind for run in ForecastRun.objects.all()} == {"rolling"}
    for stored in SiteForecast.objects.select_related("run"):
        assert stored.available_at <= stored.run.issued_at == OPENED

    series = known.client().get(f"/api/v1/series?from={iso(OPENED)}&to={iso(target)}").json()["points"]
    assert series[0]["load_forecast_kwh"] > 0
    assert series[0]["battery_plan_kwh"] is not None
    assert known.client("ben").get("/api/v1/plan").json()["explanation"] == plan.explanation
    assert known.client("ana").get("/api/v1/plan").json()["as_of"] is None


def test_agents_abstain_where_the_member_has_an_order_of_its_own(known):
    target = FIRST + HOUR
    known.place("ana", start=target, energy_wh=1)
    withdrawn = known.place("ben", "sell", start=target, k=3)
    market.cancel_order(str(withdrawn.pk), participant_id=withdrawn.participant_id, as_of=OPENED)
    pipeline.plan(OPENED.isoformat(), OPENED.isoformat())
    by_agent = set(Order.objects.filter(by_agent=True).values_list("participant__pseudonym", flat=True))
    assert by_agent == {"ben-p"}
    assert Order.objects.filter(participant__pseudonym="ana-p").count() == 1


def test_what_was_sold_is_what_the_next_plan_delivers(known):
    """Ben sold energy for the interval at hand: his battery is planned to deliver it."""
    ben = known.meter("ben").site_id
    community = Community.objects.get()
    planning.train_models(OPENED)
    planning.run_forecasts(NOW)
    grid = planning.horizon_grid(community, NOW)

    def discharge():
        outlook = pipeline.market_outlook(community, grid)
        ScheduleRun.objects.all().delete()
        planning.run_schedules(NOW, outlook)
        return SitePlan.objects.get().discharge_kw[0], outlook

    free, outlook = discharge()
    assert outlook.committed_kw == {}
    assert outlook.gate_closed.tolist() == [True, True] + [False] * 22

    sell = known.place("ben", "sell", start=NOW, energy_wh=3_000, limit_micro_per_kwh=100_000)
    buy = known.place("ana", start=NOW, energy_wh=3_000)
    later = known.place("ben", "sell", start=NOW + 3 * HOUR, limit_micro_per_kwh=100_000, k=2)
    other = known.place("ana", start=NOW + 3 * HOUR, k=2)
    for sold, bought, wh in ((sell, buy, 3_000), (later, other, 1_000)):
        Trade.objects.create(
            interval=sold.interval,
            buy_order=bought,
            sell_order=sold,
            energy_wh=wh,
            price_micro_per_kwh=120_000,
        )
    bound, outlook = discharge()
    assert outlook.committed_kw[ben][:4].tolist() == [-3, 0, 0, 0]  # a gate that is open binds nobody
    assert outlook.committed_kw[known.meter("ana").site_id][0] == 3
    assert bound > free

    pipeline.schedule_batteries(NOW)
    assert Command.objects.get().grid_target_kw == -3


def plan_with(town, rows):
    """Whom the agents could trade for, after planning on these rows; Ana and Ben have mandates."""
    telemetry.import_readings(rows)
    town.to(OPENED)
    for name in ("ana", "ben", "cleo"):
        town.mandate(name)
    pipeline.plan(OPENED.isoformat(), OPENED.isoformat())
    assert due(OPENED) == [("clear", FIRST, "")]  # planning is done, whatever came of it
    return set(Order.objects.values_list("participant__pseudonym", flat=True))


@pytest.mark.parametrize("silent", [timedelta(days=8), timedelta(days=DAYS + 1)], ids=["a week", "always"])
def test_a_member_who_fell_silent_holds_nobody_up(town, silent):
    """No action for whom there is no trustworthy forecast; the others go on."""
    until = iso(OPENED - silent)
    rows = [r for r in history() if r["meter_id"] != meter_id("cleo") or r["interval_start"] < until]
    assert plan_with(town, rows) == {"ana-p", "ben-p"}
    assert Command.objects.get().meter.site == town.meter("ben").site
    assert SiteForecast.objects.filter(site=town.meter("cleo").site).count() == 0
    (point,) = town.client().get(f"/api/v1/series?from={iso(OPENED)}&to={iso(FIRST)}").json()["points"]
    assert point["load_forecast_kwh"] is None  # of the whole community it is not known
    assert point["pv_forecast_kwh"] is not None


def test_a_home_whose_battery_meter_fell_silent_is_left_to_its_own_rule(town):
    """Its load is known only with all of its meters."""
    rows = [r for r in history() if r["meter_id"] != meter_id("ben", "battery")]
    assert plan_with(town, rows) == {"ana-p", "cleo-p"}
    assert not Command.objects.exists()


@pytest.mark.parametrize("hours", [0, 1, 23])
def test_a_community_that_has_only_begun_takes_no_action_yet(town, hours):
    since = iso(OPENED - hours * HOUR)
    assert plan_with(town, [r for r in history() if r["interval_start"] >= since]) == set()
    assert AgentRound.objects.get().orders == 0
    assert not Command.objects.exists()
    assert not ModelVersion.objects.exists()
    assert not PriceRun.objects.exists()
