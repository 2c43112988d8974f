"""Published bytes as a Parquet table of text: one row a line, nothing judged but whether it can be split.

Both engines start from this table, so that parsing CSV, where engines differ most, happens once.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from domain.errors import FieldError
from forecasting.lake.lines import Block, blocks, unpaired, without
from forecasting.lake.reader import Reader
from forecasting.series import IntArray

HEAD_BYTES = 1 << 20
ROWS_PER_GROUP = 1 << 18
MALFORMED = "wrong_number_of_cells"
UNPAIRED = "unpaired_quote"
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

    Each line of the file is one row. A line that has the wrong number of cells, quotes that do not pair, or
    bytes that are no text keeps its number and names its problem. Raises FieldError when the header lacks a
    column or the bytes are not the reader's format at all.
    """
    head = _head(source, reader)
    titles = _titles(head[-1], reader)
    chosen = _columns(titles, reader)
    constants = dict(reader.preamble(head[:-1])) if reader.preamble else {}
    names = [*chosen, *constants]
    schema = pa.schema(
        [("line", pa.int64()), ("problem", pa.string()), *((name, pa.string()) for name in names)]
    )
    lines = 0
    try:
        with pa.parquet.ParquetWriter(target, schema, compression="snappy") as writer:
            for block in blocks(source, skipped=reader.preamble_lines + 1):
                batch = _split(block, reader, len(titles), chosen)
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
    _columns(_titles(head[-1], reader), reader)


def _head(source: Path, reader: Reader) -> list[str]:
    """The lines of the preamble and the header line."""
    try:
        with _opened(source) as file:
            lines = [file.readline(HEAD_BYTES + 1) for _ in range(reader.preamble_lines + 1)]
        encoding = "utf-8-sig" if reader.encoding == "utf-8" else reader.encoding
        texts = [line.decode(encoding).rstrip("\r\n") for line in lines]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise FieldError(source.name, f"cannot be read: {error}", code="unreadable") from error
    for number, line in enumerate(lines, start=1):
        if len(line) > HEAD_BYTES:
            raise FieldError(f"line {number}", f"is longer than {HEAD_BYTES} bytes", code="header")
    if not texts[-1]:
        message = f"ends before its header, which is line {reader.preamble_lines + 1}"
        raise FieldError(source.name, message, code="no_data")
    return texts


def _titles(header: str, reader: Reader) -> list[str]:
    """The cells of the header line."""
    where = f"line {reader.preamble_lines + 1}"
    if "\r" in header:
        raise FieldError(where, "ends with CR alone; lines must end with LF or CRLF", code="header")
    try:
        return next(csv.reader([header], delimiter=reader.delimiter), [])
    except csv.Error as error:
        raise FieldError(where, f"cannot be split: {error}", code="header") from error


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


def _split(block: Block, reader: Reader, titles: int, chosen: dict[str, int]) -> pa.RecordBatch:
    """A row for each of the block's lines: those that can be split in their order, then the others."""
    set_aside = unpaired(block.data, reader.delimiter)
    data = without(block.data, set_aside) if set_aside.size else block.data
    numbers = np.delete(block.numbers, set_aside)
    malformed: list[int] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        malformed.append(row.number - 1)
        return "skip"

    batches = _parsed(data, reader, titles, list(chosen.values()), skip) if data else []
    good = all_but(numbers, malformed, sum(batch.num_rows for batch in batches))
    bad = np.concatenate([numbers[malformed], block.numbers[set_aside]])
    problems = [MALFORMED] * len(malformed) + [UNPAIRED] * set_aside.size
    decoded = [_decoded(batch) for batch in batches]
    empty = pa.nulls(bad.size, pa.string())
    columns = [
        pa.concat_arrays([*(cells[place] for cells, _ in decoded), empty]) for place in range(len(chosen))
    ]
    problem = pa.concat_arrays([*(found for _, found in decoded), pa.array(problems, pa.string())])
    lines = pa.array(np.concatenate([good, bad]))
    return pa.RecordBatch.from_arrays([lines, problem, *columns], ["line", "problem", *chosen])


def _parsed(
    data: bytes, reader: Reader, titles: int, places: Sequence[int], skip: Callable[[pa.csv.InvalidRow], str]
) -> list[pa.RecordBatch]:
    """The chosen cells of whole lines as bytes; ``skip`` is told of lines with another number of cells."""
    wanted = [str(place) for place in places]
    table = pa.csv.read_csv(
        pa.BufferReader(data),
        read_options=pa.csv.ReadOptions(
            use_threads=False,
            block_size=2 * len(data),  # all at once, also where UTF-8 is longer than the file's encoding
            column_names=[str(place) for place in range(titles)],  # titles may repeat or be empty
            encoding=reader.encoding,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=reader.delimiter, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        convert_options=pa.csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.binary()), strings_can_be_null=False
        ),
    )
    batches: list[pa.RecordBatch] = table.to_batches()
    return batches


def all_but(numbers: IntArray, malformed: Sequence[int], rows: int) -> IntArray:
    """The numbers of the lines that became ``rows`` rows: all but those at the ``malformed`` places.

    Raises FieldError unless each line is a row or malformed: none may be lost without a word.
    """
    good = np.delete(numbers, np.array(malformed, dtype=np.int64))
    if good.size != rows:
        message = f"hold {numbers.size} lines, of which {rows + len(malformed)} were read"
        raise FieldError(f"lines {numbers[0]} to {numbers[-1]}", message, code="lines_lost")
    return good


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
