"""Run in the platform's environment: answers each line of standard input with a line of JSON.

`audit NAME` is `manage.py audit_chain --member NAME --json`, without starting Python each time. `books` is
what must be neither lost nor doubled, under names that two runs share; `rows` is the outbox as it stands.
"""

import json
import re
import sys
from io import StringIO

import django

django.setup()

from django.core.management import call_command  # noqa: E402 (Django's settings come first)
from django.db import close_old_connections  # noqa: E402 - as above

from backend.market.models import DeliveryInterval, Order, Trade  # noqa: E402 - as above
from backend.registry.models import Participant  # noqa: E402 - as above
from backend.settlement.models import OutboxTransaction, Settlement, StatementLine  # noqa: E402 - as above
from backend.telemetry.models import Reading  # noqa: E402 - as above
from domain.market import SettlementLine  # noqa: E402 - as above

ACCOUNT = re.compile("[0-9a-fA-F]{40}")
TABLES = {
    "readings": (
        Reading.objects.filter(quality="signed"),
        ("meter__meter_id", "interval_start", "import_wh", "export_wh", "soc_wh"),
    ),
    "orders": (
        Order.objects.all(),
        ("interval__start", "participant__pseudonym", "nonce", "side", "energy_wh", "limit_micro_per_kwh",
         "matched_wh", "state"),
    ),
    "trades": (
        Trade.objects.all(),
        ("interval__start", "buy_order__nonce", "sell_order__nonce", "buy_order__participant__pseudonym",
         "energy_wh", "price_micro_per_kwh"),
    ),
    "intervals": (
        DeliveryInterval.objects.exclude(state="open"),
        ("start", "state", "clearing_micro_per_kwh", "traded_wh", "retail_micro_per_kwh"),
    ),
    "settlements": (
        Settlement.objects.all(),
        ("interval__start", "retailer_micro", "fee_micro", "unpaid_micro", "agrees"),
    ),
    "lines": (
        StatementLine.objects.all(),
        ("settlement__interval__start", "participant__pseudonym", "net_micro", "estimated",
         *SettlementLine.__dataclass_fields__),
    ),
    "outbox": (OutboxTransaction.objects.all(), ("key", "state")),
}  # fmt: skip


def books():
    """Every table as sorted rows. For accounts, which each run draws anew, stand their owners' pseudonyms."""
    owners = {p.wallet_address[2:].lower(): p.pseudonym for p in Participant.objects.all()}

    def named(value):
        if not isinstance(value, str):
            return value
        return ACCOUNT.sub(lambda found: owners.get(found[0].lower(), found[0]), value)

    return {
        name: sorted(([named(value) for value in row] for row in rows.values_list(*columns)), key=str)
        for name, (rows, columns) in TABLES.items()
    }


def audit(member):
    """The audit as JSON, and its exit status."""
    out = StringIO()
    try:
        call_command("audit_chain", "--member", member, "--json", stdout=out)
    except SystemExit as end:
        return {**json.loads(out.getvalue()), "status": end.code}
    return {**json.loads(out.getvalue()), "status": 0}


def rows():
    """Where each row of the outbox stands, in the order of writing."""
    columns = ("key", "state", "sender", "nonce", "tx_hash", "block_number", "block_hash")
    return list(OutboxTransaction.objects.order_by("id").values(*columns))


QUESTIONS = {"audit": audit, "books": books, "rows": rows}


def main():
    """Answer until the input ends."""
    for line in sys.stdin:
        question, *arguments = line.split()
        close_old_connections()
        try:
            answer = {"answer": QUESTIONS[question](*arguments)}
        except Exception as error:  # noqa: BLE001 - the database or the chain may be down: asked again
            answer = {"error": repr(error)}
        print(json.dumps(answer, default=str), flush=True)


main()
