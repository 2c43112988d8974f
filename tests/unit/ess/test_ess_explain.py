"""Sentences for members, with figures that follow from the plan."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.errors import FieldError
from domain.time import TimeGrid
from ess.explain import Wording, next_decision
from ess.problem import BatteryProblem
from ess.scheduler import schedule

START = datetime(2026, 7, 1, 10, tzinfo=UTC)
WORDING = Wording(TimeGrid(START, timedelta(hours=1), 4), ZoneInfo("Europe/Lisbon"), "EUR")


def say(load, pv, buy, wording=WORDING, **changes):
    given = {
        "load_kw": np.array([load], float),
        "pv_kw": np.array([pv], float),
        "buy": np.array([buy], float),
        "sell": np.full((1, len(load)), 0.05),
        "capacity_kwh": np.array([4.0]),
        "max_charge_kw": np.array([2.0]),
        "max_discharge_kw": np.array([2.0]),
        "charge_efficiency": np.array([1.0]),
        "discharge_efficiency": np.array([0.9]),
        "soc_initial_kwh": np.zeros(1),
        "soc_min_kwh": np.zeros(1),
        "soc_final_kwh": np.zeros(1),
        "step_h": 1.0,
        **changes,
    }
    problem = BatteryProblem(**given)
    return next_decision(problem, schedule(problem), wording)


@pytest.mark.parametrize(
    ("day", "sentence"),
    [
        (
            {"load": [0, 0, 2, 2], "pv": [2, 2, 0, 0], "buy": [0.2, 0.2, 0.2, 0.2]},
            (
                "Charging 2.0 kW until 13:00: 4.0 kWh from surplus is stored at 0.05 EUR/kWh "
                "for use from 13:00, when it is worth 0.2 EUR/kWh."
            ),
        ),
        (
            {"load": [1, 1, 1.8, 0], "pv": [0, 0, 0, 0], "buy": [0.1, 0.3, 0.5, 0.5]},
            (
                "Charging 2.0 kW until 12:00: 2.0 kWh from the grid is stored at 0.1 EUR/kWh "
                "for use from 13:00, when it is worth 0.5 EUR/kWh."
            ),
        ),
        (
            {"load": [2, 0, 0, 2], "pv": [0, 2, 2, 0], "buy": [0.5] * 4, "soc_initial_kwh": np.array([2.0])},
            (
                "Discharging 1.8 kW until 12:00: 1.8 kWh for the home is worth 0.5 EUR/kWh; "
                "it is refilled from 12:00 at 0.05 EUR/kWh."
            ),
        ),
        (
            {"load": [1, 1, 1, 1], "pv": [0, 0, 0, 0], "buy": [0.2] * 4},
            "Idle until the end of the plan: the battery is at its reserve (0.0 kWh).",
        ),
        (
            {
                "load": [0, 0, 0, 2],
                "pv": [2, 2, 2, 0],
                "buy": [0.2] * 4,
                "soc_initial_kwh": np.array([4.0]),
                "sell": np.zeros((1, 4)),
            },
            "Idle until 14:00: the battery is full (4.0 kWh).",
        ),
        (
            {
                "load": [1, 1, 2, 2],
                "pv": [0] * 4,
                "buy": [0.1, 0.1, 0.4, 0.4],
                "soc_initial_kwh": np.array([4.0]),
            },
            "Idle until 13:00: it discharges then, when energy is worth 0.4 EUR/kWh (0.1 EUR/kWh now).",
        ),
        (
            {
                "load": [1] * 4,
                "pv": [0] * 4,
                "buy": [0.2] * 4,
                "soc_initial_kwh": np.array([2.0]),
                "soc_final_kwh": np.array([2.0]),
            },
            (
                "Idle until the end of the plan: no price difference ahead covers the losses of storing "
                "(round trip 90%)."
            ),
        ),
        (
            {"load": [1] * 4, "pv": [0] * 4, "buy": [0.1, 0.3, 0.3, 0.3], "soc_final_kwh": np.array([2.0])},
            (
                "Charging 2.0 kW until 12:00: 2.0 kWh from the grid is stored at 0.1 EUR/kWh "
                "to reach the 2.0 kWh asked for at the end of the plan."
            ),
        ),
    ],
)
def test_sentence(day, sentence):
    assert say(**day) == sentence


def test_the_share_of_surplus_is_told():
    said = say([1, 0, 2, 2], [2, 0, 0, 0], [0.1, 0.9, 0.9, 0.9], max_discharge_kw=np.array([1.0]))
    assert "2.0 kWh (50% from surplus) is stored at 0.075 EUR/kWh" in said


def test_a_grid_that_does_not_fit_is_refused():
    wording = Wording(TimeGrid(START, timedelta(minutes=15), 4), ZoneInfo("UTC"), "EUR")
    with pytest.raises(FieldError, match="grid"):
        say([1] * 4, [0] * 4, [0.1] * 4, wording=wording)
