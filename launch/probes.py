"""Questions that a service answers once it can serve; each raises while it cannot."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiomqtt
import httpx
import psycopg
import redis.asyncio

_PATIENCE_S = 2.0
"""How long one question may take."""


class NotReadyError(Exception):
    """It answers, but not as it should."""


_REFUSALS = (
    OSError,
    NotReadyError,
    aiomqtt.MqttError,
    httpx.HTTPError,
    psycopg.Error,
    redis.RedisError,
)


async def postgres(url: str) -> None:
    """A query gets its result."""
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=int(_PATIENCE_S)) as connection:
        await connection.execute("SELECT 1")


async def redis_server(url: str) -> None:
    """PING gets PONG, so the data is loaded."""
    client = redis.asyncio.from_url(url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
    async with client:
        await client.ping()


async def chain(url: str) -> None:
    """The node tells its chain id."""
    async with httpx.AsyncClient(timeout=_PATIENCE_S) as client:
        question = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        answer = (await client.post(url, json=question)).raise_for_status().json()
    if "result" not in answer:
        raise NotReadyError(f"eth_chainId: {answer}")


async def mqtt(url: str) -> None:
    """The broker accepts a client."""
    parts = urlsplit(url)
    async with aiomqtt.Client(parts.hostname or "", parts.port or 1883, timeout=_PATIENCE_S):
        pass


async def web(url: str) -> None:
    """The platform tells the time."""
    async with httpx.AsyncClient(timeout=_PATIENCE_S) as client:
        (await client.get(f"{url}/api/v1/clock")).raise_for_status()


async def answers(probe: Callable[[], Awaitable[None]], *, within_s: float) -> None:
    """Ask until the probe succeeds.

    Raises:
        TimeoutError: it has not within `within_s`; the cause is its last refusal.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        try:
            await probe()
        except _REFUSALS as refusal:
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"no answer within {within_s:.0f} s: {refusal}") from refusal
            await asyncio.sleep(0.1)
        else:
            return
