"""What a battery is paid and charged beside the price of energy, and what any plan is worth under that.

Reserve is power that is held ready; a peak is charged by the kW; blocks are products of several intervals;
ageing is a cost of depth (``ess.ageing``). ``judge`` replays a plan of any method, sells the reserve that it
leaves, and prices each part. The plan that is best under such terms is made by ``ess.extended``.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from ess.ageing import CycleAgeing, segment_cost
from ess.corridor import power_range
from ess.dynamics import TOLERANCE, replay
from ess.problem import BatteryProblem, Floats

SERIES = ("reserve_up_price", "reserve_down_price", "reserve_up_sold_kw", "reserve_down_sold_kw")
COLUMNS = ("peak_price_per_kw", "peak_reached_kw")


def _nothing() -> Floats:
    return np.array(0.0)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MarketTerms:
    """What n batteries are paid and charged beside the price of energy; nothing unless given. All >= 0.

    Shape (n, T): ``reserve_up_price`` and ``reserve_down_price``, money per kW held ready and interval, for
    net power that can be lowered (up: less import, more export) or raised (down); ``reserve_up_sold_kw`` and
    ``reserve_down_sold_kw``, the least that must be held. Held means: power to spare, and at the start and
    the end of the interval energy (or room) for ``reserve_hours`` of it, on top of the plan.

    Shape (n,): ``peak_price_per_kw``, money per kW by which the highest import of the horizon exceeds
    ``peak_reached_kw``, the highest of the billing period so far.

    ``block_intervals``: net power and reserve are constant in each block of so many intervals, counted from
    the first; the last block may be shorter. ``ageing`` prices cycles.

    Raises:
        FieldError: a number is negative or not finite, ``reserve_hours`` not above 0, or a block empty.
    """

    reserve_up_price: Floats = field(default_factory=_nothing)
    reserve_down_price: Floats = field(default_factory=_nothing)
    reserve_up_sold_kw: Floats = field(default_factory=_nothing)
    reserve_down_sold_kw: Floats = field(default_factory=_nothing)
    reserve_hours: float = 1.0
    peak_price_per_kw: Floats = field(default_factory=_nothing)
    peak_reached_kw: Floats = field(default_factory=_nothing)
    block_intervals: int = 1
    ageing: CycleAgeing | None = None

    def __post_init__(self) -> None:
        for name in (*SERIES, *COLUMNS):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if not ((values >= 0) & np.isfinite(values)).all():
                raise FieldError(name, "must be finite and not negative")
            object.__setattr__(self, name, values)
        if not 0 < self.reserve_hours < np.inf:
            raise FieldError("reserve_hours", f"must be above 0, got {self.reserve_hours}")
        if self.block_intervals < 1:
            raise FieldError("block_intervals", f"must be at least 1, got {self.block_intervals}")

    def fitted(self, problem: BatteryProblem) -> "MarketTerms":
        """The same with every array in full: one number stands for all rows and intervals.

        Raises:
            FieldError: an array does not have the problem's shape.
        """
        rows = problem.shape[0]
        if self.ageing is not None and self.ageing.replacement_cost.shape != (rows,):
            raise FieldError("replacement_cost", f"must have shape {(rows,)}")
        shapes = dict.fromkeys(SERIES, problem.shape) | dict.fromkeys(COLUMNS, (rows,))
        parts: dict[str, Any] = {name: _shaped(getattr(self, name), name, shapes[name]) for name in shapes}
        return replace(self, **parts)

    def rows(self, chosen: slice | list[int] | NDArray[np.intp]) -> "MarketTerms":
        """The terms of the batteries ``chosen``, in that order."""
        ageing = None if self.ageing is None else self.ageing.rows(chosen)
        given = {name: getattr(self, name) for name in (*SERIES, *COLUMNS)}
        parts = {name: values[chosen] if values.ndim else values for name, values in given.items()}
        return replace(self, **parts, ageing=ageing)

    @property
    def has_reserve(self) -> bool:
        """Whether any reserve is paid for or sold."""
        return any(getattr(self, name).any() for name in SERIES)

    @property
    def has_peak(self) -> bool:
        """Whether any peak is charged for."""
        return bool(self.peak_price_per_kw.any())


@dataclass(frozen=True, slots=True, eq=False)
class MarketSchedule:
    """Plans for n batteries over T intervals under market terms, replayed and priced by ``judge``.

    (n, T): ``charge_kw``, ``discharge_kw``, ``soc_kwh`` (end of interval), ``reserve_up_kw``,
    ``reserve_down_kw``. Money, (n,): ``energy_cost``, ``wear_cost``, ``reserve_cost`` (negative: earned),
    ``peak_cost``, ``ageing_cost``. ``violations`` names for each row the first limit or term that is broken
    ("" when none is); ``reason`` says what could not be kept and by how little it had to give, or "".
    ``bound`` (n,): no plan that keeps everything has a lower total; -inf where nothing is proven.
    """

    charge_kw: Floats
    discharge_kw: Floats
    soc_kwh: Floats
    reserve_up_kw: Floats
    reserve_down_kw: Floats
    energy_cost: Floats
    wear_cost: Floats
    reserve_cost: Floats
    peak_cost: Floats
    ageing_cost: Floats
    bound: Floats
    violations: tuple[str, ...]
    reason: tuple[str, ...]

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether a row keeps every limit and every term, (n,)."""
        return np.array([not violation for violation in self.violations])

    @property
    def total_cost(self) -> Floats:
        """Sum of the parts, (n,)."""
        parts = [getattr(self, item.name) for item in fields(self) if item.name.endswith("_cost")]
        return np.asarray(sum(parts))


def judge(
    problem: BatteryProblem, terms: MarketTerms, charge_kw: Floats, discharge_kw: Floats
) -> MarketSchedule:
    """Replay any plan, (n, T) each, sell the most reserve that it can deliver and is paid for, and price it.

    So every method can be compared under market terms, also one that plans without them.

    Raises:
        FieldError: the terms or the plan do not fit the problem.
    """
    terms = terms.fitted(problem)
    judged = replay(problem, charge_kw, discharge_kw)
    power_kw = charge_kw - discharge_kw
    up, down = _deliverable_kw(problem, power_kw, judged.soc_kwh, terms.reserve_hours)
    reserve_up = _sold(up, terms.reserve_up_price, terms.reserve_up_sold_kw, terms.block_intervals)
    reserve_down = _sold(down, terms.reserve_down_price, terms.reserve_down_sold_kw, terms.block_intervals)
    earned = terms.reserve_up_price * reserve_up + terms.reserve_down_price * reserve_down
    above_kw = np.maximum(judged.grid_kw.max(axis=1) - terms.peak_reached_kw, 0)
    within = np.arange(problem.shape[1]) % terms.block_intervals > 0
    steps_kw = np.where(within, np.abs(np.diff(power_kw, axis=1, prepend=power_kw[:, :1])), 0)
    broken = {
        "reserve_up_sold_kw": terms.reserve_up_sold_kw - reserve_up,
        "reserve_down_sold_kw": terms.reserve_down_sold_kw - reserve_down,
        "block_intervals": steps_kw,
    }
    return MarketSchedule(
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        soc_kwh=judged.soc_kwh,
        reserve_up_kw=reserve_up,
        reserve_down_kw=reserve_down,
        energy_cost=judged.cost,
        wear_cost=judged.wear_cost,
        reserve_cost=-earned.sum(axis=1),
        peak_cost=terms.peak_price_per_kw * above_kw,
        ageing_cost=(
            segment_cost(problem, judged.soc_kwh, terms.ageing) if terms.ageing else np.zeros(len(power_kw))
        ),
        bound=np.full(len(power_kw), -np.inf),
        violations=tuple(
            limit or _first_broken({name: excess[row] for name, excess in broken.items()})
            for row, limit in enumerate(judged.violations)
        ),
        reason=("",) * len(power_kw),
    )


def _first_broken(excesses: dict[str, Floats]) -> str:
    for name, excess in excesses.items():
        if not excess.max() <= TOLERANCE:  # so that NaN counts as broken
            return f"{name} broken by {excess.max():.6g} in interval {int(excess.argmax())}"
    return ""


def _deliverable_kw(
    problem: BatteryProblem, power_kw: Floats, soc_kwh: Floats, hours: float
) -> tuple[Floats, Floats]:
    """Most reserve up and down that power and store leave beside a plan, kW, each (n, T), >= 0."""
    least_kw, most_kw = power_range(problem)
    floor = floors(problem)
    held = np.column_stack([problem.soc_initial_kwh - floor[:, 0], soc_kwh - floor])
    room = problem.capacity_kwh[:, None] - np.column_stack([problem.soc_initial_kwh, soc_kwh])
    held, room = (np.minimum(ends[:, :-1], ends[:, 1:]) for ends in (held, room))
    up = np.minimum(power_kw - least_kw, held * problem.discharge_efficiency[:, None] / hours)
    down = np.minimum(most_kw - power_kw, room / problem.charge_efficiency[:, None] / hours)
    return np.maximum(up, 0), np.maximum(down, 0)


def floors(problem: BatteryProblem) -> Floats:
    """Least SoC at the end of each interval, the final one included, kWh, (n, T)."""
    floor = problem.soc_min_kwh.copy()
    floor[:, -1] = np.maximum(floor[:, -1], problem.soc_final_kwh)
    return floor


def _sold(deliverable_kw: Floats, price: Floats, sold_kw: Floats, block: int) -> Floats:
    """The most that is deliverable all through a block where it is paid for, elsewhere what was sold."""
    starts = np.arange(0, price.shape[1], block)
    owner = np.arange(price.shape[1]) // block
    most = np.minimum.reduceat(deliverable_kw, starts, axis=1)[:, owner]
    paid = np.add.reduceat(price, starts, axis=1)[:, owner] > 0
    due = np.maximum.reduceat(sold_kw, starts, axis=1)[:, owner]
    return np.where(paid, most, np.minimum(due, most))


def _shaped(values: Floats, name: str, shape: tuple[int, ...]) -> Floats:
    if values.ndim and values.shape != shape:
        raise FieldError(name, f"must have shape {shape}, got {values.shape}")
    return np.broadcast_to(values, shape)
