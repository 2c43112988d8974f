"""The least-cost plan of each row, proven, in microseconds: dynamic programming over the stored energy.

``convex`` solves every row and bounds its cost from below. Rows whose prices make an interval non-convex, and
whose plan costs more than that bound, are solved by ``general``. Both replace a MILP: see their docstrings
for the method and its source, ``docs/ess.md`` for what was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ess.dynamics import arrays_of, cost_with_wear, replay, soc_change_kwh
from ess.exact import convex, general
from ess.plan import Plan, SolverError
from ess.problem import BatteryProblem, Floats

PROVEN = 1e-10  # relative: a plan this near its bound is the optimum


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The least-cost plans of n batteries over T intervals.

    ``plan.bound`` (n,) is the certificate; ``marginal_cost`` (n, T): what one more kWh stored at the end of
    an interval would have cost, in money per kWh, the dual of the balance of stored energy. Rows in
    ``searched`` needed the general programme; there the duals are those of the convex envelope.
    """

    plan: Plan
    marginal_cost: Floats
    searched: NDArray[np.intp]


def solve(problem: BatteryProblem) -> Optimum:
    """The least-cost plan of every row, with duals. Every row must be one that can be met.

    Raises:
        SolverError: a row cannot be met, or its value function outgrew the memory set aside for it.
    """
    given = arrays_of(problem)
    charge_kw, discharge_kw, marginal_cost, bound, status = convex.solve_window(
        given, 0, problem.shape[1], given.initial_kwh, problem.soc_final_kwh
    )
    unmet = status == convex.UNMET
    if unmet.any():
        raise SolverError(f"row {np.argmax(unmet)} cannot keep every limit")
    searched = np.flatnonzero(status == convex.BENT)
    if searched.size:
        cost = cost_with_wear(problem.rows(searched), charge_kw[searched], discharge_kw[searched])
        searched = searched[cost > bound[searched] + PROVEN * (1 + np.abs(bound[searched]))]
    if searched.size:
        charges, discharges, least, status = general.solve_rows(searched, given)
        if status.any():
            raise SolverError(f"row {searched[np.argmax(status)]} has too many break points")
        charge_kw[searched], discharge_kw[searched], bound[searched] = charges, discharges, least
    return Optimum(Plan(charge_kw, discharge_kw, bound), marginal_cost, searched)


def polish(
    problem: BatteryProblem, charge_kw: Floats, discharge_kw: Floats, *, edges: Sequence[int]
) -> tuple[Floats, Floats]:
    """A feasible plan, (n, T) kW each, made the least costly in each part between two of ``edges``, 0 to T.

    The state of charge at the end of each part but the last stays at least what the plan had there. Rows
    that this does not make cheaper (prices may be such that a part is not convex) stay as they are.
    """
    given = arrays_of(problem)
    before = replay(problem, charge_kw, discharge_kw)
    polished = Plan.unproven(np.empty(problem.shape), np.empty(problem.shape))
    state_kwh = problem.soc_initial_kwh
    for begin, end in pairwise(edges):
        last = end == problem.shape[1]
        left_kwh = problem.soc_final_kwh if last else before.soc_kwh[:, end - 1].copy()
        charges, discharges, *_ = convex.solve_window(given, begin, end, state_kwh, left_kwh)
        polished.charge_kw[:, begin:end], polished.discharge_kw[:, begin:end] = charges, discharges
        state_kwh = state_kwh + soc_change_kwh(charges, discharges, problem).sum(axis=1)
    after = replay(problem, polished.charge_kw, polished.discharge_kw)
    better = after.feasible & (after.cost + after.wear_cost < before.cost + before.wear_cost)
    polished.charge_kw[~better], polished.discharge_kw[~better] = charge_kw[~better], discharge_kw[~better]
    return polished.charge_kw, polished.discharge_kw


def plan(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T), of least cost; see ``solve``."""
    return solve(problem).plan[:2]


def certified_plan(problem: BatteryProblem) -> Plan:
    """As ``solve``, without the duals."""
    return solve(problem).plan
