"""Outlook, levels and observation: the parts that all controllers share."""

from dataclasses import replace

import numpy as np
import pytest

from domain.errors import FieldError
from ess import rule
from ess.causal import observation
from ess.causal.actions import CHOICES, shares
from ess.causal.batteries import Batteries
from ess.causal.levels import Moves
from ess.causal.outlook import PERSISTENCE_PER_H, Outlook
from ess.dynamics import replay


def test_scenarios_move_towards_what_was_metered():
    outlook = Outlook(np.array([[[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]]))
    ahead = outlook.ahead(np.array([2.0]), 0, 0.5)
    left = PERSISTENCE_PER_H**0.5
    assert ahead[0, 0] == pytest.approx([2 + left, 3 + left**2])
    assert ahead[0, 1] == pytest.approx([5 - 3 * left, 5 - 3 * left**2])


def test_what_is_believed_without_an_outlook_is_the_problem_itself(homes):
    problem = homes()
    ahead = Outlook.of(None, problem).ahead(problem.net_load_kw[:, 3], 3, problem.step_h)
    assert np.array_equal(ahead[:, 0], problem.net_load_kw[:, 4:])


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.full((1, 1, 2), np.nan), np.zeros((1, 0, 4))])
def test_an_outlook_without_numbers_is_refused(values):
    with pytest.raises(FieldError, match="net_load_kw"):
        Outlook(values)


@pytest.mark.parametrize("steps", [12, 24, 96])
def test_asking_for_nothing_is_the_self_consumption_rule(homes, steps):
    """With no final state to prepare for: levels are bent to where an hour must end, the rule later."""
    problem = homes(n=4, steps=steps)
    problem = replace(problem, soc_final_kwh=problem.soc_min_kwh[:, 0])
    lived = Batteries.of(problem).live(lambda seen: shares(np.zeros((4, 3)), seen))
    assert np.allclose(lived, rule.plan(problem), atol=1e-9)


@pytest.mark.parametrize(
    ("levels", "reached"),
    [
        ((0.0, 0.0, 0.0), 2.0),  # export down to 0: as far as the rating
        ((0.0, 0.0, 3.5), 3.0),  # the deficit is covered, nothing is exported below 3.5
        ((0.0, 0.0, 2.5), 2.5),
        ((0.0, 3.5, 9.0), 3.5),  # the deficit is covered down to 3.5 only
        ((0.0, 5.0, 9.0), 4.0),  # above the state: nothing is bought for it
        ((5.0, 5.0, 9.0), 5.0),
        ((9.0, 9.0, 9.0), 6.0),  # buy up to 9: as far as the rating
    ],
)
def test_levels_are_headed_for_by_the_piece_that_pays_for_them(homes, levels, reached):
    """A battery of 10 kWh, 2 kW, without losses, at 4 kWh in an hour with a deficit of 1 kW."""
    ones = np.ones((1, 24))
    problem = homes(
        n=1, steps=24, load_kw=ones, pv_kw=0 * ones, capacity_kwh=np.array([10.0]),
        max_charge_kw=np.array([2.0]), max_discharge_kw=np.array([2.0]), charge_efficiency=np.ones(1),
        discharge_efficiency=np.ones(1), soc_initial_kwh=np.array([4.0]), soc_min_kwh=np.zeros(1),
        soc_final_kwh=np.zeros(1),
    )  # fmt: skip
    after = Moves.of(problem).next_soc_kwh(np.array([4.0]), np.array([levels]), 0)
    assert after == pytest.approx([reached])


def test_what_the_grid_is_wanted_for_is_spread_over_the_hour(homes):
    """From 1 kWh, 2 kWh are to be bought by the end of the hour: half a kWh in each quarter."""
    idle, none = np.zeros((1, 96)), np.zeros(1)
    problem = homes(
        n=1, steps=96, load_kw=idle, pv_kw=idle, max_charge_kw=np.array([4.0]), soc_initial_kwh=np.ones(1),
        soc_min_kwh=none, soc_final_kwh=none,
    )  # fmt: skip
    moves, soc_kwh, course = Moves.of(problem), np.ones(1), []
    for step in range(4):
        soc_kwh = moves.next_soc_kwh(soc_kwh, np.full((1, 3), 3.0), step)
        course.append(soc_kwh[0])
    assert course == pytest.approx([1.5, 2.0, 2.5, 3.0])


def test_no_level_leads_out_of_the_corridor(homes):
    problem = homes(n=50, steps=24, import_limit_kw=np.full((50, 24), 9.0))
    random = np.random.default_rng(2)
    lived = Batteries.of(problem).live(lambda seen: random.uniform(0, 1, (len(seen), 3)))
    assert replay(problem, *lived).feasible.all()


def test_rows_that_cannot_be_met_are_lived_within_their_ratings(homes):
    problem = homes(n=2, import_limit_kw=np.zeros((2, 12)))
    charge_kw, discharge_kw = Batteries.of(problem).live(lambda seen: shares(np.zeros((2, 3)), seen))
    judged = replay(problem, charge_kw, discharge_kw)
    assert (charge_kw <= problem.max_charge_kw[:, None] + 1e-9).all()
    assert all(judged.violations)


def test_every_choice_asks_for_one_thing_at_most():
    assert len(np.unique(CHOICES, axis=0)) == len(CHOICES)
    assert ((CHOICES > 0).sum(axis=1) <= 1).all()
    assert not CHOICES[0].any()


def test_the_saving_of_intervals_adds_up_to_that_of_the_day(homes):
    problem = homes(n=3, steps=24, degradation_cost_per_kwh=np.full(3, 0.02))
    plan, batteries = rule.plan(problem), Batteries.of(problem)
    judged, idle = replay(problem, *plan), replay(problem, *np.zeros((2, 3, 24)))
    soc = np.concatenate([problem.soc_initial_kwh[:, None], judged.soc_kwh], axis=1)
    saved = sum(batteries.saving(soc[:, t], soc[:, t + 1], t) for t in range(24))
    assert saved == pytest.approx(idle.cost - judged.cost - judged.wear_cost)


def test_the_observation_has_no_units(homes):
    """The same home ten times as large, in another currency, looks the same."""
    small = homes(n=1, steps=24)
    tenfold = ("load_kw", "pv_kw", "capacity_kwh", "max_charge_kw", "max_discharge_kw")
    states = ("soc_initial_kwh", "soc_min_kwh", "soc_final_kwh")
    large = replace(small, **{name: 10 * getattr(small, name) for name in (*tenfold, *states)})
    large = replace(large, buy=7 * large.buy, sell=7 * large.sell)
    assert Batteries.of(large).course == pytest.approx(Batteries.of(small).course)


def test_the_observation_holds_prices_and_quantiles_hour_by_hour(homes):
    """Half hours: prices as they will be in whole hours' time, net load as its mean over those hours."""
    problem = homes(n=1, steps=48, buy=np.repeat(np.arange(1.0, 25.0), 2)[None] / 12.5)
    noise = np.linspace(-1, 1, 11)[None, :, None] * problem.capacity_kwh[0]
    outlook = Outlook(problem.net_load_kw[:, None] + noise * (np.arange(48) > 0))
    seen = Batteries.of(problem, outlook, soh=np.array([0.8])).course[0, 0]
    hours = observation.AHEAD_H - 1
    begin = observation.COURSE_SIZE - len(observation.AHEAD) * hours
    ahead = seen[begin:].reshape(len(observation.AHEAD), hours)
    assert ahead[0] * 12.5 == pytest.approx(np.arange(2, 25))
    hourly = problem.net_load_kw[0, 2:].reshape(23, 2).mean(axis=1) / problem.capacity_kwh[0]
    assert ahead[2:] == pytest.approx(hourly + np.array([[-0.8], [0.0], [0.8]]))
    assert 0.8 in seen[:begin]


def test_hours_beyond_the_horizon_are_zero(homes):
    seen = Batteries.of(homes(n=2, steps=12)).course[:, 9]
    ahead = seen[:, -len(observation.AHEAD) * (observation.AHEAD_H - 1) :].reshape(
        2, len(observation.AHEAD), -1
    )
    assert (ahead[:, 0, :5] != 0).all()
    assert not ahead[:, :, 5:].any()


def test_a_state_of_health_out_of_range_is_refused(homes):
    with pytest.raises(FieldError, match="soh"):
        Batteries.of(homes(n=2), soh=np.array([0.9, 1.1]))
