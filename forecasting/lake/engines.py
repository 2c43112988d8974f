"""The two engines that run the lake's expressions. Both see local folders of Parquet and nothing else."""

import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import ibis
import ibis.expr.types as ir

from domain.errors import FieldError

DUCKDB, PYSPARK = "duckdb", "pyspark"
ENGINES = (DUCKDB, PYSPARK)
MEMORY_MB = 1_000
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class Engine(Protocol):
    """Runs expressions of ibis."""

    def read(self, folder: Path) -> ir.Table:
        """The rows of all Parquet files under ``folder``, without the partition's own column."""

    def named(self, table: ir.Table) -> ir.Table:
        """The same rows as a view, whose columns later expressions name instead of computing them again."""

    def write(self, table: ir.Table, folder: Path, *, partition_by: str | None = None) -> None:
        """Write ``folder`` anew; a table without rows leaves one file, or none where it is partitioned."""

    def rows(self, table: ir.Table) -> list[dict[str, Any]]:
        """A small table's rows."""


@contextmanager
def opened(
    name: str, *, scratch: Path, memory_mb: int = MEMORY_MB, spark: Mapping[str, str] = NO_SETTINGS
) -> Iterator[Engine]:
    """The engine called ``name``; it may spill into ``scratch``. ``spark`` are settings of Spark's own.

    Raises FieldError when there is no such engine or what it needs is not installed.
    """
    (scratch / "spill").mkdir(parents=True, exist_ok=True)
    if name == DUCKDB:
        yield from _duckdb(scratch, memory_mb)
    elif name == PYSPARK:
        yield from _pyspark(scratch, memory_mb, spark)
    else:
        raise FieldError("LAKE_ENGINE", f"must be one of {', '.join(ENGINES)}, got {name!r}")


def has_java() -> bool:
    """Whether Spark would find Java."""
    return "JAVA_HOME" in os.environ or shutil.which("java") is not None


def parquet_files(folder: Path) -> list[str]:
    """Paths of the Parquet files under ``folder``, sorted."""
    return sorted(str(path) for path in folder.rglob("*.parquet"))


class _Connected:
    """What both engines do in the same way."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401  ibis ships no types
        self._connection = connection

    def named(self, table: ir.Table) -> ir.Table:
        view: ir.Table = self._connection.create_view(ibis.util.gen_name("lake"), table)
        return view

    def rows(self, table: ir.Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._connection.to_pyarrow(table).to_pylist()
        return found


class _Duck(_Connected):
    def read(self, folder: Path) -> ir.Table:
        table: ir.Table = self._connection.read_parquet(parquet_files(folder), hive_partitioning=False)
        return table

    def write(self, table: ir.Table, folder: Path, *, partition_by: str | None = None) -> None:
        if partition_by:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._connection.to_parquet(table, folder, partition_by=partition_by)
        else:
            folder.mkdir(parents=True)
            self._connection.to_parquet(table, folder / "part-0.parquet")


class _Spark(_Connected):
    def __init__(self, connection: Any, session: Any) -> None:  # noqa: ANN401  as above
        super().__init__(connection)
        self._session = session

    def read(self, folder: Path) -> ir.Table:
        table: ir.Table = self._connection.read_parquet(
            folder, recursiveFileLookup=True, pathGlobFilter="*.parquet"
        )
        return table

    def write(self, table: ir.Table, folder: Path, *, partition_by: str | None = None) -> None:
        frame = self._session.sql(self._connection.compile(table))
        for name, kind in frame.dtypes:
            if kind == "timestamp":  # Spark's own has a zone, the session's, which is UTC
                frame = frame.withColumn(name, frame[name].cast("timestamp_ntz"))
        writer = frame.write.partitionBy(partition_by) if partition_by else frame.write
        writer.parquet(str(folder))


def _duckdb(scratch: Path, memory_mb: int) -> Iterator[Engine]:
    connection = ibis.duckdb.connect(
        memory_limit=f"{memory_mb}MB",
        temp_directory=str(scratch / "spill"),
        preserve_insertion_order=False,
    )
    try:
        yield _Duck(connection)
    finally:
        connection.disconnect()


def _pyspark(scratch: Path, memory_mb: int, chosen: Mapping[str, str]) -> Iterator[Engine]:
    if not has_java():
        raise FieldError("LAKE_ENGINE", "pyspark needs Java 17 or 21: set JAVA_HOME", code="no_engine")
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415  optional, and slow to import
    except ImportError as error:
        raise FieldError("LAKE_ENGINE", "pyspark is not installed", code="no_engine") from error

    settings: Mapping[str, str] = {
        "spark.master": "local[*]",
        "spark.driver.memory": f"{memory_mb}m",
        "spark.local.dir": str(scratch / "spill"),
        "spark.sql.session.timeZone": "UTC",  # else naive times are read in the machine's zone
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **chosen,
    }
    # Else it reports the closing of each socket, at exit into streams that are closed already.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    # Spark starts Python workers by name; they must be this interpreter.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("commonwatt-lake")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    connection = ibis.pyspark.connect(session)
    try:
        yield _Spark(connection, session)
    finally:
        with suppress(Exception):
            connection.disconnect()
        session.stop()
