"""Who traded with whom in a uniform-price batch: the one rule that market, batch and audit share."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.market import Side


class Fill(NamedTuple):
    """What was executed of an order."""

    side: Side
    energy_wh: int


class Pair(NamedTuple):
    """Energy between two fills, which are named by their positions."""

    buy: int
    sell: int
    energy_wh: int


def chained(fills: Iterable[Fill]) -> list[Pair]:
    """Bids and offers laid end to end, each in the order given; where one side overlaps the other they trade.

    What one side has more than the other trades with nobody. In a batch, the order is that of meters, then of
    nonces; so whoever reads the batch, or the event of its settlement, names the same pairs.

    >>> chained([Fill(Side.BUY, 5), Fill(Side.SELL, 3), Fill(Side.BUY, 1), Fill(Side.SELL, 3)])
    [Pair(buy=0, sell=1, energy_wh=3), Pair(buy=0, sell=3, energy_wh=2), Pair(buy=2, sell=3, energy_wh=1)]
    """
    waiting: dict[Side, list[list[int]]] = {Side.BUY: [], Side.SELL: []}
    for position, fill in enumerate(fills):
        if fill.energy_wh:
            waiting[fill.side].append([position, fill.energy_wh])
    pairs = []
    buys, sells = (iter(waiting[side]) for side in (Side.BUY, Side.SELL))
    buy, sell = next(buys, None), next(sells, None)
    while buy and sell:
        energy_wh = min(buy[1], sell[1])
        pairs.append(Pair(buy[0], sell[0], energy_wh))
        buy[1] -= energy_wh
        sell[1] -= energy_wh
        buy = buy if buy[1] else next(buys, None)
        sell = sell if sell[1] else next(sells, None)
    return pairs
