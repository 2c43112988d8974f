"""Instances that the tests of this room share, and an independent formulation to check plans against."""

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from ess.problem import BatteryProblem


@pytest.fixture
def homes():
    """A community day of ``n`` homes with PV, a battery each and an evening peak price."""

    def build(n=3, steps=12, seed=0, **changes):
        rng = np.random.default_rng(seed)
        step_h = 24 / steps
        hours = np.arange(steps) * step_h
        shape = (n, steps)
        capacity_kwh = rng.uniform(6, 14, n)
        given = {
            "load_kw": rng.gamma(2.0, 0.7, shape),
            "pv_kw": np.maximum(0, np.sin((hours - 6) / 12 * np.pi)) * rng.uniform(2, 6, (n, 1)),
            "buy": np.where((hours >= 16) & (hours < 21), 0.5, 0.21) * np.ones(shape),
            "sell": np.full(shape, 0.05),
            "capacity_kwh": capacity_kwh,
            "max_charge_kw": capacity_kwh / 4,
            "max_discharge_kw": capacity_kwh / 4,
            "charge_efficiency": np.full(n, 0.95),
            "discharge_efficiency": np.full(n, 0.93),
            "soc_initial_kwh": capacity_kwh * 0.4,
            "soc_min_kwh": capacity_kwh * 0.1,
            "soc_final_kwh": capacity_kwh * 0.4,
            "step_h": step_h,
        }
        return BatteryProblem(**{**given, **changes})

    return build


@pytest.fixture
def least_cost():
    """``least_cost(problem, row)`` by another formulation and another solver interface."""
    return _least_cost


def _least_cost(problem, row=0):
    """Least cost with wear of one row, or None: the problem written again, as matrices for scipy.

    Variables, T of each: charge, discharge, import, export, soc, charging?, importing?.
    """
    steps = problem.shape[1]
    eye, none = np.eye(steps), np.zeros((steps, steps))
    h = problem.step_h
    net = problem.net_load_kw[row]
    rate_in, rate_out = problem.max_charge_kw[row], problem.max_discharge_kw[row]
    big = float(np.abs(net).max() + rate_in + rate_out + 1)
    first = np.zeros(steps)
    first[0] = problem.soc_initial_kwh[row]
    storing = [
        -h * problem.charge_efficiency[row] * eye,
        h / problem.discharge_efficiency[row] * eye,
        none,
        none,
        eye - np.eye(steps, k=-1),
        none,
        none,
    ]
    rules = [
        LinearConstraint(np.hstack(storing), first, first),
        LinearConstraint(np.hstack([-eye, eye, eye, -eye, none, none, none]), net, net),
        LinearConstraint(np.hstack([eye, none, none, none, none, -rate_in * eye, none]), -np.inf, 0),
        LinearConstraint(np.hstack([none, eye, none, none, none, rate_out * eye, none]), -np.inf, rate_out),
        LinearConstraint(np.hstack([none, none, eye, none, none, none, -big * eye]), -np.inf, 0),
        LinearConstraint(np.hstack([none, none, none, eye, none, none, big * eye]), -np.inf, big),
    ]
    floor = problem.soc_min_kwh[row].copy()
    floor[-1] = max(floor[-1], problem.soc_final_kwh[row])
    ones = np.ones(steps)
    upper = [
        rate_in * ones,
        rate_out * ones,
        problem.import_limit_kw[row],
        problem.export_limit_kw[row],
        problem.capacity_kwh[row] * ones,
        ones,
        ones,
    ]
    lower = [np.zeros(4 * steps), floor, np.zeros(2 * steps)]
    wear = problem.degradation_cost_per_kwh[row] * ones
    cost = h * np.concatenate([0 * ones, wear, problem.buy[row], -problem.sell[row], np.zeros(3 * steps)])
    answer = milp(
        cost,
        constraints=rules,
        bounds=Bounds(np.concatenate(lower), np.concatenate(upper)),
        integrality=np.concatenate([np.zeros(5 * steps), np.ones(2 * steps)]),
        options={"mip_rel_gap": 1e-9},
    )
    return float(answer.fun) if answer.status == 0 else None
