"""A home that speaks MQTT.

A broker's acknowledgement (QoS 1) does not say that the platform has a reading. So a reading stays in the
outbox until the platform refuses a second copy of it as replayed: that refusal is the receipt.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
from eth_account.signers.local import LocalAccount

from demo.link import OnCommand, Outcome, outcome_of_problem
from demo.signing import canonical_json, sign_text

PREFIX = "commonwatt"
COPY_AFTER_S = 1.5
RECONNECT_S = 1.0
WATCH_S = 0.1
logger = logging.getLogger(__name__)


class CutOffError(Exception):
    """The home has lost its connection."""


class MqttLink:
    """Publishes to ``commonwatt/{meter_id}/reading|status|ack``, listens to ``…/command`` and ``…/error``."""

    def __init__(
        self,
        url: str,
        accounts: Mapping[str, LocalAccount],
        *,
        username: str,
        battery_meter: str | None,
        on_command: OnCommand,
    ) -> None:
        self.cut_off = False
        self._address = urlsplit(url)
        self._accounts = accounts
        self._username = username
        self._battery_meter = battery_meter
        self._on_command = on_command
        self._client: aiomqtt.Client | None = None
        self._waiting: dict[tuple[str, str], asyncio.Future[Outcome]] = {}

    def hurry(self) -> None:
        """Nothing to do: commands come by themselves."""

    async def run(self) -> None:
        """Stay connected except while cut off, for ever."""
        while True:
            if not self.cut_off:
                with contextlib.suppress(aiomqtt.MqttError, CutOffError):
                    await self._session()
            await asyncio.sleep(WATCH_S if self.cut_off else RECONNECT_S)

    async def _session(self) -> None:
        address = self._address
        async with aiomqtt.Client(
            address.hostname or "127.0.0.1",
            address.port or 1883,
            username=address.username,
            password=address.password,
            identifier=f"{PREFIX}-{self._username}",
        ) as client:
            for meter_id in self._accounts:
                await client.subscribe(f"{PREFIX}/{meter_id}/error", qos=1)
            if self._battery_meter:
                await client.subscribe(f"{PREFIX}/{self._battery_meter}/command", qos=1)
            self._client = client
            watch = asyncio.ensure_future(self._until_cut_off())
            listen = asyncio.ensure_future(self._listen(client))
            try:
                done, _ = await asyncio.wait({watch, listen}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                self._client = None
                for task in (watch, listen):
                    task.cancel()
                await asyncio.gather(watch, listen, return_exceptions=True)

    async def _until_cut_off(self) -> None:
        while not self.cut_off:  # noqa: ASYNC110 (a flag that the household sets as time goes by)
            await asyncio.sleep(WATCH_S)
        raise CutOffError

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            _, meter_id, kind = str(message.topic).split("/")
            try:
                body = json.loads(message.payload)
            except ValueError:
                logger.warning("%s: %s is not JSON", self._username, message.topic)
                continue
            if kind == "command":
                self._on_command(body)
            else:
                self._refused(meter_id, body)

    def _refused(self, meter_id: str, problem: dict[str, Any]) -> None:
        interval_start = problem.get("echo", {}).get("interval_start", "")
        future = self._waiting.get((meter_id, interval_start))
        if future and not future.done():
            future.set_result(outcome_of_problem(int(problem.get("status", 0)), problem))

    async def deliver(self, reading: dict[str, Any]) -> Outcome:
        """Publish a reading, and a copy of it, until the platform answers to one of them."""
        key = (reading["meter_id"], reading["interval_start"])
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            for _ in range(2):
                if not await self._publish(f"{PREFIX}/{reading['meter_id']}/reading", json.dumps(reading)):
                    return Outcome.LATER
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(COPY_AFTER_S):
                        return await asyncio.shield(answer)
            return Outcome.LATER
        finally:
            del self._waiting[key]

    async def send_status(self, meter_id: str, body: dict[str, Any]) -> None:
        """Publish a status."""
        await self._publish_signed("status", meter_id, body)

    async def send_ack(self, meter_id: str, body: dict[str, Any]) -> bool:
        """Publish an acknowledgement."""
        return await self._publish_signed("ack", meter_id, body)

    async def _publish_signed(self, kind: str, meter_id: str, body: dict[str, Any]) -> bool:
        signature = sign_text(self._accounts[meter_id], canonical_json(body))
        return await self._publish(
            f"{PREFIX}/{meter_id}/{kind}", json.dumps({**body, "signature": signature})
        )

    async def _publish(self, topic: str, payload: str) -> bool:
        client = self._client
        if client is None or self.cut_off:
            return False
        try:
            await client.publish(topic, payload, qos=1)
        except aiomqtt.MqttError:
            return False
        return True
