"""The next decision of a plan in one sentence that a member can check against the figures."""

from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np

from domain.errors import FieldError
from domain.time import TimeGrid
from ess.problem import BatteryProblem, Floats
from ess.scheduler import BatterySchedule

STILL_KW = 0.05  # a battery that moves less than this is called idle
NEAR_KWH = 0.01
NEAR_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Wording:
    """When the intervals are, in which zone to tell the time, and the unit of money in the prices."""

    grid: TimeGrid
    zone: ZoneInfo
    currency: str

    def clock(self, position: int) -> str:
        """Local wall-clock time at the start of interval ``position``."""
        return f"{(self.grid.start + position * self.grid.step).astimezone(self.zone):%H:%M}"

    def price(self, per_kwh: float) -> str:
        """A price as members read it."""
        return f"{per_kwh:.3g} {self.currency}/kWh"


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring intervals in which one battery keeps charging (kind 1), discharging (-1) or still (0)."""

    kind: int
    steps: slice
    energy_kwh: float
    at_home: float  # share of the energy that came from surplus or went into deficit
    price: float  # forgone (charging) or earned (discharging) per kWh over the connection


def next_decision(problem: BatteryProblem, plan: BatterySchedule, wording: Wording, row: int = 0) -> str:
    """What battery ``row`` does from the start of the plan, until when (local time), and why.

    Energy and times are those of the plan, prices those of the problem.

    Raises:
        FieldError: the grid of ``wording`` does not fit the problem.
    """
    if (len(wording.grid), wording.grid.step_h) != (problem.shape[1], problem.step_h):
        raise FieldError("grid", f"must hold {problem.shape[1]} intervals of {problem.step_h} h")
    one = problem.rows([row])
    runs = _runs(one, plan.charge_kw[row] - plan.discharge_kw[row])
    now, later = runs[0], runs[1:]
    until = "the end of the plan" if not later else wording.clock(now.steps.stop)
    if now.kind == 0:
        return f"Idle until {until}: {_why_idle(one, runs, wording)}."
    mean_kw = now.energy_kwh / (problem.step_h * (now.steps.stop - now.steps.start))
    verb, why = ("Charging", _why_charge) if now.kind > 0 else ("Discharging", _why_discharge)
    return f"{verb} {mean_kw:.1f} kW until {until}: {why(one, runs, wording)}."


def _runs(one: BatteryProblem, power_kw: Floats) -> list[_Run]:
    kinds = np.where(np.abs(power_kw) < STILL_KW, 0, np.sign(power_kw)).astype(int)
    surplus_kw = -one.net_load_kw[0]
    runs = []
    for kind, positions in groupby(range(len(kinds)), key=lambda position: int(kinds[position])):
        found = list(positions)
        steps = slice(found[0], found[-1] + 1)
        moved_kw = np.abs(power_kw[steps])
        at_home_kw = np.clip(kind * surplus_kw[steps], 0, moved_kw)
        home, away = (one.sell, one.buy) if kind > 0 else (one.buy, one.sell)
        worth = at_home_kw * home[0, steps] + (moved_kw - at_home_kw) * away[0, steps]
        total_kw = moved_kw.sum() if kind else 1.0
        runs.append(
            _Run(
                kind=kind,
                steps=steps,
                energy_kwh=float(one.step_h * moved_kw.sum()),
                at_home=float(at_home_kw.sum() / total_kw),
                price=float(worth.sum() / total_kw),
            )
        )
    return runs


def _next(runs: list[_Run], kind: int) -> _Run | None:
    return next((run for run in runs[1:] if run.kind == kind), None)


def _why_charge(one: BatteryProblem, runs: list[_Run], wording: Wording) -> str:
    now, use = runs[0], _next(runs, -1)
    got = f"{_portion(now, 'from surplus', 'from the grid')} is stored at {wording.price(now.price)}"
    if use is not None:
        when = wording.clock(use.steps.start)
        return f"{got} for use from {when}, when it is worth {wording.price(use.price)}"
    if one.soc_final_kwh[0] > one.soc_initial_kwh[0] + NEAR_KWH:
        return f"{got} to reach the {one.soc_final_kwh[0]:.1f} kWh asked for at the end of the plan"
    return f"{got} for later"


def _why_discharge(_: BatteryProblem, runs: list[_Run], wording: Wording) -> str:
    now, refill = runs[0], _next(runs, 1)
    given = f"{_portion(now, 'for the home', 'for export')} is worth {wording.price(now.price)}"
    if refill is None:
        return given
    when = wording.clock(refill.steps.start)
    return f"{given}; it is refilled from {when} at {wording.price(refill.price)}"


def _portion(run: _Run, home: str, away: str) -> str:
    """How much energy, and which share of it stays at home, in words."""
    if run.at_home > 1 - NEAR_SHARE:
        return f"{run.energy_kwh:.1f} kWh {home}"
    if run.at_home < NEAR_SHARE:
        return f"{run.energy_kwh:.1f} kWh {away}"
    return f"{run.energy_kwh:.1f} kWh ({run.at_home:.0%} {home})"


def _why_idle(one: BatteryProblem, runs: list[_Run], wording: Wording) -> str:
    soc_kwh, net_load_kw = float(one.soc_initial_kwh[0]), float(one.net_load_kw[0, 0])
    if net_load_kw < 0 and soc_kwh >= one.capacity_kwh[0] - NEAR_KWH:
        return f"the battery is full ({soc_kwh:.1f} kWh)"
    if net_load_kw > 0 and soc_kwh <= one.soc_min_kwh[0, 0] + NEAR_KWH:
        return f"the battery is at its reserve ({soc_kwh:.1f} kWh)"
    if len(runs) == 1:
        round_trip = one.charge_efficiency[0] * one.discharge_efficiency[0]
        return f"no price difference ahead covers the losses of storing (round trip {round_trip:.0%})"
    coming = runs[1]
    price_now = float(one.buy[0, 0] if net_load_kw > 0 else one.sell[0, 0])
    verb = "charges" if coming.kind > 0 else "discharges"
    then, now = wording.price(coming.price), wording.price(price_now)
    return f"it {verb} then, when energy is worth {then}" + ("" if then == now else f" ({now} now)")
