"""Agents of reinforcement learning, trained with Stable-Baselines3 (``ess.causal.train_agents``).

PPO (Schulman et al. 2017, arXiv 1707.06347) sets the three parts of an action, DQN (Mnih et al. 2015,
doi:10.1038/nature14236) chooses one of ``ess.causal.actions.CHOICES``. Here they decide without chance: PPO
by the mean of its distribution, DQN by the greatest value.
"""

import numpy as np

from domain.errors import FieldError
from ess.causal import observation
from ess.causal.actions import CHOICES, shares
from ess.causal.batteries import Batteries
from ess.causal.network import Network, trained
from ess.causal.outlook import Outlook
from ess.problem import BatteryProblem, Floats


def plan_ppo(problem: BatteryProblem, outlook: Outlook | None = None) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T), decided interval by interval without foresight.

    Raises:
        FieldError: the outlook is of other rows or intervals.
    """
    network = trained("ppo")
    return Batteries.of(problem, outlook).live(lambda seen: decide_ppo(network, seen))


def plan_dqn(problem: BatteryProblem, outlook: Outlook | None = None) -> tuple[Floats, Floats]:
    """As ``plan_ppo``, by choosing among ``CHOICES``.

    Raises:
        FieldError: the outlook is of other rows or intervals, or the horizon is longer than a day: values
            learned on days that end at midnight say nothing of what a full battery is worth after it.
    """
    if problem.shape[1] * problem.step_h > observation.AHEAD_H:
        raise FieldError("load_kw", f"must span at most {observation.AHEAD_H} hours for this method")
    network = trained("dqn")
    return Batteries.of(problem, outlook).live(lambda seen: decide_dqn(network, seen))


def decide_ppo(network: Network, seen: Floats) -> Floats:
    """Shares (n, 3) of what may be stored, from the mean action."""
    return shares(network(seen), seen)


def decide_dqn(network: Network, seen: Floats) -> Floats:
    """Shares (n, 3) of what may be stored, from the action of greatest value."""
    return shares(CHOICES[np.argmax(network(seen), axis=1)], seen)
