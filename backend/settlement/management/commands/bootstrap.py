"""``manage.py bootstrap``: what must stand before the platform serves; safe to run at every start."""

import gzip
import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandParser, call_command
from django.core.management.base import BaseCommand, CommandError

from backend.registry import services as registry
from backend.settlement import connection, services
from backend.telemetry import services as telemetry
from backend.telemetry.models import Reading


class Command(BaseCommand):
    help = (
        "Migrate, load the community and its history, deploy the contracts, register meters, hold the clock."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--community", type=Path, required=True)
        parser.add_argument("--history", type=Path, required=True)

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401, ARG002 - Django's signature
        try:
            (agent,) = connection.accounts("AGENT")
        except (ImproperlyConfigured, ValueError) as error:
            raise CommandError(f"the agent needs one account: {error}") from error
        call_command("migrate", verbosity=0)
        facts = json.loads(options["community"].read_text())
        registry.load_community(facts, agent_address=agent)
        if not Reading.objects.exists():
            with gzip.open(options["history"], "rt", newline="") as lines:
                count = telemetry.import_readings(telemetry.read_csv(lines))
            self.stdout.write(f"{count} readings of the past imported")
        deployment = services.deploy()
        services.register_all()
        held = registry.hold_clock(not_before=connection.chain().head().time)
        self.stdout.write(f"contracts on chain {deployment.chain_id}; community time {held.isoformat()}")
