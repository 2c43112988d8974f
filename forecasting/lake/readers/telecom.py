"""Telecom sites of the ITU challenge "Smart Energy Supply Scheduling for Green Telecom".

The series count days from 1 and have no date: they are placed from 2000-01-01 UTC on, every row flagged
``nominal_date``. The outage plan covers 168 hours; how it aligns with the 60 days is not published.
"""

from datetime import timedelta

import ibis.expr.types as ir

from forecasting.lake import cells
from forecasting.lake.reader import Quantity, Reader, Wording

NOMINAL_START_S = 946_684_800  # 2000-01-01 00:00 UTC
HOUR_S, DAY_HOURS = 3_600, 24
SOURCE = "ITU, Smart Energy Supply Scheduling for Green Telecom Challenge"


def _site(rows: ir.Table) -> ir.StringValue:
    return cells.text(rows, "site")


def _count(rows: ir.Table, name: str, pattern: str) -> ir.IntegerValue:
    """A whole number whose text matches, else null."""
    text = cells.text(rows, name)
    return cells.case((cells.matches(text, pattern), text.try_cast("int64")))


def _nominal_s(hours: ir.IntegerValue) -> ir.IntegerValue:
    return hours * HOUR_S + NOMINAL_START_S


def _day_and_hour_s(rows: ir.Table) -> ir.IntegerValue:
    day = _count(rows, "day", r"[1-9]\d{0,3}")
    hour = _count(rows, "hour", r"1?\d|2[0-3]")
    return _nominal_s((day - 1) * DAY_HOURS + hour)


SITES = Reader(
    dataset="telecom_sites",
    source=SOURCE,
    keys={"site": ("site",), "day": ("day",), "hour": ("hour",)},
    series=_site,
    clock_s=_day_and_hour_s,
    step=timedelta(hours=1),
    marks={"nominal_date": lambda rows: rows["site"].notnull()},
    quantities=(
        Quantity("load_kwh", ("load_kwh",), least=0),
        Quantity("solar_kwh", ("solar_kwh",), least=0),
        Quantity("solar_zenith_deg", ("solar_zenith_deg",), least=0, most=180),
        Quantity("clearsky_dhi_w_per_m2", ("clearsky_dhi",), least=0, most=1_500),
        Quantity("clearsky_dni_w_per_m2", ("clearsky_dni",), least=0, most=1_500),
        Quantity("clearsky_ghi_w_per_m2", ("clearsky_ghi",), least=0, most=1_500),
        Quantity("dhi_w_per_m2", ("dhi",), least=0, most=1_500),
        Quantity("dni_w_per_m2", ("dni",), least=0, most=1_500),
        Quantity("ghi_w_per_m2", ("ghi",), least=0, most=1_500),
        Quantity("humidity_pct", ("relative_humidity_pct",), least=0, most=100),
    ),
)

OUTAGE_PLAN = Reader(
    dataset="telecom_outage_plan",
    source=SOURCE,
    keys={"site": ("site",), "hour_index": ("hour_index",)},
    series=_site,
    clock_s=lambda rows: _nominal_s(_count(rows, "hour_index", r"\d{1,5}")),
    step=timedelta(hours=1),
    marks={"nominal_date": lambda rows: rows["site"].notnull()},
    quantities=(Quantity("grid_outage", ("grid_outage",), least=0, most=1),),
)

SITE_INFORMATION = Reader(
    dataset="telecom_site_information",
    source=SOURCE,
    keys={"site": ("Site Id",)},
    series=_site,
    quantities=(
        Quantity("diesel_power_kw", ("diesel power(kW)",), least=0),
        Quantity("battery_capacity_ah", ("battery capacity (Ah)",), least=0),
        # As published, with full-width brackets.
        Quantity("rated_voltage_v", ("rated voltage\uff08V\uff09",), least=0),
        Quantity("charge_coefficient", ("battery charge coefficient",), least=0),
        Quantity("discharge_coefficient", ("battery discharge coefficient",), least=0),
        Quantity("initial_soc", ("init SOC",), least=0, most=1),
        Quantity("depth_of_discharge", ("DOD",), least=0, most=1),
        Quantity("grid_power_kw", ("grid power(kW)",), least=0),
    ),
    wordings=(Wording("outage_plan", ("grid outage plan",), r"\[(true|false)( (true|false)){167}\]"),),
)
