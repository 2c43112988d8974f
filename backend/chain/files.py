"""Files that are whole at every moment."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """All of the file or none of it, whoever else writes it at the same time, and if the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
    written = Path(draft.name)
    written.chmod(0o644)
    written.replace(path)
