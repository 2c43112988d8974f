"""Prices that make many batteries hold limits they share: the master programme of ``ess.portfolio``.

Variables: the share w of each answer in its group's mixture, the peak P, and for every shared limit how far
it is missed (m) or left untouched (u).

    minimise   sum of cost w + peak price * (P - peak so far) + sum of (dearest m - cheapest u)
    subject to sum of grid_t w - m + u <= most_t,   -(sum of grid_t w) - m + u <= -least_t,
               sum of grid_t w + other_t - P - m + u <= 0,   w >= 0, adding to 1 in each group

Its duals are the next prices; ``cheapest`` and ``dearest`` hold them in a box around the best ones known (the
stabilisation of du Merle, Villeneuve, Desrosiers and Hansen 1999, doi:10.1016/S0012-365X(98)00213-1), which
grows after a success and shrinks after a failure. For any prices >= 0 (whose peak part adds up to no more
than the peak price) the whole costs at least

    sum of bounds - up * most + down * least + peak * (other load - peak so far)
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import highspy
import numpy as np

from ess.plan import SolverError
from ess.problem import Floats
from ess.shared import SharedLimits

MOST_ROUNDS = 300
WIDE, NARROW, LEAST_BOX = 2.0, 0.7, 1e-6
FREE_EVERY = 4  # rounds between mixtures that may not miss a limit
MARGIN_KW = 1e-6  # the mixture keeps this far from a limit, so that the sum of all plans holds it
MISSED_KW = 1e-5
USED = 1e-9
KINDS = 3  # of shared limits: upper, lower, peak


class Answer(NamedTuple):
    """What g groups of batteries do at some price: ``cost`` (g,), ``bound`` (g,), ``grid_kw`` (g, T).

    ``cost`` is their own, without the price on shared power; ``bound`` is on their cost with it.
    """

    cost: Floats
    bound: Floats
    grid_kw: Floats

    @classmethod
    def joined(cls, parts: Sequence["Answer"]) -> Self:
        """The groups of all parts, in their order."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class Negotiation:
    """Prices go out, answers come back, until the bounds meet.

    ``ask`` answers a price (T,), money per kWh on shared power. ``prices`` are those that were tried. A set
    of multipliers is an array (3, T) >= 0, money per kW in an interval, on the upper limit, the lower, the
    peak.
    """

    def __init__(
        self, ask: Callable[[Floats], Answer], limits: SharedLimits, *, step_h: float, dearest: float
    ) -> None:
        self._ask, self._limits, self._step_h = ask, limits, step_h
        self._dearest = dearest * step_h
        self._least, self._most = limits.bounds_kw
        self._tried: list[Floats] = []
        self._best = np.zeros((KINDS, len(self._most)))
        self.bound = -np.inf
        self._master = _Master(limits)

    @property
    def prices(self) -> list[Floats]:
        """Every price on shared power that was tried, (T,), money per kWh."""
        return [self._per_kwh(multipliers) for multipliers in self._tried]

    @property
    def best_price(self) -> Floats:
        """The price on shared power that gave ``bound``, (T,), money per kWh."""
        return self._per_kwh(self._best)

    @property
    def missed_kw(self) -> float:
        """By how much the mixture misses the shared limit that it misses most."""
        return self._master.missed_kw

    @property
    def worth_trying(self) -> list[Floats]:
        """Multipliers whose answers are part of the mixture, and the best."""
        used = np.sum(self.shares(), axis=0) > USED
        return [*(tried for tried, use in zip(self._tried, used, strict=True) if use), self._best]

    def shares(self) -> list[Floats]:
        """For each group the share of each answer in its mixture; they add to 1."""
        return self._master.shares()

    def run(self, gap: float, opening: Sequence[Floats] = ()) -> None:
        """Negotiate until the plan costs at most ``gap`` (relative) more than the bound, or a round too many.

        ``opening`` are multipliers that are worth trying first. ``missed_kw`` says whether the limits hold.
        """
        for multipliers in opening or [self._best]:
            self._try(multipliers)
        box = self._dearest / 8
        for turn in range(MOST_ROUNDS):
            if turn % FREE_EVERY == 0 and self._near_enough(gap):
                return
            _, multipliers = self._master.solve(
                np.maximum(self._best - box, 0), np.minimum(self._best + box, self._dearest)
            )
            box = min(box * WIDE, self._dearest) if self._try(multipliers) else max(box * NARROW, LEAST_BOX)
        self._near_enough(np.inf)

    def tightened(self, grid_kw: Floats) -> bool:
        """Whether ``grid_kw`` (T,) of the mixed plans misses a limit; if so, mix again with it tighter."""
        above, below = np.maximum(grid_kw - self._most, 0), np.maximum(self._least - grid_kw, 0)
        if not (above.any() or below.any()):
            return False
        self._master.tighten(above, below)
        self._near_enough(np.inf)
        return True

    def _near_enough(self, gap: float) -> bool:
        """Mix without a box; whether the limits hold and the cost is near the bound."""
        cost, _ = self._master.solve(np.zeros_like(self._best), np.full_like(self._best, self._dearest))
        return self.missed_kw <= MISSED_KW and cost - self.bound <= gap * abs(cost)

    def _try(self, multipliers: Floats) -> bool:
        """Ask at these prices; whether the bound rose."""
        answer = self._ask(self._per_kwh(multipliers))
        self._tried.append(multipliers)
        self._master.add(answer)
        up, down, peak = multipliers
        capped, floored = np.isfinite(self._most), np.isfinite(self._least)
        bound = answer.bound.sum() - up[capped] @ self._most[capped] + down[floored] @ self._least[floored]
        bound += peak @ (self._limits.other_load_kw - self._limits.peak_so_far_kw)
        if bound <= self.bound:
            return False
        self.bound, self._best = float(bound), multipliers
        return True

    def _per_kwh(self, multipliers: Floats) -> Floats:
        up, down, peak = multipliers
        price: Floats = (up - down + peak) / self._step_h
        return price


class _Master:
    """The linear programme of the module's docstring, kept warm in HiGHS."""

    def __init__(self, limits: SharedLimits) -> None:
        self._limits = limits
        self._least, self._most = limits.bounds_kw
        self._groups = 0
        self.missed_kw = np.inf
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call] # highspy gives it no types
        self._solver.setOptionValue("output_flag", False)  # noqa: FBT003 (an option's value)
        self._solver.setOptionValue("threads", 1)
        self._solver.setOptionValue("simplex_strategy", 4)  # primal: more answers leave the mixture feasible
        steps, infinite = len(self._most), highspy.kHighsInf
        self._rows = KINDS * steps
        none, nothing = np.array([], dtype=np.int32), np.array([])
        for most in self._limits_kw():
            self._solver.addRow(-infinite, float(most), 0, none, nothing)
        for coefficient in (-1.0, 1.0):
            for row in range(self._rows):
                entry = np.array([row], dtype=np.int32), np.array([coefficient])
                self._solver.addCol(0.0, 0.0, infinite, 1, *entry)
        peak = np.arange(2 * steps, self._rows, dtype=np.int32), np.full(steps, -1.0)
        self._solver.addCol(limits.peak_price_per_kw, limits.peak_so_far_kw, infinite, steps, *peak)

    def add(self, answer: Answer) -> None:
        """One more answer of every group."""
        if not self._groups:
            self._groups = len(answer.cost)
            for _ in range(self._groups):
                self._solver.addRow(1.0, 1.0, 0, np.array([], dtype=np.int32), np.array([]))
        rows = np.arange(self._rows + 1, dtype=np.int32)
        for group, (cost, grid_kw) in enumerate(zip(answer.cost, answer.grid_kw, strict=True)):
            rows[-1] = self._rows + group
            values = np.concatenate([grid_kw, -grid_kw, grid_kw, [1.0]])
            self._solver.addCol(float(cost), 0.0, highspy.kHighsInf, len(rows), rows, values)

    def solve(self, cheapest: Floats, dearest: Floats) -> tuple[float, Floats]:
        """(cost of the best mixture without what is missed, multipliers (3, T) inside the box)."""
        columns = np.arange(2 * self._rows, dtype=np.int32)
        costs = np.concatenate([dearest.ravel(), -cheapest.ravel()])
        self._solver.changeColsCost(len(columns), columns, costs)
        self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"the master programme ended with {self._solver.getModelStatus()}")
        solution = self._solver.getSolution()
        self._values = np.array(solution.col_value)
        self.missed_kw = float(self._values[: self._rows].max())
        cost = self._solver.getInfo().objective_function_value - costs @ self._values[: len(costs)]
        cost -= self._limits.peak_price_per_kw * self._limits.peak_so_far_kw
        duals = -np.array(solution.row_dual[: self._rows]).reshape(dearest.shape)
        return float(cost), np.clip(duals, cheapest, dearest)

    def shares(self) -> list[Floats]:
        """For each group, the share of each of its answers."""
        values = np.maximum(self._values[2 * self._rows + 1 :], 0).reshape(-1, self._groups)
        values[values < USED] = 0
        return list((values / values.sum(axis=0)).T)

    def tighten(self, above_kw: Floats, below_kw: Floats) -> None:
        """Move each limit inwards by what it was missed by."""
        self._most, self._least = self._most - above_kw, self._least + below_kw
        for row, most in enumerate(self._limits_kw()):
            self._solver.changeRowBounds(row, -highspy.kHighsInf, float(most))

    def _limits_kw(self) -> Floats:
        """Right-hand sides of the rows on shared power, upper, lower, peak."""
        peak = np.where(self._limits.peak_price_per_kw > 0, -self._limits.other_load_kw, np.inf)
        return np.concatenate([self._most - MARGIN_KW, -self._least - MARGIN_KW, peak])
