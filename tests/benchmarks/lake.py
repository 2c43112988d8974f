"""Ten million meter readings through the lake: bronze, silver and gold on DuckDB, and the same on PySpark.

Both are measured in a process of their own, whose largest resident memory the system counts. Writing the
input is not timed.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset

from forecasting.lake.engines import DUCKDB, ENGINES, has_java, opened
from forecasting.lake.ingest import LAYERS, Report, current_folder, ingest
from forecasting.lake.store import Store
from tests.benchmarks.registry import Row, at_most

ROWS, ROWS_COMPARED, INTERVALS, SEED = 10_000_000, 40_000, 17_520, 11
DATASET = "meter_30min"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ABSENT, REPEATED, UNREADABLE = 1_000, 1_500, 2_000  # one line in so many
SUMMED_IN_ANOTHER_ORDER = ("mean_day", "mean_week")
KEYS = ("series", "quantity", "start_utc", "ingest", "line")


def lake(scale: float) -> list[Row]:
    """Seconds and memory of the whole way, and values in which the engines differ."""
    if scale >= 1 and not has_java():
        raise FileNotFoundError("java: PySpark, with which DuckDB is compared, needs Java 17")
    with tempfile.TemporaryDirectory(prefix="lake-benchmark-") as name:
        folder = Path(name)
        large = write_meters(folder / "meters.csv", max(int(ROWS * scale), 1_000))
        report, seconds, memory_mb = in_its_own_process(DUCKDB, large, folder / "lake")
        rows = [
            Row("lake: lines of meter readings", report.read, "lines"),
            Row("lake: lines rejected or duplicate", report.rejected + report.duplicates, "lines"),
            Row("lake: gaps made rows", report.gaps, "rows"),
            at_most("lake: CSV to gold on DuckDB", seconds, "s on two cores", 60),
            at_most("lake: largest memory", memory_mb / 1e3, "GB", 2),
        ]
        if has_java():
            small = write_meters(folder / "few.csv", max(int(ROWS_COMPARED * min(scale, 1)), 1_000))
            for engine in ENGINES:
                in_its_own_process(engine, small, folder / engine)
            values, differing = compared(*(Store(folder / engine) for engine in ENGINES))
            rows += [
                Row("lake: values compared with PySpark", values, "values"),
                at_most("lake: values that differ on PySpark", differing, "values", 0),
            ]
    return rows


def write_meters(path: Path, rows: int) -> Path:
    """Half-hourly readings of as many meters as it takes, with gaps, repeated and unreadable lines."""
    times = pd.date_range("2023-01-01", periods=INTERVALS, freq="30min").strftime("%Y-%m-%dT%H:%M:%SZ")
    rng = np.random.default_rng(SEED)
    with path.open("w", encoding="utf-8") as file:
        file.write("meter_id,start_utc,energy_wh\n")
        for first in range(0, rows, INTERVALS):
            energy_wh = rng.gamma(2, 150, min(INTERVALS, rows - first)).round(1)
            file.writelines(_lines(f"MAC{first // INTERVALS:06d}", list(times), list(energy_wh), first))
    return path


def _lines(meter: str, times: list[str], energy_wh: list[float], first: int) -> Iterator[str]:
    for number, (when, value) in enumerate(zip(times, energy_wh, strict=False), start=first):
        if number % ABSENT == ABSENT - 1:  # the line before it stands in its place
            continue
        yield f"{meter},{when},{value if number % UNREADABLE else 'n/a'}\n"
        if number % REPEATED == 0:
            yield f"{meter},{when},{value}\n"


def in_its_own_process(engine: str, source: Path, root: Path) -> tuple[Report, float, float]:
    """The report, the seconds of the ingest, and the process's largest resident memory in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (engine, source, root))


def _measured(engine: str, source: Path, root: Path) -> tuple[Report, float, float]:
    began = time.perf_counter()
    with opened(engine, scratch=root / "scratch") as opened_engine:
        report = ingest([source], dataset=DATASET, lake=Store(root), engine=opened_engine, now=NOW)
    return report, time.perf_counter() - began, _largest_memory_mb()


def _largest_memory_mb() -> float:
    # Not getrusage: after a fork it remembers the parent's memory.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [largest] = [line for line in lines if line.startswith("VmHWM")]
    return int(largest.split()[1]) * 1024 / 1e6


def compared(left: Store, right: Store) -> tuple[int, int]:
    """How many values two lakes hold, and in how many they differ."""
    values = differing = 0
    for layer in LAYERS:
        ours, theirs = _rows(left, layer), _rows(right, layer)
        values += ours.size
        if ours.shape != theirs.shape or list(ours.columns) != list(theirs.columns):
            differing += ours.size
            continue
        for name in ours:
            if name in SUMMED_IN_ANOTHER_ORDER:
                same = np.isclose(ours[name], theirs[name], rtol=1e-12, atol=0, equal_nan=True)
            else:
                same = ((ours[name] == theirs[name]) | (ours[name].isna() & theirs[name].isna())).to_numpy()
            differing += int((~same).sum())
    return values, differing


def _rows(store: Store, layer: str) -> pd.DataFrame:
    folder = Path(store.path(current_folder(store, layer, DATASET)))
    files = [str(path) for path in sorted(folder.rglob("*.parquet"))]
    frame: pd.DataFrame = pyarrow.dataset.dataset(files).to_table().to_pandas()
    return frame.sort_values([key for key in KEYS if key in frame]).reset_index(drop=True)
