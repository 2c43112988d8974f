"""From a match to money: commit before delivery, settle after, agree with the chain to the micro-unit."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from backend.market import services as market
from backend.market.models import Order, Trade
from backend.settlement import queries, services
from backend.settlement.models import Commitment, OutboxTransaction, Settlement, StatementLine

OPENING, RETAILER = 50_000_000, 1_000_000_000
IMPORT, FEED_IN, FEE = 210_000, 80_000, 2_000
HOUR = timedelta(hours=1)
NAMES = ("ana", "ben", "cleo")


def audit(*options):
    out = StringIO()
    call_command("audit_chain", "--json", *options, stdout=out)
    return json.loads(out.getvalue())


def test_a_trade_is_committed_before_delivery_and_settled_after(world):
    world.trade()
    world.commit()
    world.read_all()
    before = world.total()
    world.settle()
    settlement = Settlement.objects.get()
    assert settlement.agrees
    assert world.interval.state == "settled"
    price = world.interval.clearing_micro_per_kwh
    ana, ben, cleo = (world.lines[name] for name in NAMES)
    assert (ana.bought_wh, ana.retail_import_wh, ben.delivered_wh) == (2_000, 500, 1_800)
    assert ana.net_micro == 2 * price + 2 * FEE + IMPORT // 2
    assert ben.shortfall_micro == 200 * (IMPORT - price) // 1000
    assert cleo.net_micro == 333 * IMPORT // 1000 - FEED_IN // 1000
    for name, line in world.lines.items():
        assert world.balance(name) == OPENING - line.net_micro
    assert world.balance("fund") == settlement.fee_micro
    assert world.balance("retailer") == RETAILER + settlement.retailer_micro
    assert world.total() == before
    assert queries.conserved(world.start, world.end)


def test_statements_equal_what_chain_events_alone_say(world):
    world.trade()
    world.commit()
    world.read_all()
    world.settle()
    for name, line in world.lines.items():
        found = audit("--member", f"{name}-p")
        assert found["differences"] == []
        assert list(found["balances"].values()) == [world.balance(name)]
        statement = queries.statement(line.participant, world.start, world.end)
        assert [{k: row[k] for k in queries.LINE_FIELDS} for row in statement["lines"]] == [
            {k: row[k] for k in queries.LINE_FIELDS} for row in found["lines"]
        ]
        assert statement["lines"][0]["tx_hash"] == found["lines"][0]["tx_hash"]
    StatementLine.objects.filter(pk=line.pk).update(net_micro=1)
    with pytest.raises(SystemExit, match="1"):
        audit()


def test_books_that_differ_from_the_chain_raise_an_alarm(world, caplog):
    world.trade()
    world.commit()
    world.read_all()
    services.settle(world.interval.pk, world.end)
    StatementLine.objects.filter(participant__pseudonym="cleo-p").update(retail_micro=1)
    world.run(world.end)
    assert Settlement.objects.get().agrees is False
    assert "chain and books differ: cleo-p retail_micro: chain 69930, books 1" in caplog.text


def test_committing_and_settling_again_changes_nothing(world):
    world.trade()
    for _ in range(2):
        world.commit()
    world.read_all()
    for _ in range(2):
        world.settle()
    balances = [world.balance(name) for name in NAMES]
    services.commit(world.interval.pk, world.start - HOUR)
    world.settle(world.end + HOUR)
    assert [world.balance(name) for name in NAMES] == balances
    assert Commitment.objects.count() == Settlement.objects.count() == 1
    assert OutboxTransaction.objects.exclude(state="confirmed").count() == 0


def test_an_interval_that_nobody_committed_settles_with_the_retailer(world):
    world.trade()
    assert services.commit(world.interval.pk, world.start) == []
    assert not Commitment.objects.exists()
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees
    assert not Trade.objects.exists()
    assert world.lines["ana"].net_micro == 2_500 * IMPORT // 1000
    assert world.lines["ben"].net_micro == -1_800 * FEED_IN // 1000
    assert audit()["differences"] == []


@pytest.mark.parametrize("sent", [False, True], ids=["refused before sending", "reverted in its block"])
def test_a_commitment_that_comes_too_late_voids_the_trades(world, sent):
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    if sent:
        world.pump()
    world.run(world.start)
    row = world.row("commit")
    assert (row.state, row.block_number is not None) == ("failed", sent)
    assert row.error.startswith("DeliveryStarted(")
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees
    assert world.lines["ana"].bought_wh == 0
    assert set(Order.objects.values_list("state", flat=True)) == {"unmatched"}


def test_a_missing_reading_is_waited_for_and_then_replaced(world):
    world.trade()
    world.commit()
    world.read("ben", 0, 2_000)
    world.read("cleo", 5, 0)
    deadline = world.end + 2 * HOUR
    waits = services.settle(world.interval.pk, deadline)
    assert waits == [f"reading of {world.lines_meter('ana')}"]
    world.settle(deadline + timedelta(seconds=1))
    assert Settlement.objects.get().agrees
    ana = world.lines["ana"]
    assert ana.estimated
    assert (ana.imported_wh, ana.exported_wh, ana.retail_import_wh) == (2_000, 0, 0)
    assert not world.lines["ben"].estimated


def test_the_chain_refuses_a_reading_that_the_meter_did_not_sign(world):
    world.trade()
    world.commit()
    world.read("ana", 2_000, 0)
    world.read("ben", 0, 2_000, signer="somebody else")
    world.read("cleo", 0, 0)
    world.settle()
    row = world.row("settle")
    assert row.state == "failed"
    assert row.error.startswith("InvalidReading(")
    assert world.balance("ana") == OPENING
    assert world.interval.state == "committed"
    (stuck,) = queries.waiting()
    assert (stuck["stage"], stuck["state"]) == ("settle", "failed")
    assert "InvalidReading" in stuck["reason"]


def test_what_a_member_cannot_pay_is_borne_by_the_retailer(world):
    world.trade()
    world.commit()
    world.read("ana", 1_000_000, 0)
    world.read("ben", 0, 2_000)
    world.read("cleo", 0, 0)
    before = world.total()
    world.settle()
    settlement = Settlement.objects.get()
    assert settlement.unpaid_micro == world.lines["ana"].net_micro - OPENING > 0
    assert world.balance("ana") == 0
    assert settlement.agrees
    assert world.total() == before
    assert audit()["differences"] == []


def test_orders_that_the_chain_would_refuse_are_left_out(world):
    world.trade()
    world.transact("ben", "cancelNonce", Order.objects.get(side="sell").participant.wallet_address, 1)
    world.commit()
    assert Commitment.objects.get().batch["orders"] == []
    assert not Trade.objects.exists()
    assert world.interval.traded_wh == 0
    assert set(Order.objects.values_list("state", "matched_wh")) == {("unmatched", 0)}
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees
    assert world.lines["ben"].sold_wh == 0


def test_only_the_trades_of_a_refused_order_are_void(world):
    world.order("ana", "buy", 2_000, 160_000)
    world.order("ben", "sell", 1_500, 100_000)
    world.order("cleo", "sell", 1_500, 90_000)
    market.clear_interval(world.interval.pk, as_of=world.start - HOUR)
    assert Trade.objects.count() == 2
    cleo = Order.objects.get(participant__pseudonym="cleo-p")
    world.transact("cleo", "cancelNonce", cleo.participant.wallet_address, cleo.nonce)
    world.commit()
    kept = Trade.objects.get()
    assert kept.sell_order.participant.pseudonym == "ben-p"
    assert world.interval.traded_wh == kept.energy_wh == kept.buy_order.matched_wh
    assert world.interval.clearing_micro_per_kwh == kept.price_micro_per_kwh
    assert world.interval.welfare_micro == kept.energy_wh * 60
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees


@pytest.mark.parametrize(("wh", "traded"), [(3_000, True), (3_001, False)])
def test_an_agent_trades_up_to_its_mandates_daily_energy(world, wh, traded):
    world.trade(wh, by="agent")
    world.commit()
    assert bool(Commitment.objects.get().batch["fills"]) is traded
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees
