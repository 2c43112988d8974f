"""Cycles counted two ways, what they cost, and the trend of measured capacities."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import FieldError
from ess.ageing import (
    CycleAgeing,
    CycleLife,
    aged,
    cycle_depths,
    life_lost,
    rainflow_cost,
    segment_cost,
    state_of_health,
)
from ess.conflict import find_conflict
from ess.corridor import can_be_met
from ess.problem import BatteryProblem

CAPACITY_KWH = 10.0
PATHS = st.lists(st.floats(0, CAPACITY_KWH), min_size=13, max_size=13)


class Chords:
    """The default curve between multiples of 1 / J: what J segments can tell of it."""

    def __init__(self, segments):
        self.depths = np.linspace(0, 1, segments + 1)

    def life_lost(self, depth):
        return np.interp(depth, self.depths, CycleLife().life_lost(self.depths))


def one(soc_kwh):
    """A battery of 10 kWh that starts at ``soc_kwh``; only that and its capacity matter here."""
    series, column = np.zeros((1, 1)), np.ones(1)
    return BatteryProblem(
        **dict.fromkeys(("load_kw", "pv_kw", "buy", "sell"), series),
        **dict.fromkeys(("max_charge_kw", "max_discharge_kw"), column),
        **dict.fromkeys(("charge_efficiency", "discharge_efficiency"), column),
        **dict.fromkeys(("soc_min_kwh", "soc_final_kwh"), 0 * column),
        capacity_kwh=CAPACITY_KWH * column,
        soc_initial_kwh=soc_kwh * column,
        step_h=1.0,
    )


def ageing(segments=10, cost=3000.0):
    return CycleAgeing(replacement_cost=np.array([cost]), segments=segments)


def test_cycles_of_the_standards_example():
    """ASTM E1049-85, figure 6: -2 1 -3 5 -1 3 -4 4 -2; shifted up, as a state of charge is never negative."""
    cycles = cycle_depths(np.array([-2.0, 1, -3, 5, -1, 3, -4, 4, -2]) + 4, CAPACITY_KWH)
    assert (cycles.depth * 10).round(9).tolist() == [3, 4, 4, 8, 9, 8, 6]
    assert cycles.count.tolist() == [0.5, 0.5, 1, 0.5, 0.5, 0.5, 0.5]
    assert cycles.discharging.tolist() == [False, True, True, False, True, False, True]


@pytest.mark.parametrize(
    ("path", "depths"),
    [
        ([5.0], []),
        ([5.0, 5.0, 5.0], []),
        ([8.0, 3.0], [0.5]),
        ([3.0, 8.0], []),
        ([8.0, 8.0, 3.0, 3.0], [0.5]),
    ],
)
def test_short_and_level_paths(path, depths):
    cycles = cycle_depths(np.array(path), CAPACITY_KWH)
    assert cycles.depth[cycles.discharging].round(9).tolist() == depths


def test_a_default_cell_is_used_up_by_some_thousand_full_cycles():
    full = np.tile([10.0, 0.0], 1908)
    assert life_lost(cycle_depths(full, CAPACITY_KWH), CycleLife()) == pytest.approx(1, abs=1e-3)


def test_shallow_cycles_wear_less_than_deep_ones_of_the_same_energy():
    deep, shallow = np.tile([10.0, 0.0], 10), np.tile([10.0, 9.0], 100)
    lost = [life_lost(cycle_depths(path, CAPACITY_KWH), CycleLife()) for path in (deep, shallow)]
    assert lost[1] < lost[0] / 8


def test_day_after_day_half_cycles_pair_into_full_ones():
    """Charging counted for nothing and discharging in full is what the standard's halves come to."""
    day = np.array([5.0, 9.0, 7.0, 8.0, 1.0])
    cycles = cycle_depths(np.tile(day, 200), CAPACITY_KWH)
    halves = (cycles.count * CycleLife().life_lost(cycles.depth)).sum()
    assert life_lost(cycles, CycleLife()) == pytest.approx(halves, rel=0.01)


@settings(deadline=None, max_examples=100)
@given(path=PATHS, segments=st.integers(1, 12))
def test_segments_count_what_rainflow_counts(path, segments):
    """Theorem 1 of Xu et al. 2018, for any path and any start: the chords exactly, Phi nearly."""
    first, *later = np.array(path)
    problem = one(first)
    soc_kwh = np.array([later])
    by_segment = segment_cost(problem, soc_kwh, ageing(segments))[0]
    cycles = cycle_depths(np.array(path), CAPACITY_KWH)
    assert by_segment == pytest.approx(3000 * life_lost(cycles, Chords(segments)), abs=1e-7)
    by_rainflow = rainflow_cost(problem, soc_kwh, ageing())[0]
    worst = 3000 * 5.24e-4 * 2.03 * 1.03 / (8 * segments**2) * cycles.discharging.sum()
    assert -1e-9 <= by_segment - by_rainflow <= worst + 1e-9


def test_the_error_falls_with_the_square_of_the_segments():
    rng = np.random.default_rng(5)
    soc_kwh = rng.uniform(0, CAPACITY_KWH, (1, 500))
    error = [
        (segment_cost(one(5.0), soc_kwh, ageing(j)) - rainflow_cost(one(5.0), soc_kwh, ageing()))[0]
        for j in (5, 10, 20, 40)
    ]
    assert np.array(error[:-1]) / error[1:] == pytest.approx([4, 4, 4], rel=0.15)


def test_a_row_costs_what_it_costs_alone(homes):
    capacity = np.array([10.0, 8.0, 5.0])
    problem = homes(capacity_kwh=capacity, soc_initial_kwh=capacity / 2)
    costs = CycleAgeing(replacement_cost=np.array([3000.0, 0.0, 1500.0]))
    soc_kwh = capacity[:, None] * np.tile([1.0, 0.2], 6)
    for price in (segment_cost, rainflow_cost):
        together = price(problem, soc_kwh, costs)
        apart = [price(problem.rows([i]), soc_kwh[[i]], costs.rows([i]))[0] for i in range(3)]
        assert together == pytest.approx(apart)
        assert together[0] == pytest.approx(2 * together[2])
        assert together[1] == 0 < together[2]


def noisy_fade(measured, seed=0):
    rng = np.random.default_rng(seed)
    cycle = np.arange(measured) * 2.0
    return cycle, 10 * (1 - 2e-4 * cycle) + rng.normal(0, 0.01, measured)


def test_health_follows_a_line_through_noise_and_outliers():
    cycle, capacity = noisy_fade(200)
    capacity[[170, 185, 199]] = 4.0  # broken measurements
    health = state_of_health(capacity, cycle, nominal_kwh=10.0)
    assert health.estimate == pytest.approx(1 - 2e-4 * cycle[-1], abs=2e-3)
    assert health.low < health.estimate < health.high


def test_the_newest_surprise_widens_the_bounds():
    told = state_of_health(np.r_[np.ones(59), 0.9], np.arange(60.0), nominal_kwh=1.0)
    assert (told.low, told.estimate, told.high) == pytest.approx((0.9, 1.0, 1.1))


def test_health_ahead_is_less_certain_and_its_bounds_hold():
    held, widths = 0, []
    for seed in range(20):
        cycle, capacity = noisy_fade(200, seed)
        seen = {"capacity_kwh": capacity[:150], "usage": cycle[:150], "nominal_kwh": 10.0}
        now, ahead = state_of_health(**seen), state_of_health(**seen, at_usage=cycle[190])
        widths.append((now.high - now.low, ahead.high - ahead.low))
        held += ahead.low <= 1 - 2e-4 * cycle[190] <= ahead.high
    assert held >= 18
    now, ahead = np.mean(widths, axis=0)
    assert ahead > 1.2 * now


# Discharge capacity, Ah, of every second discharge of NASA cell B0005 (Saha and Goebel 2007), 84 of them.
B0005_AH = """
1.856 1.835 1.835 1.835 1.825 1.825 1.814 1.803 1.803 1.803 1.847 1.826 1.826 1.815 1.803 1.852 1.820
1.805 1.788 1.773 1.768 1.768 1.752 1.736 1.783 1.757 1.742 1.726 1.711 1.700 1.685 1.675 1.659 1.643
1.633 1.622 1.607 1.590 1.585 1.575 1.560 1.555 1.538 1.529 1.517 1.564 1.532 1.517 1.507 1.491 1.480
1.486 1.481 1.454 1.455 1.439 1.433 1.423 1.412 1.408 1.438 1.407 1.397 1.386 1.375 1.371 1.375 1.370
1.354 1.355 1.344 1.339 1.329 1.318 1.318 1.360 1.329 1.319 1.313 1.303 1.303 1.298 1.288 1.309
"""


def test_health_of_a_measured_cell_told_in_advance():
    capacity = np.array(B0005_AH.split(), dtype=float)
    discharge = np.arange(len(capacity)) * 2.0
    told = state_of_health(capacity[:60], discharge[:60], nominal_kwh=2.0, at_usage=discharge[65])
    assert told.estimate == pytest.approx(capacity[65] / 2, abs=0.03)
    assert told.low < capacity[65] / 2 < told.high
    assert told.high - told.low < 0.2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"capacity_kwh": np.ones(19), "usage": np.arange(19.0)}, "capacity_kwh"),
        ({"capacity_kwh": np.r_[np.ones(29), np.nan]}, "capacity_kwh"),
        ({"capacity_kwh": np.r_[np.ones(29), 0.0]}, "capacity_kwh"),
        ({"usage": np.r_[np.arange(29.0), 28.0]}, "usage"),
        ({"usage": np.r_[np.arange(29.0), np.inf]}, "usage"),
        ({"nominal_kwh": 0.0}, "nominal_kwh"),
        ({"at_usage": 28.0}, "at_usage"),
        ({"at_usage": np.nan}, "at_usage"),
        ({"at_usage": 500.0}, "at_usage"),
    ],
)
def test_health_refuses(changes, field):
    given = {"capacity_kwh": np.ones(30), "usage": np.arange(30.0), "nominal_kwh": 1.0, **changes}
    with pytest.raises(FieldError) as error:
        state_of_health(**given)
    assert error.value.field == field


def test_an_aged_problem_keeps_its_energies_and_is_valid(homes):
    problem = homes()
    problem = replace(problem, soc_initial_kwh=problem.capacity_kwh, soc_min_kwh=problem.capacity_kwh * 0.9)
    soh = np.array([1.0, 0.8, 0.95])
    old = aged(problem, soh)
    assert old.capacity_kwh == pytest.approx(problem.capacity_kwh * soh)
    assert old.soc_initial_kwh == pytest.approx(old.capacity_kwh)
    assert old.soc_final_kwh == pytest.approx(problem.soc_final_kwh)
    assert old.soc_min_kwh[:, 0] / problem.capacity_kwh == pytest.approx([0.9, 0.8, 0.9])


def test_an_aged_battery_too_small_for_its_task_is_explained(homes):
    """The evening over the import limit takes 6 kWh from the store; 5 are left in it."""
    load_kw = np.array([[0.0, 8.0]])
    fresh = homes(
        n=1, steps=2, step_h=1.0, load_kw=load_kw, pv_kw=np.zeros((1, 2)), capacity_kwh=np.array([10.0]),
        max_discharge_kw=np.array([8.0]), soc_initial_kwh=np.array([8.0]), soc_min_kwh=np.zeros(1),
        soc_final_kwh=np.zeros(1), discharge_efficiency=np.ones(1), import_limit_kw=np.full((1, 2), 2.0),
    )  # fmt: skip
    old = aged(fresh, np.array([0.5]))
    assert can_be_met(fresh).all()
    assert find_conflict(old).relaxation == {"import_limit_kw": pytest.approx(1.0)}


@pytest.mark.parametrize("soh", [[0.0, 1, 1], [np.nan, 1, 1], [-1, 1, 1], [np.inf, 1, 1], [1.0]])
def test_no_battery_has_such_a_health(homes, soh):
    with pytest.raises(FieldError, match="soh"):
        aged(homes(), np.array(soh))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CycleLife(coefficient=0),
        lambda: CycleLife(coefficient=np.nan),
        lambda: CycleLife(exponent=0.9),
        lambda: CycleAgeing(replacement_cost=np.array([-1.0])),
        lambda: CycleAgeing(replacement_cost=np.array([np.nan])),
        lambda: CycleAgeing(replacement_cost=np.array(1.0)),
        lambda: CycleAgeing(replacement_cost=np.ones(1), segments=0),
        lambda: cycle_depths(np.array([1.0, np.nan]), 1.0),
        lambda: cycle_depths(np.ones((1, 2)), 1.0),
        lambda: cycle_depths(np.ones(3), 0.0),
    ],
)
def test_curves_prices_and_paths_that_mean_nothing_are_refused(wrong):
    with pytest.raises(FieldError):
        wrong()
