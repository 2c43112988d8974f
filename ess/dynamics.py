"""How a battery's state of charge moves: the only equation of it, and the judge of every schedule.

    soc = soc_before + step_h * (charge_efficiency * charge - discharge / discharge_efficiency)

``replay`` walks a schedule through it and says whether each row keeps every limit, and what it costs.
``single_step`` is one battery for one interval, as a device lives it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.battery import Battery
from domain.errors import FieldError
from ess.problem import BatteryProblem, Floats

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
    return gain[:, None] * charge_kw - loss[:, None] * discharge_kw


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
    change_kwh = soc_change_kwh(charge_kw, discharge_kw, problem)
    soc_kwh = problem.soc_initial_kwh[:, None] + np.cumsum(change_kwh, axis=1)
    grid_kw = problem.net_load_kw + charge_kw - discharge_kw
    price = np.where(grid_kw > 0, problem.buy, problem.sell)
    violations = _first_violations(_excesses(problem, charge_kw, discharge_kw, soc_kwh, grid_kw))
    return Replay(
        soc_kwh=soc_kwh,
        grid_kw=grid_kw,
        cost=problem.step_h * (price * grid_kw).sum(axis=1),
        wear_cost=problem.step_h * discharge_kw.sum(axis=1) * problem.degradation_cost_per_kwh,
        feasible=np.array([not violation for violation in violations]),
        violations=violations,
    )


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
    return power_kw, soc_kwh + gain * max(power_kw, 0.0) - loss * max(-power_kw, 0.0)


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
