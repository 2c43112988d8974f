"""Models' files in the state folder: written whole or not at all, loaded only when they are unchanged.

A folder is made ready beside its place and then renamed, so a worker that is killed leaves no half of a
model, and a row of the registry is written only once the folder lies there.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from backend.planning.models import ModelVersion
from domain.errors import FieldError
from forecasting.artefact import artefact_digest
from forecasting.cards import load_artefact
from forecasting.models import Model

FOLDER = "models"
DRAFT = ".draft-"
KEPT = 8  # models that a process keeps in memory


@contextmanager
def stored(path: str) -> Iterator[Path]:
    """A new folder to write a model into; once the block ends it lies at ``path`` below the state folder."""
    place = _inside(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=place.parent))
    draft.chmod(0o755)  # other workers' users read it
    try:
        yield draft
        if place.exists():  # of a worker that was killed before it wrote the row
            shutil.rmtree(place)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def clear_drafts() -> None:
    """Remove what killed workers left; only the one that trains may call it."""
    for draft in (Path(settings.STATE_DIR) / FOLDER).glob(f"{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)


def load(version: ModelVersion) -> Model:
    """The model of a registered version.

    Raises:
        FieldError: its files lie outside the state folder (``outside``), are gone, or are not what was
            registered (see ``forecasting.cards.load_artefact``).
    """
    if not version.path or not version.artefact_sha256:
        raise FieldError("artefact", f"{version} has none", code="no_artefact")
    return _loaded(_inside(version.path), version.artefact_sha256)


def copy_in(folder: Path, path: str, *, sha256: str) -> None:
    """Copy a model's folder to ``path`` below the state folder; FieldError when it has another digest."""
    with stored(path) as draft:
        shutil.copytree(folder, draft, symlinks=True, dirs_exist_ok=True)
        if artefact_digest(draft) != sha256:
            message = f"{folder.name} is not what its card says"
            raise FieldError("artefact", message, code="digest_mismatch")


def remove(path: str) -> None:
    """Remove a model's folder, if it is there."""
    shutil.rmtree(_inside(path), ignore_errors=True)


@lru_cache(maxsize=KEPT)
def _loaded(folder: Path, sha256: str) -> Model:
    return load_artefact(folder, sha256=sha256)


def _inside(path: str) -> Path:
    root = (Path(settings.STATE_DIR) / FOLDER).resolve()
    place = (Path(settings.STATE_DIR) / path).resolve()
    if root not in place.parents:
        raise FieldError("artefact", f"{path!r} lies outside the folder of models", code="outside")
    return place
