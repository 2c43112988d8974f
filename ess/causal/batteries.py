"""n batteries lived through interval by interval: what is seen, what is decided, what it saves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ess.causal import observation
from ess.causal.levels import Moves, power_kw
from ess.causal.outlook import Outlook
from ess.corridor import follow
from ess.dynamics import step_gains
from ess.problem import BatteryProblem, Floats

Decide = Callable[[Floats], Floats]  # observations (n, observation.SIZE) to shares (n, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Batteries:
    """A problem (n, T) with what is seen of it and where its batteries may move."""

    problem: BatteryProblem
    moves: Moves
    course: Floats

    @classmethod
    def of(
        cls, problem: BatteryProblem, outlook: Outlook | None = None, *, soh: Floats | None = None
    ) -> "Batteries":
        """Without an outlook the problem's own load and PV are believed; ``soh`` (n,) is 1 unless given.

        Raises:
            FieldError: the outlook or ``soh`` does not fit the problem.
        """
        moves = Moves.of(problem)
        seen = observation.course(problem, moves, Outlook.of(outlook, problem), soh=soh)
        return cls(problem, moves, seen)

    def rows(self, chosen: NDArray[np.intp]) -> "Batteries":
        """The batteries ``chosen``, in that order."""
        return Batteries(self.problem.rows(chosen), self.moves.rows(chosen), self.course[chosen])

    def observe(self, soc_kwh: Floats, stored_kwh: Floats, step: int) -> Floats:
        """What is seen before interval ``step``, (n, observation.SIZE)."""
        changing = observation.state(
            self.problem, self.moves, soc_kwh=soc_kwh, stored_kwh=stored_kwh, step=step
        )
        return np.concatenate([changing, self.course[:, step]], axis=1)

    def advance(self, soc_kwh: Floats, shares: Floats, step: int) -> Floats:
        """SoC (n,) at the end of ``step``, for ``Moves.levels_kwh`` at ``shares`` (n, 3)."""
        return self.moves.next_soc_kwh(soc_kwh, self.moves.levels_kwh(shares, step), step)

    def saving(self, before_kwh: Floats, after_kwh: Floats, step: int) -> Floats:
        """What interval ``step`` costs less than with the battery idle, wear included, money, (n,)."""
        problem, change_kwh = self.problem, after_kwh - before_kwh
        gain, loss = step_gains(problem)
        power = np.where(change_kwh > 0, change_kwh / gain, change_kwh / loss)
        net_kw, buy, sell = problem.net_load_kw[:, step], problem.buy[:, step], problem.sell[:, step]
        idle = np.where(net_kw > 0, buy, sell) * net_kw
        cost = np.where(net_kw + power > 0, buy, sell) * (net_kw + power)
        wear = problem.degradation_cost_per_kwh * np.maximum(-power, 0)
        saved: Floats = problem.step_h * (idle - cost - wear)
        return saved

    def stored_today(self, stored_kwh: Floats, change_kwh: Floats, step: int) -> Floats:
        """Energy stored, (n,), after ``step`` changed the SoC; anew with each 24 hours of the horizon."""
        day_before, day_after = (
            int(intervals * self.problem.step_h / observation.AHEAD_H + observation.WHOLE)
            for intervals in (step, step + 1)
        )
        return (
            stored_kwh + np.maximum(change_kwh, 0) if day_after == day_before else np.zeros_like(stored_kwh)
        )

    def live(self, decide: Decide) -> tuple[Floats, Floats]:
        """(charge kW, discharge kW), each (n, T), of the whole horizon, every limit kept that can be."""
        rows, steps = self.problem.shape
        soc_kwh, stored_kwh = np.empty((rows, steps + 1)), np.zeros(rows)
        soc_kwh[:, 0] = self.problem.soc_initial_kwh
        for step in range(steps):
            shares = decide(self.observe(soc_kwh[:, step], stored_kwh, step))
            soc_kwh[:, step + 1] = self.advance(soc_kwh[:, step], shares, step)
            stored_kwh = self.stored_today(stored_kwh, soc_kwh[:, step + 1] - soc_kwh[:, step], step)
        return follow(self.problem, power_kw(self.problem, soc_kwh))
