"""The bounds that the value of stored energy leaves around a plan."""

import numpy as np
import pytest

from ess.envelope import first_envelope, stored_value
from ess.problem import BatteryProblem
from ess.scheduler import schedule

LIMIT_KW = 2.0


def problem(*, load_kw, pv_kw, buy, sell, soc_kwh=2.0):
    def row(values):
        return np.array([values], dtype=float)

    return BatteryProblem(
        load_kw=row(load_kw),
        pv_kw=row(pv_kw),
        buy=row(buy),
        sell=row(sell),
        step_h=1.0,
        capacity_kwh=np.array([4.0]),
        max_charge_kw=np.array([LIMIT_KW]),
        max_discharge_kw=np.array([LIMIT_KW]),
        charge_efficiency=np.array([0.95]),
        discharge_efficiency=np.array([0.95]),
        soc_initial_kwh=np.array([soc_kwh]),
        soc_min_kwh=np.array([0.0]),
        soc_final_kwh=np.array([0.0]),
    )


def bounds(asked):
    envelope = first_envelope(asked, schedule(asked))
    return float(envelope.minimum_kw[0]), float(envelope.maximum_kw[0])


def test_stored_energy_is_worth_what_it_saves_later():
    asked = problem(load_kw=[0, 3], pv_kw=[0, 0], buy=[0.49, 0.5], sell=[0.08, 0.08], soc_kwh=1.0)
    gain, loss = stored_value(asked)
    assert gain[0] == pytest.approx(0.95 * 0.5, rel=1e-4)
    assert loss[0] == pytest.approx(0.95 * 0.5, rel=1e-4)


def test_energy_kept_for_a_dearer_hour_is_not_spent_on_a_cheap_one():
    low, high = bounds(problem(load_kw=[1, 3], pv_kw=[0, 0], buy=[0.2, 0.5], sell=[0.08, 0.08]))
    assert low >= 0
    assert high == LIMIT_KW, "unexpected sun is stored"


def test_with_no_dearer_hour_to_come_the_battery_serves_the_load():
    low, high = bounds(problem(load_kw=[1, 1], pv_kw=[0, 0], buy=[0.5, 0.2], sell=[0.08, 0.08]))
    assert (low, high) == (-LIMIT_KW, LIMIT_KW)


def test_energy_bought_to_be_stored_is_bought_whatever_the_load():
    low, _ = bounds(problem(load_kw=[0, 3], pv_kw=[0, 0], buy=[0.1, 0.5], sell=[0.08, 0.08], soc_kwh=0.5))
    assert low == pytest.approx((LIMIT_KW / 0.95 - 0.5) / 0.95), "what the dear hour can take"


def test_energy_sold_from_the_battery_is_sold_whatever_the_load():
    _, high = bounds(problem(load_kw=[0, 0], pv_kw=[0, 0], buy=[0.5, 0.5], sell=[0.4, 0.01]))
    assert high == pytest.approx(-1.9)


def test_a_full_and_an_empty_battery_have_a_value_too():
    for soc_kwh in (0.0, 4.0):
        gain, loss = stored_value(
            problem(load_kw=[0, 3], pv_kw=[0, 0], buy=[0.2, 0.5], sell=[0.08, 0.08], soc_kwh=soc_kwh)
        )
        assert np.isfinite([gain[0], loss[0]]).all()
