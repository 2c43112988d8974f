"""Every kind of file that the lake reads, by dataset."""

from forecasting.lake.reader import Reader
from forecasting.lake.readers import (
    ccee_pld,
    fontana,
    inmet,
    meter,
    ons_balance,
    ons_cmo,
    ons_ear,
    ons_ena,
    ons_load,
    simbench,
    telecom,
)

READERS: dict[str, Reader] = {
    reader.dataset: reader
    for reader in (
        ons_load.READER,
        ons_cmo.READER,
        ons_balance.READER,
        ons_ear.READER,
        ons_ena.READER,
        ccee_pld.READER,
        inmet.READER,
        telecom.SITES,
        telecom.SITE_INFORMATION,
        telecom.OUTAGE_PLAN,
        simbench.READER,
        fontana.LOAD,
        fontana.WEATHER,
        fontana.TARIFF,
        *meter.READINGS,
        *meter.HISTORIES,
    )
}
