"""The exact plan against an independent formulation in another solver interface."""

import time

import cvxpy as cp
import numpy as np
import pytest

from ess import milp, rule
from ess.dynamics import replay

SHAPE = (3, 12)


def total_cost(problem, charge_kw, discharge_kw):
    judged = replay(problem, charge_kw, discharge_kw)
    assert judged.violations == ("",) * problem.shape[0]
    return judged.cost + judged.wear_cost


def wild_prices(seed):
    rng = np.random.default_rng(seed)
    return {"buy": rng.normal(0.05, 0.2, SHAPE), "sell": rng.normal(0.05, 0.2, SHAPE)}


def at(step, value, otherwise):
    """A series that differs in one interval."""
    return np.where(np.arange(12) == step, value, otherwise) * np.ones((3, 1))


CASES = {
    "retail and feed-in": {},
    "lossless and flat": {
        "buy": np.full(SHAPE, 0.2),
        "sell": np.full(SHAPE, 0.2),
        "charge_efficiency": np.ones(3),
        "discharge_efficiency": np.ones(3),
    },
    "wear": {"degradation_cost_per_kwh": np.full(3, 0.1)},
    "import limit": {"import_limit_kw": np.full(SHAPE, 3.0)},
    "export limit": {
        "export_limit_kw": at(6, 0.0, 99.0),
        "pv_kw": at(6, 2.0, 1.0),
        "buy": at(6, 0.45, 0.21),
        "sell": at(6, 0.40, 0.05),
    },
    "a reserve in the peak": {"soc_min_kwh": at(9, 5.0, 0.5)},
    "negative prices": {"buy": np.linspace(-0.3, 0.3, 12) * np.ones((3, 1)), "sell": np.full(SHAPE, -0.31)},
    "selling dearer than buying": wild_prices(3),
    "selling dearer than buying, losing more": {
        **wild_prices(4),
        "charge_efficiency": np.full(3, 0.6),
        "discharge_efficiency": np.full(3, 0.6),
    },
}


@pytest.mark.parametrize("name", CASES)
def test_cost_is_that_of_an_independent_formulation(homes, least_cost, name):
    problem = homes(**CASES[name])
    reached = total_cost(problem, *milp.plan(problem))
    assert reached == pytest.approx([least_cost(problem, row) for row in range(3)], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "loose"),
    [
        ("import limit", {"import_limit_kw": np.full(SHAPE, np.inf)}),
        ("export limit", {"export_limit_kw": np.full(SHAPE, np.inf)}),
        ("a reserve in the peak", {"soc_min_kwh": np.full(3, 0.5)}),
    ],
)
def test_the_limits_of_those_cases_cost_something(homes, name, loose):
    problem, free = homes(**CASES[name]), homes(**{**CASES[name], **loose})
    assert total_cost(problem, *milp.plan(problem)).sum() > total_cost(free, *milp.plan(free)).sum() + 1e-3


@pytest.mark.parametrize("name", ["negative prices", "selling dearer than buying"])
def test_binaries_are_needed_where_the_relaxation_trades_with_itself(homes, name):
    """Were the relaxation exact here, the case above would prove nothing of the binaries."""
    problem = homes(**CASES[name])
    _, _, bound = milp.relaxed_plan(problem)
    assert (total_cost(problem, *milp.plan(problem)) > bound + 1e-3).any()


def test_the_relaxation_is_exact_under_ordinary_prices(homes):
    problem = homes()
    charge_kw, discharge_kw, bound = milp.relaxed_plan(problem)
    assert total_cost(problem, charge_kw, discharge_kw) == pytest.approx(bound, abs=1e-6)


def test_an_export_limit_that_only_burning_energy_would_keep_still_gets_an_exact_plan(homes, least_cost):
    """Full battery, more sun than may leave: the relaxation would charge and discharge at once."""
    one = {"load_kw": np.zeros((1, 12)), "pv_kw": np.full((1, 12), 2.0), "sell": np.full((1, 12), -0.2)}
    problem = homes(n=1, **one, buy=np.full((1, 12), 0.2))
    assert total_cost(problem, *milp.plan(problem))[0] == pytest.approx(least_cost(problem), abs=1e-6)


def test_equal_plans_move_no_energy(homes):
    """At a flat price without losses every round trip is free; none is made."""
    problem = homes(**CASES["lossless and flat"], soc_final_kwh=np.zeros(3), soc_initial_kwh=np.full(3, 2.0))
    flat = milp.plan(homes(**CASES["lossless and flat"]))
    assert np.abs(flat[0]).max() < 1e-6
    assert milp.plan(problem)[0].max() < 1e-6


def test_a_row_does_not_depend_on_its_neighbours(homes):
    problem = homes(n=20)
    together = total_cost(problem, *milp.plan(problem))
    apart = [total_cost(problem.rows([row]), *milp.plan(problem.rows([row])))[0] for row in (0, 15, 16, 19)]
    assert together[[0, 15, 16, 19]] == pytest.approx(apart, abs=1e-6)


def test_a_compiled_model_is_parametrised(homes):
    """DPP: only the first solve of a shape compiles; a stale parameter would give the first answer again."""
    model = milp.compiled(3, 12, exclusive=True)
    assert model.problem.is_dcp(dpp=True)
    first, second = homes(seed=1), homes(seed=2)
    costs = [total_cost(p, *milp.plan(p)).tolist() for p in (first, second, first)]
    assert costs[0] == pytest.approx(costs[2])
    assert costs[0] != pytest.approx(costs[1])


@pytest.mark.parametrize("cut", [{"mip_max_improving_sols": 1}, {"time_limit": 0.0}])
def test_a_search_that_is_cut_short_keeps_what_it_found_and_what_it_proved(homes, monkeypatch, cut):
    problem = homes(**CASES["selling dearer than buying, losing more"])
    best, relaxed, solve = milp.certified_plan(problem), milp.relaxed_plan(problem), cp.Problem.solve

    def impatient(programme, **options):
        return solve(programme, **options | (cut if programme.is_mixed_integer() else {}))

    monkeypatch.setattr(cp.Problem, "solve", impatient)
    found = milp.certified_plan(problem)
    least, reached = (total_cost(problem, *plan[:2]) for plan in (best, found))
    assert best.bound == pytest.approx(least, abs=1e-5)
    assert (best.bound <= least).all()
    assert (found.bound <= least).all()
    assert (found.bound >= relaxed.bound).all()
    assert (least - 1e-9 <= reached).all()
    assert (reached <= total_cost(problem, *relaxed[:2])).all()
    assert (found.bound < reached - 1e-3).any()


def test_a_failing_solver_is_our_error(homes, monkeypatch):
    def fail(*_, **__):
        raise cp.SolverError("out of memory")

    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(milp.SolverError, match="out of memory"):
        milp.plan(homes())


def test_a_problem_without_a_plan_has_no_optimum(homes):
    with pytest.raises(milp.SolverError, match="infeasible"):
        milp.plan(homes(import_limit_kw=np.zeros(SHAPE)))


def test_a_community_replans_within_a_fraction_of_a_second(homes):
    milp.plan(homes(n=11, steps=24))
    problem = homes(n=11, steps=24, seed=9)
    began = time.perf_counter()
    exact = milp.plan(problem)
    assert time.perf_counter() - began < 11 * 0.02 * 5  # 20 ms a battery, with room for a busy machine
    assert (total_cost(problem, *exact) <= total_cost(problem, *rule.plan(problem)) + 1e-6).all()
