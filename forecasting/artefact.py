"""The folder of a saved model: JSON, LightGBM's text and safetensors, nothing that could run; its card."""

import hashlib
from pathlib import Path

from domain.errors import FieldError

CARD_FILE = "card.json"
KNOWN_SUFFIXES = {".json", ".txt", ".safetensors"}


def artefact_digest(directory: Path) -> str:
    """SHA-256, hexadecimal, over names and content of the files in ``directory``, without its card.

    Raises:
        FieldError: ``no_artefact`` when nothing lies there, ``unknown_file`` when something lies there that
            is no plain file of a known kind.
    """
    digest = hashlib.sha256()
    found = sorted(path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    artefact = [path for path in found if path != directory / CARD_FILE]
    if not artefact:
        raise FieldError("artefact", f"{directory.name} holds no model", code="no_artefact")
    for path in artefact:
        name = path.relative_to(directory).as_posix()
        if path.is_symlink() or not path.is_file() or path.suffix not in KNOWN_SUFFIXES:
            raise FieldError(
                "artefact", f"{directory.name} holds {name!r}, which no model writes", code="unknown_file"
            )
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
