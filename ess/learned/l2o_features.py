"""What the network sees of a problem: the day in a form that no unit, price level or battery size changes.

In each interval the cost is convex and piecewise linear in the change of stored energy, with three pieces:
give up energy for export, keep or use it for the home's own net load, buy energy to store. A piece has a
length in kWh and a marginal price per kWh stored; the lengths depend on net load and ratings only, the
marginal prices on buy, sell, wear and efficiency. Lengths are divided by the usable capacity, prices centred
and divided by their spread over the day: neither moves the optimum (adding a constant to every marginal
price adds the same to every plan that ends in the same state).

Four more series spare the network what it is bad at, running minima and maxima: the state of charge when the
home only ever stores its own surplus and serves its own deficit, from the initial state; the state from which
the same would end in the final one; the dearest own use and the cheapest purchase still to come.

The network sees a day as 24 blocks; a day of finer intervals is averaged.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.errors import FieldError
from ess.dynamics import step_gains
from ess.problem import BatteryProblem, Floats

BLOCKS = 24
DAY_H = 24.0
PIECES = 3
SERIES = 1 + PIECES + 4
SCALARS = 6
FEATURES = SERIES * BLOCKS + SCALARS
OWN_PRICE, BUY_PRICE, KEPT, NEEDED, DEAREST, CHEAPEST = (place * BLOCKS for place in range(2, SERIES))
SMALLEST_KWH = 1e-9
SMALLEST_SPREAD = 1e-9


def features(problem: BatteryProblem) -> NDArray[np.float32]:
    """(n, 198): eight series of 24 blocks, then six scalars.

    The series: the own-load piece's length, positive where the home has a surplus; three marginal prices; and
    the four that the module's docstring names last, in its order.

    The scalars: the longest charge and discharge of a block, initial and final state above the floor, all as
    shares of the usable capacity; the two efficiencies.

    Raises:
        FieldError: the problem is not one day in 24 equal parts, or in parts of those.
    """
    rows, steps = problem.shape
    if steps % BLOCKS or abs(steps * problem.step_h - DAY_H) > DAY_H * 1e-9:
        raise FieldError(
            "step_h",
            f"l2o plans days of 24 h in 24, 48, 96, ... intervals, got {steps} of {problem.step_h} h",
        )
    parts = steps // BLOCKS
    net, buy, sell = _blocks(problem)
    gain, loss = (parts * column[:, None] for column in step_gains(problem))
    floor, usable = usable_range(problem)
    shares = 1 / usable[:, None]
    longest_charge = np.minimum(gain * problem.max_charge_kw[:, None] * shares, 1)
    longest_discharge = np.minimum(loss * problem.max_discharge_kw[:, None] * shares, 1)
    own = -net * np.where(net > 0, loss, gain) * shares
    own = np.clip(own, -longest_discharge, longest_charge)
    prices = _prices(problem, net, buy, sell)
    centre, spread = _scale(prices)
    seen = np.empty((rows, FEATURES), dtype=np.float32)
    seen[:, :BLOCKS] = own
    for place, values in zip(marginal_prices(seen), prices, strict=True):
        place[:] = (values - centre) / spread
    initial = (problem.soc_initial_kwh - floor) * shares[:, 0]
    final = np.maximum(problem.soc_final_kwh - floor, 0) * shares[:, 0]
    efficiencies = (problem.charge_efficiency, problem.discharge_efficiency)
    scalars = (longest_charge[:, 0], longest_discharge[:, 0], initial, final, *efficiencies)
    for place, values in enumerate(scalars):
        seen[:, SERIES * BLOCKS + place] = values
    _look_along(seen, initial, final)
    return seen


def interval_prices(problem: BatteryProblem, seen: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """The pieces' marginal prices in each interval, each (n, T), on the scale of the features ``seen``."""
    if problem.shape[1] == BLOCKS:
        return marginal_prices(seen)
    centre, spread = _scale(_prices(problem, *_blocks(problem)))
    prices = _prices(problem, problem.net_load_kw, problem.buy, problem.sell)
    return tuple(((values - centre) / spread).astype(np.float32) for values in prices)


def _blocks(problem: BatteryProblem) -> tuple[Floats, ...]:
    """Net load, buy and sell, means over each of the 24 blocks, each (n, 24)."""
    series = (problem.net_load_kw, problem.buy, problem.sell)
    return tuple(values.reshape(len(values), BLOCKS, -1).mean(axis=2) for values in series)


def _prices(problem: BatteryProblem, net: Floats, buy: Floats, sell: Floats) -> tuple[Floats, ...]:
    """What a kWh stored costs in each piece, three arrays of the shape of ``net``."""
    inward, outward = problem.charge_efficiency[:, None], problem.discharge_efficiency[:, None]
    wear = problem.degradation_cost_per_kwh[:, None]
    own = np.where(net > 0, (buy - wear) * outward, sell / inward)
    return (sell - wear) * outward, own, buy / inward


def _scale(prices: tuple[Floats, ...]) -> tuple[Floats, Floats]:
    """(mean, root mean square about it) of all prices of a day, each (n, 1)."""
    together = np.concatenate(prices, axis=1)
    return together.mean(axis=1)[:, None], together.std(axis=1)[:, None] + SMALLEST_SPREAD


@njit(cache=True, nogil=True)
def _look_along(seen: NDArray[np.float32], initial: Floats, final: Floats) -> None:
    """Fill the four series that run along the day from those before them."""
    for i in range(len(seen)):
        state = initial[i]
        for t in range(BLOCKS):
            state = min(max(state + seen[i, t], 0.0), 1.0)
            seen[i, KEPT + t] = state
        state, high, low = final[i], -np.inf, np.inf
        for t in range(BLOCKS - 1, -1, -1):
            seen[i, NEEDED + t] = state
            state = min(max(state - seen[i, t], 0.0), 1.0)
            high = max(high, seen[i, OWN_PRICE + t])
            low = min(low, seen[i, BUY_PRICE + t])
            seen[i, DEAREST + t], seen[i, CHEAPEST + t] = high, low


def marginal_prices(seen: Any) -> tuple[Any, ...]:  # noqa: ANN401 (arrays of numpy or of torch)
    """The pieces' marginal prices among the features, each (n, 24)."""
    return tuple(seen[:, (piece + 1) * BLOCKS : (piece + 2) * BLOCKS] for piece in range(PIECES))


def usable_range(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(lowest floor of the day, capacity above it), kWh, each (n,); the second is never 0."""
    floor = problem.soc_min_kwh.min(axis=1)
    return floor, np.maximum(problem.capacity_kwh - floor, SMALLEST_KWH)
