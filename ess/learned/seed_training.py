"""Training of ``l2o_seed`` as its author trains it: cost of the plan plus penalties, modes ever less soft."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ess.days import seed_days
from ess.dynamics import step_gains
from ess.learned.seed import NAME, SeedPolicy, series_of
from ess.learned.seed_figures import seed_table
from ess.learned.weights import FOLDER, data_hash, save_weights
from ess.learned.weights_training import run_rounds
from ess.problem import BatteryProblem

SOC_PENALTY, FINAL_PENALTY = 20.0, 10.0
HOTTEST, COLDEST = 5.0, 0.1
LEAST_RATE, MOST_RATE, WARM_UP, DECAY = 1e-4, 1e-3, 0.1, 1e-4
LONGEST_GRADIENT = 1.0
NOISE = 0.05
SAVED_EVERY = 25  # epochs


@dataclass(frozen=True, slots=True)
class Run:
    """How long and on what: the author's figures unless given."""

    days: int = 5_000
    epochs: int = 1_500
    batch: int = 64
    seed: int = 42


def train(run: Run, *, checkpoint: Path, logs: Path, folder: Path = FOLDER) -> SeedPolicy:
    """Train, resuming from ``checkpoint`` where it exists; write weights and model card into ``folder``.

    TensorBoard events go into ``logs``. The same ``run`` gives the same weights, resumed or not.
    """
    problem = seed_days(run.days, seed=run.seed)
    torch.manual_seed(run.seed)
    learner = _Learner(run, problem)
    seconds = run_rounds(
        learner.epoch,
        {"policy": learner.policy, "optimizer": learner.optimizer, "rates": learner.rates},
        rounds=run.epochs,
        saved_every=SAVED_EVERY,
        checkpoint=checkpoint,
        logs=logs,
    )
    policy = learner.policy.half().float().eval()  # as it ships
    card = _card(run, problem, cpu_minutes=seconds / 60)
    card |= {"table_seed": run.seed + 1, "table": asdict(seed_table(seed=run.seed + 1, policy=policy))}
    arrays = {key: values.numpy().astype(np.float16) for key, values in policy.state_dict().items()}
    save_weights(NAME, arrays, card, folder=folder)
    return policy


class _Learner:
    """The policy with what its next epoch needs."""

    def __init__(self, run: Run, problem: BatteryProblem) -> None:
        self.run = run
        self.series = series_of(problem)
        self.battery = problem.rows([0])
        self.policy = SeedPolicy()
        self.optimizer = torch.optim.AdamW(
            self.policy.parameters(), lr=LEAST_RATE, weight_decay=DECAY, fused=True
        )
        self.rates = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=MOST_RATE, total_steps=run.epochs, pct_start=WARM_UP
        )

    def epoch(self, number: int) -> float:
        """One pass over the days in random order; its mean loss."""
        self.policy.train()
        softness = temperature(max(number - 1, 0), self.run.epochs)
        total = 0.0
        batches = torch.split(torch.randperm(len(self.series[0])), self.run.batch)
        for rows in batches:
            noisy = [torch.clamp(_noisy(values[rows]), min=0) for values in self.series]
            loss = penalised_cost(self.policy, noisy, self.battery, softness=softness)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call] # torch gives it no types
            nn.utils.clip_grad_norm_(self.policy.parameters(), LONGEST_GRADIENT)
            self.optimizer.step()
            total += loss.item()
        self.rates.step()
        return total / len(batches)


def temperature(epoch: int, epochs: int) -> float:
    """Of the Gumbel-softmax: falls on a line, and is set after each epoch."""
    done = epoch / epochs
    return HOTTEST * (1 - done) + COLDEST * done


def _noisy(values: Tensor) -> Tensor:
    return values + NOISE * values.mean(dim=1, keepdim=True) * torch.randn_like(values)


def penalised_cost(
    policy: SeedPolicy, series: list[Tensor], battery: BatteryProblem, *, softness: float
) -> Tensor:
    """Mean cost of the days, plus what the state of charge misses: its bounds, and its end by Huber's loss.

    ``battery`` is a problem of one row whose battery all rows have.
    """
    logits, shares = policy(*series)
    mode = functional.gumbel_softmax(logits, tau=softness, hard=True)
    charge_kw = mode[..., 0] * shares[..., 0] * float(battery.max_charge_kw[0])
    discharge_kw = mode[..., 1] * shares[..., 1] * float(battery.max_discharge_kw[0])
    soc = soc_kwh(charge_kw, discharge_kw, battery)
    pv, load, buy, sell = series
    grid_kw = load - pv + charge_kw - discharge_kw
    cost = (torch.relu(grid_kw) * buy - torch.relu(-grid_kw) * sell).sum(dim=1).mean()
    outside = torch.relu(-soc) + torch.relu(soc - float(battery.capacity_kwh[0]))
    outside_on_average = outside.sum(dim=1).mean() / (soc.shape[1] + 1)  # the initial state is a state too
    final = torch.full_like(soc[:, -1], float(battery.soc_final_kwh[0]))
    final_missed = functional.smooth_l1_loss(soc[:, -1], final)
    total: Tensor = cost + SOC_PENALTY * outside_on_average + FINAL_PENALTY * final_missed
    return total


def soc_kwh(charge_kw: Tensor, discharge_kw: Tensor, battery: BatteryProblem) -> Tensor:
    """SoC (n, T) at the end of each interval: ``ess.dynamics.soc_change_kwh`` with gradients."""
    gain, loss = (float(column[0]) for column in step_gains(battery))
    return float(battery.soc_initial_kwh[0]) + torch.cumsum(gain * charge_kw - loss * discharge_kw, dim=1)


def _card(run: Run, problem: BatteryProblem, *, cpu_minutes: float) -> dict[str, Any]:
    return {
        "name": NAME,
        "command": f"python -m ess train {NAME} --seed {run.seed}",
        "seed": run.seed,
        "days": run.days,
        "epochs": run.epochs,
        "batch": run.batch,
        "data": "ess.days.seed_days",
        "data_sha256": data_hash([problem]),
        "cpu_minutes": round(cpu_minutes, 2),
    }
