"""Bronze: each file as it was received, byte for byte, beside a record of where it came from."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import fsspec

from domain.errors import FieldError
from domain.time import require_utc
from forecasting.lake.landing import land
from forecasting.lake.reader import Reader

BLOCK_BYTES = 4 << 20
ROWS, RECORD = "rows.parquet", "record.json"


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one received file.

    ``sha256`` is of its bytes and names its folder; ``received_at`` is ISO 8601 UTC; ``lines`` counts what
    follows the header; ``constants`` come from lines above it; ``ignored_columns`` are not taken into silver.
    """

    sha256: str
    name: str
    origin: str
    received_at: str
    simulated: bool
    bytes: int
    lines: int
    ignored_columns: tuple[str, ...]
    constants: dict[str, str]


def receive(  # noqa: PLR0913  all but two by name
    source: str | Path, reader: Reader, *, folder: Path, now: datetime, origin: str, simulated: bool
) -> Record:
    """Copy a file (path or URL) into a new ``folder``, with its record and its rows as text.

    Raises FieldError when there is no such file, it is not what the reader reads, or its name is one that
    bronze has for what it writes itself.
    """
    name = str(source).rstrip("/").rsplit("/", 1)[-1]
    if name.lower() == RECORD or name.lower().endswith(Path(ROWS).suffix):
        message = f"{name}: bronze has this name for what it writes beside the file; give the file another"
        raise FieldError("source", message, code="name_taken")
    folder.mkdir(parents=True)
    sha256, size = _copied(source, folder / name)
    landed = land(folder / name, reader, folder / ROWS)
    record = Record(
        sha256=sha256,
        name=name,
        origin=origin or str(source),
        received_at=require_utc(now, "now").isoformat(),
        simulated=simulated,
        bytes=size,
        lines=landed.lines,
        ignored_columns=landed.ignored_columns,
        constants=landed.constants,
    )
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    return record


def _copied(source: str | Path, target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        with fsspec.open(str(source), "rb") as read, target.open("wb") as write:
            while block := read.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                write.write(block)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FieldError("source", f"{source} is not a file", code="not_found") from error
    except (ValueError, ImportError) as error:  # a protocol that is not known, or not installed
        raise FieldError("source", f"{source} cannot be opened: {error}", code="not_found") from error
    return digest.hexdigest(), size
