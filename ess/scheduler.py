"""One call from a problem to schedules that have been replayed, with the reason for each in words."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.schedule import Schedule
from domain.time import TimeGrid
from ess import milp, rule
from ess.conflict import UNITS, find_conflict
from ess.corridor import can_be_met
from ess.dynamics import replay
from ess.milp import SolverError
from ess.problem import BatteryProblem, Floats

Plan = tuple[Floats, Floats]  # charge kW and discharge kW, each (n, T)
Planner = Callable[[BatteryProblem], Plan]

PLANNERS: dict[str, Planner] = {
    "milp": milp.plan,
    "lp": lambda problem: milp.relaxed_plan(problem)[:2],
    "rule": rule.plan,
}
CHAINS = {"auto": ("milp", "rule"), "milp": ("milp",), "lp": ("lp",), "rule": ("rule",)}
MERITS = {
    "milp": "least cost, solved exactly",
    "lp": "least cost of the linear relaxation, made to keep every limit",
    "rule": "stores surplus and covers deficit",
    "idle": "no action",
}


@dataclass(frozen=True, slots=True, eq=False)
class BatterySchedule:
    """Plans for n batteries over T intervals, judged by ``ess.dynamics.replay`` against the problem as asked.

    ``charge_kw`` and ``discharge_kw`` (n, T) at the AC terminal, both >= 0; ``soc_kwh`` (n, T) at the end
    of each interval; ``cost`` (n,) of the energy over the connection; ``feasible`` (n,): every limit kept.
    ``method`` and ``reason`` say for each row which method made the plan and why; a reason names what was
    in conflict when no plan can keep every limit, or why an earlier method was passed over. ``seconds`` is
    the time spent on all.
    """

    charge_kw: Floats
    discharge_kw: Floats
    soc_kwh: Floats
    cost: Floats
    feasible: NDArray[np.bool_]
    method: tuple[str, ...]
    reason: tuple[str, ...]
    seconds: float

    def row(self, index: int, grid: TimeGrid) -> Schedule:
        """The schedule of battery ``index`` on ``grid``."""
        return Schedule(
            grid=grid,
            charge_kw=self.charge_kw[index],
            discharge_kw=self.discharge_kw[index],
            soc_kwh=self.soc_kwh[index],
            method=self.method[index],
            reason=self.reason[index],
        )


def schedule(problem: BatteryProblem, method: str = "auto") -> BatterySchedule:
    """Plan every row by ``method``: "milp", "lp", "rule", or "auto" (milp, and the rule where that fails).

    A plan that its replay refuses, or that a solver does not return, gives way to the next method, in the
    end to no action. A row that no plan can satisfy is planned with the least relaxation of its limits, and
    comes back with ``feasible`` False.

    Raises:
        FieldError: the method is not one of the four.

    >>> problem = BatteryProblem(
    ...     load_kw=np.array([[0.0, 2.0]]), pv_kw=np.array([[2.0, 0.0]]), step_h=1.0,
    ...     buy=np.array([[0.3, 0.3]]), sell=np.array([[0.1, 0.1]]),
    ...     capacity_kwh=np.array([4.0]), max_charge_kw=np.array([2.0]), max_discharge_kw=np.array([2.0]),
    ...     charge_efficiency=np.array([1.0]), discharge_efficiency=np.array([1.0]),
    ...     soc_initial_kwh=np.array([0.0]), soc_min_kwh=np.array([0.0]), soc_final_kwh=np.array([0.0]))
    >>> plan = schedule(problem)
    >>> plan.soc_kwh.round(6).tolist(), plan.method, plan.reason
    ([[2.0, 0.0]], ('milp',), ('least cost, solved exactly',))
    """
    if method not in CHAINS:
        raise FieldError("method", f"must be one of {', '.join(CHAINS)}, got {method!r}")
    began = time.perf_counter()
    target, notes = _least_relaxed(problem)
    charge_kw, discharge_kw = np.zeros(problem.shape), np.zeros(problem.shape)
    methods = ["idle"] * len(notes)
    pending = list(range(len(notes)))
    for name in CHAINS[method]:
        if not pending:
            break
        (charges, discharges), failures = _attempt(PLANNERS[name], target.rows(pending))
        for row, charge, discharge, failure in zip(pending, charges, discharges, failures, strict=True):
            if failure:
                notes[row].append(f"{name} passed over ({failure})")
            else:
                charge_kw[row], discharge_kw[row], methods[row] = charge, discharge, name
        pending = [row for row, failure in zip(pending, failures, strict=True) if failure]
    judged = replay(problem, charge_kw, discharge_kw)
    return BatterySchedule(
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        soc_kwh=judged.soc_kwh,
        cost=judged.cost,
        feasible=judged.feasible,
        method=tuple(methods),
        reason=tuple("; ".join([*note, MERITS[name]]) for note, name in zip(notes, methods, strict=True)),
        seconds=time.perf_counter() - began,
    )


def _least_relaxed(problem: BatteryProblem) -> tuple[BatteryProblem, list[list[str]]]:
    """The problem with limits moved as little as possible where they conflict; what to say of each row."""
    notes: list[list[str]] = [[] for _ in range(problem.shape[0])]
    limits = {name: getattr(problem, name).copy() for name in UNITS}
    for row in np.flatnonzero(~can_be_met(problem)).tolist():
        try:
            conflict = find_conflict(problem.rows([row]))
        except SolverError as error:
            notes[row].append(f"no plan keeps every limit ({error})")
            continue
        notes[row].append(conflict.sentence)
        for name, values in limits.items():
            values[row] = getattr(conflict.relaxed, name)[0]
    return replace(problem, **limits), notes


def _attempt(planner: Planner, problem: BatteryProblem) -> tuple[Plan, tuple[str, ...]]:
    """A plan, and for each row why it will not do ("" where it will). A failing batch is tried row by row."""
    try:
        plan = planner(problem)
    except SolverError as error:
        if problem.shape[0] == 1:
            return (np.zeros(problem.shape), np.zeros(problem.shape)), (str(error),)
        attempts = [_attempt(planner, problem.rows([row])) for row in range(problem.shape[0])]
        charge_kw, discharge_kw = (np.vstack([plan[part] for plan, _ in attempts]) for part in (0, 1))
        return (charge_kw, discharge_kw), tuple(failures[0] for _, failures in attempts)
    return plan, replay(problem, *plan).violations
