"""A small trained network, as shipped: layers in a safetensors file, a model card in JSON beside it.

Planning needs no more than this: training frameworks are imported where training is done.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from ess.problem import Floats

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """``layers``: (weight (out, in), bias (out,)) each; between them SiLU, x / (1 + exp(-x))."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

    def __call__(self, seen: Floats) -> Floats:
        """Outputs (n, out) for observations (n, in)."""
        flow = seen.astype(np.float32)
        for weight, bias in self.layers[:-1]:
            linear = flow @ weight.T + bias
            flow = linear / (1 + np.exp(-linear))
        weight, bias = self.layers[-1]
        return (flow @ weight.T + bias).astype(np.float64)

    def save(self, folder: Path, name: str, card: dict[str, Any]) -> None:
        """Write ``name.safetensors`` and its card ``name.json`` into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{index}.{part}": np.ascontiguousarray(values)
            for index, layer in enumerate(self.layers)
            for part, values in zip(("weight", "bias"), layer, strict=True)
        }
        (folder / f"{name}.safetensors").write_bytes(save(tensors))
        (folder / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n")


@lru_cache(maxsize=8)
def trained(name: str, folder: Path = WEIGHTS) -> Network:
    """The network ``name`` from ``folder``, by default as shipped."""
    tensors = load_file(folder / f"{name}.safetensors")
    count = len(tensors) // 2
    return Network(tuple((tensors[f"{index}.weight"], tensors[f"{index}.bias"]) for index in range(count)))
