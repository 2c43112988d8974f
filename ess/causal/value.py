"""The expected cost from each state of charge on: a stochastic dynamic programme, compiled.

Going backwards over the intervals after the current one, for each scenario's net load in turn,

    value_t(soc) = mean over scenarios of min over next of [cost_t(next - soc, scenario) + value_(t+1)(next)]

on a grid of states between the corridor's bounds. The minimum is found by levels (``ess.causal.levels``): one
pass over the grid for each slope of the cost, then a constant time for each state. Scenarios are drawn anew
in each interval: no plan may count on knowing from one interval which scenario the next will follow.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ess.exact.convex import envelope, pieces

Array = NDArray[np.float64]

GRID = 49  # states; the loss to a grid four times as fine is below 0.05 % of the savings

MOST_CHARGE, MOST_DISCHARGE, GAIN, LOSS, WEAR, STEP_H = range(6)  # columns of ``Horizon.battery``


class Horizon(NamedTuple):
    """What is known of n batteries over T intervals.

    ``prices`` (n, 2, T) buy and sell; ``limits`` (n, 2, T) import and export limit, kW; ``corridor``
    (n, 2, T + 1) lowest and highest SoC at the start of each interval and the end of the last; ``battery``
    (n, 6) max charge and discharge kW, gain and loss kWh per kW, wear per kWh, interval in hours.
    """

    prices: Array
    limits: Array
    corridor: Array
    battery: Array


@njit(cache=True)
def next_states(soc: Array, net: Array, ahead: Array, step: int, horizon: Horizon) -> Array:
    """SoC (n,) at the end of interval ``step`` from ``soc`` (n,) kWh, at least expected cost.

    ``net`` (n,) is the net load of the interval, kW; ``ahead`` (n, S, T - step - 1) that of the later ones.
    """
    reached = np.empty_like(soc)
    cuts, slopes, levels = np.empty(4), np.empty(3), np.empty(3)
    for row in range(soc.size):
        value = _value(ahead[row], row, horizon)
        _pieces(net[row], (row, step), horizon, cuts, slopes)
        low, high = horizon.corridor[row, 0, step + 1], horizon.corridor[row, 1, step + 1]
        for piece in range(3):
            levels[piece] = _level(value, low, high, slopes[piece])
        reached[row] = _follow(soc[row], levels, cuts, low, high)
    return reached


@njit(cache=True)
def _value(ahead: Array, row: int, horizon: Horizon) -> Array:
    """Expected cost (GRID,) from the states at the start of the intervals ``ahead`` on."""
    scenarios, later = ahead.shape
    steps = horizon.prices.shape[2]
    value, mean = np.zeros(GRID), np.zeros(GRID)
    cuts, slopes, levels = np.empty(4), np.empty(3), np.empty(3)
    for step in range(steps - 1, steps - 1 - later, -1):
        low, high = horizon.corridor[row, 0, step + 1], horizon.corridor[row, 1, step + 1]
        first, last = horizon.corridor[row, 0, step], horizon.corridor[row, 1, step]
        mean[:] = 0.0
        for scenario in range(scenarios):
            net = ahead[scenario, step - steps + later]
            _pieces(net, (row, step), horizon, cuts, slopes)
            for piece in range(3):
                levels[piece] = _level(value, low, high, slopes[piece])
            for node in range(GRID):
                soc = first + (last - first) * node / (GRID - 1)
                after = _follow(soc, levels, cuts, low, high)
                mean[node] += _cost(after - soc, net, (row, step), horizon)
                mean[node] += _between(value, low, high, after)
        value[:] = mean / scenarios
    return value


@njit(cache=True)
def _pieces(net: float, place: tuple[int, int], horizon: Horizon, cuts: Array, slopes: Array) -> None:
    """Ends (4,) of the three pieces of the cost, in kWh of SoC change, and its slope (3,) on each.

    Where prices make the cost concave (export dearer than import, or a price below zero), of its envelope.
    """
    row, step = place
    most_charge, most_discharge = horizon.battery[row, MOST_CHARGE], horizon.battery[row, MOST_DISCHARGE]
    gain, loss = horizon.battery[row, GAIN], horizon.battery[row, LOSS]
    wear, step_h = horizon.battery[row, WEAR], horizon.battery[row, STEP_H]
    buy, sell = horizon.prices[row, 0, step], horizon.prices[row, 1, step]
    most = min(most_charge, max(horizon.limits[row, 0, step] - net, -most_discharge))
    least = min(max(-most_discharge, -horizon.limits[row, 1, step] - net), most)
    drawn, stored = step_h / loss, step_h / gain
    _, cuts[0], a, b, c, first, second, third = pieces(
        net, buy, sell, wear, gain, loss, drawn, stored, least, most, step_h
    )
    slopes[0], slopes[1], slopes[2], one, two, three = envelope(a, b, c, first, second, third)
    cuts[1] = cuts[0] + one
    cuts[2] = cuts[1] + two
    cuts[3] = cuts[2] + three


@njit(cache=True)
def _level(value: Array, low: float, high: float, slope: float) -> float:
    """The state in [low, high] up to which it pays to store at ``slope`` per kWh."""
    width = (high - low) / (GRID - 1)
    node = 0
    while node < GRID - 1 and value[node + 1] - value[node] < -slope * width:
        node += 1
    return low + node * width


@njit(cache=True)
def _follow(soc: float, levels: Array, cuts: Array, low: float, high: float) -> float:
    """``Moves.next_soc_kwh`` of one battery; the pieces run from exporting to importing."""
    wished = max(soc + cuts[0], min(levels[0], soc + cuts[1]))
    wished = max(wished, min(levels[1], soc + cuts[2]), min(levels[2], soc + cuts[3]))
    return float(min(max(wished, low), high))


@njit(cache=True)
def _cost(change: float, net: float, place: tuple[int, int], horizon: Horizon) -> float:
    """What an interval costs whose SoC changes by ``change`` kWh, wear included."""
    row, step = place
    battery = horizon.battery
    power = change / (battery[row, GAIN] if change > 0 else battery[row, LOSS])
    grid = net + power
    money = horizon.prices[row, 0 if grid > 0 else 1, step] * grid + battery[row, WEAR] * max(-power, 0.0)
    return float(battery[row, STEP_H] * money)


@njit(cache=True)
def _between(value: Array, low: float, high: float, soc: float) -> float:
    if high <= low:
        return float(value[0])
    place = min(max((soc - low) / (high - low), 0.0), 1.0) * (GRID - 1)
    node = min(int(place), GRID - 2)
    return float(value[node] + (place - node) * (value[node + 1] - value[node]))
