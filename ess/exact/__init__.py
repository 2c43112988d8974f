"""The least-cost plan of each row, proven, in microseconds: dynamic programming over the stored energy.

``convex`` solves every row and bounds its cost from below. Rows whose prices make an interval non-convex, and
whose plan costs more than that bound, are solved by ``general``. Both replace a MILP: see their docstrings
for the method and its source, ``docs/ess.md`` for what was measured.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ess.dynamics import arrays_of, cost_with_wear
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
    charge_kw, discharge_kw, marginal_cost, bound, status = convex.solve_rows(given)
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


def plan(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T), of least cost; see ``solve``."""
    return solve(problem).plan[:2]


def certified_plan(problem: BatteryProblem) -> Plan:
    """As ``solve``, without the duals."""
    return solve(problem).plan
