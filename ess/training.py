"""The methods that learn, by name: what ``python -m ess train`` runs. It loads torch, so import it late."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ess.causal import train_agents, train_policy
from ess.causal import training as causal
from ess.causal.network import WEIGHTS
from ess.learned import l2o_training, seed_training, weights

WITHOUT_FORESIGHT: dict[str, Callable[..., None]] = {
    "policy": train_policy.train_policy,
    "ppo": train_agents.train_ppo,
    "dqn": train_agents.train_dqn,
}
WITH_THE_DAY: dict[str, Any] = {"l2o": l2o_training, "l2o_seed": seed_training}
ROUNDS = {"l2o": "pools", "l2o_seed": "epochs", "policy": "updates", "ppo": "steps", "dqn": "steps"}


def train(  # noqa: PLR0913 (what decides a training, and where it leaves its traces)
    name: str,
    *,
    seed: int | None,
    rounds: int | None,
    folder: Path,
    out: Path | None,
    report: Callable[[str], None],
) -> None:
    """Train ``name``; an interrupted run goes on from its checkpoint in ``folder``, where TensorBoard looks.

    ``seed`` and ``rounds`` (``ROUNDS``, as the method counts) are those of the shipped weights unless given.
    Weights and model card go to ``out``, in place of the shipped ones unless given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # these networks are small: more threads only make sums differ
    length = {} if rounds is None else {ROUNDS[name]: rounds}
    if name in WITHOUT_FORESIGHT:
        run = causal.Run(out=out or WEIGHTS, folder=folder, seed=seed or 0, report=report)
        WITHOUT_FORESIGHT[name](run, **length)
        return
    module = WITH_THE_DAY[name]
    start = {} if seed is None else {"seed": seed}
    place = {"checkpoint": folder / "checkpoint.pt", "logs": folder, "folder": out or weights.FOLDER}
    module.train(module.Run(**length, **start), **place)
