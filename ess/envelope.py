"""How far a battery may leave its plan when load and sun turn out other than forecast.

A plan is a power for an expected net load. Following it blindly buys dearly what the home's own sun could
have stored, or sells cheaply what the home then needs. What stays true when the forecast fails is the value
of stored energy, the plan's own dual: with ``v+`` the gain from one more stored kWh and ``v-`` the loss from
one less, a kWh of surplus is worth storing when ``sell < charge_efficiency * v+``, and a kWh of deficit is
worth serving when ``buy > v- / discharge_efficiency``. The battery keeps the connection at the problem's zero
within the bounds that these two answers leave; where the plan trades over the connection with the battery
itself, its power is the inner bound.
"""

from dataclasses import dataclass, replace

import numpy as np

from ess.problem import BatteryProblem, Floats
from ess.scheduler import BatterySchedule, schedule

PROBE_SHARE = 0.02  # of the capacity: how far the state of charge is moved to price it
STILL_KW = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """Bounds on battery power in the first interval, kW, each (n,); positive charges."""

    minimum_kw: Floats
    maximum_kw: Floats


def stored_value(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(gain per kWh more, loss per kWh less) of energy stored at the start, price per kWh, each (n,).

    Differences of least costs when ``soc_initial_kwh`` moves by 2 % of capacity; at a bound of the state of
    charge both are the one that can be measured.
    """
    probe_kwh = PROBE_SHARE * problem.capacity_kwh
    more = np.minimum(problem.soc_initial_kwh + probe_kwh, problem.capacity_kwh)
    less = np.maximum(problem.soc_initial_kwh - probe_kwh, np.minimum(problem.soc_min_kwh[:, 0], more))
    costs = [
        schedule(
            replace(problem, soc_initial_kwh=soc, soc_final_kwh=np.minimum(problem.soc_final_kwh, soc)),
            method="exact",
        ).cost
        for soc in (less, problem.soc_initial_kwh, more)
    ]
    gain = _slope(costs[1] - costs[2], more - problem.soc_initial_kwh)
    loss = _slope(costs[0] - costs[1], problem.soc_initial_kwh - less)
    return np.where(np.isnan(gain), loss, gain), np.where(np.isnan(loss), gain, loss)


def _slope(rise: Floats, run: Floats) -> Floats:
    return np.divide(rise, run, out=np.full_like(rise, np.nan), where=run > STILL_KW)


def first_envelope(problem: BatteryProblem, plan: BatterySchedule) -> Envelope:
    """Bounds for the first interval of ``plan``; the connection is to be kept at the problem's zero."""
    gain, loss = stored_value(problem)
    power_kw = plan.charge_kw[:, 0] - plan.discharge_kw[:, 0]
    grid_kw = problem.net_load_kw[:, 0] + power_kw
    store = problem.sell[:, 0] < problem.charge_efficiency * gain
    serve = problem.buy[:, 0] > loss / problem.discharge_efficiency
    maximum = np.where(store, problem.max_charge_kw, np.maximum(power_kw, 0))
    minimum = np.where(serve, -problem.max_discharge_kw, np.minimum(power_kw, 0))
    buys = (power_kw > STILL_KW) & (grid_kw > STILL_KW)
    sells = (power_kw < -STILL_KW) & (grid_kw < -STILL_KW)
    minimum = np.where(buys, power_kw, minimum)
    maximum = np.where(sells, power_kw, maximum)
    return Envelope(minimum_kw=minimum, maximum_kw=np.maximum(maximum, minimum))
