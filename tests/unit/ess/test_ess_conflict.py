"""Problems that cannot be met: which limits are in conflict, and how little must give."""

from dataclasses import replace

import numpy as np
import pytest

from ess.conflict import find_conflict
from ess.corridor import can_be_met


def test_a_final_state_that_cannot_be_reached_in_time(homes):
    problem = homes(
        n=1, steps=2, capacity_kwh=np.array([40.0]), max_charge_kw=np.array([1.0]), step_h=1.0,
        soc_initial_kwh=np.array([4.0]), soc_final_kwh=np.array([10.0]),
    )  # fmt: skip
    conflict = find_conflict(problem)
    assert conflict.families == ("soc_final_kwh",)
    assert conflict.relaxation == {"soc_final_kwh": pytest.approx(10 - 4 - 2 * 0.95)}
    assert conflict.sentence == "soc_final_kwh cannot be kept; least relaxation: soc_final_kwh by 4.1 kWh"
    assert can_be_met(conflict.relaxed).all()
    nearly = replace(problem, soc_final_kwh=problem.soc_final_kwh - 0.999 * 4.1)
    assert not can_be_met(nearly).any()


def test_two_limits_that_only_conflict_together(homes):
    """The reserve leaves too little for the load over the import limit; either alone can be kept."""
    problem = homes(
        n=1,
        steps=2,
        step_h=1.0,
        load_kw=np.array([[5.0, 0.0]]),
        pv_kw=np.zeros((1, 2)),
        capacity_kwh=np.array([10.0]),
        max_discharge_kw=np.array([5.0]),
        soc_initial_kwh=np.array([5.0]),
        soc_min_kwh=np.array([4.0]),
        soc_final_kwh=np.zeros(1),
        import_limit_kw=np.array([[2.0, np.inf]]),
    )
    conflict = find_conflict(problem)
    assert conflict.families == ("soc_min_kwh", "import_limit_kw")
    for name, value in (("soc_min_kwh", np.zeros((1, 2))), ("import_limit_kw", np.full((1, 2), np.inf))):
        assert can_be_met(replace(problem, **{name: value})).all()
    assert "cannot be kept together" in conflict.sentence
    assert can_be_met(conflict.relaxed).all()


def test_what_gives_is_what_misses_the_fewest_kwh(homes):
    """A quarter of an hour over the import limit misses less energy than the store loses to prevent it."""
    problem = homes(
        n=1,
        steps=2,
        step_h=0.25,
        load_kw=np.array([[5.0, 0.0]]),
        pv_kw=np.zeros((1, 2)),
        max_discharge_kw=np.array([5.0]),
        soc_initial_kwh=np.array([4.0]),
        soc_min_kwh=np.array([4.0]),
        soc_final_kwh=np.zeros(1),
        import_limit_kw=np.array([[4.0, np.inf]]),
    )
    assert find_conflict(problem).relaxation == {"import_limit_kw": pytest.approx(1.0)}


def test_a_limit_gives_only_in_the_intervals_where_it_must(homes):
    load = np.full((1, 12), 1.0)
    load[0, 5] = 30.0
    problem = homes(n=1, load_kw=load, pv_kw=np.zeros((1, 12)), import_limit_kw=np.full((1, 12), 4.0))
    relaxed = find_conflict(problem).relaxed.import_limit_kw
    assert relaxed[0, 5] > 20
    assert relaxed[0, :5] == pytest.approx(np.full(5, 4.0), abs=1e-5)


def test_a_battery_found_below_its_reserve_recovers_as_fast_as_it_can(homes):
    problem = homes(n=1, steps=12, step_h=0.25, soc_initial_kwh=np.zeros(1), soc_final_kwh=np.zeros(1))
    floor = problem.soc_min_kwh[0, 0]
    gain = 0.25 * 0.95 * problem.max_charge_kw[0]
    problem = replace(problem, soc_min_kwh=np.array([2.5 * gain]))
    conflict = find_conflict(problem)
    assert floor > 0
    assert conflict.families == ("soc_min_kwh",)
    gives = problem.soc_min_kwh - conflict.relaxed.soc_min_kwh
    assert gives[0, :3] / gain == pytest.approx([1.5, 0.5, 0.0], abs=1e-4)
