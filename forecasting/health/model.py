"""All that is learned about the health of cells, from cells whose lives are on record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from domain.errors import FieldError
from forecasting.artefact import CARD_FILE, artefact_digest
from forecasting.health import life, trajectory
from forecasting.health.cells import Cell
from forecasting.health.conformal import Bands, held_out
from forecasting.health.features import NAMES, Trace, trace
from forecasting.health.knee import AHEAD, Accelerated, Alarm, looks
from forecasting.health.learners import Process
from forecasting.health.life import Life
from forecasting.health.state import StateNow
from forecasting.health.trajectory import LEADS, PER, Trajectory
from forecasting.series import FloatArray, IntArray

WEIGHTS = Path(__file__).resolve().parent / "weights"
LEAST_CYCLES = 60
PROCESS = tuple(Process.__slots__)
BANDS = tuple(Bands.__slots__)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Learned:
    """What ``train`` found; the bands and the alarm's margin come from cells that were held out by turns."""

    state: StateNow
    trajectory: Trajectory
    ahead: Mapping[int, Bands]
    life: Life
    lifetime: Bands
    alarm: Alarm

    def soh_ahead(self, past: Trace, at: IntArray, lead: int) -> FloatArray:
        """SoH ``lead`` (one of ``LEADS``) cycles after ``at`` (m,): (m, 3), 10 %, expected, 90 %."""
        change = self.trajectory.change(past, at, lead)
        low, high = self.ahead[lead].around(change)
        rows = past.soh[at][:, None] + lead / PER * np.column_stack([low, change, high])
        return np.asarray(np.maximum(rows, 0.0))

    def cycles_left(self, past: Trace, at: IntArray) -> FloatArray:
        """Cycles from ``at`` (m,) to the end of life: (m, 3), 10 %, 50 %, 90 %."""
        middle = self.life.log_cycles(past, at)
        low, high = self.lifetime.around(middle)
        return np.asarray(np.exp(np.column_stack([low, middle, high])))

    def alarm_at(self, past: Trace) -> int | None:
        """Position of the cycle after which accelerated fade was announced; None if it was not."""
        return self.alarm.given(past, self.loss_ahead(past))

    def loss_ahead(self, past: Trace) -> FloatArray:
        """Loss of SoH forecast for the next 100 cycles, at the alarm's looks."""
        return -self.trajectory.change(past, looks(past), AHEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A cell after its newest cycle. Pairs are 80 % intervals.

    ``soh`` by capacity, ``soh_by_charge`` by the newest charging alone (None where not measured);
    ``soh_ahead`` by cycles ahead; ``cycles_left`` to the end of life; ``alarm_cycle`` counts from 1.
    """

    cycles: int
    soh: float
    soh_by_charge: float | None
    soh_ahead: dict[int, tuple[float, float, float]]
    cycles_left: tuple[float, float, float]
    alarm_cycle: int | None


def outlook(learned: Learned, cell: Cell) -> Outlook:
    """What can be said of ``cell`` now. FieldError when fewer than 60 cycles are known."""
    if len(cell.capacity_ah) < LEAST_CYCLES:
        raise FieldError(
            "capacity_ah",
            f"{cell.name} has {len(cell.capacity_ah)} cycles; {LEAST_CYCLES} are needed",
            code="too_short",
        )
    past = trace(cell)
    newest = np.array([len(past) - 1])
    by_charge = learned.state.predict(cell)[-1]
    alarm = learned.alarm_at(past)
    return Outlook(
        cycles=len(past),
        soh=float(past.soh[-1]),
        soh_by_charge=float(by_charge) if np.isfinite(by_charge) else None,
        soh_ahead={lead: _three(learned.soh_ahead(past, newest, lead)) for lead in LEADS},
        cycles_left=_three(learned.cycles_left(past, newest)),
        alarm_cycle=None if alarm is None else alarm + 1,
    )


def _three(row: FloatArray) -> tuple[float, float, float]:
    low, middle, high = (float(value) for value in row[0])
    return low, middle, high


def train(cells: Sequence[Cell], *, seed: int, kind: Accelerated | None = None) -> Learned:
    """Learn from ``cells``. FieldError when none is worn out or has its charging measured."""
    traces = [trace(cell) for cell in cells]

    def fit_trajectory(some: Sequence[Trace]) -> Trajectory:
        return Trajectory.fit(some, seed=seed)

    def foreseen(model: Trajectory, each: Trace) -> tuple[dict[int, FloatArray], FloatArray]:
        changes = {
            lead: model.change(each, trajectory.origins(each, lead, trajectory.EVERY), lead) for lead in LEADS
        }
        return changes, -model.change(each, looks(each), AHEAD)

    unseen = held_out(traces, fit_trajectory, foreseen, seed=seed)
    lives = held_out(
        traces,
        lambda some: Life.fit(some, seed=seed),
        lambda model, each: model.log_cycles(each, life.origins(each, life.EVERY)),
        seed=seed,
    )
    ended = []
    for each in traces:
        at = life.origins(each, life.EVERY)
        ended.append(np.log(life.remaining(each, at)) if len(at) else np.empty(0))
    return Learned(
        state=StateNow.fit(cells, seed=seed),
        trajectory=fit_trajectory(traces),
        ahead={
            lead: trajectory.bands(traces, [changes[lead] for changes, _ in unseen], lead) for lead in LEADS
        },
        life=Life.fit(traces, seed=seed),
        lifetime=Bands.fit(lives, ended),
        alarm=Alarm.fit(traces, [loss for _, loss in unseen], kind or Accelerated()),
    )


def save(learned: Learned, card: Mapping[str, Any], folder: Path) -> None:
    """Write LightGBM's text files, the arrays, and the card with the alarm's margin and their digest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, booster in _boosters(learned).items():
        (folder / f"{name}.txt").write_text(booster.model_to_string(), encoding="utf-8")
    arrays: dict[str, NDArray[Any]] = {
        f"process.{name}": getattr(learned.life.process, name) for name in PROCESS
    }
    for key, bands in {
        **{str(lead): each for lead, each in learned.ahead.items()},
        "life": learned.lifetime,
    }.items():
        arrays |= {f"bands.{key}.{name}": getattr(bands, name) for name in BANDS}
    save_file(
        {key: np.ascontiguousarray(values) for key, values in arrays.items()}, folder / "arrays.safetensors"
    )
    alarm = learned.alarm
    facts = {
        "features": list(NAMES),
        "alarm": {"margin": alarm.margin, "times": alarm.kind.times, "least_fade": alarm.kind.least_fade},
        **card,
        "artefact_sha256": artefact_digest(folder),
    }
    (folder / CARD_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load(folder: Path = WEIGHTS) -> Learned:
    """Read what ``save`` wrote.

    Raises FieldError: "stale" when it was made for other features, "digest_mismatch" or "unknown_file" when
    its files are not those of its card, "unreadable" when it is nothing that ``save`` writes.
    """
    try:
        card = json.loads((folder / CARD_FILE).read_bytes())
        _require_current(card, folder)
        return _loaded(card, folder)
    except FieldError:
        raise
    except Exception as error:  # JSON, numpy, LightGBM and safetensors each raise their own
        message = f"{folder} cannot be read: {type(error).__name__} {error}"
        raise FieldError("weights", message, code="unreadable") from error


def is_saved(folder: Path) -> bool:
    """Whether ``folder`` holds what ``save`` wrote, and nothing else."""
    try:
        load(folder)
    except FieldError as error:
        return error.code == "stale"
    return True


def _require_current(card: Mapping[str, Any], folder: Path) -> None:
    if card["artefact_sha256"] != artefact_digest(folder):
        raise FieldError("weights", f"{folder} was changed: train again", code="digest_mismatch")
    if tuple(card["features"]) != NAMES:
        raise FieldError("features", "the weights were made for others: train again", code="stale")


def _loaded(card: Mapping[str, Any], folder: Path) -> Learned:
    arrays = load_file(folder / "arrays.safetensors")

    def bands(key: str) -> Bands:
        return Bands(**{name: arrays[f"bands.{key}.{name}"] for name in BANDS})

    def booster(name: str) -> lightgbm.Booster:
        return lightgbm.Booster(model_str=(folder / f"{name}.txt").read_text(encoding="utf-8"))

    alarm = card["alarm"]
    return Learned(
        state=StateNow(booster("state")),
        trajectory=Trajectory(booster("trajectory")),
        ahead={lead: bands(str(lead)) for lead in LEADS},
        life=Life(booster("life"), Process(**{name: arrays[f"process.{name}"] for name in PROCESS})),
        lifetime=bands("life"),
        alarm=Alarm(alarm["margin"], Accelerated(times=alarm["times"], least_fade=alarm["least_fade"])),
    )


def _boosters(learned: Learned) -> dict[str, lightgbm.Booster]:
    return {
        "state": learned.state.booster,
        "trajectory": learned.trajectory.booster,
        "life": learned.life.booster,
    }
