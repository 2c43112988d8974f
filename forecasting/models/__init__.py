"""Forecasting models, one file a model, and the calls that a platform makes.

model = train("lightgbm", history.as_of(now), trained_at=now, seed=1)
forecasts = model.forecast_known(history.as_of(now), issued_at=now, horizon=24)
"""

import json
from datetime import datetime
from pathlib import Path

from domain.errors import FieldError
from forecasting.models.base import HEADER_FILE, Model, Settings, resolved
from forecasting.models.hybrid import Hybrid
from forecasting.models.lightgbm import LightGBM
from forecasting.models.linear import Linear
from forecasting.models.lstm import LSTM
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.models.transformer import Transformer
from forecasting.series import History

__all__ = ["MODELS", "SHIPPED", "Model", "load_model", "train"]

SHIPPED = Path(__file__).parent / "weights"

MODELS: dict[str, type[Model]] = {
    model.name: model for model in (SeasonalNaive, Linear, LightGBM, LSTM, Transformer, Hybrid)
}


def train(  # noqa: PLR0913 - what decides a model
    name: str,
    history: History,
    *,
    trained_at: datetime,
    seed: int,
    horizon: int | None = None,
    settings: Settings | None = None,
) -> Model:
    """Fit the model called ``name`` to forecast up to ``horizon`` steps ahead (a day unless given).

    ``settings`` replaces some of the model's ``SETTINGS``; a FieldError names one that is unknown or out of
    its range. Raises FieldError: "leak" when ``history`` holds values that were not known at ``trained_at``
    (pass ``history.as_of(trained_at)``), "too_short" when there is too little to learn from.
    """
    steps = history.steps_per_day if horizon is None else horizon
    model = _model_class(name)
    chosen = resolved(model.SETTINGS, settings or {})
    return model.fit(history, trained_at=trained_at, horizon=steps, seed=seed, settings=chosen)


def load_model(directory: Path) -> Model:
    """The model that ``Model.save`` wrote into ``directory``."""
    header = json.loads((directory / HEADER_FILE).read_text(encoding="utf-8"))
    return _model_class(header["name"]).load(directory)


def _model_class(name: str) -> type[Model]:
    if name not in MODELS:
        raise FieldError("model", f"must be one of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]
