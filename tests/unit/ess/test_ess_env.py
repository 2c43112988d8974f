"""The environments: what their users' own checkers ask of them, and that both live the same days."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_by_gymnasium
from stable_baselines3.common.env_checker import check_env as check_by_stable_baselines

from ess import rule
from ess.causal.actions import CHOICES
from ess.causal.batteries import Batteries
from ess.causal.outlook import Outlook
from ess.dynamics import replay
from ess.env import BatteryEnv, BatteryVecEnv

either_action = pytest.mark.parametrize("discrete", [False, True])


@pytest.fixture
def pool(homes):
    problem = homes(n=5, steps=24, degradation_cost_per_kwh=np.full(5, 0.01))
    noise = np.random.default_rng(3).normal(0, 0.3, (5, 4, 24))
    return Batteries.of(problem, Outlook(problem.net_load_kw[:, None] + noise))


@either_action
@pytest.mark.filterwarnings("ignore:.*render_mode")
def test_the_checkers_of_both_libraries_pass(pool, discrete):
    env = BatteryEnv(pool, discrete=discrete)
    check_by_gymnasium(env, skip_render_check=True)
    check_by_stable_baselines(env)


@either_action
def test_many_in_step_live_what_one_lives(pool, discrete):
    many = BatteryVecEnv(pool, count=5, seed=0, discrete=discrete)
    ones = [BatteryEnv(pool, discrete=discrete) for _ in range(5)]
    seen = many.begin(pool)
    firsts = [env.reset(options={"row": row})[0] for row, env in enumerate(ones)]
    assert np.array_equal(seen, firsts)
    many.action_space.seed(4)
    for step in range(24):
        actions = np.array([many.action_space.sample() for _ in ones])
        seen, rewards, dones, infos = many.step(actions)
        alone = [env.step(action) for env, action in zip(ones, actions, strict=True)]
        assert np.allclose(rewards, [reward for _, reward, *_ in alone])
        assert dones.tolist() == [ended for _, _, ended, *_ in alone] == [step == 23] * 5
        last = [info.get("terminal_observation", after) for info, after in zip(infos, seen, strict=True)]
        assert np.array_equal(last, [after for after, *_ in alone])
        assert all(many.observation_space.contains(after) for after in last)


def test_rewards_add_up_to_the_saving_that_a_replay_finds(pool):
    """Asking for nothing is the rule, so the day must be the rule's."""
    env, problem = BatteryEnv(pool, discrete=True), pool.problem
    judged, idle = replay(problem, *rule.plan(problem)), replay(problem, *np.zeros((2, 5, 24)))
    saving = idle.cost - judged.cost - judged.wear_cost
    for row in range(5):
        env.reset(options={"row": row})
        lived = [env.step(0) for _ in range(24)]
        unit = problem.capacity_kwh[row] * problem.buy[row].mean()
        assert sum(reward for _, reward, *_ in lived) * unit == pytest.approx(saving[row], abs=1e-5)
        assert lived[-1][-1]["saved"] == pytest.approx(saving[row])


def test_whatever_is_done_is_safe(pool):
    env = BatteryVecEnv(pool, count=5, seed=0)
    env.begin(pool)
    random, soc_kwh = np.random.default_rng(6), []
    for _ in range(23):
        env.step(random.uniform(-1, 1, (5, 3)).astype(np.float32))
        soc_kwh.append(env.soc_kwh)
    moves = pool.moves
    for step, after in enumerate(soc_kwh):
        assert (after >= moves.lower[:, step + 1] - 1e-9).all()
        assert (after <= moves.upper[:, step + 1] + 1e-9).all()
        assert (after >= pool.problem.soc_min_kwh[:, step] - 1e-9).all()


def test_the_same_seed_draws_the_same_days(pool):
    drawn = [BatteryVecEnv(pool, count=9, seed=seed).reset() for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_the_discrete_actions_are_the_continuous_ones(pool):
    by_number, by_parts = BatteryEnv(pool, discrete=True), BatteryEnv(pool)
    for choice, parts in enumerate(CHOICES):
        seen = []
        for env, action in ((by_number, choice), (by_parts, parts.astype(np.float32))):
            env.reset(options={"row": 1})
            seen.append([env.step(action)[1] for _ in range(24)])
        assert seen[0] == pytest.approx(seen[1])
