"""The table of ``l2o_seed`` as its author prints it, beside what its plans really reach."""

from dataclasses import dataclass

import numpy as np

from ess import exact
from ess.corridor import follow
from ess.days import seed_days
from ess.dynamics import cost_with_wear, replay
from ess.learned.seed import SeedPolicy, raw_plan
from ess.problem import BatteryProblem, Floats

DAYS = 500
NEAR_KWH = 0.01  # by which its author lets the state of charge miss its bounds


@dataclass(frozen=True, slots=True)
class Gaps:
    """Cost beside the optimum: ``average_cost`` of a day; the rest as shares of the optimum, day by day."""

    average_cost: float
    average: float
    median: float
    largest: float
    smallest: float

    @classmethod
    def between(cls, cost: Floats, optimum: Floats) -> "Gaps":
        """Of costs (n,) to the optimum's (n,)."""
        gaps = (cost - optimum) / np.abs(optimum)
        return cls(
            *(float(value) for value in (cost.mean(), gaps.mean(), np.median(gaps), gaps.max(), gaps.min()))
        )


@dataclass(frozen=True, slots=True)
class SeedTable:
    """``days`` synthetic days; ``optimum`` is their average least cost.

    As its author counts: ``printed`` gaps of plans as the network says them, and ``near_bounds``, the share
    of days on which the state of charge keeps its bounds within 0.01 kWh, whatever its end.

    Replayed: ``feasible``, the share of days on which every limit is kept; by how much the final state
    misses its floor, on average and at most, in kWh; and ``kept``, the gaps of the plans once bent to keep
    every limit, with ``lost``, the part of the attainable savings that these leave.
    """

    days: int
    optimum: float
    printed: Gaps
    near_bounds: float
    feasible: float
    final_missed_kwh: float
    final_missed_most_kwh: float
    kept: Gaps
    lost: float


def seed_table(*, seed: int, days: int = DAYS, policy: SeedPolicy | None = None) -> SeedTable:
    """The table on ``days`` days drawn by ``seed``; of the shipped policy unless one is given."""
    problem = seed_days(days, seed=seed)
    raw = raw_plan(problem, policy)
    judged = replay(problem, *raw)
    optimum = cost_with_wear(problem, *exact.plan(problem))
    bent = cost_with_wear(problem, *follow(problem, raw[0] - raw[1]))
    without = cost_with_wear(problem, *np.zeros((2, *problem.shape)))
    missed_kwh = np.maximum(problem.soc_final_kwh - judged.soc_kwh[:, -1], 0)
    return SeedTable(
        days=days,
        optimum=float(optimum.mean()),
        printed=Gaps.between(judged.cost, optimum),
        near_bounds=_near_bounds(problem, judged.soc_kwh),
        feasible=float(judged.feasible.mean()),
        final_missed_kwh=float(missed_kwh.mean()),
        final_missed_most_kwh=float(missed_kwh.max()),
        kept=Gaps.between(bent, optimum),
        lost=float((bent - optimum).sum() / (without - optimum).sum()),
    )


def _near_bounds(problem: BatteryProblem, soc_kwh: Floats) -> float:
    inside = (soc_kwh >= -NEAR_KWH) & (soc_kwh <= problem.capacity_kwh[:, None] + NEAR_KWH)
    return float(inside.all(axis=1).mean())
