"""Models that say where the value lies, and learn from what they missed how far off it may be."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import numpy as np

from domain.errors import FieldError
from domain.time import require_utc
from forecasting.calibration import NONE, Calibration, calibrated_on
from forecasting.examples import Examples, draw, examples, first_origin, require_enough, values_at
from forecasting.features import LEAST_SPREAD, Features, Recipe, build
from forecasting.models.base import Model, Settings
from forecasting.quantiles import tidy
from forecasting.series import DAY, BoolArray, FloatArray, History, IntArray
from forecasting.vista import Vista

VALIDATION_SHARE = 0.2
VALIDATION_VALUES = 200_000
ORIGINS_AT_ONCE = 256
RECENT_DAYS = 28
LEADS_PER_ORIGIN = 8


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a model learns from and by: a value for each of its settings, and the recipe of its features."""

    history: History
    trained_at: datetime
    horizon: int
    seed: int
    settings: dict[str, float]
    recipe: Recipe

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes that all located models have, not yet calibrated."""
        return {
            "trained_at": self.trained_at,
            "horizon": self.horizon,
            "step": self.history.grid.step,
            "recipe": self.recipe,
            "seed": self.seed,
            "settings": self.settings,
            "calibration": NONE,
        }

    def drawn(self) -> tuple[IntArray, Examples]:
        """Origins (O,) and examples of some leads of each, at most the setting ``rows``, by the seed.

        Raises FieldError(code="too_short") when there is too little to learn from.
        """
        origins, leads = draw(
            self.history,
            horizon=self.horizon,
            most=int(self.settings["rows"]),
            leads_each=LEADS_PER_ORIGIN,
            rng=np.random.default_rng(self.seed),
        )
        found = examples(self.history, origins, leads, self.recipe)
        require_enough(int(found.usable.sum()))
        return origins, found


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Located(Model):
    """A model with a centre, the expected value, and quantiles around it calibrated on unseen days.

    ``fit`` learns twice: on the first four fifths, to see on the last fifth what the model misses and which
    of its choices is best, and then on all. ``grown_at`` is when what adapting leaves alone was
    learned, where that is not ``trained_at``; ``seed`` and ``settings`` are those of the last training.
    """

    recipe: Recipe
    seed: int
    settings: dict[str, float]
    calibration: Calibration
    grown_at: datetime | None = None

    @classmethod
    @abstractmethod
    def learn(cls, lesson: Lesson, trial: Self | None) -> Self:
        """Learn the centre from all of the lesson's history.

        ``trial`` is what this returned for an earlier part, with the choices that ``judged`` made; without
        it the model keeps its choices open.
        """

    @abstractmethod
    def centre(self, vista: Vista, features: Features) -> FloatArray:
        """Expected values of the H intervals from each origin on, shape (N, O, H), in the history's unit.

        ``features`` are those of ``vista`` at leads 0 to H - 1 by this model's recipe. NaN for a series of
        which too little is known.
        """

    def judged(self, history: History, origins: IntArray) -> Self:  # noqa: ARG002 - some models have no choices
        """This model with its choices made by how it does at ``origins``, none of which it has learned from.

        Of what adapting learns anew only those ``since`` it was trained are unseen. Choices keep to what they
        were by ``caution``.
        """
        return self

    def since(self, history: History, origins: IntArray) -> IntArray:
        """Those of ``origins`` from ``trained_at`` on: what this model, as it is, has not seen."""
        return origins[origins >= (self.trained_at - history.grid.start) / history.grid.step]

    @classmethod
    def fit(
        cls, history: History, *, trained_at: datetime, horizon: int, seed: int, settings: Settings
    ) -> Self:
        """See ``Model.fit``; FieldError(code="too_short") when there is too little to learn from."""
        trained_at = require_utc(trained_at, "trained_at")
        history.require_available(trained_at)
        split = validation_start(history)
        whole = Lesson(history, trained_at, horizon, seed, dict(settings), Recipe.of(history))
        trial = cls.learn(replace(whole, history=history.as_of(split), trained_at=split), None)
        origins = validation_origins(history, split, horizon)
        trial = trial.judged(history, origins)
        calibration = trial.measured(history, origins)
        return replace(cls.learn(whole, trial), calibration=calibration)

    def measured(self, history: History, origins: IntArray) -> Calibration:
        """How far this model is off at ``origins``, none of which it has seen."""
        seen = list(self.views(Vista.at(history, origins), self.horizon))
        actual = values_at(history, origins[:, None] + np.arange(self.horizon))
        centre = np.concatenate([self.centre(vista, features) for vista, features in seen], axis=1)
        days = heard_days(history, origins, self.horizon)
        return calibrated_on(
            [features for _, features in seen], centre, actual, days=days, before=self.calibration
        )

    def views(self, vista: Vista, horizon: int) -> Iterator[tuple[Vista, Features]]:
        """``vista`` some origins at a time, with their features: the tables of many would be large."""
        for part in np.split(vista.origins, range(ORIGINS_AT_ONCE, len(vista.origins), ORIGINS_AT_ONCE)):
            leads = np.broadcast_to(np.arange(horizon), (len(part), horizon))
            some = Vista.at(vista.history, part)
            yield some, build(some, leads, self.recipe)

    def quantiles(self, vista: Vista, horizon: int) -> FloatArray:
        """See ``Model.quantiles``."""
        leads = np.broadcast_to(np.arange(horizon), (len(vista.origins), horizon))
        features = build(vista, leads, self.recipe)
        centre = np.where(
            _still(features), features.base * features.scale[..., None], self.centre(vista, features)
        )
        return tidy(self.calibration.around(features, centre), vista)

    def adapted(self, history: History, *, at: datetime) -> Self:
        """See ``Model.adapted``: choices by how this model did, intervals by how past weeks were forecast.

        Of a shorter history no more than the second half is judged, and never what this model was trained on.
        """
        past = history.as_of(at)
        grown_at = self.grown_at or self.trained_at
        half = len(past.grid) // past.steps_per_day // 2
        days = min(RECENT_DAYS, half, (at - grown_at) // DAY)
        if days < 1:
            return self
        before = at - days * DAY
        origins = validation_origins(past, before, self.horizon)
        chosen = self.judged(past, origins)
        calibration = chosen.renewed(past.as_of(before)).measured(past, origins)
        adapted = replace(chosen.renewed(past), calibration=calibration)
        return replace(adapted, trained_at=at, grown_at=grown_at)

    def relearned(self, history: History, *, at: datetime) -> Self:
        """See ``Model.relearned``: as adapted, and the centre learnt from all that is known."""
        adapted = self.adapted(history, at=at)
        lesson = Lesson(history.as_of(at), at, self.horizon, self.seed, self.settings, self.recipe)
        return replace(self.learn(lesson, adapted), calibration=adapted.calibration)

    def renewed(self, history: History) -> Self:  # noqa: ARG002 - some models have nothing that is cheap to learn
        """This model with what is cheap to learn learnt anew from ``history``; moves ``trained_at``."""
        return self

    def header(self) -> dict[str, Any]:
        """What is common to all located models, as JSON types."""
        return Model.header(self) | {
            "recipe": self.recipe.dump(),
            "seed": self.seed,
            "settings": self.settings,
            "calibration": self.calibration.dump(),
        }


def _still(features: Features) -> BoolArray:
    """Where nothing has moved at this time of day for a week: PV at night, an empty house; (N, O, L)."""
    return features.spread <= LEAST_SPREAD


def heard_days(history: History, origins: IntArray, horizon: int) -> float:
    """How many days, from the first of ``origins`` to the last, readings follow: silence tells nothing."""
    if not len(origins):
        return 0.0
    actual = values_at(history, origins[:, None] + np.arange(horizon))
    days = (origins[-1] - origins[0]) / history.steps_per_day
    return float(days * np.isfinite(actual).any(axis=(0, 2)).mean())


def caution(history: History, origins: IntArray, horizon: int) -> float:
    """How strongly choices keep to what they were: 1 by four weeks of ``origins`` or more, more by less.

    Infinitely where no reading follows any of them.
    """
    days = heard_days(history, origins, horizon)
    return max(1.0, RECENT_DAYS / days) if days else np.inf


def validation_start(history: History) -> datetime:
    """Where the last fifth of what is known begins, on a whole day where there are days enough."""
    day = history.steps_per_day
    known = np.flatnonzero(np.isfinite(history.values).any(axis=0))
    first = int(known[int(len(known) * (1 - VALIDATION_SHARE))]) if len(known) else 0
    first -= first % day if first >= 2 * day else 0
    if first <= first_origin(history):
        raise FieldError("history", "must be longer than a day and a quarter", code="too_short")
    return history.grid.start + first * history.grid.step


def validation_origins(history: History, start: datetime, horizon: int) -> IntArray:
    """Origins from ``start`` on, of every time of day, few enough for ``VALIDATION_VALUES`` forecasts."""
    first = (start - history.grid.start) // history.grid.step
    every = np.arange(first, len(history.grid))
    return every[:: history.even_stride(-(-len(every) * len(history.names) * horizon // VALIDATION_VALUES))]


def loaded(header: dict[str, Any]) -> dict[str, Any]:
    """The attributes of ``Located`` from what its ``header`` gave."""
    return {
        "trained_at": header["trained_at"],
        "horizon": header["horizon"],
        "step": header["step"],
        "recipe": Recipe.load(header["recipe"]),
        "seed": header["seed"],
        "settings": header["settings"],
        "calibration": Calibration.load(header["calibration"]),
    }
