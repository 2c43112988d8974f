"""The card beside a saved model: what it was made of, how good it was, what it is for; loading with proof.

The card's digest covers every other file, so that one that was changed, added or taken away is noticed.
"""

import hashlib
import platform
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from domain.errors import FieldError
from forecasting.artefact import CARD_FILE, artefact_digest
from forecasting.backtest import Backtest
from forecasting.evaluation import score
from forecasting.models import Model, load_model
from forecasting.models.base import Settings, resolved
from forecasting.series import History
from forecasting.soundness import require_sound, require_whole

VERSIONED = ("numpy", "lightgbm", "torch")
FIGURES = ("mae", "rmse", "pinball", "crps", "coverage_80", "mean_abs_actual", "count")
SHA256 = r"^[0-9a-f]{64}$"
LONGEST_REASON = 300


class Card(BaseModel):
    """What a reader of a saved model wants to know; errors are in the unit of the history.

    ``metrics`` pools all leads of the judgement, ``metrics_by_lead`` holds the same figures of each, lead 0
    first. ``command`` makes the model again from data with this hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    quantity: str = Field(description="load, pv, or whatever the history held")
    intended_use: str
    trained_at: AwareDatetime
    horizon: int = Field(ge=1)
    step_s: int = Field(ge=1)
    seed: int
    settings: dict[str, float] = Field(description="a value for each that the model has")
    command: str
    data_hash: str = Field(pattern=SHA256)
    series: int = Field(ge=1)
    history_start: AwareDatetime
    history_end: AwareDatetime
    metrics: dict[str, float]
    metrics_by_lead: tuple[dict[str, float], ...]
    versions: dict[str, str]
    artefact_sha256: str = Field(pattern=SHA256)


def write_card(  # noqa: PLR0913 - what a card says
    directory: Path,
    model: Model,
    *,
    history: History,
    judged: Backtest,
    seed: int,
    settings: Settings,
    quantity: str,
    command: str,
    intended_use: str,
) -> Card:
    """Write the card of ``model``, which lies saved in ``directory``.

    ``history`` is what it learned from, ``judged`` its backtest on later days, ``settings`` are those that
    ``train`` was told.
    """
    leads = judged.actual.shape[-1]
    card = Card(
        name=model.name,
        quantity=quantity,
        intended_use=intended_use,
        trained_at=model.trained_at,
        horizon=model.horizon,
        step_s=int(model.step.total_seconds()),
        seed=seed,
        settings=resolved(model.SETTINGS, settings),
        command=command,
        data_hash=history_digest(history),
        series=len(history.names),
        history_start=history.grid.start,
        history_end=history.grid.end,
        metrics=figures(judged),
        metrics_by_lead=tuple(figures(judged, lead) for lead in range(leads)),
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONED}},
        artefact_sha256=artefact_digest(directory),
    )
    (directory / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card


def read_card(directory: Path) -> Card:
    """The card in ``directory``; FieldError(code="no_card") when there is none that can be read."""
    try:
        return Card.model_validate_json((directory / CARD_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        message = f"{directory.name} has no readable card: {_reason(error)}"
        raise FieldError("card", message, code="no_card") from error


def figures(result: Backtest, lead: int | None = None) -> dict[str, float]:
    """Errors of the median and of the quantiles for one lead (0 is the first interval) or for all of them.

    Empty where no interval has both a reading and a forecast.
    """
    try:
        found = score(result, lead)
    except FieldError as error:
        if error.code != "no_data":
            raise
        return {}
    return {name: float(getattr(found, name)) for name in FIGURES}


def history_digest(history: History) -> str:
    """SHA-256, hexadecimal, over everything that a history holds."""
    digest = hashlib.sha256()
    for item in fields(history):
        value = getattr(history, item.name)
        digest.update(f"{item.name}\0".encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype.str}{value.shape}\0".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        else:
            digest.update(f"{value!r}\0".encode())
    return digest.hexdigest()


def load_artefact(directory: Path, *, sha256: str) -> Model:
    """The model in ``directory``, when its files are those that had this digest.

    Raises:
        FieldError: as ``artefact_digest``; ``digest_mismatch`` when a file is not what it was; ``unreadable``
            when the files are those of the card and still make no model.
    """
    found = artefact_digest(directory)
    if found != sha256:
        message = f"{directory.name} was changed: its digest is {found[:16]}…, not {sha256[:16]}…"
        raise FieldError("artefact", message, code="digest_mismatch")
    try:
        require_whole(directory)
        model = load_model(directory)
        require_sound(model)
    except Exception as error:  # JSON, numpy, LightGBM, safetensors and torch each raise their own
        message = f"{directory.name} cannot be read: {_reason(error)}"
        raise FieldError("artefact", message, code="unreadable") from error
    return model


def is_artefact(directory: Path) -> bool:
    """Whether ``directory`` holds a model, the card that was written for it, and nothing else."""
    try:
        return read_card(directory).artefact_sha256 == artefact_digest(directory)
    except FieldError:
        return False


def _reason(error: Exception) -> str:
    """What went wrong, in one line: of what pydantic found, the first."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {first['msg']}" if where else first["msg"]
    elif isinstance(error, FieldError):
        said = str(error)
    elif isinstance(error, OSError) and error.strerror:
        said = f"{error.strerror}: {Path(error.filename).name}" if error.filename else error.strerror
    else:
        said = f"{type(error).__name__}: {error}"
    return shorten(said, LONGEST_REASON, placeholder="…")
