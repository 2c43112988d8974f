"""SimBench: German profiles of 2016 per unit of the yearly maximum (load) or of the installed power.

Local time of Berlin, the quarter hour's beginning: the labels that autumn repeats are there twice, those that
spring skips are not there, so that nothing is missing in UTC. Wind is slightly negative at standstill.
"""

from datetime import timedelta

import ibis.expr.types as ir

from forecasting.lake import cells
from forecasting.lake.reader import Quantity, Reader

LOADS = ("H0-A", "H0-B", "H0-C", "G0-A", "G0-M", "G1-A", "G3-A", "L0-A")
SUNS = ("PV1", "PV2", "PV3", "PV4")
WINDS = ("WP1", "WP2")


def _clock_s(rows: ir.Table) -> ir.IntegerValue:
    label = cells.text(rows, "label")
    iso = label.substr(6, 4) + "-" + label.substr(3, 2) + "-" + label.substr(0, 2) + label.substr(10)
    return cells.clock_seconds(iso)


def _quantity(title: str, published: str, least: float) -> Quantity:
    return Quantity(f"{title.lower().replace('-', '_')}_pu", (published,), least=least, most=1)


READER = Reader(
    dataset="simbench",
    source="SimBench, 1-complete_data-mixed-all-0-sw (ODbL 1.0)",
    keys={"label": ("time",)},
    series=lambda rows: cells.case((rows["label"].notnull(), "simbench")),
    clock_s=_clock_s,
    step=timedelta(minutes=15),
    zone="Europe/Berlin",
    repeats_labels=True,
    quantities=(
        *(_quantity(title, f"{title}_pload", 0) for title in LOADS),
        *(_quantity(title, title, 0) for title in SUNS),
        *(_quantity(title, title, -0.05) for title in WINDS),
    ),
)
