"""Instances and answers as NumPy archives; ``python -m ess`` describes what is in them."""

import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from domain.errors import FieldError
from ess.causal.outlook import Outlook
from ess.days import HomeDays
from ess.problem import BatteryProblem, Floats, Screened, screen
from ess.scheduler import BatterySchedule

PAST = "past_net_load_kw"
BY_INTERVAL, BY_ROW = ("charge_kw", "discharge_kw", "soc_kwh"), ("cost", "certificate")


def read_instances(path: Path) -> Screened:
    """The rows of an archive that can be scheduled, and what is wrong with the others.

    Raises:
        FieldError: there is no such archive, or it lacks a field, or a field has a wrong shape.
    """
    try:
        with np.load(path) as archive:
            arrays = {
                item.name: archive[item.name] for item in fields(BatteryProblem) if item.name in archive
            }
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise FieldError("instances", f"{path.name} is no archive of numbers: {error}") from error
    if np.size(arrays.get("step_h", 0.0)) != 1:
        raise FieldError("step_h", "must be one number")
    return screen({name: values.item() if name == "step_h" else values for name, values in arrays.items()})


def read_outlook(path: Path, taken: Screened) -> Outlook | None:
    """What causal methods may know of the rows that can be scheduled; None where the archive has none.

    Raises:
        FieldError: ``past_net_load_kw`` is not of shape (n, S, T), or of other rows or intervals.
    """
    with np.load(path) as archive:
        if PAST not in archive:
            return None
        past_kw = archive[PAST]
    count, steps = taken.shape
    if past_kw.ndim != len(("n", "S", "T")) or (len(past_kw), past_kw.shape[2]) != (count, steps):
        raise FieldError(PAST, f"must have shape ({count}, S, {steps}), got {past_kw.shape}")
    return Outlook(past_kw[taken.rows].astype(np.float64))


def write_days(path: Path, days: HomeDays) -> None:
    """``days`` as an archive of instances, with what causal methods may know of them."""
    problem = days.problem
    arrays = {item.name: getattr(problem, item.name) for item in fields(BatteryProblem)}
    arrays |= {"soc_min_kwh": problem.soc_min_kwh[:, 0], PAST: days.past_net_load_kw, "home": days.home}
    with path.open("wb") as out:
        np.savez_compressed(out, allow_pickle=False, **arrays)


def write_answers(path: Path, taken: Screened, plan: BatterySchedule | None) -> None:
    """``plan`` in the rows it belongs to, NaN in the rows that were refused."""
    answers: dict[str, Floats] = {"seconds": np.array(plan.seconds if plan else 0.0)}
    for name in (*BY_INTERVAL, *BY_ROW):
        values = np.full(taken.shape if name in BY_INTERVAL else taken.shape[:1], np.nan)
        if plan is not None:
            values[taken.rows] = getattr(plan, name)
        answers[name] = values
    with path.open("wb") as out:
        np.savez(out, allow_pickle=False, **answers)
