"""``python -m demo timekeeper``: gives the demo chain's blocks the community's time.

Anvil runs with ``--no-mining``; every quarter of a second this process mines a block. It carries the
community's present time, or, where that has not moved on, the time of the block before (which Anvil allows):
block time neither goes back nor runs ahead.

While time stands still, a block is mined only for pending transactions.
"""

import asyncio
import logging
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from demo.clock import CommunityClock
from demo.devices import web_url
from demo.files import read_json

BLOCK_S = 0.25
CHAIN_TIMEOUT_S = 10.0
CLOCK_TIMEOUT_S = 2.0
COMPLAIN_EVERY = 40
logger = logging.getLogger(__name__)


class ChainError(RuntimeError):
    """The node refused a call."""


@dataclass(frozen=True, slots=True)
class Block:
    """The newest block; ``timestamp`` in unix seconds."""

    number: int
    timestamp: int


class DemoChain:
    """The few calls of Anvil that make time."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    async def call(self, method: str, *params: Any) -> Any:  # noqa: ANN401 (JSON-RPC)
        """One JSON-RPC call; ChainError or httpx.HTTPError when it fails."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = (await self._http.post(self._url, json=body)).json()
        if "error" in answer:
            raise ChainError(f"{method}: {answer['error']}")
        return answer["result"]

    async def newest(self) -> Block:
        """The newest block."""
        block = await self.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 (JSON-RPC)
        return Block(int(block["number"], 16), int(block["timestamp"], 16))

    async def has_pending(self) -> bool:
        """Whether a transaction waits to be mined."""
        return int((await self.call("txpool_status"))["pending"], 16) > 0

    async def mine(self, timestamp: int) -> None:
        """Mine one block with ``timestamp``."""
        await self.call("evm_setNextBlockTimestamp", timestamp)
        await self.call("evm_mine")


async def keep_time(chain: DemoChain, now: datetime) -> None:
    """One tick: mine when time has passed or a transaction waits."""
    unix = int(now.timestamp())
    newest = await chain.newest()
    if unix > newest.timestamp or await chain.has_pending():
        await chain.mine(max(unix, newest.timestamp))


async def run_timekeeper(state: Path) -> None:
    """Keep time until cancelled; the chain and the web server may come and go."""
    start = datetime.fromisoformat(read_json(state / "community.json")["clock"]["start"])
    url = os.environ.get("CHAIN_RPC_URL", "http://127.0.0.1:8545")
    async with (
        httpx.AsyncClient(base_url=web_url(), timeout=CLOCK_TIMEOUT_S) as web,
        httpx.AsyncClient(timeout=CHAIN_TIMEOUT_S) as rpc,
    ):
        clock, chain = CommunityClock(web), DemoChain(rpc, url)
        async with asyncio.TaskGroup() as group:
            group.create_task(clock.follow())
            group.create_task(_mine_for_ever(chain, clock, start))


async def _mine_for_ever(chain: DemoChain, clock: CommunityClock, start: datetime) -> None:
    failures = 0
    while True:
        try:
            await keep_time(chain, clock.now() or start)
        except (httpx.HTTPError, ValueError, ChainError) as error:
            if failures % COMPLAIN_EVERY == 0:
                logger.warning("the chain does not answer: %s", error)
            failures += 1
        else:
            failures = 0
        await asyncio.sleep(BLOCK_S)
