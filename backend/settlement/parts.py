"""Where a batch is cut into parts, so that each part's settlement fits into one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Terms = tuple[int, int, int]
"""Fee cap, imbalance cap and expiry of an order."""
GAS_A_PART = 15_000_000
"""Below what a transaction may use (EIP-7825: 16,777,216), with room for what the figures below leave out."""
PART_GAS = 160_000
METER_GAS = 24_000
ORDER_GAS = 9_000
"""Measured with meter-signed readings and owner-signed orders, and rounded up: a meter has one storage slot,
two reads of the registry and one signature; an order has one signature and its bytes."""
MAX_TERMS = 255
"""One byte counts the different terms of a part's orders."""


@dataclass(frozen=True, slots=True)
class Load:
    """What an account brings into a part: how many meters, and the terms of each of their orders."""

    meters: int
    terms: tuple[Terms, ...] = ()

    @property
    def gas(self) -> int:
        """About what settling the account takes."""
        return METER_GAS * self.meters + ORDER_GAS * len(self.terms)


def cut(loads: Sequence[Load], *, gas: int = GAS_A_PART) -> list[range]:
    """Consecutive ranges of accounts, each of at most ``gas`` and one account at least; none: an empty one.

    Parts settle by themselves, so nobody trades across a cut: accounts stay in the batch's order, and within
    each part bids and offers are paired afresh. The contract wants all meters of an account in one part.

    >>> cut([Load(1, ((1, 2, 3),))] * 5, gas=PART_GAS + 2 * (METER_GAS + ORDER_GAS))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    starts = [0]
    used, terms = PART_GAS, set[Terms]()
    for position, load in enumerate(loads):
        fits = used + load.gas <= gas and len(_with(terms, load.terms)) <= MAX_TERMS
        if position > starts[-1] and not fits:
            starts.append(position)
            used, terms = PART_GAS, set()
        used += load.gas
        terms = _with(terms, load.terms)
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(loads)], strict=True)]


def _with(terms: set[Terms], more: Iterable[Terms]) -> set[Terms]:
    return terms | set(more)
