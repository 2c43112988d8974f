"""The books of one part of a batch: what each member owes, by the registers that it is settled with."""

from collections.abc import Sequence

from backend.registry.models import Meter
from backend.settlement import batch as batches
from backend.settlement.models import Commitment, Settlement, StatementLine
from domain.market import SettlementLine
from pricing.settlement import settle_interval

Registers = Sequence[tuple[int, int] | None]
"""For each member of the part import and export in Wh, None where the fallback applies."""


def write(settlement: Settlement, commitment: Commitment, registers: Registers) -> int:
    """Store the settlement with its lines, in place of those it has; returns how many are estimated."""
    part, interval = commitment.parts[settlement.part], commitment.interval
    settled = settle_interval(
        batches.meter_intervals(part, registers, commitment.fallback_import_w),
        batches.prices_in(part),
        interval_s=interval.interval_s,
    )
    settlement.retailer_micro, settlement.fee_micro = settled.retailer_delta_micro, settled.fees_micro
    settlement.save()
    settlement.lines.all().delete()
    meter_ids = batches.meter_ids(part)
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
    return sum(settled.estimated)


def follow(settlement: Settlement, registers: Registers) -> bool:
    """Write the lines anew where they are of other registers; returns whether they were."""
    commitment = commitment_of(settlement)
    lines = {line.meter.meter_id: line for line in settlement.lines.select_related("meter")}
    found = [lines[meter_id] for meter_id in batches.meter_ids(commitment.parts[settlement.part])]
    known = [None if line.estimated else (line.imported_wh, line.exported_wh) for line in found]
    if known == list(registers):
        return False
    write(settlement, commitment, registers)
    return True


def commitment_of(settlement: Settlement) -> Commitment:
    """The commitment to the batch that is settled: the late one where there is one."""
    commitments = Commitment.objects.filter(interval=settlement.interval_id)
    return commitments.select_related("interval", "transaction").order_by("-late")[0]
