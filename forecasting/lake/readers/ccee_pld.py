"""CCEE, PLD horário: hourly settlement price of each submarket, BRL/MWh.

Two layouts are in use: until 2024 cells are quoted and padded (`"202401";NORDESTE;1;"01";"00";61.07`, CRLF),
from 2025 on they are neither (LF). HORA counts from 0, the hour's beginning. Prices of a day are published on
the day before.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import ibis.expr.types as ir

from forecasting.lake import cells
from forecasting.lake.reader import Portal, Quantity, Reader
from forecasting.lake.readers import ons

SUBMARKETS = ("SUDESTE", "SUL", "NORDESTE", "NORTE")


def _clock_s(rows: ir.Table) -> ir.IntegerValue:
    month, day, hour = (cells.text(rows, name) for name in ("month", "day", "hour"))
    label = month.substr(0, 4) + "-" + month.substr(4) + "-" + _padded(day) + " " + _padded(hour) + ":00"
    return cells.clock_seconds(label)


def _padded(digits: ir.StringValue) -> ir.StringValue:
    return cells.case((digits.length() == 1, "0" + digits), otherwise=digits)


def _keys(series: str, start: datetime) -> Mapping[str, str]:
    return {
        "month": start.strftime("%Y%m"),
        "submarket": series,
        "day": str(start.day),
        "hour": str(start.hour),
        "period": str((start.day - 1) * 24 + start.hour + 1),
    }


READER = Reader(
    dataset="ccee_pld",
    source="CCEE, preço de liquidação das diferenças horário",
    keys={
        "month": ("MES_REFERENCIA",),
        "submarket": ("SUBMERCADO",),
        "period": ("PERIODO_COMERCIALIZACAO",),
        "day": ("DIA",),
        "hour": ("HORA",),
    },
    series=lambda rows: cells.text(rows, "submarket").upper(),
    clock_s=_clock_s,
    step=timedelta(hours=1),
    zone=ons.BRASILIA,
    ahead=ons.DAY_AHEAD,
    delimiter=";",
    quantities=(Quantity("price_brl_per_mwh", ("PLD_HORA",), least=0, most=2_000),),
    portal=Portal(
        base_url="https://dadosabertos.ccee.org.br",
        package="pld_horario",
        series=SUBMARKETS,
        levels={"price_brl_per_mwh": 120},
        keys=_keys,
    ),
)
