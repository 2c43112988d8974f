"""Every published format, as its publisher writes it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lake_files import METER_REASONS, NOW, PLD, PLD_HEADER, PUBLISHED, RAW, layer, lines_of, sources

from domain.errors import FieldError
from forecasting.lake.engines import Engine
from forecasting.lake.ingest import Report, ingest
from forecasting.lake.readers import READERS
from forecasting.lake.store import Store


def taken(files: list[Path], dataset: str, lake: Store, engine: Engine) -> Report:
    report = ingest(files, dataset=dataset, lake=lake, engine=engine, now=NOW)
    assert report.kept + report.rejected + report.duplicates == report.read
    return report


def at(frame: pd.DataFrame, series: str, start_utc: str) -> pd.Series:
    [row] = [row for _, row in frame[(frame.series == series) & (frame.start_utc == start_utc)].iterrows()]
    return row


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_each_published_row_is_kept(dataset: str, lake: Store, duckdb_engine: Engine) -> None:
    [file] = sources(dataset, Path())
    report = taken([file], dataset, lake, duckdb_engine)
    assert report.kept == len(file.read_text().splitlines()) - 1
    assert (report.rejected, report.duplicates, report.gaps) == (0, 0, 0)


def test_brasilia_hours_become_utc(lake: Store, duckdb_engine: Engine) -> None:
    taken(sources("ons_load", Path()), "ons_load", lake, duckdb_engine)
    silver = layer(lake, "ons_load", "silver")
    assert at(silver, "SE", "2022-01-01 03:00").load_mw == 31822.656
    assert set(silver.series) == {"N", "NE", "S", "SE"}


def test_the_repeated_total_is_flagged(lake: Store, duckdb_engine: Engine) -> None:
    taken(sources("ons_balance", Path()), "ons_balance", lake, duckdb_engine)
    silver = layer(lake, "ons_balance", "silver")
    assert set(silver[silver.marks.str.contains("total")].series) == {"SIN"}
    parts = silver[~silver.marks.str.contains("total")].groupby("start_utc").load_mw.sum()
    total = silver[silver.series == "SIN"].set_index("start_utc").load_mw
    np.testing.assert_allclose(parts, total, rtol=1e-6)
    assert at(silver, "N", "2023-01-01 03:00").solar_mw == 0  # published as 0E-8


def test_inmet_decimals_hours_and_empty_stations(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    taken(sources("inmet", tmp_path), "inmet", lake, duckdb_engine)
    silver = layer(lake, "inmet", "silver")
    # 0000 UTC closes the hour before it.
    first = at(silver, "A307", "2019-12-31 23:00")
    assert (first.temperature_c, first.wind_speed_m_per_s, first.pressure_hpa) == (24.8, 1.7, 970.3)
    assert np.isnan(first.radiation_kj_per_m2)
    assert first.marks == "missing:radiation_kj_per_m2"
    empty = silver[silver.series == "A301"]
    assert len(empty) == 24
    assert empty.temperature_c.isna().all()
    assert empty.marks.str.contains("missing:temperature_c").all()


def test_inmet_writes_of_other_years(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    lines = (RAW / "INMET_petrolina_2020_excerpt.CSV").read_text("iso-8859-1").splitlines()[:11]
    lines[8] = lines[8].replace("Data;Hora UTC", "DATA (YYYY-MM-DD);HORA (UTC)")
    cells = "2018-01-01;10:00;,2;-9999;970,8;970,7;-9999;24,6;20,5;24,8;24,6;20,6;20,3;78;76;78;23;3,2;1,1;"
    path = tmp_path / "old.CSV"
    path.write_bytes("\n".join([*lines[:9], cells]).encode("iso-8859-1"))
    taken([path], "inmet", lake, duckdb_engine)
    row = at(layer(lake, "inmet", "silver"), "A307", "2018-01-01 09:00")
    assert row.rain_mm == 0.2
    assert row.marks == "missing:pressure_hpa,missing:radiation_kj_per_m2"


LAYOUTS = {
    "until 2024": PLD,
    "from 2025": f"{PLD_HEADER}\n202401;NORDESTE;1;1;0;61.07\n202401;NORDESTE;2;1;1;62.5\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_layouts_of_pld(layout: str, tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    path = tmp_path / "pld.csv"
    path.write_bytes(LAYOUTS[layout].encode())
    taken([path], "ccee_pld", lake, duckdb_engine)
    silver = layer(lake, "ccee_pld", "silver")
    assert list(silver.price_brl_per_mwh) == [61.07, 62.5]
    assert list(silver.start_utc.astype(str)) == ["2024-01-01 03:00:00", "2024-01-01 04:00:00"]


def test_prices_of_the_day_ahead_are_no_future(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    path = tmp_path / "pld.csv"
    rows = [f"202611;SUL;{24 * day - 1};{day};23;100" for day in (1, 2, 3)]
    path.write_text("\n".join([PLD_HEADER, *rows, ""]))
    report = taken([path], "ccee_pld", lake, duckdb_engine)  # on October 31, 21:00 in Brasília
    assert (report.kept, report.reasons) == (1, {"in_future": 2})


def test_telecom_lists_agree_with_the_plan(lake: Store, duckdb_engine: Engine) -> None:
    for dataset in ("telecom_site_information", "telecom_outage_plan"):
        taken(sources(dataset, Path()), dataset, lake, duckdb_engine)
    sites = layer(lake, "telecom_site_information", "silver").set_index("series")
    plan = layer(lake, "telecom_outage_plan", "silver")
    for site in ("site1", "site2"):
        listed = [word == "true" for word in sites.outage_plan[site].strip("[]").split()]
        assert listed == list(plan[plan.series == site].grid_outage == 1)
    assert (plan.marks == "nominal_date").all()


def test_humidity_above_100_is_kept_and_flagged(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    text = (RAW / PUBLISHED["telecom_sites"]).read_text().replace(",59.05,", ",104.2,", 1)
    path = tmp_path / "sites.csv"
    path.write_text(text)
    taken([path], "telecom_sites", lake, duckdb_engine)
    row = at(layer(lake, "telecom_sites", "silver"), "site1", "2000-01-01 00:00")
    assert (row.humidity_pct, row.marks) == (104.2, "nominal_date,outside:humidity_pct")
    gold = layer(lake, "telecom_sites", "gold")
    assert gold[gold.suspect][["quantity", "value"]].to_numpy().tolist() == [["humidity_pct", 104.2]]


def test_fontanas_weather_ends_hours_and_its_tariff_begins_them(
    tmp_path: Path, lake: Store, duckdb_engine: Engine
) -> None:
    for dataset in ("fontana_weather", "fontana_tariff"):
        taken(sources(dataset, tmp_path), dataset, lake, duckdb_engine)
    weather = layer(lake, "fontana_weather", "silver")
    noon = at(weather, "fontana", "2016-08-01 18:00")  # 11:00 to 12:00 in California
    assert (noon.temperature_c, noon.dni_w_per_m2, noon.marks) == (30.5, 850, "")
    assert list(weather.marks) == ["", "missing:dni_w_per_m2,outside:humidity_pct"]
    tariff = layer(lake, "fontana_tariff", "silver")
    for start_utc, usd_per_kwh in (("2016-10-01 06:00", 0.22), ("2016-10-01 07:00", 0.21)):  # local midnight
        assert at(tariff, "fontana", start_utc).tariff_usd_per_kwh == usd_per_kwh


def test_doubled_and_absent_labels_leave_no_gap(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    autumn = sources("simbench", tmp_path)
    report = taken(autumn, "simbench", lake, duckdb_engine)
    silver = layer(lake, "simbench", "silver")
    assert (report.gaps, report.kept) == (0, 4 * 24 * 2 + 4)
    assert silver.marks.str.contains("repeated_hour").sum() == 8
    repeated = silver[silver.marks.str.contains("repeated_hour")]
    assert (repeated.start_utc.diff().dropna() == pd.Timedelta("15min")).all()
    assert (repeated.line.diff().dropna() == 1).all()
    spring = tmp_path / "spring.csv"
    spring.write_text(lines_of("buildings/simbench_15min_2016.csv.gz", ("2[67].03.2016",)))
    other = Store(tmp_path / "spring")
    report = taken([spring], "simbench", other, duckdb_engine)
    assert (report.gaps, report.kept) == (0, 4 * 24 * 2 - 4)


def test_hours_that_are_there_once_or_never_were(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    report = taken(sources("fontana_load", tmp_path), "fontana_load", lake, duckdb_engine)
    silver = layer(lake, "fontana_load", "silver")
    # Autumn: 1:00 to 2:00 came twice, is in the file once.
    assert at(silver, "1", "2016-11-06 08:00").marks == "repeated_hour"
    assert at(silver, "1", "2016-11-06 09:00").marks == "gap"
    assert report.gaps == 11
    spring = tmp_path / "spring.csv"
    spring.write_text(lines_of("buildings/fontana_buildings_01_11.csv.gz", ("2017-03-1[1-3]",)))
    report = taken([spring], "fontana_load", Store(tmp_path / "spring"), duckdb_engine)
    assert (report.reasons, report.gaps) == ({"skipped_hour": 11}, 0)


def test_each_bad_line_has_its_reason(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    [path] = sources("meter_15min", tmp_path)
    report = taken([path], "meter_15min", lake, duckdb_engine)
    assert report.reasons == METER_REASONS
    lines = path.read_text().splitlines()
    rejects = layer(lake, "meter_15min", "rejects")
    assert sorted(lines[line - 1] for line in rejects[rejects.reason == "not_a_number:energy_wh"].line) == [
        "A,2023-03-01T02:00Z,5d,no number",
        "A,2023-03-01T02:15Z,1e999,too large",
        "A,2023-03-01T02:30Z,1_000,no number either",
    ]
    silver = layer(lake, "meter_15min", "silver")
    assert at(silver, "A", "2023-03-01 01:15").marks == "revised"
    assert at(silver, "A", "2023-03-01 01:15").energy_wh == 8
    assert at(silver, "A", "2023-03-01 01:00").marks == "missing:energy_wh"
    gaps = silver[silver.method == "none"]
    assert list(gaps.marks.unique()) == ["gap"]
    assert gaps.energy_wh.isna().all()
    assert gaps.groupby("series").size().to_dict() == {"A": 2, "B": 2}


def test_the_platforms_own_history(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    path = tmp_path / "history.csv"
    path.write_text(
        "meter_id,interval_start,interval_s,import_wh,export_wh,soc_wh\n"
        "0xab,2026-01-01T00:00:00Z,900,5,0,\n0xab,2026-01-01T00:15:00Z,3600,5,0,\n"
    )
    report = taken([path], "history_15min", lake, duckdb_engine)
    assert report.reasons == {"other_interval": 1}


def test_a_file_of_another_kind_is_refused(lake: Store, duckdb_engine: Engine) -> None:
    with pytest.raises(FieldError, match=r"line 1, column val_cmo: is missing; the file has id_subsistema"):
        taken(sources("ons_load", Path()), "ons_cmo", lake, duckdb_engine)
    assert lake.names("bronze") == []


def test_bytes_that_are_no_text_are_rejected(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> None:
    path = tmp_path / "meters.csv"
    path.write_bytes(b"meter_id,start_utc,energy_wh\nA,2023-01-01T00:00Z,1\n\xff\xfe,2023-01-01T00:15Z,1\n")
    report = taken([path], "meter_15min", lake, duckdb_engine)
    assert report.reasons == {"not_text": 1}


def test_names_of_datasets_and_quantities_are_distinct() -> None:
    for name, reader in READERS.items():
        assert name == reader.dataset
        assert len(set(reader.published)) == len(reader.keys) + len(reader.quantities) + len(reader.wordings)
