"""How near a planner comes to the optimum on days never trained on; sums, and the worst of single days.

    lost    = Σ (cost - optimum) / Σ (cost without battery - optimum)
    sum_gap = Σ (cost - optimum) / |Σ optimum|
    p99     = 99th percentile over days of (cost - optimum) / (cost without battery - optimum)

Days on which less than 1e-6 can be saved have no part in p99. Costs include wear.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from ess import exact
from ess.days import LAST_DAY, TEST_FROM, VALIDATE_FROM, home_days, seed_days, varied
from ess.dynamics import cost_with_wear, replay
from ess.problem import BatteryProblem, Floats

Planner = Callable[[BatteryProblem], tuple[Floats, Floats]]

WORTHLESS = 1e-6  # money
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


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Of each day (n,): cost by the plan, by the optimum, without a battery; whether the plan is feasible."""

    cost: Floats
    optimum: Floats
    without: Floats
    feasible: NDArray[np.bool_]

    @classmethod
    def of(cls, problem: BatteryProblem, planner: Planner) -> "Judged":
        """``planner`` on ``problem``, replayed."""
        nothing = np.zeros(problem.shape)
        best, planned = exact.plan(problem), planner(problem)
        return cls(
            cost=cost_with_wear(problem, *planned),
            optimum=cost_with_wear(problem, *best),
            without=cost_with_wear(problem, nothing, nothing),
            feasible=replay(problem, *planned).feasible,
        )

    def figures(self) -> Figures:
        """The figures of these days."""
        missed, attainable = self.cost - self.optimum, self.without - self.optimum
        worth = attainable > WORTHLESS
        return Figures(
            lost=float(missed.sum() / attainable.sum()),
            sum_gap=float(missed.sum() / abs(self.optimum.sum())),
            p99=float(np.quantile(missed[worth] / attainable[worth], 0.99)),
            feasible=float(self.feasible.mean()),
            days=len(missed),
        )


def figures_on(days: Mapping[str, BatteryProblem], planner: Planner) -> dict[str, Figures]:
    """The figures of each set, and of all together as ``pooled``: sets of equal size have equal weight."""
    judged = {name: Judged.of(problem, planner) for name, problem in days.items()}
    names = [item.name for item in fields(Judged)]
    joined = {name: np.concatenate([getattr(one, name) for one in judged.values()]) for name in names}
    judged[POOLED] = Judged(**joined)
    return {name: one.figures() for name, one in judged.items()}


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
