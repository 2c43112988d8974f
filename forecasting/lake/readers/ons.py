"""What the files of ONS, Brazil's system operator, have in common: `;`, Brasília time, ids of subsystems."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import ibis.expr.types as ir

from forecasting.lake import cells

BASE_URL = "https://dados.ons.org.br"
SUBSYSTEMS = {"N": "NORTE", "NE": "NORDESTE", "S": "SUL", "SE": "SUDESTE"}
BRASILIA = "America/Sao_Paulo"
BRASILIA_STANDARD = "Etc/GMT+3"  # UTC-3 (the sign of these names is reversed)
DAY_AHEAD = timedelta(days=2)  # from the day before, however early, to the last interval of the day
INSTANT = "%Y-%m-%d %H:%M:%S"


def subsystem(rows: ir.Table) -> ir.StringValue:
    """The id, such as SE."""
    return cells.text(rows, "subsystem").upper()


def instant(rows: ir.Table) -> ir.IntegerValue:
    """``din_instante``, the interval's beginning on Brasília's clock."""
    return cells.clock_seconds(cells.text(rows, "label"))


def day(rows: ir.Table) -> ir.IntegerValue:
    """A date, the beginning of its day."""
    return cells.clock_seconds(cells.text(rows, "label") + " 00:00")


def instant_keys(series: str, start: datetime) -> Mapping[str, str]:
    """The key cells of a published hourly or half-hourly row."""
    return {"subsystem": series, "subsystem_name": SUBSYSTEMS[series], "label": start.strftime(INSTANT)}


def day_keys(series: str, start: datetime) -> Mapping[str, str]:
    """The key cells of a published daily row."""
    return {**instant_keys(series, start), "label": start.strftime("%Y-%m-%d")}
