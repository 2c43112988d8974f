"""Looking for better settings of a model under a time budget (Optuna), inside the training part only."""

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import optuna

from domain.errors import FieldError
from domain.time import require_utc
from forecasting.backtest import Backtest, backtest, rolling_origins
from forecasting.drift import daily_losses
from forecasting.models import MODELS, train
from forecasting.models.base import Setting
from forecasting.series import DAY, History

FOLDS = 3
VALIDATED_SHARE = 0.3
ORIGIN_EVERY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best settings found, their mean pinball loss in validation, and after how many trials."""

    settings: dict[str, float]
    score: float
    trials: int


def tune(  # noqa: PLR0913 - as train, and the budget
    name: str,
    history: History,
    *,
    trained_at: datetime,
    seed: int,
    seconds: float,
    trials: int | None = None,
) -> Tuned:
    """Settings of the model called ``name`` that forecast the newest three tenths of the past best.

    Each trial trains anew before each of ``FOLDS`` neighbouring spans, and forecasts a day ahead from origins
    inside it. The first trial is the model's defaults, so the result is no worse than they are in this
    validation; a trial that is behind the median after a span is given up. After ``seconds`` no other begins,
    or goes on to its next span; with ``trials`` and time enough for them the result follows from the seed.

    Args:
        name: one of ``forecasting.models.MODELS``.
        history: as known at ``trained_at`` or later; what came later is not looked at.
        trained_at: instant after which nothing is used.
        seed: of the search and of the trainings.
        seconds: time budget, positive.
        trials: how many at most; None: as many as there is time for.

    Raises:
        FieldError: the model is unknown, the budget not positive, or the history too short (``too_short``).
    """
    if name not in MODELS:
        raise FieldError("model", f"must be one of {', '.join(MODELS)}, got {name!r}")
    if not seconds > 0:
        raise FieldError("seconds", f"must be positive, got {seconds}")
    if trials is not None and trials < 1:
        raise FieldError("trials", f"must be at least 1, got {trials}")
    known = history.as_of(require_utc(trained_at, "trained_at"))
    cuts = _cuts(known)
    settings = MODELS[name].SETTINGS

    def loss(trial: optuna.Trial) -> float:
        chosen = {key: _suggested(trial, key, setting) for key, setting in settings.items()}
        losses: list[float] = []
        for fold, (cut, end) in enumerate(pairwise(cuts)):
            learned, validated = known.as_of(cut), known.as_of(end)
            model = train(name, learned, trained_at=cut, seed=seed, settings=chosen)
            origins = rolling_origins(cut, end - DAY, ORIGIN_EVERY)
            losses.append(_loss(backtest(model, validated, origins=origins, horizon=known.steps_per_day)))
            trial.report(float(np.mean(losses)), fold)
            is_over = trial.number > 0 and fold < FOLDS - 1 and time.monotonic() > ends
            if trial.should_prune() or is_over:
                raise optuna.TrialPruned
        return float(np.mean(losses))

    ends = time.monotonic() + seconds
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line a trial is for a terminal
    try:
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner()
        )
        study.enqueue_trial({key: setting.default for key, setting in settings.items()})
        study.optimize(loss, n_trials=1)  # however small the budget, the defaults have a score
        left_s = seconds - (study.trials[0].duration or timedelta(0)).total_seconds()
        if settings and left_s > 0 and trials != 1:
            study.optimize(loss, n_trials=None if trials is None else trials - 1, timeout=left_s)
    finally:
        optuna.logging.set_verbosity(verbosity)
    best = study.best_trial
    return Tuned(settings=dict(best.params), score=float(study.best_value), trials=len(study.trials))


def _cuts(known: History) -> list[datetime]:
    """``FOLDS + 1`` instants, whole days apart, the last at the end of what is known."""
    days = (known.grid.end - known.grid.start) // DAY
    fold = math.floor(days * VALIDATED_SHARE / FOLDS)
    if fold < 1:
        needed = math.ceil(FOLDS / VALIDATED_SHARE)
        raise FieldError("history", f"must span {needed} days, got {days}", code="too_short")
    return [known.grid.end - (FOLDS - i) * fold * DAY for i in range(FOLDS + 1)]


def _loss(result: Backtest) -> float:
    losses = daily_losses(result)
    if not np.isfinite(losses).any():
        raise FieldError("history", "holds no reading to compare a forecast with", code="no_data")
    return float(np.nanmean(losses))


def _suggested(trial: optuna.Trial, key: str, setting: Setting) -> float:
    if setting.integer:
        return trial.suggest_int(key, int(setting.low), int(setting.high), log=setting.log)
    return trial.suggest_float(key, setting.low, setting.high, log=setting.log)
