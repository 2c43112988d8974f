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
        if trouble := queries.trouble():
            self.stdout.write(f"the outbox waits, {trouble['age_s']} s by now: {trouble['reason']}")
        rows = queries.waiting()
        for row in rows:
            self.stdout.write("{state:9} {age_s:7} s  {key}  {reason}".format_map(row))
        self.stdout.write(f"{len(rows)} not final")
