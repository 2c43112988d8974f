"""INMET, automatic weather stations: one file a station and year.

Eight lines describe the station; cells are separated by `;` (with one at the end of each line), decimals by a
comma, `,2` is 0.2, an empty cell or `-9999` is no value; bytes are ISO-8859-1. Times are UTC and label the
hour's **end**: `0100 UTC` closes the hour that began at midnight, since radiation and rain are of the hour
before. A station that measured nothing has all its rows.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import ibis.expr.types as ir

from domain.errors import FieldError
from forecasting.lake import cells
from forecasting.lake.reader import Quantity, Reader

STATION, LATITUDE, LONGITUDE, ALTITUDE = "CODIGO (WMO):", "LATITUDE:", "LONGITUDE:", "ALTITUDE:"
HOUR_S = 3_600


def _clock_s(rows: ir.Table) -> ir.IntegerValue:
    hour = cells.text(rows, "hour").replace(" UTC", "").replace(":", "")
    label = cells.text(rows, "date").replace("/", "-") + " " + hour.substr(0, 2) + ":" + hour.substr(2)
    return cells.clock_seconds(label) - HOUR_S


def _station(lines: Sequence[str]) -> Mapping[str, str]:
    described = dict(line.split(";", 1) for line in lines if ";" in line)
    missing = {STATION, LATITUDE, LONGITUDE} - described.keys()
    if missing:
        raise FieldError("lines 1 to 8", f"do not say {', '.join(sorted(missing))}", code="header")
    return {
        "station": described[STATION].strip(),
        "latitude_deg": described[LATITUDE].strip().replace(",", "."),
        "longitude_deg": described[LONGITUDE].strip().replace(",", "."),
        "altitude_m": described.get(ALTITUDE, "").strip().replace(",", "."),
    }


READER = Reader(
    dataset="inmet",
    source="INMET, estações automáticas",
    keys={"date": ("Data", "DATA (YYYY-MM-DD)"), "hour": ("Hora UTC", "HORA (UTC)")},
    series=lambda rows: cells.text(rows, "station"),
    clock_s=_clock_s,
    step=timedelta(hours=1),
    delimiter=";",
    encoding="iso-8859-1",
    preamble_lines=8,
    preamble=_station,
    decimal=",",
    missing=("-9999", "-9999,0"),
    quantities=(
        Quantity("rain_mm", ("PRECIPITAÇÃO TOTAL, HORÁRIO (mm)",), least=0, most=200),
        Quantity(
            "pressure_hpa", ("PRESSAO ATMOSFERICA AO NIVEL DA ESTACAO, HORARIA (mB)",), least=700, most=1_060
        ),
        Quantity(
            "pressure_max_hpa", ("PRESSÃO ATMOSFERICA MAX.NA HORA ANT. (AUT) (mB)",), least=700, most=1_060
        ),
        Quantity(
            "pressure_min_hpa", ("PRESSÃO ATMOSFERICA MIN. NA HORA ANT. (AUT) (mB)",), least=700, most=1_060
        ),
        Quantity(
            "radiation_kj_per_m2", ("RADIACAO GLOBAL (Kj/m²)", "RADIACAO GLOBAL (KJ/m²)"), least=0, most=5_000
        ),
        Quantity("temperature_c", ("TEMPERATURA DO AR - BULBO SECO, HORARIA (°C)",), least=-20, most=50),
        Quantity("dew_point_c", ("TEMPERATURA DO PONTO DE ORVALHO (°C)",), least=-40, most=40),
        Quantity("temperature_max_c", ("TEMPERATURA MÁXIMA NA HORA ANT. (AUT) (°C)",), least=-20, most=50),
        Quantity("temperature_min_c", ("TEMPERATURA MÍNIMA NA HORA ANT. (AUT) (°C)",), least=-20, most=50),
        Quantity(
            "dew_point_max_c", ("TEMPERATURA ORVALHO MAX. NA HORA ANT. (AUT) (°C)",), least=-40, most=40
        ),
        Quantity(
            "dew_point_min_c", ("TEMPERATURA ORVALHO MIN. NA HORA ANT. (AUT) (°C)",), least=-40, most=40
        ),
        Quantity("humidity_max_pct", ("UMIDADE REL. MAX. NA HORA ANT. (AUT) (%)",), least=0, most=100),
        Quantity("humidity_min_pct", ("UMIDADE REL. MIN. NA HORA ANT. (AUT) (%)",), least=0, most=100),
        Quantity("humidity_pct", ("UMIDADE RELATIVA DO AR, HORARIA (%)",), least=0, most=100),
        Quantity("wind_direction_deg", ("VENTO, DIREÇÃO HORARIA (gr) (° (gr))",), least=0, most=360),
        Quantity("wind_gust_m_per_s", ("VENTO, RAJADA MAXIMA (m/s)",), least=0, most=80),
        Quantity("wind_speed_m_per_s", ("VENTO, VELOCIDADE HORARIA (m/s)",), least=0, most=60),
    ),
)
