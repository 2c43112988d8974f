"""The self-consumption rule: store what the home does not use, use what is stored before importing.

It needs no prices and no solver, and plans without looking ahead except to keep every limit (``follow``), the
final state of charge included. The yardstick of every other method, and what runs when they fail.
"""

from ess.corridor import follow
from ess.problem import BatteryProblem, Floats


def plan(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T): charge from surplus, discharge into deficit, within limits."""
    return follow(problem, -problem.net_load_kw)
