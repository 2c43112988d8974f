"""How near a planner comes to the optimum on days never trained on; sums, and the worst of single days.

``lost`` and ``sum_gap`` are those of ``ess.compare``, ``p99`` is the 99th percentile of its ``lost_by_row``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from ess import exact
from ess.compare import Savings, idle_cost
from ess.days import LAST_DAY, TEST_FROM, VALIDATE_FROM, home_days, seed_days, varied
from ess.dynamics import cost_with_wear, replay
from ess.problem import BatteryProblem, Floats

Planner = Callable[[BatteryProblem], tuple[Floats, Floats]]

BATTERIES = 5  # other batteries for each measured day
POOLED = "pooled"


@dataclass(frozen=True, slots=True)
class Figures:
    """See the module; ``feasible`` is the share of days whose replay keeps every limit, of ``days``."""

    lost: float
    sum_gap: float
    p99: float
    feasible: float
    days: int


def figures_on(days: Mapping[str, BatteryProblem], planner: Planner) -> dict[str, Figures]:
    """The figures of each set, and of all together as ``pooled``: sets of equal size have equal weight."""
    judged = {name: _judged(problem, planner) for name, problem in days.items()}
    names = [item.name for item in fields(Savings)]
    savings, feasible = zip(*judged.values(), strict=True)
    joined = {name: np.concatenate([getattr(one, name) for one in savings]) for name in names}
    judged[POOLED] = Savings(**joined), np.concatenate(feasible)
    return {name: _figures(*one) for name, one in judged.items()}


def _judged(problem: BatteryProblem, planner: Planner) -> tuple[Savings, NDArray[np.bool_]]:
    """What the planner's plans save, and whether each keeps every limit."""
    best, planned = exact.plan(problem), planner(problem)
    savings = Savings(
        cost=cost_with_wear(problem, *planned),
        cost_without=idle_cost(problem),
        optimum=cost_with_wear(problem, *best),
        counts=np.ones(problem.shape[0], dtype=np.bool_),
    )
    return savings, replay(problem, *planned).feasible


def _figures(savings: Savings, feasible: NDArray[np.bool_]) -> Figures:
    return Figures(
        lost=savings.lost,
        sum_gap=savings.sum_gap,
        p99=float(np.nanquantile(savings.lost_by_row, 0.99)),
        feasible=float(feasible.mean()),
        days=len(feasible),
    )


def unseen_days() -> dict[str, BatteryProblem]:
    """Days to show: measured after ``TEST_FROM``, and synthetic; with their own batteries and with others."""
    return _four_kinds(TEST_FROM, LAST_DAY, seed=20_170_520)


def validation_days() -> dict[str, BatteryProblem]:
    """Days to choose by."""
    return _four_kinds(VALIDATE_FROM, TEST_FROM - timedelta(days=1), seed=20_170_413)


def _four_kinds(first: date, last: date, *, seed: int) -> dict[str, BatteryProblem]:
    """Four sets of equal size."""
    homes = home_days(first, last).problem
    homes = homes.rows(np.tile(np.arange(homes.shape[0]), BATTERIES))
    synthetic = seed_days(homes.shape[0], seed=seed)
    return {
        "homes": homes,
        "homes, varied": varied(homes, seed=seed + 1),
        "synthetic": synthetic,
        "synthetic, varied": varied(synthetic, seed=seed + 2),
    }
