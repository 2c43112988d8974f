"""Plans by a network that learned to optimise: one for any battery, any prices, any home.

The network (two hidden layers) reads the day as ``l2o_features`` puts it and answers with levels of stored
energy; ``l2o_policy`` follows them inside the corridor of feasible states, so that every plan keeps every
limit, however wrong the network may be. It was trained on the cost of its own plans (``l2o_training``),
never on solutions: self-supervised learning to optimise (Donti et al. 2021, arXiv:2104.12225; the seed of
this room).

Its plan is then polished by ``ess.exact.polish``: each half of the day is planned exactly, with the state
between them as the network chose it, and then the middle half with the quarters beside it. What a network
sees worst is how the last few kWh are spread over like hours.

Its convexity is assumed, not checked: where selling costs money or pays more than buying, plans are feasible
but may be far from the optimum.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ess import exact
from ess.learned.l2o_features import BLOCKS, PIECES, features, interval_prices
from ess.learned.l2o_policy import arrays_of, plan_levels
from ess.learned.weights import load_weights
from ess.problem import BatteryProblem, Floats

NAME = "l2o"
POLISHED = ((0, 2, 4), (0, 1, 3, 4))  # edges, in quarters of the day, of one polish after the other
ROWS_AT_ONCE = 1024  # of hidden layers, to stay in the processor's cache
CORNER = 0.01
STEEPNESS = 5.0
SAID = 5  # numbers a block: level, value, two steps, slope

Floats32 = NDArray[np.float32]


class Layer(NamedTuple):
    """``weight`` (inputs, outputs) and ``bias`` (outputs,)."""

    weight: Floats32
    bias: Floats32


def plan(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T): what the network says, polished.

    Every row must be one that can be met.

    Raises:
        FieldError: the problem is not one day in 24 equal parts, or in parts of those.
    """
    planned, steps = unpolished_plan(problem), problem.shape[1]
    for parts in POLISHED:
        planned = exact.polish(problem, *planned, edges=[steps * part // 4 for part in parts])
    return planned


def unpolished_plan(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """As ``plan``, but what the network alone says."""
    return plan_with(_shipped(), problem)


def plan_with(layers: tuple[Layer, ...], problem: BatteryProblem) -> tuple[Floats, Floats]:
    """``unpolished_plan`` by a network of ``layers``."""
    seen = features(problem)
    prices = interval_prices(problem, seen)
    levels = np.empty((*problem.shape, PIECES), dtype=np.float32)
    for at in range(0, len(seen), ROWS_AT_ONCE):
        rows = slice(at, at + ROWS_AT_ONCE)
        levels[rows] = levels_of(seen[rows], layers, tuple(values[rows] for values in prices))
    power_kw = np.empty(problem.shape)
    plan_levels(levels, arrays_of(problem), power_kw)
    return np.maximum(power_kw, 0.0), np.maximum(-power_kw, 0.0)


def levels_of(seen: Floats32, layers: tuple[Layer, ...], prices: tuple[Floats32, ...]) -> Floats32:
    """The network: features (n, 198) to levels (n, T, 3), shares of usable capacity, one a piece.

    For each block it says a level and two steps down, a value of stored energy and a slope: the level of a
    piece rises by the slope times how far its price, of ``prices`` each (n, T), lies below that value.
    """
    hidden = seen
    for layer in layers[:-1]:
        hidden = hidden @ layer.weight
        hidden += layer.bias
        np.maximum(hidden, 0, out=hidden)
    said = (hidden @ layers[-1].weight + layers[-1].bias).reshape(-1, SAID, BLOCKS)
    if prices[0].shape[1] != BLOCKS:
        said = np.repeat(said, prices[0].shape[1] // BLOCKS, axis=2)
    positive = said[:, 2:]
    positive += np.sqrt(positive * positive + np.float32(CORNER))
    slope = said[:, 4] * np.float32(STEEPNESS / 2)
    level = said[:, 0] + slope * said[:, 1]
    levels = np.empty((*prices[0].shape, PIECES), dtype=np.float32)
    for piece, price in enumerate(prices):
        if piece:
            level -= said[:, 1 + piece] / 2
        levels[..., piece] = level - slope * price
    return levels


def layers_of(arrays: dict[str, Floats32]) -> tuple[Layer, ...]:
    """Layers in order, from arrays as torch names them: ``0.weight`` (outputs, inputs), ``0.bias``, ..."""
    places = sorted(int(key.split(".")[0]) for key in arrays if key.endswith("bias"))
    return tuple(
        Layer(np.ascontiguousarray(arrays[f"{place}.weight"].T), arrays[f"{place}.bias"]) for place in places
    )


@lru_cache(maxsize=1)
def _shipped() -> tuple[Layer, ...]:
    return layers_of(load_weights(NAME))
