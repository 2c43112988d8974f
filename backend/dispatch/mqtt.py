"""Devices' door over MQTT: readings, statuses and acknowledgements in, commands and refusals out."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, close_old_connections
from rest_framework.exceptions import APIException

from backend.dispatch import queries, services
from backend.dispatch.api import AcknowledgementSerializer
from backend.dispatch.models import Command
from backend.registry import queries as registry
from backend.registry.parsers import read_json
from backend.registry.problems import problem_response
from backend.registry.tasks import announce
from backend.telemetry import services as telemetry
from backend.telemetry.api import ReadingSerializer, StatusSerializer
from backend.telemetry.models import Reading
from domain.errors import FieldError

PREFIX = "commonwatt"
POLL_S = 0.3
RECONNECT_S = 1.0
logger = logging.getLogger(__name__)


def canonical_json(body: dict[str, Any]) -> str:
    """What a device signs over MQTT: its message without ``signature``, keys sorted, no spaces."""
    return json.dumps(
        {k: v for k, v in body.items() if k != "signature"}, sort_keys=True, separators=(",", ":")
    )


def take_reading(body: dict[str, Any]) -> None:
    """Store a reading."""
    checked = ReadingSerializer(data=body)
    checked.is_valid(raise_exception=True)
    telemetry.accept_reading(telemetry.SignedReading(**checked.validated_data), source=Reading.Source.MQTT)
    announce("reading")


def take_status(body: dict[str, Any]) -> None:
    """Store a status."""
    checked = StatusSerializer(data=body)
    checked.is_valid(raise_exception=True)
    telemetry.accept_status(_proof(body), **checked.validated_data)
    announce("status")


def take_acknowledgement(body: dict[str, Any]) -> None:
    """Store an acknowledgement."""
    checked = AcknowledgementSerializer(data=body)
    checked.is_valid(raise_exception=True)
    services.acknowledge(_proof(body), **checked.validated_data)


def _proof(body: dict[str, Any]) -> telemetry.SignedText:
    return telemetry.SignedText(canonical_json(body), str(body.get("signature", "")))


DOORS: dict[str, Callable[[dict[str, Any]], None]] = {
    "reading": take_reading,
    "status": take_status,
    "ack": take_acknowledgement,
}


def receive(topic: str, payload: bytes) -> dict[str, Any] | None:
    """Handle one message; returns problem+json when it is refused."""
    close_old_connections()
    body: dict[str, Any] = {}
    try:
        _, meter_id, door = topic.split("/")
        body = _parsed(payload, meter_id)
        DOORS[door](body)
    except (FieldError, APIException) as error:
        response = problem_response(error, {})
        echo = {name: body[name] for name in ("interval_start", "command_id", "at") if name in body}
        return {**(response.data if response else {}), "echo": echo}
    return None


def _parsed(payload: bytes, meter_id: str) -> dict[str, Any]:
    """The message; FieldError when it is not JSON, or speaks for another meter than its topic."""
    body = read_json(payload)
    if not isinstance(body, dict) or str(body.get("meter_id", "")).lower() != meter_id.lower():
        raise FieldError("meter_id", "must be the meter of the topic", code="unknown_meter")
    return body


async def bridge(url: str) -> None:
    """Serve until cancelled; reconnects for ever."""
    address = urlsplit(url)
    while True:
        try:
            async with aiomqtt.Client(
                address.hostname or "127.0.0.1",
                address.port or 1883,
                username=address.username,
                password=address.password,
                identifier="commonwatt-bridge",
                clean_session=False,
            ) as client:
                logger.info("connected to %s", url)
                for door in DOORS:
                    await client.subscribe(f"{PREFIX}/+/{door}", qos=1)
                async with asyncio.TaskGroup() as group:
                    group.create_task(_read(client))
                    group.create_task(_publish_commands(client))
        except* aiomqtt.MqttError as errors:
            logger.warning("broker unavailable: %s", errors.exceptions[0])
        except* (InterfaceError, OperationalError) as errors:  # devices send again what was not stored
            logger.warning("database unavailable: %s", errors.exceptions[0])
        await asyncio.sleep(RECONNECT_S)


async def _read(client: aiomqtt.Client) -> None:
    async for message in client.messages:
        topic = str(message.topic)
        refusal = await sync_to_async(receive)(topic, bytes(message.payload))
        if refusal:
            meter_id = topic.split("/")[1]
            await client.publish(f"{PREFIX}/{meter_id}/error", json.dumps(refusal), qos=1)


async def _publish_commands(client: aiomqtt.Client) -> None:
    newest = 0
    while True:
        for command in await sync_to_async(_commands_after)(newest):
            newest = command.pk
            topic = f"{PREFIX}/{command.meter.meter_id}/command"
            await client.publish(topic, json.dumps(queries.command_facts(command)), qos=1, retain=True)
        await asyncio.sleep(POLL_S)


def _commands_after(newest: int) -> list[Command]:
    close_old_connections()
    return queries.commands_after(newest, "mqtt", registry.now())


def run(url: str) -> None:
    """Run the bridge until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(bridge(url))
