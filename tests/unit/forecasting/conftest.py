"""Histories, files and a shell that the tests of this room share."""

import csv
import gzip
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.time import TimeGrid
from forecasting.__main__ import main
from forecasting.cards import history_digest
from forecasting.models import train
from forecasting.series import History

START = datetime(2024, 3, 4, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
HOURS = 12 * 24  # rows of a file
SMALL = {  # what suffices to see whether a model does what it says
    "lightgbm": {"rows": 20_000, "most_trees": 40},
    "lstm": {"rows": 5_000, "steps": 40, "width": 8},
    "transformer": {"rows": 5_000, "steps": 40, "width": 8},
}
SMALL["hybrid"] = {
    f"{member}.{name}": value for member in ("lightgbm", "lstm") for name, value in SMALL[member].items()
}


@pytest.fixture(scope="session")
def homes():
    """Loads with a daily shape and noise, for ``days`` at ``step``."""

    def build(n=3, days=21, step=HOUR, seed=0, **changes):
        rng = np.random.default_rng(seed)
        count = days * (timedelta(days=1) // step)
        hours = np.arange(count) * (step / HOUR)
        shape = 1 + 0.6 * np.sin(hours / 24 * 2 * np.pi) * np.arange(1, n + 1)[:, None] / n
        given = {
            "grid": TimeGrid(START, step, count),
            "names": tuple(f"home {i}" for i in range(n)),
            "values": shape * rng.gamma(8.0, 1 / 8, (n, count)) * np.arange(1, n + 1)[:, None],
        }
        return History(**given | changes)

    return build


@pytest.fixture(scope="session")
def trained():
    """A model trained once for each name and history, which tests may only read."""
    made = {}

    def build(name, history, seed=1):
        key = (name, history_digest(history), seed)
        if key not in made:
            trained_at = history.grid.end + history.delay
            made[key] = train(name, history, trained_at=trained_at, seed=seed, settings=SMALL.get(name))
        return made[key]

    return build


@pytest.fixture
def lines():
    """Twelve days of a file in UTC, the header first."""
    rng = np.random.default_rng(2)
    first = datetime(2024, 3, 4)  # noqa: DTZ001  (the files have local times)
    rows = [
        f"{first + i * HOUR}+00:00,{5 + np.sin(i / 24 * 2 * np.pi) + rng.normal() / 5:.4f},{i % 7}"
        for i in range(HOURS)
    ]
    return ["time,load,wind", *rows]


@pytest.fixture
def shell(tmp_path, capsys):
    """Run a command on lines of CSV; the exit code, the rows written and what was said."""

    def run(lines, *more, command="backtest", model="seasonal_naive", name="in.csv"):
        path, out = tmp_path / name, tmp_path / "out.csv"
        content = lines if isinstance(lines, bytes) else ("\n".join(lines) + "\n").encode()
        if name.endswith(".gz") and not isinstance(lines, bytes):
            content = gzip.compress(content)
        path.write_bytes(content)
        arguments = [command, "--csv", str(path), "--time-column", "time", "--target", "load", "--step", "1h"]
        arguments += ["--horizon", "6", "--origin-every", "3h"]
        if "--model-dir" not in more:
            arguments += ["--train-end", "2024-03-14"]
        if command == "backtest":
            arguments += ["--out", str(out)]
        if command in {"backtest", "train"} and "--model-dir" not in more:
            arguments += ["--model", model]
        try:
            code = main([*arguments, *more])
        except SystemExit as refused:  # by argparse
            code = refused.code
        rows = list(csv.reader(out.open())) if out.is_file() else []
        said = capsys.readouterr()
        return code, rows, said.out + said.err

    return run
