"""``manage.py mqtt_bridge``: the platform's MQTT door."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from backend.dispatch.mqtt import run


class Command(BaseCommand):
    help = "Serve devices over MQTT until interrupted."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401, ARG002 - Django's signature
        run(settings.MQTT_URL)
