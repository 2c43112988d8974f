"""The rows of a comma-separated file, each with its line, so that whatever is wrong can be named by place."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from domain.errors import FieldError


def records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that is not blank, of a UTF-8 file, plain or ``.gz``.

    FieldError names the line that cannot be read; within ``naming``, the file as well.
    """
    with _opened(path) as file:
        yield from _records(_lines(file))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is refused within is refused as something of the file at ``path``."""
    try:
        yield
    except FieldError as error:
        raise FieldError(f"{path}: {error.field}", error.message, code=error.code) from error
    except OSError as error:
        raise FieldError(str(path), f"cannot be read: {error.strerror}", code="unreadable") from error


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(file: BinaryIO) -> Iterator[str]:
    """Lines with their ends, as the csv module wants them; FieldError names the one that cannot be read."""
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if "\0" in text:
                raise FieldError(f"line {number}", "holds a NUL character", code="unreadable")
            yield text
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the line is not UTF-8"
        raise FieldError(f"line {number}", message, code="unreadable") from error
    except (OSError, EOFError, zlib.error) as error:
        raise FieldError(f"line {number + 1}", f"cannot be read: {error}", code="unreadable") from error


def _records(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that is not blank."""
    reader = csv.reader(lines, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise FieldError(f"line {reader.line_num}", str(error), code="unreadable") from error
