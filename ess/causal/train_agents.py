"""Training of ``ess.causal.agents`` with Stable-Baselines3, on many batteries in step (``ess.env``).

Stable-Baselines3 seeds torch's, numpy's and Python's global random states with ``seed``.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from torch import nn

from ess.causal import agents
from ess.causal.batteries import Batteries, Decide
from ess.causal.network import Network
from ess.causal.train_policy import as_shipped
from ess.causal.training import Effort, Run, Trial, data_hash, model_card, training_pool
from ess.env import BatteryVecEnv

PPO_STEPS, DQN_STEPS = 4_000_000, 1_500_000  # intervals lived, over all batteries
PPO_BATTERIES, DQN_BATTERIES = 1024, 256
PPO_BATCH, DQN_BATCH = 2048, 1024
DQN_UPDATES = 8  # each time that all batteries have lived an interval
DQN_TRACKING = 0.02  # by which the target network follows, each time
DQN_WARMING = 20_000  # intervals lived by chance before learning begins
WIDTHS = (128, 64)
LEAST_RATE = 0.02  # of the first learning rate, at the end
CHECKS = 20  # of the validation days, over a training
HORIZON = 24  # intervals of a training day
NETWORK: dict[str, Any] = {"net_arch": list(WIDTHS), "activation_fn": nn.SiLU}


def train_ppo(run: Run, *, steps: int = PPO_STEPS) -> None:
    """Train and write ``ppo.safetensors`` with its card.

    A run cut short goes on from its checkpoint, with new draws.
    """
    _train(run, "ppo", _ppo, steps)


def train_dqn(run: Run, *, steps: int = DQN_STEPS) -> None:
    """As ``train_ppo``, for ``dqn.safetensors``. A run that goes on fills its replay memory anew."""
    _train(run, "dqn", _dqn, steps)


def actor(model: BaseAlgorithm) -> Network:
    """What decides, without the framework: PPO's mean action, or the values of DQN's target network.

    The target network is a moving average of the learning one, and chooses more steadily.
    """
    parts = ("mlp_extractor.policy_net.", "action_net") if isinstance(model, PPO) else ("q_net_target.",)
    return as_shipped(layer for name, layer in model.policy.named_modules() if name.startswith(parts))


def _ppo(pool: Batteries, seed: int) -> BaseAlgorithm:
    return PPO(
        "MlpPolicy",
        BatteryVecEnv(pool, count=PPO_BATTERIES, seed=seed),
        learning_rate=_falling(1e-3),
        n_steps=HORIZON,
        batch_size=PPO_BATCH,
        n_epochs=6,
        gamma=1.0,  # a day has an end, and its last hour counts as its first
        policy_kwargs={**NETWORK, "log_std_init": -1.0},
        seed=seed,
    )


def _dqn(pool: Batteries, seed: int) -> BaseAlgorithm:
    return DQN(
        "MlpPolicy",
        BatteryVecEnv(pool, count=DQN_BATTERIES, seed=seed, discrete=True),
        learning_rate=_falling(1e-3),
        buffer_size=300_000,
        learning_starts=DQN_WARMING,
        batch_size=DQN_BATCH,
        gamma=1.0,
        train_freq=1,
        gradient_steps=DQN_UPDATES,
        target_update_interval=DQN_BATTERIES,
        tau=DQN_TRACKING,
        exploration_fraction=0.25,
        exploration_initial_eps=0.6,
        policy_kwargs=NETWORK,
        seed=seed,
    )


def _falling(first: float) -> Callable[[float], float]:
    return lambda left: first * max(left, LEAST_RATE)


def _train(run: Run, name: str, build: Callable[[Batteries, int], BaseAlgorithm], steps: int) -> None:
    began, pool = time.process_time(), training_pool(seed=run.seed)
    before, parameters = _resume(run)
    model = build(pool, run.seed + before.steps)
    if parameters:
        model.set_parameters(parameters, device=model.device)
        model.num_timesteps = before.steps
        if isinstance(model, DQN):
            model.learning_starts += before.steps
    model.set_logger(configure(str(run.folder), ["tensorboard"]))
    progress = _Progress(run, name, steps, before.cpu_seconds - began)
    if before.steps < steps:
        model.learn(steps - before.steps, callback=progress, reset_num_timesteps=not parameters)
    shipped, decide = _deciding(model, name)
    card = model_card(run, name, decide, progress.effort(model), data_hash(pool.problem))
    shipped.save(run.out, name, card)


def _deciding(model: BaseAlgorithm, name: str) -> tuple[Network, Decide]:
    network, decide = actor(model), {"ppo": agents.decide_ppo, "dqn": agents.decide_dqn}[name]
    return network, lambda seen: decide(network, seen)


class _Progress(BaseCallback):
    """Judges the agent on the validation days now and then, tells of it, and keeps a checkpoint."""

    def __init__(self, run: Run, name: str, steps: int, cpu_zero: float) -> None:
        super().__init__()
        self.run, self.name, self.between, self.cpu_zero = run, name, max(steps // CHECKS, 1), cpu_zero
        self.trial = Trial.validation()

    def effort(self, model: BaseAlgorithm) -> Effort:
        """The effort so far, that of earlier runs included."""
        return Effort(model.num_timesteps, self.cpu_zero + time.process_time())

    def _on_training_start(self) -> None:
        self.next_check = self.num_timesteps

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.next_check:
            self._check()
            self.next_check += self.between
        return True

    def _on_training_end(self) -> None:
        self._check()

    def _check(self) -> None:
        found = self.trial.figures(_deciding(self.model, self.name)[1])
        for key, value in found.items():
            self.logger.record(f"validation/{key}", value)
        self.logger.dump(self.num_timesteps)
        effort = self.effort(self.model)
        kept = {"parameters": self.model.get_parameters(), "effort": (effort.steps, effort.cpu_seconds)}
        torch.save(kept, self.run.checkpoint)
        share = found["share_of_attainable_savings"]
        self.run.report(f"{self.name}: {effort.line}; validation {share:.4f}")


def _resume(run: Run) -> tuple[Effort, dict[str, Any]]:
    """The effort and the parameters of a run so far; none of either where it has not begun."""
    if not run.checkpoint.exists():
        return Effort(), {}
    kept = torch.load(run.checkpoint, weights_only=True)
    return Effort(*kept["effort"]), kept["parameters"]
