"""Files and folders that a command writes: whole or absent, and a folder only where it was ours or new."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from domain.errors import FieldError

FIELD = "--out"


def require_file(out: Path, *, source: Path, model: Path | None = None) -> None:
    """FieldError when ``out`` cannot be written, before anything is computed for it.

    It may be neither the ``source`` that is read nor a part of the folder of the ``model`` that is used.
    """
    _require_parent(out)
    if out.resolve() == source.resolve():
        raise FieldError(FIELD, f"{out} is the file that is read")
    if model is not None and out.resolve().is_relative_to(model.resolve()):
        raise FieldError(FIELD, f"{out} lies in the folder of the model that is used, {model}")
    if out.exists() and not out.is_file():
        raise FieldError(FIELD, f"{out} is not a file")


def require_folder(out: Path, *, source: Path, written: Callable[[Path], bool]) -> None:
    """The same for a folder: one that exists must be empty, or one that an earlier run has ``written``."""
    _require_parent(out)
    if out.resolve() in source.resolve().parents:
        raise FieldError(FIELD, f"{out} holds {source}, which is read")
    _require_replaceable(out, written)


@contextmanager
def staged_file(out: Path) -> Iterator[TextIO]:
    """A file that takes the place of ``out`` once it is whole."""
    partial = _partial(out)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(out.resolve())
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def staged_folder(out: Path, *, written: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder that takes the place of ``out`` once it is whole.

    FieldError when by then ``out`` holds what no earlier run has ``written``: computing takes long.
    """
    partial = _partial(out)
    try:
        partial.mkdir()
        yield partial
        _require_replaceable(out, written)
        place = out.resolve()
        if place.exists():
            shutil.rmtree(place)
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _require_parent(out: Path) -> None:
    if not out.resolve().parent.is_dir():
        raise FieldError(FIELD, f"the folder {out.resolve().parent} does not exist")


def _require_replaceable(out: Path, written: Callable[[Path], bool]) -> None:
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or written(out))):
        raise FieldError(FIELD, f"{out} holds something else than an earlier run wrote; name a new folder")


def _partial(out: Path) -> Path:
    place = out.resolve()
    return place.with_name(f".{place.name}.{os.getpid()}.partial")
