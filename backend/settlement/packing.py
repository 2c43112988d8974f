"""A batch as ``EnergyExchange`` takes it: packed bytes, laid out as the contract's NatSpec says.

A batch is nested JSON: members, orders, executions (``batch`` writes it); bytes are 0x hex. Where
``trades`` is 0 all energy has the clearing price and every order has one execution.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eth_utils.crypto import keccak

Batch = Mapping[str, Any]
PRICE_NAMES = ("clearing", "retailImport", "feedIn", "imbalance", "fee")
MISSING_FLAG = 0x8000
NO_READING = b"\xff" * 8
SELL = 1
ATTESTED = b"\x01"
SIGNED_BY_METERS = b"\x02"
ATTESTED_WITH_GAPS = b"\x03"
SILENT = b"\x00"
SIGNED = b"\x01"
SUBMITTED = bytes(64)


def pack(batch: Batch) -> bytes:
    """The batch, or a part of one, as ``settleBatch`` takes it."""
    members, agents = batch["members"], batch["agents"]
    terms: list[bytes] = []
    body = b"".join(
        _member(member, terms, bilateral=batch["trades"] > 0, continued=continued)
        for member, continued in _continued(members)
    )
    fills = 0 if batch["trades"] else sum(len(member["orders"]) for member in members)
    header = b"".join(
        (
            _uint(batch["intervalStart"], 5),
            *(_uint(batch["prices"][name], 4) for name in PRICE_NAMES),
            _uint(len(members), 2),
            _uint(fills, 2),
            _uint(batch["trades"], 2),
            _uint(len(terms), 1),
            _uint(len(agents), 1),
        )
    )
    return b"".join(
        (
            header,
            *terms,
            *(_hex(agent["agent"]) for agent in agents),
            body,
            *(_hex(agent["signature"]) for agent in agents),
        )
    )


def root_of(parts: Sequence[bytes]) -> list[bytes]:
    """For each part the root of those from it on, at last 32 zero bytes; the first is what is committed."""
    roots = [bytes(32)]
    for part in reversed(parts):
        roots.append(keccak(keccak(part) + roots[-1]))
    return roots[::-1]


def pack_registers(readings: Iterable[tuple[int, int] | None]) -> bytes:
    """(import Wh, export Wh) of each member, None where no reading came."""
    return b"".join(NO_READING if r is None else _uint(r[0], 4) + _uint(r[1], 4) for r in readings)


def pack_readings(batch: Batch, readings: Sequence[tuple[int, int] | None]) -> bytes:
    """The list of readings that the oracle proves and the event holds."""
    return b"".join(
        _hex(member["account"])
        + _uint(member["number"] | (MISSING_FLAG if reading is None else 0), 2)
        + _uint((reading or (0, 0))[0], 4)
        + _uint((reading or (0, 0))[1], 4)
        for member, reading in zip(batch["members"], readings, strict=True)
    )


def unpack_registers(evidence: bytes, *, members: int) -> list[tuple[int, int] | None]:
    """What ``pack_registers`` packed, at the beginning of the evidence."""
    entries = [
        evidence[at : at + len(NO_READING)] for at in range(0, members * len(NO_READING), len(NO_READING))
    ]
    return [
        None if entry == NO_READING else (int.from_bytes(entry[:4]), int.from_bytes(entry[4:]))
        for entry in entries
    ]


def pack_attested_proof(attestors: Mapping[str, str | None], *, gaps: bool) -> bytes:
    """Signatures (65 bytes each) of all attestors by account, None of those who do not sign.

    ``gaps`` says that readings are missing.
    """
    kind = ATTESTED_WITH_GAPS if gaps else ATTESTED
    return kind + b"".join(
        SILENT + _hex(account) if signature is None else SIGNED + _hex(compact(signature))
        for account, signature in sorted(attestors.items(), key=lambda item: int(item[0], 16))
    )


def pack_meter_proof(signatures: Iterable[str | None]) -> bytes:
    """The meters' own signatures (65 bytes each), of every reading that is not missing, in the batch's order.

    None stands for a reading that was brought to the oracle itself.
    """
    return SIGNED_BY_METERS + b"".join(
        SUBMITTED if signature is None else _hex(compact(signature)) for signature in signatures
    )


def _continued(members: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], bool]]:
    """Each meter, and whether another one of its account comes next."""
    accounts = [member["account"] for member in members]
    return [
        (member, [member["account"]] == accounts[place + 1 : place + 2])
        for place, member in enumerate(members)
    ]


def _member(member: Mapping[str, Any], terms: list[bytes], *, bilateral: bool, continued: bool) -> bytes:
    """One meter; ``continued`` by another one of the same account."""
    number = member["number"]
    head = _uint(len(member["orders"]) | (0x80 if number else 0) | (0x40 if continued else 0), 1)
    orders = b"".join(_order(order, terms, bilateral=bilateral) for order in member["orders"])
    return head + _hex(member["account"]) + (_uint(number, 2) if number else b"") + orders


def _order(order: Mapping[str, Any], terms: list[bytes], *, bilateral: bool) -> bytes:
    own = _uint(order["feeCap"], 4) + _uint(order["imbalanceCap"], 4) + _uint(order["expiry"], 5)
    if own not in terms:
        terms.append(own)
    executions = order["executions"]
    partial = not bilateral and executions[0]["energyWh"] != order["energyWh"]
    head = order["authority"] | (0x80 if order["side"] == SELL else 0) | (0x40 if partial else 0)
    packed = [
        _uint(terms.index(own), 1),
        _uint(head, 1),
        _uint(order["k"], 1),
        _uint(order["energyWh"], 4),
        _uint(order["limitPrice"], 4),
    ]
    if bilateral:
        packed.append(_uint(len(executions), 1))
        packed.extend(
            _uint(e["trade"], 2) + _uint(e["energyWh"], 4) + _uint(e["price"], 4) for e in executions
        )
    elif partial:
        packed.append(_uint(executions[0]["energyWh"], 4))
    if order["authority"] == 0:
        packed.append(_hex(order["signature"]))
    return b"".join(packed)


def compact(signature: str) -> str:
    """A 65-byte signature (r, s, v) in the 64 bytes of EIP-2098."""
    raw = _hex(signature)
    r, s, v = raw[:32], int.from_bytes(raw[32:64]), raw[64]
    return "0x" + (r + (s | (v - 27) << 255).to_bytes(32)).hex()


def _uint(value: int, size: int) -> bytes:
    """Big-endian; OverflowError when the value does not fit."""
    return value.to_bytes(size)


def _hex(value: str) -> bytes:
    return bytes.fromhex(value[2:])
