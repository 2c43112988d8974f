"""Telling whoever listens that something happened; the live channel carries ids, never data."""

import json
import logging

import redis
from celery import current_app
from django.conf import settings

LIVE_CHANNEL = "commonwatt.live"
logger = logging.getLogger(__name__)


def announce(event: str, **ids: str | int) -> None:
    """Publish ``event`` to the open pages; a lost announcement costs a page some seconds, nothing more."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as connection:
            connection.publish(LIVE_CHANNEL, json.dumps({"event": event, **ids}))
    except redis.RedisError as error:
        logger.warning("live channel unavailable: %s", error)


def request_tick() -> None:
    """Ask the pipeline to look at the clock now instead of at its next beat."""
    current_app.send_task("backend.pipeline.tick", expires=5)
