"""``python -m forecasting.shipped --out FOLDER``: models that a platform starts with, before it has its own.

Hourly load and PV of any homes, learned from SimBench's German profiles of 2016 by way of the lake: none of
them is a home that the hourly demonstrations replay. Every series is divided by its own scale, so what is
learned is the shape of days. A card beside each model says what it was made of and how good it was on days
that a twin had not seen.
"""

import sys
import tempfile
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from domain.time import TimeGrid
from forecasting.backtest import backtest, rolling_origins
from forecasting.calendar import clock_of
from forecasting.cards import write_card
from forecasting.lake.engines import DUCKDB, opened
from forecasting.lake.history import read_history
from forecasting.lake.ingest import ingest
from forecasting.lake.readers.simbench import LOADS, SUNS
from forecasting.lake.store import Store
from forecasting.models import train
from forecasting.series import DAY, FloatArray, History

NAME = "lightgbm"
SEED = 1
HORIZON_STEPS = 24
HOUR = timedelta(hours=1)
JUDGED_SHARE = 0.2
SETTINGS = {"most_trees": 250.0, "most_leaves": 31.0}  # a file of one or two megabytes
QUANTITIES = {"load": LOADS, "pv": SUNS}
INTENDED_USE = (
    "First forecasts of homes of which a few weeks are known, until models of their own are better."
)
SOURCE = Path("data/buildings/simbench_15min_2016.csv.gz")


def hourly(history: History) -> History:
    """Means of whole hours; an hour with a gap is a gap."""
    each = HOUR // history.grid.step
    hours = history.values.shape[1] // each
    values: FloatArray = history.values[:, : hours * each].reshape(-1, hours, each).mean(axis=-1)
    grid = TimeGrid(history.grid.start, HOUR, hours)
    return History(grid=grid, names=history.names, values=values, time_zone=history.time_zone)


def profiles(source: Path, quantity: str) -> History:
    """SimBench's profiles of ``quantity``, "load" or "pv", hourly, per unit, from the file as published."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Store(folder)
        with opened(DUCKDB, scratch=Path(folder)) as engine:
            ingest([source], dataset="simbench", lake=lake, engine=engine, now=datetime.now(UTC))
        names = [f"{title.lower().replace('-', '_')}_pu" for title in QUANTITIES[quantity]]
        parts = [read_history(lake, dataset="simbench", quantity=name) for name in names]
    values = np.concatenate([part.values for part in parts])
    first = parts[0]
    zone = clock_of(quantity, first.time_zone)
    return hourly(History(grid=first.grid, names=tuple(names), values=values, time_zone=zone))


def make(history: History, quantity: str, folder: Path) -> None:
    """Train the model of ``quantity`` and write it into ``folder`` with its card."""
    end = history.grid.end
    split = end - round(JUDGED_SHARE * ((end - history.grid.start) / DAY)) * DAY
    learn = partial(train, NAME, seed=SEED, horizon=HORIZON_STEPS, settings=SETTINGS)
    twin = learn(history.as_of(split), trained_at=split)
    origins = rolling_origins(split, end - HORIZON_STEPS * HOUR, HOUR)
    judged = backtest(twin, history, origins=origins, horizon=HORIZON_STEPS)
    model = learn(history, trained_at=end)
    model.save(folder)
    card = write_card(
        folder,
        model,
        history=history,
        judged=judged,
        seed=SEED,
        settings=SETTINGS,
        quantity=quantity,
        command="python -m forecasting.shipped --out forecasting/models/weights",
        intended_use=INTENDED_USE,
    )
    print(quantity, ", ".join(f"{name} {value:.4g}" for name, value in card.metrics.items()))


def make_all(source: Path, out: Path) -> None:
    """Every shipped model, in a folder of its own in ``out``."""
    for quantity in QUANTITIES:
        make(profiles(source, quantity), quantity, out / f"{NAME}-{quantity}-1h")


def main() -> int:
    """Make all shipped models."""
    parser = ArgumentParser(prog="python -m forecasting.shipped", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write, one folder a model")
    parser.add_argument("--source", type=Path, default=SOURCE)
    options = parser.parse_args()
    make_all(options.source, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
