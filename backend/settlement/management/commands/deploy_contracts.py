"""`manage.py deploy_contracts`: put the contracts on the chain, once."""

import json
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.chain.errors import ChainUnavailableError, RevertedError
from backend.settlement import connection, services
from backend.settlement.services.deployment import community_terms, terms_from_facts

NETWORKS = {"anvil": 31_337, "sepolia": 11_155_111, "base-sepolia": 84_532, "polygon-amoy": 80_002}


class Command(BaseCommand):
    help = "Deploy the contracts through CHAIN_RPC_URL, or find them already there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", choices=sorted(NETWORKS), default="anvil")
        parser.add_argument("--token", help="settle in this stablecoin instead of a new test one")
        parser.add_argument("--community", type=Path, help="community.json, when no community is loaded yet")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        try:
            facts = options["community"]
            terms = terms_from_facts(json.loads(facts.read_text())) if facts else community_terms()
            deployment = services.deploy(
                terms=replace(terms, token=options["token"]), chain_id=NETWORKS[options["network"]]
            )
        except (ChainUnavailableError, RevertedError, ValueError) as error:
            raise CommandError(str(error)) from error
        path = connection.deployment_path(deployment.chain_id)
        for name in ("token", "registry", "exchange"):
            self.stdout.write(f"{name:9} {getattr(deployment, name)}")
        self.stdout.write(f"recorded in {path}")
