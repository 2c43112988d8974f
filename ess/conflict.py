"""Why a problem cannot be met: the limits in conflict, and the least that must give.

Each limit may be missed. Misses count in kWh of the store, one measure for all: a floor by what is lacking at
the end of the interval, the connection by what the battery would have to store less (import) or more (export)
in the interval to keep it. The least relaxation is what a plan gives up that misses the smallest sum, and of
such plans one that moves the least. (Counted at the connection, burning energy in the battery would lessen
the sum: the least relaxation could be to feed in far above the limit, so as to store again later.) Ratings
and capacity are physics and do not give.

``F_t(s)``, the least sum when interval t ends with s stored, is convex and piecewise linear. Going on by one
interval merges the slopes of its changes of SoC into those of F, a bound of SoC cuts F at an end, a floor
tilts what lies below it by -1. Each piece carries its interval, from which the plan is read back (as in
``ess.exact.convex``). The answer is exact; a row takes O(T * k), k the pieces between empty and full.

A conflict is a smallest set of limit families, found by trying all 15 sets (``ess.corridor.can_be_met``).
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numba import njit

from ess.corridor import can_be_met
from ess.dynamics import TOLERANCE, soc_change_kwh, step_gains
from ess.plan import SolverError
from ess.problem import BatteryProblem, Floats

UNITS = {"soc_min_kwh": "kWh", "soc_final_kwh": "kWh", "import_limit_kw": "kW", "export_limit_kw": "kW"}
BY_SIZE = [chosen for size in range(1, len(UNITS) + 1) for chosen in combinations(UNITS, size)]
NOTHING = 1e-9  # kW or kWh: the rounding of a sum over the horizon
# kWh missed per kWh moved. A sum changes by whole kWh per kWh when energy is stored at another time, so a
# preference that stays below 1 over the horizon decides between equal sums only.
IDLE_PREFERENCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """What cannot hold together, and the least that must give.

    ``conflicts`` are limit families, the first a smallest set that cannot hold together as asked. Each
    further one is a smallest set that still cannot once the families named so far have given what they give
    in ``missed``; after the last nothing is in conflict. No family gives that none of them names.
    ``missed`` says by how much each family gives in each interval, (T,) kWh or kW, >= 0. ``relaxed`` is the
    problem with the limits moved by that (and by the tolerance of a replay, for solvers), which can be met.
    """

    conflicts: tuple[tuple[str, ...], ...]
    missed: dict[str, Floats]
    relaxed: BatteryProblem

    @property
    def families(self) -> tuple[str, ...]:
        """All families in conflict, each once."""
        return tuple(dict.fromkeys(name for families in self.conflicts for name in families))

    @property
    def relaxation(self) -> dict[str, float]:
        """The most by which each family gives, kW or kWh; no entry for one that does not."""
        return {name: float(amount.max()) for name, amount in self.missed.items() if amount.any()}

    @property
    def sentence(self) -> str:
        """The conflicts in words, and where each family gives most; intervals count from 0."""
        first, *others = (
            (" and ".join(families), " together" if len(families) > 1 else "") for families in self.conflicts
        )
        told = [f"{first[0]} cannot be kept{first[1]}", *(f"nor then {names}{how}" for names, how in others)]
        gives = ", ".join(self._gives(name, amount) for name, amount in self.relaxation.items())
        return f"{', '.join(told)}; least relaxation: {gives}"

    def _gives(self, name: str, most: float) -> str:
        amount = f"by {most:.3g} {UNITS[name]}"
        if name == "soc_final_kwh":
            return f"{name} {amount}"
        count = np.count_nonzero(self.missed[name])
        among = f" (the most of {count} intervals)" if count > 1 else ""
        return f"{name} in interval {self.missed[name].argmax()} {amount}{among}"


def find_conflict(problem: BatteryProblem) -> Conflict:
    """What keeps a problem of one row (n = 1) from being met, and the nearest problem that can be.

    Raises:
        ValueError: there are more rows, or the problem can be met.
        SolverError: the numbers are so large that rounding hides what must give.

    >>> problem = BatteryProblem(
    ...     load_kw=np.array([[0.0, 4.0]]), pv_kw=np.zeros((1, 2)), step_h=1.0,
    ...     buy=np.full((1, 2), 0.3), sell=np.full((1, 2), 0.1), import_limit_kw=np.full((1, 2), 1.0),
    ...     capacity_kwh=np.array([4.0]), max_charge_kw=np.array([2.0]), max_discharge_kw=np.array([2.0]),
    ...     charge_efficiency=np.array([1.0]), discharge_efficiency=np.array([1.0]),
    ...     soc_initial_kwh=np.array([2.0]), soc_min_kwh=np.array([0.0]), soc_final_kwh=np.array([0.0]))
    >>> find_conflict(problem).sentence
    'import_limit_kw cannot be kept; least relaxation: import_limit_kw in interval 1 by 1 kW'
    """
    if problem.shape[0] != 1:
        raise ValueError(f"one row at a time, got {problem.shape[0]}")
    if can_be_met(problem).all():
        raise ValueError("the problem can be met")
    missed = _least_missed(problem)
    relaxed = _relaxed(problem, missed)
    if not can_be_met(relaxed).all():
        raise SolverError("rounding hides the least relaxation")
    # Each turn names a family that gives and was not named before: ended at the latest when all have given.
    conflicts, partly = [], problem
    while not can_be_met(partly).all():
        conflicts.append(_smallest(partly))
        partly = replace(partly, **{name: getattr(relaxed, name) for name in conflicts[-1]})
    return Conflict(tuple(conflicts), missed, relaxed)


def _smallest(problem: BatteryProblem) -> tuple[str, ...]:
    """A smallest set of families that cannot hold together; of two, the one that is first in ``UNITS``."""
    tried = problem.rows([0] * len(BY_SIZE))
    limits = {}
    for name in UNITS:
        limits[name] = getattr(tried, name).copy()
        dropped = [name not in families for families in BY_SIZE]
        limits[name][dropped] = np.inf if name.endswith("limit_kw") else 0.0
    return BY_SIZE[int(can_be_met(replace(tried, **limits)).argmin())]


def _relaxed(problem: BatteryProblem, missed: dict[str, Floats]) -> BatteryProblem:
    """Limits moved where they give, and there by a solver's tolerance more."""
    moved = {name: np.where(amount > 0, amount + TOLERANCE, 0) for name, amount in missed.items()}
    return replace(
        problem,
        soc_min_kwh=np.maximum(problem.soc_min_kwh - moved["soc_min_kwh"], 0),
        soc_final_kwh=np.maximum(problem.soc_final_kwh - moved["soc_final_kwh"][-1], 0),
        import_limit_kw=problem.import_limit_kw + moved["import_limit_kw"],
        export_limit_kw=problem.export_limit_kw + moved["export_limit_kw"],
    )


def _least_missed(problem: BatteryProblem) -> dict[str, Floats]:
    """By how much each family is missed in each interval, (T,) kW or kWh, when the sum is least."""
    net_kw = problem.net_load_kw
    charged, discharged = (rating[:, None] for rating in (problem.max_charge_kw, problem.max_discharge_kw))
    change = _least_missing_changes(
        _change(-discharged, problem)[0, 0],
        _change(charged, problem)[0, 0],
        _change(-problem.export_limit_kw - net_kw, problem)[0],
        _change(problem.import_limit_kw - net_kw, problem)[0],
        problem.soc_min_kwh[0],
        problem.soc_final_kwh[0],
        problem.capacity_kwh[0],
        problem.soc_initial_kwh[0],
    )
    gain, loss = step_gains(problem)
    grid_kw = net_kw[0] + np.where(change > 0, change / gain, change / loss)
    soc_kwh = problem.soc_initial_kwh + np.cumsum(change)
    final_kwh = np.zeros(len(change))
    final_kwh[-1] = problem.soc_final_kwh[0]
    missed = {
        "soc_min_kwh": problem.soc_min_kwh[0] - soc_kwh,
        "soc_final_kwh": final_kwh - soc_kwh,
        "import_limit_kw": grid_kw - problem.import_limit_kw[0],
        "export_limit_kw": -grid_kw - problem.export_limit_kw[0],
    }
    return {name: np.where(amount > NOTHING, amount, 0.0) for name, amount in missed.items()}


def _change(power_kw: Floats, problem: BatteryProblem) -> Floats:
    return soc_change_kwh(np.maximum(power_kw, 0), np.maximum(-power_kw, 0), problem)


@njit(cache=True, nogil=True)
def _least_missing_changes(  # type: ignore[no-untyped-def] # numba infers
    lowest, highest, export_kept, import_kept, floor_kwh, final_kwh, capacity_kwh, initial_kwh
):
    """The change of SoC in each interval, (T,) kWh, of a plan that misses the least sum.

    ``lowest`` and ``highest`` are the changes at full rating; ``export_kept`` (T,) is the least that keeps
    the export limit, ``import_kept`` (T,) the most that keeps the import limit.
    """
    steps = len(floor_kwh)
    room = 5 * steps + 1  # four pieces an interval, and one more where a floor splits one
    slope, length, owner = np.empty(room), np.empty(room), np.empty(room, dtype=np.int64)
    change = np.full(steps, lowest)
    corners = np.empty(5)
    low = high = initial_kwh
    head = tail = 0
    for t in range(steps):
        corners[0], corners[4] = lowest, highest
        corners[1], corners[2], corners[3] = export_kept[t], 0.0, import_kept[t]
        corners = np.sort(np.minimum(np.maximum(corners, lowest), highest))
        low, high = low + lowest, high + highest
        # Merge from the back: both lists are sorted.
        at = tail - 1
        tail += int(np.count_nonzero(np.diff(corners)))
        into = tail - 1
        for piece in range(3, -1, -1):
            extent = corners[piece + 1] - corners[piece]
            if extent == 0.0:
                continue
            middle = corners[piece] + extent / 2
            steep = IDLE_PREFERENCE if middle > 0.0 else -IDLE_PREFERENCE
            steep += 1.0 * (middle > import_kept[t]) - 1.0 * (middle < export_kept[t])
            while at >= head and slope[at] > steep:
                slope[into], length[into], owner[into] = slope[at], length[at], owner[at]
                at, into = at - 1, into - 1
            slope[into], length[into], owner[into] = steep, extent, t
            into -= 1
        while low < 0.0 and head < tail:
            used = min(length[head], -low)
            change[owner[head]] += used
            low += used
            length[head] -= used
            head += length[head] == 0.0
        while high > capacity_kwh and head < tail:
            cut = min(length[tail - 1], high - capacity_kwh)
            high -= cut
            length[tail - 1] -= cut
            tail -= length[tail - 1] == 0.0
        tail = _tilt(slope, length, owner, head, tail, floor_kwh[t] - low)
    tail = _tilt(slope, length, owner, head, tail, final_kwh - low)
    while head < tail and slope[head] < 0.0:
        change[owner[head]] += length[head]
        head += 1
    return change


@njit(cache=True)
def _tilt(slope, length, owner, head, tail, reach):  # type: ignore[no-untyped-def] # numba infers
    """Lower the slopes of the first ``reach`` kWh by 1; the new tail."""
    at = head
    while at < tail and reach > 0.0:
        if length[at] > reach:
            for moved in range(tail, at, -1):
                slope[moved], length[moved] = slope[moved - 1], length[moved - 1]
                owner[moved] = owner[moved - 1]
            length[at], length[at + 1] = reach, length[at] - reach
            tail += 1
        slope[at] -= 1.0
        reach -= length[at]
        at += 1
    return tail
