"""Contestants beside each other: their losses where all of them answered, and who is better than by chance.

A contestant is better than the incumbent when its mean pinball loss is lower by ``MARGIN`` and a test of the
daily differences makes chance unlikely. The incumbent is the champion, or the reference where there is no
champion that can forecast.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from backend.planning.inputs import HORIZON
from backend.planning.models import ModelVersion
from domain.errors import FieldError
from forecasting.backtest import Backtest, backtest, rolling_origins
from forecasting.cards import figures
from forecasting.drift import LEAST_DAYS, daily_losses
from forecasting.models import Model
from forecasting.series import FloatArray, History

ORIGIN_EVERY = timedelta(hours=6)
MARGIN = 0.03
LEVEL = 0.05
MOST_UNANSWERED = 0.01
SignificanceTest = Callable[[FloatArray], float]


@dataclass(slots=True, kw_only=True)
class Entry:
    """A contestant and what was found; ``forecasts`` is None when it could not forecast."""

    name: str
    part: str
    version: ModelVersion | None = None
    forecasts: Backtest | None = None
    losses: FloatArray = field(default_factory=lambda: np.empty(0))
    lower_by: float | None = None
    p_value: float | None = None
    verdict: str = ""

    @property
    def pinball(self) -> float:
        """Mean of the daily losses, kW."""
        return float(self.losses.mean())

    def facts(self) -> dict[str, Any]:
        """As a contest keeps it."""
        judged = self.forecasts is not None and self.losses.size > 0
        return {
            "name": self.name,
            "part": self.part,
            "version": self.version.pk if self.version else None,
            "pinball": self.pinball if judged else None,
            "lower_by": self.lower_by,
            "p_value": self.p_value,
            "verdict": self.verdict,
            "figures": figures(self.forecasts) if self.forecasts is not None else {},
        }


def forecasts_since(model: Model, past: History, first: datetime, as_of: datetime) -> Backtest:
    """What ``model`` would have said from ``first`` on of what was known at ``as_of``.

    Losses are compared from contest to contest and with those of later days, so all come from here. Raises
    FieldError(code="not_finite") for quantiles that cross or are infinite.
    """
    result = backtest(
        model,
        past,
        origins=rolling_origins(first, as_of - HORIZON, ORIGIN_EVERY),
        horizon=HORIZON // past.grid.step,
    )
    crossing = np.diff(result.quantiles, axis=-1) < 0
    if crossing.any() or np.isinf(result.quantiles).any():
        raise FieldError("quantiles", "cross or are infinite", code="not_finite")
    return result


def compared(entries: list[Entry]) -> list[Entry]:
    """The entries with their daily losses at the intervals that all of them answered.

    Who leaves more than ``MOST_UNANSWERED`` of what the reference answers without an answer is out.
    """
    reference = entries[0].forecasts
    if reference is None:
        raise FieldError("entries", "must begin with the reference")
    asked = reference.answered & np.isfinite(reference.actual)
    common = asked.copy()
    for entry in entries:
        if entry.forecasts is None:
            continue
        answered = entry.forecasts.answered
        unanswered = 1 - answered[asked].mean() if asked.any() else 0.0
        if unanswered > MOST_UNANSWERED:
            entry.forecasts, entry.verdict = None, f"left {unanswered:.1%} without a forecast"
        else:
            common &= answered
    for entry in entries:
        if entry.forecasts is not None:
            losses = daily_losses(entry.forecasts, common)
            entry.losses = losses[np.isfinite(losses)]
    return entries


def decide(entries: list[Entry], test: SignificanceTest) -> tuple[Entry | None, str]:
    """Who takes the incumbent's place, if anybody, and why; each entry gets its verdict.

    The reference as a winner means that nobody is champion any more.
    """
    reference, *others = entries
    champion = next((entry for entry in others if entry.part == "champion"), None)
    incumbent = champion if champion is not None and champion.forecasts is not None else reference
    if len(reference.losses) < LEAST_DAYS:
        return None, f"readings of {len(reference.losses)} days only: nobody is judged"
    better = []
    for entry in entries:
        if entry is incumbent or entry.forecasts is None:
            continue
        entry.lower_by = 1 - entry.pinball / incumbent.pinball if incumbent.pinball > 0 else 0.0
        entry.p_value = test(incumbent.losses - entry.losses)
        if entry.lower_by < MARGIN:
            entry.verdict = f"not lower than the incumbent's loss by {MARGIN:.0%}"
        elif entry.p_value >= LEVEL:
            entry.verdict = "lower, but that may be chance"
        else:
            entry.verdict = "better"
            better.append(entry)
    incumbent.verdict = "stays" if not better else "is beaten"
    failed = f"; the champion failed: {champion.verdict}" if champion and champion is not incumbent else ""
    if not better:
        return None, f"nobody is better than {incumbent.name}{failed}"
    # where a challenger and the reference both beat a champion, the challenger has to be the lower of them
    winner = min(better, key=lambda entry: entry.pinball)
    lower_by, p_value = winner.lower_by or 0.0, winner.p_value or 0.0
    by = f"{lower_by:.1%} lower than {incumbent.name}'s (p = {p_value:.2g})"
    return winner, f"{winner.name}'s loss is {by}{failed}"
