"""Fixing an interval's matched batch on chain before its delivery starts."""

from datetime import datetime

from django.db import transaction

from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.market.models import DeliveryInterval
from backend.market.services import void_trades
from backend.settlement import batch as batches
from backend.settlement import connection
from backend.settlement.models import Commitment
from backend.settlement.services import admission
from backend.settlement.services.outbox import enqueue


def commit(interval_id: int, as_of: datetime) -> list[str]:
    """Write the interval's commitment and its outbox row, once; returns what it waits for, nothing when done.

    Trades that the contract would refuse are void. Once delivery has started it is too late and there is
    nothing to wait for: the interval settles with the retailer alone.
    """
    interval = DeliveryInterval.objects.get(pk=interval_id)
    if as_of >= interval.start or Commitment.objects.filter(interval=interval).exists():
        return []
    if interval.state != DeliveryInterval.State.CLEARED:
        return ["clearing"]
    try:
        chain = connection.chain()
        meters = admission.settling_meters(chain, interval)
        trades = admission.admissible_trades(chain, interval, meters)
    except (ChainUnavailableError, ContractsMissingError) as error:
        return [f"chain: {error}"]
    batch = batches.build(interval, trades, [meter.meter_id for meter in meters])
    root = batches.root_of(chain, batch)
    with transaction.atomic():
        DeliveryInterval.objects.select_for_update().get(pk=interval_id)
        if not Commitment.objects.filter(interval=interval).exists():
            void_trades(interval_id, keep=[trade.pk for trade in trades])
            row = enqueue(
                f"commit:{interval.start:%Y-%m-%dT%H:%MZ}",
                "exchange",
                "commitBatch",
                [batch["intervalStart"], batch["intervalSeconds"], root],
            )
            Commitment.objects.create(interval=interval, root=root, batch=batch, transaction=row)
    return []
