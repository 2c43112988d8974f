"""Files that are either whole or not there."""

import json
import os
from pathlib import Path
from typing import Any

PRIVATE = 0o600
PUBLIC = 0o644


def write_whole(path: Path, content: bytes, *, mode: int = PUBLIC) -> None:
    """Replace ``path`` in one step: a process killed meanwhile leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    draft.chmod(mode)
    draft.replace(path)


def write_json(path: Path, content: Any, *, mode: int = PUBLIC) -> None:  # noqa: ANN401 (any JSON)
    """``write_whole`` of ``content`` as JSON."""
    write_whole(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode(), mode=mode)


def read_json(path: Path) -> Any:  # noqa: ANN401 (any JSON)
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
