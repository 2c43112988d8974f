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
BILATERAL_FILL_BYTES = 16
UNIFORM_FILL_BYTES = 12
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
    "Unpaid": (("uint64", "address"), ("uint256",)),
    "FundPaid": (("uint64",), ("uint256",)),
    "CreditReduced": (("uint64", "address"), ("uint256",)),
    "IntervalReleased": (("uint64",), ()),
    "BatchSettled": (("uint64",), ("uint256", "int256", "bytes", "bytes")),
}
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
    """An execution; ``position`` names the reading of its meter."""

    position: int
    sells: bool
    k: int
    energy_wh: int
    imbalance_cap: int
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
    """All that one settlement of a batch, or of a part of it, has logged; micro-units by account."""

    start: int
    tx_hash: str
    prices: Prices
    retailer_micro: int
    readings: list[Reading]
    fills: list[Fill]
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


def settled(events: Iterable[Event]) -> Settled:
    """What a settlement's events say together, the last of them ``BatchSettled``."""
    *before, last = events
    start, prices, retailer_micro, readings, fills = last.values
    amounts: dict[str, dict[str, int]] = defaultdict(dict)
    missing: dict[str, int] = {}
    found = Settled(start, last.tx_hash, _prices(prices), retailer_micro, [], [])
    for name, values, _ in before:
        if name == "TradeSettled":
            found.bilateral.append(_traded(*values))
        elif name == "ReadingMissing":
            _, account, number, import_wh = values
            missing[_meter_id(account, number)] = import_wh
        elif name == "FundPaid":
            found.fund_paid += values[-1]
        elif values[-1]:
            amounts[name][to_checksum_address(values[1])] = values[-1]
    found.unpaid, found.reduced = amounts["Unpaid"], amounts["CreditReduced"]
    found.readings = [_reading(entry, missing) for entry in _entries(readings, READING_BYTES)]
    size = BILATERAL_FILL_BYTES if found.bilateral else UNIFORM_FILL_BYTES
    found.fills = [_fill(entry, found) for entry in _entries(fills, size)]
    return found


def _entries(data: bytes, size: int) -> Iterator[bytes]:
    if len(data) % size:
        raise ValueError(f"{len(data)} bytes are no list of entries of {size}")
    return (data[at : at + size] for at in range(0, len(data), size))


def _reading(entry: bytes, missing: dict[str, int]) -> Reading:
    account, number = to_checksum_address(entry[:20]), int.from_bytes(entry[20:22])
    meter_id = _meter_id(account, number & ~MISSING_FLAG)
    if number & MISSING_FLAG:
        return Reading(account, meter_id, missing[meter_id], 0, missing=True)
    import_wh, export_wh = int.from_bytes(entry[22:26]), int.from_bytes(entry[26:30])
    return Reading(account, meter_id, import_wh, export_wh, missing=False)


def _fill(entry: bytes, settled: Settled) -> Fill:
    position, sells, k = int.from_bytes(entry[:2]), entry[2] == SOLD, entry[3]
    price = int.from_bytes(entry[12:16]) if settled.bilateral else settled.prices.clearing
    return Fill(position, sells, k, int.from_bytes(entry[4:8]), int.from_bytes(entry[8:12]), price)


def _prices(word: int) -> Prices:
    return Prices(*(word >> shift & 0xFFFFFFFF for shift in (128, 96, 64, 32, 0)))


def _traded(buyer: str, seller: str, word: int) -> Traded:
    """From the lowest bit: price 32, Wh 32, interval start."""
    energy_wh, price = word >> 32 & 0xFFFFFFFF, word & 0xFFFFFFFF
    return Traded(to_checksum_address(buyer), to_checksum_address(seller), energy_wh, price)


def _meter_id(account: str, number: int) -> str:
    return f"{account.lower()}{number:024x}"
