"""Readings and statuses in: checked whole, stored whole, or refused by field."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from backend.registry import queries as registry
from backend.registry import signing
from backend.registry.models import Community, Meter
from backend.telemetry.models import DeviceStatus, Reading
from domain.errors import FieldError
from domain.market import MeterReading
from domain.time import floor_to_step, require_utc
from domain.units import require_finite

MAX_ENERGY_WH = (
    2**32 - 2
)  # registers have four bytes in a settlement; all bits set say that there is no reading
MAX_DIGITS = len(str(MAX_ENERGY_WH))
MAX_POWER_KW = 10**6


@dataclass(frozen=True, slots=True)
class SignedReading:
    """A reading as a device sent it, not yet believed."""

    meter_id: str
    interval_start: datetime
    interval_s: int
    import_wh: int
    export_wh: int
    soc_wh: int | None
    signature: str


def signer_of(reading: MeterReading, community: Community, *, signature: str) -> str:
    """The account that signed a reading for the community's oracle; FieldError on a malformed signature."""
    message = {
        "meterId": bytes.fromhex(reading.meter_id[2:]),
        "intervalStart": int(reading.interval_start.timestamp()),
        "intervalSeconds": reading.interval_s,
        "importWh": reading.import_wh,
        "exportWh": reading.export_wh,
    }
    return signing.recover("MeterReading", message, community.readings_eip712(), signature=signature)


def accept_reading(received: SignedReading, *, source: Reading.Source) -> Reading:
    """Store one signed reading; FieldError names the field when any part of it is wrong."""
    community = registry.community()
    meter = _known_meter(received.meter_id)
    reading = MeterReading(
        meter_id=meter.meter_id,
        interval_start=received.interval_start,
        interval_s=received.interval_s,
        import_wh=received.import_wh,
        export_wh=received.export_wh,
    )
    now = registry.now(community)
    _check_interval(reading, community, now)
    _check_magnitude(received)
    if signer_of(reading, community, signature=received.signature) != meter.key_address:
        raise FieldError("signature", "was not made by this meter's key", code="wrong_signature")
    try:
        with transaction.atomic():
            return Reading.objects.create(
                meter=meter,
                interval_start=reading.interval_start,
                interval_s=reading.interval_s,
                import_wh=reading.import_wh,
                export_wh=reading.export_wh,
                soc_wh=received.soc_wh,
                source=source,
                quality=Reading.Quality.SIGNED,
                signature=received.signature,
                received_at=now,
            )
    except IntegrityError as error:
        raise FieldError(
            "interval_start", "a reading of this meter and interval is already stored", code="replayed"
        ) from error


def _known_meter(meter_id: str) -> Meter:
    meter = registry.meter(meter_id)
    if meter is None:
        raise FieldError("meter_id", "is not a meter of this community", code="unknown_meter")
    return meter


def _check_interval(reading: MeterReading, community: Community, now: datetime) -> None:
    if reading.interval_s != community.interval_minutes * 60:
        raise FieldError("interval_s", f"must be {community.interval_minutes * 60}")
    if floor_to_step(reading.interval_start, community.step) != reading.interval_start:
        raise FieldError("interval_start", f"must lie on a multiple of {community.interval_minutes} minutes")
    if reading.interval_start > now - community.step:
        raise FieldError("interval_start", "the interval has not ended yet", code="too_early")


def _check_magnitude(received: SignedReading) -> None:
    for name in ("import_wh", "export_wh", "soc_wh"):
        value = getattr(received, name)
        if value is not None and not 0 <= value <= MAX_ENERGY_WH:
            raise FieldError(name, f"must lie in [0, {MAX_ENERGY_WH}]")


@dataclass(frozen=True, slots=True)
class SignedText:
    """What a device's key signed by personal_sign, and its signature; not yet believed."""

    text: str
    signature: str


def accept_status(
    proof: SignedText, *, meter_id: str, at: datetime, power_kw: float, soc_kwh: float | None
) -> DeviceStatus:
    """Store a device's newest status; FieldError unless its own meter's key signed it."""
    meter = check_device_signature(meter_id, proof)
    for name, value in (("power_kw", power_kw), ("soc_kwh", soc_kwh or 0.0)):
        if abs(require_finite(value, name)) > MAX_POWER_KW:
            raise FieldError(name, f"must lie in [-{MAX_POWER_KW}, {MAX_POWER_KW}]")
    at, community = require_utc(at, "at"), registry.community()
    if at > registry.now(community) + community.step:
        raise FieldError("at", "lies in the future", code="too_early")
    known = DeviceStatus.objects.filter(meter=meter).first()
    if known and known.at > at:
        raise FieldError("at", "a newer status is already stored", code="replayed")
    status, _ = DeviceStatus.objects.update_or_create(
        meter=meter, defaults={"at": at, "power_kw": power_kw, "soc_kwh": soc_kwh}
    )
    return status


def check_device_signature(meter_id: str, proof: SignedText) -> Meter:
    """The meter whose key signed ``proof``; FieldError for anybody else's signature."""
    meter = _known_meter(meter_id)
    if signing.recover_text(proof.text, signature=proof.signature) != meter.key_address:
        raise FieldError("signature", "was not made by this meter's key", code="wrong_signature")
    return meter


def import_readings(rows: Iterable[Mapping[str, str]]) -> int:
    """Import unsigned history (columns as in ``data/README.md``); returns how many rows were new.

    The whole file is stored or nothing; a FieldError names ``line N.column``.
    """
    before = Reading.objects.count()
    with transaction.atomic():
        for batch in batched_rows(rows):
            Reading.objects.bulk_create(batch, ignore_conflicts=True)
    return Reading.objects.count() - before


def batched_rows(rows: Iterable[Mapping[str, str]], size: int = 5_000) -> Iterator[list[Reading]]:
    """Rows as Reading objects in lists of at most ``size``."""
    meters = {meter.meter_id: meter for meter in registry.meters()}
    community = registry.community()
    now = registry.now(community)
    batch: list[Reading] = []
    for line, row in enumerate(rows, start=2):
        try:
            batch.append(_imported(row, meters, community, now))
        except FieldError as error:
            raise FieldError(f"line {line}.{error.field}", error.message, code=error.code) from error
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


def _imported(
    row: Mapping[str, str], meters: Mapping[str, Meter], community: Community, now: datetime
) -> Reading:
    meter = meters.get(row["meter_id"].lower())
    if meter is None:
        raise FieldError("meter_id", "is not a meter of this community", code="unknown_meter")
    try:
        start = require_utc(datetime.fromisoformat(row["interval_start"]), "interval_start")
    except (ValueError, OverflowError) as error:
        raise FieldError("interval_start", f"must be an instant with an offset: {error}") from error
    reading = MeterReading(
        meter_id=meter.meter_id,
        interval_start=start,
        **{name: _whole_number(row, name) for name in ("interval_s", "import_wh", "export_wh")},
    )
    _check_interval(reading, community, now)
    return Reading(
        meter=meter,
        interval_start=start,
        interval_s=reading.interval_s,
        import_wh=reading.import_wh,
        export_wh=reading.export_wh,
        soc_wh=_whole_number(row, "soc_wh") if row["soc_wh"] else None,
        source=Reading.Source.CSV,
        quality=Reading.Quality.IMPORTED,
        received_at=now,
    )


def _whole_number(row: Mapping[str, str], name: str) -> int:
    text = row[name]
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) <= MAX_ENERGY_WH):
        raise FieldError(name, f"must be a whole number in [0, {MAX_ENERGY_WH}], got {text[:40]!r}")
    return int(text)


def read_csv(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Rows of a readings CSV; FieldError when a column is missing."""
    reader = csv.DictReader(lines, restval="")
    needed = {"meter_id", "interval_start", "interval_s", "import_wh", "export_wh", "soc_wh"}
    absent = needed - set(reader.fieldnames or [])
    if absent:
        raise FieldError("line 1", f"columns missing: {', '.join(sorted(absent))}")
    for line, row in enumerate(reader, start=2):
        if None in row:
            raise FieldError(f"line {line}", "has more fields than the header")
        yield row
