"""A plan that fails its replay reaches no device: another method's is stored, commanded and explained."""

from datetime import timedelta

import numpy as np
import pytest
from test_backend_pipeline import row
from town import BATTERY, HOUR, OPENED, meter_id

from backend import pipeline
from backend.dispatch.models import Command
from backend.planning.models import ForecastRun, SiteForecast, SitePlan
from backend.telemetry import services as telemetry
from ess import scheduler
from ess.plan import SolverError

FIRST, *LATER = scheduler.CHAINS["auto"]


def overcharge(problem):
    return np.full(problem.shape, 99.0), np.zeros(problem.shape)


def overdraw(problem):
    """Within every rating, but of energy that is not there."""
    return np.zeros(problem.shape), np.repeat(problem.max_discharge_kw[:, None], problem.shape[1], axis=1)


def nothing_known(problem):
    return np.full(problem.shape, np.nan), np.full(problem.shape, np.nan)


def no_answer(_):
    raise SolverError("no weights")


@pytest.fixture
def planned(town, monkeypatch):
    """``planned(planner, *methods)``: Ben's plan and command when these methods answer with ``planner``."""
    telemetry.import_readings([row(meter_id("ben", "battery"), OPENED - HOUR, (0, 0), soc="6000")])
    town.to(OPENED)
    run = ForecastRun.objects.create(
        kind=ForecastRun.Kind.ROLLING, role=ForecastRun.Role.SERVED, issued_at=OPENED
    )
    site = town.meter("ben").site
    for quantity, power_kw in (("load", [0.5] * 24), ("pv", [3.0] * 6 + [0.0] * 18)):
        SiteForecast.objects.create(
            run=run,
            site=site,
            quantity=quantity,
            start=OPENED,
            step_s=3600,
            available_at=OPENED,
            levels=[0.1, 0.5, 0.9],
            power_kw=[[power] * 3 for power in power_kw],
        )

    def plan(planner, *methods):
        for method in methods:
            planted = scheduler.Method(f"{__name__}:{planner.__name__}", "planted")
            monkeypatch.setitem(scheduler.METHODS, method, planted)
        pipeline.schedule_batteries(OPENED)
        shown = town.client("ben").get("/api/v1/plan").json()
        return SitePlan.objects.get(), Command.objects.get(), shown

    return plan


def test_without_a_fault_the_first_method_plans(planned):
    plan, _, shown = planned(overcharge)
    assert plan.method == shown["method"] == FIRST
    assert "passed over" not in plan.reason


@pytest.mark.parametrize(
    ("planner", "why"),
    [
        (overcharge, "max_charge_kw broken by 95 in interval 0"),
        (overdraw, "soc_min_kwh broken by "),
        (nothing_known, "broken by nan in interval 0"),
        (no_answer, "no weights"),
    ],
)
def test_a_refused_plan_gives_way_to_the_next_method_and_says_so(planned, planner, why):
    plan, command, shown = planned(planner, FIRST)
    assert plan.method == shown["method"] == LATER[0]
    assert plan.reason == shown["reason"]
    assert plan.reason.startswith(f"{FIRST} passed over (")
    assert why in plan.reason
    assert within_limits(plan)
    assert -BATTERY["max_discharge_kw"] <= command.power_min_kw <= command.power_max_kw
    assert command.power_max_kw <= BATTERY["max_charge_kw"]


@pytest.mark.parametrize("planner", [overcharge, overdraw, nothing_known, no_answer])
def test_when_every_method_is_refused_the_device_is_told_to_rest(planned, planner):
    plan, command, shown = planned(planner, *scheduler.METHODS)
    assert plan.method == shown["method"] == "idle"
    assert set(plan.charge_kw) == set(plan.discharge_kw) == {0}
    assert (command.power_min_kw, command.power_max_kw) == (0, 0)
    for method in scheduler.CHAINS["auto"]:
        assert f"{method} passed over (" in shown["reason"]
    assert shown["reason"].endswith("; no action")


def within_limits(plan):
    """By hand: the equation of the state of charge from what Ben's meter last said."""
    charge, discharge = np.array(plan.charge_kw), np.array(plan.discharge_kw)
    step_h = HOUR / timedelta(hours=1)
    change = BATTERY["charge_efficiency"] * charge - discharge / BATTERY["discharge_efficiency"]
    soc_kwh = 6.0 + step_h * np.cumsum(change)
    assert plan.soc_kwh == pytest.approx(soc_kwh, abs=1e-4)
    return (
        (np.minimum(charge, discharge) == 0).all()
        and charge.max() <= BATTERY["max_charge_kw"] + 1e-6
        and discharge.max() <= BATTERY["max_discharge_kw"] + 1e-6
        and BATTERY["soc_min_kwh"] - 1e-4 <= soc_kwh.min() <= soc_kwh.max() <= BATTERY["capacity_kwh"] + 1e-4
    )
