"""The same expressions on DuckDB and on Spark leave the same lake."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lake_files import NOW, layer, sources

from domain.errors import FieldError
from forecasting.lake.engines import Engine, opened
from forecasting.lake.ingest import LAYERS, ingest
from forecasting.lake.store import Store

SUMMED_IN_ANOTHER_ORDER = ("mean_day", "mean_week")


@pytest.mark.parametrize(
    "dataset",
    [
        "meter_15min",
        "telecom_site_information",
        "fontana_load",
        "simbench",
        "inmet",
        "ccee_pld",
        "ons_load",
        "ons_balance",
    ],
)
def test_every_value_is_the_same(
    dataset: str, tmp_path: Path, duckdb_engine: Engine, spark_engine: Engine
) -> None:
    files = sources(dataset, tmp_path)
    lakes = [Store(tmp_path / name) for name in ("duckdb", "pyspark")]
    reports = [
        ingest(files, dataset=dataset, lake=lake, engine=engine, now=NOW)
        for lake, engine in zip(lakes, (duckdb_engine, spark_engine), strict=True)
    ]
    assert reports[0] == reports[1]
    for name in LAYERS:
        left, right = (layer(lake, dataset, name) for lake in lakes)
        assert list(left.columns) == list(right.columns)
        assert dict(left.dtypes) == dict(right.dtypes)
        for column in left:
            if column in SUMMED_IN_ANOTHER_ORDER:
                np.testing.assert_allclose(left[column], right[column], rtol=1e-12, atol=1e-12)
            else:
                pd.testing.assert_series_equal(left[column], right[column], check_exact=True)


def test_an_engine_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="duckdb, pyspark"), opened("polars", scratch=tmp_path):
        pass
