"""What a battery problem accepts, and how it names what it does not."""

import numpy as np
import pytest

from domain.battery import Battery
from domain.errors import FieldError
from ess.problem import BatteryProblem, columns_of


def arrays(**changes):
    series = {name: np.ones((2, 3)) for name in ("load_kw", "pv_kw", "buy", "sell")}
    columns = {
        "capacity_kwh": np.array([10.0, 5.0]),
        "max_charge_kw": np.array([4.0, 2.0]),
        "max_discharge_kw": np.array([4.0, 2.0]),
        "charge_efficiency": np.array([0.9, 1.0]),
        "discharge_efficiency": np.array([0.9, 1.0]),
        "soc_initial_kwh": np.array([5.0, 5.0]),
        "soc_min_kwh": np.array([1.0, 0.0]),
        "soc_final_kwh": np.array([5.0, 0.0]),
    }
    return {**series, **columns, "step_h": 1.0, **changes}


def test_defaults_are_no_limit_and_no_wear():
    problem = BatteryProblem(**arrays())
    assert problem.shape == (2, 3)
    assert np.isinf(problem.import_limit_kw).all()
    assert problem.export_limit_kw.shape == (2, 3)
    assert problem.degradation_cost_per_kwh.tolist() == [0.0, 0.0]
    assert problem.soc_min_kwh.tolist() == [[1.0] * 3, [0.0] * 3]


def test_the_floor_may_vary_in_time():
    floor = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]])
    assert BatteryProblem(**arrays(soc_min_kwh=floor)).soc_min_kwh.tolist() == floor.tolist()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"load_kw": np.ones(3)}, "load_kw"),
        ({"pv_kw": np.ones((2, 4))}, "pv_kw"),
        ({"capacity_kwh": np.ones(3)}, "capacity_kwh"),
        ({"buy": np.array([[1.0, 1, 1], [1, np.nan, 1]])}, "buy[1]"),
        ({"import_limit_kw": np.array([[1.0, 1, 1], [1, -1, 1]])}, "import_limit_kw[1]"),
        ({"import_limit_kw": np.full((2, 3), np.nan)}, "import_limit_kw[0]"),
        ({"max_charge_kw": np.array([1.0, -1.0])}, "max_charge_kw[1]"),
        ({"max_charge_kw": np.array([1.0, np.inf])}, "max_charge_kw[1]"),
        ({"charge_efficiency": np.array([0.0, 1.0])}, "charge_efficiency[0]"),
        ({"discharge_efficiency": np.array([1.0, 1.1])}, "discharge_efficiency[1]"),
        ({"soc_initial_kwh": np.array([5.0, 5.1])}, "soc_initial_kwh[1]"),
        ({"soc_final_kwh": np.array([-0.1, 0.0])}, "soc_final_kwh[0]"),
        ({"soc_min_kwh": np.array([1.0, 6.0])}, "soc_min_kwh[1]"),
        ({"degradation_cost_per_kwh": np.array([0.0, -1.0])}, "degradation_cost_per_kwh[1]"),
        ({"step_h": 0.0}, "step_h"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(change, field):
    with pytest.raises(FieldError) as caught:
        BatteryProblem(**arrays(**change))
    assert caught.value.field == field


def test_columns_of_batteries():
    batteries = [Battery(10.0, 4.0, 3.0, 0.9, 0.8, 1.0), Battery(5.0, 2.0, 2.0)]
    given = {**arrays(), **columns_of(batteries)}
    problem = BatteryProblem(**given)
    assert problem.max_discharge_kw.tolist() == [3.0, 2.0]
    assert problem.discharge_efficiency.tolist() == [0.8, 1.0]
    assert problem.soc_min_kwh[:, 0].tolist() == [1.0, 0.0]


def test_rows_can_be_chosen():
    chosen = BatteryProblem(**arrays()).rows([1])
    assert chosen.shape == (1, 3)
    assert chosen.capacity_kwh.tolist() == [5.0]
