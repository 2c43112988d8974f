"""What must hold of every battery schedule, whatever the day, the battery and the prices."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from domain.battery import Battery
from ess import exact, milp, rule
from ess.conflict import find_conflict
from ess.corridor import can_be_met, follow
from ess.dynamics import replay, single_step
from ess.problem import BatteryProblem
from ess.scheduler import schedule

ROWS, STEPS = 2, 5
quick = settings(max_examples=25, deadline=None)
thorough = settings(max_examples=150, deadline=None)


def floats(low, high):
    """Hundredths: enough to hit every edge exactly, and no denormals."""
    return st.integers(round(low * 100), round(high * 100)).map(lambda hundredths: hundredths / 100)


def table(cell):
    row = st.lists(cell, min_size=STEPS, max_size=STEPS)
    return st.lists(row, min_size=ROWS, max_size=ROWS).map(lambda rows: np.array(rows, dtype=float))


def column(cell):
    return st.lists(cell, min_size=ROWS, max_size=ROWS).map(lambda cells: np.array(cells, dtype=float))


@st.composite
def problems(draw, *, ordinary=False, limited=True):
    """Two batteries over five intervals; ``ordinary`` prices have buy >= sell >= 0."""
    sell = draw(table(floats(0, 0.3) if ordinary else floats(-0.3, 0.4)))
    buy = sell + draw(table(floats(0, 0.4))) if ordinary else draw(table(floats(-0.3, 0.5)))
    capacity = draw(column(floats(0.5, 8)))
    limits = {}
    if limited and draw(st.booleans()):
        limits = {"import_limit_kw": draw(table(floats(0, 6))), "export_limit_kw": draw(table(floats(0, 6)))}
    return BatteryProblem(
        load_kw=draw(table(floats(0, 4))),
        pv_kw=draw(table(floats(0, 4))),
        buy=buy,
        sell=sell,
        capacity_kwh=capacity,
        max_charge_kw=draw(column(floats(0, 4))),
        max_discharge_kw=draw(column(floats(0, 4))),
        charge_efficiency=draw(column(floats(0.5, 1))),
        discharge_efficiency=draw(column(floats(0.5, 1))),
        soc_initial_kwh=capacity * draw(column(floats(0, 1))),
        soc_min_kwh=capacity * draw(column(floats(0, 0.4))),
        soc_final_kwh=capacity * draw(column(floats(0, 1))),
        step_h=draw(st.sampled_from([0.25, 1.0])),
        degradation_cost_per_kwh=draw(column(floats(0, 0.1))),
        **limits,
    )


def met_rows(problem):
    """The rows that can be met (one twice when only one can: shapes stay as compiled), or None."""
    rows = np.flatnonzero(can_be_met(problem))
    return problem.rows(np.resize(rows, ROWS)) if rows.size else None


def objective(judged):
    return judged.cost + judged.wear_cost


def least_cost(problem):
    plan = exact.plan(problem)
    judged = replay(problem, *plan)
    assert judged.feasible.all()
    return objective(judged)


@quick
@given(problems())
def test_a_schedule_is_feasible_exactly_where_one_exists(problem):
    plan = schedule(problem)
    judged = replay(problem, plan.charge_kw, plan.discharge_kw)
    assert plan.feasible.tolist() == can_be_met(problem).tolist() == judged.feasible.tolist()
    assert plan.cost.tolist() == judged.cost.tolist()
    assert "idle" not in plan.method


@quick
@given(problems())
def test_the_exact_plan_is_the_solvers_and_no_method_costs_less(problem):
    if (problem := met_rows(problem)) is None:
        return
    found = exact.certified_plan(problem)
    least = objective(replay(problem, *found[:2]))
    solved, relaxed = milp.certified_plan(problem), milp.relaxed_plan(problem)
    assert least == pytest.approx(objective(replay(problem, *solved[:2])), abs=1e-6)
    assert found.bound == pytest.approx(least, abs=1e-9)
    for charge_kw, discharge_kw in (rule.plan(problem), relaxed[:2]):
        assert (least <= objective(replay(problem, charge_kw, discharge_kw)) + 1e-9).all()
    assert (least >= relaxed.bound - 1e-6).all()
    assert (least >= solved.bound - 1e-6).all()


@quick
@given(problems(ordinary=True, limited=False))
def test_ordinary_prices_need_no_binaries(problem):
    if (problem := met_rows(problem)) is None:
        return
    charge_kw, discharge_kw, bound = milp.relaxed_plan(problem)
    assert objective(replay(problem, charge_kw, discharge_kw)) == pytest.approx(bound, abs=1e-6)
    assert not exact.solve(problem).searched.size


@thorough
@given(problems(), floats(0, 3), floats(0, 2))
def test_a_larger_battery_never_costs_more(problem, more_kwh, more_kw):
    if (problem := met_rows(problem)) is None:
        return
    larger = replace(
        problem,
        capacity_kwh=problem.capacity_kwh + more_kwh,
        max_charge_kw=problem.max_charge_kw + more_kw,
        max_discharge_kw=problem.max_discharge_kw + more_kw,
    )
    assert (least_cost(larger) <= least_cost(problem) + 1e-9).all()


@thorough
@given(problems(), st.permutations(range(2 * ROWS)))
def test_the_order_of_the_rows_changes_nothing(problem, order):
    if (problem := met_rows(problem)) is None:
        return
    doubled = problem.rows(np.resize(np.arange(ROWS), 2 * ROWS))
    plan, shuffled = exact.certified_plan(doubled), exact.certified_plan(doubled.rows(order))
    for values, moved in zip(plan, shuffled, strict=True):
        assert (values[list(order)] == moved).all()


@thorough
@given(problems(), floats(0.1, 20), floats(0.1, 20))
def test_units_of_energy_and_of_money_scale_the_cost(problem, energy, money):
    if (problem := met_rows(problem)) is None:
        return
    names = ("load_kw", "pv_kw", "import_limit_kw", "export_limit_kw", "capacity_kwh", "max_charge_kw")
    names += ("max_discharge_kw", "soc_initial_kwh", "soc_min_kwh", "soc_final_kwh")
    scaled = {name: energy * getattr(problem, name) for name in names}
    scaled |= {n: money * getattr(problem, n) for n in ("buy", "sell", "degradation_cost_per_kwh")}
    expected = energy * money * least_cost(problem)
    assert least_cost(replace(problem, **scaled)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@thorough
@given(problems(), st.integers(0, 3))
def test_an_interval_in_which_nothing_may_move_shifts_the_plan_and_costs_nothing(problem, still):
    if (problem := met_rows(problem)) is None:
        return

    def before(values, filling):
        return np.hstack([np.full((ROWS, still), filling), values])

    names = ("load_kw", "pv_kw", "import_limit_kw", "export_limit_kw", "soc_min_kwh")
    later = {name: before(getattr(problem, name), 0.0) for name in names}
    later |= {name: before(getattr(problem, name), 0.3) for name in ("buy", "sell")}
    shifted = replace(problem, **later)
    assert least_cost(shifted) == pytest.approx(least_cost(problem), abs=1e-9)
    assert (exact.plan(shifted)[0][:, :still] == 0).all()


@thorough
@given(problems(), floats(0, 5))
def test_load_that_the_sun_covers_changes_nothing(problem, covered_kw):
    if (problem := met_rows(problem)) is None:
        return
    more = replace(problem, load_kw=problem.load_kw + covered_kw, pv_kw=problem.pv_kw + covered_kw)
    assert least_cost(more) == pytest.approx(least_cost(problem), abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(problems())
def test_the_rule_finds_a_plan_wherever_the_corridor_says_there_is_one(problem):
    assert replay(problem, *rule.plan(problem)).feasible.tolist() == can_be_met(problem).tolist()


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_corridor_never_refuses_what_a_linear_programme_could_meet_without_burning(problem):
    """Lossless batteries cannot burn energy, so there the LP of the limits decides feasibility exactly."""
    ones = np.ones(ROWS)
    problem = replace(problem, charge_efficiency=ones, discharge_efficiency=ones)
    for row, met in enumerate(can_be_met(problem)):
        assert met == lossless_is_feasible(problem, row)


def lossless_is_feasible(problem, row):
    """Whether net powers exist whose sums keep the SoC, and which keep ratings and connection limits."""
    sums = problem.step_h * np.tril(np.ones((STEPS, STEPS)))
    floor = problem.soc_min_kwh[row].copy()
    floor[-1] = max(floor[-1], problem.soc_final_kwh[row])
    start, net = problem.soc_initial_kwh[row], problem.net_load_kw[row]
    above = np.minimum(problem.import_limit_kw[row] - net, problem.max_charge_kw[row])
    below = np.maximum(-problem.export_limit_kw[row] - net, -problem.max_discharge_kw[row])
    answer = linprog(
        np.zeros(STEPS),
        A_ub=np.vstack([sums, -sums, np.eye(STEPS), -np.eye(STEPS)]),
        b_ub=np.concatenate(
            [problem.capacity_kwh[row] - start + 0 * net, start - floor, above, -below],
        ),
        bounds=(None, None),
    )
    return answer.status == 0


@quick
@given(problems())
def test_what_gives_is_enough_and_names_a_true_conflict(problem):
    for row in np.flatnonzero(~can_be_met(problem)):
        one = problem.rows([row])
        conflict = find_conflict(one)
        assert can_be_met(conflict.relaxed).all()
        assert conflict.families
        assert set(conflict.relaxation) <= set(conflict.families)


@given(problems(), table(floats(-6, 6)))
def test_a_device_that_follows_a_plan_ends_where_the_replay_says(problem, wished_kw):
    if not can_be_met(problem).all():
        return
    charge_kw, discharge_kw = follow(problem, wished_kw)
    judged = replay(problem, charge_kw, discharge_kw)
    for row in range(ROWS):
        battery = Battery(
            problem.capacity_kwh[row],
            problem.max_charge_kw[row],
            problem.max_discharge_kw[row],
            problem.charge_efficiency[row],
            problem.discharge_efficiency[row],
        )
        soc_kwh = problem.soc_initial_kwh[row]
        for t in range(STEPS):
            asked_kw = charge_kw[row, t] - discharge_kw[row, t]
            power_kw, soc_kwh = single_step(
                battery, soc_kwh=soc_kwh, requested_kw=asked_kw, step_h=problem.step_h
            )
            assert power_kw == pytest.approx(asked_kw, abs=1e-6)
            assert soc_kwh == pytest.approx(judged.soc_kwh[row, t], abs=1e-6)


@given(st.floats(0, 10), st.floats(-20, 20), st.floats(0.05, 1), floats(0.5, 1), st.floats(0, 10))
def test_a_device_never_leaves_its_limits(soc_kwh, requested_kw, step_h, efficiency, floor_kwh):
    battery = Battery(10.0, 4.0, 3.0, efficiency, 1.5 - efficiency, floor_kwh)
    power_kw, after_kwh = single_step(battery, soc_kwh=soc_kwh, requested_kw=requested_kw, step_h=step_h)
    assert -3 <= power_kw <= 4
    assert min(0, requested_kw) <= power_kw <= max(0, requested_kw)
    assert min(soc_kwh, floor_kwh) - 1e-9 <= after_kwh <= 10 + 1e-9
