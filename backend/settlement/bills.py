"""Every bill of a settlement from its events alone, and what in them does not add up.

A second opinion: nothing here reads the platform's books or uses ``pricing``. Who traded with whom is the one
rule that everybody shares (``domain.fills``).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backend.settlement.events import Fill, Prices, Reading, Settled, Traded
from domain.fills import Fill as ChainedFill
from domain.fills import chained
from domain.market import Side


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
    meter_id: str
    line: Line
    estimated: bool
    tx_hash: str


def bills(settled: Settled) -> list[Bill]:
    """The bill of each meter, in the order of the readings."""
    fills: dict[int, list[Fill]] = defaultdict(list)
    for fill in settled.fills:
        fills[fill.position].append(fill)
    return [
        Bill(
            reading.account,
            reading.meter_id,
            _line(reading, fills[position], settled.prices),
            reading.missing,
            settled.tx_hash,
        )
        for position, reading in enumerate(settled.readings)
    ]


def trades(settled: Settled) -> list[Traded]:
    """Who traded with whom."""
    if settled.bilateral:
        return settled.bilateral
    pairs = chained(ChainedFill(Side.SELL if f.sells else Side.BUY, f.energy_wh) for f in settled.fills)
    owners = [settled.readings[fill.position].account for fill in settled.fills]
    price = settled.prices.clearing
    return [Traded(owners[buy], owners[sell], energy_wh, price) for buy, sell, energy_wh in pairs]


def movements(settled: Settled, *, retailer: str, fund: str) -> dict[str, int]:
    """What the settlement adds to each account's money."""
    moved: dict[str, int] = defaultdict(int)
    for bill in bills(settled):
        moved[bill.account] -= bill.line.net_micro
        moved[fund] += bill.line.fee_micro
    for account, amount in settled.unpaid.items():
        moved[account] += amount
    for account, amount in settled.reduced.items():
        moved[account] -= amount
    moved[retailer] += settled.retailer_micro
    moved[fund] += sum(settled.reduced.values()) - max(_missing(settled), 0) - settled.fund_paid
    return moved


def problems(settled: Settled) -> Iterator[str]:
    """Whatever in a settlement does not follow from its quantities and prices."""
    order = [reading.meter_id for reading in settled.readings]
    if order != sorted(set(order)):
        yield "readings are not in the order of meters"
    places = [fill.position for fill in settled.fills]
    if places != sorted(places):
        yield "fills are not in the order of meters"
    bought_wh, sold_wh = (
        sum(fill.energy_wh for fill in settled.fills if fill.sells is sells) for sells in (False, True)
    )
    if bought_wh != sold_wh:
        yield f"{bought_wh} Wh were bought and {sold_wh} Wh sold"
    if settled.bilateral and _by_account(settled) != _by_account_of_trades(settled.bilateral):
        yield "fills and trades differ"
    yield from _unaccounted(settled)


def _unaccounted(settled: Settled) -> Iterator[str]:
    """Members pay, then the retailer, then the fund, then those who would have been paid, in proportion."""
    owed = _owed(settled)
    if any(amount > owed[account] for account, amount in settled.unpaid.items()):
        yield "somebody left more unpaid than it owed"
    left, missing = _left(settled), _missing(settled)
    if left >= 0 and (settled.retailer_micro, settled.fund_paid, settled.reduced) != (left, 0, {}):
        yield f"{left} are left for the retailer, and {settled.retailer_micro} arrive"
    if left < 0 and (settled.retailer_micro > 0 or missing < 0):
        yield f"{-left} are missing, and {-settled.retailer_micro} and {settled.fund_paid} are paid for it"
    due = {account: -net for account, net in owed.items() if net < 0}
    paid_out = sum(due.values())
    expected = {a: -(-credit * missing // paid_out) for a, credit in due.items()} if missing > 0 else {}
    if settled.reduced != expected:
        yield f"credits are reduced by {settled.reduced}, not by {expected}"


def _owed(settled: Settled) -> dict[str, int]:
    """What each account owes for all its meters; negative when it is paid."""
    owed: dict[str, int] = defaultdict(int)
    for bill in bills(settled):
        owed[bill.account] += bill.line.net_micro
    return owed


def _left(settled: Settled) -> int:
    """What members paid beyond what they and the fund receive; negative when that was not enough."""
    fees = sum(bill.line.fee_micro for bill in bills(settled))
    return sum(_owed(settled).values()) - sum(settled.unpaid.values()) - fees


def _missing(settled: Settled) -> int:
    """What neither members nor the retailer nor the fund paid."""
    left = _left(settled)
    return -left + settled.retailer_micro - settled.fund_paid if left < 0 else 0


def _by_account(settled: Settled) -> Mapping[tuple[str, bool], int]:
    found: dict[tuple[str, bool], int] = defaultdict(int)
    for fill in settled.fills:
        found[settled.readings[fill.position].account, fill.sells] += fill.energy_wh
    return found


def _by_account_of_trades(traded: Sequence[Traded]) -> Mapping[tuple[str, bool], int]:
    found: dict[tuple[str, bool], int] = defaultdict(int)
    for trade in traded:
        found[trade.buyer, False] += trade.energy_wh
        found[trade.seller, True] += trade.energy_wh
    return found


def _line(reading: Reading, fills: Sequence[Fill], prices: Prices) -> Line:
    buys = [fill for fill in fills if not fill.sells]
    sells = [fill for fill in fills if fill.sells]
    bought_wh, sold_wh = (sum(fill.energy_wh for fill in side) for side in (buys, sells))
    left_wh, sale, shortfall = reading.export_wh, 0, 0
    for fill in sells:
        delivered_wh = min(fill.energy_wh, left_wh)
        left_wh -= delivered_wh
        sale += delivered_wh * fill.price
        premium = min(max(prices.imbalance - fill.price, 0), fill.imbalance_cap)
        shortfall += (fill.energy_wh - delivered_wh) * premium
    delivered_wh = min(sold_wh, reading.export_wh)
    retail_wh = max(reading.import_wh - bought_wh, 0)
    feed_in_wh = max(reading.export_wh - sold_wh, 0) + max(bought_wh - reading.import_wh, 0)
    return Line(
        imported_wh=reading.import_wh,
        exported_wh=reading.export_wh,
        bought_wh=bought_wh,
        sold_wh=sold_wh,
        delivered_wh=delivered_wh,
        retail_import_wh=retail_wh,
        feed_in_wh=feed_in_wh,
        purchase_micro=_up(sum(fill.energy_wh * fill.price for fill in buys)),
        sale_micro=sale // 1000,
        shortfall_micro=_up(shortfall),
        fee_micro=_up(bought_wh * prices.fee) + _up(delivered_wh * prices.fee),
        retail_micro=_up(retail_wh * prices.retail_import),
        feed_in_micro=feed_in_wh * prices.feed_in // 1000,
    )


def _up(product: int) -> int:
    return -(-product // 1000)
