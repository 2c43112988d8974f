"""Methods beside each other: sums over days, what counts, and what a failing method is worth."""

import numpy as np
import pytest

from domain.errors import FieldError
from ess import rule, scheduler
from ess.compare import compare
from ess.dynamics import replay
from ess.plan import Plan, SolverError
from ess.scheduler import Method, schedule

METHODS = ("rule", "lp", "milp", "exact")


def by_method(problem, methods=METHODS, **more):
    comparison = compare(problem, methods, **more)
    assert [outcome.method for outcome in comparison.outcomes] == list(methods)
    return {outcome.method: outcome for outcome in comparison.outcomes}


def test_the_figures_are_those_of_the_replays(homes, least_cost):
    problem = homes(n=4)
    outcome = by_method(problem)["rule"]
    plan = schedule(problem, "rule")
    without = replay(problem, np.zeros(problem.shape), np.zeros(problem.shape)).cost
    optimum = np.array([least_cost(problem, row) for row in range(4)])
    assert outcome.cost_without == pytest.approx(without)
    assert outcome.optimum == pytest.approx(optimum, abs=1e-5)
    assert outcome.cost == pytest.approx(plan.cost)
    assert outcome.plan.soc_kwh == pytest.approx(plan.soc_kwh)
    attainable = (without - optimum).sum()
    assert outcome.lost == pytest.approx((plan.cost - optimum).sum() / attainable, abs=1e-5)
    assert outcome.share == pytest.approx(1 - outcome.lost)
    assert outcome.sum_gap == pytest.approx((plan.cost - optimum).sum() / abs(optimum.sum()), abs=1e-5)
    assert outcome.lost_by_row == pytest.approx((plan.cost - optimum) / (without - optimum), abs=1e-5)
    assert outcome.feasible.all()


def test_nothing_is_lost_by_the_optimum_and_something_by_the_rule(homes):
    outcomes = by_method(homes(n=4))
    for method in ("exact", "milp", "lp"):
        assert outcomes[method].lost == pytest.approx(0, abs=1e-6)
    assert 0.01 < outcomes["rule"].lost < 1


def test_the_optimum_is_there_without_being_asked_for(homes):
    problem = homes()
    alone, among = by_method(problem, ("rule",))["rule"], by_method(problem)["rule"]
    assert alone.lost == pytest.approx(among.lost)


def test_wear_is_part_of_every_cost(homes):
    problem = homes(degradation_cost_per_kwh=np.full(3, 0.05))
    outcome = by_method(problem)["milp"]
    judged = replay(problem, outcome.plan.charge_kw, outcome.plan.discharge_kw)
    assert judged.wear_cost.min() > 0.01
    assert outcome.cost == pytest.approx(judged.cost + judged.wear_cost)
    assert outcome.share == pytest.approx(1)


def test_a_method_that_fails_saves_nothing_there_and_says_so(homes, monkeypatch):
    problem = homes()

    class StuckOnTheSecond(Method):
        def plan(self, part, _):
            if problem.capacity_kwh[1] in part.capacity_kwh:
                raise SolverError("stuck")
            return Plan.unproven(*rule.plan(part))

    sound = by_method(problem)["rule"]
    monkeypatch.setitem(scheduler.METHODS, "rule", StuckOnTheSecond("", "planted"))
    stuck = by_method(problem)["rule"]
    assert stuck.feasible.tolist() == [True, False, True]
    assert stuck.cost[1] == stuck.cost_without[1]
    assert stuck.lost_by_row[1] == pytest.approx(1)
    assert stuck.lost > sound.lost
    assert "stuck" in stuck.plan.reason[1]


def test_a_row_that_no_plan_can_satisfy_does_not_count(homes):
    final = homes().soc_initial_kwh.copy()
    final[0] = homes().capacity_kwh[0]
    one_step = homes(steps=1, soc_final_kwh=final, max_charge_kw=np.full(3, 0.01))
    comparison = compare(one_step, ("rule",))
    (outcome,) = comparison.outcomes
    assert comparison.counts.tolist() == [False, True, True]
    assert np.isnan(outcome.lost_by_row[0])
    others = compare(one_step.rows([1, 2]), ("rule",)).outcomes[0]
    assert outcome.sum_gap == pytest.approx(others.sum_gap)


def test_where_nothing_can_be_attained_there_is_no_share(homes):
    useless = homes(max_charge_kw=np.zeros(3), max_discharge_kw=np.zeros(3))
    outcome = by_method(useless)["rule"]
    assert np.isnan([outcome.lost, outcome.share]).all()
    assert np.isnan(outcome.lost_by_row).all()


def test_plans_come_from_the_scheduler_that_is_given(homes):
    asked = []

    def spy(problem, method):
        asked.append(method)
        return schedule(problem, method)

    by_method(homes(), ("rule", "exact"), scheduler=spy)
    assert asked == ["rule", "exact"]  # the optimum is not planned twice
    by_method(homes(), ("rule",), scheduler=spy, runs=2)
    assert asked[2:] == ["rule", "exact"] * 2


def test_an_unknown_method_is_refused(homes):
    with pytest.raises(FieldError, match="method"):
        compare(homes(), ("magic",))
