"""Training: the simulator in torch is the simulator, runs repeat and go on, and weights come with a card."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ess.causal import policy, train_agents, train_policy, training
from ess.causal.batteries import Batteries
from ess.causal.network import WEIGHTS, Network, trained
from ess.causal.outlook import Outlook
from ess.causal.training import Run, Trial
from ess.days import seed_days, varied
from ess.dynamics import replay

TRAINERS = {
    "policy": lambda run: train_policy.train_policy(run, updates=4),
    "ppo": lambda run: train_agents.train_ppo(run, steps=24 * 16 * 2),
    "dqn": lambda run: train_agents.train_dqn(run, steps=24 * 16 * 2),
}
each_trainer = pytest.mark.parametrize("name", TRAINERS)


class Cut(Exception):  # noqa: N818 - a power cut, not a mistake
    """The machine goes down."""


def cut_after_steps(name, run):
    """Train until the power is cut, and say how many steps had been taken."""
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == {"policy": 1, "ppo": 3, "dqn": 3}[name]:
            raise Cut

    with pytest.raises(Cut):
        TRAINERS[name](replace(run, report=report))
    return steps_of(lines[-1])


def steps_of(line):
    return int(line.split()[1])


@pytest.fixture(scope="module")
def pool():
    problem = varied(seed_days(40, seed=1), seed=2)
    problem = replace(problem, degradation_cost_per_kwh=np.full(40, 0.02))
    return Batteries.of(problem, Outlook(problem.net_load_kw[:, None] * np.array([0.8, 1.0, 1.2])[:, None]))


@pytest.fixture
def small(pool, monkeypatch):
    """Training on 40 days, judged on the same."""
    trial = Trial(pool, np.arange(40) % 3, *np.ones((3, 40)))
    for module in (train_policy, train_agents):
        monkeypatch.setattr(module, "training_pool", lambda *, seed: pool)  # noqa: ARG005 - as the original is called
    for name in ("validation", "test"):
        monkeypatch.setattr(training.Trial, name, lambda: trial)
    monkeypatch.setattr(train_policy, "CHECK_EVERY", 2)
    monkeypatch.setattr(train_policy, "BATCH", 16)
    monkeypatch.setattr(train_agents, "PPO_BATTERIES", 16)
    monkeypatch.setattr(train_agents, "DQN_BATTERIES", 16)
    monkeypatch.setattr(train_agents, "CHECKS", 4)
    monkeypatch.setattr(train_agents, "PPO_BATCH", 96)
    monkeypatch.setattr(train_agents, "DQN_BATCH", 64)
    monkeypatch.setattr(train_agents, "DQN_UPDATES", 1)
    monkeypatch.setattr(train_agents, "DQN_WARMING", 100)


def test_the_simulator_in_torch_is_the_simulator(pool):
    """SoC by SoC and cent by cent, for a network that moves all levels about."""
    torch.manual_seed(0)
    wild = train_policy.build((pool.course.shape[2] + 4, 16, 3)).double().to(train_policy.DEVICE)
    with torch.no_grad():
        for parameter in wild.parameters():
            parameter.mul_(3)
        cost, soc = train_policy.cost_of(wild, train_policy.Days.of(pool, torch.float64))
    shipped = train_policy.as_shipped(wild)
    plan = pool.live(lambda seen: policy.decide(shipped, seen))
    problem = pool.problem
    unit = problem.capacity_kwh * np.abs(problem.buy).mean(axis=1)
    judged = replay(problem, *plan)
    assert cost.cpu().numpy() * unit == pytest.approx(judged.cost + judged.wear_cost, abs=1e-6)
    soc_kwh = soc.cpu().numpy() * problem.capacity_kwh[:, None]
    assert soc_kwh[:, 1:] == pytest.approx(judged.soc_kwh, abs=1e-6)
    assert np.ptp(np.diff(soc_kwh, axis=1), axis=1).min() > 0.1


def test_no_level_is_out_of_reach_of_the_gradient_while_it_is_smooth(pool):
    """Sharp, a battery learns about the one level that it reaches; smooth, about all, unless at an end."""
    days = train_policy.Days.of(pool)
    levels = torch.tensor([0.3, 0.5, 0.7], device=train_policy.DEVICE).repeat(40, 1).requires_grad_()
    counts = []
    for smoothing in (0.0, 0.2):
        after = train_policy.next_soc(days, days.initial, levels, step=10, smoothing=smoothing)
        (slope,) = torch.autograd.grad(after.sum(), levels)
        counts.append((slope != 0).sum(dim=1))
    assert counts[0].max() == 1
    assert set(counts[1].tolist()) == {0, 3}
    assert counts[1].sum() > 3 * counts[0].sum()


@each_trainer
@pytest.mark.usefixtures("small")
def test_the_same_seed_gives_the_same_weights_and_a_card_says_how(name, tmp_path):
    lines = []
    for number, seed in enumerate((0, 0, 1)):
        TRAINERS[name](Run(tmp_path / str(number), tmp_path / f"run-{number}", seed, lines.append))
    networks = [trained(name, tmp_path / str(number)) for number in range(3)]
    first, second, other = (layered.layers[0][0] for layered in networks)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    card = json.loads((tmp_path / "0" / f"{name}.json").read_text())
    assert card["command"] == f"python -m ess train {name} --seed 0"
    assert card["steps"] > 0
    assert "share_of_attainable_savings" in card["test"]
    assert any(name in line and "validation" in line for line in lines)
    assert list((tmp_path / "run-0").glob("events.out.tfevents.*"))


@each_trainer
@pytest.mark.usefixtures("small")
def test_a_run_cut_short_goes_on(name, tmp_path):
    lines = []
    run = Run(tmp_path, tmp_path / "run", 0, lines.append)
    taken = cut_after_steps(name, run)
    TRAINERS[name](run)
    assert steps_of(lines[0]) > taken > 0
    whole = {"policy": 4, "ppo": 768, "dqn": 768}[name]
    assert whole <= json.loads((tmp_path / f"{name}.json").read_text())["steps"] < whole + taken


@pytest.mark.usefixtures("small")
def test_a_policy_that_goes_on_ends_where_it_would_have(tmp_path):
    cut, whole = (Run(tmp_path / name, tmp_path / f"{name}-run", 0, print) for name in ("cut", "whole"))
    assert cut_after_steps("policy", cut) == 2
    TRAINERS["policy"](cut)
    TRAINERS["policy"](whole)
    cut_short, whole = (trained("policy", tmp_path / folder).layers for folder in ("cut", "whole"))
    for (weight, bias), (other_weight, other_bias) in zip(cut_short, whole, strict=True):
        assert np.array_equal(weight, other_weight)
        assert np.array_equal(bias, other_bias)


def test_a_network_in_numpy_computes_what_torch_computes():
    torch.manual_seed(1)
    layers = train_policy.build((6, 5, 4, 2))
    seen = np.random.default_rng(0).normal(0, 2, (7, 6))
    with torch.no_grad():
        expected = layers(torch.as_tensor(seen, dtype=torch.float32)).numpy()
    found = train_policy.as_shipped(layers)(seen)
    assert isinstance(train_policy.as_shipped(layers), Network)
    assert found == pytest.approx(expected, abs=1e-5)


@each_trainer
def test_what_ships_is_small_and_has_a_card(name):
    card = json.loads((WEIGHTS / f"{name}.json").read_text())
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 1_000_000
    assert card["method"] == name
    assert card["cpu_minutes"] <= {"policy": 5, "ppo": 20, "dqn": 20}[name]
