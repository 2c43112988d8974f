"""What an agent's action stands for: how far to depart from the self-consumption rule."""

import numpy as np

from ess.causal import observation
from ess.problem import Floats

NET_LOAD = len(observation.STATE) + observation.NOW.index("net load")
PARTS = ("fill", "hold", "export")
GRADES = np.linspace(0.125, 1, 8)
CHOICES = np.array(  # the discrete actions: the rule; fill up to; hold back; export down to
    [
        [0, 0, 0],
        *([grade, 0, 0] for grade in GRADES),
        *([0, grade, 0] for grade in GRADES),
        *([0, 0, grade] for grade in GRADES[1::2]),
    ]
)


def shares(action: Floats, seen: Floats) -> Floats:
    """Levels (n, 3), as shares of what may be stored, of continuous actions (n, 3) in [-1, 1].

    ``fill`` is how far to fill from the grid; ``hold`` how much of what is stored to keep while there is a
    deficit, or how much room to leave while there is surplus; ``export`` how much to empty by exporting. A
    part that is not positive asks nothing; with none positive this is the self-consumption rule. ``seen``
    (n, observation.SIZE) tells deficit from surplus.
    """
    fill, hold, export = np.clip(action, 0, 1).T
    own = np.where(seen[:, NET_LOAD] > 0, hold, 1 - hold)
    own = np.maximum(np.minimum(own, 1 - export), fill)
    return np.stack([fill, own, np.maximum(1 - export, own)], axis=1)
