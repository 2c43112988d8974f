"""Balances and bills from the exchange's logs alone, decoded here by hand.

Nothing in this file reads the platform's books, the contracts' ABI or ``pricing``: it is a second opinion.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

_LINE = f"({','.join(['uint64'] * 7 + ['uint128'] * 6)})"
_PRICES = f"({','.join(['uint64'] * 5)})"
_EVENTS = {
    # name: (indexed types, data types)
    "Deposited": (("address", "address"), ("uint256",)),
    "Withdrawn": (("address",), ("uint256",)),
    "BatchCommitted": (("uint64",), ("bytes32",)),
    "TradeSettled": (("uint64", "address", "address"), ("bytes32", "bytes32", "uint64", "uint64")),
    "MemberSettled": (("uint64", "address", "bytes32"), (_LINE, "bool")),
    "Unpaid": (("uint64", "address"), ("uint256",)),
    "BatchSettled": (("uint64",), (_PRICES, "int256")),
}
_TOPICS = {
    keccak(text=f"{name}({','.join(indexed + data)})"): name for name, (indexed, data) in _EVENTS.items()
}


class Log(NamedTuple):
    """One log of the exchange."""

    topics: tuple[bytes, ...]
    data: bytes
    tx_hash: str


class Prices(NamedTuple):
    """Micro-units per kWh."""

    clearing: int
    retail_import: int
    feed_in: int
    imbalance: int
    fee: int


class Line(NamedTuple):
    """One meter's interval: Wh, then micro-units."""

    imported_wh: int
    exported_wh: int
    bought_wh: int
    sold_wh: int
    delivered_wh: int
    retail_import_wh: int
    feed_in_wh: int
    purchase_micro: int
    sale_micro: int
    shortfall_micro: int
    fee_micro: int
    retail_micro: int
    feed_in_micro: int

    @property
    def net_micro(self) -> int:
        """What the member pays; negative when it is paid."""
        pays = self.purchase_micro + self.shortfall_micro + self.fee_micro + self.retail_micro
        return pays - self.sale_micro - self.feed_in_micro


@dataclass(frozen=True, slots=True)
class Bill:
    """A line, whose it is, and the transaction that settled it."""

    account: str
    line: Line
    estimated: bool
    tx_hash: str


@dataclass(slots=True)
class Interval:
    """What the logs say of one delivery interval."""

    committed: bool = False
    prices: Prices | None = None
    retailer_micro: int = 0
    unpaid_micro: int = 0
    bills: dict[str, Bill] = field(default_factory=dict)
    bought_wh: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sold_wh: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    trade_prices: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Audit:
    """Balances by account, intervals by start (Unix time), and whatever does not add up."""

    balances: dict[str, int]
    intervals: dict[int, Interval]
    problems: list[str]


def derive(logs: Iterable[Log], *, retailer: str, fund: str) -> Audit:
    """Everybody's balance and every bill, from the exchange's logs in chain order.

    Args:
        logs: Every log of the exchange since its creation.
        retailer: Account that takes the other side.
        fund: Account that receives the fees.
    """
    audit = Audit(defaultdict(int), defaultdict(Interval), [])
    for log in logs:
        name = _TOPICS.get(log.topics[0])
        if name:
            indexed, data = _EVENTS[name]
            topics = [decode([kind], topic)[0] for kind, topic in zip(indexed, log.topics[1:], strict=True)]
            _APPLY[name](audit, log.tx_hash, *topics, *decode(data, log.data))
    for start, interval in audit.intervals.items():
        if interval.prices is None:
            continue
        fees = sum(bill.line.fee_micro for bill in interval.bills.values())
        audit.balances[to_checksum_address(fund)] += fees
        audit.balances[to_checksum_address(retailer)] += interval.retailer_micro
        audit.problems += [f"{start}: {problem}" for problem in _problems(interval, interval.prices, fees)]
    negative = [account for account, balance in audit.balances.items() if balance < 0]
    audit.problems += [f"{account} has less than nothing" for account in negative]
    return audit


def _move(audit: Audit, _tx: str, account: str, *rest: Any, sign: int) -> None:  # noqa: ANN401 - decoded
    audit.balances[to_checksum_address(account)] += sign * rest[-1]


def _committed(audit: Audit, _tx: str, start: int, _root: bytes) -> None:
    audit.intervals[start].committed = True


def _traded(audit: Audit, _tx: str, start: int, buyer: str, seller: str, *rest: Any) -> None:  # noqa: ANN401
    *_digests, energy_wh, price = rest
    interval = audit.intervals[start]
    interval.bought_wh[to_checksum_address(buyer)] += energy_wh
    interval.sold_wh[to_checksum_address(seller)] += energy_wh
    interval.trade_prices.add(price)


def _billed(audit: Audit, tx: str, start: int, account: str, meter: bytes, *rest: Any) -> None:  # noqa: ANN401
    fields, estimated = rest
    meter_id, line = "0x" + meter.hex(), Line(*fields)
    bills = audit.intervals[start].bills
    if meter_id in bills:
        audit.problems.append(f"{start}: meter {meter_id} is billed twice")
    bills[meter_id] = Bill(to_checksum_address(account), line, estimated, tx)
    audit.balances[to_checksum_address(account)] -= line.net_micro


def _unpaid(audit: Audit, _tx: str, start: int, account: str, amount: int) -> None:
    audit.intervals[start].unpaid_micro += amount
    audit.balances[to_checksum_address(account)] += amount


def _settled(audit: Audit, _tx: str, start: int, prices: tuple[int, ...], retailer_micro: int) -> None:
    interval = audit.intervals[start]
    if interval.prices is not None:
        audit.problems.append(f"{start}: settled twice")
    interval.prices, interval.retailer_micro = Prices(*prices), retailer_micro


_APPLY: dict[str, Callable[..., None]] = {
    "Deposited": partial(_move, sign=1),
    "Withdrawn": partial(_move, sign=-1),
    "BatchCommitted": _committed,
    "TradeSettled": _traded,
    "MemberSettled": _billed,
    "Unpaid": _unpaid,
    "BatchSettled": _settled,
}


def _problems(interval: Interval, prices: Prices, fees: int) -> Iterable[str]:
    """Whatever in a settled interval does not follow from its quantities and prices."""
    nets = sum(bill.line.net_micro for bill in interval.bills.values())
    if nets != interval.retailer_micro + interval.unpaid_micro + fees:
        yield f"members pay {nets}, but {interval.retailer_micro} and fees of {fees} arrive"
    if interval.trade_prices - {prices.clearing}:
        yield f"trades at {interval.trade_prices}, not at the clearing price {prices.clearing}"
    if interval.trade_prices and not interval.committed:
        yield "trades were settled that nobody had committed"
    for side, name in ((interval.bought_wh, "bought_wh"), (interval.sold_wh, "sold_wh")):
        billed: dict[str, int] = defaultdict(int)
        for bill in interval.bills.values():
            billed[bill.account] += getattr(bill.line, name)
        if {k: v for k, v in billed.items() if v} != {k: v for k, v in side.items() if v}:
            yield f"{name} of the bills differ from the trades"
    for meter_id, bill in interval.bills.items():
        expected = _recompute(bill.line, prices)
        if bill.line != expected:
            yield f"meter {meter_id}: billed {bill.line}, recomputed {expected}"
        premium = max(prices.imbalance - prices.clearing, 0)
        short_wh = bill.line.sold_wh - bill.line.delivered_wh
        # Each order's shortfall is rounded up; there are at most as many orders as Wh that are short.
        if bill.line.shortfall_micro > _up(short_wh, premium) + short_wh:
            yield f"meter {meter_id}: the shortfall costs more than the imbalance price"


def _recompute(line: Line, prices: Prices) -> Line:
    """The line from its quantities and the prices; the shortfall is as signed by order, so it stays."""
    delivered_wh = min(line.sold_wh, line.exported_wh)
    retail_wh = max(line.imported_wh - line.bought_wh, 0)
    feed_in_wh = max(line.exported_wh - line.sold_wh, 0) + max(line.bought_wh - line.imported_wh, 0)
    return line._replace(
        delivered_wh=delivered_wh,
        retail_import_wh=retail_wh,
        feed_in_wh=feed_in_wh,
        purchase_micro=_up(line.bought_wh, prices.clearing),
        sale_micro=delivered_wh * prices.clearing // 1000,
        fee_micro=_up(line.bought_wh, prices.fee) + _up(delivered_wh, prices.fee),
        retail_micro=_up(retail_wh, prices.retail_import),
        feed_in_micro=feed_in_wh * prices.feed_in // 1000,
    )


def _up(energy_wh: int, price: int) -> int:
    return -(-energy_wh * price // 1000)
