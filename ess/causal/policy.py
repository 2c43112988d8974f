"""A policy trained by back-propagation through the simulator (``ess.causal.train_policy``)."""

import numpy as np

from ess.causal.batteries import Batteries
from ess.causal.network import Network, trained
from ess.causal.outlook import Outlook
from ess.problem import BatteryProblem, Floats

NAME = "policy"


def plan(problem: BatteryProblem, outlook: Outlook | None = None) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T), decided interval by interval without foresight.

    Raises:
        FieldError: the outlook is of other rows or intervals.
    """
    network = trained(NAME)
    return Batteries.of(problem, outlook).live(lambda seen: decide(network, seen))


def decide(network: Network, seen: Floats) -> Floats:
    """Shares (n, 3) of what may be stored: each output moves its level on from the one below towards full."""
    stays = 1 / (1 + np.exp(network(seen)))
    shares: Floats = 1 - np.multiply.accumulate(stays, axis=1)
    return shares
