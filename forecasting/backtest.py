"""Rolling origins: what a model would have said, hour after hour, with what was known then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from domain.errors import FieldError
from domain.time import require_utc
from forecasting.examples import values_at
from forecasting.models.base import Model
from forecasting.series import DAY, BoolArray, FloatArray, History, InstantArray, IntArray
from forecasting.vista import Vista

ORIGINS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Forecasts of N series from O origins, H steps each, beside what happened.

    ``issued_at`` has shape (O,); lead 0 of origin o is the interval that starts there. ``quantiles`` is
    (N, O, H, Q) at ``LEVELS``; ``actual`` is (N, O, H), NaN where unknown.
    """

    history: History
    issued_at: InstantArray
    quantiles: FloatArray
    actual: FloatArray

    @property
    def answered(self) -> BoolArray:
        """Where a whole forecast was given, (N, O, H)."""
        return np.asarray(np.isfinite(self.quantiles).all(axis=-1))


@dataclass(frozen=True, slots=True)
class Refit:
    """How often a model is adapted (``Model.adapted``), or learnt ``anew`` (``Model.relearned``)."""

    every: timedelta
    anew: bool = False

    def __post_init__(self) -> None:
        # what is learnt anew more than daily has no whole day unseen to judge intervals by
        least = DAY if self.anew else timedelta(microseconds=1)
        if self.every < least:
            message = f"must be {'a day at least' if self.anew else 'positive'}, got {self.every}"
            raise FieldError("refit_every", message)


def rolling_origins(first: datetime, last: datetime, every: timedelta) -> list[datetime]:
    """``first``, ``first + every``, ... not later than ``last``."""
    return [first + i * every for i in range((last - first) // every + 1)]


def backtest(
    model: Model,
    history: History,
    *,
    origins: Sequence[datetime],
    horizon: int,
    refit: Refit | None = None,
) -> Backtest:
    """Forecasts issued at each of ``origins`` (increasing, on the grid) from what was known at that time.

    ``refit`` says how often and how the model is brought up to date, each time from no more than what was
    known then. FieldError(code="leak") when an origin precedes the end of training.
    """
    if not origins:
        raise FieldError("origins", "must not be empty")
    model.require_usable(history, require_utc(origins[0], "origins"), horizon)
    positions = np.array([(origin - history.grid.start) // history.grid.step for origin in origins])
    parts: list[FloatArray] = []
    for part in _blocks(origins, refit):
        first = origins[part[0]]
        if refit and part[0]:
            refitted = model.relearned if refit.anew else model.adapted
            model = refitted(history.as_of(first), at=first)
        parts += [
            model.quantiles(Vista.at(history, positions[some]), horizon)
            for some in np.split(part, range(ORIGINS_AT_ONCE, len(part), ORIGINS_AT_ONCE))
        ]
    return Backtest(
        history=history,
        issued_at=Vista.at(history, positions).as_of,
        quantiles=np.concatenate(parts, axis=1),
        actual=values_at(history, positions[:, None] + np.arange(horizon)),
    )


def _blocks(origins: Sequence[datetime], refit: Refit | None) -> list[IntArray]:
    """Numbers of the origins that share one state of the model."""
    if refit is None:
        return [np.arange(len(origins))]
    block = np.array([(origin - origins[0]) // refit.every for origin in origins])
    return np.split(np.arange(len(origins)), np.flatnonzero(np.diff(block)) + 1)
