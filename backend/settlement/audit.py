"""Balances and bills from the exchange's logs alone (``events`` decodes them, ``bills`` computes)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_utils.address import to_checksum_address

from backend.chain.values import Log
from backend.settlement import bills
from backend.settlement.bills import Bill
from backend.settlement.events import OF_A_SETTLEMENT, Event, Settled, Traded, decoded, settled


@dataclass(slots=True)
class Interval:
    """What the logs say of one delivery interval; micro-units by account."""

    committed: bool = False
    released: bool = False
    settlements: list[Settled] = field(default_factory=list)
    bills: dict[str, Bill] = field(default_factory=dict)
    trades: list[Traded] = field(default_factory=list)
    unpaid: dict[str, int] = field(default_factory=dict)
    reduced: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Audit:
    """Money, and of it requested withdrawals, by account; intervals by start (Unix time); what is wrong."""

    money: dict[str, int]
    withdrawals: dict[str, int]
    intervals: dict[int, Interval]
    problems: list[str]

    @property
    def balances(self) -> dict[str, int]:
        """What each account can spend."""
        return {account: amount - self.withdrawals[account] for account, amount in self.money.items()}


def derive(logs: Iterable[Log], *, retailer: str, fund: str) -> Audit:
    """Everybody's balance and every bill, from the exchange's logs in chain order.

    Args:
        logs: Every log of the exchange since its creation.
        retailer: Account that takes the other side.
        fund: Account that receives the fees.
    """
    audit = Audit(defaultdict(int), defaultdict(int), defaultdict(Interval), [])
    waiting: list[Event] = []
    for event in decoded(logs):
        if event.name in OF_A_SETTLEMENT:
            waiting.append(event)
        elif event.name == "BatchSettled":
            _settle(audit, settled([*waiting, event]), retailer=retailer, fund=fund)
            waiting = []
        elif event.name == "BatchCommitted":
            audit.intervals[event.values[0]].committed = True
        elif event.name == "IntervalReleased":
            audit.intervals[event.values[0]].released = True
        else:
            _move(audit, event)
    if waiting:
        audit.problems.append(f"{waiting[0].tx_hash}: {waiting[0].name} belongs to no settlement")
    audit.problems += [
        f"{account} has less than nothing" for account, balance in audit.balances.items() if balance < 0
    ]
    return audit


def _move(audit: Audit, event: Event) -> None:
    """Money in and out; what was asked to be withdrawn can no longer be spent, but may yet cover a debt."""
    account = to_checksum_address(event.values[0])
    if event.name == "Deposited":
        audit.money[account] += event.values[-1]
    elif event.name == "WithdrawalRequested":
        audit.withdrawals[account] = event.values[1]
    elif event.name == "WithdrawalReduced":
        audit.withdrawals[account] -= event.values[1]
    else:
        audit.money[account] -= event.values[1]
        audit.withdrawals[account] = 0


def _settle(audit: Audit, found: Settled, *, retailer: str, fund: str) -> None:
    interval = audit.intervals[found.start]
    audit.problems += [f"{found.start}: {problem}" for problem in bills.problems(found)]
    if not interval.committed:
        audit.problems.append(f"{found.start}: nobody had committed what was settled")
    if interval.released:
        audit.problems.append(f"{found.start}: it was settled after it had been released")
    for bill in bills.bills(found):
        if bill.meter_id in interval.bills:
            audit.problems.append(f"{found.start}: meter {bill.meter_id} is billed twice")
        interval.bills[bill.meter_id] = bill
    interval.settlements.append(found)
    interval.trades += bills.trades(found)
    for total, part in ((interval.unpaid, found.unpaid), (interval.reduced, found.reduced)):
        for account, amount in part.items():
            total[account] = total.get(account, 0) + amount
    accounts = (to_checksum_address(retailer), to_checksum_address(fund))
    for account, amount in bills.movements(found, retailer=accounts[0], fund=accounts[1]).items():
        audit.money[account] += amount
