"""ONS, ENA_DIARIO_SUBSISTEMA: energy of each day's natural inflow; per cent of the long-term mean (MLT).

A day is placed at midnight UTC-3 all year, as in ``ons_ear``.
"""

from datetime import timedelta

from forecasting.lake.reader import Portal, Quantity, Reader
from forecasting.lake.readers import ons

READER = Reader(
    dataset="ons_ena",
    source="ONS, energia natural afluente diária por subsistema",
    keys={"subsystem": ("id_subsistema",), "subsystem_name": ("nom_subsistema",), "label": ("ena_data",)},
    series=ons.subsystem,
    clock_s=ons.day,
    step=timedelta(days=1),
    zone=ons.BRASILIA_STANDARD,
    delimiter=";",
    quantities=(
        Quantity("inflow_mw", ("ena_bruta_regiao_mwmed",), least=0),
        Quantity("inflow_pct", ("ena_bruta_regiao_percentualmlt",), least=0),
        Quantity("storable_inflow_mw", ("ena_armazenavel_regiao_mwmed",), least=0),
        Quantity("storable_inflow_pct", ("ena_armazenavel_regiao_percentualmlt",), least=0),
    ),
    portal=Portal(
        base_url=ons.BASE_URL,
        package="ena-diario-por-subsistema",
        series=tuple(ons.SUBSYSTEMS),
        levels={
            "inflow_mw": 10_000,
            "inflow_pct": 90,
            "storable_inflow_mw": 9_000,
            "storable_inflow_pct": 80,
        },
        keys=ons.day_keys,
    ),
)
