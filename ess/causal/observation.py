"""What a learned controller sees, the same for a policy, an agent and the environment.

Energies are in units of the battery's capacity, prices in units of the horizon's mean buy price, so that one
network serves batteries, homes and currencies of every size. The next 24 hours are given hour by hour,
whatever the length of an interval; hours beyond the horizon are zero, and so is what was stored before the
last whole day of it began.
"""

import numpy as np

from domain.errors import FieldError
from ess.causal.levels import Moves
from ess.causal.outlook import Outlook
from ess.dynamics import step_gains
from ess.problem import BatteryProblem, Floats

AHEAD_H = 24
QUANTILES = (0.1, 0.5, 0.9)
STATE = ("soc", "lowest soc", "highest soc", "equivalent full cycles today")
NOW = ("left", "net load", "buy", "sell", "no-grid change down", "no-grid change up")
BATTERY = ("charge rate", "discharge rate", "charge loss", "discharge loss", "wear", "final", "soh")
AHEAD = ("buy", "sell", *(f"net load q{quantile:g}" for quantile in QUANTILES))
COURSE_SIZE = len(NOW) + len(BATTERY) + len(AHEAD) * (AHEAD_H - 1)
SIZE = len(STATE) + COURSE_SIZE
WHOLE = 1e-9  # by which 24 * (1 / 24) may miss 1
BOUND = 10.0  # no feature leaves [-BOUND, BOUND]


def course(problem: BatteryProblem, moves: Moves, outlook: Outlook, *, soh: Floats | None = None) -> Floats:
    """The part of the observation that no decision changes, shape (n, T, COURSE_SIZE).

    Interval t's row holds its own net load, the prices from t on, and the quantiles of the outlook as
    corrected by t. ``soh`` (n,) is each battery's state of health, 1 unless given; ``problem`` has the
    capacity that is left.

    Raises:
        FieldError: ``soh`` has another shape or lies outside (0, 1].
    """
    rows, steps = problem.shape
    soh = np.ones(rows) if soh is None else soh
    if soh.shape != (rows,) or not ((soh > 0) & (soh <= 1)).all():
        raise FieldError("soh", f"must be {rows} values in (0, 1]")
    h, capacity, price = problem.step_h, problem.capacity_kwh[:, None], scale_price(problem)[:, None]
    gain, loss = step_gains(problem)
    battery = [
        gain / h * problem.max_charge_kw / capacity[:, 0],
        loss / h * problem.max_discharge_kw / capacity[:, 0],
        1 - problem.charge_efficiency,
        1 - problem.discharge_efficiency,
        problem.degradation_cost_per_kwh / price[:, 0],
        problem.soc_final_kwh / capacity[:, 0],
        soh,
    ]
    net_kw, buy, sell = problem.net_load_kw / capacity, problem.buy / price, problem.sell / price
    seen = np.zeros((rows, steps, COURSE_SIZE))
    for t in range(steps):
        now = [
            np.full(rows, min(h * (steps - t) / AHEAD_H, 1.0)),
            net_kw[:, t],
            buy[:, t],
            sell[:, t],
            moves.inner[:, t] / h / capacity[:, 0],
            moves.outer[:, t] / h / capacity[:, 0],
        ]
        later_kw = outlook.ahead(problem.net_load_kw[:, t], t, h) / capacity[:, :, None]
        certain = np.broadcast_to(net_kw[:, t, None], (len(QUANTILES), rows, 1))
        loads = np.concatenate([certain, _quantiles(later_kw)], axis=2)
        ahead = [_sampled(buy[:, t:], h), _sampled(sell[:, t:], h), *(_hourly(load, h) for load in loads)]
        seen[:, t] = np.concatenate([np.stack([*now, *battery], axis=1), *ahead], axis=1)
    return np.clip(seen, -BOUND, BOUND)


def state(problem: BatteryProblem, moves: Moves, *, soc_kwh: Floats, stored_kwh: Floats, step: int) -> Floats:
    """The part that decisions change, (n, len(STATE)): of SoC and energy stored today, each (n,)."""
    parts = (soc_kwh, *moves.bounds(step), stored_kwh)
    return np.clip(np.stack([part / problem.capacity_kwh for part in parts], axis=1), -BOUND, BOUND)


def scale_price(problem: BatteryProblem) -> Floats:
    """The unit of price, (n,): the mean size of the buy price, or 1 where it is nothing."""
    mean: Floats = np.abs(problem.buy).mean(axis=1)
    return np.where(mean > 0, mean, 1.0)


def _quantiles(scenarios: Floats) -> Floats:
    """(quantiles, n, T) over (n, S, T), between neighbours linearly."""
    ordered = np.sort(scenarios, axis=1)
    place = np.array(QUANTILES) * (ordered.shape[1] - 1)
    below = place.astype(int)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    share = (place - below)[:, None, None]
    found: Floats = (1 - share) * ordered[:, below].swapaxes(0, 1) + share * ordered[:, above].swapaxes(0, 1)
    return found


def _sampled(values: Floats, step_h: float) -> Floats:
    """``values`` (n, k) as they will be 1 to AHEAD_H - 1 hours after their start, zero beyond their end.

    Not means: a tariff changes by steps, and no price between two of its steps is ever paid.
    """
    place = np.floor(np.arange(1, AHEAD_H) / step_h + WHOLE).astype(int)
    known = place < values.shape[1]
    return np.where(known, values[:, np.where(known, place, 0)], 0.0)


def _hourly(values: Floats, step_h: float) -> Floats:
    """Means of ``values`` (n, k) over each hour but the first of the day ahead, zero beyond their end."""
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values * step_h, axis=1)], axis=1)
    place = np.minimum(np.arange(1, AHEAD_H + 1) / step_h, values.shape[1])
    below = np.minimum(place.astype(int), values.shape[1] - 1)
    at = total[:, below] + (place - below) * (total[:, below + 1] - total[:, below])
    hourly: Floats = np.diff(at, axis=1)
    return hourly
