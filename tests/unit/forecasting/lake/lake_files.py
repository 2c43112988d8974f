"""Small inputs of every dataset, and how a lake's Parquet is read back."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.dataset

from forecasting.lake.ingest import current_folder
from forecasting.lake.store import Store

DATA = Path(__file__).parents[4] / "data"
RAW = DATA / "raw_formats"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEYS = ("series", "quantity", "start_utc", "ingest", "line", "reason")

PUBLISHED = {
    "ons_load": "CURVA_CARGA_2022_excerpt.csv",
    "ons_cmo": "CMO_SEMIHORARIO_2021_excerpt.csv",
    "ons_balance": "BALANCO_ENERGIA_SUBSISTEMA_2023_excerpt.csv",
    "ons_ear": "EAR_DIARIO_SUBSISTEMA_2024_excerpt.csv",
    "ons_ena": "ENA_DIARIO_SUBSISTEMA_2024_excerpt.csv",
    "telecom_sites": "telecom_sites_excerpt.csv",
    "telecom_outage_plan": "telecom_outage_plan_excerpt.csv",
    "telecom_site_information": "telecom_site_information_raw_excerpt.csv",
}

METERS = """meter_id,start_utc,energy_wh,note
A,2023-03-01T00:00:00Z,100,first
A,2023-03-01T00:15:00Z,1e2,ok
A,2023-03-01T00:15:00Z,100.0,the same again
A,2023-03-01T01:00:00+00:00,,empty
A,2023-03-01T01:15:00Z,7,to be corrected
A,2023-02-28T22:15:00-03:00,8,corrects it
A,2023-03-01T01:37:00Z,5,off the grid
A,2023-03-01 02:00,5,no offset
A,2023-02-30T02:00Z,5,no such day
A,2023-03-01T24:00Z,5,no such hour
A,2023-03-01T02:00Z,5d,no number
A,2023-03-01T02:15Z,1e999,too large
A,2023-03-01T02:30Z,1_000,no number either
,2023-03-01T02:45Z,5,nobody's
A,2023-03-01T03:00Z
A,2099-01-01T00:00Z,5,not yet
B,2023-12-31T23:45Z,-.5,generation
B,2024-01-01T00:30Z,+2.,next year

"""
WEATHER = (
    "hour_ending_local,outdoor_dry_bulb_temperature,outdoor_relative_humidity,"
    "diffuse_solar_irradiance,direct_solar_irradiance\n"
    "2016-08-01T12:00,30.5,41,120,850\n2016-08-01T13:00,31.0,101,118,\n"
)
PLD_HEADER = "MES_REFERENCIA;SUBMERCADO;PERIODO_COMERCIALIZACAO;DIA;HORA;PLD_HORA"
PLD = f"""{PLD_HEADER}\r
"202401";NORDESTE;1;"01";"00";61.07\r
"202401";NORDESTE;2;"01";"01";62.5\r
"""
METER_REASONS = {
    "duplicate": 1,
    "in_future": 1,
    "no_series": 2,
    "not_a_number:energy_wh": 3,
    "off_grid": 1,
    "superseded": 1,
    "unreadable_time": 3,
    "wrong_number_of_cells": 1,
}


def sources(dataset: str, folder: Path) -> list[Path]:
    """Small files of a dataset, written into ``folder`` where the repository has none."""
    if dataset in PUBLISHED:
        return [RAW / PUBLISHED[dataset]]
    if dataset == "inmet":
        return [RAW / "INMET_petrolina_2020_excerpt.CSV", RAW / "INMET_recife_2022_excerpt.CSV"]
    path = folder / f"{dataset}.csv"
    if dataset == "fontana_load":
        path.write_text(lines_of("buildings/fontana_buildings_01_11.csv.gz", ("2016-11-0[5-7]",)))
    elif dataset == "simbench":
        path.write_text(lines_of("buildings/simbench_15min_2016.csv.gz", ("(29|30).10.2016",)))
    elif dataset == "fontana_tariff":
        path.write_text(lines_of("buildings/fontana_tariff_carbon.csv.gz", ("2016-09-30", "2016-10-01")))
    elif dataset == "fontana_weather":
        path.write_text(WEATHER)
    elif dataset == "ccee_pld":
        path.write_bytes(PLD.encode())
    elif dataset == "meter_15min":
        path.write_text(METERS)
    else:
        raise ValueError(dataset)
    return [path]


def layer(lake: Store, dataset: str, name: str) -> pd.DataFrame:
    """All rows of the current version of a layer, in order of their keys."""
    files = lake.filesystem.find(lake.path(current_folder(lake, name, dataset)))
    files = [file for file in files if file.endswith(".parquet")]
    if not files:
        return pd.DataFrame()
    frame = pyarrow.dataset.dataset(files, filesystem=lake.filesystem).to_table().to_pandas()
    return frame.sort_values([key for key in KEYS if key in frame]).reset_index(drop=True)


def lines_of(name: str, times: tuple[str, ...]) -> str:
    with gzip.open(DATA / name, "rt") as file:
        header, *rows = file
    chosen = pd.Series(rows)
    return header + "".join(chosen[chosen.str.match("|".join(times))])
