"""A training run that goes on where it stopped, shows how far it is, and logs its loss to TensorBoard."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import Progress
from torch.utils.tensorboard import SummaryWriter


class Stateful(Protocol):
    """What torch's modules, optimisers and schedules have in common."""

    def state_dict(self) -> dict[str, Any]:
        """All that must be kept."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:  # noqa: ANN401 - torch's signature
        """Go on from what was kept."""


def run_rounds(  # noqa: PLR0913 (what decides a run, and where it leaves its traces)
    learn: Callable[[int], float],
    parts: Mapping[str, Stateful],
    *,
    rounds: int,
    saved_every: int,
    checkpoint: Path,
    logs: Path,
) -> float:
    """Call ``learn(number)``, which returns a loss, for each of the rounds not yet done.

    ``parts`` and torch's random state are kept in ``checkpoint`` and taken from there where it exists, so
    that a run which was stopped ends as if it had not been. Returns the CPU seconds of all rounds.
    """
    done, seconds = 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"])
        done, seconds = state["done"], state["seconds"]
    began = time.process_time() - seconds
    with SummaryWriter(logs) as board, Progress() as progress:
        task = progress.add_task("training", total=rounds, completed=done)
        while done < rounds:
            loss = learn(done)
            done += 1
            board.add_scalar("loss", loss, done)
            progress.update(task, completed=done, description=f"round {done}, loss {loss:.4f}")
            if done % saved_every == 0 or done == rounds:
                state = {name: part.state_dict() for name, part in parts.items()}
                state |= {"random": torch.get_rng_state(), "done": done}
                _save(state | {"seconds": time.process_time() - began}, checkpoint)
    return time.process_time() - began


def _save(state: dict[str, Any], checkpoint: Path) -> None:
    """Whole or not at all."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    unfinished = checkpoint.with_suffix(".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(checkpoint)
