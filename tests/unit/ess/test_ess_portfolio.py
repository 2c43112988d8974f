"""Many batteries under shared limits, against one linear programme of all of them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from domain.errors import FieldError
from ess import exact
from ess.dynamics import cost_with_wear, replay, step_gains
from ess.plan import SolverError
from ess.portfolio import coordinate
from ess.shared import SharedLimits

STEPS = 12


def shared(homes_together_kw, **changes):
    """No shared limit at all, but for ``changes``."""
    none = np.zeros(STEPS)
    given = {
        "import_cap_kw": np.full(STEPS, np.inf),
        "export_cap_kw": np.full(STEPS, np.inf),
        "other_load_kw": none,
        "promised_kw": none,
        "baseline_kw": homes_together_kw,
    }
    return SharedLimits(**{**given, **changes})


def together(problem):
    """What the homes carry together when each plans for itself, (T,)."""
    charge_kw, discharge_kw = exact.plan(problem)
    return (problem.net_load_kw + charge_kw - discharge_kw).sum(axis=0)


def joint_least_cost(problem, limits):
    """Least cost of all batteries at once: charge, discharge, import, export of each, and the peak."""
    n, steps = problem.shape
    gain, loss = step_gains(problem)
    size, h = n * steps, problem.step_h
    eye = np.eye(steps)
    balance, balance_is, soc, soc_most = [], [], [], []
    for row in range(n):
        sums = np.tril(np.ones((steps, steps)))
        line = np.zeros((steps, 4 * size + 1))
        for part, matrix in enumerate((-eye, eye, eye, -eye)):
            line[:, part * size + row * steps : part * size + (row + 1) * steps] = matrix
        balance.append(line)
        balance_is.append(problem.net_load_kw[row])
        course = np.zeros((steps, 4 * size + 1))
        course[:, row * steps : (row + 1) * steps] = gain[row] * sums
        course[:, size + row * steps : size + (row + 1) * steps] = -loss[row] * sums
        floor = problem.soc_min_kwh[row].copy()
        floor[-1] = max(floor[-1], problem.soc_final_kwh[row])
        soc += [course, -course]
        start = problem.soc_initial_kwh[row]
        soc_most += [problem.capacity_kwh[row] - start + 0 * floor, start - floor]
    grid = np.zeros((steps, 4 * size + 1))
    for row in range(n):
        grid[:, 2 * size + row * steps : 2 * size + (row + 1) * steps] = eye
        grid[:, 3 * size + row * steps : 3 * size + (row + 1) * steps] = -eye
    least, most = limits.bounds_kw
    peak = grid.copy()
    peak[:, -1] = -1
    capped, floored = np.isfinite(most), np.isfinite(least)
    rows = [*soc, grid[capped], -grid[floored], peak]
    below = [*soc_most, most[capped], -least[floored], -limits.other_load_kw]
    wear = np.repeat(problem.degradation_cost_per_kwh, steps)
    cost = h * np.concatenate([np.zeros(size), wear, problem.buy.ravel(), -problem.sell.ravel()])
    rated = [np.repeat(problem.max_charge_kw, steps), np.repeat(problem.max_discharge_kw, steps)]
    upper = np.concatenate([*rated, np.full(2 * size, np.inf), [np.inf]])
    lower = np.append(np.zeros(4 * size), limits.peak_so_far_kw)
    answer = linprog(
        np.append(cost, limits.peak_price_per_kw),
        A_ub=np.vstack(rows),
        b_ub=np.concatenate(below),
        A_eq=np.vstack(balance),
        b_eq=np.concatenate(balance_is),
        bounds=np.column_stack([lower, upper]),
    )
    assert answer.status == 0
    return answer.fun - limits.peak_price_per_kw * limits.peak_so_far_kw


def cases(alone_kw):
    hours = np.arange(STEPS)
    return {
        "nothing shared": {},
        "import cap": {"import_cap_kw": np.full(STEPS, 0.6 * alone_kw.max())},
        "export cap": {"export_cap_kw": np.full(STEPS, 0.3 * -alone_kw.min())},
        "other load": {
            "import_cap_kw": np.full(STEPS, 0.8 * alone_kw.max()),
            "other_load_kw": np.where(hours > 6, 2.0, 0.0),
        },
        "promise": {"promised_kw": np.where((hours > 4) & (hours < 8), 3.0, 0.0)},
        "peak price": {"peak_price_per_kw": 2.0, "peak_so_far_kw": 0.4 * alone_kw.max()},
    }


@pytest.mark.parametrize("case", cases(np.ones(1)))
def test_it_costs_what_one_programme_of_all_batteries_costs(homes, case):
    problem = homes(n=8, degradation_cost_per_kwh=np.full(8, 0.01))
    limits = shared(together(problem), **cases(together(problem))[case])
    found = coordinate(problem, limits, gap=1e-5)
    least = joint_least_cost(problem, limits)
    assert found.cost == pytest.approx(least, rel=2e-5)
    assert found.bound <= least + 1e-7
    assert 0 <= found.gap + 1e-12 <= 2e-5
    judged = replay(problem, found.charge_kw, found.discharge_kw)
    assert judged.feasible.all()
    assert found.grid_kw == pytest.approx(judged.grid_kw.sum(axis=0))
    below, above = limits.bounds_kw
    assert (found.grid_kw <= above).all()
    assert (found.grid_kw >= below).all()
    own = cost_with_wear(problem, found.charge_kw, found.discharge_kw).sum()
    assert found.cost == pytest.approx(own + limits.peak_cost(found.grid_kw))


def test_limits_bind_in_these_cases(homes):
    """Otherwise the cases above would show nothing."""
    problem = homes(n=8, degradation_cost_per_kwh=np.full(8, 0.01))
    alone = coordinate(problem, shared(together(problem)))
    for case, changes in cases(together(problem)).items():
        limits = shared(together(problem), **changes)
        below, above = limits.bounds_kw
        free = (alone.grid_kw <= above).all() and (alone.grid_kw >= below).all()
        assert (free and not limits.peak_cost(alone.grid_kw)) == (case == "nothing shared")


def test_prices_of_both_signs_leave_a_gap_that_is_told(homes):
    rng = np.random.default_rng(2)
    problem = homes(n=30)
    problem = replace(problem, buy=rng.normal(0.1, 0.2, (1, STEPS)).repeat(30, 0))
    problem = replace(problem, sell=problem.buy - 0.05)
    limits = shared(together(problem), import_cap_kw=np.full(STEPS, 0.7 * together(problem).max()))
    found = coordinate(problem, limits, gap=1e-3)
    assert replay(problem, found.charge_kw, found.discharge_kw).feasible.all()
    assert (found.grid_kw <= limits.bounds_kw[1]).all()
    assert found.bound <= found.cost


def test_many_batteries_start_from_the_prices_of_a_sample(homes):
    problem = homes(n=1_500)
    limits = shared(together(problem), import_cap_kw=np.full(STEPS, 0.9 * together(problem).max()))
    found = coordinate(problem, limits)
    assert 0 <= found.gap <= 1e-3
    assert (found.grid_kw <= limits.bounds_kw[1]).all()


def test_a_cap_that_cannot_be_held_is_said_with_the_amount(homes):
    problem = homes(n=4, pv_kw=np.zeros((4, STEPS)))
    with pytest.raises(SolverError, match=r"missed by [1-9][\d.]* kW"):
        coordinate(problem, shared(together(problem), import_cap_kw=np.full(STEPS, 0.1)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"import_cap_kw": np.full(STEPS, -1.0)}, "import_cap_kw"),
        ({"export_cap_kw": np.full(STEPS, np.nan)}, "export_cap_kw"),
        ({"other_load_kw": np.ones(3)}, "other_load_kw"),
        ({"other_load_kw": np.full(STEPS, np.inf)}, "other_load_kw"),
        ({"promised_kw": np.full(STEPS, -1.0)}, "promised_kw"),
        ({"baseline_kw": np.full(STEPS, np.nan)}, "baseline_kw"),
        ({"peak_price_per_kw": -1.0}, "peak_price_per_kw"),
        ({"peak_so_far_kw": np.inf}, "peak_so_far_kw"),
    ],
)
def test_wrong_limits_are_named(change, field):
    with pytest.raises(FieldError) as caught:
        shared(np.zeros(STEPS), **change)
    assert caught.value.field == field


def test_limits_of_another_horizon_are_refused(homes):
    with pytest.raises(FieldError, match="import_cap_kw"):
        coordinate(homes(n=2, steps=24), shared(np.zeros(STEPS)))
