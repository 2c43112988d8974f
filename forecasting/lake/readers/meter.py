"""Meter readings as CSV, one dataset for each length of interval.

``meter_15min`` and its siblings read any file with ``meter_id``, ``start_utc`` and ``energy_wh`` (positive is
consumption). ``history_15min`` and its siblings read what the platform imports (``data/README.md``).
Starts end in ``Z`` or in an offset from UTC; without one they are rejected.
"""

from datetime import timedelta

import ibis.expr.types as ir

from forecasting.lake import cells
from forecasting.lake.reader import Quantity, Reader

STEPS = {
    "5min": timedelta(minutes=5),
    "15min": timedelta(minutes=15),
    "30min": timedelta(minutes=30),
    "1h": timedelta(hours=1),
}


def _meter(rows: ir.Table) -> ir.StringValue:
    return cells.text(rows, "meter")


def _start_s(rows: ir.Table) -> ir.IntegerValue:
    return cells.utc_seconds(cells.text(rows, "start"))


def _reading(name: str, step: timedelta) -> Reader:
    return Reader(
        dataset=f"meter_{name}",
        source="meter readings",
        keys={"meter": ("meter_id",), "start": ("start_utc",)},
        series=_meter,
        clock_s=_start_s,
        step=step,
        quantities=(Quantity("energy_wh", ("energy_wh",)),),
    )


def _history(name: str, step: timedelta) -> Reader:
    length = str(int(step.total_seconds()))
    return Reader(
        dataset=f"history_{name}",
        source="Commonwatt, past readings",
        keys={"meter": ("meter_id",), "start": ("interval_start",), "length": ("interval_s",)},
        series=_meter,
        clock_s=_start_s,
        step=step,
        quantities=(
            Quantity("import_wh", ("import_wh",), least=0),
            Quantity("export_wh", ("export_wh",), least=0),
            Quantity("soc_wh", ("soc_wh",), least=0),
        ),
        refusals={"other_interval": lambda rows: cells.text(rows, "length") != length},
    )


READINGS = tuple(_reading(name, step) for name, step in STEPS.items())
HISTORIES = tuple(_history(name, step) for name, step in STEPS.items())
