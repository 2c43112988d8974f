"""Reads of the books: statements, receipts, accounts, and what the chain side still owes."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.market.models import DeliveryInterval, Trade
from backend.registry import queries as registry
from backend.registry.models import Meter, Participant
from backend.settlement import connection
from backend.settlement.models import ChainTrouble, Commitment, OutboxTransaction, Settlement, StatementLine
from backend.telemetry.models import Reading
from domain.market import SettlementLine, settlement_term

State = OutboxTransaction.State
LINE_FIELDS = (*SettlementLine.__dataclass_fields__, "net_micro")
BATCH_STAGES = {"commitBatch": "commit", "settleBatch": "settle", "release": "release"}


def lines(participant: Participant, start: datetime, end: datetime) -> QuerySet[StatementLine]:
    """The participant's lines of intervals that begin in ``[start, end)``, in order."""
    return (
        StatementLine.objects.filter(
            participant=participant,
            settlement__interval__start__gte=start,
            settlement__interval__start__lt=end,
        )
        .select_related("meter", "settlement__interval", "settlement__transaction")
        .order_by("settlement__interval__start", "meter__meter_id")
    )


def statement(participant: Participant, start: datetime, end: datetime) -> dict[str, Any]:
    """What a participant owes and is owed, by line.

    Transaction and block are None until the chain has settled it; ``reading_signature`` is the meter's, and
    None where no reading came here.
    """
    found = list(lines(participant, start, end))
    readings = Reading.objects.filter(
        meter__in={line.meter_id for line in found},
        interval_start__gte=start,
        interval_start__lt=end,
        quality=Reading.Quality.SIGNED,
    )
    signatures = {(r.meter_id, r.interval_start): r.signature for r in readings}
    rows = [
        _line_facts(line, signatures.get((line.meter_id, line.settlement.interval.start))) for line in found
    ]
    return {
        "participant": participant.pseudonym,
        "lines": rows,
        "totals": {name: sum(row[name] for row in rows) for name in LINE_FIELDS},
    }


def _line_facts(line: StatementLine, signature: str | None) -> dict[str, Any]:
    sent = line.settlement.transaction
    return {
        "interval_start": line.settlement.interval.start,
        "meter_id": line.meter.meter_id,
        **{name: getattr(line, name) for name in LINE_FIELDS},
        "estimated": line.estimated,
        "reading_signature": None if line.estimated else signature,
        "tx_hash": sent.tx_hash if sent.on_chain else None,
        "block_number": sent.block_number if sent.on_chain else None,
    }


def account(participant: Participant, now: datetime) -> dict[str, Any]:
    """The participant's money on the exchange, now; None where the chain does not answer."""
    address = participant.wallet_address
    facts: dict[str, Any] = {
        "wallet_address": address,
        "balance_micro": None,
        "pending_withdrawal_micro": None,
        "mandate": registry.active_mandate(participant.pk, registry.community().agent_address, now),
    }
    try:
        chain = connection.chain()
        facts["balance_micro"] = chain.call("exchange", "balanceOf", address)
        facts["pending_withdrawal_micro"] = chain.call("exchange", "withdrawalOf", address)[0]
    except (ChainUnavailableError, ContractsMissingError):
        pass
    return facts


def chain_summary() -> dict[str, Any]:
    """Where the chain stands and how much of the books is on it."""
    last = (
        Settlement.objects.filter(transaction__state__in=OutboxTransaction.ON_CHAIN)
        .select_related("interval", "transaction")
        .order_by("-interval__start")
        .first()
    )
    facts: dict[str, Any] = {
        "block_number": None,
        "block_time": None,
        "commitments": Commitment.objects.filter(transaction__state__in=OutboxTransaction.ON_CHAIN).count(),
        "settled": DeliveryInterval.objects.filter(state=DeliveryInterval.State.SETTLED).count(),
        "lapsed": DeliveryInterval.objects.filter(state=DeliveryInterval.State.LAPSED).count(),
        "pending": OutboxTransaction.objects.filter(state__in=[State.PENDING, State.SENT]).count(),
        "last_settled": last and {"interval_start": last.interval.start, "tx_hash": last.transaction.tx_hash},
    }
    try:
        head = connection.chain().head()
    except (ChainUnavailableError, ContractsMissingError):
        return facts
    return facts | {"block_number": head.number, "block_time": head.time}


def onboarded() -> bool:
    """Whether trading may begin: the founding members' meters and agreements are on chain.

    Once there are delivery intervals, a member who joins holds nobody up.
    """
    if DeliveryInterval.objects.exists():
        return True
    owners = set(registry.meters(Meter.Role.GRID).values_list("site__participant", flat=True))
    return bool(owners) and owners <= registry.supplied() and not has_unconfirmed()


def has_unconfirmed() -> bool:
    """Whether anything waits to be sent or mined, other than what comes after a row that failed."""
    waiting = OutboxTransaction.objects.filter(state__in=[State.PENDING, State.SENT])
    return waiting.exclude(state=State.PENDING, after__state=State.FAILED).exists()


def closes_at(interval: DeliveryInterval) -> datetime:
    """The last instant at which the interval can be settled."""
    return interval.start + settlement_term(interval.end - interval.start)


def unreleased() -> QuerySet[Commitment]:
    """Commitments of lapsed intervals that the chain was not told yet to release."""
    return (
        Commitment.objects.filter(
            interval__state=DeliveryInterval.State.LAPSED,
            transaction__state__in=OutboxTransaction.ON_CHAIN,
            release=None,
        )
        .select_related("interval")
        .order_by("interval__start")
    )


def trouble() -> dict[str, Any] | None:
    """Why the outbox as a whole waits, {reason, age_s}, or None while it works."""
    found = ChainTrouble.objects.filter(id=1).first()
    return None if found is None else {"reason": found.reason, "age_s": _age_s(found.since)}


def waiting() -> list[dict[str, Any]]:
    """Rows that are not done with, the oldest first, each with its reason and how long it is in its state.

    A failed row needs a person, unless its interval has been settled without it or never can be, or somebody
    else has released it.
    """
    withdrawn = Q(function="settleBatch", settlement__isnull=True) | Q(function="release")
    over = [DeliveryInterval.State.SETTLED, DeliveryInterval.State.LAPSED]
    superseded = Q(commitment__interval__state__in=over)
    rows = (
        OutboxTransaction.objects.exclude(state=State.CONFIRMED)
        .exclude(Q(state=State.FAILED) & (withdrawn | superseded))
        .select_related("commitment__interval", "settlement__interval", "released__interval", "after")
        .order_by("id")
    )
    return [_waiting_facts(row) for row in rows]


def _waiting_facts(row: OutboxTransaction) -> dict[str, Any]:
    batches = (getattr(row, name, None) for name in ("commitment", "settlement", "released"))
    batch = next(filter(None, batches), None)
    reasons = {
        State.PENDING: row.after.key if row.after and not row.after.on_chain else "the outbox",
        State.SENT: "the next block",
        State.MINED: "blocks on top of its own",
    }
    return {
        "key": row.key,
        "stage": BATCH_STAGES.get(row.function, "register"),
        "interval_start": batch.interval.start if batch else None,
        "state": row.state,
        "reason": row.error or reasons[State(row.state)],
        "age_s": _age_s(row.since),
    }


def _age_s(since: datetime) -> int:
    return int((timezone.now() - since).total_seconds())


def net_by_participant(start: datetime, end: datetime) -> dict[int, int]:
    """Micro-units that each participant (by key) pays for intervals that begin in ``[start, end)``."""
    found = StatementLine.objects.filter(
        settlement__interval__start__gte=start, settlement__interval__start__lt=end
    )
    return dict(found.values_list("participant").annotate(Sum("net_micro")).order_by("participant"))


def gas_used(start: datetime, end: datetime) -> int:
    """Gas that committing and settling the intervals that begin in ``[start, end)`` took."""
    committed = Q(commitment__interval__start__gte=start, commitment__interval__start__lt=end)
    settled = Q(settlement__interval__start__gte=start, settlement__interval__start__lt=end)
    found = OutboxTransaction.objects.filter(committed | settled)
    return int(found.aggregate(gas=Sum("gas_used"))["gas"] or 0)


def conserved(start: datetime, end: datetime) -> bool:
    """Whether what members pay is what the retailer and the fund receive, and the chain says the same.

    Looks at every interval that begins in ``[start, end)`` and that the chain has settled.
    """
    settled = Settlement.objects.filter(
        interval__start__gte=start, interval__start__lt=end, transaction__state__in=OutboxTransaction.ON_CHAIN
    ).annotate(net=Coalesce(Sum("lines__net_micro"), 0))
    return not settled.exclude(net=F("retailer_micro") + F("fee_micro"), agrees=True).exists()


def settled_trades() -> Counter[tuple[int, str, str, int, int]]:
    """Trades that the chain has settled: (interval start, buyer's wallet, seller's wallet, Wh, price)."""
    found = Trade.objects.filter(
        interval__settlements__transaction__state__in=OutboxTransaction.ON_CHAIN,
        interval__settlements__lines__meter=F("buy_order__meter"),
    ).select_related("interval", "buy_order__participant", "sell_order__participant")
    return Counter(
        (
            int(trade.interval.start.timestamp()),
            trade.buy_order.participant.wallet_address,
            trade.sell_order.participant.wallet_address,
            trade.energy_wh,
            trade.price_micro_per_kwh,
        )
        for trade in found
    )


def confirmed_lines() -> dict[tuple[int, str], StatementLine]:
    """Lines that the chain has settled, by what the chain calls them: (interval start, meter id)."""
    settled = StatementLine.objects.filter(settlement__transaction__state__in=OutboxTransaction.ON_CHAIN)
    found = settled.select_related("meter", "participant", "settlement__interval", "settlement__transaction")
    return {(int(line.settlement.interval.start.timestamp()), line.meter.meter_id): line for line in found}
