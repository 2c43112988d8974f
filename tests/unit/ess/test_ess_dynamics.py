"""The state-of-charge equation and the judge of schedules, against figures worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from domain.battery import Battery
from domain.errors import FieldError
from ess.dynamics import replay, single_step
from ess.problem import BatteryProblem

PROBLEM = BatteryProblem(
    load_kw=np.array([[1.0, 3.0, 2.0]]),
    pv_kw=np.array([[4.0, 0.0, 0.0]]),
    buy=np.array([[0.2, 0.5, 0.4]]),
    sell=np.array([[0.1, 0.1, 0.05]]),
    capacity_kwh=np.array([6.0]),
    max_charge_kw=np.array([3.0]),
    max_discharge_kw=np.array([4.0]),
    charge_efficiency=np.array([0.8]),
    discharge_efficiency=np.array([0.5]),
    soc_initial_kwh=np.array([2.0]),
    soc_min_kwh=np.array([0.5]),
    soc_final_kwh=np.array([0.6]),
    step_h=0.5,
    degradation_cost_per_kwh=np.array([0.03]),
)


def test_state_grid_and_cost_by_hand():
    judged = replay(PROBLEM, np.array([[2.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 1.0]]))
    assert judged.soc_kwh[0] == pytest.approx([2.8, 1.8, 0.8])
    assert judged.grid_kw[0] == pytest.approx([-1.0, 2.0, 1.0])
    assert judged.cost[0] == pytest.approx(0.5 * (-0.1 + 1.0 + 0.4))
    assert judged.wear_cost[0] == pytest.approx(0.5 * 2 * 0.03)
    assert judged.violations == ("",)
    assert judged.feasible.all()


@pytest.mark.parametrize(
    ("charge", "discharge", "change", "said"),
    [
        ([-0.1, 0, 0], [0, 0, 0], {}, "charge_kw >= 0 broken by 0.1 in interval 0"),
        ([0, 0, 0], [0, -0.1, 0], {}, "discharge_kw >= 0 broken by 0.1 in interval 1"),
        ([3.1, 0, 0], [0, 0, 0], {}, "max_charge_kw broken by 0.1 in interval 0"),
        ([3, 0, 0], [0, 4.5, 0], {}, "max_discharge_kw broken by 0.5 in interval 1"),
        ([1, 0, 0], [0.5, 0, 0], {}, "charge and discharge at once broken by 0.5 in interval 0"),
        ([3, 3, 3], [0, 0, 0], {"capacity_kwh": np.array([5.0])}, "capacity_kwh broken by 0.6 in interval 2"),
        ([0, 0, 0], [1.6, 0, 0], {}, "soc_min_kwh broken by 0.1 in interval 0"),
        ([0, 0, 0], [1.45, 0, 0], {}, "soc_final_kwh broken by 0.05 in interval 2"),
        (
            [0, 0, 0],
            [0, 0, 0],
            {"import_limit_kw": np.full((1, 3), 2.5)},
            "import_limit_kw broken by 0.5 in interval 1",
        ),
        (
            [1, 0, 0],
            [0, 0, 0],
            {"export_limit_kw": np.full((1, 3), 1.5)},
            "export_limit_kw broken by 0.5 in interval 0",
        ),
        ([0, np.nan, 0], [0, 0, 0], {}, "charge_kw >= 0 broken by nan in interval 1"),
    ],
)
def test_the_first_broken_limit_is_named(charge, discharge, change, said):
    judged = replay(replace(PROBLEM, **change), np.array([charge], float), np.array([discharge], float))
    assert judged.violations == (said,)
    assert not judged.feasible.any()


def test_a_milliwatt_is_forgiven_and_ten_are_not():
    still = np.zeros((1, 3))
    assert replay(PROBLEM, np.array([[3 + 9e-7, 0, 0]]), still).feasible.all()
    assert not replay(PROBLEM, np.array([[3 + 1e-5, 0, 0]]), still).feasible.any()


def test_a_schedule_of_another_shape_is_refused():
    with pytest.raises(FieldError, match="discharge_kw"):
        replay(PROBLEM, np.zeros((1, 3)), np.zeros((1, 2)))


BATTERY = Battery(10.0, 4.0, 3.0, charge_efficiency=0.8, discharge_efficiency=0.5, soc_min_kwh=1.0)


@pytest.mark.parametrize(
    ("soc_kwh", "requested_kw", "expected"),
    [
        (5.0, 2.0, (2.0, 5.8)),
        (5.0, 9.0, (4.0, 6.6)),
        (9.6, 4.0, (1.0, 10.0)),
        (5.0, -2.0, (-2.0, 3.0)),
        (9.0, -9.0, (-3.0, 6.0)),
        (2.0, -3.0, (-1.0, 1.0)),
        (0.5, -3.0, (0.0, 0.5)),
        (10.0, 1.0, (0.0, 10.0)),
    ],
)
def test_a_device_does_what_it_can_of_a_request(soc_kwh, requested_kw, expected):
    step = single_step(BATTERY, soc_kwh=soc_kwh, requested_kw=requested_kw, step_h=0.5)
    assert step == pytest.approx(expected)
