"""What members, auditors and strangers get to see of the books; and deploying from the command line."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from backend.market.models import Trade
from backend.registry.models import Community
from backend.settlement import connection, services, tasks

OPENING = 50_000_000
HOUR = timedelta(hours=1)


@pytest.fixture
def get():
    """GET as somebody."""

    def ask(username, path, **query):
        client = APIClient()
        client.force_login(get_user_model().objects.get(username=username))
        return client.get(f"/api/v1/{path}", query)

    return ask


@pytest.fixture
def settled(world):
    world.trade()
    world.commit()
    world.read_all()
    world.settle()
    return world


def test_a_member_sees_its_own_money_and_staff_see_everybodys(settled, get):
    own = get("ana", "account").json()
    assert own["balance_micro"] == settled.balance("ana") < OPENING
    assert own["pending_withdrawal_micro"] == 0
    assert own["mandate"]["max_wh_per_day"] == 3_000
    assert get("ana", "account", participant="ben-p").status_code == 403
    assert get("auditor", "account", participant="ben-p").json()["balance_micro"] == settled.balance("ben")
    assert get("operator", "account").status_code == 403


def test_a_requested_withdrawal_is_shown(settled, get):
    before = settled.balance("ana")
    settled.transact("ana", "requestWithdrawal", 1_000)
    account = get("ana", "account").json()
    assert (account["balance_micro"], account["pending_withdrawal_micro"]) == (before - 1_000, 1_000)


@pytest.mark.usefixtures("settled")
def test_a_node_that_does_not_answer_leaves_amounts_unknown(get, settings):
    settings.CHAIN_RPC_URL = "http://127.0.0.1:1"
    found = get("ana", "account")
    assert (found.status_code, found.json()["balance_micro"]) == (200, None)


def test_a_statement_lists_lines_and_their_sums(settled, get):
    period = {"from": settled.start.isoformat(), "to": settled.end.isoformat()}
    found = get("ana", "statements", **period).json()
    (line,) = found["lines"]
    assert line["net_micro"] == found["totals"]["net_micro"] == settled.lines["ana"].net_micro
    assert line["tx_hash"] == settled.row("settle").tx_hash
    assert line["interval_start"] == settled.start.isoformat().replace("+00:00", "Z")
    assert get("ana", "statements", participant="ben-p", **period).status_code == 403
    assert get("auditor", "statements", participant="ben-p", **period).json()["participant"] == "ben-p"
    assert get("ana", "statements", **{"from": "yesterday", "to": period["to"]}).json()["code"] == "invalid"


def test_a_receipt_leads_from_order_to_bill_and_hides_the_other_side(settled, get):
    trade = Trade.objects.get()
    receipt = get("ana", f"trades/{trade.pk}/receipt").json()
    steps = {step["name"]: step for step in receipt["steps"]}
    assert list(steps) == ["order", "match", "commitment", "reading", "settlement", "bill"]
    assert {step["state"] for step in receipt["steps"]} == {"done"}
    assert steps["order"]["hash"] == trade.buy_order.digest
    assert steps["commitment"]["hash"] == settled.row("commit").tx_hash
    assert steps["settlement"]["hash"] == settled.row("settle").tx_hash
    assert steps["settlement"]["detail"]["agrees"] is True
    orders = {order["side"]: order for order in steps["order"]["detail"]["orders"]}
    assert orders["buy"]["limit_micro_per_kwh"] == 160_000
    assert orders["sell"]["limit_micro_per_kwh"] is None
    assert [reading["participant"] for reading in steps["reading"]["detail"]["readings"]] == ["ana-p"]
    assert [bill["participant"] for bill in steps["bill"]["detail"]["lines"]] == ["ana-p"]
    audited = get("auditor", f"trades/{trade.pk}/receipt").json()["steps"]
    assert len(audited[-1]["detail"]["lines"]) == 2
    assert get("cleo", f"trades/{trade.pk}/receipt").status_code == 404
    assert APIClient().get(f"/api/v1/trades/{trade.pk}/receipt").status_code in {401, 403}


def test_a_receipt_says_what_is_still_to_come(world, get):
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    trade = Trade.objects.get()
    steps = get("ben", f"trades/{trade.pk}/receipt").json()["steps"]
    assert [step["state"] for step in steps] == ["done", "done", "pending", "pending", "pending", "pending"]
    world.run(world.start)
    steps = get("ben", f"trades/{trade.pk}/receipt").json()["steps"]
    assert steps[2]["state"] == "failed"
    assert steps[2]["detail"]["error"].startswith("it was not to be sent after")


def test_contracts_are_deployed_once_and_recorded(world, settings, tmp_path):
    settings.STATE_DIR = tmp_path
    Community.objects.update(chain_id=None)
    first, second = StringIO(), StringIO()
    with world.node.mining():
        call_command("deploy_contracts", "--network", "anvil", "--label", "afresh", stdout=first)
    block = world.chain.head().number
    call_command("deploy_contracts", "--label", "afresh", stdout=second)
    assert world.chain.head().number == block
    assert first.getvalue().endswith(second.getvalue())
    community = Community.objects.get()
    assert community.chain_id == 31337
    assert community.exchange_address in first.getvalue()
    assert connection.deployment_path(31337) == tmp_path / "deployments" / "31337.json"
    assert world.chain.call("exchange", "retailer") == community.retailer_address
    with pytest.raises(CommandError, match="is on chain 31337, not 11155111"):
        call_command("deploy_contracts", "--network", "sepolia")


def test_the_pipelines_status_says_what_the_chain_side_waits_for(world, get, settings):
    world.commit_nothing()
    world.read("ana", 2_000, 0)
    world.read("ben", 0, 2_000, signer="somebody else")
    world.read("cleo", 0, 0)
    assert get("operator", "pipeline/status").json()["outbox"] == []
    world.settle()
    status = get("operator", "pipeline/status").json()
    (row,) = status["outbox"]
    assert (row["key"], row["stage"], row["state"]) == (world.row("settle").key, "settle", "failed")
    assert row["interval_start"] == world.start.isoformat().replace("+00:00", "Z")
    assert row["reason"].startswith("InvalidReading(")
    assert 0 <= row["age_s"] < 600
    assert status["chain_trouble"] is None
    settings.CHAIN_RPC_URL = "http://user:secret@127.0.0.1:1/secret"
    assert tasks.pump() == 0
    trouble = get("auditor", "pipeline/status").json()["chain_trouble"]
    assert trouble["reason"] == "http://127.0.0.1:1: ConnectionError"
    assert 0 <= trouble["age_s"] < 600
    listed = StringIO()
    call_command("outbox", stdout=listed)
    assert "the outbox waits" in listed.getvalue()
    assert f"{row['key']}  InvalidReading(" in listed.getvalue()
    assert get("ana", "pipeline/status").status_code == 403


def test_a_refused_commitment_is_an_alarm_until_the_interval_is_settled_without_it(world, get):
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.run(world.start)
    (row,) = get("operator", "pipeline/status").json()["outbox"]
    assert (row["stage"], row["state"]) == ("commit", "failed")
    world.read_all()
    world.settle()
    assert get("operator", "pipeline/status").json()["outbox"] == []
