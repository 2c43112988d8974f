"""Where a batch is cut into parts, so that each part's settlement fits into one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GAS_A_PART = 15_000_000
"""Below what one transaction may use (EIP-7825: 16,777,216), with room for what the figures below leave out."""
PART_GAS = 160_000
MEMBER_GAS = 24_000
ORDER_GAS = 9_000
"""Measured with meter-signed readings and owner-signed orders, and rounded up: a member has one storage slot, two
reads of the registry and one signature; an order one signature and its bytes."""
MAX_TERMS = 255
"""One byte counts the different (fee cap, imbalance cap, expiry) of a part's orders."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one member brings into a part: its orders' terms, one entry an order."""

    terms: tuple[tuple[int, int, int], ...] = ()

    @property
    def gas(self) -> int:
        """About what settling the member takes."""
        return MEMBER_GAS + ORDER_GAS * len(self.terms)


def cut(loads: Sequence[Load], *, gas: int = GAS_A_PART) -> list[range]:
    """Consecutive ranges of members, each of at most ``gas`` and of one member at least; one empty range for none.

    Parts settle by themselves, so nobody trades across a cut: members stay in the batch's order, and within each
    part bids and offers are paired afresh.

    >>> cut([Load(((1, 2, 3),))] * 5, gas=PART_GAS + 2 * (MEMBER_GAS + ORDER_GAS))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    starts = [0]
    used, terms = PART_GAS, set[tuple[int, int, int]]()
    for position, load in enumerate(loads):
        fits = used + load.gas <= gas and len(_with(terms, load.terms)) <= MAX_TERMS
        if position > starts[-1] and not fits:
            starts.append(position)
            used, terms = PART_GAS, set()
        used += load.gas
        terms = _with(terms, load.terms)
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(loads)], strict=True)]


def _with(
    terms: set[tuple[int, int, int]], more: Iterable[tuple[int, int, int]]
) -> set[tuple[int, int, int]]:
    return terms | set(more)
