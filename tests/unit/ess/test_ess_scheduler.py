"""One call to a schedule: chains of methods, replays, reasons."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from domain.time import TimeGrid
from ess import exact, rule, scheduler
from ess.dynamics import replay
from ess.plan import SolverError
from ess.scheduler import schedule


def fail(_):
    raise SolverError("no licence")


def overcharge(problem):
    return np.full(problem.shape, 99.0), np.zeros(problem.shape)


def test_auto_is_the_exact_plan(homes):
    problem = homes()
    plan = schedule(problem)
    assert plan.method == ("exact",) * 3
    assert plan.reason == ("least cost, proven by its dual",) * 3
    judged = replay(problem, *exact.plan(problem))
    assert plan.cost == pytest.approx(judged.cost)
    assert plan.soc_kwh == pytest.approx(judged.soc_kwh, abs=1e-6)
    assert plan.feasible.all()
    assert plan.certificate == pytest.approx(judged.cost)
    assert plan.seconds > 0


@pytest.mark.parametrize("method", ["exact", "milp", "lp", "rule"])
def test_a_method_can_be_asked_for(homes, method):
    plan = schedule(homes(), method)
    assert plan.method == (method,) * 3
    assert plan.feasible.all()
    assert (plan.certificate <= plan.cost + 1e-6).all()


def test_an_unknown_method_is_refused(homes):
    with pytest.raises(FieldError, match="method"):
        schedule(homes(), "magic")


def test_a_failing_solver_gives_way_to_the_rule(homes, monkeypatch):
    monkeypatch.setattr(exact, "certified_plan", fail)
    problem = homes()
    plan = schedule(problem)
    assert plan.method == ("rule",) * 3
    assert plan.reason[0] == "exact passed over (no licence); stores surplus and covers deficit"
    assert (plan.charge_kw == rule.plan(problem)[0]).all()


def test_a_plan_that_its_replay_refuses_gives_way_with_the_limit_named(homes, monkeypatch):
    monkeypatch.setattr(exact, "certified_plan", overcharge)
    plan = schedule(homes())
    assert plan.method == ("rule",) * 3
    assert plan.reason[0].startswith("exact passed over (max_charge_kw broken by ")
    assert plan.feasible.all()


def test_one_failing_row_does_not_take_the_others_along(homes, monkeypatch):
    problem, planned = homes(), exact.certified_plan

    def fail_second(part):
        if problem.capacity_kwh[1] in part.capacity_kwh:
            raise SolverError("stuck")
        return planned(part)

    monkeypatch.setattr(exact, "certified_plan", fail_second)
    assert schedule(problem).method == ("exact", "rule", "exact")


def test_when_every_method_fails_there_is_no_action(homes, monkeypatch):
    monkeypatch.setattr(exact, "certified_plan", fail)
    monkeypatch.setattr(rule, "plan", overcharge)
    plan = schedule(homes())
    assert plan.method == ("idle",) * 3
    assert not plan.charge_kw.any()
    assert not plan.discharge_kw.any()
    assert plan.reason[0].endswith("no action")


def test_an_impossible_row_is_explained_and_planned_as_near_as_can_be(homes):
    limit = np.full((3, 12), np.inf)
    limit[1] = 0.5
    problem = homes(import_limit_kw=limit, pv_kw=np.zeros((3, 12)))
    plan = schedule(problem)
    assert plan.feasible.tolist() == [True, False, True]
    assert plan.method == ("exact",) * 3
    assert "import_limit_kw" in plan.reason[1]
    assert "least relaxation" in plan.reason[1]
    assert "relaxation" not in plan.reason[0]
    judged = replay(problem, plan.charge_kw, plan.discharge_kw)
    assert judged.violations[0] == judged.violations[2] == ""
    assert (plan.soc_kwh >= -1e-6).all()
    assert (plan.soc_kwh <= problem.capacity_kwh[:, None] + 1e-6).all()


def test_a_conflict_without_explanation_is_still_said(homes, monkeypatch):
    monkeypatch.setattr(scheduler, "find_conflict", fail)
    plan = schedule(homes(n=1, soc_final_kwh=np.array([6.0]), max_charge_kw=np.zeros(1)))
    assert plan.method == ("idle",)
    assert plan.reason[0].startswith("no plan keeps every limit (no licence); exact passed over")
    assert not plan.feasible.any()


def test_a_row_as_the_platform_stores_it(homes):
    plan = schedule(homes(n=2, steps=24))
    grid = TimeGrid(datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1), 24)
    stored = plan.row(1, grid)
    assert stored.method == "exact"
    assert stored.power_kw.tolist() == (plan.charge_kw[1] - plan.discharge_kw[1]).tolist()
