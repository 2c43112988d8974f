"""The corridor of viable states, and the rule that follows it."""

import numpy as np
import pytest

from ess import rule
from ess.corridor import can_be_met, follow, soc_corridor
from ess.dynamics import replay


def test_the_corridor_opens_backwards_from_the_final_state(homes):
    """Final 4 of 8 kWh; 2 h steps at 2 kW: 0.95 of 4 kWh can be charged in a step."""
    problem = homes(
        n=1,
        capacity_kwh=np.array([8.0]),
        max_charge_kw=np.array([2.0]),
        max_discharge_kw=np.array([2.0]),
        soc_initial_kwh=np.array([1.0]),
        soc_min_kwh=np.array([0.5]),
        soc_final_kwh=np.array([4.5]),
    )
    lower, upper = soc_corridor(problem)
    assert lower[0, -3:] == pytest.approx([0.5, 0.7, 4.5])
    assert upper[0, 1:].tolist() == [8.0] * 12
    assert can_be_met(problem).all()


def test_an_import_limit_must_be_prepared_for(homes):
    """The load of the last step exceeds the limit by 1 kW: 2 h of it must be in store, and losses too."""
    limit = np.full((1, 12), np.inf)
    limit[0, -1] = 3.0
    load = np.zeros((1, 12))
    load[0, -1] = 4.0
    problem = homes(
        n=1, load_kw=load, pv_kw=np.zeros((1, 12)), import_limit_kw=limit,
        soc_final_kwh=np.zeros(1), soc_min_kwh=np.zeros(1), soc_initial_kwh=np.zeros(1),
    )  # fmt: skip
    assert soc_corridor(problem)[0][0, -2] == pytest.approx(2 / 0.93)
    judged = replay(problem, *rule.plan(problem))
    assert judged.feasible.all()
    assert judged.soc_kwh[0, -2] == pytest.approx(2 / 0.93)


def test_a_load_beyond_limit_and_battery_cannot_be_met(homes):
    lower, upper = soc_corridor(
        homes(n=1, load_kw=np.full((1, 12), 50.0), import_limit_kw=np.full((1, 12), 1.0))
    )
    assert np.isposinf(lower[0, 0])
    assert np.isneginf(upper[0, 0])


def test_a_limit_kept_to_the_last_watt_is_kept(homes):
    """2.91 - 1.96 is a little more than 0.95 in floating point; that little is no conflict."""
    problem = homes(
        n=1,
        load_kw=np.full((1, 12), 2.91),
        pv_kw=np.full((1, 12), 1.96),
        max_discharge_kw=np.array([0.41]),
        import_limit_kw=np.full((1, 12), 0.54),
        capacity_kwh=np.array([20.0]),
        soc_initial_kwh=np.array([20.0]),
        soc_final_kwh=np.zeros(1),
    )
    assert can_be_met(problem).all()
    assert replay(problem, *rule.plan(problem)).feasible.all()


def test_the_rule_stores_surplus_and_covers_deficit(homes):
    problem = homes(
        n=1,
        load_kw=np.tile([0.0, 3.0], (1, 6)),
        pv_kw=np.tile([1.0, 0.0], (1, 6)),
        soc_final_kwh=np.zeros(1),
        soc_min_kwh=np.zeros(1),
        soc_initial_kwh=np.zeros(1),
    )
    charge_kw, discharge_kw = rule.plan(problem)
    assert charge_kw[0] == pytest.approx(np.tile([1.0, 0.0], 6))
    assert discharge_kw[0] == pytest.approx(np.tile([0.0, 0.95 * 0.93], 6))


def test_following_a_feasible_plan_changes_nothing(homes):
    problem = homes()
    charge_kw, discharge_kw = rule.plan(problem)
    again = follow(problem, charge_kw - discharge_kw)
    assert np.allclose(again, (charge_kw, discharge_kw), atol=1e-9)
