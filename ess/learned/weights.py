"""Weights that ship with the package, ``NAME.safetensors``, and how they came to be, ``NAME.json``.

This model card holds the command, the seed, the hash of the data, the CPU-minutes of training, and the
figures on validation and test days.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from ess.problem import BatteryProblem

FOLDER = Path(__file__).resolve().parent / "weights"
Card = dict[str, Any]


def load_weights(name: str, folder: Path = FOLDER) -> dict[str, NDArray[np.float32]]:
    """The arrays of ``name`` in single precision, by their names.

    Raises:
        FileNotFoundError: nothing of that name has been trained.
    """
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: train it with `python -m ess train {name}`")
    return {key: values.astype(np.float32) for key, values in load_file(path).items()}


def load_card(name: str, folder: Path = FOLDER) -> Card:
    """The model card of ``name``."""
    card: Card = json.loads((folder / f"{name}.json").read_text())
    return card


def save_weights(
    name: str, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any], *, folder: Path = FOLDER
) -> None:
    """Write the arrays and the card."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: np.ascontiguousarray(values) for key, values in arrays.items()}, folder / f"{name}.safetensors"
    )
    (folder / f"{name}.json").write_text(json.dumps(dict(card), indent=2) + "\n")


def data_hash(problems: Iterable[BatteryProblem]) -> str:
    """SHA-256 of every array of the problems, in order."""
    digest = hashlib.sha256()
    for problem in problems:
        for item in fields(BatteryProblem):
            digest.update(np.ascontiguousarray(getattr(problem, item.name)).tobytes())
    return digest.hexdigest()
