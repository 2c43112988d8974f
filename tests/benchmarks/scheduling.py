"""Schedulers against each other: how near to the optimum, and how many times faster than HiGHS.

Ratios compare times of one run on one core: a method's mean time for a row of a large batch, and the mean
time that HiGHS takes for one such row when it is handed arrays (``tests.benchmarks.highs``). Days to be
measured on are those that nothing was trained or chosen on (``ess.days``).
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ess import exact
from ess.days import home_year, seed_days, varied
from ess.dynamics import cost_with_wear
from ess.portfolio import coordinate
from ess.problem import BatteryProblem
from ess.shared import SharedLimits
from tests.benchmarks import highs
from tests.benchmarks.instances import KINDS, random_problem
from tests.benchmarks.registry import Row, at_least, at_most, best_of

TRIALS_PER_KIND, TRIAL_STEPS, MILP_ROWS, BATCH = 150, 24, 60, 10_000
SEED = 9_001  # of days that nothing was trained on


def agreement(scale: float) -> list[Row]:
    """The exact plan's cost against the MILP's, and its proof against its cost, on problems of every kind."""
    each = max(int(TRIALS_PER_KIND * scale), 3)
    count, worst, unproven = 0, 0.0, 0.0
    for seed, kind in enumerate(KINDS):
        problem = random_problem(kind, rows=2 * each, steps=TRIAL_STEPS, seed=SEED + seed)
        problem = problem.rows(slice(0, each))
        plan = exact.certified_plan(problem)
        cost = cost_with_wear(problem, plan.charge_kw, plan.discharge_kw)
        least = [
            highs.solve(problem.rows([row]), integer=True, tolerance=1e-9).cost for row in range(len(cost))
        ]
        count += len(cost)
        worst = max(worst, float(np.abs(cost - least).max()))
        unproven = max(unproven, float(np.abs(cost - plan.bound).max()))
    return [
        at_least("exact: problems of every kind", count, "problems", 1_000 if scale >= 1 else 1),
        at_most("exact: largest difference from the MILP", worst, "money", 1e-7),
        at_most("exact: largest difference from its certificate", unproven, "money", 1e-9),
    ]


def speed(scale: float) -> list[Row]:
    """Times faster than HiGHS, ordinary and negative prices."""
    rows = max(int(BATCH * scale), 100)
    ordinary = varied(seed_days(rows, seed=SEED), seed=SEED)
    rng = np.random.default_rng(SEED)
    buy = ordinary.buy - np.where(rng.random(ordinary.shape) < 0.3, 0.4, 0)
    negative = replace(ordinary, buy=buy, sell=0.3 * buy)
    found = []
    for name, problem, target in (("", ordinary, 5_000), (", negative prices", negative, 300)):
        milp_s = milp_seconds(problem, max(int(MILP_ROWS * scale), 3))
        exact_s = seconds_a_row(lambda problem=problem: exact.solve(problem), problem)
        found += [
            Row(f"HiGHS MILP{name}", milp_s * 1e3, "ms a day"),
            Row(f"exact{name}", exact_s * 1e6, "µs a day"),
            at_least(f"exact{name}: times faster than the MILP", milp_s / exact_s, "ratio", target),
        ]
    return found


def milp_seconds(problem: BatteryProblem, count: int) -> float:
    """Mean time that HiGHS takes for one of ``count`` rows."""
    return float(np.mean([highs.solve(problem.rows([row]), integer=True).seconds for row in range(count)]))


def seconds_a_row(work: Callable[[], object], problem: BatteryProblem) -> float:
    """Time for each row of the batch, at best."""
    return best_of(work) / problem.shape[0]


def long_horizon() -> list[Row]:
    """A year of hours in one problem, against the linear programme (prices are ordinary, so it is exact)."""
    year = home_year()
    seconds = seconds_a_row(lambda: exact.solve(year), year)
    solved = [highs.solve(year.rows([home]), integer=False) for home in range(3)]
    difference = np.abs(exact.certified_plan(year).bound[:3] - [answer.cost for answer in solved]).max()
    linear_s = float(np.mean([answer.seconds for answer in solved]))
    return [
        Row("HiGHS LP, 8,760 hours", linear_s * 1e3, "ms a year"),
        Row("exact, 8,760 hours", seconds * 1e3, "ms a year"),
        at_least("exact, 8,760 hours: times faster than the LP", linear_s / seconds, "ratio", 300),
        at_most("exact, 8,760 hours: difference from the LP", float(difference), "money", 1e-6),
    ]


def neighbourhood(count: int) -> BatteryProblem:
    """A day of quarter hours of ``count`` homes, no two batteries alike."""
    rng = np.random.default_rng(SEED)
    steps = 96
    hours, shape = np.arange(steps) / 4, (count, steps)
    sun = np.clip(np.sin((hours - 6) / 12 * np.pi), 0, None)
    capacity = np.exp(rng.uniform(np.log(3), np.log(20), count))
    return BatteryProblem(
        load_kw=rng.gamma(2, 0.6, shape) * (1 + np.exp(-((hours - 19) ** 2) / 8)),
        pv_kw=sun * rng.uniform(0, 6, (count, 1)) * rng.uniform(0.7, 1, shape),
        buy=np.broadcast_to(np.where((hours >= 16) & (hours < 21), 0.5, 0.21), shape),
        sell=np.full(shape, 0.08),
        capacity_kwh=capacity,
        max_charge_kw=capacity * rng.uniform(0.2, 0.8, count),
        max_discharge_kw=capacity * rng.uniform(0.2, 0.8, count),
        charge_efficiency=rng.uniform(0.88, 0.98, count),
        discharge_efficiency=rng.uniform(0.88, 0.98, count),
        soc_initial_kwh=capacity * rng.uniform(0.1, 0.9, count),
        soc_min_kwh=0.05 * capacity,
        soc_final_kwh=0.1 * capacity,
        degradation_cost_per_kwh=np.full(count, 0.02),
        step_h=0.25,
    )


def fleet(scale: float) -> list[Row]:
    """Batteries behind a feeder, whose caps are 40 % of the import and 30 % of the export they would have."""
    problem = neighbourhood(max(int(BATCH * scale), 50))
    charge_kw, discharge_kw = exact.plan(problem)
    alone_kw = (problem.net_load_kw + charge_kw - discharge_kw).sum(axis=0)
    none = np.zeros(problem.shape[1])
    limits = SharedLimits(
        import_cap_kw=np.full_like(none, 0.4 * alone_kw.max()),
        export_cap_kw=np.full_like(none, 0.3 * -alone_kw.min()),
        other_load_kw=none,
        promised_kw=none,
        baseline_kw=none,
    )
    began = time.perf_counter()
    plan = coordinate(problem, limits)
    seconds = time.perf_counter() - began
    least, most = limits.bounds_kw
    missed = max(float((plan.grid_kw - most).max()), float((least - plan.grid_kw).max()))
    return [
        Row("fleet", problem.shape[0], "batteries of 96 steps"),
        at_most("fleet: duality gap", 100 * plan.gap, "%", 0.1),
        at_most("fleet: caps missed by", missed, "kW", 0),
        at_most("fleet: co-ordination", seconds, "s on two cores", 20),
    ]
