"""`manage.py outbox`: what the chain refused, and letting it be tried again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.settlement import queries, services


class Command(BaseCommand):
    help = "List transactions that are not final, and why; --retry KEY lets a failed one be sent again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retry", metavar="KEY")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        key = options["retry"]
        if key and not services.retry(key):
            raise CommandError(f"no failed transaction is called {key}")
        if stuck := queries.trouble():
            self.stdout.write(f"the outbox waits since {stuck.since:%Y-%m-%dT%H:%M:%SZ}: {stuck.reason}")
        rows = queries.waiting()
        for row in rows:
            self.stdout.write(
                f"{row['state']:9} {row['since']:%Y-%m-%dT%H:%M:%SZ}  {row['key']}  {row['reason']}"
            )
        self.stdout.write(f"{len(rows)} not confirmed")
