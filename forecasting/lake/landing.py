"""Published bytes as a Parquet table of text: one row a line, nothing judged but whether it can be split.

Both engines start from this table, so that parsing CSV, where engines differ most, happens once.
"""

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from domain.errors import FieldError
from forecasting.lake.reader import Reader
from forecasting.series import IntArray

BLOCK_BYTES = 4 << 20
ROWS_PER_GROUP = 1 << 18
MALFORMED = "wrong_number_of_cells"
UNREADABLE = "not_text"
REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Landed:
    """What was found: data lines, published columns that are not taken, constants of the preamble."""

    lines: int
    ignored_columns: tuple[str, ...]
    constants: dict[str, str]


def land(source: Path, reader: Reader, target: Path) -> Landed:
    """Write ``target`` with ``line`` (1 is the file's first), ``problem`` and the reader's columns as text.

    A line that has the wrong number of cells, or bytes that are no text, keeps its number and names its
    problem. Raises FieldError when the header lacks a column or the bytes are not the reader's format at all.
    """
    head = _head(source, reader)
    titles = next(csv.reader([head[-1]], delimiter=reader.delimiter), [])
    chosen = _columns(titles, reader)
    constants = dict(reader.preamble(head[:-1])) if reader.preamble else {}
    names = [*chosen, *constants]
    schema = pa.schema(
        [("line", pa.int64()), ("problem", pa.string()), *((name, pa.string()) for name in names)]
    )
    lines = 0
    try:
        with pa.parquet.ParquetWriter(target, schema, compression="snappy") as writer:
            for batch in _batches(source, reader, titles, chosen):
                lines += batch.num_rows
                same = [
                    pa.repeat(pa.scalar(value, pa.string()), batch.num_rows) for value in constants.values()
                ]
                whole = pa.RecordBatch.from_arrays([*batch.columns, *same], schema=schema)
                writer.write_batch(whole, row_group_size=ROWS_PER_GROUP)
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise FieldError(source.name, f"cannot be read: {error}", code="unreadable") from error
    taken = {titles[position] for position in chosen.values()}
    return Landed(lines, tuple(title for title in titles if title not in taken and title), constants)


def require_header(source: Path, reader: Reader) -> None:
    """FieldError unless the file begins as the reader's files do."""
    head = _head(source, reader)
    _columns(next(csv.reader([head[-1]], delimiter=reader.delimiter), []), reader)


def _head(source: Path, reader: Reader) -> list[str]:
    """The lines of the preamble and the header line."""
    try:
        with _opened(source) as file:
            lines = [file.readline() for _ in range(reader.preamble_lines + 1)]
        encoding = "utf-8-sig" if reader.encoding == "utf-8" else reader.encoding
        texts = [line.decode(encoding).rstrip("\r\n") for line in lines]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise FieldError(source.name, f"cannot be read: {error}", code="unreadable") from error
    if not texts[-1]:
        message = f"ends before its header, which is line {reader.preamble_lines + 1}"
        raise FieldError(source.name, message, code="no_data")
    return texts


def _opened(source: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(source)) if source.suffix == ".gz" else source.open("rb")


def _columns(titles: Sequence[str], reader: Reader) -> dict[str, int]:
    """Our names → positions; FieldError when a title is missing."""
    found = {}
    for name, accepted in reader.published.items():
        places = [place for place, title in enumerate(titles) if title.strip() in accepted]
        if len(places) != 1:
            problem = "is missing" if not places else "appears more than once"
            shown = reader.delimiter.join(titles)[:200]
            raise FieldError(
                f"line {reader.preamble_lines + 1}, column {accepted[0]}",
                f"{problem}; the file has {shown}",
                code="header",
            )
        found[name] = places[0]
    return found


def _batches(
    source: Path, reader: Reader, titles: Sequence[str], chosen: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    first_line = reader.preamble_lines + 2
    malformed: list[int] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        malformed.append(row.number)
        return "skip"

    # Positions as names: titles may repeat or be empty.
    places = [str(place) for place in range(len(titles))]
    wanted = [str(place) for place in chosen.values()]
    opened = pa.csv.open_csv(
        pa.input_stream(str(source), compression="gzip" if source.suffix == ".gz" else None),
        read_options=pa.csv.ReadOptions(
            use_threads=False,
            block_size=BLOCK_BYTES,
            skip_rows=first_line - 1,
            column_names=places,
            encoding=reader.encoding,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=reader.delimiter, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        convert_options=pa.csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.binary()), strings_can_be_null=False
        ),
    )
    line = first_line
    for batch in opened:
        columns, problem = _decoded(batch)
        numbers = _line_numbers(batch.num_rows, line, malformed)
        line = int(numbers[-1]) + 1 if numbers.size else line
        yield pa.RecordBatch.from_arrays([pa.array(numbers), problem, *columns], ["line", "problem", *chosen])
    if malformed:
        count = len(malformed)
        empty = pa.nulls(count, pa.string())
        yield pa.RecordBatch.from_arrays(
            [pa.array(malformed, pa.int64()), pa.array([MALFORMED] * count), *[empty] * len(chosen)],
            ["line", "problem", *chosen],
        )


def _line_numbers(count: int, first: int, malformed: Sequence[int]) -> IntArray:
    """The next ``count`` line numbers from ``first`` on that no malformed line has."""
    skipped = np.array([number for number in malformed if number >= first], dtype=np.int64)
    candidates = np.arange(first, first + count + skipped.size)
    return np.setdiff1d(candidates, skipped, assume_unique=True)[:count] if skipped.size else candidates


def _decoded(batch: pa.RecordBatch) -> tuple[list[pa.Array], pa.Array]:
    """The batch's cells as text, and a problem where bytes are no UTF-8 (their cells show U+FFFD)."""
    try:
        columns = [column.cast(pa.string()) for column in batch.columns]
    except pa.ArrowInvalid:
        texts = [[cell.decode("utf-8", "replace") for cell in column.to_pylist()] for column in batch.columns]
        bad = [any(REPLACEMENT in cell for cell in row) for row in zip(*texts, strict=True)]
        problem = pa.array([UNREADABLE if is_bad else None for is_bad in bad], pa.string())
        return [pa.array(cells, pa.string()) for cells in texts], problem
    return columns, pa.nulls(batch.num_rows, pa.string())
