"""Training of ``ess.causal.policy``: the cost of whole days, differentiated through every decision.

The simulator is ``Moves.next_soc_kwh`` and the cost of ``ess.dynamics`` again, in torch and in units of each
battery's capacity and mean price; a test holds them equal. A level that no limit lets a battery reach moves
nothing, so its gradient is zero and could stay so: in training the maxima and minima are smooth at first (a
softplus of width ``smoothing``) and become sharp.
"""

import itertools
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.tensorboard import SummaryWriter

from ess.causal import observation, policy
from ess.causal.batteries import Batteries, Decide
from ess.causal.levels import SERIES
from ess.causal.network import Network
from ess.causal.training import Effort, Run, Trial, data_hash, model_card, training_pool
from ess.dynamics import step_gains

UPDATES = 2500
BATCH = 512
WIDTHS = (128, 64)
LEARNING_RATE = 6e-3
WEIGHT_DECAY = 1e-4
SMOOTHING = 0.2  # of the capacity, at first
SHARP_FROM = 0.8  # of the updates
NORM = 1.0
FIRST_LEVELS = (-2.0, 0.0, 2.0)  # before training: fill little, serve the home, export little
CHECK_EVERY = 200
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Tensors of n batteries, energies per kWh of capacity, prices per mean buy price.

    Shapes are those of ``Moves`` and ``BatteryProblem``; intervals are no shorter than an hour.
    """

    course: Tensor
    lowest: Tensor
    inner: Tensor
    outer: Tensor
    highest: Tensor
    lower: Tensor
    upper: Tensor
    net: Tensor
    buy: Tensor
    sell: Tensor
    initial: Tensor
    gain: Tensor
    loss: Tensor
    wear: Tensor

    @classmethod
    def of(cls, batteries: Batteries, dtype: torch.dtype = torch.float32) -> "Days":
        """The tensors of ``batteries``, on the device there is."""
        problem, moves = batteries.problem, batteries.moves
        capacity, price = problem.capacity_kwh, observation.scale_price(problem)[:, None]
        gain, loss = step_gains(problem)
        h = problem.step_h  # energies through the connection in an interval, hence money: net * h * price
        arrays = (
            batteries.course,
            *(getattr(moves, name) / capacity[:, None] for name in SERIES),
            problem.net_load_kw * h / capacity[:, None],
            problem.buy / price,
            problem.sell / price,
            problem.soc_initial_kwh / capacity,
            gain / h,
            loss / h,
            problem.degradation_cost_per_kwh / price[:, 0],
        )
        return cls(*(torch.as_tensor(array, dtype=dtype, device=DEVICE) for array in arrays))

    def rows(self, chosen: Tensor) -> "Days":
        """The batteries ``chosen``."""
        return Days(*(getattr(self, item.name)[chosen] for item in fields(self)))


def train_policy(run: Run, *, updates: int = UPDATES) -> None:
    """Train and write ``policy.safetensors`` with its card.

    A run cut short goes on from its checkpoint, to the same weights.
    """
    began, pool = time.process_time(), training_pool(seed=run.seed)
    days, trial = Days.of(pool), Trial.validation()
    network, optimiser, effort = _resume(run)
    before = effort.cpu_seconds
    with SummaryWriter(run.folder) as log:
        for update in range(effort.steps, updates):
            loss = _improve(network, optimiser, days.rows(_batch(run.seed, update, pool)), update / updates)
            log.add_scalar("train/cost", loss, update)
            if (update + 1) % CHECK_EVERY == 0 or update + 1 == updates:
                effort = Effort(update + 1, before + time.process_time() - began)
                found = trial.figures(_decide(network))
                for name, value in found.items():
                    log.add_scalar(f"validation/{name}", value, update)
                _keep(run, network, optimiser, effort)
                run.report(f"policy: {effort.line}; validation {found['share_of_attainable_savings']:.4f}")
    card = model_card(run, policy.NAME, _decide(network), effort, data_hash(pool.problem))
    as_shipped(network).save(run.out, policy.NAME, card)


def build(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of ``sizes`` with SiLU between them: what ``Network`` computes."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def as_shipped(layers: Iterable[nn.Module]) -> Network:
    """The network of the linear layers among ``layers``, without its training framework."""
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return Network(
        tuple((layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()) for layer in linear)
    )


def cost_of(network: nn.Module, days: Days, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """(cost with wear (n,), SoC (n, T + 1)) of living ``days``, in their units."""
    soc, stored = days.initial, torch.zeros_like(days.initial)
    cost, course = torch.zeros_like(soc), [soc]
    for step in range(days.net.shape[1]):
        lower, upper = days.lower[:, step + 1], days.upper[:, step + 1]
        state = torch.stack([soc, lower, upper, stored], dim=1).clamp(-observation.BOUND, observation.BOUND)
        rise = torch.sigmoid(network(torch.cat([state, days.course[:, step]], dim=1)))
        share = 1 - torch.cumprod(1 - rise, dim=1)
        levels = lower[:, None] + (upper - lower)[:, None] * share
        after = next_soc(days, soc, levels, step=step, smoothing=smoothing)
        change = after - soc
        energy = torch.where(change > 0, change / days.gain, change / days.loss)
        grid = days.net[:, step] + energy
        price = torch.where(grid > 0, days.buy[:, step], days.sell[:, step])
        cost = cost + price * grid + days.wear * torch.relu(-energy)
        soc, stored = after, stored + torch.relu(change)
        course.append(soc)
    return cost, torch.stack(course, dim=1)


def next_soc(days: Days, soc: Tensor, levels: Tensor, *, step: int, smoothing: float = 0.0) -> Tensor:
    """``Moves.next_soc_kwh`` in torch, exact where ``smoothing`` is 0."""
    ends = (days.inner, days.outer, days.highest)
    after = soc + days.lowest[:, step]
    for end, level in zip(ends, reversed(levels.unbind(dim=1)), strict=True):
        reach = soc + end[:, step]
        after = _most(after, -_most(-level, -reach, smoothing), smoothing)
    safe = torch.minimum(torch.maximum(after, days.lower[:, step + 1]), days.upper[:, step + 1])
    return torch.minimum(torch.maximum(safe, soc + days.lowest[:, step]), soc + days.highest[:, step])


def _most(one: Tensor, other: Tensor, smoothing: float) -> Tensor:
    if smoothing == 0:
        return torch.maximum(one, other)
    return other + smoothing * softplus((one - other) / smoothing)


def _improve(network: nn.Sequential, optimiser: torch.optim.Optimizer, days: Days, done: float) -> float:
    """One step down the mean cost of ``days``, the share ``done`` of the training behind it."""
    for group in optimiser.param_groups:
        group["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * done)) / 2
    smoothing = SMOOTHING * max(0.0, 1 - done / SHARP_FROM)
    loss = cost_of(network, days, smoothing)[0].mean()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call] # torch gives it no types
    nn.utils.clip_grad_norm_(network.parameters(), NORM)
    optimiser.step()
    return loss.item()


def _batch(seed: int, update: int, pool: Batteries) -> Tensor:
    """Which rows of the pool an update learns from: (seed, update) alone decides, so that runs can go on."""
    rows = np.random.default_rng([seed, update]).integers(0, pool.problem.shape[0], BATCH)
    return torch.as_tensor(rows, device=DEVICE)


def _decide(network: nn.Sequential) -> Decide:
    shipped = as_shipped(network)
    return lambda seen: policy.decide(shipped, seen)


def _fresh(seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build((observation.SIZE, *WIDTHS, len(FIRST_LEVELS)))
        *_, last = (layer for layer in network if isinstance(layer, nn.Linear))
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.copy_(torch.tensor(FIRST_LEVELS))
    return network.to(DEVICE)


def _resume(run: Run) -> tuple[nn.Sequential, torch.optim.Optimizer, Effort]:
    """The network, its optimiser and the effort so far, of a run's checkpoint or of a fresh start."""
    network = _fresh(run.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    if not run.checkpoint.exists():
        return network, optimiser, Effort()
    kept = torch.load(run.checkpoint, weights_only=True, map_location=DEVICE)
    network.load_state_dict(kept["network"])
    optimiser.load_state_dict(kept["optimiser"])
    return network, optimiser, Effort(*kept["effort"])


def _keep(run: Run, network: nn.Module, optimiser: torch.optim.Optimizer, effort: Effort) -> None:
    kept = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**kept, "effort": (effort.steps, effort.cpu_seconds)}, run.checkpoint)
