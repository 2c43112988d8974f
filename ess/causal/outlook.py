"""What a controller believes of the net load ahead: scenarios, corrected by what today has shown so far."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from ess.problem import BatteryProblem, Floats

PERSISTENCE_PER_H = 0.5  # of a deviation from a scenario, this share is left an hour later


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """``net_load_kw`` (n, S, T): S equally likely courses of load less PV, for each of n homes.

    Raises:
        FieldError: the shape is another, or a value is not finite.
    """

    net_load_kw: Floats

    def __post_init__(self) -> None:
        shape = np.shape(self.net_load_kw)
        if len(shape) != len(("n", "S", "T")) or 0 in shape:
            raise FieldError("net_load_kw", f"must have shape (n, S, T), got {shape}")
        if not np.isfinite(self.net_load_kw).all():
            raise FieldError("net_load_kw", "must be finite")

    @classmethod
    def believed(cls, problem: BatteryProblem) -> Self:
        """The problem's own load and PV, taken for certain (S = 1)."""
        return cls(problem.net_load_kw[:, None, :])

    @classmethod
    def of(cls, outlook: Self | None, problem: BatteryProblem) -> Self:
        """``outlook``, or where there is none the problem's own load and PV.

        Raises:
            FieldError: the outlook is not one of this problem's rows and intervals.
        """
        if outlook is None:
            return cls.believed(problem)
        rows, _, steps = outlook.net_load_kw.shape
        if (rows, steps) != problem.shape:
            raise FieldError("outlook", f"must be of {problem.shape} rows and intervals, got {(rows, steps)}")
        return outlook

    def rows(self, chosen: NDArray[np.intp]) -> "Outlook":
        """The outlook of the homes ``chosen``, in that order."""
        return Outlook(self.net_load_kw[chosen])

    def ahead(self, net_load_kw: Floats, step: int, step_h: float) -> Floats:
        """Scenarios of the intervals after ``step``, kW, shape (n, S, T - step - 1).

        ``net_load_kw`` (n,) is what was metered in ``step``. Each scenario is moved by its own deviation
        from it, which fades with every hour: a cloud passes, an oven is switched off.

        >>> Outlook(np.array([[[1.0, 1.0, 1.0]]])).ahead(np.array([3.0]), 0, 1.0)
        array([[[2. , 1.5]]])
        """
        later = self.net_load_kw[:, :, step + 1 :]
        deviation_kw = net_load_kw[:, None] - self.net_load_kw[:, :, step]
        left = PERSISTENCE_PER_H ** (step_h * np.arange(1, later.shape[2] + 1))
        moved: Floats = later + deviation_kw[:, :, None] * left
        return moved
