"""Plans under market terms: against independent formulations, by hand, and by delivering what was sold."""

from dataclasses import replace
from itertools import product

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from domain.errors import FieldError
from ess import extended
from ess.ageing import CycleAgeing, life_lost, rainflow_cost
from ess.ageing import cycle_depths as depths
from ess.dynamics import replay
from ess.market import MarketTerms, judge
from ess.milp import plan as plain_plan
from ess.plan import SolverError

SHAPE = (3, 12)
RESERVE = {"reserve_up_price": np.array(0.03), "reserve_down_price": np.array(0.02), "reserve_hours": 1.0}
PEAK = {"peak_price_per_kw": np.array(0.8), "peak_reached_kw": np.array(1.5)}


def ageing(n=3, cost=3000.0, **changes):
    return CycleAgeing(replacement_cost=np.full(n, cost), **changes)


def least_total(problem, terms, row):
    """Least cost of one row with reserve, peak and blocks, as matrices for scipy.

    Variables, T each: charge, discharge, import, export, SoC, charging?, importing?, up, down; one: peak.
    """
    terms, steps, h = terms.fitted(problem), problem.shape[1], problem.step_h
    eye, one = np.eye(steps), np.ones(steps)
    net = problem.net_load_kw[row]
    rate_in, rate_out = problem.max_charge_kw[row], problem.max_discharge_kw[row]
    cap, hours = problem.capacity_kwh[row], terms.reserve_hours
    keep, lose = problem.charge_efficiency[row], problem.discharge_efficiency[row]
    big = float(np.abs(net).max() + rate_in + rate_out + 1)
    floor = problem.soc_min_kwh[row].copy()
    floor[-1] = max(floor[-1], problem.soc_final_kwh[row])
    start = one * 0
    start[0] = problem.soc_initial_kwh[row]
    earlier = np.eye(steps, k=-1)
    before = np.concatenate([[min(problem.soc_min_kwh[row, 0], start[0])], floor[:-1]])

    def rule(low, high, **blocks):
        names = ("c", "d", "i", "e", "s", "zc", "zi", "up", "down", "peak")
        empty = {name: np.zeros((steps, 1 if name == "peak" else steps)) for name in names}
        return LinearConstraint(np.hstack([{**empty, **blocks}[name] for name in names]), low, high)

    inside = np.arange(steps) % terms.block_intervals > 0
    hold = (eye - earlier) * inside[:, None]
    inf = np.inf
    rules = [
        rule(start, start, c=-h * keep * eye, d=h / lose * eye, s=eye - earlier),
        rule(net, net, c=-eye, d=eye, i=eye, e=-eye),
        rule(-inf, 0, c=eye, zc=-rate_in * eye),
        rule(-inf, rate_out, d=eye, zc=rate_out * eye),
        rule(-inf, 0, i=eye, zi=-big * eye),
        rule(-inf, big, e=eye, zi=big * eye),
        rule(-inf, rate_out, up=eye, c=-eye, d=eye),
        rule(-inf, rate_in, down=eye, c=eye, d=-eye),
        rule(-inf, problem.export_limit_kw[row] + net, up=eye, c=-eye, d=eye),
        rule(-inf, problem.import_limit_kw[row] - net, down=eye, c=eye, d=-eye),
        rule(-inf, -floor, up=hours / lose * eye, s=-eye),
        rule(-inf, start - before, up=hours / lose * eye, s=-earlier),
        rule(-inf, cap, down=hours * keep * eye, s=eye),
        rule(-inf, cap - start, down=hours * keep * eye, s=earlier),
        rule(-inf, 0, i=eye, peak=-np.ones((steps, 1))),
        rule(0, 0, c=hold, d=-hold),
        rule(0, 0, up=hold),
        rule(0, 0, down=hold),
    ]
    price, reached = terms.peak_price_per_kw[row], terms.peak_reached_kw[row]
    sold_up, sold_down = terms.reserve_up_sold_kw[row], terms.reserve_down_sold_kw[row]
    lower = [0 * one] * 4 + [floor, 0 * one, 0 * one, sold_up, sold_down, [reached]]
    limits = [problem.import_limit_kw[row], problem.export_limit_kw[row]]
    upper = [rate_in * one, rate_out * one, *limits, cap * one, one, one, inf * one, inf * one, [inf]]
    energy = [h * problem.buy[row], -h * problem.sell[row]]
    earned = [-terms.reserve_up_price[row], -terms.reserve_down_price[row]]
    wear = h * problem.degradation_cost_per_kwh[row] * one
    answer = milp(
        np.concatenate([0 * one, wear, *energy, 0 * one, 0 * one, 0 * one, *earned, [price]]),
        constraints=rules,
        bounds=Bounds(np.concatenate(lower), np.concatenate(upper)),
        integrality=np.concatenate([np.zeros(5 * steps), np.ones(2 * steps), np.zeros(2 * steps + 1)]),
        options={"mip_rel_gap": 1e-9},
    )
    return float(answer.fun) - price * reached if answer.status == 0 else None


def wild(seed):
    rng = np.random.default_rng(seed)
    return {"buy": rng.normal(0.05, 0.2, SHAPE), "sell": rng.normal(0.05, 0.2, SHAPE)}


ROOM = {"soc_final_kwh": np.zeros(3)}
CASES = {
    "nothing": ({}, {}),
    "reserve": ({}, RESERVE),
    "reserve for half an hour": ({}, {**RESERVE, "reserve_hours": 0.5}),
    "dear reserve, limited connection": (
        {"import_limit_kw": np.full(SHAPE, 5.0), "export_limit_kw": np.full(SHAPE, 4.0)},
        {**RESERVE, "reserve_up_price": np.array(1.0)},
    ),
    "reserve sold before": (
        {},
        {"reserve_up_sold_kw": np.where(np.arange(12) == 9, 1.0, 0) * np.ones(SHAPE)},
    ),
    "peak": ({}, PEAK),
    "blocks": ({}, {"block_intervals": 3}),
    "blocks, the last one shorter": (ROOM, {"block_intervals": 5, **RESERVE}),
    "all": (ROOM, {**RESERVE, **PEAK, "block_intervals": 2}),
    "all, wild prices": ({**ROOM, **wild(3)}, {**RESERVE, **PEAK, "block_intervals": 2}),
    "reserve, wild prices": (wild(4), RESERVE),
}


@pytest.mark.parametrize("name", CASES)
def test_cost_is_that_of_an_independent_formulation(homes, name):
    changes, given = CASES[name]
    problem, terms = homes(**changes), MarketTerms(**given)
    found = extended.plan(problem, terms)
    assert found.violations == found.reason == ("",) * 3
    least = [least_total(problem, terms, row) for row in range(3)]
    assert found.total_cost == pytest.approx(least, abs=1e-6)
    assert found.bound == pytest.approx(least, abs=1e-5)
    assert (found.bound <= found.total_cost + 1e-6).all()


@pytest.mark.parametrize("name", [name for name, (_, given) in CASES.items() if given])
def test_planning_with_the_terms_pays(homes, name):
    """The plan that does not know of them breaks a term or costs more: else the case above proves little."""
    changes, given = CASES[name]
    problem, terms = homes(**changes), MarketTerms(**given)
    blind = judge(problem, terms, *plain_plan(problem)[:2])
    found = extended.plan(problem, terms)
    assert (~blind.feasible | (blind.total_cost > found.total_cost + 1e-3)).any()


def test_binaries_are_needed_where_burning_energy_would_make_room(homes, monkeypatch):
    problem, terms = homes(**wild(4)), MarketTerms(**RESERVE)
    solve, exclusive = extended._solve, []
    monkeypatch.setattr(
        extended, "_solve", lambda *a, **chosen: exclusive.append(chosen["exclusive"]) or solve(*a, **chosen)
    )
    extended.plan(problem, terms)
    assert True in exclusive
    exclusive.clear()
    extended.plan(homes(), terms)
    assert exclusive == [False]


def test_what_was_sold_can_be_delivered(homes):
    """Called for a whole interval on top of the plan, reserve breaks no limit up to its end."""
    problem = homes(steps=24, import_limit_kw=np.full((3, 24), 7.0), export_limit_kw=np.full((3, 24), 5.0))
    found = extended.plan(problem, MarketTerms(**RESERVE))
    assert found.reserve_up_kw.max() > 0.5
    assert found.reserve_down_kw.max() > 0.5
    power_kw = found.charge_kw - found.discharge_kw
    for t, sign in product(range(24), (-1, 1)):
        reserve_kw = (found.reserve_up_kw if sign < 0 else found.reserve_down_kw)[:, t]
        called = power_kw.copy()
        called[:, t] += sign * reserve_kw
        after = np.arange(24) > t
        lived = replay(
            replace(
                problem,
                soc_min_kwh=np.where(after, 0, problem.soc_min_kwh),
                soc_final_kwh=problem.soc_final_kwh * (t == 23),
                import_limit_kw=np.where(after, np.inf, problem.import_limit_kw),
                export_limit_kw=np.where(after, np.inf, problem.export_limit_kw),
            ),
            np.where(after, 0, np.maximum(called, 0)),
            np.where(after, 0, np.maximum(-called, 0)),
        )
        assert lived.violations == ("",) * 3


def test_a_longer_call_sells_less(homes):
    earned = [
        -extended.plan(homes(), MarketTerms(**{**RESERVE, "reserve_hours": h})).reserve_cost for h in (0.5, 4)
    ]
    assert (earned[0] > earned[1] + 1e-3).all()


def test_a_peak_is_paid_only_above_what_was_reached(homes):
    """Two hours of load, 4 and 0 kW, and 1 kWh in store: by hand the peak is 3 kW."""
    problem = homes(
        n=1, steps=2, step_h=1.0, load_kw=np.array([[4.0, 0.0]]), pv_kw=np.zeros((1, 2)),
        buy=np.full((1, 2), 0.2), soc_initial_kwh=np.ones(1), soc_min_kwh=np.zeros(1),
        soc_final_kwh=np.zeros(1), discharge_efficiency=np.ones(1),
    )  # fmt: skip
    for reached, charged in ((0.0, 3.0), (2.5, 0.5), (3.0, 0.0), (9.0, 0.0)):
        terms = MarketTerms(peak_price_per_kw=np.array(5.0), peak_reached_kw=np.array(reached))
        found = extended.plan(problem, terms)
        assert found.peak_cost == pytest.approx(5.0 * charged, abs=1e-6)
        assert found.energy_cost == pytest.approx(0.6, abs=1e-6)


def test_seventy_percent_by_six_in_the_evening(homes):
    """No term of its own: a floor in one interval."""
    hours = np.arange(24)
    problem = homes(steps=24, buy=np.where((hours >= 12) & (hours < 18), 0.5, 0.21) * np.ones((3, 1)))
    by_18 = np.where(hours == 17, 0.7, 0.1) * problem.capacity_kwh[:, None]
    free, asked = extended.plan(problem, MarketTerms()), replace(problem, soc_min_kwh=by_18)
    found = extended.plan(asked, MarketTerms(**PEAK))
    assert (free.soc_kwh[:, 17] < by_18[:, 17] - 0.1).any()
    assert (found.soc_kwh[:, 17] >= by_18[:, 17] - 1e-6).all()
    assert found.feasible.all()


def small(homes):
    """A lossless battery of 5 kWh whose least cost can be found by trying every path in steps of 1 kWh."""
    return homes(
        n=1, steps=5, step_h=1.0, load_kw=np.array([[1.0, 0, 2, 1, 3]]), pv_kw=np.array([[0.0, 3, 0, 2, 0]]),
        buy=np.array([[0.30, 0.1, 0.5, 0.15, 0.6]]), sell=np.full((1, 5), 0.05), capacity_kwh=np.array([5.0]),
        max_charge_kw=np.array([3.0]), max_discharge_kw=np.array([3.0]), charge_efficiency=np.ones(1),
        discharge_efficiency=np.ones(1), soc_initial_kwh=np.array([2.0]), soc_min_kwh=np.zeros(1),
        soc_final_kwh=np.array([1.0]),
    )  # fmt: skip


@pytest.mark.parametrize("cost", [500.0, 1500.0, 5000.0])
def test_ageing_is_planned_as_well_as_by_trying_every_path(homes, cost):
    """By rainflow, not by segments; chords from kWh to kWh tell paths of whole kWh exactly."""
    problem = small(homes)
    costs = ageing(n=1, cost=cost, segments=5)
    found = extended.plan(problem, MarketTerms(ageing=costs))
    paths = np.array([(2, *later) for later in product(range(6), repeat=5)], dtype=float)
    power_kw = np.diff(paths, axis=1)
    judged = replay(problem.rows([0] * len(paths)), np.maximum(power_kw, 0), np.maximum(-power_kw, 0))
    possible = np.flatnonzero(judged.feasible)
    wear = [cost * life_lost(depths(paths[at], 5.0), costs.life) for at in possible]
    assert found.total_cost[0] == pytest.approx((judged.cost[possible] + wear).min(), abs=1e-6)


def test_dearer_batteries_cycle_less_and_the_plan_agrees_with_rainflow(homes):
    problem = homes(steps=24)
    spent = []
    for cost in (0.0, 1000.0, 4000.0, 1e6):
        costs = ageing(cost=cost, segments=20)
        found = extended.plan(problem, MarketTerms(ageing=costs))
        counted = rainflow_cost(problem, found.soc_kwh, costs)
        assert (counted <= found.ageing_cost + 1e-9).all()
        assert found.ageing_cost == pytest.approx(counted, rel=0.03, abs=1e-6)
        spent.append(found.discharge_kw.sum())
    assert spent == sorted(spent, reverse=True)
    assert spent[-1] < 0.2 * spent[0]


def test_a_row_does_not_depend_on_its_neighbours(homes):
    problem = homes(n=18)
    terms = MarketTerms(
        reserve_up_price=np.linspace(0, 0.05, 18)[:, None] * np.ones((18, 12)),
        peak_price_per_kw=np.linspace(1, 0, 18),
        ageing=CycleAgeing(replacement_cost=np.linspace(0, 5000, 18)),
    )
    together = extended.plan(problem, terms).total_cost
    for row in (0, 15, 16, 17):
        alone = extended.plan(problem.rows([row]), terms.rows([row]))
        assert together[row] == pytest.approx(alone.total_cost[0], abs=1e-6)


def test_a_compiled_programme_is_parametrised(homes):
    parts = extended._Parts(exclusive=True, reserve=True, peak=True, block_intervals=2, segments=4)
    assert extended._extended(3, 12, parts).problem.is_dcp(dpp=True)
    terms = [MarketTerms(**RESERVE), MarketTerms(reserve_up_price=np.array(0.3)), MarketTerms(**RESERVE)]
    costs = [extended.plan(homes(), given).total_cost.tolist() for given in terms]
    assert costs[0] == pytest.approx(costs[2])
    assert costs[0] != pytest.approx(costs[1])


def test_reserve_that_was_oversold_is_explained_and_the_rest_held(homes):
    """2 kWh above the floor hold 2 kW for an hour; 3 were sold in the first interval."""
    problem = homes(
        n=2, steps=2, step_h=1.0, load_kw=np.zeros((2, 2)), pv_kw=np.zeros((2, 2)),
        capacity_kwh=np.full(2, 10.0), max_discharge_kw=np.full(2, 5.0), soc_initial_kwh=np.full(2, 3.0),
        soc_min_kwh=np.ones(2), soc_final_kwh=np.zeros(2), discharge_efficiency=np.ones(2),
    )  # fmt: skip
    found = extended.plan(problem, MarketTerms(reserve_up_sold_kw=np.array([[3.0, 0], [2, 0]])))
    said = "reserve_up_sold_kw cannot be kept; least relaxation: reserve_up_sold_kw by 1 kW"
    assert found.reason == (said, "")
    assert found.violations == ("reserve_up_sold_kw broken by 1 in interval 0", "")
    assert found.reserve_up_kw[:, 0] == pytest.approx([2, 2], abs=1e-5)


def test_blocks_that_cannot_be_kept_are_explained(homes):
    """The floor asks for all there is by the first hour and the ceiling stops the block there."""
    problem = homes(
        n=1, steps=2, step_h=1.0, load_kw=np.zeros((1, 2)), pv_kw=np.zeros((1, 2)),
        capacity_kwh=np.array([10.0]), max_charge_kw=np.array([5.0]), charge_efficiency=np.ones(1),
        soc_initial_kwh=np.array([6.0]), soc_min_kwh=np.array([[9.0, 0.0]]), soc_final_kwh=np.zeros(1),
    )  # fmt: skip
    found = extended.plan(problem, MarketTerms(block_intervals=2))
    assert found.reason == ("block_intervals of 2 cannot be kept",)
    assert found.violations[0].startswith("block_intervals broken by")
    assert replay(problem, found.charge_kw, found.discharge_kw).feasible.all()


def test_a_conflict_of_the_limits_themselves_is_explained_as_ever(homes):
    problem = homes(import_limit_kw=np.where(np.arange(3)[:, None] == 1, 0.0, np.inf) * np.ones(SHAPE))
    found = extended.plan(problem, MarketTerms(**RESERVE))
    assert found.feasible.tolist() == [True, False, True]
    assert "import_limit_kw cannot be kept; least relaxation" in found.reason[1]
    assert "reserve" not in found.reason[1]


def test_a_failing_solver_is_our_error(homes, monkeypatch):
    def fail(*_, **__):
        raise cp.SolverError("out of memory")

    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(SolverError, match="out of memory"):
        extended.plan(homes(), MarketTerms())


def test_a_plan_that_is_not_proven_in_time_shows_its_gap(homes, monkeypatch):
    problem, terms = homes(**wild(4)), MarketTerms(**RESERVE)
    best = extended.plan(problem, terms).total_cost
    solve = extended._solve

    def impatient(*given, exclusive):
        net_kw, least = solve(*given, exclusive=False)
        return net_kw, np.full(1, -np.inf) if exclusive else least

    monkeypatch.setattr(extended, "_solve", impatient)
    found = extended.plan(problem, terms)
    assert found.feasible.all()
    assert (found.bound <= best + 1e-6).all()
    assert (best <= found.total_cost + 1e-6).all()
    assert (found.total_cost > found.bound + 1e-3).any()


def test_a_broken_plan_is_judged_broken(homes):
    nan = np.full(SHAPE, np.nan)
    assert not judge(homes(), MarketTerms(block_intervals=2, **RESERVE), nan, nan).feasible.any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"reserve_up_price": np.array(-1.0)},
        {"reserve_down_sold_kw": np.array(np.nan)},
        {"peak_price_per_kw": np.array(np.inf)},
        {"reserve_hours": 0.0},
        {"reserve_hours": np.nan},
        {"block_intervals": 0},
        {"reserve_up_price": np.ones((3, 11))},
        {"peak_price_per_kw": np.ones(2)},
        {"ageing": ageing(n=2)},
    ],
)
def test_terms_that_mean_nothing_are_refused(homes, wrong):
    with pytest.raises(FieldError):
        extended.plan(homes(), MarketTerms(**wrong))


def test_a_search_that_is_cut_short_breaks_no_term_that_the_relaxation_keeps(homes, monkeypatch):
    sold_kw = np.where(np.arange(12) == 9, 1.0, 0) * np.ones(SHAPE)
    problem, terms = homes(**wild(4)), MarketTerms(reserve_up_sold_kw=sold_kw)
    solve = extended._solve

    def unsold(one, own, *, exclusive):
        """In place of the search, a plan that costs less as it forgets what was sold."""
        return solve(one, own if not exclusive else MarketTerms().fitted(one), exclusive=exclusive)

    monkeypatch.setattr(extended, "_solve", unsold)
    found = extended.plan(problem, terms)
    assert found.violations == ("",) * 3
