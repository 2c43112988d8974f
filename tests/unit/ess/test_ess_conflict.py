"""Problems that cannot be met: which limits are in conflict, and how little must give."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linprog

from ess.conflict import UNITS, find_conflict
from ess.corridor import can_be_met
from ess.plan import SolverError
from ess.problem import BatteryProblem


def hostile(seed):
    """A problem whose limits contradict each other in several ways, as no operator would write it."""
    rng = np.random.default_rng(seed)
    steps = int(rng.choice([1, 2, 6, 24]))
    net = rng.normal(0, 3, (1, steps))
    limits = [np.where(rng.random((1, steps)) < 0.4, rng.uniform(0, 3, (1, steps)), np.inf) for _ in range(2)]
    capacity = rng.choice([1.0, 5.0, 10.0], 1)
    return BatteryProblem(
        load_kw=np.maximum(net, 0), pv_kw=np.maximum(-net, 0), buy=0 * net, sell=0 * net,
        capacity_kwh=capacity, max_charge_kw=rng.choice([0, 0.5, 3], 1),
        max_discharge_kw=rng.choice([0, 0.5, 3], 1),
        charge_efficiency=rng.uniform(0.3, 1, 1), discharge_efficiency=rng.uniform(0.3, 1, 1),
        soc_initial_kwh=capacity * rng.choice([0, 0.5, 1], 1),
        soc_final_kwh=capacity * rng.choice([0, 0.5, 1], 1),
        soc_min_kwh=capacity * np.where(rng.random((1, steps)) < 0.3, rng.random((1, steps)), 0),
        step_h=float(rng.choice([1 / 12, 0.25, 1])), import_limit_kw=limits[0], export_limit_kw=limits[1],
    )  # fmt: skip


HOSTILE = [seed for seed in range(60) if not can_be_met(hostile(seed))[0]]


def without(problem, names):
    loose = {name: np.inf if name.endswith("limit_kw") else 0.0 for name in names}
    return replace(problem, **{k: np.full_like(getattr(problem, k), v) for k, v in loose.items()})


def can_hold(problem, families):
    """Whether the limits of these families alone can be kept together."""
    return can_be_met(without(problem, [name for name in UNITS if name not in families]))[0]


def stored_kwh(problem, power_kw):
    """Change of SoC in one interval at a net power; what no battery reaches is cut."""
    gain, loss = problem.step_h * problem.charge_efficiency, problem.step_h / problem.discharge_efficiency
    return np.clip(np.where(power_kw > 0, gain, loss) * power_kw, -1e6, 1e6).reshape(-1)


def least_sum_kwh(problem):
    """The least sum of misses, as a linear programme in T changes of SoC and T misses of each family."""
    steps = problem.shape[1]
    eye, none = np.eye(steps), np.zeros((steps, steps))
    soc, start = np.tril(np.ones((steps, steps))), problem.soc_initial_kwh[0]
    end, ones = np.diag(1.0 * (np.arange(steps) == steps - 1)), np.ones(steps)
    import_kept = stored_kwh(problem, problem.import_limit_kw - problem.net_load_kw)
    export_kept = stored_kwh(problem, -problem.export_limit_kw - problem.net_load_kw)
    rules = [
        ((soc, none, none, none, none), problem.capacity_kwh[0] - start * ones),
        ((-soc, none, none, none, none), start * ones),
        ((-soc, -eye, none, none, none), start - problem.soc_min_kwh[0]),
        ((-end @ soc, none, -eye, none, none), end @ (start - problem.soc_final_kwh * ones)),
        ((eye, none, none, -eye, none), import_kept),
        ((-eye, none, none, none, -eye), -export_kept),
    ]
    lowest, highest = stored_kwh(problem, np.array([-problem.max_discharge_kw, problem.max_charge_kw]))
    answer = linprog(
        np.concatenate([0 * ones, np.ones(4 * steps)]),
        A_ub=np.vstack([np.hstack(blocks) for blocks, _ in rules]),
        b_ub=np.concatenate([bound for _, bound in rules]),
        bounds=[(lowest, highest)] * steps + [(0, None)] * (4 * steps),
    )
    return answer.fun


def sum_kwh(problem, missed):
    """What a relaxation adds up to: the connection's part as the store sees it."""
    total = missed["soc_min_kwh"].sum() + missed["soc_final_kwh"].sum()
    for name, sign in (("import_limit_kw", 1), ("export_limit_kw", -1)):
        kept_kw = sign * getattr(problem, name) - problem.net_load_kw
        gives = missed[name] > 0
        moved = stored_kwh(problem, kept_kw + sign * missed[name]) - stored_kwh(problem, kept_kw)
        total += np.abs(moved[gives]).sum()
    return total


@pytest.mark.parametrize("seed", HOSTILE)
def test_no_relaxation_is_less_in_sum(seed):
    problem = hostile(seed)
    found = find_conflict(problem)
    assert sum_kwh(problem, found.missed) == pytest.approx(least_sum_kwh(problem), abs=1e-7)


@pytest.mark.parametrize("seed", HOSTILE)
def test_the_relaxation_suffices_and_a_thousandth_less_does_not(seed):
    problem = hostile(seed)
    found = find_conflict(problem)
    assert can_be_met(found.relaxed)[0]
    given = {name: amount for name, amount in found.missed.items() if name != "soc_final_kwh"}
    nearly = replace(
        problem,
        soc_final_kwh=problem.soc_final_kwh - 0.999 * found.missed["soc_final_kwh"][-1],
        **{
            name: getattr(problem, name) + 0.999 * amount * (1 if name.endswith("limit_kw") else -1)
            for name, amount in given.items()
        },
    )
    assert not can_be_met(nearly)[0]


@pytest.mark.parametrize("seed", HOSTILE)
def test_each_conflict_is_a_smallest_one_of_what_is_left(seed):
    """As asked at first; then with the families named before relaxed. No family gives that none names."""
    problem = hostile(seed)
    found = find_conflict(problem)
    for families in found.conflicts:
        assert not can_hold(problem, families)
        assert all(can_hold(problem, fewer) for fewer in combinations(UNITS, len(families) - 1))
        problem = replace(problem, **{name: getattr(found.relaxed, name) for name in families})
    assert can_be_met(problem)[0]
    assert set(found.relaxation) <= set(found.families)


def test_those_problems_hold_conflicts_of_every_kind():
    """Else the cases above would prove little."""
    found = [find_conflict(hostile(seed)).conflicts for seed in HOSTILE]
    assert {len(conflicts) for conflicts in found} == {1, 2, 3, 4}
    assert {len(families) for conflicts in found for families in conflicts} == {1, 2}


@pytest.fixture
def battery(homes):
    """10 kWh, half full, and 5 kW over full hours, lossless unless said, with nothing asked of it."""

    def build(load_kw, **changes):
        steps = len(load_kw)
        given = {
            "load_kw": np.array([load_kw]),
            "pv_kw": np.zeros((1, steps)),
            "capacity_kwh": np.array([10.0]),
            "max_charge_kw": np.array([5.0]),
            "max_discharge_kw": np.array([5.0]),
            "charge_efficiency": np.ones(1),
            "discharge_efficiency": np.ones(1),
            "soc_initial_kwh": np.array([5.0]),
            "soc_min_kwh": np.zeros(1),
            "soc_final_kwh": np.zeros(1),
            "step_h": 1.0,
        }
        return homes(n=1, steps=steps, **{**given, **changes})

    return build


def test_a_final_state_that_cannot_be_reached_in_time(battery):
    problem = battery([0.0, 0.0], max_charge_kw=np.ones(1), soc_final_kwh=np.array([10.0]))
    found = find_conflict(problem)
    assert found.conflicts == (("soc_final_kwh",),)
    assert found.relaxation == {"soc_final_kwh": pytest.approx(3.0)}
    assert found.sentence == "soc_final_kwh cannot be kept; least relaxation: soc_final_kwh by 3 kWh"


def test_two_limits_that_only_conflict_together(battery):
    """The floor leaves 1 kWh for a load 3 kW over the import limit; either limit alone can be kept."""
    limit = np.array([[2.0, np.inf]])
    problem = battery([5.0, 0.0], soc_min_kwh=np.array([4.0]), import_limit_kw=limit)
    found = find_conflict(problem)
    assert found.sentence == (
        "soc_min_kwh and import_limit_kw cannot be kept together; "
        "least relaxation: import_limit_kw in interval 0 by 2 kW"
    )
    assert found.relaxed.import_limit_kw[0] == pytest.approx([4.0, np.inf], abs=1e-5)


def test_every_conflict_is_named(battery):
    """Nothing charges, so the final state is out of reach; and the load is above what may be imported."""
    problem = battery(
        [0.0, 20.0],
        max_charge_kw=np.zeros(1),
        soc_final_kwh=np.array([8.0]),
        import_limit_kw=np.full((1, 2), 4.0),
    )
    assert find_conflict(problem).sentence == (
        "soc_final_kwh cannot be kept, nor then import_limit_kw; "
        "least relaxation: soc_final_kwh by 3 kWh, import_limit_kw in interval 1 by 16 kW"
    )


def test_a_smaller_conflict_is_named_before_a_larger_one(battery):
    """The first floor is out of reach; so is, under the import limit, the final state."""
    problem = battery(
        [0.0, 0.0],
        soc_initial_kwh=np.zeros(1),
        max_charge_kw=np.array([4.0]),
        soc_min_kwh=np.array([[5.0, 0.0]]),
        soc_final_kwh=np.array([8.0]),
        import_limit_kw=np.array([[np.inf, 1.0]]),
    )
    assert not can_hold(problem, ("soc_final_kwh", "import_limit_kw"))
    assert find_conflict(problem).conflicts == (("soc_min_kwh",), ("soc_final_kwh", "import_limit_kw"))


def test_a_floor_missed_for_longer_counts_for_more(battery):
    """2 kWh from the closed connection, or 2 kWh below the floor: for one hour that is equal, and idle."""
    asked = {"soc_min_kwh": np.array([[7.0, 0.0]]), "import_limit_kw": np.zeros((1, 2))}
    assert find_conflict(battery([0.0, 0.0], **asked)).relaxation == {"soc_min_kwh": pytest.approx(2.0)}
    asked["soc_min_kwh"] = np.array([7.0])
    assert find_conflict(battery([0.0, 0.0], **asked)).relaxation == {"import_limit_kw": pytest.approx(2.0)}


def test_a_limit_gives_only_in_the_intervals_where_it_must(homes):
    load = np.full((1, 12), 1.0)
    load[0, 5] = 30.0
    problem = homes(n=1, load_kw=load, pv_kw=np.zeros((1, 12)), import_limit_kw=np.full((1, 12), 4.0))
    relaxed = find_conflict(problem).relaxed.import_limit_kw[0]
    assert relaxed[5] > 20
    assert np.delete(relaxed, 5).tolist() == [4.0] * 11


def test_a_battery_found_below_its_reserve_recovers_as_fast_as_it_can(battery):
    problem = battery(
        [0.0] * 4,
        soc_initial_kwh=np.zeros(1),
        soc_min_kwh=np.array([5.0]),
        max_charge_kw=np.array([2.0]),
    )
    found = find_conflict(problem)
    assert found.missed["soc_min_kwh"] == pytest.approx([3.0, 1.0, 0.0, 0.0])
    assert found.sentence == (
        "soc_min_kwh cannot be kept; "
        "least relaxation: soc_min_kwh in interval 0 by 3 kWh (the most of 2 intervals)"
    )


def test_no_energy_is_burnt_to_feed_in_less(battery):
    """Full, with 8 kW of sun and 2 kW allowed: a lossy battery could feed in more now and store later."""
    problem = battery(
        [-8.0] * 4,
        soc_initial_kwh=np.array([10.0]),
        charge_efficiency=np.full(1, 0.7),
        discharge_efficiency=np.full(1, 0.7),
        export_limit_kw=np.full((1, 4), 2.0),
    )
    assert find_conflict(problem).missed["export_limit_kw"] == pytest.approx([6.0] * 4)


def test_months_of_quarters_are_explained_too():
    rng = np.random.default_rng(0)
    shape = (1, 2976)
    problem = BatteryProblem(
        load_kw=rng.gamma(2.0, 0.7, shape), pv_kw=rng.gamma(1.0, 1.0, shape), buy=np.ones(shape),
        sell=np.zeros(shape), capacity_kwh=np.array([10.0]), max_charge_kw=np.array([2.5]),
        max_discharge_kw=np.array([2.5]), charge_efficiency=np.array([0.95]),
        discharge_efficiency=np.array([0.93]), soc_initial_kwh=np.array([5.0]),
        soc_min_kwh=rng.uniform(0, 9, shape), soc_final_kwh=np.array([10.0]), step_h=0.25,
        import_limit_kw=np.full(shape, 3.0), export_limit_kw=np.full(shape, 2.0),
    )  # fmt: skip
    found = find_conflict(problem)
    assert can_be_met(found.relaxed)[0]
    assert sum_kwh(problem, found.missed) > 0


def test_only_one_problem_that_cannot_be_met_has_an_answer(homes):
    with pytest.raises(ValueError, match="can be met"):
        find_conflict(homes(n=1))
    with pytest.raises(ValueError, match="one row at a time, got 3"):
        find_conflict(homes(import_limit_kw=np.zeros((3, 12))))


def test_where_rounding_hides_what_must_give_that_is_said():
    """Petawatt-hours: double precision does not hold their milliwatts."""
    problem = hostile(7)
    energies = ("load_kw", "pv_kw", "capacity_kwh", "max_charge_kw", "max_discharge_kw", *UNITS)
    scaled = {name: 1e12 * getattr(problem, name) for name in (*energies, "soc_initial_kwh")}
    with pytest.raises(SolverError, match="rounding"):
        find_conflict(replace(problem, **scaled))
