"""The door over MQTT: the same checks as over HTTP, and a refusal the device can tell apart."""

import asyncio
import json
from datetime import timedelta
from urllib.parse import urlsplit

import aiomqtt
import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from town import HOUR, OPENED, iso, meter_id

from backend.dispatch import mqtt as door
from backend.dispatch import queries, services
from backend.dispatch.models import Command
from backend.telemetry.models import DeviceStatus, Reading

NEXT = OPENED + HOUR


@pytest.fixture
def town(town, monkeypatch):
    """The community; the door may not close the connection that the test will roll back."""
    monkeypatch.setattr(door, "close_old_connections", lambda: None)
    return town


def topic(name, role, kind):
    return f"commonwatt/{meter_id(name, role)}/{kind}"


def signed(town, body, by):
    return body | {"signature": town.sign_text(door.canonical_json(body), by)}


def told(refusal, field, code=None):
    """The refusal is problem+json's body and names the field."""
    assert refusal["status"] in {400, 409}
    assert refusal["errors"][0]["field"] == field, refusal
    assert code is None or refusal["code"] == code, refusal
    json.dumps(refusal)
    return refusal


def test_a_reading_is_taken_once(town):
    town.to(NEXT)
    payload = json.dumps(town.reading("ben")).encode()
    assert door.receive(topic("ben", "grid", "reading"), payload) is None
    assert Reading.objects.get().source == "mqtt"
    again = told(door.receive(topic("ben", "grid", "reading"), payload), "interval_start", "replayed")
    assert again["status"] == 409
    assert again["echo"] == {"interval_start": iso(OPENED)}


def test_a_message_is_its_topics_meters_own(town):
    town.to(NEXT)
    payload = json.dumps(town.reading("ana")).encode()
    told(door.receive(topic("ben", "grid", "reading"), payload), "meter_id", "unknown_meter")
    told(door.receive(f"commonwatt/{meter_id('ana').upper()[2:]}/reading", payload), "meter_id")
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00\xff",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 5_000,
        b"x" * 300_000,
        b'{"meter_id": null}',
        b'{"meter_id": ["0x"]}',
    ],
    ids=lambda p: repr(p[:12]),
)
@pytest.mark.parametrize("kind", ["reading", "status", "ack"])
def test_bytes_that_are_no_message_are_refused(town, kind, payload):  # noqa: ARG001 - the community
    refusal = door.receive(topic("ben", "grid", kind), payload)
    assert refusal["status"] == 400
    json.dumps(refusal)


def test_every_refusal_echoes_what_it_refuses(town):
    town.to(NEXT)
    early = json.dumps(town.reading("ben", start=NEXT)).encode()
    refusal = told(door.receive(topic("ben", "grid", "reading"), early), "interval_start", "too_early")
    assert refusal["echo"] == {"interval_start": iso(NEXT)}
    nan = json.dumps(town.reading("ben") | {"import_wh": float("nan")}).encode()
    assert told(door.receive(topic("ben", "grid", "reading"), nan), "import_wh")["echo"]
    ack = {"meter_id": meter_id("ben", "battery"), "command_id": 7, "state": "accepted", "reason": ""}
    payload = json.dumps(signed(town, ack, "ben battery")).encode()
    refusal = told(door.receive(topic("ben", "battery", "ack"), payload), "command_id", "unknown_command")
    assert refusal["echo"] == {"command_id": 7}


def test_statuses_and_acknowledgements_are_signed_without_their_signature(town):
    status = {"meter_id": meter_id("ben", "battery"), "at": iso(OPENED), "power_kw": -1.25, "soc_kwh": None}
    message = signed(town, status, "ben battery")
    assert door.receive(topic("ben", "battery", "status"), json.dumps(message, indent=3).encode()) is None
    assert DeviceStatus.objects.get().power_kw == -1.25
    for spoiled in (
        message | {"power_kw": 9},
        signed(town, status, "ana grid"),
        status,
        message | {"signature": 3},
    ):
        told(door.receive(topic("ben", "battery", "status"), json.dumps(spoiled).encode()), "signature")
    (command,) = leased(town)
    ack = {
        "meter_id": meter_id("ben", "battery"),
        "command_id": command.pk,
        "state": "accepted",
        "reason": "é🌞",
    }
    payload = json.dumps(signed(town, ack, "ben battery")).encode()
    assert door.receive(topic("ben", "battery", "ack"), payload) is None
    command.refresh_from_db()
    assert command.state == "accepted"


def leased(town, at=OPENED):
    set_point = services.SetPoint(grid_target_kw=0.5, power_min_kw=0.0, power_max_kw=2.0)
    return services.issue_commands({town.meter("ben").site_id: set_point}, as_of=at)


def test_commands_that_have_lapsed_are_not_sent_again(town):
    """A bridge that starts anew sends what still counts, not the history."""
    (old,) = leased(town)
    (new,) = leased(town, NEXT)
    assert queries.commands_after(0, "mqtt", OPENED + timedelta(minutes=5)) == [old, new]
    assert queries.commands_after(0, "mqtt", NEXT) == [new]
    assert queries.commands_after(old.pk, "mqtt", OPENED) == [new]
    assert queries.commands_after(0, "http", OPENED) == []


def test_over_a_real_broker(lasting_town, mqtt):
    """Readings in, refusals back, commands out, and a hostile message in between."""
    town = lasting_town.to(NEXT)
    (command,) = leased(town, NEXT)
    good, wrong = town.reading("ben"), town.reading("ben", "pv", by="ana grid")

    async def exchange():
        bridge = asyncio.create_task(door.bridge(mqtt))
        try:
            return await asyncio.wait_for(talk(), 20)
        finally:
            bridge.cancel()
            await asyncio.gather(bridge, return_exceptions=True)
            await sync_to_async(connections.close_all)()

    async def talk():
        address = urlsplit(mqtt)
        async with aiomqtt.Client(address.hostname, address.port, identifier="device") as device:
            await device.subscribe(topic("ben", "battery", "command"), qos=1)
            messages = aiter(device.messages)
            heard = [json.loads((await anext(messages)).payload)]  # so the bridge is there
            for role in ("grid", "pv"):
                await device.subscribe(topic("ben", role, "error"), qos=1)
            await device.publish(topic("ben", "grid", "reading"), b"[" * 200_000, qos=1)
            await device.publish(topic("ben", "pv", "reading"), json.dumps(wrong), qos=1)
            for _ in range(2):
                await device.publish(topic("ben", "grid", "reading"), json.dumps(good), qos=1)
            heard += [json.loads((await anext(messages)).payload) for _ in range(3)]
        return heard

    order, shout, forged, replayed = asyncio.run(exchange())
    assert order["id"] == command.pk
    assert shout["errors"][0]["field"] == "body"
    assert (forged["code"], forged["echo"]) == ("wrong_signature", {"interval_start": iso(OPENED)})
    assert replayed["code"] == "replayed"
    assert Reading.objects.get().meter.role == "grid"
    assert Command.objects.count() == 1
