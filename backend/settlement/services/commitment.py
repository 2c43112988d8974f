"""Fixing an interval's matched batch on chain before delivery, and letting go of it when it lapsed."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.market.models import DeliveryInterval
from backend.market.services import let_stand
from backend.settlement import batch as batches
from backend.settlement import connection, queries
from backend.settlement.models import Commitment
from backend.settlement.services import admission
from backend.settlement.services.outbox import enqueue


def commit(interval_id: int, as_of: datetime) -> list[str]:
    """Write the interval's commitment and its outbox row, once; returns what it waits for, nothing when done.

    Trades that the contract would refuse are void. Once delivery has started it is too late for trades and
    there is nothing to wait for: the interval settles with the retailer alone.
    """
    interval = DeliveryInterval.objects.get(pk=interval_id)
    if as_of >= interval.start or Commitment.objects.filter(interval=interval).exists():
        return []
    if interval.state != DeliveryInterval.State.CLEARED:
        return ["clearing"]
    try:
        chain = connection.chain()
        now = chain.head().time
        members = admission.members(chain, interval, at=now)
        if members.notice_until and members.notice_until < interval.start:
            return [f"new supply agreements to come into force at {members.notice_until.isoformat()}"]
        orders = admission.admissible_orders(chain, interval, members.meters, at=now)
    except (ChainUnavailableError, ContractsMissingError) as error:
        return [f"chain: {error}"]
    with transaction.atomic():
        locked = DeliveryInterval.objects.select_for_update().get(pk=interval_id)
        if not Commitment.objects.filter(interval=locked).exists():
            batch = batches.build(locked, members.meters, orders)
            let_stand(interval_id, batch.clearings)
            record(locked, batch, members.fallback_import_w, late=False)
    return []


def record(
    interval: DeliveryInterval, batch: batches.Batch, fallback_import_w: Mapping[str, int], *, late: bool
) -> Commitment:
    """Store a commitment with its outbox row, in the caller's transaction.

    With orders in it, the row is not sent any more once delivery has started: the contract would take it and
    then never settle it.
    """
    root = batches.root_of(batch.parts)
    row = enqueue(
        f"{'commit-late' if late else 'commit'}:{interval.start:%Y-%m-%dT%H:%MZ}",
        "exchange",
        "commitBatch",
        [int(interval.start.timestamp()), root],
        not_after=interval.start if any(clearing.trades for clearing in batch.clearings) else None,
    )
    return Commitment.objects.create(
        interval=interval,
        late=late,
        root=root,
        parts=batch.parts,
        fallback_import_w=dict(fallback_import_w),
        transaction=row,
    )


@transaction.atomic
def release(interval_id: int, as_of: datetime) -> list[str]:
    """Let the chain say that a lapsed interval can no longer be settled; returns what it waits for.

    Anybody may do it, and it moves no money: it lets everybody close their books.
    """
    closes_at = queries.closes_at(DeliveryInterval.objects.get(pk=interval_id))
    if as_of <= closes_at:
        return [f"the end of its settlement term at {closes_at.isoformat()}"]
    for commitment in queries.unreleased().select_for_update(of=("self",)).filter(interval=interval_id):
        start = commitment.interval.start
        commitment.release = enqueue(
            f"release:{start:%Y-%m-%dT%H:%MZ}", "exchange", "release", [int(start.timestamp())]
        )
        commitment.save(update_fields=["release"])
    return []
