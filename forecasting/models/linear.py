"""Linear regressions, one for each lead and time of day, drawn towards one for all times of day."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from domain.errors import FieldError
from forecasting.averaging import weights_of
from forecasting.examples import examples, first_origin, require_enough
from forecasting.features import MOST_DAYS_BACK, Features, Recipe
from forecasting.models.base import Setting, read_header, write_header
from forecasting.models.located import Lesson, Located, caution, loaded
from forecasting.series import FloatArray, History, IntArray
from forecasting.vista import Vista

GROUPS = 24  # times of day that have regressions of their own at most
WINDOWS_DAYS = (364, 120)  # a year, a season: what is remembered, beside all that there is
POOLED_PENALTIES = (30.0, 300.0, 3_000.0, 30_000.0)
OWN_PENALTIES = (10.0, 100.0, 1_000.0, 10_000.0, 1e9)
AT_ONCE = 400
DRAWN = 0.1  # how strongly the shares are drawn to what they were, in parts of the squared error
LEAST_DEVIATION = 1e-6
WEEKDAYS = 7
REACH = 8.0  # standard deviations at which an input is cut off
WEIGHTS_FILE = "weights.safetensors"

Choice = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Linear(Located):
    """``weights`` (W, H, G, P): what to add to the base, by window of memory, lead, time of day and input.

    A mean over ``windows``, in days, by ``shares`` (W,) is the forecast: long memory knows the year, short
    memory knows what has changed. How strongly each regression is drawn to zero, and each time of day to what
    all share, is ``choices``, one pair of penalties a window.
    """

    name: ClassVar[str] = "linear"
    SETTINGS: ClassVar = {"rows": Setting(1_500_000, 10_000, 20_000_000, log=True, integer=True)}
    inputs: tuple[str, ...]
    mean: FloatArray
    deviation: FloatArray
    weights: FloatArray
    windows: tuple[float, ...]
    choices: tuple[Choice, ...]
    shares: FloatArray
    candidates: tuple[tuple[Choice, FloatArray], ...] = ()

    @classmethod
    def learn(cls, lesson: Lesson, trial: Self | None) -> Self:
        """See ``Located.learn``."""
        windows = _windows(lesson.history) if trial is None else trial.windows
        sums = _Sums.of(
            lesson.history,
            windows,
            horizon=lesson.horizon,
            recipe=lesson.recipe,
            rows=int(lesson.settings["rows"]),
            seed=lesson.seed,
        )
        given = lesson.facts | {
            "windows": windows,
            "inputs": sums.inputs,
            "mean": sums.mean,
            "deviation": sums.deviation,
        }
        if trial is not None:
            weights = np.stack([sums.solved(w, choice) for w, choice in enumerate(trial.choices)])
            return cls(**given, choices=trial.choices, shares=trial.shares, weights=weights)
        tried = tuple(
            (choice, np.stack([sums.solved(w, choice) for w in range(len(windows))]))
            for choice in product(POOLED_PENALTIES, OWN_PENALTIES)
        )
        even = np.full(len(windows), 1 / len(windows))
        return cls(**given, choices=(), shares=even, weights=tried[0][1], candidates=tried)

    def judged(self, history: History, origins: IntArray) -> Self:
        """See ``Located.judged``: the penalties that serve each window best, and each window's share."""
        chosen = self._chosen(history, origins) if self.candidates else self
        since = self.since(history, origins)
        careful = caution(history, since, self.horizon)
        if len(self.windows) == 1 or careful == np.inf:
            return chosen
        missed = []
        for vista, features in self.views(Vista.at(history, since), self.horizon):
            x = self._standardised(features)
            actual = examples(history, vista.origins, _leads(features), self.recipe).value - features.base
            said = np.stack([self._applied(weights, x, features) for weights in chosen.weights], axis=-1)
            error = actual[..., None] - said
            missed.append(error[np.isfinite(error).all(axis=-1)])
        return replace(chosen, shares=weights_of(np.concatenate(missed), self.shares, careful * DRAWN))

    def _chosen(self, history: History, origins: IntArray) -> Self:
        """The penalties that serve each window best at ``origins``."""
        missed = np.zeros((len(self.candidates), len(self.windows)))
        for vista, features in self.views(Vista.at(history, origins), self.horizon):
            x = self._standardised(features)
            actual = examples(history, vista.origins, _leads(features), self.recipe).value
            for c, (_, weights) in enumerate(self.candidates):
                for w in range(len(self.windows)):
                    error = features.base + self._applied(weights[w], x, features) - actual
                    missed[c, w] += np.nansum(error**2)
        best = missed.argmin(axis=0)
        return replace(
            self,
            choices=tuple(self.candidates[c][0] for c in best),
            weights=np.stack([self.candidates[c][1][w] for w, c in enumerate(best)]),
            candidates=(),
        )

    def renewed(self, history: History) -> Self:
        """See ``Located.renewed``: what has a short memory, or all when there has been no more yet."""
        finite = [w for w, days in enumerate(self.windows) if days < np.inf] or [0]
        start = history.grid.end - timedelta(days=max(WINDOWS_DAYS) + MOST_DAYS_BACK)
        recent = history.since(max(start, history.grid.start))
        sums = _Sums.of(
            recent,
            self.windows,
            horizon=self.horizon,
            recipe=self.recipe,
            rows=int(self.settings["rows"]) // 4,
            seed=self.seed,
            like=self,
        )
        weights = self.weights.copy()
        for w in finite:
            weights[w] = sums.solved(w, self.choices[w])
        return replace(self, weights=weights, trained_at=history.grid.end)

    def centre(self, vista: Vista, features: Features) -> FloatArray:  # noqa: ARG002 - networks look further
        """See ``Located.centre``."""
        if _input_names(features) != self.inputs:
            raise FieldError(
                "history", f"gives features {_input_names(features)}, the model knows {self.inputs}"
            )
        departure = self._applied(
            np.tensordot(self.shares, self.weights, 1), self._standardised(features), features
        )
        return np.asarray((features.base + departure) * features.scale[..., None])

    def _standardised(self, features: Features) -> FloatArray:
        return _standardised(_inputs(features), self.mean, self.deviation)

    def _applied(self, weights: FloatArray, x: FloatArray, features: Features) -> FloatArray:
        """What ``weights`` (H, G, P) make of inputs (N, O, L, P) at leads 0 to L - 1, shape (N, O, L)."""
        own = weights[_leads(features), _groups(features)]
        return np.asarray(np.einsum("nolp,olp->nol", x, own, optimize=True))

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and the weights as safetensors."""
        write_header(
            directory,
            self.header()
            | {
                "inputs": self.inputs,
                "windows": self.windows[1:],
                "choices": self.choices,
                "shares": self.shares.tolist(),
            },
        )
        tensors = {"mean": self.mean, "deviation": self.deviation, "weights": self.weights}
        save_file(
            {name: np.ascontiguousarray(x, dtype=np.float32) for name, x in tensors.items()},
            directory / WEIGHTS_FILE,
        )

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote."""
        header = read_header(directory, cls.name)
        tensors: dict[str, Any] = {
            name: x.astype(np.float64) for name, x in load_file(directory / WEIGHTS_FILE).items()
        }
        choices = tuple((float(a), float(b)) for a, b in header["choices"])
        return cls(
            **loaded(header),
            inputs=tuple(header["inputs"]),
            windows=(np.inf, *header["windows"]),
            choices=choices,
            shares=np.array(header["shares"]),
            **tensors,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums of products of standardised inputs, ``gram`` (W, H, G, P, P) and ``moment`` (W, H, G, P)."""

    inputs: tuple[str, ...]
    mean: FloatArray
    deviation: FloatArray
    gram: FloatArray
    moment: FloatArray

    @classmethod
    def of(  # noqa: PLR0913 - what decides the sums
        cls,
        history: History,
        windows: Sequence[float],
        *,
        horizon: int,
        recipe: Recipe,
        rows: int,
        seed: int,
        like: Linear | None = None,
    ) -> Self:
        """Sums over at most about ``rows`` examples, standardised as those of ``like`` where it is given."""
        parts = _parts(history, horizon=horizon, rows=rows, seed=seed)
        leads = np.arange(horizon)
        first = examples(history, parts[0], np.broadcast_to(leads, (len(parts[0]), horizon)), recipe)
        names = _input_names(first.features)
        if like is None:
            sample = _inputs(first.features)[first.usable]
            require_enough(len(sample) * len(parts))
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", RuntimeWarning
                )  # an input that is never known has the mean NaN
                mean, deviation = np.nanmean(sample, axis=0), np.nanstd(sample, axis=0)
            mean, deviation = np.nan_to_num(mean), np.where(deviation > LEAST_DEVIATION, deviation, np.inf)
            mean[-1], deviation[-1] = 0.0, 1.0  # the constant
            mean, deviation = (x.astype(np.float32).astype(np.float64) for x in (mean, deviation))
        else:
            mean, deviation = like.mean, like.deviation
        groups = min(GROUPS, history.steps_per_day)
        size = (len(windows), horizon, groups, len(names))
        gram, moment = np.zeros((*size, len(names))), np.zeros(size)
        found = 0
        for origins in parts:
            given = examples(history, origins, np.broadcast_to(leads, (len(origins), horizon)), recipe)
            x = _standardised(_inputs(given.features), mean, deviation)
            x = np.where(given.usable[..., None], x * given.importance[..., None], 0.0)
            if not given.usable.any():
                continue
            y = np.where(given.usable, given.departure(given.features.base) * given.importance, 0.0)
            found += int(given.usable.sum())
            group = _groups(given.features)
            age_days = (len(history.grid) - origins) / history.steps_per_day
            for w, days in enumerate(windows):
                young = age_days <= days
                for lead in range(horizon):
                    for g in np.unique(group[young, lead]):
                        rows_ = young & (group[:, lead] == g)
                        a = x[:, rows_, lead].reshape(-1, len(names))
                        gram[w, lead, g] += a.T @ a
                        moment[w, lead, g] += a.T @ y[:, rows_, lead].ravel()
        require_enough(found)
        return cls(names, mean, deviation, gram, moment)

    def solved(self, window: int, choice: Choice) -> FloatArray:
        """Weights (H, G, P) of one window under the penalties ``choice``."""
        pooled_penalty, own_penalty = choice
        gram, moment = self.gram[window], self.moment[window]
        identity = np.eye(gram.shape[-1])
        pooled = np.linalg.solve(gram.sum(axis=1) + pooled_penalty * identity, moment.sum(axis=1)[..., None])
        missed = moment[..., None] - gram @ pooled[:, None]
        own = np.linalg.solve(gram + own_penalty * identity, missed)
        return np.asarray(
            (pooled[:, None] + own)[..., 0].astype(np.float32), dtype=np.float64
        )  # as it is saved


def _windows(history: History) -> tuple[float, ...]:
    """All there is, and each shorter memory that is shorter."""
    length = len(history.grid) / history.steps_per_day
    return (np.inf, *(days for days in WINDOWS_DAYS if days < length))


def _parts(history: History, *, horizon: int, rows: int, seed: int) -> list[IntArray]:
    """Origins in parts of about ``AT_ONCE``, each from all of the history; drawn where there are too many."""
    every = np.arange(first_origin(history), len(history.grid))
    most = max(1, rows // (len(history.names) * horizon))
    if len(every) > most:
        every = np.sort(np.random.default_rng(seed).choice(every, most, replace=False))
    if not len(every):
        raise FieldError("history", "must be longer than a day", code="too_short")
    count = -(-len(every) // AT_ONCE)
    return [every[k::count] for k in range(count)]


def _input_names(features: Features) -> tuple[str, ...]:
    weekdays = tuple(f"weekday_{d}" for d in range(WEEKDAYS))
    return (*(name for name in features.names if name != "weekday"), *weekdays, "one")


def _inputs(features: Features) -> FloatArray:
    """Levels less the base, the others as they are, a column a weekday, and 1: (N, O, L, P)."""
    relative = features.relative_to(features.base)
    weekday = features.names.index("weekday")
    days = relative[..., weekday, None] == np.arange(WEEKDAYS)
    one = np.ones((*relative.shape[:-1], 1))
    return np.concatenate([np.delete(relative, weekday, axis=-1), days, one], axis=-1, dtype=np.float64)


def _standardised(inputs: FloatArray, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """Gaps at the mean, and nothing far outside of what was learnt from."""
    return np.clip(np.nan_to_num((inputs - mean) / deviation), -REACH, REACH)


def _leads(features: Features) -> IntArray:
    return np.broadcast_to(np.arange(features.base.shape[-1]), features.base.shape[1:])


def _groups(features: Features) -> IntArray:
    """Which regression of a time of day serves each target, (O, L): by the hour of the wall clock."""
    return np.asarray(features.column("hour")[0].astype(np.int64) % GROUPS)
