"""Engines that the lake's tests share: starting one takes longer than using it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forecasting.lake.engines import DUCKDB, PYSPARK, Engine, has_java, opened
from forecasting.lake.store import Store

# Compiling a query takes Spark longer than interpreting it, when there is little to read.
FOR_A_FEW_ROWS = {
    "spark.master": "local[1]",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@pytest.fixture(scope="session")
def duckdb_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with opened(DUCKDB, scratch=tmp_path_factory.mktemp("duckdb")) as engine:
        yield engine


@pytest.fixture(scope="session")
def spark_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if not has_java():
        pytest.skip("PySpark needs Java")
    with opened(PYSPARK, scratch=tmp_path_factory.mktemp("spark"), spark=FOR_A_FEW_ROWS) as engine:
        yield engine


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")
