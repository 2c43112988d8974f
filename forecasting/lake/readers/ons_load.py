"""ONS, CURVA_CARGA: hourly load of each subsystem.

Brasília had daylight saving until 2019: the hour that its autumn repeats is in the file once, so the second
of the two becomes a gap; rows of the hour that its spring skips are rejected.
"""

from datetime import timedelta

from forecasting.lake.reader import Portal, Quantity, Reader
from forecasting.lake.readers import ons

READER = Reader(
    dataset="ons_load",
    source="ONS, curva de carga horária",
    keys={"subsystem": ("id_subsistema",), "subsystem_name": ("nom_subsistema",), "label": ("din_instante",)},
    series=ons.subsystem,
    clock_s=ons.instant,
    step=timedelta(hours=1),
    zone=ons.BRASILIA,
    delimiter=";",
    quantities=(Quantity("load_mw", ("val_cargaenergiahomwmed",), least=1),),
    portal=Portal(
        base_url=ons.BASE_URL,
        package="curva-carga",
        series=tuple(ons.SUBSYSTEMS),
        levels={"load_mw": 15_000},
        keys=ons.instant_keys,
    ),
)
