"""Training of ``l2o``: the cost of its own plans, back-propagated through the policy, on mixed days."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ess.days import FIRST_DAY, VALIDATE_FROM, home_days
from ess.dynamics import replay
from ess.learned.l2o import CORNER, NAME, SAID, STEEPNESS, layers_of, plan_with
from ess.learned.l2o_features import BLOCKS, FEATURES, features, interval_prices, usable_range
from ess.learned.l2o_figures import figures_on, unseen_days, validation_days
from ess.learned.l2o_mixture import QUARTERS, mixture, quarter_hours
from ess.learned.l2o_policy import Arrays, arrays_of, soft_costs
from ess.learned.weights import FOLDER, data_hash, save_weights
from ess.learned.weights_training import run_rounds
from ess.problem import BatteryProblem, Floats

DAY = timedelta(days=1)
POOL = 16_384  # days made at a time
PASSES = 3  # over each pool
SHARPENED = 0.8  # of the run, after which the corners stay as sharp as they are
EMPHASIS, LITTLE = 3.0, 0.15  # weight of days on which little can be saved, and what is little (of its scale)
LONGEST_GRADIENT = 1.0
WARM_UP_STEPS = 300
MEMORY, FORGOTTEN = 0.999, 10  # of the running mean of the weights: at most, and how soon the start is gone
SAVED_EVERY = 10  # pools
FIRST_SAID = (0.6, 0.0, 0.14, 0.14, 0.2)  # level, value, two steps, slope


@dataclass(frozen=True, slots=True)
class Run:
    """What decides the weights: nothing else does."""

    seed: int = 0
    pools: int = 450
    batch: int = 512
    width: int = 256
    rate: float = 2e-3
    softest: float = 0.1  # share of usable capacity over which corners are rounded, at first
    sharpest: float = 0.003


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Days to learn from: features (n, 198), prices of the pieces, each (n, T), the walk's arrays.

    And the cost (n,) of idling, with its scale (n,).
    """

    seen: Tensor
    prices: tuple[Tensor, ...]
    arrays: Arrays
    idle_cost: Floats
    scale: Floats
    step_h: float

    @classmethod
    def of(cls, problem: BatteryProblem) -> "Pool":
        """``problem`` as it is learned from; the scale is usable capacity times the spread of prices."""
        nothing = np.zeros(problem.shape)
        over_day = problem.buy.std(axis=1) ** 2
        to_sell = ((problem.buy - problem.sell) ** 2).mean(axis=1)
        scale = usable_range(problem)[1] * (np.sqrt(over_day + to_sell) + 1e-3 * problem.buy.mean(axis=1))
        idle_cost = replay(problem, nothing, nothing).cost
        seen = features(problem)
        prices = tuple(torch.from_numpy(values) for values in interval_prices(problem, seen))
        return cls(torch.from_numpy(seen), prices, arrays_of(problem), idle_cost, scale, problem.step_h)

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
        """Every row once, in random order."""
        order = rng.permutation(len(self.scale))
        yield from np.split(order, range(size, len(order), size))


class PlanCost(torch.autograd.Function):
    """Cost (n,) of following levels (n, T, 3), with the policy's own gradient."""

    @staticmethod
    def forward(ctx: Any, levels: Tensor, arrays: Arrays, step_h: float, softness: float) -> Tensor:  # noqa: ANN401, D102 - torch's protocol
        given = levels.detach().double().numpy()
        cost, gradient = np.empty(len(given)), np.zeros_like(given)
        soft_costs(given, arrays, step_h, softness, cost, gradient)
        ctx.gradient = torch.from_numpy(gradient)
        return torch.from_numpy(cost)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401, D102 - torch's protocol
        return (outer[0][:, None, None] * ctx.gradient).float(), None, None, None


def pool_days(measured: BatteryProblem, number: int, rng: np.random.Generator) -> BatteryProblem:
    """The days of pool ``number``: hours, and every fourth time quarter hours."""
    days = mixture(measured, POOL, seed=int(rng.integers(2**31)))
    fine = number % QUARTERS == QUARTERS - 1
    return quarter_hours(days, seed=int(rng.integers(2**31))) if fine else days


def network(width: int) -> nn.Sequential:
    """Features to five numbers a block; ``levels_said`` makes levels of them."""
    first, second = nn.Linear(FEATURES, width), nn.Linear(width, width)
    last = nn.Linear(width, SAID * BLOCKS)
    with torch.no_grad():
        last.weight.mul_(0.3)
        last.bias.copy_(torch.tensor(FIRST_SAID).repeat_interleave(BLOCKS))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)


def levels_said(said: Tensor, prices: tuple[Tensor, ...]) -> Tensor:
    """Levels (n, T, 3) from what the network says (n, 120); ``ess.learned.l2o.levels_of`` is its twin."""
    said = said.reshape(-1, SAID, BLOCKS)
    if prices[0].shape[1] != BLOCKS:
        said = said.repeat_interleave(prices[0].shape[1] // BLOCKS, dim=2)
    first, second, slope = ((said[:, 2:] + torch.sqrt(said[:, 2:] ** 2 + CORNER)) / 2).unbind(dim=1)
    slope = STEEPNESS * slope
    top = said[:, 0] + slope * said[:, 1]
    tops = (top, top - first, top - first - second)
    levels = [level - slope * price for level, price in zip(tops, prices, strict=True)]
    return torch.stack(levels, dim=2)


def train(run: Run, *, checkpoint: Path, logs: Path, folder: Path = FOLDER) -> None:
    """Train, resuming from ``checkpoint`` where it exists; write weights and model card into ``folder``.

    TensorBoard events go into ``logs``. The same ``run`` gives the same weights, resumed or not.
    """
    measured = home_days(FIRST_DAY, VALIDATE_FROM - DAY).problem
    torch.manual_seed(run.seed)
    learner = _Learner(run, measured)
    seconds = run_rounds(
        learner.pool,
        {"policy": learner.policy, "mean": learner.mean, "optimizer": learner.optimizer},
        rounds=run.pools,
        saved_every=SAVED_EVERY,
        checkpoint=checkpoint,
        logs=logs,
    )
    arrays = {key: values.numpy() for key, values in learner.mean.state_dict().items()}
    planner = partial(plan_with, layers_of(arrays))
    figures = {
        "validation": figures_on(validation_days(), planner),
        "test": figures_on(unseen_days(), planner),
    }
    card = _card(run, measured, cpu_minutes=seconds / 60)
    for days, of_sets in figures.items():
        card[days] = {name: asdict(one) for name, one in of_sets.items()}
    save_weights(NAME, arrays, card, folder=folder)


class _Learner:
    """The policy, the running mean of its weights, and what the next pool needs."""

    def __init__(self, run: Run, measured: BatteryProblem) -> None:
        self.run = run
        self.measured = measured
        self.policy, self.mean = network(run.width), network(run.width)
        self.mean.load_state_dict(self.policy.state_dict())
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=run.rate, fused=True)

    def pool(self, number: int) -> float:
        """Learn from one pool of days, made for it; the mean loss."""
        rng = np.random.default_rng([self.run.seed, number])
        days = Pool.of(pool_days(self.measured, number, rng))
        batches = [rows for _ in range(PASSES) for rows in days.batches(self.run.batch, rng)]
        total = 0.0
        for place, rows in enumerate(batches):
            done = (number + place / len(batches)) / self.run.pools
            steps = number * len(batches) + place + 1
            warm = min(1.0, steps / WARM_UP_STEPS)
            for group in self.optimizer.param_groups:
                group["lr"] = self.run.rate * warm * (1 + math.cos(math.pi * done)) / 2
            loss = _loss(self.policy, days, rows, run=self.run, done=done)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call] # torch gives it no types
            nn.utils.clip_grad_norm_(self.policy.parameters(), LONGEST_GRADIENT)
            self.optimizer.step()
            memory = min(MEMORY, steps / (steps + FORGOTTEN))
            with torch.no_grad():
                for average, parameter in zip(self.mean.parameters(), self.policy.parameters(), strict=True):
                    average.lerp_(parameter, 1 - memory)
            total += loss.item()
        return total / len(batches)


def _card(run: Run, measured: BatteryProblem, *, cpu_minutes: float) -> dict[str, Any]:
    first = pool_days(measured, 0, np.random.default_rng([run.seed, 0]))
    return {
        "name": NAME,
        "command": f"python -m ess train {NAME} --seed {run.seed}",
        **asdict(run),
        "data": "ess.learned.l2o_mixture of ess.days.home_days before VALIDATE_FROM and ess.days.seed_days",
        "data_sha256": data_hash([measured, first]),
        "cpu_minutes": round(cpu_minutes, 2),
    }


def _loss(policy: nn.Sequential, days: Pool, rows: NDArray[np.intp], *, run: Run, done: float) -> Tensor:
    """Mean cost above idling, each day in units of its scale.

    From half of the run on, days on which little can be saved come to count for more: there a small error is
    a large part of the savings.
    """
    softness = run.softest * (run.sharpest / run.softest) ** min(1.0, done / SHARPENED)
    levels = levels_said(policy(days.seen[rows]), tuple(values[rows] for values in days.prices))
    arrays = tuple(values[rows] for values in days.arrays)
    cost = PlanCost.apply(levels, arrays, days.step_h, softness)  # type: ignore[no-untyped-call] # torch gives it no types
    above_idling = (cost - torch.from_numpy(days.idle_cost[rows])) / torch.from_numpy(days.scale[rows])
    emphasis = EMPHASIS * max(0.0, 2 * done - 1)
    weight = 1 + emphasis / (1 + (above_idling.detach() / LITTLE) ** 2)
    mean: Tensor = (weight * above_idling).mean()
    return mean
