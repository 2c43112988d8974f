"""`manage.py outbox`: what the chain refused, and letting it be tried again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.settlement import services
from backend.settlement.models import OutboxTransaction


class Command(BaseCommand):
    help = "List transactions that are not confirmed; --retry KEY lets a failed one be sent again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retry", metavar="KEY")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        key = options["retry"]
        if key and not services.retry(key):
            raise CommandError(f"no failed transaction is called {key}")
        rows = OutboxTransaction.objects.exclude(state=OutboxTransaction.State.CONFIRMED).order_by("id")
        for row in rows:
            self.stdout.write(f"{row.state:8}  {row.key}  {row.error}")
        self.stdout.write(f"{len(rows)} not confirmed")
