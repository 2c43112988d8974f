"""ONS, EAR_DIARIO_SUBSISTEMA: energy stored in the reservoirs at the end of each day.

A day is placed at midnight UTC-3 all year, so that days are 24 hours apart under daylight saving, too.
"""

from datetime import timedelta

from forecasting.lake.reader import Portal, Quantity, Reader
from forecasting.lake.readers import ons

READER = Reader(
    dataset="ons_ear",
    source="ONS, energia armazenada diária por subsistema",
    keys={"subsystem": ("id_subsistema",), "subsystem_name": ("nom_subsistema",), "label": ("ear_data",)},
    series=ons.subsystem,
    clock_s=ons.day,
    step=timedelta(days=1),
    zone=ons.BRASILIA_STANDARD,
    delimiter=";",
    quantities=(
        Quantity("capacity_mwmonth", ("ear_max_subsistema",), least=0),
        Quantity("stored_mwmonth", ("ear_verif_subsistema_mwmes",), least=0),
        Quantity("stored_pct", ("ear_verif_subsistema_percentual",), least=0, most=105),
    ),
    portal=Portal(
        base_url=ons.BASE_URL,
        package="ear-diario-por-subsistema",
        series=tuple(ons.SUBSYSTEMS),
        levels={"capacity_mwmonth": 50_000, "stored_mwmonth": 25_000, "stored_pct": 50},
        keys=ons.day_keys,
    ),
)
