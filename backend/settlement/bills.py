"""Every bill of a settlement from its events alone, and what in them does not add up.

A second opinion: nothing here reads the platform's books or uses ``pricing``. Who traded with whom is the one
rule that everybody shares (``domain.fills``).
"""

from collections import Counter, defaultdict
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
    fills, caps = _by_meter(settled), dict(settled.shorts)
    return [
        Bill(
            reading.account,
            reading.meter_id,
            _line(reading, fills[position], caps, settled.prices),
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
    places = [] if settled.bilateral else [fill.position for fill in settled.fills]
    if places != sorted(places):
        yield "fills are not in the order of meters"
    bought_wh, sold_wh = (
        sum(fill.energy_wh for fill in settled.fills if fill.sells is sells) for sells in (False, True)
    )
    if bought_wh != sold_wh:
        yield f"{bought_wh} Wh were bought and {sold_wh} Wh sold"
    if settled.bilateral and _by_account(settled) != _by_account_of_trades(settled.bilateral):
        yield "trades are not between the accounts whose meters they name"
    yield from _unexplained(settled)
    yield from _unaccounted(settled)


def _unexplained(settled: Settled) -> Iterator[str]:
    """Sales that were not delivered must be said to be so, once each, and no others."""
    said = Counter(number for number, _ in settled.shorts)
    fills = _by_meter(settled)
    short = {
        fill.number
        for position, reading in enumerate(settled.readings)
        for fill, short_wh in _short_wh(reading, fills[position])
        if short_wh
    }
    for number in sorted(short - said.keys()):
        yield f"sale {number} was not delivered in full, and nothing says what its seller pays for that"
    for number, times in sorted(said.items()):
        if number not in short:
            yield f"sale {number} is said to be short, and is not"
        elif times > 1:
            yield f"sale {number} is said to be short {times} times"


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


def _by_meter(settled: Settled) -> defaultdict[int, list[Fill]]:
    """The fills of each meter by its position, sales in the order in which they share its export.

    At one price that is the order of the batch. Trades come by their numbers; but of a meter's sales those
    that are not short had their share before the others, and these say themselves in which order they came.
    """
    place = {number: place for place, (number, _) in enumerate(settled.shorts)}
    fills = settled.fills
    if settled.bilateral:
        fills = sorted(fills, key=lambda fill: place.get(fill.number, -1))
    found: defaultdict[int, list[Fill]] = defaultdict(list)
    for fill in fills:
        found[fill.position].append(fill)
    return found


def _short_wh(reading: Reading, fills: Sequence[Fill]) -> Iterator[tuple[Fill, int]]:
    """A meter's sales, and the Wh of each that it did not deliver."""
    left_wh = reading.export_wh
    for fill in fills:
        if fill.sells:
            delivered_wh = min(fill.energy_wh, left_wh)
            left_wh -= delivered_wh
            yield fill, fill.energy_wh - delivered_wh


def _line(reading: Reading, fills: Sequence[Fill], caps: Mapping[int, int], prices: Prices) -> Line:
    buys = [fill for fill in fills if not fill.sells]
    bought_wh = sum(fill.energy_wh for fill in buys)
    sold_wh, sale, shortfall = 0, 0, 0
    for fill, short_wh in _short_wh(reading, fills):
        sold_wh += fill.energy_wh
        sale += (fill.energy_wh - short_wh) * fill.price
        # What is short without an event is a problem (``_unexplained``).
        shortfall += short_wh * min(max(prices.imbalance - fill.price, 0), caps.get(fill.number, 0))
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
