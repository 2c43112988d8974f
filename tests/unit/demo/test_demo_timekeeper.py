"""Block time follows community time: never back, never ahead."""

import asyncio
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from demo.timekeeper import Block, keep_time

START = datetime(2026, 6, 15, 4, tzinfo=UTC)


class StubChain:
    """A chain that mines, with Anvil's rule: time may stand still but not go back."""

    def __init__(self, genesis: int) -> None:
        self.blocks = [genesis]
        self.pending = False

    async def newest(self) -> Block:
        return Block(len(self.blocks) - 1, self.blocks[-1])

    async def has_pending(self) -> bool:
        return self.pending

    async def mine(self, timestamp: int) -> None:
        assert timestamp >= self.blocks[-1]
        self.blocks.append(timestamp)
        self.pending = False


@given(st.lists(st.tuples(st.floats(0, 120), st.booleans()), max_size=60))
def test_blocks_never_run_ahead_and_never_go_back(ticks):
    chain, now = StubChain(1), START

    async def run():
        nonlocal now
        for passed, sends in ticks:
            now += timedelta(seconds=passed)
            chain.pending = chain.pending or sends
            await keep_time(chain, now)
            assert not chain.pending
            assert chain.blocks[-1] <= now.timestamp()
            assert chain.blocks[-1] == int(now.timestamp())

    asyncio.run(run())


def test_while_time_stands_still_only_transactions_make_blocks():
    chain = StubChain(int(START.timestamp()))

    async def run():
        await keep_time(chain, START)
        assert len(chain.blocks) == 1
        chain.pending = True
        await keep_time(chain, START)
        await keep_time(chain, START)
        assert chain.blocks == [int(START.timestamp())] * 2

    asyncio.run(run())


def test_a_clock_behind_the_chain_still_lets_transactions_through():
    chain = StubChain(int(START.timestamp()))
    chain.pending = True
    asyncio.run(keep_time(chain, START - timedelta(hours=1)))
    assert chain.blocks == [int(START.timestamp())] * 2
