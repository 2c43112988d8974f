"""A file's physical lines: read in blocks of whole lines, and those told whose quotes do not pair.

A quoted cell that is never closed would swallow the lines after it, so no cell may go past the end of its
line. A line ends with LF, CRLF or CR. None of the published formats has a cell of several lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from domain.errors import FieldError
from forecasting.series import BoolArray, IntArray

BLOCK_BYTES = 4 << 20
LF, CR, QUOTE = b"\n", b"\r", b'"'


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines: their bytes, and the number of the first (1 is the file's first)."""

    first: int
    data: bytes

    @property
    def count(self) -> int:
        """How many lines these are."""
        ends = self.data.count(LF)
        if CR in self.data:
            ends += self.data.count(CR) - self.data.count(CR + LF)
        return ends + (not self.data.endswith((LF, CR)))

    @property
    def numbers(self) -> IntArray:
        """The number of each line."""
        return np.arange(self.first, self.first + self.count)


def blocks(source: Path, *, skipped: int) -> Iterator[Block]:
    """The lines of a file, which may be gzipped, without the first ``skipped``, which end with LF.

    Holds one block at a time. Raises FieldError where a line is longer than a block.
    """
    left, number, rest = skipped, skipped + 1, b""
    with pa.input_stream(str(source), compression="gzip" if source.suffix == ".gz" else None) as file:
        while read := file.read(BLOCK_BYTES):
            data = rest + read
            while left and LF in data:
                data = data.split(LF, 1)[1]
                left -= 1
            end = 0 if left else data.rfind(LF) + 1
            if not end and len(data) > BLOCK_BYTES:
                raise FieldError(f"line {number}", f"is longer than {BLOCK_BYTES} bytes", code="unreadable")
            rest = data[end:]
            if end:
                block = Block(number, data[:end])
                yield block
                number += block.count
    if rest and not left:
        yield Block(number, rest)


def unpaired(data: bytes, delimiter: str) -> IntArray:
    """Places, from 0, of the lines whose quotes do not pair: an odd number, or a cell that is left open.

    A quote opens a cell at its beginning only; two of them within a quoted cell are one of its characters.
    """
    if QUOTE not in data:
        return np.empty(0, dtype=np.int64)
    text = np.frombuffer(data, dtype=np.uint8)
    starts = _starts(text)
    quotes = np.flatnonzero(text == ord(QUOTE))
    lines, first, count = np.unique(
        np.searchsorted(starts, quotes, side="right") - 1, return_index=True, return_counts=True
    )
    is_unpaired: BoolArray = count % 2 == 1
    # Where all is well, every other quote begins a cell or follows the quote that it doubles.
    is_opening = (np.arange(quotes.size) - np.repeat(first, count)) % 2 == 0
    before = np.frombuffer(delimiter.encode() + LF + CR + QUOTE, dtype=np.uint8)
    is_inside = is_opening & (quotes > 0) & ~np.isin(text[quotes - 1], before)
    is_doubtful = np.logical_or.reduceat(is_inside, first) & ~is_unpaired
    bounds = np.append(starts, text.size)
    for place in np.flatnonzero(is_doubtful):
        line = data[bounds[lines[place]] : bounds[lines[place] + 1]].rstrip(CR + LF)
        is_unpaired[place] = _closed_cells(delimiter).fullmatch(line) is None
    return lines[is_unpaired]


def without(data: bytes, places: IntArray) -> bytes:
    """The lines but those at ``places``, each ended with LF: a CR and an empty line's LF would be one end."""
    dropped = set(places.tolist())
    lines = data.splitlines()  # of bytes: at LF, CRLF and CR
    return b"".join(line + LF for place, line in enumerate(lines) if place not in dropped)


def _starts(text: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> IntArray:
    """Where each line begins."""
    is_cr, is_lf = text == ord(CR), text == ord(LF)
    is_cr[:-1] &= ~is_lf[1:]
    ends = np.flatnonzero(is_cr | is_lf) + 1
    return np.concatenate([[0], ends[ends < text.size]])


@lru_cache(maxsize=8)
def _closed_cells(delimiter: str) -> re.Pattern[bytes]:
    """What a line matches whose quoted cells are all closed; a quote amid an unquoted cell is a character."""
    other = b"[^" + re.escape(delimiter.encode()) + b"]*"
    closing = b'"(?!")'  # of two in a row neither closes
    cell = b'(?:"[^"]*(?:""[^"]*)*' + closing + other + b'|(?!")' + other + b")"
    return re.compile(cell + b"(?:" + re.escape(delimiter.encode()) + cell + b")*")
