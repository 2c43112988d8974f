"""A home over a real broker, against a hand-written bridge that keeps, or loses, what it is sent."""

import asyncio
import json
from urllib.parse import urlsplit

import aiomqtt
from eth_account import Account
from eth_account.messages import encode_defunct

from demo.link import Outcome
from demo.mqtt_link import MqttLink
from demo.signing import canonical_json

METER = "0x" + "cd" * 32
ACCOUNT = Account.create()
READING = {"meter_id": METER, "interval_start": "2026-06-15T04:00:00Z", "import_wh": 1}


class StubBridge:
    """Refuses the second copy of a reading as replayed; loses the first ``deaf`` messages."""

    def __init__(self, client: aiomqtt.Client, *, deaf: int) -> None:
        self.client = client
        self.deaf = deaf
        self.received: dict[str, int] = {}
        self.signed: asyncio.Queue[dict] = asyncio.Queue()

    async def serve(self) -> None:
        async for message in self.client.messages:
            kind, body = str(message.topic).split("/")[2], json.loads(message.payload)
            if self.deaf:
                self.deaf -= 1
            elif kind == "reading":
                key = body["interval_start"]
                self.received[key] = self.received.get(key, 0) + 1
                if self.received[key] > 1:
                    await self.refuse({"status": 409, "code": "replayed", "echo": {"interval_start": key}})
            else:
                self.signed.put_nowait(body)

    async def refuse(self, problem: dict) -> None:
        await self.client.publish(f"commonwatt/{METER}/error", json.dumps(problem), qos=1)


def with_home(mqtt: str, act, *, deaf: int = 0):
    """Run ``act(link, bridge, commands)`` with a home and a bridge on the broker."""

    async def session():
        address = urlsplit(mqtt)
        commands: asyncio.Queue[dict] = asyncio.Queue()
        link = MqttLink(
            mqtt, {METER: ACCOUNT}, username="ada", battery_meter=METER, on_command=commands.put_nowait
        )
        async with aiomqtt.Client(address.hostname, address.port) as client:
            for kind in ("reading", "status", "ack"):
                await client.subscribe(f"commonwatt/+/{kind}", qos=1)
            bridge = StubBridge(client, deaf=deaf)
            tasks = [asyncio.ensure_future(bridge.serve()), asyncio.ensure_future(link.run())]
            try:
                async with asyncio.timeout(30):
                    while not await link.send_ack(METER, {"meter_id": METER}):  # noqa: ASYNC110 (until connected)
                        await asyncio.sleep(0.05)
                    return await act(link, bridge, commands)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(session())


def test_the_refusal_of_a_copy_is_the_receipt(mqtt):
    async def act(link, bridge, _):
        assert await link.deliver(READING) is Outcome.ARRIVED
        assert bridge.received == {READING["interval_start"]: 2}

    with_home(mqtt, act)


def test_a_reading_that_was_lost_is_sent_until_it_arrives(mqtt):
    async def act(link, bridge, _):
        assert await link.deliver(READING) is Outcome.LATER
        assert await link.deliver(READING) is Outcome.ARRIVED
        assert bridge.received[READING["interval_start"]] >= 2

    with_home(mqtt, act, deaf=3)


def test_messages_are_signed_in_canonical_form(mqtt):
    async def act(link, bridge, _):
        await link.send_status(METER, {"meter_id": METER, "power_kw": 1.5, "at": "2026-06-15T04:00:00Z"})
        await bridge.signed.get()
        body = await bridge.signed.get()
        signature = body.pop("signature")
        assert (
            Account.recover_message(encode_defunct(text=canonical_json(body)), signature=signature)
            == ACCOUNT.address
        )

    with_home(mqtt, act)


def test_commands_come_by_themselves_and_are_kept_for_who_was_away(mqtt):
    async def act(link, bridge, commands):
        await bridge.client.publish(f"commonwatt/{METER}/command", json.dumps({"id": 1}), qos=1, retain=True)
        assert await commands.get() == {"id": 1}
        link.cut_off = True
        await asyncio.sleep(0.5)
        assert await link.deliver(READING) is Outcome.LATER
        await bridge.client.publish(f"commonwatt/{METER}/command", json.dumps({"id": 2}), qos=1, retain=True)
        await asyncio.sleep(0.5)
        assert commands.empty()
        link.cut_off = False
        assert await commands.get() == {"id": 2}

    with_home(mqtt, act)
