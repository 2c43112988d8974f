"""The least-cost plan, exactly: a linear programme, with binaries only for the rows that need them.

For each row (c charge, d discharge, i import, e export, all >= 0; s SoC; w wear price; h step):

    minimise   h * sum(buy i - sell e + w d)
    subject to s_t = s_(t-1) + gain c_t - loss d_t          (``ess.dynamics.step_gains``)
               i_t - e_t = load_t - pv_t + c_t - d_t
               floor_t <= s_t <= capacity, c <= max charge, d <= max discharge, i, e <= connection limits
               c_t = 0 or d_t = 0,  i_t = 0 or e_t = 0       (the MILP adds these through binaries)

Without the last line this is a relaxation: its cost is a lower bound. Its net power is made to keep every
limit (``ess.corridor.follow``) and replayed; when the replay costs no more than the bound, it is the
optimum and no binary is needed. That is always so when buy >= sell >= 0 and export is not limited: burning
energy in the battery or trading with oneself at the meter then cannot pay. Other rows are solved again, one
by one, as MILPs. Out of time, the best plan found so far stands, beside the bound that was proven so far.

CVXPY compiles each shape once (DPP: prices and limits are parameters); HiGHS solves a block of rows in one
call.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import cvxpy as cp
import numpy as np

from ess.corridor import follow, power_range
from ess.dynamics import cost_with_wear, replay, step_gains
from ess.plan import Plan, SolverError
from ess.problem import BatteryProblem, Floats

BLOCK_ROWS = 16
PRICE_SCALE = 1e3  # lifts price differences above the solver's absolute tolerances
IDLE_PREFERENCE = 1e-8  # money per kWh moved: between equal plans, the one that moves less
MIP_GAP = 1e-7
TIME_LIMIT_S = 10.0
COST_TOLERANCE = (
    1e-7  # relative, above the solver's own error: a plan this near the lower bound is the optimum
)
SIGNED = ("net_load", "buy", "sell")
PARAMETERS = (
    *SIGNED,
    *("wear", "gain", "loss", "initial", "floor", "capacity"),
    *("most_charge", "most_discharge", "most_import", "most_export"),
)
SOLVING = Lock()  # a compiled model carries its parameters' values


@dataclass(frozen=True, slots=True)
class Model:
    """A programme compiled once for a shape; every parameter is (n, T), in the order of ``PARAMETERS``."""

    parameters: dict[str, cp.Parameter]
    charge: cp.Variable
    discharge: cp.Variable
    grid_import: cp.Variable
    grid_export: cp.Variable
    soc: cp.Variable
    problem: cp.Problem


def plan(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T), of least cost; see ``certified_plan``."""
    return certified_plan(problem)[:2]


def certified_plan(problem: BatteryProblem) -> Plan:
    """The plan of least cost, and the solver's own lower bound. Every row must be one that can be met.

    A row for which ``TIME_LIMIT_S`` was too short has a bound below its cost.

    Raises:
        SolverError: HiGHS did not reach an optimum of the relaxation, or a row cannot be met.
    """
    charge_kw, discharge_kw, bound = relaxed_plan(problem)
    judged = replay(problem, charge_kw, discharge_kw)
    reached = judged.cost + judged.wear_cost
    inexact = ~judged.feasible | (reached > bound + COST_TOLERANCE * (1 + np.abs(bound)))
    for row in np.flatnonzero(inexact).tolist():
        one = problem.rows([row])
        net_kw, proven = _solve(one, exclusive=True)
        bound[row] = max(bound[row], proven[0])
        found = follow(one, net_kw)
        if not judged.feasible[row] or cost_with_wear(one, *found)[0] < reached[row]:
            charge_kw[row], discharge_kw[row] = (values[0] for values in found)
    return Plan(charge_kw, discharge_kw, bound)


def relaxed_plan(problem: BatteryProblem) -> Plan:
    """The plan of the linear relaxation, made to keep every limit, and its cost before that as the bound.

    Raises:
        SolverError: as ``plan``.
    """
    blocks = [problem.rows(slice(at, at + BLOCK_ROWS)) for at in range(0, problem.shape[0], BLOCK_ROWS)]
    solved = [_solve(block, exclusive=False) for block in blocks]
    charge_kw, discharge_kw = follow(problem, np.concatenate([net_kw for net_kw, _ in solved]))
    return Plan(charge_kw, discharge_kw, np.concatenate([bound for _, bound in solved]))


def _solve(problem: BatteryProblem, *, exclusive: bool) -> tuple[Floats, Floats]:
    """(net power kW (n, T), lower bound of the cost (n,)); with binaries one row, perhaps not optimal."""
    with SOLVING:
        model = compiled(*problem.shape, exclusive=exclusive)
        for name, values in parameter_values(problem).items():
            model.parameters[name].value = values
        status = run_highs(model.problem)
        # Out of time, a search has a plan to be judged (idle at worst); a relaxation has not.
        if status not in ((cp.OPTIMAL, cp.USER_LIMIT) if exclusive else (cp.OPTIMAL,)):
            raise SolverError(f"HiGHS ended with status {status}")
        charge_kw, discharge_kw, import_kw, export_kw = (
            np.asarray(variable.value)
            for variable in (model.charge, model.discharge, model.grid_import, model.grid_export)
        )
        proven = model.problem.solver_stats.extra_stats.mip_dual_bound / PRICE_SCALE
    if exclusive:
        most_kw = np.maximum(problem.max_charge_kw, problem.max_discharge_kw)
        preferred = IDLE_PREFERENCE * problem.shape[1] * most_kw  # the most that idling counted for
        return charge_kw - discharge_kw, proven - preferred
    wear = problem.degradation_cost_per_kwh[:, None] * discharge_kw
    cost = problem.step_h * (problem.buy * import_kw - problem.sell * export_kw + wear).sum(axis=1)
    return charge_kw - discharge_kw, cost


def run_highs(programme: cp.Problem) -> str:
    """Solve ``programme``, for at most ``TIME_LIMIT_S``; how that ended, as CVXPY calls it.

    Raises:
        SolverError: HiGHS failed.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Solution may be inaccurate")  # the status says so
            programme.solve(
                solver=cp.HIGHS,
                warm_start=False,  # between plans of equal cost, the choice must not depend on earlier calls
                mip_rel_gap=MIP_GAP,
                time_limit=TIME_LIMIT_S,
            )
    except cp.SolverError as error:
        raise SolverError(str(error)) from error
    return str(programme.status)


def parameter_values(problem: BatteryProblem) -> dict[str, Floats]:
    """The parameters of the compiled model, each (n, T)."""
    gain, loss = (np.broadcast_to(column[:, None], problem.shape) for column in step_gains(problem))
    wear = np.broadcast_to(problem.degradation_cost_per_kwh[:, None], problem.shape)
    floor = problem.soc_min_kwh.copy()
    floor[:, -1] = np.maximum(floor[:, -1], problem.soc_final_kwh)
    initial = np.zeros(problem.shape)
    initial[:, 0] = problem.soc_initial_kwh
    least_kw, most_kw = power_range(problem)
    scale = PRICE_SCALE * problem.step_h
    return {
        "net_load": problem.net_load_kw,
        "buy": scale * problem.buy,
        "sell": scale * problem.sell,
        "wear": scale * wear,
        "gain": gain,
        "loss": loss,
        "initial": initial,
        "floor": floor,
        "capacity": np.broadcast_to(problem.capacity_kwh[:, None], problem.shape),
        "most_charge": np.maximum(most_kw, 0),
        "most_discharge": np.maximum(-least_kw, 0),
        "most_import": np.maximum(problem.net_load_kw + most_kw, 0),
        "most_export": np.maximum(-problem.net_load_kw - least_kw, 0),
    }


@lru_cache(maxsize=32)
def compiled(rows: int, steps: int, *, exclusive: bool) -> Model:
    """The programme of a shape, with binaries if ``exclusive``; one for all callers: hold ``SOLVING``."""
    shape = (rows, steps)
    p = {name: cp.Parameter(shape, name=name, nonneg=name not in SIGNED) for name in PARAMETERS}
    charge, discharge, grid_import, grid_export = (
        cp.Variable(shape, name=name, nonneg=True) for name in ("charge", "discharge", "import", "export")
    )
    soc = cp.Variable(shape, name="soc")
    before = p["initial"] + cp.hstack([np.zeros((rows, 1)), soc[:, :-1]])
    charging, importing = (cp.Variable(shape, boolean=True) for _ in range(2)) if exclusive else (1, 1)
    discharging, exporting = (1 - charging, 1 - importing) if exclusive else (1, 1)
    constraints = [
        soc == before + cp.multiply(p["gain"], charge) - cp.multiply(p["loss"], discharge),
        soc >= p["floor"],
        soc <= p["capacity"],
        grid_import - grid_export == p["net_load"] + charge - discharge,
        charge <= cp.multiply(p["most_charge"], charging),
        discharge <= cp.multiply(p["most_discharge"], discharging),
        grid_import <= cp.multiply(p["most_import"], importing),
        grid_export <= cp.multiply(p["most_export"], exporting),
    ]
    cost = cp.multiply(p["buy"], grid_import) - cp.multiply(p["sell"], grid_export)
    wear = cp.multiply(p["wear"], discharge) + PRICE_SCALE * IDLE_PREFERENCE * (charge + discharge)
    problem = cp.Problem(cp.Minimize(cp.sum(cost + wear)), constraints)
    return Model(p, charge, discharge, grid_import, grid_export, soc, problem)
