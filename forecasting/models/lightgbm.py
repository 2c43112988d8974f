"""Gradient-boosted trees, pooled over all series (LightGBM; Ke et al. 2017)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import lightgbm
import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from forecasting.anchor import Anchor
from forecasting.averaging import weights_of
from forecasting.examples import EXTREME, Examples, values_at
from forecasting.features import Features
from forecasting.models.base import Setting, read_header, write_header
from forecasting.models.located import Lesson, Located, caution, loaded
from forecasting.series import FloatArray, History, IntArray
from forecasting.vista import DAYS_BACK, Vista

TREES_PER_DAY, LEAST_TREES = 2, 100
BLOCK = 20
FOLDS, PATIENCE = 5, 50
CLEARLY = 0.02  # in parts of the squared error
DRAWN = 0.05  # how strongly the share is drawn to what it was, half at first, in parts of the squared error
LEAST_GUESS = 0.1  # in units of scale: of less, a ratio says little
SELDOM = 0.05  # the share of values that may be nothing where logarithms are learned
POWER = 1.6  # of the mean, to which Tweedie's variance grows
TREES_FILES = ("level.txt", "departure.txt")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LightGBM(Located):
    """Two sets of trees: one gives ``value / scale``, the other what it departs from an ``Anchor``'s guess.

    Where the newest value says most, departures are easier to learn; where noise rules, levels are. ``share``
    is how much of the second is taken, and ``trees`` how many of each set, by how they did on days unseen.
    Of a history of years those are the newest ones; a shorter one is asked week by week first.
    Of what is never negative and seldom nothing, as the load of a home, large values also scatter more: there
    the trees learn logarithms of the mean by Tweedie's deviance (``logarithmic``), which trusts a large value
    less. Of PV, nothing at night, they do not.
    Homes and leads of one day share weather and habits, so capacity grows with the number of days, not of
    rows.
    """

    name: ClassVar[str] = "lightgbm"
    SETTINGS: ClassVar = {
        "rows": Setting(200_000, 1_000, 2_000_000, log=True, integer=True),
        "learning_rate": Setting(0.03, 0.005, 0.3, log=True),
        "leaves_per_day": Setting(0.1, 0.01, 1.0, log=True),
        "most_leaves": Setting(63, 4, 255, log=True, integer=True),
        "most_trees": Setting(800, 20, 3_000, log=True, integer=True),
        "feature_fraction": Setting(0.4, 0.2, 1.0),
        "lambda_l2": Setting(5.0, 0.0, 50.0),
    }
    features: tuple[str, ...]
    anchor: Anchor
    boosters: tuple[Any, ...]
    trees: tuple[int, ...]
    share: float
    logarithmic: bool

    @classmethod
    def learn(cls, lesson: Lesson, trial: Self | None) -> Self:
        """See ``Located.learn``."""
        history, settings = lesson.history, lesson.settings
        origins, given = lesson.drawn()
        anchor = Anchor.fit(given, lesson.horizon)
        days = len(history.grid) / history.steps_per_day
        parameters = _parameters(days, int(given.usable.sum()), lesson.seed, settings)
        most = np.clip(
            TREES_PER_DAY * days * np.sqrt(len(history.names)), LEAST_TREES, settings["most_trees"]
        )
        least, low = np.nanquantile(history.values, [EXTREME, SELDOM])
        logarithmic = bool(least >= 0 and low > 0)
        parameters |= _objective(logarithmic=logarithmic)
        sets = [
            _dataset(given, which, guess, logarithmic=logarithmic)
            for which, guess in enumerate(_guesses(anchor, given.features, given.leads))
        ]
        if trial is not None:
            trees = trial.trees
        elif lesson.recipe.annual:
            trees = (int(most), int(most))
        else:
            folds = _folds(history, np.broadcast_to(origins[:, None], given.value.shape)[given.usable])
            trees = tuple(_helpful(parameters, each, folds, int(most)) for each in sets)
        boosters = [lightgbm.train(parameters, each, count) for each, count in zip(sets, trees, strict=True)]
        return cls(
            **lesson.facts,
            features=given.features.names,
            anchor=anchor,
            boosters=tuple(lightgbm.Booster(model_str=booster.model_to_string()) for booster in boosters),
            trees=trees,
            share=0.5 if trial is None else trial.share,
            logarithmic=logarithmic,
        )

    def judged(self, history: History, origins: IntArray) -> Self:
        """See ``Located.judged``: how many trees help, and how much of the departures to take.

        As many trees as there are, unless others come clearly nearer: a few weeks say little of so many.
        """
        careful = caution(history, origins, self.horizon)
        if careful == np.inf:
            return self
        views = [features for _, features in self.views(Vista.at(history, origins), self.horizon)]
        actual = values_at(history, origins[:, None] + np.arange(self.horizon))
        target = actual / np.concatenate([features.unit for features in views], axis=1)
        trees, missed = [], []
        for which, (booster, count) in enumerate(zip(self.boosters, self.trees, strict=True)):
            stages = self._grown(which, views)
            errors = [float(np.nanmean((target - said) ** 2)) for said in stages]
            best, present = int(np.argmin(errors)), min(-(-count // BLOCK), len(stages)) - 1
            stage = best if errors[best] < (1 - careful * CLEARLY) * errors[present] else present
            trees.append(min((stage + 1) * BLOCK, booster.num_trees()))
            missed.append(target - stages[stage])
        both = np.stack(missed, axis=-1)
        before = np.array([1 - self.share, self.share])
        _, share = weights_of(both[np.isfinite(both).all(axis=-1)], before, careful * DRAWN)
        return replace(self, share=float(share), trees=tuple(trees))

    def _grown(self, which: int, views: list[Features]) -> list[FloatArray]:
        """What one set of trees says with ever more ``BLOCK``s of them, (N, O, H) each, in units of scale."""
        booster = self.boosters[which]
        stages: list[list[FloatArray]] = []
        for features in views:
            leads = np.broadcast_to(np.arange(self.horizon), features.base.shape[1:])
            guess = _guesses(self.anchor, features, leads)[which]
            rows = _rows(features, which, guess)
            score = np.zeros(guess.shape)
            stages.append([])
            for first in range(0, booster.num_trees(), BLOCK):
                score = score + _scores(booster, rows, first, BLOCK).reshape(guess.shape)
                stages[-1].append(self._departed(guess, score))
        return [np.concatenate(parts, axis=1) for parts in zip(*stages, strict=True)]

    def centre(self, vista: Vista, features: Features) -> FloatArray:  # noqa: ARG002 - networks look further
        """See ``Located.centre``."""
        if features.names != self.features:
            raise FieldError("history", f"gives features {features.names}, the model knows {self.features}")
        level, departed = self._both(features)
        return np.asarray((level + self.share * (departed - level)) * features.scale[..., None])

    def _both(self, features: Features) -> tuple[FloatArray, FloatArray]:
        """What each set of trees says, in units of scale, shape (N, O, L)."""
        leads = np.broadcast_to(np.arange(features.base.shape[-1]), features.base.shape[1:])
        said = []
        guesses = _guesses(self.anchor, features, leads)
        for which, (booster, count, guess) in enumerate(zip(self.boosters, self.trees, guesses, strict=True)):
            rows = _rows(features, which, guess)
            said.append(self._departed(guess, _scores(booster, rows, 0, count).reshape(guess.shape)))
        return said[0], said[1]

    def _departed(self, guess: FloatArray, score: FloatArray) -> FloatArray:
        """``guess`` and what trees say of it: a difference, or the logarithm of a ratio."""
        return np.maximum(guess, LEAST_GUESS) * np.exp(score) if self.logarithmic else guess + score

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and the trees in LightGBM's text."""
        more = {
            "features": self.features,
            "anchor": self.anchor.dump(),
            "trees": self.trees,
            "share": self.share,
            "logarithmic": self.logarithmic,
        }
        write_header(directory, self.header() | more)
        for name, booster in zip(TREES_FILES, self.boosters, strict=True):
            (directory / name).write_text(booster.model_to_string(), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote."""
        header = read_header(directory, cls.name)
        level, departed = (lightgbm.Booster(model_file=directory / name) for name in TREES_FILES)
        return cls(
            **loaded(header),
            features=tuple(header["features"]),
            anchor=Anchor.load(header["anchor"]),
            boosters=(level, departed),
            trees=tuple(header["trees"]),
            share=header["share"],
            logarithmic=header["logarithmic"],
        )


def _guesses(anchor: Anchor, features: Features, leads: IntArray) -> tuple[FloatArray, FloatArray]:
    """What each set of trees departs from: the scale, and the anchor's guess; (N, O, L) each."""
    return np.ones_like(features.base), anchor.guess(features, leads)


def _rows(features: Features, which: int, guess: FloatArray) -> NDArray[np.float32]:
    """What one set of trees looks at, (N * O * L, K); what followed on past days is for departures alone."""
    rows = features.relative_to(guess).reshape(-1, len(features.names))
    return rows if which else rows[:, [not name.startswith("onward_") for name in features.names]]


def _scores(booster: lightgbm.Booster, rows: NDArray[np.float32], first: int, count: int) -> FloatArray:
    """What ``count`` trees from the ``first`` on say of ``rows`` (R, F), shape (R,)."""
    return np.asarray(
        booster.predict(rows, start_iteration=first, num_iteration=count, raw_score=True, num_threads=1)
    )


def _dataset(given: Examples, which: int, guess: FloatArray, *, logarithmic: bool) -> lightgbm.Dataset:
    usable = given.usable
    weight = np.broadcast_to(given.importance**2, given.value.shape)
    label = given.departure(guess)[usable]
    if logarithmic:
        label = np.maximum(guess[usable] + label, 0.0)
    return lightgbm.Dataset(
        _rows(given.features, which, guess)[usable.ravel()],
        label=label,
        init_score=np.log(np.maximum(guess[usable], LEAST_GUESS)) if logarithmic else None,
        weight=weight[usable],
        params={"verbosity": -1, "num_threads": 1},
    )


def _folds(history: History, origins: IntArray) -> list[tuple[IntArray, IntArray]]:
    """Rows to learn from and rows to judge by: each fold is judged by every fifth week; ``origins`` (R,)."""
    block = max(1, min(DAYS_BACK * history.steps_per_day, len(history.grid) // FOLDS))
    fold = origins // block % FOLDS
    split = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    return [(learned, judged) for learned, judged in split if len(learned) and len(judged)]


def _helpful(
    parameters: dict[str, Any], data: lightgbm.Dataset, folds: list[tuple[IntArray, IntArray]], most: int
) -> int:
    """How many trees, ``most`` at most, come nearest to what they have not seen."""
    if not folds:
        return min(LEAST_TREES, most)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    found = lightgbm.cv(parameters | {"metric": "rmse"}, data, most, folds=folds, callbacks=[stop])
    return len(cast("list[float]", found["valid rmse-mean"]))


def _objective(*, logarithmic: bool) -> dict[str, Any]:
    return {"objective": "tweedie", "tweedie_variance_power": POWER} if logarithmic else {"objective": "l2"}


def _parameters(days: float, rows: int, seed: int, settings: dict[str, float]) -> dict[str, Any]:
    return {
        "learning_rate": settings["learning_rate"],
        "num_leaves": int(np.clip(days * settings["leaves_per_day"], 6, settings["most_leaves"])),
        "min_data_in_leaf": int(np.clip(rows // 200, 5, 100)),
        "feature_fraction": settings["feature_fraction"],
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": settings["lambda_l2"],
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
