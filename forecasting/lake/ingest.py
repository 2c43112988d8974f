"""Take files into the lake: bronze, then silver and gold, visible all at once or not at all."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.errors import FieldError
from forecasting.lake import bronze, derive
from forecasting.lake.bronze import Record
from forecasting.lake.engines import Engine
from forecasting.lake.reader import Reader
from forecasting.lake.readers import READERS
from forecasting.lake.store import Store

LAYOUT = 2  # of silver and gold; a lake written with another is derived anew by its next ingest
LAYERS = ("silver", "rejects", "gold")


@dataclass(frozen=True, slots=True)
class Report:
    """Lines of a dataset by what became of them: ``read`` = ``kept`` + ``rejected`` + ``duplicates``.

    ``gaps`` counts intervals that no line was about; ``reasons`` the lines that were not kept, duplicates
    among them. ``changed`` says whether this ingest brought anything new.
    """

    dataset: str
    version: str
    changed: bool
    read: int
    kept: int
    rejected: int
    duplicates: int
    gaps: int
    reasons: dict[str, int]


def ingest(  # noqa: PLR0913  all but the first by name
    sources: Sequence[str | Path],
    *,
    dataset: str,
    lake: Store,
    engine: Engine,
    now: datetime,
    simulated: bool = False,
    origin: str = "",
) -> Report:
    """Ingest files, in their order of arrival, and derive silver and gold of their dataset from all it has.

    Args:
        sources: paths or URLs; of two files that disagree on an interval, the later one stands.
        dataset: name in ``READERS``.
        lake: where to.
        engine: what runs the expressions.
        now: when they were received; rows that begin later, or later than their dataset
            is published ahead, are rejected.
        simulated: whether the files were made up because the source was down.
        origin: where they came from, if not from ``sources``.

    Raises:
        FieldError: a file cannot be read as the dataset, or would leave a hole of more than ten years in a
            series; nothing has changed then.
    """
    reader = reader_of(dataset)
    with lake.writing(dataset) as scratch:
        manifest = _manifest(lake, dataset)
        known = {ingested["sha256"] for ingested in manifest["ingests"]}
        records = list(manifest["ingests"])
        received: dict[str, Path] = {}
        for number, source in enumerate(sources):
            folder = scratch / "received" / str(number)
            record = bronze.receive(
                source, reader, folder=folder, now=now, origin=origin, simulated=simulated
            )
            if record.sha256 not in known | received.keys():
                received[record.sha256] = folder
                records.append(asdict(record))
        version = _version(records)
        if version == manifest["version"]:
            return _report(manifest, changed=False)
        _remove_unnamed(lake, dataset, (manifest["version"], manifest["previous"]))
        counts = derive.derive(
            reader, _sources(lake, dataset, records, scratch, received), engine=engine, scratch=scratch
        )
        for sha256, folder in received.items():
            lake.publish(folder, bronze_folder(dataset, sha256))
        for layer in LAYERS:
            lake.publish(scratch / layer, layer_folder(layer, dataset, version))
        manifest = {
            "dataset": dataset,
            "version": version,
            "previous": manifest["version"],
            "ingests": records,
            "counts": asdict(counts),
        }
        lake.write_json(manifest_name(dataset), manifest)
        _remove_unnamed(lake, dataset, (manifest["version"], manifest["previous"]))
        return _report(manifest, changed=True)


def reader_of(dataset: str) -> Reader:
    """The reader of a dataset; FieldError when there is none."""
    if dataset not in READERS:
        raise FieldError("dataset", f"must be one of {', '.join(READERS)}, got {dataset!r}")
    return READERS[dataset]


def current_folder(lake: Store, layer: str, dataset: str) -> str:
    """Where the current version of a dataset's layer lies; FieldError when nothing was ingested."""
    manifest = _manifest(lake, dataset)
    if not manifest["version"]:
        raise FieldError("dataset", f"{dataset} has not been ingested", code="no_data")
    return layer_folder(layer, dataset, manifest["version"])


def manifest_name(dataset: str) -> str:
    """The file that names a dataset's current version."""
    return f"manifests/{dataset}.json"


def bronze_folder(dataset: str, sha256: str) -> str:
    """Where a received file lies."""
    return f"bronze/dataset={dataset}/{sha256}"


def layer_folder(layer: str, dataset: str, version: str) -> str:
    """Where a version of a layer lies; ``year=`` folders are below."""
    return f"{layer}/dataset={dataset}/version={version}"


def _manifest(lake: Store, dataset: str) -> dict[str, Any]:
    """What is known of a dataset; nothing yet where it was never ingested."""
    name = manifest_name(dataset)
    found = lake.read_json(name)
    if found is None:
        return {"version": "", "previous": "", "ingests": []}
    missing = {"dataset", "version", "previous", "ingests", "counts"} - found.keys()
    if missing:
        raise FieldError(lake.path(name), f"is damaged: lacks {', '.join(sorted(missing))}", code="damaged")
    return found


def _version(records: Sequence[dict[str, Any]]) -> str:
    """A name for what is derived from these files in this order."""
    names = [str(LAYOUT), *(f"{record['sha256']} {record['received_at']}" for record in records)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _sources(
    lake: Store,
    dataset: str,
    records: Sequence[dict[str, Any]],
    scratch: Path,
    received: Mapping[str, Path],
) -> list[derive.Received]:
    """Where each file lies: those just ``received`` in scratch, the others in bronze."""
    return [
        derive.Received(
            record=Record(**record),
            sequence=sequence,
            folder=received.get(record["sha256"])
            or lake.mirrored(bronze_folder(dataset, record["sha256"]), scratch / "bronze" / record["sha256"]),
        )
        for sequence, record in enumerate(records)
    ]


def _remove_unnamed(lake: Store, dataset: str, named: Sequence[str]) -> None:
    """Remove versions that neither are current nor were, just before, when a reader may have begun."""
    for layer in LAYERS:
        for name in lake.names(f"{layer}/dataset={dataset}"):
            if name.removeprefix("version=") not in named:
                lake.remove(f"{layer}/dataset={dataset}/{name}")


def _report(manifest: dict[str, Any], *, changed: bool) -> Report:
    return Report(
        dataset=manifest["dataset"], version=manifest["version"], changed=changed, **manifest["counts"]
    )
