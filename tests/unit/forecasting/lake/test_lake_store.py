"""What a lake holds after ingests that are repeated, killed, or go to an object store."""

import hashlib
import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from lake_files import NOW, RAW, layer, sources
from s3_stub import s3_stub

from domain.errors import FieldError
from forecasting.lake import derive
from forecasting.lake.engines import DUCKDB, Engine, opened
from forecasting.lake.ingest import LAYERS, current_folder, ingest
from forecasting.lake.store import Store

HEADER = "meter_id,start_utc,energy_wh\n"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def meters(folder: Path, name: str, rows: str) -> Path:
    path = folder / name
    path.write_text(HEADER + rows)
    return path


def test_bronze_is_what_was_received(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    [source] = sources("ons_ear", tmp_path)
    ingest([source], dataset="ons_ear", lake=lake, engine=duckdb_engine, now=NOW, origin="https://ons")
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    folder = Path(lake.path(f"bronze/dataset=ons_ear/{sha256}"))
    assert (folder / source.name).read_bytes() == source.read_bytes()
    record = json.loads((folder / "record.json").read_text())
    assert record["sha256"] == sha256
    assert (record["origin"], record["received_at"], record["lines"]) == ("https://ons", NOW.isoformat(), 28)


@pytest.mark.parametrize("name", ["record.json", "Record.JSON", "rows.parquet", "part.parquet"])
def test_a_name_that_bronze_needs_for_itself_is_refused(
    name: str, tmp_path: Path, lake: Store, duckdb_engine: Engine
) -> None:
    source = meters(tmp_path, name, "A,2023-01-01T00:00Z,1\n")
    with pytest.raises(FieldError, match=f"{name}: bronze has this name"):
        ingest([source], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    assert lake.names("bronze") == []
    assert source.read_text() == HEADER + "A,2023-01-01T00:00Z,1\n"


@pytest.mark.parametrize("damage", [b'{"version": "ab', b"\xff\xfe", b"[]", b"null", b'{"version": "ab"}'])
def test_a_damaged_manifest_is_named_and_left_as_it_is(
    damage: bytes, tmp_path: Path, lake: Store, duckdb_engine: Engine
) -> None:
    source = meters(tmp_path, "good.csv", "A,2023-01-01T00:00Z,1\n")
    ingest([source], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    manifest = tmp_path / "lake/manifests/meter_15min.json"
    manifest.write_bytes(damage)
    with pytest.raises(FieldError, match=r"manifests/meter_15min\.json: is damaged"):
        ingest([source], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    with pytest.raises(FieldError, match=r"manifests/meter_15min\.json: is damaged"):
        current_folder(lake, "gold", "meter_15min")
    assert manifest.read_bytes() == damage


def test_the_same_file_again_changes_nothing(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    [source] = sources("meter_15min", tmp_path)
    first = ingest([source], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    before = contents(tmp_path / "lake")
    renamed = source.rename(tmp_path / "another_name.csv")
    again = ingest([renamed, renamed], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    assert (first.changed, again.changed) == (True, False)
    assert again.reasons == first.reasons
    assert contents(tmp_path / "lake") == before


def test_a_later_file_corrects_an_earlier_one(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    old = meters(tmp_path, "old.csv", "A,2023-01-01T00:00Z,1\nA,2023-01-01T00:15Z,2\n")
    new = meters(tmp_path, "new.csv", "A,2023-01-01T00:15Z,3\nA,2023-01-01T01:00Z,4\n")
    for file in (old, new):
        report = ingest([file], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    assert (report.read, report.kept, report.reasons, report.gaps) == (4, 3, {"superseded": 1}, 2)
    silver = layer(lake, "meter_15min", "silver")
    assert list(silver.energy_wh.dropna()) == [1, 3, 4]
    assert list(silver.ingest.dropna()) == [0, 1, 1]
    assert list(silver.marks) == ["", "revised", "gap", "gap", ""]


def test_a_file_without_one_good_row_is_an_answer(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    bad = meters(tmp_path, "bad.csv", "A,yesterday,1\n")
    report = ingest([bad], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    assert (report.read, report.kept, report.reasons) == (1, 0, {"unreadable_time": 1})


def test_of_files_that_are_refused_together_none_stays(
    tmp_path: Path, lake: Store, duckdb_engine: Engine
) -> None:
    good = meters(tmp_path, "good.csv", "A,2023-01-01T00:00Z,1\n")
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing,of,ours\n")
    stamps = (f"A,{year}-01-01T00:{minute}Z,1\n" for year in (2003, 2023) for minute in ("00", "15"))
    far = meters(tmp_path, "far.csv", "".join(stamps))
    for files in ([good, bad], [good, far]):
        with pytest.raises(FieldError):
            ingest(files, dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
        assert contents(tmp_path / "lake").keys() <= {".work/meter_15min.lock"}


def killed_midway(root: Path, source: Path) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    derive._write_gold = die  # type: ignore[assignment]  # silver is written by then, gold is not
    with opened(DUCKDB, scratch=root / "scratch") as engine:
        ingest([source], dataset="meter_15min", lake=Store(root), engine=engine, now=NOW)


def test_a_killed_ingest_leaves_nothing_to_see(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    good = meters(tmp_path, "good.csv", "A,2023-01-01T00:00Z,1\n")
    ingest([good], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    seen = {name: layer(lake, "meter_15min", name) for name in LAYERS}
    more = meters(tmp_path, "more.csv", "A,2023-01-01T00:15Z,2\n")
    child = multiprocessing.get_context("spawn").Process(target=killed_midway, args=(tmp_path / "lake", more))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert (tmp_path / "lake/.work/meter_15min/silver").exists()
    for name in LAYERS:
        assert layer(lake, "meter_15min", name).equals(seen[name])
        assert len(lake.names(f"{name}/dataset=meter_15min")) == 1
    report = ingest([more], dataset="meter_15min", lake=lake, engine=duckdb_engine, now=NOW)
    assert (report.kept, report.gaps) == (2, 0)
    assert not (tmp_path / "lake/.work/meter_15min").exists()


def test_an_object_store_holds_the_same_lake(
    tmp_path: Path, lake: Store, duckdb_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_stub() as (url, objects):
        settings = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # else bodies come in signed chunks
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        remote = Store("s3://bucket/lake")
        old = meters(tmp_path, "old.csv", "A,2023-01-01T00:00Z,1\nA,2023-01-01T00:15Z,2\n")
        new = meters(tmp_path, "new.csv", "A,2023-01-01T00:15Z,3\nA,2024-01-01T01:00Z,4\n")
        for files in ([old, old], [new], [RAW / "missing"], [new]):
            for place in (remote, lake):
                if not files[0].exists():
                    with pytest.raises(FieldError, match="not a file"):
                        ingest(files, dataset="meter_15min", lake=place, engine=duckdb_engine, now=NOW)
                    continue
                ingest(files, dataset="meter_15min", lake=place, engine=duckdb_engine, now=NOW)
        for name in LAYERS:
            assert layer(remote, "meter_15min", name).equals(layer(lake, "meter_15min", name))
        stored = {name.removeprefix("bucket/lake/") for name in objects}
        assert stored == {name for name in contents(tmp_path / "lake") if not name.startswith(".work")}


def test_a_lake_that_cannot_be_is_refused() -> None:
    with pytest.raises(FieldError, match="lake"):
        Store("gopher://nowhere")
