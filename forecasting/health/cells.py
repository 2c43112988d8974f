"""Cells cycled until they are worn out, as the three published sets have them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from domain.errors import FieldError
from forecasting.records import naming, records
from forecasting.series import FloatArray

FOLDER = Path(__file__).resolve().parents[2] / "data" / "battery"
NASA = "nasa_B0005_B0006_discharge.csv"
SEVERSON = "severson_lfp_2017_05_12_cycles.csv.gz"
XJTU = "xjtu_ncm_2C_R2.5_cycles.csv.gz"
CHARGE = ("cc_q_ah", "cc_time_s", "cv_q_ah", "cv_time_s", "voltage_mean", "voltage_slope", "current_mean")
PER_RATED = np.array([name.endswith("_ah") or name == "current_mean" for name in CHARGE])
MEDIAN_CYCLES = 10  # two rounds of the five discharge rates of XJTU R2.5
LEAST_CYCLES = 10
MOST_WORN_RATED = 1.2  # a new cell may hold a little more than it is rated for
STOPPED_NEAR = 0.87


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cell:
    """Cycles of one cell from new, in order; n >= 10.

    Attributes:
        name: unique in its set.
        group: cells of one chemistry under one protocol.
        rated_ah: capacity by its data sheet.
        capacity_ah: (n,), discharged in each cycle.
        charge: (n, 7), columns ``CHARGE``: charge and duration of the constant-current and of the
            constant-voltage part of a segment at the end of charging, mean and slope of its voltage, mean
            current (Ah, s, V, V/s, A). NaN where not measured.
        end_of_life: SoH at which the cell has done its service.
    """

    name: str
    group: str
    rated_ah: float
    capacity_ah: FloatArray
    charge: FloatArray
    end_of_life: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.rated_ah < np.inf:
            raise FieldError("rated_ah", f"must be above 0, got {self.rated_ah}")
        if not 0 < self.end_of_life < 1:
            raise FieldError("end_of_life", f"must lie in (0, 1), got {self.end_of_life}")
        if self.capacity_ah.ndim != 1 or len(self.capacity_ah) < LEAST_CYCLES:
            raise FieldError("capacity_ah", f"must hold at least {LEAST_CYCLES} cycles")
        if not ((self.capacity_ah > 0) & (self.capacity_ah <= MOST_WORN_RATED * self.rated_ah)).all():
            raise FieldError("capacity_ah", f"must lie in (0, {MOST_WORN_RATED * self.rated_ah:g}] Ah")
        if self.charge.shape != (len(self.capacity_ah), len(CHARGE)) or np.isinf(self.charge).any():
            raise FieldError("charge", f"must be (n, {len(CHARGE)}), finite or NaN (not measured)")

    @property
    def measured_soh(self) -> FloatArray:
        """Capacity of each cycle over the rated one, (n,)."""
        return self.capacity_ah / self.rated_ah

    @property
    def soh(self) -> FloatArray:
        """State of health after each cycle, (n,): the median of the last ten cycles' capacities over rated.

        One cycle's capacity is no state: it jumps with the discharge rate, after a rest, and by mistake.
        """
        return trailing_median(self.measured_soh[:, None])[:, 0]

    @property
    def charge_per_rated(self) -> FloatArray:
        """``charge`` with Ah and A as a share of the rated Ah, (n, 7)."""
        return np.where(PER_RATED, self.charge / self.rated_ah, self.charge)

    def until(self, cycles: int) -> "Cell":
        """The cell as it was known after ``cycles`` cycles."""
        return replace(self, capacity_ah=self.capacity_ah[:cycles], charge=self.charge[:cycles])

    @property
    def end_cycle(self) -> int | None:
        """Position of the cycle that ended its life; None when the series stops too early to say.

        That is the first with ``soh`` at or below ``end_of_life``; where the series stops between that and
        0.87, the last one: the test was ended there, a little before or after the level of the data sheet.
        """
        soh = self.soh
        below = np.flatnonzero(soh <= self.end_of_life)
        if len(below):
            return int(below[0])
        return len(soh) - 1 if soh[-1] <= STOPPED_NEAR else None


def trailing_median(values: FloatArray) -> FloatArray:
    """Median over each row and the nine above it, as many as there are, (n, k); NaN left out."""
    return pd.DataFrame(values).rolling(MEDIAN_CYCLES, min_periods=1).median().to_numpy(dtype=np.float64)


def published_cells(folder: Path = FOLDER) -> list[Cell]:
    """All 64 cells: 46 of Severson et al., 16 of XJTU, 2 of NASA. Format: data/README.md."""
    return [
        *read_cells(folder / SEVERSON, rated_ah=1.1),
        *read_cells(folder / XJTU, rated_ah=2.0),
        *read_nasa(folder / NASA),
    ]


def read_cells(path: Path, *, rated_ah: float, end_of_life: float = 0.8) -> list[Cell]:
    """Cells of a CSV (plain or ``.gz``) with columns cell, row, capacity_ah and ``CHARGE``.

    A cell's group is its name up to the last ``_``. Raises FieldError that names file, line and column.
    """
    return [
        Cell(
            name=str(name),
            group=str(name).rpartition("_")[0],
            rated_ah=rated_ah,
            capacity_ah=rows["capacity_ah"].to_numpy(dtype=np.float64),
            charge=rows[list(CHARGE)].to_numpy(dtype=np.float64),
            end_of_life=end_of_life,
        )
        for name, rows in _read(path, "cell", "row", ("capacity_ah", *CHARGE))
    ]


def read_nasa(path: Path) -> list[Cell]:
    """The NASA cells, 2 Ah, end of life 1.4 Ah as in the study; one row a discharge is one cycle.

    ``cycle_number`` counts charges and impedance tests, too, so it gives the order and no more.
    """
    return [
        Cell(
            name=str(name),
            group="nasa",
            rated_ah=2.0,
            capacity_ah=rows["capacity_ah"].to_numpy(dtype=np.float64),
            charge=np.full((len(rows), len(CHARGE)), np.nan),
            end_of_life=0.7,
        )
        for name, rows in _read(path, "battery", "cycle_number", ("capacity_ah",))
    ]


def data_hash(folder: Path = FOLDER) -> str:
    """SHA-256 of the three files, one after the other."""
    digest = hashlib.sha256()
    for name in (SEVERSON, XJTU, NASA):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _read(path: Path, name: str, order: str, columns: tuple[str, ...]) -> list[tuple[object, pd.DataFrame]]:
    """The rows of each cell, which column ``name`` names, with numbers in ``order`` and ``columns``."""
    with naming(path):
        return _in_order(_numbers(records(path), (order, *columns), name), name, order)


def _numbers(lines: Iterator[tuple[int, list[str]]], columns: tuple[str, ...], name: str) -> pd.DataFrame:
    _, header = next(lines, (1, []))
    repeated = [title for title in header if header.count(title) > 1]
    if repeated:
        raise FieldError(f"line 1, column {repeated[0]}", "appears more than once")
    for column in (name, *columns):
        if column not in header:
            present = ", ".join(header) or "no header"
            raise FieldError(f"line 1, column {column}", f"is missing; the file has {present}")
    place = header.index(name)
    numbers, rows = [], []
    for line, row in lines:
        if len(row) != len(header):
            raise FieldError(f"line {line}", f"has {len(row)} cells, the header {len(header)}")
        if not row[place]:
            raise FieldError(f"line {line}, column {name}", "is empty; every row names its cell")
        numbers.append(line)
        rows.append(row)
    if not rows:
        raise FieldError("line 2", "the file has no rows", code="no_data")
    table = pd.DataFrame(rows, columns=header)
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce").astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise FieldError(f"line {numbers[bad[0]]}, column {column}", "is not a finite number")
        table[column] = values
    return table


def _in_order(table: pd.DataFrame, name: str, order: str) -> list[tuple[object, pd.DataFrame]]:
    for key, rows in table.groupby(name, sort=False):
        if not rows[order].is_monotonic_increasing or not rows[order].is_unique:
            raise FieldError(f"column {order}", f"must rise from row to row of {key}")
    return list(table.groupby(name, sort=False))
