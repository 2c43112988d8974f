"""The days that causal controllers learn from, the trials they are judged by, and their model cards."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ess import exact, rule
from ess.causal.batteries import Batteries, Decide
from ess.causal.outlook import Outlook
from ess.days import FIRST_DAY, LAST_DAY, TEST_FROM, VALIDATE_FROM, home_days, seed_days, varied
from ess.dynamics import replay
from ess.problem import BatteryProblem, Floats

DAY = timedelta(days=1)
MOST_WEAR_PER_KWH = 0.05
LEAST_SOH = 0.7
ARRAYS = tuple(item.name for item in fields(BatteryProblem) if item.name != "step_h")


def training_pool(*, seed: int) -> Batteries:
    """Every training day three times, so that what is learned is not of one battery and one tariff.

    Once with the home's own battery; once with a battery of any kind and age (``varied``); and once with
    another such battery, the prices of a synthetic day, a cost of wear, and a forecast that comes true.
    """
    days, random = home_days(FIRST_DAY, VALIDATE_FROM - DAY), np.random.default_rng(seed)
    own, count = days.problem, days.problem.shape[0]
    other, priced = (varied(own, seed=number) for number in random.integers(0, 2**31, 2).tolist())
    synthetic = seed_days(count, seed=seed)
    wear = random.uniform(0, MOST_WEAR_PER_KWH, count)
    priced = replace(priced, buy=synthetic.buy, sell=synthetic.sell, degradation_cost_per_kwh=wear)
    kinds = (own, other, priced)
    joined = {name: np.concatenate([getattr(kind, name) for kind in kinds]) for name in ARRAYS}
    past = days.past_net_load_kw
    foreseen = np.broadcast_to(own.net_load_kw[:, None], past.shape)
    soh = np.concatenate([np.ones(count), random.uniform(LEAST_SOH, 1, 2 * count)])
    problem = BatteryProblem(**joined, step_h=own.step_h)
    return Batteries.of(problem, Outlook(np.concatenate([past, past, foreseen])), soh=soh)


def data_hash(problem: BatteryProblem) -> str:
    """SHA-256 of every array of the problem that is learned from."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        digest.update(np.ascontiguousarray(getattr(problem, name)).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training writes: weights and card into ``out``, checkpoint and TensorBoard log into ``folder``.

    ``report`` is told the progress, a line at a time.
    """

    out: Path
    folder: Path
    seed: int
    report: Callable[[str], None]

    @property
    def checkpoint(self) -> Path:
        """The file that a run cut short goes on from."""
        return self.folder / "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Effort:
    """What a training has taken so far: steps of its own kind, and CPU time."""

    steps: int = 0
    cpu_seconds: float = 0.0

    @property
    def line(self) -> str:
        """The effort in words."""
        return f"{self.steps} steps, {self.cpu_seconds:.0f} CPU s"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Days to judge controllers on, each array (n,): ``attainable`` is what the optimum saves, in money.

    Savings are against an idle battery; ``rule_saving`` is that of the self-consumption rule.
    """

    batteries: Batteries
    home: NDArray[np.intp]
    idle_cost: Floats
    attainable: Floats
    rule_saving: Floats

    @classmethod
    def on(cls, first: date, last: date) -> "Trial":
        """The trial of all homes' days from ``first`` to ``last``, both included."""
        days = home_days(first, last)
        problem, nothing = days.problem, np.zeros(days.problem.shape)
        plans = (nothing, nothing), exact.plan(problem), rule.plan(problem)
        idle, least, ruled = (replay(problem, *plan).cost for plan in plans)
        batteries = Batteries.of(problem, Outlook(days.past_net_load_kw))
        return cls(batteries, days.home, idle, idle - least, idle - ruled)

    @classmethod
    def validation(cls) -> "Trial":
        """The days that choices are made on."""
        return cls.on(VALIDATE_FROM, TEST_FROM - DAY)

    @classmethod
    def test(cls) -> "Trial":
        """The days that figures are shown of."""
        return cls.on(TEST_FROM, LAST_DAY)

    def figures(self, decide: Decide) -> dict[str, float]:
        """Of one controller: the share of attainable savings, the rule's, and its least lead over the rule.

        The lead is a home's, in shares of what that home can attain over all days.
        """
        saving = self.idle_cost - replay(self.batteries.problem, *self.batteries.live(decide)).cost
        leads = [
            (saving - self.rule_saving)[self.home == home].sum() / self.attainable[self.home == home].sum()
            for home in np.unique(self.home)
        ]
        return {
            "share_of_attainable_savings": float(saving.sum() / self.attainable.sum()),
            "share_of_the_rule": float(self.rule_saving.sum() / self.attainable.sum()),
            "least_lead_over_the_rule_of_a_home": float(min(leads)),
        }


def model_card(run: Run, name: str, decide: Decide, effort: Effort, data: str) -> dict[str, Any]:
    """What to know of a trained controller before using it. The test days are looked at here, and only here.

    ``data`` is the hash of what was learned from.
    """
    return {
        "method": name,
        "command": f"python -m ess train {name} --seed {run.seed}",
        "seed": run.seed,
        "steps": effort.steps,
        "cpu_minutes": round(effort.cpu_seconds / 60, 2),
        "trained_on": f"Fontana homes 1 to 11, {FIRST_DAY} to {VALIDATE_FROM - DAY}, three batteries each",
        "data_sha256": data,
        "validation": {"from": str(VALIDATE_FROM), **Trial.validation().figures(decide)},
        "test": {"from": str(TEST_FROM), "to": str(LAST_DAY), **Trial.test().figures(decide)},
    }
