"""Which states of charge still allow every later limit to be kept, and the nearest plan among them.

Going backwards from the last interval, the states from which all later limits can be met form an interval
[lower, upper]: net power p ranges over an interval (battery ratings and connection limits), the change of SoC
is continuous and rising in p, so the states that can reach [lower, upper] in one interval are
[lower - change(highest p), upper - change(lowest p)], cut by the floor and the capacity. This is the exact
reachable set of viability theory (Aubin 1991) in one dimension. A problem can be met if and only if its
initial state lies in the first such interval, and any wish can then be followed as closely as the corridor
allows.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ess.dynamics import TOLERANCE, soc_change_kwh, step_gains, stored_compiled
from ess.problem import BatteryProblem, Floats

ROUNDING = TOLERANCE / 2  # kW or kWh: a conflict so small that a replay would not see it is none


def soc_corridor(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """Lowest and highest SoC at the start of each interval and at the end of the last, kWh, each (n, T + 1).

    Where no state would do, lower is +inf and upper is -inf.
    """
    gain, loss = step_gains(problem)
    end_kwh = np.maximum(problem.soc_min_kwh[:, -1], problem.soc_final_kwh)
    found: tuple[Floats, Floats] = _backwards(
        *power_range(problem), problem.soc_min_kwh, end_kwh, problem.capacity_kwh, gain, loss
    )
    return found


def can_be_met(problem: BatteryProblem) -> NDArray[np.bool_]:
    """Whether any schedule keeps every limit, for each row, shape (n,)."""
    lower, upper = soc_corridor(problem)
    start = problem.soc_initial_kwh
    met: NDArray[np.bool_] = (lower[:, 0] <= start + ROUNDING) & (start <= upper[:, 0] + ROUNDING)
    return met


def follow(problem: BatteryProblem, wished_kw: Floats) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T): the wish, bent in each interval as little as keeps every limit.

    ``wished_kw`` is net power (n, T), positive charging. Rows that cannot be met come back with whatever the
    ratings allow; their replay says what is broken.
    """
    lower, upper = soc_corridor(problem)
    least_kw, most_kw = power_range(problem)
    gain, loss = step_gains(problem)
    power_kw = np.empty(problem.shape)
    soc_kwh = problem.soc_initial_kwh
    for t in range(problem.shape[1]):
        least = np.maximum(least_kw[:, t], _power(lower[:, t + 1] - soc_kwh, gain, loss))
        most = np.minimum(most_kw[:, t], _power(upper[:, t + 1] - soc_kwh, gain, loss))
        wish = np.minimum(np.maximum(wished_kw[:, t], least), most)
        rated = np.clip(wish, -problem.max_discharge_kw, problem.max_charge_kw)
        empty, full = _power(-soc_kwh, gain, loss), _power(problem.capacity_kwh - soc_kwh, gain, loss)
        power_kw[:, t] = np.clip(rated, empty, full)
        soc_kwh = soc_kwh + _change(problem, power_kw[:, t, None])[:, 0]
    return np.maximum(power_kw, 0.0), np.maximum(-power_kw, 0.0)


def power_range(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """Least and most net power that ratings and connection limits allow, kW, each (n, T).

    Where they contradict each other, least > most.
    """
    least_kw = np.maximum(-problem.max_discharge_kw[:, None], -problem.export_limit_kw - problem.net_load_kw)
    most_kw = np.minimum(problem.max_charge_kw[:, None], problem.import_limit_kw - problem.net_load_kw)
    return least_kw, most_kw


@njit(cache=True, nogil=True)
def _backwards(least_kw, most_kw, floor_kwh, end_kwh, capacity_kwh, gain, loss):  # type: ignore[no-untyped-def] # numba infers
    """The recursion of ``soc_corridor`` over all rows."""
    rows, steps = least_kw.shape
    lower, upper = np.empty((rows, steps + 1)), np.empty((rows, steps + 1))
    for row in range(rows):
        low, high = end_kwh[row], capacity_kwh[row]
        lower[row, steps], upper[row, steps] = low, high
        for t in range(steps - 1, -1, -1):
            least, most = least_kw[row, t], most_kw[row, t]
            low -= stored_compiled(max(most, 0.0), max(-most, 0.0), gain[row], loss[row])
            high -= stored_compiled(max(least, 0.0), max(-least, 0.0), gain[row], loss[row])
            if t > 0:  # the initial state is given
                low, high = max(low, floor_kwh[row, t - 1]), min(high, capacity_kwh[row])
            if least > most + ROUNDING or low > high + ROUNDING:
                low, high = np.inf, -np.inf
            lower[row, t], upper[row, t] = low, high
    return lower, upper


def _change(problem: BatteryProblem, power_kw: Floats) -> Floats:
    return soc_change_kwh(np.maximum(power_kw, 0), np.maximum(-power_kw, 0), problem)


def _power(change_kwh: Floats, gain: Floats, loss: Floats) -> Floats:
    """Net power, kW, that changes the SoC by ``change_kwh`` in one interval: the inverse of ``_change``."""
    return np.where(change_kwh > 0, change_kwh / gain, change_kwh / loss)
