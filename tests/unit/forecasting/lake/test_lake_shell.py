"""The lake from the shell."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from lake_files import layer, sources
from portal_stub import portal_stub

from forecasting.lake.engines import DUCKDB, Engine, opened
from forecasting.lake.readers import READERS
from forecasting.lake.shell import add_lake_parser, run
from forecasting.lake.store import Store


def shell(*arguments: str) -> int:
    parser = ArgumentParser()
    add_lake_parser(parser.add_subparsers(dest="command", required=True))
    return run(parser.parse_args(["lake", *arguments]))


def test_counts_and_reasons_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_URL", str(tmp_path / "lake"))
    [source] = sources("meter_15min", tmp_path)
    arguments = ("ingest", str(source), "--dataset", "meter_15min")
    assert shell(*arguments) == 0
    told = capsys.readouterr().out
    assert "meter_15min: 19 read = 6 kept + 11 rejected + 2 duplicates; 4 gaps\n" in told
    assert "  3 not_a_number:energy_wh\n" in told
    assert shell(*arguments) == 0
    assert "4 gaps, nothing new\n" in capsys.readouterr().out


def test_what_was_simulated_for_a_portal_that_is_down_is_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = READERS["ons_load"]
    assert reader.portal
    lake = tmp_path / "lake"
    with portal_stub() as stub:
        near = replace(reader, portal=replace(reader.portal, base_url=stub.url))
        monkeypatch.setitem(READERS, "ons_load", near)
        stub.link = "http://["
        arguments = ("ingest", "--resource", "2022", "--dataset", "ons_load", "--lake", str(lake))
        assert shell(*arguments, "--cache", str(tmp_path / "cache")) == 0
    assert capsys.readouterr().err.startswith("ons_load: simulated: http://[: ")
    assert layer(Store(lake), "ons_load", "silver").simulated.all()


@pytest.mark.parametrize("setting", ["duckdb", "pyspark"])
def test_the_engine_is_a_setting(setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    @contextmanager
    def remembered(name: str, *, scratch: Path) -> Iterator[Engine]:
        used.append(name)
        with opened(DUCKDB, scratch=scratch) as engine:
            yield engine

    monkeypatch.setattr("forecasting.lake.shell.opened", remembered)
    monkeypatch.setenv("LAKE_ENGINE", setting)
    [source] = sources("meter_15min", tmp_path)
    assert shell("ingest", str(source), "--dataset", "meter_15min", "--lake", str(tmp_path / "lake")) == 0
    assert used == [setting]


def test_each_dataset_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell("datasets") == 0
    assert "ons_load" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "ons_load"), "name either files or --resource"),
        (("missing.csv", "--dataset", "ons_load"), "missing.csv is not a file"),
        (("foo://x", "--dataset", "ons_load"), "foo://x cannot be opened: Protocol not known: foo"),
        (("x.csv", "--dataset", "weather"), "must be one of ons_load"),
        (("x.csv", "--dataset", "ons_load", "--engine", "polars"), "LAKE_ENGINE"),
    ],
)
def test_what_cannot_be_accepted_is_said(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("ingest", *arguments, "--lake", str(tmp_path / "lake")) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
