"""The battery's programme handed to HiGHS as arrays, without a modelling layer.

Variables of interval t: charge, discharge, import, export, SoC and (for the MILP) two binaries; rows: SoC
balance, power balance and (for the MILP) four switches. The clock runs while HiGHS takes the model and solves
it.
"""

import time
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import bmat, csc_matrix, eye

from ess.corridor import power_range
from ess.dynamics import step_gains
from ess.problem import BatteryProblem

PARTS = ("charge", "discharge", "import", "export", "soc")


@dataclass(frozen=True, slots=True)
class Solved:
    """Cost with wear, net power (T,), and seconds spent in HiGHS."""

    cost: float
    power_kw: NDArray[np.float64]
    seconds: float


def solve(problem: BatteryProblem, *, integer: bool, tolerance: float = 1e-7) -> Solved:
    """The optimum of a problem of one row, as MILP or as LP, its limits kept to ``tolerance``."""
    model = highspy.HighsModel()
    lp = model.lp_
    steps = problem.shape[1]
    cost, lower, upper, matrix, below, above = _arrays(problem, integer=integer)
    lp.num_col_, lp.num_row_ = len(cost), len(below)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
    lp.row_lower_, lp.row_upper_ = below, above
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    if integer:
        kinds = [highspy.HighsVarType.kContinuous] * (5 * steps)
        lp.integrality_ = kinds + [highspy.HighsVarType.kInteger] * (2 * steps)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)  # noqa: FBT003 - an option's value
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_rel_gap", 1e-9)
    solver.setOptionValue("mip_abs_gap", 1e-9)
    for option in ("primal_feasibility_tolerance", "mip_feasibility_tolerance"):
        solver.setOptionValue(option, tolerance)
    began = time.perf_counter()
    solver.passModel(model)
    solver.run()
    seconds = time.perf_counter() - began
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"HiGHS ended with {solver.getModelStatus()}")
    values = np.array(solver.getSolution().col_value)
    power_kw = values[:steps] - values[steps : 2 * steps]
    return Solved(solver.getInfo().objective_function_value, power_kw, seconds)


def _arrays(problem: BatteryProblem, *, integer: bool):
    steps, h = problem.shape[1], problem.step_h
    gain, loss = (float(column[0]) for column in step_gains(problem))
    least, most = (values[0] for values in power_range(problem))
    net = problem.net_load_kw[0]
    most_charge, most_discharge = np.maximum(most, 0), np.maximum(-least, 0)
    most_import, most_export = np.maximum(net + most, 0), np.maximum(-net - least, 0)
    floor = problem.soc_min_kwh[0].copy()
    floor[-1] = max(floor[-1], problem.soc_final_kwh[0])
    wear = problem.degradation_cost_per_kwh[0]
    none, one = np.zeros(steps), eye(steps)
    cost = [none, np.full(steps, h * wear), h * problem.buy[0], -h * problem.sell[0], none]
    lower = [none, none, none, none, floor]
    upper = [most_charge, most_discharge, most_import, most_export, np.full(steps, problem.capacity_kwh[0])]
    before = eye(steps, k=-1)
    start = np.zeros(steps)
    start[0] = problem.soc_initial_kwh[0]
    blocks = [[-gain * one, loss * one, None, None, one - before], [-one, one, one, -one, None]]
    below, above = [start, net], [start, net]
    if integer:
        cost += [none, none]
        lower += [none, none]
        upper += [np.ones(steps), np.ones(steps)]
        blocks = [[*row, None, None] for row in blocks]

        def switch(part: int, binary: int, most: NDArray[np.float64], *, on: bool) -> None:
            row: list[object] = [None] * 7
            row[part] = one
            row[5 + binary] = csc_matrix(np.diag(-most if on else most))
            blocks.append(row)
            below.append(np.full(steps, -np.inf))
            above.append(none if on else most)

        switch(0, 0, most_charge, on=True)
        switch(1, 0, most_discharge, on=False)
        switch(2, 1, most_import, on=True)
        switch(3, 1, most_export, on=False)
    matrix = csc_matrix(bmat(blocks))
    matrix.eliminate_zeros()
    return (
        np.concatenate(cost),
        np.concatenate(lower),
        np.concatenate(upper),
        matrix,
        np.concatenate(below),
        np.concatenate(above),
    )
