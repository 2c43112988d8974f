"""Where a lake lives: a folder, or any URL that fsspec understands, such as ``s3://bucket/lake``.

What is published becomes visible by one atomic step: a renamed folder or replaced file on a disk, a finished
upload elsewhere. Readers find a dataset through its manifest, so a version that none names is not there.
"""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from domain.errors import FieldError

WORK = ".work"


class Store:
    """A lake's files, by paths relative to its root."""

    def __init__(self, root: str | Path) -> None:
        try:
            self.filesystem, self.base = fsspec.core.url_to_fs(str(root))
        except (ValueError, ImportError) as error:
            raise FieldError("lake", f"cannot be opened: {error}") from error
        self.is_local: bool = "file" in self.filesystem.protocol

    def path(self, name: str) -> str:
        """The full path of ``name`` in the store's file system."""
        return f"{self.base}/{name}"

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The object that a file holds; None where there is no such file, FieldError where it is damaged."""
        try:
            found = json.loads(self.filesystem.cat_file(self.path(name)))
        except FileNotFoundError:
            return None
        except ValueError as error:  # no JSON, or no text
            raise FieldError(self.path(name), f"is damaged: {error}", code="damaged") from error
        if not isinstance(found, dict):
            raise FieldError(self.path(name), f"is damaged: holds no object but {found!r}", code="damaged")
        return found

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Replace a file at once."""
        data = (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
        if not self.is_local:
            self.filesystem.pipe_file(self.path(name), data)
            return
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_bytes(data)
        fresh.replace(target)

    def publish(self, folder: Path, name: str) -> None:
        """Make ``folder``, if there is one, the store's ``name``, in place of what an unfinished run left."""
        self.remove(name)
        if not folder.exists():
            return
        if self.is_local:
            target = Path(self.path(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.replace(target)
        else:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                self.filesystem.put_file(
                    str(file), self.path(f"{name}/{file.relative_to(folder).as_posix()}")
                )

    def mirrored(self, name: str, into: Path) -> Path:
        """A local folder with what ``name`` holds: the folder itself on a disk, else a copy at ``into``."""
        if self.is_local:
            return Path(self.path(name))
        if not into.exists():
            into.mkdir(parents=True)
            self.filesystem.invalidate_cache()
            root = self.path(name)
            for file in self.filesystem.find(root):
                target = into / file.removeprefix(f"{root}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                self.filesystem.get_file(file, str(target))
        return into

    def names(self, folder: str) -> list[str]:
        """Names of what lies directly in ``folder``."""
        self.filesystem.invalidate_cache()
        try:
            found = self.filesystem.ls(self.path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def remove(self, name: str) -> None:
        """Remove a folder if it is there."""
        self.filesystem.invalidate_cache()
        if self.filesystem.exists(self.path(name)):
            self.filesystem.rm(self.path(name), recursive=True)

    @contextmanager
    def writing(self, dataset: str) -> Iterator[Path]:
        """An empty local folder to work in, by one writer of the dataset at a time.

        On a disk a second writer waits, and what a killed one left is removed. An object store has no such
        lock: let one process write a dataset there.
        """
        if not self.is_local:
            with tempfile.TemporaryDirectory(prefix="lake-") as scratch:
                yield Path(scratch)
            return
        work = Path(self.path(WORK))
        work.mkdir(parents=True, exist_ok=True)
        with (work / f"{dataset}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            scratch_folder = work / dataset
            shutil.rmtree(scratch_folder, ignore_errors=True)
            scratch_folder.mkdir()
            try:
                yield scratch_folder
            finally:
                shutil.rmtree(scratch_folder, ignore_errors=True)
