"""Settling a delivered interval against signed readings."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from backend.chain.client import Chain
from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.market.models import DeliveryInterval
from backend.market.services import let_stand
from backend.registry import queries as registry
from backend.settlement import attestation, connection, packing
from backend.settlement import batch as batches
from backend.settlement.attestation import Proven
from backend.settlement.models import Commitment, Settlement
from backend.settlement.services import admission, confirmation, lapse, lines, others
from backend.settlement.services.commitment import record
from backend.settlement.services.outbox import enqueue
from backend.telemetry.models import Reading

logger = logging.getLogger(__name__)


def settle(interval_id: int, as_of: datetime) -> list[str]:
    """Write the interval's lines and its outbox rows, once; returns what it waits for, nothing when done.

    What was committed in time is settled as committed. Otherwise the trades are void, and a batch without
    them is committed late and then settled: every member's import and export goes through the retailer. A
    reading missing after the community's deadline is replaced by the fallback that its owner agreed to. Past
    the settlement term nothing can be settled, and the interval lapses, unless somebody else has settled it.
    """
    interval = DeliveryInterval.objects.get(pk=interval_id)
    if interval.state in {DeliveryInterval.State.SETTLED, DeliveryInterval.State.LAPSED}:
        return []
    if as_of < interval.end:
        return [f"end of delivery at {interval.end.isoformat()}"]
    try:
        return _settle(connection.chain(), interval, as_of)
    except (ChainUnavailableError, ContractsMissingError) as error:
        return [f"chain: {error}"]


def _settle(chain: Chain, interval: DeliveryInterval, as_of: datetime) -> list[str]:
    waits = _given_up(chain, interval)
    if waits is not None:
        return waits
    with transaction.atomic():
        confirmation.withdraw_stale(interval.pk)
    if Settlement.objects.filter(interval=interval).exists():
        return []
    commitments = Commitment.objects.filter(interval=interval).select_related("transaction", "interval")
    if any(commitment.transaction.is_open for commitment in commitments):
        return ["commitment on chain"]
    commitment = next((c for c in commitments if c.transaction.on_chain), None)
    if commitment is not None and commitment.too_late:
        return ["the block with its commitment, which came too late, to be final"]
    if commitment is not None:
        batch, fallback_import_w = batches.Batch(commitment.parts, []), commitment.fallback_import_w
    else:
        members = admission.members(chain, interval, at=interval.start)
        batch, fallback_import_w = batches.build(interval, members.meters, []), members.fallback_import_w
    meter_ids = [meter_id for part in batch.parts for meter_id in batches.meter_ids(part)]
    found = _readings(chain, interval, meter_ids)
    missing = [meter_id for meter_id in meter_ids if meter_id not in found]
    if missing and min(as_of, chain.head().time) <= interval.end + registry.community().reading_deadline:
        # Until the chain's own clock has passed the deadline, a reading can still be taken to the oracle.
        return [f"reading of {meter_id}" for meter_id in missing]
    attestors = attestation.quorum(chain)
    with transaction.atomic():
        DeliveryInterval.objects.select_for_update().get(pk=interval.pk)
        if not Settlement.objects.filter(interval=interval).exists():
            if commitment is None:
                let_stand(interval.pk, [])
                commitment = record(interval, batch, fallback_import_w, late=True)
            _write(commitment, found, attestors)
    return []


def _given_up(chain: Chain, interval: DeliveryInterval) -> list[str] | None:
    """What an interval beyond its term waits for; None where it is not, or somebody settled it in time."""
    why = lapse.reason(chain, interval)
    if not why:
        return None
    if not others.unclaimed(chain, interval):
        return lapse.lapse(interval, why)
    if Settlement.objects.filter(interval=interval).exists():
        return ["the outbox to find what somebody else has settled"]
    return None


def _write(commitment: Commitment, found: Mapping[str, Proven], attestors: Mapping[str, str]) -> None:
    """Lines and an outbox row for each part, each row to be sent after the one before."""
    interval, before = commitment.interval, commitment.transaction
    for place, (part, (data, following)) in enumerate(
        zip(commitment.parts, batches.packed(commitment.parts), strict=True)
    ):
        meter_ids = batches.meter_ids(part)
        known = [found.get(meter_id) for meter_id in meter_ids]
        registers = [None if one is None else one.registers for one in known]
        proof = attestation.proof(part, known, attestors, interval_s=interval.interval_s)
        before = enqueue(
            f"settle:{interval.start:%Y-%m-%dT%H:%MZ}" + (f" part {place + 1}" if place else ""),
            "exchange",
            "settleBatch",
            [data, "0x" + (packing.pack_registers(registers) + proof).hex(), following],
            after=before,
        )
        settlement = Settlement(interval=interval, part=place, transaction=before)
        if estimated := lines.write(settlement, commitment, registers):
            logger.warning("%s: %d readings are missing; the fallback applies", interval, estimated)


def _readings(chain: Chain, interval: DeliveryInterval, meter_ids: Sequence[str]) -> dict[str, Proven]:
    """What is known of these meters; a reading that did not come here may have been taken to the oracle."""
    stored = Reading.objects.filter(
        meter__meter_id__in=meter_ids,
        interval_start=interval.start,
        interval_s=interval.interval_s,
        quality=Reading.Quality.SIGNED,
    ).select_related("meter")
    found = {reading.meter.meter_id: attestation.proven(reading) for reading in stored}
    for meter_id in meter_ids:
        if meter_id not in found:
            start = int(interval.start.timestamp())
            import_wh, export_wh, submitted_at = chain.call(
                "oracle", "submitted", meter_id, start, interval.interval_s
            )
            if submitted_at:
                found[meter_id] = Proven((import_wh, export_wh), None, checked=True)
    return found
