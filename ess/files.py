"""Instances and answers as NumPy archives; ``python -m ess`` describes what is in them."""

import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from domain.errors import FieldError
from ess.problem import BatteryProblem, Floats, Screened, screen
from ess.scheduler import BatterySchedule

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
