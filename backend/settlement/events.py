"""What the exchange's logs say, decoded by hand: neither the ABI nor the code that packs batches is asked."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.values import Log

READING_BYTES = 30
GAP = bytes(2)
FILL_BYTES = 8
MISSING_FLAG = 0x8000
SOLD = 0x80
_EVENTS = {
    # name: (indexed types, data types)
    "Deposited": (("address", "address"), ("uint256",)),
    "WithdrawalRequested": (("address",), ("uint256", "uint64")),
    "WithdrawalReduced": (("address",), ("uint256",)),
    "Withdrawn": (("address",), ("uint256",)),
    "BatchCommitted": (("uint64",), ("bytes32",)),
    "TradeSettled": (("address", "address"), ("uint256",)),
    "ReadingMissing": (("uint64", "address"), ("uint16", "uint256")),
    "SaleShort": (("uint64",), ("uint16", "uint32")),
    "Unpaid": (("uint64", "address"), ("uint256",)),
    "FundPaid": (("uint64",), ("uint256",)),
    "CreditReduced": (("uint64", "address"), ("uint256",)),
    "IntervalReleased": (("uint64",), ()),
    "BatchSettled": (("uint64",), ("uint256", "bytes")),
}
OF_A_SETTLEMENT = frozenset(
    {"TradeSettled", "ReadingMissing", "SaleShort", "Unpaid", "FundPaid", "CreditReduced"}
)
"""What a settlement says before its ``BatchSettled``."""
_TOPICS = {
    keccak(text=f"{name}({','.join(indexed + data)})"): name for name, (indexed, data) in _EVENTS.items()
}


class Prices(NamedTuple):
    """Micro-units per kWh."""

    clearing: int
    retail_import: int
    feed_in: int
    imbalance: int
    fee: int


class Reading(NamedTuple):
    """A meter's registers in Wh; where there was no reading, what it is taken to have been."""

    account: str
    meter_id: str
    import_wh: int
    export_wh: int
    missing: bool


class Fill(NamedTuple):
    """An execution; ``position`` names the reading of its meter.

    ``number`` is the order's in a batch with one price, otherwise the trade's; both sides of a trade have it.
    """

    number: int
    position: int
    sells: bool
    k: int
    energy_wh: int
    price: int


class Traded(NamedTuple):
    """Energy between two accounts."""

    buyer: str
    seller: str
    energy_wh: int
    price: int


class Event(NamedTuple):
    """A log by name, its values in the order of its declaration."""

    name: str
    values: tuple[Any, ...]
    tx_hash: str


@dataclass(slots=True)
class Settled:
    """All that one settlement of a batch, or of a part of it, has logged; micro-units by account.

    ``shorts`` are sales of which not all was delivered: the fill's number, and the most that its seller
    agreed to pay per kWh for that. Of one meter they stand in the order in which they shared its export.
    """

    start: int
    tx_hash: str
    prices: Prices
    retailer_micro: int
    readings: list[Reading]
    fills: list[Fill]
    shorts: list[tuple[int, int]] = field(default_factory=list)
    bilateral: list[Traded] = field(default_factory=list)
    unpaid: dict[str, int] = field(default_factory=dict)
    reduced: dict[str, int] = field(default_factory=dict)
    fund_paid: int = 0


def decoded(logs: Iterable[Log]) -> Iterator[Event]:
    """The exchange's logs that money or bills depend on, in order."""
    for log in logs:
        name = _TOPICS.get(log.topics[0])
        if name:
            indexed, data = _EVENTS[name]
            topics = [decode([kind], topic)[0] for kind, topic in zip(indexed, log.topics[1:], strict=True)]
            yield Event(name, (*topics, *decode(data, log.data)), log.tx_hash)


def settlements(events: Iterable[Event]) -> Iterator[Settled]:
    """Each settlement among the events; what is said after the last one belongs to none."""
    waiting: list[Event] = []
    for event in events:
        if event.name in OF_A_SETTLEMENT:
            waiting.append(event)
        elif event.name == "BatchSettled":
            yield settled([*waiting, event])
            waiting = []


def settled(events: Iterable[Event]) -> Settled:
    """What a settlement's events say together, the last of them ``BatchSettled``.

    Raises:
        ValueError: bytes are too many, too few, or not where they should be.
    """
    *before, last = events
    start, summary, lines = last.values
    amounts: dict[str, dict[str, int]] = defaultdict(dict)
    missing: dict[str, int] = {}
    found = Settled(start, last.tx_hash, _prices(summary), _signed(summary >> 160, bits=80), [], [])
    words: list[int] = []
    for name, values, _ in before:
        if name == "TradeSettled":
            found.bilateral.append(_traded(*values))
            words.append(values[-1])
        elif name == "SaleShort":
            found.shorts.append(values[1:])
        elif name == "ReadingMissing":
            _, account, number, import_wh = values
            missing[_meter_id(account, number)] = import_wh
        elif name == "FundPaid":
            found.fund_paid += values[-1]
        elif values[-1]:
            amounts[name][to_checksum_address(values[1])] = values[-1]
    found.unpaid, found.reduced = amounts["Unpaid"], amounts["CreditReduced"]
    readings, orders = _split(lines, meters=summary >> 240)
    if words and orders:
        raise ValueError("there are trades with prices of their own, and orders at the clearing price")
    found.readings = [_reading(entry, missing) for entry in readings]
    found.fills = [_fill(number, entry, found.prices.clearing) for number, entry in enumerate(orders)]
    for number, word in enumerate(words):
        found.fills += _sides(number, word, start)
    if any(fill.position >= len(readings) for fill in found.fills):
        raise ValueError("a fill belongs to no meter")
    return found


def _split(lines: bytes, *, meters: int) -> tuple[list[bytes], list[bytes]]:
    """The entries of meters, and after a gap those of orders."""
    middle = meters * READING_BYTES
    first = middle + len(GAP)
    if lines[middle:first] != GAP or (len(lines) - first) % FILL_BYTES:
        raise ValueError(f"{len(lines)} bytes are no list of {meters} meters and some orders")
    return (
        [lines[at : at + READING_BYTES] for at in range(0, middle, READING_BYTES)],
        [lines[at : at + FILL_BYTES] for at in range(first, len(lines), FILL_BYTES)],
    )


def _reading(entry: bytes, missing: dict[str, int]) -> Reading:
    account, number = to_checksum_address(entry[:20]), int.from_bytes(entry[20:22])
    meter_id = _meter_id(account, number & ~MISSING_FLAG)
    if number & MISSING_FLAG:
        return Reading(account, meter_id, missing[meter_id], 0, missing=True)
    import_wh, export_wh = int.from_bytes(entry[22:26]), int.from_bytes(entry[26:30])
    return Reading(account, meter_id, import_wh, export_wh, missing=False)


def _fill(number: int, entry: bytes, clearing: int) -> Fill:
    position, sells, k = int.from_bytes(entry[:2]), entry[2] == SOLD, entry[3]
    return Fill(number, position, sells, k, int.from_bytes(entry[4:]), clearing)


def _sides(number: int, word: int, start: int) -> tuple[Fill, Fill]:
    """What a trade's buyer and seller executed.

    From the lowest bit: price 32, Wh 32, interval start 40; k 8, zero 8 and position of the meter 16 of the
    buyer, then of the seller.
    """
    if word >> 64 & 0xFFFFFFFFFF != start or word & (0xFF << 112 | 0xFF << 144) or word >> 168:
        raise ValueError(f"trade {number} is none of the interval {start}")
    price, energy_wh = word & 0xFFFFFFFF, word >> 32 & 0xFFFFFFFF
    buyer, seller = (
        Fill(number, word >> at + 16 & 0xFFFF, sells, word >> at & 0xFF, energy_wh, price)
        for at, sells in ((104, False), (136, True))
    )
    return buyer, seller


def _prices(word: int) -> Prices:
    """From the lowest bit 32 each: fee, imbalance, feed-in, retail import, clearing."""
    return Prices(*(word >> shift & 0xFFFFFFFF for shift in (128, 96, 64, 32, 0)))


def _traded(buyer: str, seller: str, word: int) -> Traded:
    """See ``_sides``."""
    energy_wh, price = word >> 32 & 0xFFFFFFFF, word & 0xFFFFFFFF
    return Traded(to_checksum_address(buyer), to_checksum_address(seller), energy_wh, price)


def _signed(word: int, *, bits: int) -> int:
    """The lowest ``bits`` in two's complement."""
    value = word & (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


def _meter_id(account: str, number: int) -> str:
    return f"{account.lower()}{number:024x}"
