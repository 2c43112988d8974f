"""Long holes of a series, as mistyped years leave them."""

from pathlib import Path

import pytest
from lake_files import NOW, layer

from domain.errors import FieldError
from forecasting.lake.engines import Engine
from forecasting.lake.ingest import LAYERS, Report, ingest
from forecasting.lake.store import Store

HEADER = "meter_id,start_utc,energy_wh\n"
MISTYPED = """A,1924-01-01T00:05Z,7
A,1924-01-01T00:05Z,7
A,2024-01-01T00:00Z,1
A,2024-01-01T00:10Z,2
B,1924-01-01T00:00Z,3
B,2024-01-01T00:00Z,4
C,2024-01-01T00:00Z,5
"""
AWAY = "A,2022-01-01T00:00Z,1\nA,2022-01-01T01:00Z,2\nA,2023-12-01T00:00Z,3\nA,2023-12-01T01:00Z,4\n"
TOO_LONG = "A,1924-01-01T00:00Z,1\nA,1924-01-01T01:00Z,2\nA,2024-01-01T00:00Z,3\nA,2024-01-01T01:00Z,4\n"


def taken(rows: str, dataset: str, lake: Store, engine: Engine) -> Report:
    path = Path(lake.base).with_suffix(".csv")
    path.write_text(HEADER + rows)
    return ingest([path], dataset=dataset, lake=lake, engine=engine, now=NOW)


def test_a_row_far_from_all_others_of_its_series_is_rejected(lake: Store, duckdb_engine: Engine) -> None:
    report = taken(MISTYPED, "meter_5min", lake, duckdb_engine)
    assert (report.read, report.kept, report.gaps) == (7, 3, 1)
    assert report.reasons == {"duplicate": 1, "far_from_the_others": 3}
    rejects = layer(lake, "meter_5min", "rejects")
    assert sorted(rejects[rejects.reason == "far_from_the_others"].line) == [3, 6, 7]
    silver = layer(lake, "meter_5min", "silver")
    assert list(silver.start_utc.astype(str)) == [
        "2024-01-01 00:00:00",
        "2024-01-01 00:05:00",
        "2024-01-01 00:10:00",
        "2024-01-01 00:00:00",
    ]


def test_both_engines_agree_on_what_is_far(
    tmp_path: Path, duckdb_engine: Engine, spark_engine: Engine
) -> None:
    lakes = [Store(tmp_path / name) for name in ("duckdb", "pyspark")]
    reports = [
        taken(MISTYPED, "meter_5min", lake, engine)
        for lake, engine in zip(lakes, (duckdb_engine, spark_engine), strict=True)
    ]
    assert reports[0] == reports[1]
    for name in LAYERS:
        left, right = (layer(lake, "meter_5min", name) for lake in lakes)
        assert left.equals(right)
    for lake, engine in zip(lakes, (duckdb_engine, spark_engine), strict=True):
        with pytest.raises(FieldError, match="series A: has rows of 1924-01-01 and 2024-01-01"):
            taken(TOO_LONG, "meter_1h", lake, engine)


def test_a_series_that_was_away_for_long_keeps_its_rows_and_has_gaps(
    lake: Store, duckdb_engine: Engine
) -> None:
    report = taken(AWAY, "meter_1h", lake, duckdb_engine)
    assert (report.kept, report.rejected, report.gaps) == (4, 0, 699 * 24 - 2)


def test_a_hole_of_a_century_is_refused_and_changes_nothing(lake: Store, duckdb_engine: Engine) -> None:
    before = taken(AWAY, "meter_1h", lake, duckdb_engine)
    with pytest.raises(FieldError, match="none for more than ten years between them"):
        taken(TOO_LONG, "meter_1h", lake, duckdb_engine)
    again = taken(AWAY, "meter_1h", lake, duckdb_engine)
    assert (again.changed, again.version) == (False, before.version)
