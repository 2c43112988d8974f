"""What every forecasting model can do once it is fitted."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from domain.errors import FieldError
from domain.forecast import Forecast
from domain.time import EPOCH, TimeGrid, floor_to_step, require_utc
from forecasting.quantiles import LEVELS
from forecasting.series import FloatArray, History, instant64
from forecasting.vista import Vista

HEADER_FILE = "model.json"


Settings = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """What may be tuned: its default, the range to search, on a logarithmic scale or in whole numbers."""

    default: float
    low: float
    high: float
    log: bool = False
    integer: bool = False


def resolved(known: Mapping[str, Setting], chosen: Settings) -> dict[str, float]:
    """A value for each of the ``known`` settings; FieldError for one that is unknown or out of its range."""
    values = {name: setting.default for name, setting in known.items()}
    for name, value in chosen.items():
        if name not in known:
            raise FieldError("settings", f"{name!r} is not one of {', '.join(known) or 'none'}")
        setting = known[name]
        if not setting.low <= value <= setting.high or (setting.integer and value != int(value)):
            raise FieldError(f"settings.{name}", f"must lie in [{setting.low}, {setting.high}], got {value}")
        values[name] = value
    return values


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Model(ABC):
    """A fitted model: it has seen nothing after ``trained_at`` and serves up to ``horizon`` steps ahead."""

    name: ClassVar[str]
    SETTINGS: ClassVar[Mapping[str, Setting]] = {}
    trained_at: datetime
    horizon: int
    step: timedelta

    @classmethod
    @abstractmethod
    def fit(
        cls, history: History, *, trained_at: datetime, horizon: int, seed: int, settings: Settings
    ) -> Self:
        """Learn from what was known at ``trained_at``; FieldError(code="leak") when there is more.

        ``settings`` holds a value for each of ``SETTINGS``.
        """

    @abstractmethod
    def quantiles(self, vista: Vista, horizon: int) -> FloatArray:
        """Quantiles at ``LEVELS`` of the ``horizon`` intervals from each origin on, shape (N, O, horizon, Q).

        In the unit of the history, never crossing; NaN for a series of which too little is known.
        """

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the model into ``directory``: JSON, LightGBM's text, safetensors."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``save`` wrote."""

    def adapted(self, history: History, *, at: datetime) -> Self:  # noqa: ARG002 - some models have nothing to adapt
        """This model, with what is cheap to learn learnt anew from what was known at ``at``."""
        return self

    def relearned(self, history: History, *, at: datetime) -> Self:
        """This model, with all but its choices learnt anew from what was known at ``at``."""
        return self.adapted(history, at=at)

    def forecast_known(self, history: History, *, issued_at: datetime, horizon: int) -> dict[str, Forecast]:
        """One forecast for each series of which enough is known, by name.

        The first interval is the one that contains ``issued_at``. Raises FieldError with code "leak" when
        ``history`` holds a value that was not known at ``issued_at``, or the model was trained later.
        """
        issued_at = require_utc(issued_at, "issued_at")
        self.require_usable(history, issued_at, horizon)
        history.require_available(issued_at)
        first = floor_to_step(issued_at, self.step)
        origin = np.array([(first - history.grid.start) // self.step])
        vista = Vista(history, origin, np.array([instant64(issued_at)]))
        quantiles = self.quantiles(vista, horizon)[:, 0]
        newest = np.where(np.isfinite(history.values), history.availability, history.starts[0]).max(axis=1)
        return {
            name: Forecast(
                grid=TimeGrid(first, self.step, horizon),
                issued_at=issued_at,
                available_at=_as_datetime(newest[row]),
                levels=LEVELS,
                power_kw=quantiles[row],
                model=self.name,
            )
            for row, name in enumerate(history.names)
            if np.isfinite(quantiles[row]).all()
        }

    def predict(self, history: History, *, issued_at: datetime, horizon: int) -> list[Forecast]:
        """One forecast a series, in order; FieldError(code="no_data") when too little is known of one."""
        forecasts = self.forecast_known(history, issued_at=issued_at, horizon=horizon)
        for name in history.names:
            if name not in forecasts:
                raise FieldError("history", f"too little is known of {name} for a forecast", code="no_data")
        return [forecasts[name] for name in history.names]

    def require_usable(self, history: History, issued_at: datetime, horizon: int) -> None:
        """FieldError when this model cannot forecast ``horizon`` steps of ``history`` at ``issued_at``."""
        if issued_at < self.trained_at:
            message = f"the model has seen data until {self.trained_at.isoformat()}"
            raise FieldError("issued_at", message, code="leak")
        if history.grid.step != self.step:
            raise FieldError("history", f"has a step of {history.grid.step}, the model {self.step}")
        if not 1 <= horizon <= self.horizon:
            raise FieldError("horizon", f"must lie in [1, {self.horizon}], got {horizon}")
        if issued_at <= history.grid.start:
            raise FieldError("issued_at", "must be later than the start of the history", code="no_data")

    def header(self) -> dict[str, Any]:
        """What is common to all models, as JSON types."""
        return {
            "name": self.name,
            "trained_at": self.trained_at.isoformat(),
            "horizon": self.horizon,
            "step_s": self.step.total_seconds(),
        }


def write_header(directory: Path, header: dict[str, Any]) -> None:
    """Create ``directory`` and write the header file."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / HEADER_FILE).write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")


def read_header(directory: Path, name: str) -> dict[str, Any]:
    """The header file of the saved model ``name``, with its times and durations restored.

    FieldError when it is another's: the files beside it would be taken for what they are not.
    """
    header: dict[str, Any] = json.loads((directory / HEADER_FILE).read_text(encoding="utf-8"))
    if header["name"] != name:
        raise FieldError("model", f"{directory.name} holds {header['name']!r}, not {name!r}")
    header["trained_at"] = require_utc(datetime.fromisoformat(header["trained_at"]), "trained_at")
    header["step"] = timedelta(seconds=header.pop("step_s"))
    return header


def _as_datetime(instant: np.datetime64) -> datetime:
    microseconds = int(instant.astype("datetime64[us]").astype(np.int64))
    return EPOCH + timedelta(microseconds=microseconds)
