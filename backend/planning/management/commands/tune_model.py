"""``manage.py tune_model``: look for better settings of a forecasting model under a time budget."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.planning import services
from backend.planning.inputs import QUANTITIES
from backend.registry import queries as registry
from domain.errors import FieldError
from forecasting.models import MODELS


class Command(BaseCommand):
    help = (
        "Look for better settings of a model on what the community has metered;"
        " contests train with them once all their judged days lie after that."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", required=True, choices=sorted(MODELS))
        parser.add_argument("--quantity", required=True, choices=QUANTITIES)
        parser.add_argument("--seconds", type=float, default=300.0, help="budget (default %(default)s)")
        parser.add_argument("--trials", type=int, help="at most; default: as many as there is time for")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        community = registry.community()
        as_of = registry.interval_start(community, registry.now(community))
        try:
            tuning = services.tune_model(
                options["model"],
                options["quantity"],
                as_of=as_of,
                seconds=options["seconds"],
                trials=options["trials"],
            )
        except FieldError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{tuning}: pinball {tuning.score:.5f} kW after {tuning.trials} trials, "
            f"{json.dumps(tuning.settings)}"
        )
