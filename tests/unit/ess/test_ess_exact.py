"""The dynamic programme against other formulations, its duals and proofs against their definitions."""

from dataclasses import replace

import numpy as np
import pytest

from ess import exact, milp, rule
from ess.dynamics import cost_with_wear, replay, step_gains
from ess.exact import general
from ess.plan import SolverError
from ess.problem import BatteryProblem
from tests.benchmarks.instances import KINDS, random_problem

STEPS, ROWS = 16, 24


def hard(kind, seed):
    return random_problem(kind, rows=ROWS, steps=STEPS, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_no_formulation_finds_less(kind, least_cost):
    problem = hard(kind, seed=KINDS.index(kind))
    found = exact.solve(problem)
    judged = replay(problem, *found.plan[:2])
    reached = judged.cost + judged.wear_cost
    assert len(reached) > 3
    assert judged.feasible.all()
    assert reached == pytest.approx([least_cost(problem, row) for row in range(len(reached))], abs=1e-7)
    assert found.plan.bound == pytest.approx(reached, abs=1e-9)


@pytest.mark.parametrize("kind", ["negative prices", "feed-in above import", "tied prices"])
def test_such_days_do_need_the_general_programme(kind):
    assert exact.solve(hard(kind, seed=KINDS.index(kind))).searched.size


def test_ordinary_days_do_not():
    assert not exact.solve(hard("wear", seed=1)).searched.size


@pytest.mark.parametrize("kind", ["plain", "tight limits", "wear"])
def test_the_certificate_is_the_lagrangian_at_the_duals(kind):
    """Written anew from its definition: no plan costs less than this, whatever the multipliers are."""
    problem = hard(kind, seed=3)
    found = exact.solve(problem)
    gain, loss = step_gains(problem)
    for row, duals in enumerate(found.marginal_cost):
        following = np.append(duals[1:], 0.0)
        floor = problem.soc_min_kwh[row].copy()
        floor[-1] = max(floor[-1], problem.soc_final_kwh[row])
        held = np.where(duals >= following, floor, problem.capacity_kwh[row]) @ (duals - following)
        bound = held - duals[0] * problem.soc_initial_kwh[row]
        for t, dual in enumerate(duals):
            net = problem.net_load_kw[row, t]
            least = max(-problem.max_discharge_kw[row], -problem.export_limit_kw[row, t] - net)
            most = min(problem.max_charge_kw[row], problem.import_limit_kw[row, t] - net)
            power = np.clip([least, -net, 0.0, most], least, most)  # a piecewise linear function's corners
            price = np.where(net + power > 0, problem.buy[row, t], problem.sell[row, t])
            worn = problem.degradation_cost_per_kwh[row] * np.maximum(-power, 0)
            stored = np.where(power > 0, gain[row], loss[row]) * power
            bound += (problem.step_h * (price * (net + power) + worn) - dual * stored).min()
        assert bound == pytest.approx(found.plan.bound[row], abs=1e-9)


def test_a_dual_is_what_a_stored_kwh_costs(homes):
    """One kWh less at the start costs what the first dual says."""
    problem = homes()
    less = replace(problem, soc_initial_kwh=problem.soc_initial_kwh - 1e-3)
    costs = [cost_with_wear(p, *exact.plan(p)) for p in (problem, less)]
    assert (costs[1] - costs[0]) / 1e-3 == pytest.approx(exact.solve(problem).marginal_cost[:, 0], abs=1e-9)


def test_between_equal_plans_it_moves_less(homes):
    shape = (3, 12)
    flat = homes(
        buy=np.full(shape, 0.2),
        sell=np.full(shape, 0.2),
        charge_efficiency=np.ones(3),
        discharge_efficiency=np.ones(3),
    )
    charge_kw, discharge_kw = exact.plan(flat)
    assert charge_kw.max() < 1e-12
    assert discharge_kw.sum(axis=1) * flat.step_h == pytest.approx(flat.soc_initial_kwh - flat.soc_final_kwh)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("edges", [(0, STEPS), (0, 8, STEPS), (0, 3, 4, STEPS)])
def test_polishing_keeps_every_limit_and_never_costs_more(kind, edges):
    problem = hard(kind, seed=4)
    plan = rule.plan(problem)
    polished = exact.polish(problem, *plan, edges=edges)
    judged = replay(problem, *polished)
    before, after = cost_with_wear(problem, *plan), cost_with_wear(problem, *polished)
    assert judged.feasible.all()
    assert (after <= before).all()
    assert (after < before - 1e-3).any()
    best = exact.solve(problem)
    convex = np.setdiff1d(np.arange(len(before)), best.searched)
    if edges == (0, STEPS) and kind in {"plain", "wear", "tight limits"}:
        assert convex.size
        assert after[convex] == pytest.approx(best.plan.bound[convex], abs=1e-9)


def test_between_windows_a_polished_plan_holds_at_least_what_it_held():
    problem = hard("plain", seed=6)
    plan = rule.plan(problem)
    half = STEPS // 2 - 1
    held = replay(problem, *plan).soc_kwh[:, half]
    assert (
        replay(problem, *exact.polish(problem, *plan, edges=(0, half + 1, STEPS))).soc_kwh[:, half]
        >= held - 1e-9
    ).all()


def test_a_long_horizon_is_as_exact():
    """Two weeks of quarter hours with prices of both signs, against the relaxation's bound and itself."""
    rng = np.random.default_rng(5)
    shape = (2, 14 * 96)
    problem = BatteryProblem(
        load_kw=rng.gamma(2, 0.5, shape),
        pv_kw=rng.gamma(1, 1.0, shape),
        buy=rng.normal(0.15, 0.2, shape),
        sell=rng.normal(0.05, 0.1, shape),
        capacity_kwh=np.array([5.0, 20.0]),
        max_charge_kw=np.array([3.0, 2.0]),
        max_discharge_kw=np.array([3.0, 2.0]),
        charge_efficiency=np.full(2, 0.93),
        discharge_efficiency=np.full(2, 0.96),
        soc_initial_kwh=np.array([0.0, 20.0]),
        soc_min_kwh=np.zeros(2),
        soc_final_kwh=np.array([5.0, 0.0]),
        step_h=0.25,
    )
    found = exact.solve(problem)
    judged = replay(problem, *found.plan[:2])
    assert found.searched.tolist() == [0, 1]
    assert judged.feasible.all()
    assert judged.cost == pytest.approx(found.plan.bound, abs=1e-8)
    assert (milp.relaxed_plan(problem).bound <= found.plan.bound + 1e-6).all()


def test_a_row_that_cannot_be_met_is_refused(homes):
    with pytest.raises(SolverError, match="row 1 cannot keep every limit"):
        exact.plan(homes(soc_final_kwh=np.array([0.0, 5.9, 0.0]), max_charge_kw=np.array([1.0, 0.0, 1.0])))


def test_a_value_function_that_outgrows_its_room_is_said(monkeypatch):
    def crowded(chosen, *_):
        shape = (len(chosen), STEPS)
        status = np.full(len(chosen), general.CROWDED, dtype=np.int8)
        return np.zeros(shape), np.zeros(shape), np.zeros(len(chosen)), status

    monkeypatch.setattr(exact.general, "solve_rows", crowded)
    with pytest.raises(SolverError, match="too many break points"):
        exact.plan(hard("negative prices", seed=1))
