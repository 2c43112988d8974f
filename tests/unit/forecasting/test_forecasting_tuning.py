"""Tuning looks for settings inside the past, repeatably, and within its budget."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.models import MODELS
from forecasting.models.base import Setting
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.tuning import tune

DAY = timedelta(days=1)
BEST = 0.9


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Level(SeasonalNaive):
    """Always says ``level``: what is best is known."""

    name: ClassVar[str] = "level"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "level": Setting(default=3.0, low=0.01, high=5.0),
        "idle": Setting(default=2, low=1, high=4, integer=True),
    }
    level: float
    seen: ClassVar[list] = []

    @classmethod
    def fit(cls, history, *, trained_at, horizon, seed, settings):  # noqa: ARG003 - as all models
        cls.seen.append((trained_at, history.grid.end, dict(settings)))
        return cls(trained_at=trained_at, horizon=horizon, step=history.grid.step, level=settings["level"])

    def quantiles(self, vista, horizon):
        return np.full((len(vista.history.names), len(vista.origins), horizon, 7), self.level)


@pytest.fixture
def level(monkeypatch):
    monkeypatch.setitem(MODELS, "level", Level)
    monkeypatch.setattr(Level, "seen", [])
    return Level


@pytest.fixture
def flat(homes):
    """Thirty days around ``BEST``."""
    history = homes(days=30)
    noise = np.random.default_rng(1).normal(0, 0.05, history.values.shape)
    return replace(history, values=BEST + noise)


def tuned(history, **changes):
    given = {"trained_at": history.grid.end, "seed": 5, "seconds": 60, "trials": 25}
    return tune("level", history, **given | changes)


def test_the_best_settings_are_found(level, flat):
    found = tuned(flat)
    assert found.settings["level"] == pytest.approx(BEST, abs=0.2)
    assert isinstance(found.settings["idle"], int)
    assert found.trials == 25
    assert level.seen[0][2] == {"level": 3.0, "idle": 2}  # the defaults come first
    assert found.score < 0.1


def test_one_trial_is_the_defaults(level, flat):  # noqa: ARG001 - registered
    assert tuned(flat, trials=1).settings == {"level": 3.0, "idle": 2}


def test_a_seed_repeats_the_search(level, flat):  # noqa: ARG001 - registered
    assert tuned(flat, trials=8) == tuned(flat, trials=8)
    assert tuned(flat, trials=8) != tuned(flat, trials=8, seed=6)


def test_nothing_after_the_training_is_looked_at(level, flat):
    trained_at = flat.grid.end - 10 * DAY
    poisoned = flat.values.copy()
    poisoned[:, -10 * 24 :] = 1e6
    found = tuned(replace(flat, values=poisoned), trained_at=trained_at, trials=6)
    assert found == tuned(flat, trained_at=trained_at, trials=6)
    for cut, newest, _ in level.seen:
        assert newest == cut < trained_at


def test_no_trial_begins_after_the_budget(level, flat):  # noqa: ARG001 - registered
    found = tuned(flat, seconds=1e-9, trials=50)
    assert found.trials == 1


@pytest.mark.parametrize(("seconds", "trainings"), [(3.5, 4), (4.5, 5), (5.5, 6)])
def test_a_trial_goes_on_to_no_other_span_after_the_budget(level, flat, monkeypatch, seconds, trainings):
    monkeypatch.setattr(time, "monotonic", lambda: float(len(level.seen)))  # a training takes a second
    found = tuned(flat, seconds=seconds, trials=2)
    assert len(level.seen) == trainings
    whole = trainings == 6  # what is whole counts, however late
    assert (found.settings != {"level": 3.0, "idle": 2}) == whole


def test_a_model_without_settings_is_only_scored(flat):
    found = tune("seasonal_naive", flat, trained_at=flat.grid.end, seed=1, seconds=60)
    assert (found.settings, found.trials) == ({}, 1)
    assert 0 < found.score < 0.1


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"seconds": 0}, "seconds"), ({"seconds": float("nan")}, "seconds"), ({"trials": 0}, "trials")],
)
def test_a_budget_of_nothing_is_refused_by_name(level, flat, changes, field):  # noqa: ARG001 - registered
    with pytest.raises(FieldError, match=field):
        tuned(flat, **changes)


def test_an_unknown_model_and_a_short_past_are_refused(level, flat):  # noqa: ARG001 - registered
    with pytest.raises(FieldError, match="model"):
        tune("oracle", flat, trained_at=flat.grid.end, seed=1, seconds=1)
    with pytest.raises(FieldError) as caught:
        tuned(flat, trained_at=flat.grid.start + 9 * DAY)
    assert caught.value.code == "too_short"
