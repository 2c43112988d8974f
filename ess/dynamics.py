"""How a battery's state of charge moves: the only equation of it, and the judge of every schedule.

    soc = soc_before + step_h * (charge_efficiency * charge - discharge / discharge_efficiency)

``replay`` walks a schedule through it and says whether each row keeps every limit, and what it costs.
``single_step`` is one battery for one interval, as a device lives it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.battery import Battery
from domain.errors import FieldError
from ess.problem import BatteryProblem, Floats

Walked = tuple[Floats, Floats, Floats, Floats, NDArray[np.bool_]]  # SoC, grid, cost, wear cost, feasible

TOLERANCE = 1e-6  # kW or kWh by which a limit may be missed: a milliwatt


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What a schedule does to each of n batteries.

    ``soc_kwh`` (n, T) at the end of each interval; ``grid_kw`` (n, T), positive import; ``cost`` (n,) = sum
    of step_h * (buy * import - sell * export); ``wear_cost`` (n,); ``feasible`` (n,); ``violations`` holds
    for each row the first limit that is broken, where and by how much ("" when none is).
    """

    soc_kwh: Floats
    grid_kw: Floats
    cost: Floats
    wear_cost: Floats
    feasible: NDArray[np.bool_]
    violations: tuple[str, ...]


def soc_change_kwh(charge_kw: Floats, discharge_kw: Floats, problem: BatteryProblem) -> Floats:
    """Energy that enters the store in each interval, kWh, shape (n, T); see the equation above."""
    gain, loss = step_gains(problem)
    change: Floats = _stored(charge_kw, discharge_kw, gain[:, None], loss[:, None])
    return change


def step_gains(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """SoC gained per kW charged, and lost per kW discharged, over one interval: kWh per kW, each (n,)."""
    return problem.step_h * problem.charge_efficiency, problem.step_h / problem.discharge_efficiency


def replay(problem: BatteryProblem, charge_kw: Floats, discharge_kw: Floats) -> Replay:
    """Judge a schedule: ``charge_kw`` and ``discharge_kw`` are (n, T), both >= 0, never both above 0.

    Raises:
        FieldError: an array has another shape than the problem. A NaN is a violation, not an error.
    """
    for name, values in (("charge_kw", charge_kw), ("discharge_kw", discharge_kw)):
        if values.shape != problem.shape:
            raise FieldError(name, f"must have shape {problem.shape}, got {values.shape}")
    soc_kwh, grid_kw, cost, wear_cost, feasible = _walk(charge_kw, discharge_kw, arrays_of(problem))
    violations = [""] * len(feasible)
    broken = np.flatnonzero(~feasible)
    if broken.size:
        part = problem.rows(broken)
        excesses = _excesses(part, charge_kw[broken], discharge_kw[broken], soc_kwh[broken], grid_kw[broken])
        for row, violation in zip(broken.tolist(), _first_violations(excesses), strict=True):
            violations[row] = violation
    return Replay(
        soc_kwh=soc_kwh,
        grid_kw=grid_kw,
        cost=cost,
        wear_cost=wear_cost,
        feasible=feasible,
        violations=tuple(violations),
    )


def cost_with_wear(problem: BatteryProblem, charge_kw: Floats, discharge_kw: Floats) -> Floats:
    """What every method minimises, (n,): cost of the energy over the connection, plus wear."""
    _, _, cost, wear_cost, _ = _walk(charge_kw, discharge_kw, arrays_of(problem))
    total: Floats = cost + wear_cost
    return total


def single_step(
    battery: Battery, *, soc_kwh: float, requested_kw: float, step_h: float
) -> tuple[float, float]:
    """(actual power kW, new SoC kWh) of a battery asked for ``requested_kw``, positive charging.

    The request, for ``step_h`` hours, is clipped to the power limits, to the room left and to the energy
    above ``soc_min_kwh``. A battery below that floor does not discharge.

    >>> single_step(Battery(10.0, 5.0, 5.0, soc_min_kwh=1.0), soc_kwh=9.0, requested_kw=4.0, step_h=0.5)
    (2.0, 10.0)
    """
    gain, loss = step_h * battery.charge_efficiency, step_h / battery.discharge_efficiency
    most_charge_kw = min(battery.max_charge_kw, max(battery.capacity_kwh - soc_kwh, 0.0) / gain)
    most_discharge_kw = min(battery.max_discharge_kw, max(soc_kwh - battery.soc_min_kwh, 0.0) / loss)
    power_kw = min(max(requested_kw, -most_discharge_kw), most_charge_kw)
    return power_kw, soc_kwh + _stored(max(power_kw, 0.0), max(-power_kw, 0.0), gain, loss)


def _stored(charge_kw: Any, discharge_kw: Any, gain: Any, loss: Any) -> Any:  # noqa: ANN401 - floats or arrays
    """The equation itself, for floats and arrays; ``stored_compiled`` is the same in compiled loops."""
    return gain * charge_kw - loss * discharge_kw


stored_compiled = njit(inline="always")(_stored)


class Arrays(NamedTuple):
    """What compiled loops read of a problem: the fields of ``BatteryProblem``, and the gains of a step.

    ``floor_kwh`` (n, T) is the lowest state at the end of each interval, the final one included.
    """

    net_load_kw: Floats
    buy: Floats
    sell: Floats
    import_limit_kw: Floats
    export_limit_kw: Floats
    floor_kwh: Floats
    capacity_kwh: Floats
    max_charge_kw: Floats
    max_discharge_kw: Floats
    gain: Floats
    loss: Floats
    initial_kwh: Floats
    wear: Floats
    step_h: float


def arrays_of(problem: BatteryProblem) -> Arrays:
    """The problem as compiled loops read it."""
    gain, loss = step_gains(problem)
    floor_kwh = problem.soc_min_kwh.copy()
    floor_kwh[:, -1] = np.maximum(floor_kwh[:, -1], problem.soc_final_kwh)
    return Arrays(
        net_load_kw=problem.net_load_kw,
        buy=problem.buy,
        sell=problem.sell,
        import_limit_kw=problem.import_limit_kw,
        export_limit_kw=problem.export_limit_kw,
        floor_kwh=floor_kwh,
        capacity_kwh=problem.capacity_kwh,
        max_charge_kw=problem.max_charge_kw,
        max_discharge_kw=problem.max_discharge_kw,
        gain=gain,
        loss=loss,
        initial_kwh=problem.soc_initial_kwh,
        wear=problem.degradation_cost_per_kwh,
        step_h=problem.step_h,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(charge_kw: Floats, discharge_kw: Floats, given: Arrays) -> Walked:
    """One pass over all rows; a limit is kept where the comparison holds, so that NaN breaks it."""
    rows, steps = charge_kw.shape
    soc_kwh, grid_kw = np.empty((rows, steps)), np.empty((rows, steps))
    cost, wear_cost = np.empty(rows), np.empty(rows)
    feasible = np.empty(rows, dtype=np.bool_)
    for row in range(rows):
        soc, paid, discharged, kept = given.initial_kwh[row], 0.0, 0.0, True
        most_charge = given.max_charge_kw[row] + TOLERANCE
        most_discharge = given.max_discharge_kw[row] + TOLERANCE
        full = given.capacity_kwh[row] + TOLERANCE
        for t in range(steps):
            charge, discharge = charge_kw[row, t], discharge_kw[row, t]
            soc += stored_compiled(charge, discharge, given.gain[row], given.loss[row])
            grid = given.net_load_kw[row, t] + charge - discharge
            paid += grid * (given.buy[row, t] if grid > 0.0 else given.sell[row, t])
            discharged += discharge
            soc_kwh[row, t], grid_kw[row, t] = soc, grid
            kept &= (
                (-TOLERANCE <= charge <= most_charge)
                & (-TOLERANCE <= discharge <= most_discharge)
                & (min(charge, discharge) <= TOLERANCE)
                & (given.floor_kwh[row, t] - TOLERANCE <= soc <= full)
                & (grid <= given.import_limit_kw[row, t] + TOLERANCE)
                & (-grid <= given.export_limit_kw[row, t] + TOLERANCE)
            )
        cost[row] = given.step_h * paid
        wear_cost[row] = given.step_h * discharged * given.wear[row]
        feasible[row] = kept
    return soc_kwh, grid_kw, cost, wear_cost, feasible


def _excesses(
    problem: BatteryProblem, charge_kw: Floats, discharge_kw: Floats, soc_kwh: Floats, grid_kw: Floats
) -> dict[str, Floats]:
    """By how much each constraint is missed, (n, T), positive where it is; in the order they are named."""
    final_kwh = np.full(problem.shape, -np.inf)
    final_kwh[:, -1] = problem.soc_final_kwh - soc_kwh[:, -1]
    return {
        "charge_kw >= 0": -charge_kw,
        "discharge_kw >= 0": -discharge_kw,
        "max_charge_kw": charge_kw - problem.max_charge_kw[:, None],
        "max_discharge_kw": discharge_kw - problem.max_discharge_kw[:, None],
        "charge and discharge at once": np.minimum(charge_kw, discharge_kw),
        "capacity_kwh": soc_kwh - problem.capacity_kwh[:, None],
        "soc_min_kwh": problem.soc_min_kwh - soc_kwh,
        "soc_final_kwh": final_kwh,
        "import_limit_kw": grid_kw - problem.import_limit_kw,
        "export_limit_kw": -grid_kw - problem.export_limit_kw,
    }


def _first_violations(excesses: dict[str, Floats]) -> tuple[str, ...]:
    found = [""] * len(next(iter(excesses.values())))
    for name, excess in excesses.items():
        broken = ~(excess <= TOLERANCE)  # so that NaN counts as broken
        for row in np.flatnonzero(broken.any(axis=1)):
            if not found[row]:
                step = int(np.argmax(broken[row]))
                found[row] = f"{name} broken by {excess[row, step]:.6g} in interval {step}"
    return tuple(found)
