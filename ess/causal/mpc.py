"""Model predictive control with scenarios: in each interval the rest of the horizon is planned anew."""

import numpy as np

from ess.causal.levels import Moves, power_kw
from ess.causal.outlook import Outlook
from ess.causal.value import Horizon, next_states
from ess.corridor import follow
from ess.dynamics import step_gains
from ess.problem import BatteryProblem, Floats


def plan(problem: BatteryProblem, outlook: Outlook | None = None) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T), decided interval by interval without foresight.

    What is known of interval t when it is decided: its own net load, the prices and limits of all
    intervals, and the scenarios of ``outlook`` moved by what t has shown. Without an outlook the problem's
    own load and PV are believed: then this is the optimum, to the grid of ``ess.causal.value``.

    Raises:
        FieldError: the outlook is of other rows or intervals.
    """
    outlook = Outlook.of(outlook, problem)
    rows, steps = problem.shape
    horizon, net_kw = _horizon(problem), problem.net_load_kw
    soc_kwh = np.empty((rows, steps + 1))
    soc_kwh[:, 0] = problem.soc_initial_kwh
    for step in range(steps):
        now = np.ascontiguousarray(net_kw[:, step])
        ahead = np.ascontiguousarray(outlook.ahead(now, step, problem.step_h))
        soc_kwh[:, step + 1] = next_states(soc_kwh[:, step].copy(), now, ahead, step, horizon)
    return follow(problem, power_kw(problem, soc_kwh))


def _horizon(problem: BatteryProblem) -> Horizon:
    moves = Moves.of(problem)
    ratings = (problem.max_charge_kw, problem.max_discharge_kw, *step_gains(problem))
    wear, step_h = problem.degradation_cost_per_kwh, np.full(problem.shape[0], problem.step_h)
    return Horizon(
        prices=np.stack([problem.buy, problem.sell], axis=1),
        limits=np.stack([problem.import_limit_kw, problem.export_limit_kw], axis=1),
        corridor=np.stack([moves.lower, moves.upper], axis=1),
        battery=np.stack([*ratings, wear, step_h], axis=1),
    )
