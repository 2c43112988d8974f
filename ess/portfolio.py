"""Thousands of batteries under limits they share: a feeder's caps, a promised reduction, a price on the peak.

    minimise   sum of all costs + peak price * P
    subject to -export cap <= sum of grid powers + other load <= import cap, and the same <= P,
               in each interval, and each battery's own limits

Dantzig-Wolfe decomposition. A price on the shared power of each interval leaves every battery a problem of
its own, which ``ess.exact`` solves and bounds; their sum bounds the whole from below. What the batteries
answer to the prices tried so far are columns; a small linear programme mixes them so that the caps hold at
least cost, a plan and an upper bound, and its duals are the next prices, held near the best ones known (see
``ess.negotiation``). The difference of the two bounds is the duality gap.

Mixing is done in stored energy: of two feasible courses of the state of charge any average is feasible, and
where prices make a battery's cost convex it costs no more than the average of their costs. It never imports
more; where it exports more, the cap is tightened by what it was missed by and the mixture is made again.

Only sums travel: prices go to whoever holds the batteries, (cost, bound, power) of their groups come back.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from domain.errors import FieldError
from ess import exact
from ess.corridor import follow
from ess.dynamics import cost_with_wear, soc_change_kwh, step_gains
from ess.negotiation import MISSED_KW, Answer, Negotiation
from ess.plan import SolverError
from ess.problem import BatteryProblem, Floats
from ess.shared import SharedLimits

GAP = 5e-4  # relative: where the search ends
GROUPS = 40
SAMPLE_ROWS, SAMPLE_GROUPS = 600, 12  # prices are first sought with a sample of the batteries
SHORTFALL_FACTOR = 4.0  # a kWh beyond a shared limit costs this many times the highest price there is
REPAIRS = 20
THREADS = 2


@dataclass(frozen=True, slots=True, eq=False)
class FleetPlan:
    """Plans of all batteries under their shared limits.

    ``charge_kw``, ``discharge_kw`` (n, T); ``grid_kw`` (T,) of all connections; ``cost`` of all, wear and
    peak included; ``bound``: no plan that holds the shared limits costs less; ``price_per_kwh`` (T,), what
    the shared limits add to the price of energy; ``rounds`` of prices that were tried.
    """

    charge_kw: Floats
    discharge_kw: Floats
    grid_kw: Floats
    cost: float
    bound: float
    price_per_kwh: Floats
    rounds: int

    @property
    def gap(self) -> float:
        """The duality gap, relative to the cost."""
        return (self.cost - self.bound) / max(abs(self.cost), 1e-9)


class Crew(Protocol):
    """Who holds the batteries and works for them; only prices, shares and sums travel."""

    def answers(self, price_per_kwh: Floats) -> Answer:
        """What each group does at these prices (T,) on shared power."""

    def mixtures(self, prices: Sequence[Floats], shares: Sequence[Floats]) -> tuple[Floats, Floats]:
        """(charge kW, discharge kW) of all batteries, (n, T): each group mixes its answers."""


class Threads:
    """Groups of neighbouring rows, worked for by threads of this process."""

    def __init__(self, problem: BatteryProblem, *, groups: int = GROUPS, threads: int = THREADS) -> None:
        rows = np.array_split(np.arange(problem.shape[0]), min(groups, problem.shape[0]))
        self._parts = [problem.rows(part) for part in rows]
        self._threads = threads

    def answers(self, price_per_kwh: Floats) -> Answer:
        """As ``Crew``."""
        with ThreadPoolExecutor(self._threads) as pool:
            return Answer.joined(list(pool.map(lambda part: answer(part, price_per_kwh), self._parts)))

    def mixtures(self, prices: Sequence[Floats], shares: Sequence[Floats]) -> tuple[Floats, Floats]:
        """As ``Crew``."""
        with ThreadPoolExecutor(self._threads) as pool:
            plans = list(pool.map(lambda part, mixed: mix(part, prices, mixed), self._parts, shares))
        charge_kw, discharge_kw = (np.concatenate([plan[side] for plan in plans]) for side in (0, 1))
        return charge_kw, discharge_kw


def coordinate(
    problem: BatteryProblem, limits: SharedLimits, *, gap: float = GAP, crew: Crew | None = None
) -> FleetPlan:
    """Plan all batteries so that they hold their shared limits together, at least cost.

    ``crew`` works for the rows of ``problem``, in their order; threads of this process where none is given.

    Raises:
        FieldError: the limits are of another horizon than the problem.
        SolverError: no plan was found that holds the shared limits (the message says by how much they are
            missed), or a battery cannot keep its own.
    """
    rows, steps = problem.shape
    if len(limits.import_cap_kw) != steps:
        raise FieldError("import_cap_kw", f"must have shape ({steps},)")
    crew = crew or Threads(problem)
    dearest = SHORTFALL_FACTOR * float(max(np.abs(problem.buy).max(), np.abs(problem.sell).max()))
    terms = {"step_h": problem.step_h, "dearest": dearest + limits.peak_price_per_kw / problem.step_h}
    opening: Sequence[Floats] = ()
    if rows >= 2 * SAMPLE_ROWS:
        sample = problem.rows(np.linspace(0, rows - 1, SAMPLE_ROWS).astype(np.intp))
        hired = Threads(sample, groups=SAMPLE_GROUPS)
        rehearsal = Negotiation(hired.answers, limits.scaled(SAMPLE_ROWS / rows), **terms)
        rehearsal.run(gap)
        opening = rehearsal.worth_trying
    talk = Negotiation(crew.answers, limits, **terms)
    talk.run(gap, opening)
    if talk.missed_kw > MISSED_KW:
        missed = f"they are missed by {talk.missed_kw:.6g} kW"
        raise SolverError(f"no plan was found that holds the shared limits: {missed}")
    for _ in range(REPAIRS):
        charge_kw, discharge_kw = crew.mixtures(talk.prices, talk.shares())
        grid_kw = (problem.net_load_kw + charge_kw - discharge_kw).sum(axis=0)
        if not talk.tightened(grid_kw):
            break
    else:
        raise SolverError("the mixed plans keep missing a shared limit")
    cost = float(cost_with_wear(problem, charge_kw, discharge_kw).sum()) + limits.peak_cost(grid_kw)
    return FleetPlan(
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        grid_kw=grid_kw,
        cost=cost,
        bound=talk.bound,
        price_per_kwh=talk.best_price,
        rounds=len(talk.prices),
    )


def answer(problem: BatteryProblem, price_per_kwh: Floats) -> Answer:
    """What one group of batteries does at these prices (T,) on shared power, on top of its own."""
    priced = replace(problem, buy=problem.buy + price_per_kwh, sell=problem.sell + price_per_kwh)
    plan = exact.certified_plan(priced)
    grid_kw = problem.net_load_kw + plan.charge_kw - plan.discharge_kw
    cost = cost_with_wear(problem, plan.charge_kw, plan.discharge_kw)
    return Answer(cost.sum(keepdims=True), plan.bound.sum(keepdims=True), grid_kw.sum(axis=0, keepdims=True))


def mix(problem: BatteryProblem, prices: Sequence[Floats], shares: Floats) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T): the average course of stored energy of all answers.

    ``shares`` (number of prices,) are >= 0 and add to 1.
    """
    change_kwh = np.zeros(problem.shape)
    for price, share in zip(prices, shares, strict=True):
        if share > 0:
            priced = replace(problem, buy=problem.buy + price, sell=problem.sell + price)
            change_kwh += share * soc_change_kwh(*exact.plan(priced), problem)
    gain, loss = (column[:, None] for column in step_gains(problem))
    return follow(problem, np.where(change_kwh > 0, change_kwh / gain, change_kwh / loss))
