"""The policy's last layer: from levels of stored energy to a plan, and the gradient of its cost.

The network gives each interval three levels, falling from piece to piece (see ``l2o_features``):
export from the battery down to the first, serve the home's net load down to (or store its surplus up to) the
second, buy to store up to the third. This is a base-stock policy (Clark and Scarf 1960,
doi:10.1287/mnsc.6.4.475): the optimum of a convex problem has this very form, with the levels where the value
of stored energy falls to the piece's marginal price. Interval by interval the state is moved through the
pieces towards the levels and clamped into the corridor of states that still allow every later limit to be
kept, so any levels whatever give a plan that keeps all limits.

``plan_levels`` is that policy. ``soft_costs`` rounds its corners over ``softness`` of the usable capacity, so
that a level also feels what lies just beyond its piece, and gives the cost with its gradient.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ess.corridor import power_range, soc_corridor
from ess.dynamics import step_gains, stored_compiled
from ess.learned.l2o_features import PIECES, usable_range
from ess.problem import BatteryProblem, Floats

Arrays = tuple[Floats, ...]


def arrays_of(problem: BatteryProblem) -> Arrays:
    """What the compiled walk reads of a problem: 7 arrays (n, T) or (n, T + 1), then 8 columns (n,)."""
    lower, upper = soc_corridor(problem)
    least_kw, most_kw = power_range(problem)
    series = (problem.net_load_kw, lower, upper, least_kw, most_kw, problem.buy, problem.sell)
    ratings = (*step_gains(problem), problem.max_charge_kw, problem.max_discharge_kw)
    return (
        *series,
        *ratings,
        problem.soc_initial_kwh,
        *usable_range(problem),
        problem.degradation_cost_per_kwh,
    )


@njit(cache=True, inline="always")
def _lengths(
    net: float, gain: float, loss: float, most_charge: float, most_discharge: float
) -> tuple[float, float, float]:
    """The lengths of the three pieces, kWh; the first begins where the battery discharges fully."""
    own_discharge = min(max(net, 0.0), most_discharge)
    own_charge = min(max(-net, 0.0), most_charge)
    return (
        loss * (most_discharge - own_discharge),
        loss * own_discharge + gain * own_charge,
        gain * (most_charge - own_charge),
    )


@njit(cache=True, inline="always")
def _stored(power: float, gain: float, loss: float) -> float:
    change: float = stored_compiled(max(power, 0.0), max(-power, 0.0), gain, loss)
    return change


@njit(cache=True, nogil=True)
def plan_levels(levels: NDArray[np.floating[Any]], arrays: Arrays, power_kw: Floats) -> None:
    """Fill net ``power_kw`` (n, T), positive charging, from ``levels`` (n, T, 3), of usable capacity."""
    net, lower, upper, least, most, _, _, gain, loss, charge, discharge, initial, floor, usable, _ = arrays
    rows, steps = net.shape
    for i in range(rows):
        soc = initial[i]
        for t in range(steps):
            lengths = _lengths(net[i, t], gain[i], loss[i], charge[i], discharge[i])
            end = soc + _stored(-discharge[i], gain[i], loss[i])
            for j in range(PIECES):
                level = floor[i] + usable[i] * levels[i, t, j]
                end += min(max(level - end, 0.0), lengths[j])
            low = max(soc + _stored(least[i, t], gain[i], loss[i]), lower[i, t + 1])
            high = min(soc + _stored(most[i, t], gain[i], loss[i]), upper[i, t + 1])
            change = min(max(end, low), high) - soc
            power_kw[i, t] = change / (gain[i] if change > 0 else loss[i])
            soc += change


@njit(cache=True, inline="always")
def _softplus(x: float) -> float:
    rounded: float = max(x, 0.0) + np.log1p(np.exp(-abs(x)))
    return rounded


@njit(cache=True, inline="always")
def _sigmoid(x: float) -> float:
    share: float = 1.0 / (1.0 + np.exp(-x)) if x > 0 else np.exp(x) / (1.0 + np.exp(x))
    return share


@njit(cache=True, nogil=True)
def soft_costs(  # noqa: PLR0913, PLR0917 (a kernel)
    levels: Floats, arrays: Arrays, step_h: float, softness: float, cost: Floats, gradient: Floats
) -> None:
    """Fill ``cost`` (n,), wear included, and add its gradient by ``levels`` to ``gradient`` (n, T, 3)."""
    net, lower, upper, least, most, buy, sell, gain, loss, charge, discharge, initial, floor, usable, wear = (
        arrays
    )
    rows, steps = net.shape
    slope = np.empty((steps, PIECES))  # d end / d level, before later pieces
    held = np.empty(steps)  # 1 where the levels set the end, 0 where a bound does
    carried = np.empty(steps)  # d end / d state before
    marginal = np.empty(steps)  # d cost / d change
    for i in range(rows):
        soc, total = initial[i], 0.0
        tau = softness * usable[i]
        for t in range(steps):
            lengths = _lengths(net[i, t], gain[i], loss[i], charge[i], discharge[i])
            end, kept = soc + _stored(-discharge[i], gain[i], loss[i]), 1.0
            for j in range(PIECES):
                level = floor[i] + usable[i] * levels[i, t, j]
                reach, beyond = (level - end) / tau, (level - end - lengths[j]) / tau
                end += tau * (_softplus(reach) - _softplus(beyond))
                slope[t, j] = _sigmoid(reach) - _sigmoid(beyond)
                kept *= 1.0 - slope[t, j]
            low = max(soc + _stored(least[i, t], gain[i], loss[i]), lower[i, t + 1])
            high = min(soc + _stored(most[i, t], gain[i], loss[i]), upper[i, t + 1])
            held[t] = 1.0 if low < end < high else 0.0
            if held[t]:
                carried[t] = kept
            elif end <= low:
                carried[t] = 1.0 if low > lower[i, t + 1] else 0.0
            else:
                carried[t] = 1.0 if high < upper[i, t + 1] else 0.0
            change = min(max(end, low), high) - soc
            rate = gain[i] if change > 0 else loss[i]
            grid = net[i, t] + change / rate
            price = buy[i, t] if grid > 0 else sell[i, t]
            worn = wear[i] if change < 0 else 0.0
            total += step_h * (price * grid - worn * change / rate)
            marginal[t] = step_h * (price - worn) / rate
            soc += change
        cost[i] = total
        later = 0.0  # d later cost / d state at the end of the interval
        for t in range(steps - 1, -1, -1):
            through = held[t] * (marginal[t] + later)
            for j in range(PIECES - 1, -1, -1):
                gradient[i, t, j] += through * slope[t, j] * usable[i]
                through *= 1.0 - slope[t, j]
            later = carried[t] * (marginal[t] + later) - marginal[t]
