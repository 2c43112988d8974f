"""Gradient-boosted trees, one model a quantile, pooled over all series (LightGBM; Ke et al. 2017)."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import lightgbm
import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.time import require_utc
from forecasting.features import Features, Vista, build
from forecasting.models.base import Model, read_header, write_header
from forecasting.quantiles import LEVELS, tidy
from forecasting.series import FloatArray, History, IntArray

MAX_ROWS = 40_000
LEADS_PER_ORIGIN = 8
MIN_ROWS = 200


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LightGBM(Model):
    """Each booster gives one quantile of ``(value / scale - base) / spread``; see ``forecasting.features``.

    Learning the departure from a first guess, in units of its usual error, keeps nights of PV at zero and
    lets a month of history suffice. Homes and leads of one day share weather and habits, so capacity grows
    with the number of days, not of rows.
    """

    name: ClassVar[str] = "lightgbm"
    features: tuple[str, ...]
    boosters: tuple[Any, ...]

    @classmethod
    def fit(cls, history: History, *, trained_at: datetime, horizon: int, seed: int) -> Self:
        """Learn from at most ``MAX_ROWS`` (series, origin, lead), drawn by ``seed``.

        FieldError(code="too_short") when the history has too few of them.
        """
        trained_at = require_utc(trained_at, "trained_at")
        history.require_available(trained_at)
        origins, leads = _draw(history, horizon, np.random.default_rng(seed))
        features = build(Vista.at(history, origins), leads)
        target, weight, usable = _targets(history, features, origins, leads)
        if usable.sum() < MIN_ROWS:
            message = f"has {usable.sum()} usable examples, needs {MIN_ROWS}"
            raise FieldError("history", message, code="too_short")
        data = lightgbm.Dataset(
            features.table[usable],
            label=target[usable],
            weight=weight[usable],
            feature_name=list(features.names),
            params={"verbosity": -1, "num_threads": 1},
            free_raw_data=False,
        )
        days = len(history.grid) / history.steps_per_day
        parameters = _parameters(days, int(usable.sum()), seed)
        trees = int(np.clip(2 * days, 60, 200))
        boosters = [lightgbm.train(parameters | {"alpha": level}, data, trees) for level in LEVELS]
        return cls(
            trained_at=trained_at,
            horizon=horizon,
            step=history.grid.step,
            features=features.names,
            boosters=tuple(lightgbm.Booster(model_str=booster.model_to_string()) for booster in boosters),
        )

    def quantiles(self, vista: Vista, horizon: int) -> FloatArray:
        """See ``Model.quantiles``."""
        features = build(vista, np.broadcast_to(np.arange(horizon), (len(vista.origins), horizon)))
        if features.names != self.features:
            raise FieldError("history", f"gives features {features.names}, the model knows {self.features}")
        rows = features.table.reshape(-1, len(self.features))
        departures = np.stack([booster.predict(rows, num_threads=1) for booster in self.boosters], axis=-1)
        normalised = departures.reshape(*features.base.shape, -1) * features.spread[..., None]
        quantiles = (normalised + features.base[..., None]) * features.scale[..., None, None]
        return tidy(quantiles, vista)

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and one LightGBM text file a quantile."""
        write_header(directory, self.header() | {"levels": LEVELS, "features": self.features})
        for level, booster in zip(LEVELS, self.boosters, strict=True):
            (directory / _file(level)).write_text(booster.model_to_string(), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote."""
        header = read_header(directory)
        texts = [(directory / _file(level)).read_text(encoding="utf-8") for level in LEVELS]
        return cls(
            trained_at=header["trained_at"],
            horizon=header["horizon"],
            step=header["step"],
            features=tuple(header["features"]),
            boosters=tuple(lightgbm.Booster(model_str=text) for text in texts),
        )


def _file(level: float) -> str:
    return f"q{round(level * 100):02d}.txt"


def _draw(history: History, horizon: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Origins (O,) with at least a day behind them, and leads (O, L) for each, at random."""
    first = history.steps_per_day + history.steps_withheld
    candidates = np.arange(first, len(history.grid))
    if not len(candidates):
        raise FieldError("history", "must be longer than a day", code="too_short")
    series = len(history.names)
    count = min(len(candidates), max(1, MAX_ROWS // (series * min(LEADS_PER_ORIGIN, horizon))))
    leads = min(horizon, max(1, MAX_ROWS // (series * count)))
    origins = np.sort(rng.choice(candidates, count, replace=False))
    drawn = rng.random((count, horizon)).argsort(axis=1)[:, :leads]
    return origins, np.sort(drawn, axis=1)


def _targets(
    history: History, features: Features, origins: IntArray, leads: IntArray
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """What the boosters learn, each example's weight and whether it can be used, shape (N, O, L) each."""
    positions = origins[:, None] + leads
    inside = np.minimum(positions, len(history.grid) - 1)
    values = np.where(positions == inside, history.values[:, inside], np.nan)
    scale = np.where(features.scale > 0, features.scale, np.nan)[..., None]
    target = (values / scale - features.base) / features.spread
    return target, features.spread, np.isfinite(target)


def _parameters(days: float, rows: int, seed: int) -> dict[str, Any]:
    return {
        "objective": "quantile",
        "learning_rate": 0.08,
        "num_leaves": int(np.clip(days // 5, 6, 31)),
        "min_data_in_leaf": int(np.clip(rows // 50, 5, 300)),
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
