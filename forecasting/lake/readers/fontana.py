"""Eleven homes in Fontana, California, with their weather and tariff (CityLearn).

Labels are local. Those of loads and weather mark the hour's **end**, those of the tariff its beginning. Every
day has 24 rows: the hour that autumn repeats is there once, so the second of the two becomes a gap; the hour
that spring skips is there although it never was, and is rejected. The weather's "forecast" columns are its
own values, moved: they are not taken.
"""

from datetime import timedelta

import ibis.expr.types as ir

from forecasting.lake import cells
from forecasting.lake.reader import Quantity, Reader

SOURCE = "CityLearn challenge 2022 (EPRI, Sierra Crest)"
ZONE = "America/Los_Angeles"
HOUR = timedelta(hours=1)
HOUR_S = 3_600
LABEL = {"label": ("hour_ending_local",)}


def _end_s(rows: ir.Table) -> ir.IntegerValue:
    return cells.clock_seconds(cells.text(rows, "label"))


def _start_s(rows: ir.Table) -> ir.IntegerValue:
    return _end_s(rows) - HOUR_S


def _only(rows: ir.Table) -> ir.StringValue:
    return cells.case((rows["label"].notnull(), "fontana"))


LOAD = Reader(
    dataset="fontana_load",
    source=SOURCE,
    keys={**LABEL, "building": ("building",)},
    series=lambda rows: cells.text(rows, "building"),
    clock_s=_start_s,
    step=HOUR,
    zone=ZONE,
    quantities=(
        Quantity("load_kwh", ("load_kwh",), least=0),
        Quantity("pv_w_per_kwp", ("pv_w_per_kwp",), least=0, most=1_200),
    ),
)

WEATHER = Reader(
    dataset="fontana_weather",
    source=SOURCE,
    keys=LABEL,
    series=_only,
    clock_s=_start_s,
    step=HOUR,
    zone=ZONE,
    quantities=(
        Quantity("temperature_c", ("outdoor_dry_bulb_temperature",), least=-20, most=55),
        Quantity("humidity_pct", ("outdoor_relative_humidity",), least=0, most=100),
        Quantity("dhi_w_per_m2", ("diffuse_solar_irradiance",), least=0, most=1_500),
        Quantity("dni_w_per_m2", ("direct_solar_irradiance",), least=0, most=1_500),
    ),
)

TARIFF = Reader(
    dataset="fontana_tariff",
    source=SOURCE,
    keys=LABEL,
    series=_only,
    # Its seasons change with the label 00:00: it marks beginnings, whatever the column is called.
    clock_s=_end_s,
    step=HOUR,
    zone=ZONE,
    quantities=(
        Quantity("tariff_usd_per_kwh", ("tariff_usd_per_kwh",), least=0, most=5),
        Quantity("carbon_kg_per_kwh", ("carbon_kgco2_per_kwh",), least=0, most=2),
    ),
)
