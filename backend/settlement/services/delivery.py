"""Settling a delivered interval against signed readings."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.market.models import DeliveryInterval
from backend.market.services import void_trades
from backend.registry import queries as registry
from backend.registry.models import Meter
from backend.settlement import batch as batches
from backend.settlement import connection
from backend.settlement.models import Commitment, Settlement, StatementLine
from backend.settlement.services import admission
from backend.settlement.services.outbox import enqueue
from backend.telemetry.models import Reading
from domain.market import SettlementLine
from pricing.settlement import IntervalSettlement, MeterInterval, settle_interval

logger = logging.getLogger(__name__)


def settle(interval_id: int, as_of: datetime) -> list[str]:
    """Write the interval's lines and its outbox row, once; returns what it waits for, nothing when done.

    What was committed in time is settled as committed. Otherwise the trades are void and every member's
    import and export goes through the retailer. A reading missing after the community's deadline is replaced
    by the published fallback: the meter took what it bought and delivered nothing.
    """
    interval = DeliveryInterval.objects.get(pk=interval_id)
    if Settlement.objects.filter(interval=interval).exists():
        return []
    if as_of < interval.end:
        return [f"end of delivery at {interval.end.isoformat()}"]
    commitment = Commitment.objects.filter(interval=interval).select_related("transaction").first()
    if commitment and commitment.transaction.is_open:
        return ["commitment on chain"]
    committed = commitment is not None and commitment.transaction.on_chain
    try:
        batch = commitment.batch if commitment and committed else _retail_only(interval)
    except (ChainUnavailableError, ContractsMissingError) as error:
        return [f"chain: {error}"]
    readings = _readings(interval, batch["meterIds"])
    missing = [meter_id for meter_id in batch["meterIds"] if meter_id not in readings]
    if missing and as_of <= interval.end + registry.community().reading_deadline:
        return [f"reading of {meter_id}" for meter_id in missing]
    _write(interval, batch, readings, void=not committed)
    return []


@transaction.atomic
def _write(
    interval: DeliveryInterval, batch: Mapping[str, Any], readings: Mapping[str, Reading], *, void: bool
) -> None:
    """Trades, lines and the outbox row: all of them or none."""
    DeliveryInterval.objects.select_for_update().get(pk=interval.pk)
    if Settlement.objects.filter(interval=interval).exists():
        return
    if void:
        void_trades(interval.pk)
    settled = _compute(batch, readings)
    row = enqueue(
        f"settle:{interval.start:%Y-%m-%dT%H:%MZ}",
        "exchange",
        "settleBatch",
        [batch, [_input(readings.get(meter_id)) for meter_id in batch["meterIds"]]],
    )
    settlement = Settlement.objects.create(
        interval=interval,
        transaction=row,
        retailer_micro=settled.retailer_delta_micro,
        fee_micro=settled.fees_micro,
    )
    _write_lines(settlement, batch["meterIds"], settled)
    if any(settled.estimated):
        logger.warning("%s: %d readings are missing; the fallback applies", interval, sum(settled.estimated))


def _compute(batch: Mapping[str, Any], readings: Mapping[str, Reading]) -> IntervalSettlement:
    trades = batches.trades_by_meter(batch)
    meters = []
    for meter_id in batch["meterIds"]:
        reading = readings.get(meter_id)
        meters.append(
            MeterInterval(
                meter_id=meter_id,
                imported_wh=reading.import_wh if reading else None,
                exported_wh=reading.export_wh if reading else None,
                bought_wh=trades[meter_id].bought_wh,
                sold=trades[meter_id].sold,
            )
        )
    return settle_interval(meters, batches.batch_prices(batch))


def _write_lines(settlement: Settlement, meter_ids: Sequence[str], settled: IntervalSettlement) -> None:
    meters = {m.meter_id: m for m in Meter.objects.filter(meter_id__in=meter_ids).select_related("site")}
    names = SettlementLine.__dataclass_fields__
    StatementLine.objects.bulk_create(
        StatementLine(
            settlement=settlement,
            participant_id=meters[meter_id].site.participant_id,
            meter=meters[meter_id],
            net_micro=line.net_micro,
            estimated=estimated,
            **{name: getattr(line, name) for name in names},
        )
        for meter_id, line, estimated in zip(meter_ids, settled.lines, settled.estimated, strict=True)
    )


def _retail_only(interval: DeliveryInterval) -> dict[str, Any]:
    meters = admission.settling_meters(connection.chain(), interval)
    batch = batches.build(interval, [], [meter.meter_id for meter in meters])
    batch["prices"]["clearing"] = interval.feed_in_micro_per_kwh
    return batch


def _readings(interval: DeliveryInterval, meter_ids: Sequence[str]) -> dict[str, Reading]:
    found = Reading.objects.filter(
        meter__meter_id__in=meter_ids,
        interval_start=interval.start,
        interval_s=interval.interval_s,
        quality=Reading.Quality.SIGNED,
    ).select_related("meter")
    return {reading.meter.meter_id: reading for reading in found}


def _input(reading: Reading | None) -> dict[str, Any]:
    if reading is None:
        return batches.MISSING
    return {"importWh": reading.import_wh, "exportWh": reading.export_wh, "signature": reading.signature}
