"""What each method makes of the same days, beside no battery and beside the optimum.

Sums, never means of ratios: a day whose cost is near zero would blow up any mean. With Σ over the rows that
count:

    attainable = Σ (cost without battery - optimum)
    lost       = Σ (cost - optimum) / attainable              what a method leaves of it
    share      = Σ (cost without battery - cost) / attainable = 1 - lost
    sum_gap    = Σ (cost - optimum) / |Σ optimum|

A row whose limits no plan can keep has no optimum, and does not count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ess.dynamics import cost_with_wear
from ess.problem import BatteryProblem, Floats
from ess.scheduler import BatterySchedule, schedule

OPTIMUM = "exact"  # the method whose cost is the least there is
WORTHLESS = 1e-6  # money: where no more can be attained, shares of it mean nothing

Scheduler = Callable[[BatteryProblem, str], BatterySchedule]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Savings:
    """What plans of n rows cost beside the least and beside no battery.

    Each (n,): ``cost``, ``cost_without`` (the battery idle) and ``optimum`` are energy over the connection
    plus wear, in the problem's money; ``counts`` says which rows have an optimum.
    """

    cost: Floats
    cost_without: Floats
    optimum: Floats
    counts: NDArray[np.bool_]

    @property
    def lost(self) -> float:
        """Part of the attainable savings that the method leaves; NaN when nothing can be attained."""
        return _ratio(self._sum(self.cost - self.optimum), self._attainable)

    @property
    def share(self) -> float:
        """Part of the attainable savings that the method makes: 1 - lost."""
        return _ratio(self._sum(self.cost_without - self.cost), self._attainable)

    @property
    def sum_gap(self) -> float:
        """Excess over the optimum, as part of the sum of optima; NaN when that sum is zero."""
        return _ratio(self._sum(self.cost - self.optimum), abs(self._sum(self.optimum)))

    @property
    def lost_by_row(self) -> Floats:
        """``lost`` of each row alone, (n,); NaN where nothing can be attained or there is no optimum."""
        attainable = self.cost_without - self.optimum
        known = self.counts & (attainable > WORTHLESS)
        lost: Floats = np.full(len(known), np.nan)
        np.divide(self.cost - self.optimum, attainable, out=lost, where=known)
        return lost

    @property
    def _attainable(self) -> float:
        return self._sum(self.cost_without - self.optimum)

    def _sum(self, money: Floats) -> float:
        return float(money[self.counts].sum())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcome(Savings):
    """One method on n rows.

    ``plan`` is the schedule, replayed: where the method was passed over, ``plan.method`` names another and
    ``plan.reason`` says why.
    """

    method: str
    plan: BatterySchedule

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Where the plan is the method's own and keeps every limit, (n,)."""
        own: NDArray[np.bool_] = np.array(self.plan.method) == self.method
        return self.plan.feasible & own


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Every method on the same n rows; the arrays (n,) are those of each outcome."""

    cost_without: Floats
    optimum: Floats
    counts: NDArray[np.bool_]
    outcomes: tuple[Outcome, ...]


def compare(
    problem: BatteryProblem, methods: Sequence[str], *, scheduler: Scheduler = schedule, runs: int = 1
) -> Comparison:
    """The outcome of each of ``methods``, in that order.

    ``scheduler`` plans: ``ess.scheduler.schedule``, or the same with more that is known. Each method plans
    ``runs`` times and the last is kept: with 2, its ``seconds`` are free of what it loads or compiles first.

    Raises:
        FieldError: the scheduler does not know a method.
    """
    plans = {}
    for _ in range(runs):
        plans = {method: scheduler(problem, method) for method in dict.fromkeys((*methods, OPTIMUM))}
    cost_without = idle_cost(problem)
    optimum = _cost(problem, plans[OPTIMUM])
    counts = plans[OPTIMUM].feasible
    outcomes = tuple(
        Outcome(
            method=method,
            plan=plans[method],
            cost=_cost(problem, plans[method]),
            cost_without=cost_without,
            optimum=optimum,
            counts=counts,
        )
        for method in methods
    )
    return Comparison(cost_without=cost_without, optimum=optimum, counts=counts, outcomes=outcomes)


def idle_cost(problem: BatteryProblem) -> Floats:
    """Cost of each row with its battery idle, (n,)."""
    nothing = np.zeros(problem.shape)
    return cost_with_wear(problem, nothing, nothing)


def _cost(problem: BatteryProblem, plan: BatterySchedule) -> Floats:
    return cost_with_wear(problem, plan.charge_kw, plan.discharge_kw)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > WORTHLESS else float("nan")
