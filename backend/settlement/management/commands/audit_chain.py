"""`manage.py audit_chain`: every balance and bill from chain events alone, against contract and books."""

import json
from argparse import ArgumentParser
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from eth_utils.address import is_address, to_checksum_address

from backend.chain.client import Chain
from backend.chain.deployment import Deployment
from backend.chain.errors import ChainUnavailableError, ContractsMissingError
from backend.registry.models import Participant
from backend.settlement import connection, queries
from backend.settlement.audit import Audit, derive
from backend.settlement.bills import Line


class Command(BaseCommand):
    help = "Re-derive balances and statements from chain events; exit 1 on any difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--member",
            metavar="ADDRESS|NAME",
            help="show this account's balance and bills; NAME or pseudonym",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        try:
            chain = connection.chain()
            chain.require_contracts()
            audit = audit_of(chain)
            differences = [
                *audit.problems,
                *differences_from_contract(chain, audit),
                *differences_from_books(audit),
            ]
        except (ChainUnavailableError, ContractsMissingError) as error:
            raise CommandError(str(error)) from error
        show = self._show_json if options["json"] else self._show_tables
        show(audit, differences, options["member"])
        if differences:
            raise SystemExit(1)

    def _show_json(self, audit: Audit, differences: list[str], member: str | None) -> None:
        address = address_of(member) if member else None
        answer = {
            "balances": {a: b for a, b in audit.balances.items() if address in (None, a)},
            "requested_withdrawals": {
                a: w for a, w in audit.withdrawals.items() if w and address in (None, a)
            },
            "lines": [row for row in rows_of(audit) if address in (None, row["account"])],
            "unpaid": shortages(audit, "unpaid", address),
            "reduced": shortages(audit, "reduced", address),
            "differences": differences,
        }
        self.stdout.write(json.dumps(answer, indent=2))

    def _show_tables(self, audit: Audit, differences: list[str], member: str | None) -> None:
        if member:
            self._show_lines(audit, address_of(member))
        else:
            self._show_balances(audit)
        for difference in differences:
            self.stdout.write(f"DIFFERENCE {difference}")
        settled = sum(1 for interval in audit.intervals.values() if interval.settlements)
        count = len(differences)
        self.stdout.write(f"{settled} settled intervals, {len(rows_of(audit))} lines, {count} differences")

    def _show_lines(self, audit: Audit, address: str) -> None:
        names = ("imported_wh", "exported_wh", "bought_wh", "sold_wh", "delivered_wh", "net_micro")
        self.stdout.write("  ".join(["interval         ", *(f"{name:>12}" for name in names), "transaction"]))
        for row in rows_of(audit):
            if row["account"] == address:
                cells = [row["interval_start"][:16] + "Z", *(f"{row[name]:>12}" for name in names)]
                self.stdout.write("  ".join([*cells, row["tx_hash"]]))
        for name in ("unpaid", "reduced"):
            for shortage in shortages(audit, name, address):
                self.stdout.write(f"{shortage['interval_start'][:16]}Z  {name} {shortage['micro']}")
        withdrawal = audit.withdrawals[address]
        self.stdout.write(
            f"balance {audit.balances.get(address, 0)} micro-units, to be withdrawn {withdrawal}"
        )

    def _show_balances(self, audit: Audit) -> None:
        names = dict(Participant.objects.values_list("wallet_address", "pseudonym"))
        self.stdout.write(f"{'account':42}  {'member':16}  {'lines':>6}  {'net paid':>16}  {'balance':>16}")
        for account, balance in sorted(audit.balances.items(), key=lambda item: names.get(item[0], "~")):
            nets = [row["net_micro"] for row in rows_of(audit) if row["account"] == account]
            name = names.get(account, "-")
            self.stdout.write(f"{account}  {name:16}  {len(nets):>6}  {sum(nets):>16}  {balance:>16}")


def audit_of(chain: Chain) -> Audit:
    """The audit of everything that the exchange has logged."""
    recorded = Deployment.load(connection.deployment_path(chain.chain_id()))
    logs = chain.logs("exchange", from_block=recorded.first_block if recorded else 0)
    parties = {name: chain.call("exchange", name) for name in ("retailer", "fund")}
    return derive(logs, **parties)


def differences_from_contract(chain: Chain, audit: Audit) -> list[str]:
    """Where the contract's balances are not those that its events lead to, or exceed the tokens it holds."""
    found = []
    for account, balance in audit.balances.items():
        held = chain.call("exchange", "balanceOf", account)
        withdrawal = chain.call("exchange", "withdrawalOf", account)[0]
        if (held, withdrawal) != (balance, audit.withdrawals[account]):
            found.append(
                f"{account}: events say {balance} and {audit.withdrawals[account]} to be withdrawn, "
                f"the contract {held} and {withdrawal}"
            )
    owed, tokens = sum(audit.money.values()), chain.call("token", "balanceOf", chain.addresses["exchange"])
    if owed > tokens:
        found.append(f"balances and withdrawals sum to {owed}, tokens {tokens}")
    return found


def rows_of(audit: Audit) -> list[dict[str, Any]]:
    """Every bill as a flat row, by interval and meter."""
    return [
        {
            "interval_start": iso(start),
            "meter_id": meter_id,
            "account": bill.account,
            **bill.line._asdict(),
            "net_micro": bill.line.net_micro,
            "estimated": bill.estimated,
            "tx_hash": bill.tx_hash,
        }
        for start, interval in sorted(audit.intervals.items())
        for meter_id, bill in sorted(interval.bills.items())
    ]


def shortages(audit: Audit, name: str, address: str | None) -> list[dict[str, Any]]:
    """What accounts left ``unpaid``, or by what their credits were ``reduced``, by interval."""
    return [
        {"interval_start": iso(start), "account": account, "micro": amount}
        for start, interval in sorted(audit.intervals.items())
        for account, amount in getattr(interval, name).items()
        if address in (None, account)
    ]


def iso(start: int) -> str:
    """An instant as the API writes it."""
    return datetime.fromtimestamp(start, UTC).isoformat().replace("+00:00", "Z")


def differences_from_books(audit: Audit) -> list[str]:
    """Where the platform's confirmed statement lines or trades are not the chain's."""
    books = queries.confirmed_lines()
    on_chain = {(start, m): bill for start, i in audit.intervals.items() for m, bill in i.bills.items()}
    found = [f"{key} is only on chain" for key in on_chain.keys() - books.keys()]
    found += [f"{key} is only in the books" for key in books.keys() - on_chain.keys()]
    for key in on_chain.keys() & books.keys():
        line, bill = books[key], on_chain[key]
        ours = (
            line.participant.wallet_address,
            Line(*(getattr(line, name) for name in Line._fields)),
            line.net_micro,
            line.estimated,
            line.settlement.transaction.tx_hash,
        )
        theirs = (bill.account, bill.line, bill.line.net_micro, bill.estimated, bill.tx_hash)
        if ours != theirs:
            found.append(f"{key}: books {ours}, chain {theirs}")
    traded = Counter(
        (start, *trade) for start, interval in audit.intervals.items() for trade in interval.trades
    )
    settled = queries.settled_trades()
    found += [f"trade {trade} is only on chain" for trade in traded - settled]
    return found + [f"trade {trade} is only in the books" for trade in settled - traded]


def address_of(member: str) -> str:
    """A wallet's address, given as such or by its owner's name or pseudonym; CommandError where none is."""
    if is_address(member):
        return str(to_checksum_address(member))
    found = Participant.objects.filter(Q(pseudonym=member) | Q(name=member))
    if len(found) != 1:
        raise CommandError(f"{len(found)} members are called {member}")
    return found[0].wallet_address
