"""What every controller without foresight must do: keep limits, see nothing ahead, save what it claims."""

from dataclasses import replace

import numpy as np
import pytest

from domain.errors import FieldError
from ess import exact, rule
from ess.causal import agents, mpc, policy
from ess.causal.outlook import Outlook
from ess.days import LAST_DAY, TEST_FROM, home_days, seed_days, varied
from ess.dynamics import cost_with_wear, replay

PLANS = {"mpc": mpc.plan, "policy": policy.plan, "ppo": agents.plan_ppo, "dqn": agents.plan_dqn}
each_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())


@pytest.fixture(scope="module")
def test_days():
    days = home_days(TEST_FROM, LAST_DAY)
    idle = replay(days.problem, *np.zeros((2, *days.problem.shape))).cost
    return days, idle, idle - replay(days.problem, *exact.plan(days.problem)).cost


@pytest.fixture
def noisy(homes):
    """24 hours of 6 homes, and five scenarios around what will be."""
    problem = homes(n=6, steps=24)
    noise = np.random.default_rng(1).normal(0, 0.4, (6, 5, 24))
    return problem, Outlook(problem.net_load_kw[:, None] + noise)


@pytest.mark.parametrize(
    ("name", "least_share"), [("mpc", 0.915), ("policy", 0.91), ("ppo", 0.86), ("dqn", 0.78)]
)
def test_days_never_seen_are_saved_on_and_no_home_fares_worse_than_by_the_rule(test_days, name, least_share):
    days, idle, attainable = test_days
    judged = replay(days.problem, *PLANS[name](days.problem, Outlook(days.past_net_load_kw)))
    saved = idle - judged.cost
    by_rule = idle - replay(days.problem, *rule.plan(days.problem)).cost
    assert judged.feasible.all()
    assert saved.sum() >= least_share * attainable.sum()
    for home in np.unique(days.home):
        assert saved[days.home == home].sum() > by_rule[days.home == home].sum()


@each_plan
def test_what_comes_later_changes_nothing_before_it(noisy, plan):
    problem, outlook = noisy
    load_kw = problem.load_kw.copy()
    load_kw[:, 15:] += np.linspace(1, 3, 9)
    powers, others = (
        np.subtract(*plan(day, outlook)) for day in (problem, replace(problem, load_kw=load_kw))
    )
    assert np.array_equal(powers[:, :15], others[:, :15])
    assert not np.allclose(powers, others)


@each_plan
@pytest.mark.parametrize("steps", [12, 24, 96])
def test_every_limit_is_kept(homes, plan, steps):
    problem = homes(n=5, steps=steps)
    limited = replace(
        problem,
        import_limit_kw=problem.net_load_kw.max(axis=1, keepdims=True) * np.ones(problem.shape),
        export_limit_kw=np.full(problem.shape, 4.0),
        pv_kw=np.minimum(problem.pv_kw, 4.0),
        soc_final_kwh=problem.capacity_kwh * 0.8,
    )
    for day in (problem, limited):
        assert replay(day, *plan(day)).feasible.all()


def two_days(homes):
    later = homes(n=5, steps=48, seed=2, step_h=1.0)
    return replace(later, buy=np.roll(later.buy, 3, axis=1))


@pytest.mark.parametrize("name", ["mpc", "policy", "ppo"])
def test_horizons_longer_than_a_day_are_planned_better_than_by_the_rule(homes, name):
    problem = two_days(homes)
    judged = replay(problem, *PLANS[name](problem))
    assert judged.feasible.all()
    assert judged.cost.sum() < replay(problem, *rule.plan(problem)).cost.sum()


def test_values_learned_on_days_refuse_longer_horizons(homes):
    with pytest.raises(FieldError, match="at most 24 hours"):
        agents.plan_dqn(two_days(homes))


@each_plan
def test_prices_of_any_sign_and_batteries_of_any_kind_are_borne(plan):
    days = varied(seed_days(20, seed=3), seed=4)
    noise = np.random.default_rng(5).normal(0, 0.3, days.shape)
    hostile = replace(days, buy=days.buy + noise, sell=days.sell - noise)
    for problem in (days, hostile):
        assert replay(problem, *plan(problem, Outlook(problem.net_load_kw[:, None]))).feasible.all()


@each_plan
def test_rows_do_not_meddle_with_each_other(noisy, plan):
    problem, outlook = noisy
    together = np.subtract(*plan(problem, outlook))
    alone = np.subtract(*plan(problem.rows([2]), Outlook(outlook.net_load_kw[[2]])))
    assert alone[0] == pytest.approx(together[2], abs=1e-5)


@each_plan
def test_an_outlook_of_other_days_is_refused(homes, plan):
    with pytest.raises(FieldError, match="outlook"):
        plan(homes(n=3), Outlook(np.zeros((2, 4, 12))))


def test_a_forecast_that_holds_is_planned_as_well_as_can_be(noisy):
    problem, _ = noisy
    wearing = replace(problem, degradation_cost_per_kwh=np.full(6, 0.03))
    for day in (problem, wearing):
        least, idle = (
            cost_with_wear(day, *plan) for plan in (exact.plan(day), np.zeros((2, *problem.shape)))
        )
        reached = cost_with_wear(day, *mpc.plan(day))
        assert (reached - least).sum() <= 0.005 * (idle - least).sum()


def test_scenarios_are_worth_having(test_days):
    """The last day taken for certain saves less than fourteen days taken together."""
    days, idle, _ = test_days
    chosen = np.arange(110)
    days, idle = days.rows(chosen), idle[chosen]
    saved = [
        (idle - replay(days.problem, *mpc.plan(days.problem, Outlook(past))).cost).sum()
        for past in (days.past_net_load_kw[:, -1:], days.past_net_load_kw)
    ]
    assert saved[1] > saved[0]
