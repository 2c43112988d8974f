"""`manage.py deploy_contracts`: see "Deploying the contracts" in docs/operations.md."""

import json
import os
from argparse import ArgumentParser
from dataclasses import replace
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_checksum_address

from backend.chain.deployment import DeploymentError, Plan
from backend.chain.deployment.costs import Preview
from backend.chain.deployment.keys import from_hex, from_keystore, keystore_address
from backend.chain.deployment.networks import Kind, Network, find
from backend.chain.deployment.plan import LABEL
from backend.chain.deployment.steps import Create
from backend.chain.errors import ChainUnavailableError, RevertedError
from backend.settlement import connection
from backend.settlement.services import deployment as service

REASONS = (ChainUnavailableError, DeploymentError, ImproperlyConfigured, RevertedError, ValueError)


class Command(BaseCommand):
    help = (
        "Deploy the contracts through CHAIN_RPC_URL, go on where an earlier attempt stopped, or check them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", default="anvil", help="name or chain id; must be the node's")
        parser.add_argument(
            "--dry-run", action="store_true", help="show steps, addresses, costs; send nothing"
        )
        parser.add_argument(
            "--verify", action="store_true", help="check the recorded deployment; exit 1 if wrong"
        )
        parser.add_argument("--token", help="settle in this stablecoin instead of a new test one")
        parser.add_argument("--play-money", action="store_true", help="this unknown chain is a test chain")
        parser.add_argument("--community", type=Path, help="community.json, when no community is loaded yet")
        parser.add_argument("--label", default=LABEL, help="another one gives another set of addresses")
        parser.add_argument("--replace", action="store_true", help="set another deployment's record aside")
        parser.add_argument("--keystore", type=Path, help="the deployer's key file, instead of DEPLOYER_KEY")
        parser.add_argument(
            "--password-file", type=Path, help="the key file's password; or KEYSTORE_PASSWORD"
        )
        parser.add_argument("--deployer", metavar="ADDRESS", help="whose dry run, when no key is at hand")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        try:
            network = find(options["network"])
            if options["verify"]:
                self._verify(network)
            elif options["dry_run"]:
                self._dry_run(self._plan(network, options, deployer=_deployer(options)))
            else:
                self._deploy(network, options)
        except REASONS as error:
            raise CommandError(str(error)) from error

    def _plan(self, network: Network, options: dict[str, Any], *, deployer: str) -> Plan:
        facts = options["community"]
        terms = (
            service.terms_from_facts(json.loads(facts.read_text())) if facts else service.community_terms()
        )
        if options["play_money"] and network.kind is Kind.UNKNOWN:
            network = replace(network, kind=Kind.TEST)
        terms = replace(terms, token=options["token"])
        return service.plan_for(network, terms, deployer=deployer, label=options["label"])

    def _deploy(self, network: Network, options: dict[str, Any]) -> None:
        signer = _signer(options)
        plan = self._plan(network, options, deployer=signer.address)
        made = service.build(plan, signer=signer, replacing=options["replace"], tell=self.stdout.write)
        for role, address in made.addresses.items():
            self.stdout.write(f"{role:9} {address}")
        self.stdout.write(f"recorded in {connection.deployment_path(made.chain_id)}")

    def _dry_run(self, plan: Plan) -> None:
        shown = service.dry_run(plan)
        self.stdout.write(f"{plan.network.name} (chain {plan.network.chain_id}), deployed by {plan.deployer}")
        for line in shown.lines:
            gas = "there already" if line.gas is None else f"{line.gas:>10,} gas"
            where = f" at {line.step.creation.address}" if isinstance(line.step, Create) else ""
            self.stdout.write(f"{gas:>14}  {line.step.key}{where}")
        for row in costs(shown, plan.network.currency):
            self.stdout.write(row)
        self.stdout.write("nothing was sent")

    def _verify(self, network: Network) -> None:
        checks = service.inspect(network)
        for check in checks:
            mark = f"DIFFERENCE {check.name}: {check.difference}" if check.difference else f"ok {check.name}"
            self.stdout.write(mark)
        wrong = sum(1 for check in checks if check.difference)
        self.stdout.write(f"{len(checks)} checks, {wrong} differences")
        if wrong:
            raise SystemExit(1)


def costs(shown: Preview, currency: str) -> list[str]:
    """The totals of a dry run in words."""
    how = "simulated by the node" if shown.simulated else "estimated: the node does not simulate"
    gwei = f"{shown.gas_price / 1e9:.3f} gwei"
    return [
        f"{shown.gas:,} gas in all, {how}",
        f"costs {shown.cost / 1e18:.6f} {currency} at {gwei}, at most {shown.max_cost / 1e18:.6f} {currency}",
        f"the deployer holds {shown.balance / 1e18:.6f} {currency}",
    ]


def _signer(options: dict[str, Any]) -> LocalAccount:
    if options["keystore"]:
        return from_keystore(options["keystore"], _password(options["password_file"]))
    return from_hex(connection.secret_key("DEPLOYER_KEY"), name="DEPLOYER_KEY")


def _password(file: Path | None) -> str:
    if file:
        return file.read_text().rstrip("\r\n")
    given = os.environ.get("KEYSTORE_PASSWORD")
    return getpass("Password of the keystore: ") if given is None else given


def _deployer(options: dict[str, Any]) -> str:
    """Who would deploy; no password is needed to tell."""
    given: str | None = options["deployer"]
    if given:
        if not is_checksum_address(given):
            raise ValueError(f"{given!r} is not a checksummed address")
        return given
    return (
        keystore_address(options["keystore"]) if options["keystore"] else connection.accounts("DEPLOYER")[0]
    )
