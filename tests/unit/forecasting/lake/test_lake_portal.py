"""A portal that fails, stalls or lies costs freshness, never truth."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from lake_files import NOW, layer
from portal_stub import PortalStub, portal_stub

from domain.errors import FieldError
from forecasting.lake.engines import Engine
from forecasting.lake.ingest import ingest
from forecasting.lake.portal import ATTEMPTS, Fetched, Fetcher, Freshness
from forecasting.lake.reader import Reader
from forecasting.lake.readers import READERS
from forecasting.lake.simulated import simulated_file
from forecasting.lake.store import Store

IMPATIENT = httpx.Timeout(0.3)
SECOND = "SE;SUDESTE;2022-01-01 01:00:00;31470.5\n"


@pytest.fixture
def stub() -> Iterator[PortalStub]:
    with portal_stub() as found:
        yield found


class Portal:
    """One portal, one cache, and the waits between attempts."""

    def __init__(self, stub: PortalStub, cache: Path) -> None:
        self.waits: list[float] = []
        reader = READERS["ons_load"]
        assert reader.portal
        self.reader: Reader = replace(reader, portal=replace(reader.portal, base_url=stub.url))
        self.cache = cache

    def fetch(self) -> Fetched:
        with httpx.Client(timeout=IMPATIENT) as client:
            fetcher = Fetcher(client=client, cache=self.cache, sleep=self.waits.append)
            return fetcher.fetch(self.reader, resource="2022", now=NOW, seed=7)


@pytest.fixture
def portal(stub: PortalStub, tmp_path: Path) -> Portal:
    return Portal(stub, tmp_path / "cache")


def test_the_csv_of_the_named_resource_comes_byte_for_byte(stub: PortalStub, portal: Portal) -> None:
    fetched = portal.fetch()
    assert (fetched.freshness, fetched.trouble) == (Freshness.FRESH, "")
    assert fetched.origin == f"{stub.url}/2022.csv"
    assert fetched.path.read_bytes() == stub.body.encode()
    assert portal.waits == []


def test_what_has_not_changed_is_not_sent_again(stub: PortalStub, portal: Portal) -> None:
    first = portal.fetch()
    again = portal.fetch()
    assert (again.freshness, again.path) == (Freshness.UNCHANGED, first.path)
    assert stub.requests[-1] == ("/2022.csv", '"one"')
    stub.etag, stub.body = '"two"', stub.body + SECOND
    newer = portal.fetch()
    assert newer.freshness == Freshness.FRESH
    assert newer.path.read_text() == stub.body


@pytest.mark.parametrize("mood", ["fails", "stalls", "truncates", "sends a page", "sends nothing"])
def test_a_passing_trouble_is_tried_again_after_longer_and_longer_waits(
    mood: str, stub: PortalStub, portal: Portal
) -> None:
    stub.moods = [mood, mood]
    fetched = portal.fetch()
    assert fetched.freshness == Freshness.FRESH
    assert fetched.path.read_text() == stub.body
    assert portal.waits == [1, 2]


@pytest.mark.parametrize("mood", ["gone", "sends another table"])
def test_a_lasting_trouble_is_not_tried_again(mood: str, stub: PortalStub, portal: Portal) -> None:
    stub.moods = [mood]
    assert portal.fetch().freshness == Freshness.SIMULATED
    assert portal.waits == []


def test_a_resource_that_there_is_not_is_told_unless_there_was_one(stub: PortalStub, portal: Portal) -> None:
    stub.name = "Curva de Carga - 2023"
    with pytest.raises(
        FieldError, match=r"resource: no CSV of .* has '2022' .* - 2021; Curva de Carga - 2023"
    ):
        portal.fetch()
    stub.name = "Curva de Carga - 2022"
    portal.fetch()
    stub.name = "Curva de Carga - 2023"
    fetched = portal.fetch()
    assert fetched.freshness == Freshness.LAST_GOOD
    assert fetched.path.read_text() == stub.body


@pytest.mark.parametrize(
    "link", ["http://[bad", "http://host:port/2022.csv", "file:///etc/passwd", "2022.csv"]
)
def test_a_link_that_leads_nowhere_is_a_trouble_like_another(
    link: str, stub: PortalStub, portal: Portal
) -> None:
    stub.link = link
    fetched = portal.fetch()
    assert fetched.freshness == Freshness.SIMULATED
    assert link in fetched.trouble


@pytest.mark.parametrize(
    "mood",
    [
        "fails",
        "truncates",
        "sends a page",
        "sends another table",
        "sends an endless line",
        "ends lines with CR",
    ],
)
def test_the_last_good_copy_outlives_the_portal(mood: str, stub: PortalStub, portal: Portal) -> None:
    good = portal.fetch()
    stub.etag, stub.moods = '"two"', [mood] * ATTEMPTS
    fetched = portal.fetch()
    assert fetched.freshness == Freshness.LAST_GOOD
    assert fetched.origin == good.origin
    assert fetched.path.read_text() == stub.body
    assert "2022.csv" in fetched.trouble


def test_a_simulated_series_is_marked_in_every_layer_until_the_real_one_comes(
    stub: PortalStub, portal: Portal, lake: Store, duckdb_engine: Engine
) -> None:
    stub.down = True
    fetched = portal.fetch()
    assert fetched.freshness == Freshness.SIMULATED
    assert "503" in fetched.trouble
    assert fetched.path.read_bytes() == simulated_file(portal.reader, until=NOW, seed=7)
    report = ingest(
        [fetched.path], dataset="ons_load", lake=lake, engine=duckdb_engine, now=NOW, simulated=True
    )
    assert (report.kept, report.rejected, report.gaps) == (28 * 24 * 4, 0, 0)
    assert set(layer(lake, "ons_load", "silver").method) == {"simulated"}
    gold = layer(lake, "ons_load", "gold")
    assert gold.simulated.all()
    assert set(gold.method) == {"simulated"}

    real = portal.cache / "real.csv"
    real.write_text(stub.body.replace("2022-01-01", "2026-10-30"))
    ingest([real], dataset="ons_load", lake=lake, engine=duckdb_engine, now=NOW)
    silver = layer(lake, "ons_load", "silver")
    [published] = silver[silver.method == "published"].to_dict("records")
    assert (published["load_mw"], published["marks"]) == (31822.656, "revised")


def test_a_late_simulation_does_not_replace_what_was_received(
    tmp_path: Path, lake: Store, duckdb_engine: Engine
) -> None:
    reader = READERS["ccee_pld"]
    real, made_up = tmp_path / "real.csv", tmp_path / "made_up.csv"
    real.write_bytes(simulated_file(reader, until=NOW, seed=1))
    made_up.write_bytes(simulated_file(reader, until=NOW, seed=2))
    ingest([real], dataset=reader.dataset, lake=lake, engine=duckdb_engine, now=NOW)
    report = ingest(
        [made_up], dataset=reader.dataset, lake=lake, engine=duckdb_engine, now=NOW, simulated=True
    )
    assert report.reasons == {"superseded": 28 * 24 * 4}
    assert not layer(lake, reader.dataset, "silver").simulated.any()


@pytest.mark.parametrize("name", [name for name, reader in READERS.items() if reader.portal])
def test_each_portal_can_be_stood_in_for(name: str, tmp_path: Path, duckdb_engine: Engine) -> None:
    path = tmp_path / "simulated.csv"
    path.write_bytes(simulated_file(READERS[name], until=NOW, seed=3, days=2))
    lake = Store(tmp_path / "lake")
    report = ingest([path], dataset=name, lake=lake, engine=duckdb_engine, now=NOW, simulated=True)
    assert (report.rejected, report.duplicates, report.gaps) == (0, 0, 0)
    assert set(layer(lake, name, "silver").marks) == {""}


def test_a_dataset_without_a_portal_cannot_be_fetched(tmp_path: Path) -> None:
    with httpx.Client() as client, pytest.raises(FieldError, match="no portal"):
        Fetcher(client=client, cache=tmp_path, sleep=lambda _: None).fetch(
            READERS["inmet"], resource="", now=NOW, seed=1
        )
