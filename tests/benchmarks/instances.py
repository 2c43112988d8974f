"""Problems that are hard for one reason each."""

from typing import Any

import numpy as np

from ess.corridor import can_be_met
from ess.problem import BatteryProblem

KINDS = (
    "plain",
    "negative prices",
    "negative feed-in",
    "feed-in above import",
    "tied prices",
    "tight limits",
    "wear",
)


def random_problem(kind: str, *, rows: int, steps: int, seed: int) -> BatteryProblem:
    """Up to ``rows`` batteries of any size, which all can be met; ``kind`` says what is hard."""
    rng = np.random.default_rng(seed)
    shape = (rows, steps)
    capacity = rng.uniform(1, 12, rows)
    buy, sell = rng.uniform(0.1, 0.5, shape), rng.uniform(0, 0.1, shape)
    changes: dict[str, Any] = {}
    if kind == "negative prices":
        buy = rng.normal(0.1, 0.25, shape)
        sell = 0.3 * buy
    elif kind == "negative feed-in":
        sell = rng.normal(0, 0.15, shape)
    elif kind == "feed-in above import":
        sell = rng.uniform(0, 0.6, shape)
    elif kind == "tied prices":
        buy, sell = rng.choice([-0.1, 0.0, 0.2, 0.4], shape), rng.choice([-0.1, 0.0, 0.2], shape)
    elif kind == "tight limits":
        changes = {"import_limit_kw": rng.uniform(1, 7, shape), "export_limit_kw": rng.uniform(1, 7, shape)}
    elif kind == "wear":
        changes = {"degradation_cost_per_kwh": rng.uniform(0, 0.2, rows)}
    problem = BatteryProblem(
        load_kw=rng.gamma(2, 0.8, shape),
        pv_kw=rng.gamma(1, 2.0, shape) * (rng.random(shape) < 0.5),
        buy=buy,
        sell=sell,
        capacity_kwh=capacity,
        max_charge_kw=rng.uniform(0, 5, rows),
        max_discharge_kw=rng.uniform(0, 5, rows),
        charge_efficiency=rng.uniform(0.7, 1, rows),
        discharge_efficiency=rng.uniform(0.7, 1, rows),
        soc_initial_kwh=capacity * rng.uniform(0, 1, rows),
        soc_min_kwh=capacity[:, None] * rng.uniform(0, 0.3, shape),
        soc_final_kwh=capacity * rng.uniform(0, 1, rows),
        step_h=float(rng.choice([0.25, 1.0])),
        **changes,
    )
    return problem.rows(np.flatnonzero(can_be_met(problem)))
