"""Each physical line is one record, whatever its quotes."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from lake_files import NOW, PUBLISHED, RAW, layer
from lake_lines import is_paired, random_lines

from domain.errors import FieldError
from forecasting.lake import lines
from forecasting.lake.engines import Engine
from forecasting.lake.ingest import Report, ingest
from forecasting.lake.landing import all_but, land, require_header
from forecasting.lake.lines import blocks
from forecasting.lake.readers import READERS
from forecasting.lake.store import Store

METERS = READERS["meter_5min"]
HEADER = b"meter_id,start_utc,energy_wh\n"


def taken(content: bytes, dataset: str, lake: Store, engine: Engine) -> Report:
    path = Path(lake.base).with_suffix(".csv")
    path.write_bytes(content)
    return ingest([path], dataset=dataset, lake=lake, engine=engine, now=NOW)


def landed(content: bytes, folder: Path, name: str = "meters.csv") -> list[dict[str, object]]:
    """The rows of a landed file by their line."""
    source, target = folder / name, folder / "landed.parquet"
    source.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    found = land(source, METERS, target)
    rows: list[dict[str, object]] = pyarrow.parquet.read_table(target).sort_by("line").to_pylist()
    assert found.lines == len(rows)
    return rows


def test_a_stray_quote_costs_its_own_line_only(lake: Store, duckdb_engine: Engine) -> None:
    published = (RAW / PUBLISHED["ons_load"]).read_bytes().splitlines(keepends=True)
    published[5] = b'"' + published[5]
    report = taken(b"".join(published), "ons_load", lake, duckdb_engine)
    read = len(published) - 1
    assert (report.read, report.kept, report.reasons) == (read, read - 1, {"unpaired_quote": 1})
    assert list(layer(lake, "ons_load", "rejects").line) == [6]


def test_a_stray_quote_costs_its_own_line_only_in_a_long_file(lake: Store, duckdb_engine: Engine) -> None:
    times = np.datetime64("2023-01-01T00:00") + 5 * np.arange(30_000)
    rows = [f"m,{time}Z,1\n".encode() for time in times]
    rows[10] = b'"' + rows[10]
    report = taken(HEADER + b"".join(rows), "meter_5min", lake, duckdb_engine)
    assert (report.read, report.kept, report.rejected, report.gaps) == (30_000, 29_999, 1, 1)
    assert list(layer(lake, "meter_5min", "rejects").line) == [12]


def test_a_quote_that_is_closed_lines_later_makes_no_row_of_several(
    lake: Store, duckdb_engine: Engine
) -> None:
    rows = b'"A,2023-01-01T00:00Z,1\nA,2023-01-01T00:05Z,2\nA",2023-01-01T00:10Z,3\nA,2023-01-01T00:15Z,4\n'
    report = taken(HEADER + rows, "meter_5min", lake, duckdb_engine)
    assert (report.read, report.kept, report.reasons) == (4, 2, {"unpaired_quote": 2})
    assert set(layer(lake, "meter_5min", "silver").series) == {"A"}
    assert list(layer(lake, "meter_5min", "rejects").line) == [2, 4]


@pytest.mark.parametrize(
    ("line", "series"),
    [
        (b'"A",2023-01-01T00:00Z,1', "A"),
        (b'"A,1","2023-01-01T00:00Z",1', "A,1"),
        (b'"A ""1""",2023-01-01T00:00Z,1', 'A "1"'),
        (b'A "1",2023-01-01T00:00Z,1', 'A "1"'),
        (b'"",2023-01-01T00:00Z,1', ""),
    ],
)
def test_quotes_that_pair_are_read_as_ever(line: bytes, series: str, tmp_path: Path) -> None:
    [row, last] = landed(HEADER + line + b"\r\nB,2023-01-01T00:00Z,1\r\n", tmp_path)
    assert (row["problem"], row["meter"]) == (None, series)
    assert (last["line"], last["meter"]) == (3, "B")


@pytest.mark.parametrize("name", ["meters.csv", "meters.csv.gz"])
@pytest.mark.parametrize("block_bytes", [40, 96, lines.BLOCK_BYTES])
def test_no_order_of_quotes_and_line_ends_loses_a_line(
    name: str, block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(3)
    for _ in range(150):
        content = random_lines(rng)
        rows = landed(HEADER + content, tmp_path, name)
        published = content.splitlines()
        assert [row["line"] for row in rows] == list(range(2, len(published) + 2))
        told = [row["problem"] != "unpaired_quote" for row in rows]
        assert told == [is_paired(line) for line in published], content


def test_lines_that_were_not_read_are_noticed() -> None:
    numbers = np.arange(2, 7)
    assert list(all_but(numbers, [1], 4)) == [2, 4, 5, 6]
    with pytest.raises(FieldError, match=r"lines 2 to 6: hold 5 lines, of which 4 were read"):
        all_but(numbers, [1], 3)


def test_a_line_longer_than_a_block_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 64)
    source = tmp_path / "meters.csv"
    source.write_bytes(HEADER + b"A,2023-01-01T00:00Z,1\n" + b"x" * 200)
    with pytest.raises(FieldError, match="line 3: is longer than 64 bytes"):
        list(blocks(source, skipped=1))


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    damaged = bytearray(gzip.compress(HEADER + b"A,2023-01-01T00:00Z,1\n" * 9))
    damaged[10] = 0xFF  # no kind of block that there is
    source = tmp_path / "meters.csv.gz"
    source.write_bytes(damaged)
    with pytest.raises(FieldError, match=r"meters\.csv\.gz: cannot be read"):
        require_header(source, METERS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 200_000 + b"\n", "line 1: cannot be split"),
        (b"x," * 1_000_000, "line 1: is longer than 1048576 bytes"),
        (HEADER.replace(b"\n", b"\r") + b"A,2023-01-01T00:00Z,1\r", "line 1: ends with CR alone"),
    ],
)
def test_a_header_that_cannot_be_split_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    source = tmp_path / "meters.csv"
    source.write_bytes(content)
    with pytest.raises(FieldError, match=message):
        require_header(source, METERS)
    with pytest.raises(FieldError, match=message):
        land(source, METERS, tmp_path / "landed.parquet")
