"""One call to a schedule: chains of methods, replays, reasons."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from domain.time import TimeGrid
from ess import exact, rule, scheduler
from ess.causal.outlook import Outlook
from ess.dynamics import replay
from ess.learned import l2o
from ess.plan import SolverError
from ess.scheduler import CHAINS, METHODS, schedule


def fail(_):
    raise SolverError("no licence")


def overcharge(problem):
    return np.full(problem.shape, 99.0), np.zeros(problem.shape)


@pytest.fixture
def unlearned(monkeypatch):
    """The chain without its learned method."""
    monkeypatch.setattr(l2o, "plan", fail)


def test_the_chain_is_learned_then_exact_then_the_rule():
    assert CHAINS["auto"] == ("l2o", "exact", "rule")


def test_a_learned_plan_counts_where_it_is_as_good_as_the_proven_one(homes, monkeypatch):
    """Row 1 is planned badly, row 0 is infeasible, row 2 is as good as can be."""
    problem = homes(steps=24)
    best = exact.plan(problem)

    def learned(part):
        charge_kw, discharge_kw = (values.copy() for values in best)
        charge_kw[0] = 99.0
        charge_kw[1], discharge_kw[1] = (values[1] for values in rule.plan(part))
        return charge_kw, discharge_kw

    monkeypatch.setattr(l2o, "plan", learned)
    plan = schedule(problem)
    assert plan.method == ("exact", "exact", "l2o")
    assert plan.reason[0].startswith("l2o passed over (max_charge_kw broken by ")
    more = replay(problem, *rule.plan(problem)).cost[1] - replay(problem, *best).cost[1]
    proven = "least cost, proven by its dual"
    assert plan.reason[1] == f"l2o passed over (costs {more:.3g} more than is possible); {proven}"
    assert plan.reason[2] == "by a network that learned to optimise"
    assert plan.cost == pytest.approx(replay(problem, *best).cost)


def test_whatever_was_learned_the_chain_costs_no_more_than_is_proven(homes):
    problem = homes(n=40, steps=24)
    plan = schedule(problem)
    least = exact.certified_plan(problem).bound
    assert (plan.cost <= least + 1e-4 * np.abs(least)).all()
    assert plan.feasible.all()


@pytest.mark.usefixtures("unlearned")
def test_the_exact_plan_has_its_certificate(homes):
    problem = homes()
    plan = schedule(problem)
    assert plan.method == ("exact",) * 3
    assert plan.reason == ("l2o passed over (no licence); least cost, proven by its dual",) * 3
    judged = replay(problem, *exact.plan(problem))
    assert plan.cost == pytest.approx(judged.cost)
    assert plan.soc_kwh == pytest.approx(judged.soc_kwh, abs=1e-6)
    assert plan.feasible.all()
    assert plan.certificate == pytest.approx(judged.cost)
    assert plan.seconds > 0


def test_a_horizon_that_a_method_does_not_know_is_passed_over_and_named(homes):
    plan = schedule(homes(steps=6), "l2o")
    assert plan.method == ("idle",) * 3
    assert "l2o passed over (" in plan.reason[0]
    assert schedule(homes(steps=6)).method == ("exact",) * 3


def test_a_causal_method_knows_its_outlook_and_no_more(homes):
    """The same past, two futures: until they part, so do the plans not."""
    problem = homes(steps=24)
    later = problem.load_kw.copy()
    later[:, 12:] += 3.0
    outlook = Outlook(np.repeat(problem.net_load_kw[:, None], 4, axis=1))
    plans = [schedule(day, "mpc", outlook=outlook) for day in (problem, replace(problem, load_kw=later))]
    assert (plans[0].charge_kw[:, :12] == plans[1].charge_kw[:, :12]).all()
    assert (plans[0].discharge_kw[:, :12] == plans[1].discharge_kw[:, :12]).all()
    assert (plans[0].soc_kwh != plans[1].soc_kwh).any()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_asked_for(homes, method):
    plan = schedule(homes(steps=24), method)
    assert plan.method == (method,) * 3
    assert plan.feasible.all()
    assert (plan.certificate <= plan.cost + 1e-6).all()


def test_an_unknown_method_is_refused(homes):
    with pytest.raises(FieldError, match="method"):
        schedule(homes(), "magic")


@pytest.mark.usefixtures("unlearned")
def test_a_failing_solver_gives_way_to_the_rule(homes, monkeypatch):
    monkeypatch.setattr(exact, "certified_plan", fail)
    problem = homes()
    plan = schedule(problem)
    assert plan.method == ("rule",) * 3
    assert (
        plan.reason[0]
        == "l2o passed over (no licence); exact passed over (no licence); stores surplus and covers deficit"
    )
    assert (plan.charge_kw == rule.plan(problem)[0]).all()


@pytest.mark.usefixtures("unlearned")
def test_a_plan_that_its_replay_refuses_gives_way_with_the_limit_named(homes, monkeypatch):
    monkeypatch.setattr(exact, "certified_plan", overcharge)
    plan = schedule(homes())
    assert plan.method == ("rule",) * 3
    assert "; exact passed over (max_charge_kw broken by " in plan.reason[0]
    assert plan.feasible.all()


@pytest.mark.usefixtures("unlearned")
def test_one_failing_row_does_not_take_the_others_along(homes, monkeypatch):
    problem, planned = homes(), exact.certified_plan

    def fail_second(part):
        if problem.capacity_kwh[1] in part.capacity_kwh:
            raise SolverError("stuck")
        return planned(part)

    monkeypatch.setattr(exact, "certified_plan", fail_second)
    assert schedule(problem).method == ("exact", "rule", "exact")


@pytest.mark.usefixtures("unlearned")
def test_when_every_method_fails_there_is_no_action(homes, monkeypatch):
    monkeypatch.setattr(exact, "certified_plan", fail)
    monkeypatch.setattr(rule, "plan", overcharge)
    plan = schedule(homes())
    assert plan.method == ("idle",) * 3
    assert not plan.charge_kw.any()
    assert not plan.discharge_kw.any()
    assert plan.reason[0].endswith("no action")


@pytest.mark.usefixtures("unlearned")
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


@pytest.mark.usefixtures("unlearned")
def test_a_conflict_without_explanation_is_still_said(homes, monkeypatch):
    monkeypatch.setattr(scheduler, "find_conflict", fail)
    plan = schedule(homes(n=1, soc_final_kwh=np.array([6.0]), max_charge_kw=np.zeros(1)))
    assert plan.method == ("idle",)
    assert plan.reason[0].startswith("no plan keeps every limit (no licence); l2o passed over")
    assert not plan.feasible.any()


@pytest.mark.usefixtures("unlearned")
def test_a_row_as_the_platform_stores_it(homes):
    plan = schedule(homes(n=2, steps=24))
    grid = TimeGrid(datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1), 24)
    stored = plan.row(1, grid)
    assert stored.method == "exact"
    assert stored.power_kw.tolist() == (plan.charge_kw[1] - plan.discharge_kw[1]).tolist()
