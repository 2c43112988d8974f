"""ONS, CMO_SEMIHORARIO: half-hourly marginal cost of operation.

Whole days may be absent; costs may be negative. Those of a day come of the schedule made the day before.
"""

from datetime import timedelta

from forecasting.lake.reader import Portal, Quantity, Reader
from forecasting.lake.readers import ons

READER = Reader(
    dataset="ons_cmo",
    source="ONS, custo marginal de operação semi-horário",
    keys={"subsystem": ("id_subsistema",), "subsystem_name": ("nom_subsistema",), "label": ("din_instante",)},
    series=ons.subsystem,
    clock_s=ons.instant,
    step=timedelta(minutes=30),
    zone=ons.BRASILIA,
    ahead=ons.DAY_AHEAD,
    delimiter=";",
    quantities=(Quantity("marginal_cost_brl_per_mwh", ("val_cmo",), least=0, most=10_000),),
    portal=Portal(
        base_url=ons.BASE_URL,
        package="cmo-semi-horario",
        series=tuple(ons.SUBSYSTEMS),
        levels={"marginal_cost_brl_per_mwh": 150},
        keys=ons.instant_keys,
    ),
)
