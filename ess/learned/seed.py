"""The learning-to-optimise system this room grew from, its architecture kept, as a yardstick.

E. Safarzadeh-Ravajiri, Learning to Optimize for BESS Day-Ahead Scheduling, 2025 (MIT licence): an encoder of
two wide layers reads sun, load, price and price spread of a day; one head chooses a mode (charge, discharge,
idle) for each hour through a Gumbel-softmax (Jang et al. 2017, arXiv:1611.01144), another the power by a
sigmoid. Bounds on the state of charge and its final value were penalties in training, so a plan may break
them: ``raw_plan`` is what the network says, ``plan`` bends that to keep every limit.

The network knows one battery (10 kWh, 3 kW, 0.95 each way, half full at both ends); asked about another, it
scales its powers to that one's ratings.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from domain.errors import FieldError
from ess.corridor import follow
from ess.days import HOURS
from ess.learned.weights import load_weights
from ess.problem import BatteryProblem, Floats

NAME = "l2o_seed"
SERIES = ("pv_kw", "load_kw", "buy", "sell")
WIDTH = 768
DROPOUT = 0.1
PEAK_KW = 5.0  # of sun and of load, to scale by
MODES = 3
MODE_BIAS = (0.2, 0.2, -0.4)  # so that it does not start out idle
TINY = 1e-6


class SeedPolicy(nn.Module):
    """(n, 24) sun, load, buy, sell -> (mode logits (n, 24, 3), charge and discharge shares (n, 24, 2))."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_block(len(SERIES) * HOURS), *_block(WIDTH))
        self.mode = nn.Linear(WIDTH, HOURS * MODES)
        self.power = nn.Linear(WIDTH, HOURS * 2)
        with torch.no_grad():
            self.mode.bias.copy_(torch.tensor(MODE_BIAS).repeat(HOURS))

    def forward(self, pv: Tensor, load: Tensor, buy: Tensor, sell: Tensor) -> tuple[Tensor, Tensor]:
        """Kilowatts and prices per kWh, each (n, 24)."""
        spread = buy - sell
        prices = [values / (values.amax(dim=1, keepdim=True) + TINY) for values in (buy, spread)]
        hidden = self.encoder(torch.cat([pv / PEAK_KW, load / PEAK_KW, *prices], dim=1))
        logits = self.mode(hidden).reshape(-1, HOURS, MODES)
        return logits, torch.sigmoid(self.power(hidden)).reshape(-1, HOURS, 2)


def _block(width: int) -> list[nn.Module]:
    return [nn.Linear(width, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU(), nn.Dropout(DROPOUT)]


def series_of(problem: BatteryProblem) -> list[Tensor]:
    """Sun, load, buy and sell in single precision, each (n, 24).

    Raises:
        FieldError: the problem has another horizon.
    """
    if problem.shape[1] != HOURS:
        raise FieldError("load_kw", f"l2o_seed plans {HOURS} intervals, got {problem.shape[1]}")
    return [torch.from_numpy(getattr(problem, name)).float() for name in SERIES]


@torch.no_grad()
def raw_plan(problem: BatteryProblem, policy: SeedPolicy | None = None) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, 24), as the network says; ratings and exclusivity hold, no more.

    ``policy`` is the shipped one unless given.

    Raises:
        FieldError: the problem has another horizon.
    """
    logits, shares = (policy or _shipped())(*series_of(problem))
    mode = logits.argmax(dim=2).numpy()
    charge, discharge = shares[..., 0].double().numpy(), shares[..., 1].double().numpy()
    charge_kw = np.where(mode == 0, charge, 0.0) * problem.max_charge_kw[:, None]
    discharge_kw = np.where(mode == 1, discharge, 0.0) * problem.max_discharge_kw[:, None]
    return charge_kw, discharge_kw


def plan(problem: BatteryProblem) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, 24): the network's plan, bent to keep every limit.

    Raises:
        FieldError: as ``raw_plan``.
    """
    charge_kw, discharge_kw = raw_plan(problem)
    return follow(problem, charge_kw - discharge_kw)


@lru_cache(maxsize=1)
def _shipped() -> SeedPolicy:
    policy = SeedPolicy()
    policy.load_state_dict({key: torch.from_numpy(values) for key, values in load_weights(NAME).items()})
    return policy.eval()
