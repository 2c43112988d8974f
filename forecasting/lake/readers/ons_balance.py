"""ONS, BALANCO_ENERGIA_SUBSISTEMA: hourly generation by source, load and exchange of each subsystem.

The published header is misspelt, ``id_subsistena``. The rows of ``SIN`` repeat the total of the others: they
carry the flag ``total`` and must not be added to them. ``exchange_mw`` is as published.
"""

from datetime import timedelta

from forecasting.lake.reader import Portal, Quantity, Reader
from forecasting.lake.readers import ons

TOTAL = "SIN"
LEVELS = {
    "hydro_mw": 9_000,
    "thermal_mw": 2_000,
    "wind_mw": 3_000,
    "solar_mw": 800,
    "load_mw": 15_000,
    "exchange_mw": 200,
}

READER = Reader(
    dataset="ons_balance",
    source="ONS, balanço de energia nos subsistemas",
    keys={
        "subsystem": ("id_subsistena", "id_subsistema"),
        "subsystem_name": ("nom_subsistema",),
        "label": ("din_instante",),
    },
    series=ons.subsystem,
    clock_s=ons.instant,
    step=timedelta(hours=1),
    zone=ons.BRASILIA,
    delimiter=";",
    quantities=(
        Quantity("hydro_mw", ("val_gerhidraulica",), least=0),
        Quantity("thermal_mw", ("val_gertermica",), least=0),
        Quantity("wind_mw", ("val_gereolica",), least=0),
        Quantity("solar_mw", ("val_gersolar",), least=0),
        Quantity("load_mw", ("val_carga",), least=1),
        Quantity("exchange_mw", ("val_intercambio",)),
    ),
    marks={"total": lambda rows: ons.subsystem(rows) == TOTAL},
    portal=Portal(
        base_url=ons.BASE_URL,
        package="balanco-energia-subsistema",
        series=tuple(ons.SUBSYSTEMS),
        levels=LEVELS,
        keys=ons.instant_keys,
    ),
)
