"""What cycling costs a battery, counted by rainflow and priced by depth, and how much capacity is left.

A cycle of depth u (a share of capacity) uses up Phi(u) of a battery's life. With Phi convex, n shallow
cycles wear less than one that is n times as deep. Rainflow counting (ASTM E1049) finds the cycles in a path
of the state of charge, but is no formula that a programme could minimise. Cutting the depth into J segments
gives one: segment j costs ``marginal_cost`` per kWh taken from it, discharging takes from the shallowest
segment that holds energy, charging fills the shallowest that has room. That is what rainflow counts, with
Phi replaced by its chords between multiples of 1/J: never less than Phi, and equal to it as J grows.

Source: B. Xu, J. Zhao, T. Zheng, E. Litvinov, D. S. Kirschen, "Factoring the cycle aging cost of batteries
participating in electricity markets", IEEE Trans. Power Systems 33(2), 2018, doi:10.1109/TPWRS.2017.2733339.
As there, a full cycle and a discharging half-cycle wear alike and a charging half-cycle does not wear: over
many days every charge has its discharge. What the calendar takes is not counted.
"""

from dataclasses import dataclass, replace

import numpy as np
import rainflow
from numpy.typing import NDArray

from domain.errors import FieldError
from ess.problem import BatteryProblem, Floats

RECENT = 30  # measurements through which the trend of health is drawn
ORIGINS = 40  # places in the past at which that trend is judged
LEAST_MEASURED = 10
DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleLife:
    """Phi(u) = coefficient * u ** exponent, the share of life that a full cycle of depth u in [0, 1] uses up.

    The default is the lithium NMC cell of Xu et al. 2018. The exponent is at least 1 (convex).
    """

    coefficient: float = 5.24e-4
    exponent: float = 2.03

    def __post_init__(self) -> None:
        if not 0 < self.coefficient < np.inf:
            raise FieldError("coefficient", f"must be above 0, got {self.coefficient}")
        if not 1 <= self.exponent < np.inf:
            raise FieldError("exponent", f"must be at least 1, got {self.exponent}")

    def life_lost(self, depth: Floats) -> Floats:
        """Share of life that one full cycle of each ``depth`` uses up."""
        return self.coefficient * np.asarray(depth, dtype=np.float64) ** self.exponent


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CycleAgeing:
    """What ageing costs n batteries: ``replacement_cost`` (n,) is the price of a new one, >= 0.

    ``segments`` is J. For an exponent of 2 or more, the programme prices a cycle too high by at most
    Phi(1) * exponent * (exponent - 1) / (8 J**2) of the replacement cost, the most by which a chord can miss.

    Raises:
        FieldError: a price is negative or not finite, or there is no segment.
    """

    replacement_cost: Floats
    life: CycleLife = CycleLife()
    segments: int = 10

    def __post_init__(self) -> None:
        price = np.asarray(self.replacement_cost, dtype=np.float64)
        if price.ndim != 1 or not ((price >= 0) & np.isfinite(price)).all():
            raise FieldError("replacement_cost", "must have shape (n,), be finite and not negative")
        if self.segments < 1:
            raise FieldError("segments", f"must be at least 1, got {self.segments}")
        object.__setattr__(self, "replacement_cost", price)

    def rows(self, chosen: slice | list[int] | NDArray[np.intp]) -> "CycleAgeing":
        """The batteries ``chosen``, in that order."""
        return replace(self, replacement_cost=self.replacement_cost[chosen])

    def marginal_cost(self, capacity_kwh: Floats) -> Floats:
        """Cost of a kWh taken from each segment, (n, J), rising with depth."""
        edges = self.life.life_lost(np.linspace(0, 1, self.segments + 1))
        per_kwh = self.replacement_cost / capacity_kwh
        return per_kwh[:, None] * self.segments * np.diff(edges)

    def segment_fill(self, capacity_kwh: Floats, soc_kwh: Floats) -> Floats:
        """How ``soc_kwh`` (n,) fills the segments, (n, J): the shallowest first, as if never emptied."""
        size = capacity_kwh[:, None] / self.segments
        return np.clip(soc_kwh[:, None] - np.arange(self.segments) * size, 0, size)


@dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """Cycles of one battery: ``depth`` as a share of capacity, ``count`` 1 or, for half-cycles, 0.5.

    ``discharging`` says of a half-cycle whether it leads down; a full cycle does both, and it is True.
    """

    depth: Floats
    count: Floats
    discharging: NDArray[np.bool_]


def cycle_depths(soc_kwh: Floats, capacity_kwh: float) -> Cycles:
    """Rainflow cycles of one path of the state of charge, its start included: (T + 1,), kWh.

    Raises:
        FieldError: the path is not a row of finite numbers, or the capacity not above 0.

    >>> cycles = cycle_depths(np.array([5.0, 9.0, 7.0, 8.0, 1.0]), 10.0)
    >>> cycles.depth.round(6).tolist(), cycles.count.tolist(), cycles.discharging.tolist()
    ([0.1, 0.4, 0.8], [1.0, 0.5, 0.5], [True, False, True])
    """
    path = np.asarray(soc_kwh, dtype=np.float64)
    if path.ndim != 1 or path.size == 0 or not np.isfinite(path).all():
        raise FieldError("soc_kwh", "must be a row of finite numbers")
    if not 0 < capacity_kwh < np.inf:
        raise FieldError("capacity_kwh", f"must be above 0, got {capacity_kwh}")
    share = np.round(path / capacity_kwh, DIGITS)  # the library loses cycles beside changes of 1e-162
    padded = [share[0], *share]  # nor does it find any in a series of two values
    found = [
        (depth, count, count == 1 or padded[begin] > padded[end])
        for depth, _, count, begin, end in rainflow.extract_cycles(padded)
    ]
    columns = list(zip(*found, strict=True)) or [(), (), ()]
    return Cycles(
        depth=np.array(columns[0], dtype=np.float64),
        count=np.array(columns[1], dtype=np.float64),
        discharging=np.array(columns[2], dtype=np.bool_),
    )


def life_lost(cycles: Cycles, life: CycleLife) -> float:
    """Share of life that the cycles use up; 1 is all of it."""
    return float(life.life_lost(cycles.depth[cycles.discharging]).sum())


def rainflow_cost(problem: BatteryProblem, soc_kwh: Floats, ageing: CycleAgeing) -> Floats:
    """Replacement cost used up by plans whose SoC at the end of each interval is (n, T): money, (n,)."""
    path = np.column_stack([problem.soc_initial_kwh, soc_kwh])
    lost = [
        life_lost(cycle_depths(row, float(capacity)), ageing.life)
        for row, capacity in zip(path, problem.capacity_kwh, strict=True)
    ]
    cost: Floats = ageing.replacement_cost * np.array(lost)
    return cost


def segment_cost(problem: BatteryProblem, soc_kwh: Floats, ageing: CycleAgeing) -> Floats:
    """The same priced by segment, (n,): what the programme minimises, for a path that is given.

    Shallowest first is the cheapest use of the segments (theorem 1 of the source).
    """
    price = ageing.marginal_cost(problem.capacity_kwh)
    held = ageing.segment_fill(problem.capacity_kwh, problem.soc_initial_kwh)
    size = problem.capacity_kwh[:, None] / ageing.segments
    cost = np.zeros(len(held))
    path = np.column_stack([problem.soc_initial_kwh, soc_kwh])
    for change in np.diff(path, axis=1).T:
        taken = _shallowest_first(held, np.maximum(-change, 0))
        cost += (price * taken).sum(axis=1)
        held = held - taken + _shallowest_first(size - held, np.maximum(change, 0))
    return cost


def _shallowest_first(available: Floats, wanted: Floats) -> Floats:
    """Of ``wanted`` (n,), what each segment gives, (n, J), when none gives more than ``available``."""
    before = np.cumsum(available, axis=1) - available
    return np.clip(wanted[:, None] - before, 0, available)


@dataclass(frozen=True, slots=True)
class Health:
    """State of health as a share of nominal capacity; ``low`` and ``high`` bound it."""

    estimate: float
    low: float
    high: float


def state_of_health(
    capacity_kwh: Floats, usage: Floats, *, nominal_kwh: float, at_usage: float | None = None
) -> Health:
    """State of health from measured capacities (m,), m >= 20, at rising ``usage`` (cycles or kWh delivered).

    The estimate continues the robust line (Theil 1950, Sen 1968) through the last 30 measurements to
    ``at_usage`` (the last usage unless given): measured cells fade ever faster, which a line or a square root
    through their whole life misses. The bounds lie as far away as the same estimate was wrong at most, that
    far ahead, from the last 40 places in the battery's own past where the outcome is known.

    Raises:
        FieldError: too few measurements, or too short a past for the distance; values that are not finite
            and above 0, or usage that does not rise or is asked for in the past.
    """
    x, y = np.asarray(usage, dtype=np.float64), np.asarray(capacity_kwh, dtype=np.float64)
    if y.shape != x.shape or y.ndim != 1 or len(y) < 2 * LEAST_MEASURED:
        raise FieldError(
            "capacity_kwh", f"must hold at least {2 * LEAST_MEASURED} values, one for each usage"
        )
    if not ((y > 0) & np.isfinite(y)).all():
        raise FieldError("capacity_kwh", "must be finite and above 0")
    if not (np.isfinite(x).all() and (np.diff(x) > 0).all()):
        raise FieldError("usage", "must be finite and rising")
    if not 0 < nominal_kwh < np.inf:
        raise FieldError("nominal_kwh", f"must be above 0, got {nominal_kwh}")
    target = float(x[-1]) if at_usage is None else at_usage
    if not x[-1] <= target < np.inf:
        raise FieldError("at_usage", f"must not lie before the last measurement, got {target}")
    estimate = _trend(x, y, target)
    error = _past_error(x, y, target - float(x[-1]))
    low, high = max(estimate - error, 0.0), estimate + error
    return Health(max(estimate, 0.0) / nominal_kwh, low / nominal_kwh, high / nominal_kwh)


def _trend(usage: Floats, capacity_kwh: Floats, target: float) -> float:
    """The line with the median slope between all pairs of recent points, at ``target``."""
    x, y = usage[-RECENT:], capacity_kwh[-RECENT:]
    first, second = np.triu_indices(len(x), 1)
    slope = np.median((y[second] - y[first]) / (x[second] - x[first]))
    return float(slope * target + np.median(y - slope * x))


def _past_error(usage: Floats, capacity_kwh: Floats, ahead: float) -> float:
    """Largest error of ``_trend`` made ``ahead`` of what was measured, at the first later measurement."""
    known = np.searchsorted(usage, usage + ahead, side="right")
    origins = [end for end in range(LEAST_MEASURED, len(usage)) if known[end - 1] < len(usage)][-ORIGINS:]
    if len(origins) < LEAST_MEASURED:
        raise FieldError("at_usage", f"lies {ahead:g} ahead: further than the measured past can judge")
    errors = []
    for end in origins:
        then = known[end - 1]
        errors.append(abs(_trend(usage[:end], capacity_kwh[:end], float(usage[then])) - capacity_kwh[then]))
    return float(max(errors))


def aged(problem: BatteryProblem, soh: Floats) -> BatteryProblem:
    """The problem with capacities at state of health ``soh`` (n,), in (0, 1] or a little above.

    States and floors are energies and stay as they are, cut to the capacity that is left; ratings stay. A
    battery that is now too small for its task makes a problem that cannot be met: ``ess.conflict`` says why.

    Raises:
        FieldError: a state of health is not finite and above 0.
    """
    share = np.asarray(soh, dtype=np.float64)
    if share.shape != problem.capacity_kwh.shape or not ((share > 0) & np.isfinite(share)).all():
        raise FieldError("soh", f"must have shape {problem.capacity_kwh.shape}, be finite and above 0")
    capacity = problem.capacity_kwh * share
    return replace(
        problem,
        capacity_kwh=capacity,
        soc_initial_kwh=np.minimum(problem.soc_initial_kwh, capacity),
        soc_final_kwh=np.minimum(problem.soc_final_kwh, capacity),
        soc_min_kwh=np.minimum(problem.soc_min_kwh, capacity[:, None]),
    )
