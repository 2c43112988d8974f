"""The shape that every best decision has: three levels of charge to head for, and the pieces between.

The cost of an interval is convex and piecewise linear in the change of SoC. Its kinks are where the battery
idles and where the connection carries nothing, so a change lies in one of three pieces, from ``lowest``
over ``inner`` and ``outer`` to ``highest``. With a convex value of what is stored, the best next state is

    max(lowest state, min(export level, inner state), min(own level, outer state), min(import level, highest))

for levels import <= own <= export: the state up to which energy is bought, the state at which the battery
stops serving the home alone (storing surplus, covering deficit), and the state down to which it exports.
This is the base-stock policy of inventory theory (Scarf 1960; for storage, Harsha and Dahleh 2015,
doi:10.1109/TPWRS.2014.2344859). The self-consumption rule has import level empty, export level full, and an
own level that is full when there is surplus and empty when there is none.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ess.corridor import power_range, soc_corridor
from ess.dynamics import soc_change_kwh, step_gains
from ess.problem import BatteryProblem, Floats

IMPORT, OWN, EXPORT = range(3)
SERIES = ("lowest", "inner", "outer", "highest", "lower", "upper")


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Where n batteries may go in T intervals, from what is metered and limited there; SoC in kWh.

    ``lowest``, ``inner``, ``outer``, ``highest`` (n, T): changes of SoC at the ends of the three pieces;
    ``lower``, ``upper`` (n, T + 1): the SoC at the start of each interval and the end of the last from which
    every later limit can be kept (``ess.corridor``). They read a net load only where the connection is
    limited: those limits are part of what is known ahead. ``hour`` is how many intervals make an hour, at
    least one: a level is meant for the end of the hour, so that it says the same to a network whatever the
    length of an interval.
    """

    lowest: Floats
    inner: Floats
    outer: Floats
    highest: Floats
    lower: Floats
    upper: Floats
    hour: int

    @classmethod
    def of(cls, problem: BatteryProblem) -> "Moves":
        """The moves of a problem. Rows that cannot be met keep only the limits of their ratings."""
        lower, upper = soc_corridor(problem)
        least_kw, most_kw = power_range(problem)
        most_kw = np.maximum(most_kw, least_kw)

        def change(power_kw: Floats) -> Floats:
            return soc_change_kwh(np.maximum(power_kw, 0), np.maximum(-power_kw, 0), problem)

        idle, alone = np.clip(0.0, least_kw, most_kw), np.clip(-problem.net_load_kw, least_kw, most_kw)
        return cls(
            lowest=change(least_kw),
            inner=change(np.minimum(idle, alone)),
            outer=change(np.maximum(idle, alone)),
            highest=change(most_kw),
            lower=np.where(np.isfinite(lower), lower, 0.0),
            upper=np.where(np.isfinite(upper), upper, problem.capacity_kwh[:, None]),
            hour=max(round(1 / problem.step_h), 1),
        )

    def rows(self, chosen: NDArray[np.intp]) -> "Moves":
        """The moves of the batteries ``chosen``, in that order."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in SERIES})

    def next_soc_kwh(self, soc_kwh: Floats, levels_kwh: Floats, step: int) -> Floats:
        """SoC (n,) at the end of interval ``step`` from ``soc_kwh`` (n,) under ``levels_kwh`` (n, 3).

        Levels are headed for by the end of the hour, as if its other intervals were like this one. Of the way
        there, an interval goes as far as the home alone takes it; what the grid is wanted for is spread.
        """
        lower, upper = self.bounds(step)
        left = self._left(step)
        ends = (self.lowest, self.inner, self.outer, self.highest)
        lowest, inner, outer, highest = (left * end[:, step] for end in ends)
        wished = np.maximum.reduce(
            [
                soc_kwh + lowest,
                np.minimum(levels_kwh[:, EXPORT], soc_kwh + inner),
                np.minimum(levels_kwh[:, OWN], soc_kwh + outer),
                np.minimum(levels_kwh[:, IMPORT], soc_kwh + highest),
            ]
        )
        change = np.minimum(np.maximum(wished, lower), upper) - soc_kwh
        alone = np.clip(change, self.inner[:, step], self.outer[:, step])
        change = np.where((change < inner) | (change > outer), change / left, alone)
        after = np.minimum(np.maximum(soc_kwh + change, self.lower[:, step + 1]), self.upper[:, step + 1])
        return np.clip(after, soc_kwh + self.lowest[:, step], soc_kwh + self.highest[:, step])

    def bounds(self, step: int) -> tuple[Floats, Floats]:
        """Lowest and highest SoC, each (n,), at the end of the hour of ``step``, or of a longer interval."""
        end = step + self._left(step)
        return self.lower[:, end], self.upper[:, end]

    def levels_kwh(self, shares: Floats, step: int) -> Floats:
        """Levels (n, 3) at ``shares`` (n, 3), from 0 to 1, of the way between ``bounds``."""
        lower, upper = (bound[:, None] for bound in self.bounds(step))
        levels: Floats = lower + (upper - lower) * np.maximum.accumulate(shares, axis=1)
        return levels

    def _left(self, step: int) -> int:
        """Intervals from ``step`` to the end of its hour, or of the horizon."""
        return min(self.hour - step % self.hour, len(self.lowest[0]) - step)


def power_kw(problem: BatteryProblem, soc_kwh: Floats) -> Floats:
    """Net power (n, T), positive charging, along ``soc_kwh`` (n, T + 1), the initial state first."""
    change_kwh = np.diff(soc_kwh, axis=1)
    gain, loss = step_gains(problem)
    power: Floats = np.where(change_kwh > 0, change_kwh / gain[:, None], change_kwh / loss[:, None])
    return power
