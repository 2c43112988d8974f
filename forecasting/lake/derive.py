"""Silver and gold of one dataset from all files that it has received."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import ibis
import ibis.expr.types as ir

from forecasting.lake import gold, holes, silver
from forecasting.lake.bronze import Record
from forecasting.lake.engines import Engine, parquet_files
from forecasting.lake.reader import Reader
from forecasting.lake.zones import Transition, transitions

PARTITION = "year"


@dataclass(frozen=True, slots=True)
class Received:
    """A file of bronze: its record, its place in the order of arrival, its local folder."""

    record: Record
    sequence: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Counts:
    """As ``ingest.Report`` has them."""

    read: int
    kept: int
    rejected: int
    duplicates: int
    gaps: int
    reasons: dict[str, int]


def derive(reader: Reader, files: Sequence[Received], *, engine: Engine, scratch: Path) -> Counts:
    """Write the folders ``silver``, ``rejects`` and ``gold`` (where there is time) of ``scratch``.

    Raises FieldError where a series has a hole of more than ten years.
    """
    parts = [silver.parsed(engine.read(file.folder), reader, _source(file)) for file in files]
    engine.write(silver.typed(engine.named(_union(parts)), reader), scratch / "typed")
    typed = engine.read(scratch / "typed")
    readable = typed.filter(typed["reason"].isnull())
    first_s, changes = _span(engine, readable, "clock_s", reader)

    engine.write(silver.placed(typed, reader, changes, first_s), scratch / "placed")
    placed = engine.read(scratch / "placed")
    if reader.step:
        placed = holes.bounded(placed, engine=engine, scratch=scratch)
    engine.write(_union([silver.rejected(typed), silver.rejected(placed)]), scratch / "rejects")
    partition = PARTITION if reader.step else None
    engine.write(silver.kept(placed, reader), scratch / "silver", partition_by=partition)
    if reader.step and parquet_files(scratch / "silver"):
        _write_gold(reader, engine, scratch)
    return _counted(engine, typed, scratch, received=sum(file.record.lines for file in files))


def _write_gold(reader: Reader, engine: Engine, scratch: Path) -> None:
    published = engine.read(scratch / "silver")
    seconds = published["start_utc"].epoch_seconds().cast("int64")
    rows = engine.named(published.mutate(start_s=seconds))
    first_s, changes = _span(engine, rows, "start_s", reader)
    parts = [gold.featured(rows, quantity, reader, changes, first_s) for quantity in reader.quantities]
    engine.write(_union(parts), scratch / "gold", partition_by=PARTITION)


def _source(file: Received) -> silver.Source:
    received_at = datetime.fromisoformat(file.record.received_at)
    return silver.Source(
        sequence=file.sequence,
        received_s=int(received_at.timestamp()),
        simulated=file.record.simulated,
    )


def _span(engine: Engine, rows: ir.Table, column: str, reader: Reader) -> tuple[int, tuple[Transition, ...]]:
    """The first of the rows' seconds, and the zone's clock changes among them."""
    [found] = engine.rows(rows.aggregate(first=rows[column].min(), last=rows[column].max()))
    first_s, last_s = (int(found[name] or 0) for name in ("first", "last"))
    return first_s, transitions(reader.zone, first_s, last_s)


def _counted(engine: Engine, typed: ir.Table, scratch: Path, *, received: int) -> Counts:
    """What became of the ``received`` lines."""
    rejects = engine.read(scratch / "rejects")
    found = engine.rows(rejects.group_by("reason").aggregate(lines=rejects.count()))
    reasons = {row["reason"]: int(row["lines"]) for row in sorted(found, key=lambda row: str(row["reason"]))}
    [read] = engine.rows(typed.aggregate(lines=typed.count()))
    kept = gaps = 0
    if parquet_files(scratch / "silver"):
        rows = engine.read(scratch / "silver")
        [count] = engine.rows(rows.aggregate(all=rows.count(), gaps=(rows["method"] == silver.NONE).sum()))
        gaps = int(count["gaps"] or 0)
        kept = int(count["all"]) - gaps
    duplicates = sum(reasons.get(reason, 0) for reason in (silver.DUPLICATE, silver.SUPERSEDED))
    counts = Counts(
        read=int(read["lines"]),
        kept=kept,
        rejected=sum(reasons.values()) - duplicates,
        duplicates=duplicates,
        gaps=gaps,
        reasons=reasons,
    )
    if not counts.kept + counts.rejected + counts.duplicates == counts.read == received:
        raise RuntimeError(f"lines were lost: {counts}")
    return counts


def _union(parts: Sequence[ir.Table]) -> ir.Table:
    return ibis.union(*parts) if len(parts) > 1 else parts[0]
