"""``manage.py train_models``: train and judge forecasting models now, instead of at the next midnight."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.planning import services
from backend.registry import queries as registry
from backend.registry.locks import sole
from domain.errors import FieldError
from domain.time import require_utc


class Command(BaseCommand):
    help = "Train challengers, judge them beside the champions, and crown who is better."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--as-of", type=datetime.fromisoformat, help="an interval's start; default: of the one under way"
        )

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        community = registry.community()
        now = registry.now(community)
        try:
            as_of = require_utc(options["as_of"] or now, "--as-of")
        except FieldError as error:
            raise CommandError(str(error)) from error
        if as_of > now:
            raise CommandError(f"--as-of: lies after the community's time, {now.isoformat()}")
        with sole("train") as mine:
            if not mine:
                raise CommandError("a worker is training; try again when it is done")
            for contest in services.train_models(registry.interval_start(community, as_of)):
                self.stdout.write(str(contest))
