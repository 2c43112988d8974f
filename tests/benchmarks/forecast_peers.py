"""Nixtla's NHITS and PatchTST on one panel, in an environment of their own, for ``make bench-forecast``.

Reads ``values`` (N, T), hourly and without gaps, and writes what each says, (N, O, H), for origins from
``first`` on, at every hour. Both learn once, on what precedes ``first``.
"""

import argparse
import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MAE, MSE
from neuralforecast.models import NHITS, PatchTST

INPUT_STEPS = 168
STEPS = 1_000
WINDOWS = 256  # in a batch; the default of 1,024 takes hours on a processor
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("panel", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--horizon", type=int, required=True)
    parser.add_argument("--absolute", action="store_true", help="learn with absolute errors")
    options = parser.parse_args()
    values = np.load(options.panel)["values"]
    series, steps = values.shape
    times = pd.date_range("2020-01-01", periods=steps, freq="h")
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(series), steps),
            "ds": np.tile(times, series),
            "y": values.ravel().astype(np.float32),
        }
    )
    given = {
        "h": options.horizon,
        "input_size": INPUT_STEPS,
        "max_steps": STEPS,
        "windows_batch_size": WINDOWS,
        "loss": MAE() if options.absolute else MSE(),
        "scaler_type": "standard",
        "random_seed": SEED,
        "enable_progress_bar": False,
        "logger": False,
        "accelerator": "cpu",
    }
    peers = NeuralForecast(models=[NHITS(**given), PatchTST(**given)], freq="h")
    said = peers.cross_validation(
        frame, n_windows=None, test_size=steps - options.first, step_size=1, refit=False
    )
    said = said.sort_values(["unique_id", "cutoff", "ds"])
    origins = steps - options.first - options.horizon + 1
    shape = (series, origins, options.horizon)
    np.savez(options.out, **{name: said[name].to_numpy().reshape(shape) for name in ("NHITS", "PatchTST")})


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # the benchmark runs two tasks side by side
    main()
