"""Why a problem cannot be met: the limits in conflict, and the least that must give.

The conflict is an irreducible set of limit families, found by a deletion filter (Chinneck and Dravnieks 1991,
doi:10.1287/ijoc.3.2.157): each family in turn is dropped for good if the rest still cannot be met. The least
relaxation is the elastic programme: every limit may be missed at a price of 1 per kWh missed (kWh of SoC at
the end of an interval, or kW of the connection times the interval's length), and the total is minimised.
Ratings and capacity are physics and do not give.
"""

from dataclasses import dataclass, replace

import cvxpy as cp
import numpy as np

from ess.corridor import can_be_met
from ess.dynamics import TOLERANCE, step_gains
from ess.plan import SolverError
from ess.problem import BatteryProblem, Floats

UNITS = {"soc_min_kwh": "kWh", "soc_final_kwh": "kWh", "import_limit_kw": "kW", "export_limit_kw": "kW"}
NOTHING = TOLERANCE / 10


@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """``families`` cannot hold together; ``relaxation`` is the most by which each limit gives, kW or kWh.

    ``relaxed`` is the problem with those limits moved, which can be met.
    """

    families: tuple[str, ...]
    relaxation: dict[str, float]
    relaxed: BatteryProblem

    @property
    def sentence(self) -> str:
        """The conflict in words."""
        gives = ", ".join(f"{name} by {amount:.3g} {UNITS[name]}" for name, amount in self.relaxation.items())
        verb = "cannot be kept" if len(self.families) == 1 else "cannot be kept together"
        return f"{' and '.join(self.families)} {verb}; least relaxation: {gives}"


def find_conflict(problem: BatteryProblem) -> Conflict:
    """What keeps a problem of one row (n = 1) from being met, and the nearest problem that can be.

    Raises:
        SolverError: the elastic programme was not solved.
    """
    missed = _least_missed(problem)
    # The solver's answer may fall short by its tolerance: a limit that gives, gives a little more.
    margin = {
        name: np.where(amount.max() > NOTHING, amount + TOLERANCE, 0) for name, amount in missed.items()
    }
    relaxed = replace(
        problem,
        soc_min_kwh=np.maximum(problem.soc_min_kwh - margin["soc_min_kwh"], 0),
        soc_final_kwh=np.maximum(problem.soc_final_kwh - margin["soc_final_kwh"].max(axis=1), 0),
        import_limit_kw=problem.import_limit_kw + margin["import_limit_kw"],
        export_limit_kw=problem.export_limit_kw + margin["export_limit_kw"],
    )
    if not can_be_met(relaxed).all():
        raise SolverError("the elastic programme left a conflict")
    gives = {name: float(amount.max()) for name, amount in missed.items() if amount.max() > NOTHING}
    return Conflict(_irreducible(problem), gives, relaxed)


def _irreducible(problem: BatteryProblem) -> tuple[str, ...]:
    kept = []
    for name in UNITS:
        without = _without(problem, name)
        if can_be_met(without).all():
            kept.append(name)
        else:
            problem = without
    return tuple(kept)


def _without(problem: BatteryProblem, name: str) -> BatteryProblem:
    values = getattr(problem, name)
    return replace(problem, **{name: np.full_like(values, np.inf if name.endswith("limit_kw") else 0.0)})


def _least_missed(problem: BatteryProblem) -> dict[str, Floats]:
    """By how much each limit is missed in each interval, each (1, T), when the total is least."""
    shape = problem.shape
    gain, loss = (column[0] for column in step_gains(problem))
    charge, discharge = cp.Variable(shape, nonneg=True), cp.Variable(shape, nonneg=True)
    charging = cp.Variable(shape, boolean=True)
    soc = problem.soc_initial_kwh[0] + cp.cumsum(gain * charge - loss * discharge, axis=1)
    grid = problem.net_load_kw + charge - discharge
    missed = {name: cp.Variable(shape, nonneg=True) for name in UNITS}
    final = np.zeros(shape)
    final[:, -1] = problem.soc_final_kwh
    reach_kw = np.abs(problem.net_load_kw) + problem.max_charge_kw + problem.max_discharge_kw
    constraints = [
        charge <= problem.max_charge_kw[0] * charging,
        discharge <= problem.max_discharge_kw[0] * (1 - charging),
        soc >= 0,
        soc <= problem.capacity_kwh[0],
        soc >= problem.soc_min_kwh - missed["soc_min_kwh"],
        soc >= final - missed["soc_final_kwh"],
        grid <= np.minimum(problem.import_limit_kw, reach_kw) + missed["import_limit_kw"],
        -grid <= np.minimum(problem.export_limit_kw, reach_kw) + missed["export_limit_kw"],
    ]
    hours = {name: problem.step_h if UNITS[name] == "kW" else 1.0 for name in UNITS}
    total_kwh = sum(hours[name] * cp.sum(amount) for name, amount in missed.items())
    elastic = cp.Problem(cp.Minimize(total_kwh), constraints)
    elastic.solve(solver=cp.HIGHS)
    if elastic.status != cp.OPTIMAL:
        raise SolverError(f"the elastic programme ended with status {elastic.status}")
    return {name: np.maximum(amount.value, 0) for name, amount in missed.items()}
