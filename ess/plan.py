"""What a method answers: powers, and what it proves about their cost."""

from typing import NamedTuple, Self

import numpy as np

from ess.problem import Floats


class SolverError(RuntimeError):
    """No plan; the message says why."""


class Plan(NamedTuple):
    """Plans for n batteries over T intervals.

    ``charge_kw`` and ``discharge_kw`` (n, T) at the AC terminal, both >= 0. ``bound`` (n,) is the
    certificate: no plan costs less, wear included; -inf where the method proves nothing.
    """

    charge_kw: Floats
    discharge_kw: Floats
    bound: Floats

    @classmethod
    def unproven(cls, charge_kw: Floats, discharge_kw: Floats) -> Self:
        """A plan about whose cost nothing is proven."""
        return cls(charge_kw, discharge_kw, np.full(len(charge_kw), -np.inf))
