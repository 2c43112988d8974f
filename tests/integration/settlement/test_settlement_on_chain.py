"""From a match to money: commit before delivery, settle after, agree with the chain to the micro-unit."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from backend.chain.client import Chain
from backend.chain.errors import RevertedError
from backend.market import services as market
from backend.market.models import Order, Trade
from backend.settlement import attestation, batch, packing, queries, services
from backend.settlement.models import Commitment, OutboxTransaction, Settlement, StatementLine
from backend.settlement.parts import METER_GAS, ORDER_GAS, PART_GAS
from backend.telemetry.models import Reading

OPENING, RETAILER = 50_000_000, 1_000_000_000
IMPORT, FEED_IN, FEE = 210_000, 80_000, 2_000
HOUR = timedelta(hours=1)
NAMES = ("ana", "ben", "cleo")
TWO_MEMBERS = PART_GAS + 2 * (METER_GAS + ORDER_GAS)


def orders_in(commitment):
    return [order for part in commitment.parts for member in part["members"] for order in member["orders"]]


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


def test_a_commitment_that_was_not_sent_in_time_voids_the_trades(world):
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.run(world.start)
    row = world.row("commit")
    assert (row.state, row.block_number) == ("failed", None)
    assert row.error == f"it was not to be sent after {world.start.isoformat()}"
    world.read_all()
    world.settle()
    assert world.row("commit-late").state == "confirmed"
    assert Settlement.objects.get().agrees
    assert world.interval.state == "settled"
    assert world.lines["ana"].bought_wh == 0
    assert set(Order.objects.values_list("state", flat=True)) == {"unmatched"}
    assert audit()["differences"] == []


def test_orders_committed_after_delivery_began_can_never_be_settled(world):
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.pump()
    world.run(world.start)
    assert (world.row("commit").state, world.interval.state) == ("confirmed", "cleared")
    world.read_all()
    assert services.settle(world.interval.pk, world.end) == []
    assert world.interval.state == "lapsed"
    assert not Trade.objects.exists()
    assert not Settlement.objects.exists()
    assert set(Order.objects.values_list("state", flat=True)) == {"unmatched"}
    assert queries.waiting() == []
    assert audit()["differences"] == []


def test_an_interval_beyond_its_term_lapses_and_is_left_alone(world):
    world.trade()
    world.commit()
    world.read("ana", 2_000, 0)
    world.read("ben", 0, 2_000, signer="somebody else")
    world.read("cleo", 0, 0)
    world.settle()
    assert world.row("settle").state == "failed"
    closes_at = world.start + timedelta(days=1)
    world.run(closes_at)
    assert services.settle(world.interval.pk, closes_at) == []
    assert world.interval.state == "committed"
    world.run(closes_at + timedelta(seconds=1))
    assert services.settle(world.interval.pk, closes_at) == []
    assert world.interval.state == "lapsed"
    assert not StatementLine.objects.exists()
    assert not Trade.objects.exists()
    assert queries.waiting() == []
    assert [world.balance(name) for name in NAMES] == [OPENING] * 3
    assert services.settle(world.interval.pk, closes_at + HOUR) == []
    assert services.release(world.interval.pk, closes_at) != []
    for _ in range(2):
        assert services.release(world.interval.pk, closes_at + HOUR) == []
    (waits,) = queries.waiting()
    assert (waits["stage"], waits["interval_start"]) == ("release", world.start)
    world.run(closes_at + HOUR)
    assert world.row("release").state == "confirmed"
    assert not queries.unreleased().exists()
    assert audit()["differences"] == []


def test_whoever_released_an_interval_before_us_did_our_work(world):
    world.commit_nothing()
    late = world.start + timedelta(days=1, seconds=1)
    world.node.mine(late)
    assert services.settle(world.interval.pk, late) == []
    world.transact("cleo", "release", int(world.start.timestamp()))
    assert services.release(world.interval.pk, late) == []
    world.run(late)
    assert world.row("release").error.startswith("NotCommitted(")
    assert queries.waiting() == []


def test_a_chain_that_is_closed_to_a_late_commitment_lapses_the_interval(world):
    world.trade()
    world.read_all()
    late = world.start + timedelta(days=1, seconds=1)
    assert services.settle(world.interval.pk, world.end + HOUR) == []
    world.run(late)
    assert world.row("commit-late").error.startswith("IntervalClosed(")
    assert world.row("settle").state == "pending"
    assert services.settle(world.interval.pk, late) == []
    assert world.interval.state == "lapsed"
    assert not queries.has_unconfirmed()


def test_a_missing_reading_is_waited_for_and_then_replaced(world):
    world.trade()
    world.commit()
    world.read("ben", 0, 2_000)
    world.read("cleo", 5, 0)
    deadline = world.end + 2 * HOUR
    waits = services.settle(world.interval.pk, deadline)
    assert waits == [f"reading of {world.lines_meter('ana')}"]
    world.node.mine(deadline + timedelta(seconds=1))
    world.settle(deadline + timedelta(seconds=1))
    assert Settlement.objects.get().agrees
    ana = world.lines["ana"]
    assert ana.estimated
    assert (ana.imported_wh, ana.exported_wh, ana.retail_import_wh) == (2_000, 0, 0)
    assert not world.lines["ben"].estimated
    assert audit()["differences"] == []


def test_a_missing_reading_without_a_trade_is_what_the_owner_agreed_to(world):
    world.commit_nothing()
    world.read("ben", 0, 0)
    world.read("cleo", 0, 0)
    world.node.mine(world.end + 2 * HOUR + timedelta(seconds=1))
    world.settle(world.end + 2 * HOUR + timedelta(seconds=1))
    assert Settlement.objects.get().agrees
    assert world.lines["ana"].retail_import_wh == 400


def test_a_reading_that_was_taken_to_the_oracle_itself_counts(world):
    world.trade()
    world.commit()
    world.read_all()
    reading = Reading.objects.get(meter__site__participant__pseudonym="ana-p")
    world.node.mine(world.end + timedelta(seconds=1))
    world.submit(reading)
    reading.delete()
    world.settle()
    assert Settlement.objects.get().agrees
    ana = world.lines["ana"]
    assert (ana.imported_wh, ana.estimated) == (2_500, False)


def proof_kind():
    """First byte of the proof that was sent: 1 attestors, 2 meters, 3 attestors with gaps."""
    (row,) = OutboxTransaction.objects.filter(function="settleBatch")
    return proof_in(row)[0]


def proof_in(row):
    """What follows the registers in the evidence that was sent."""
    return bytes.fromhex(row.arguments[1][2:])[8 * len(NAMES) :]


def test_attestors_vouch_for_readings_whose_signatures_they_have_checked(world):
    world.commit_nothing()
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees
    assert proof_kind() == 1
    (row,) = OutboxTransaction.objects.filter(function="settleBatch")
    assert len(proof_in(row)) == 1 + 2 * 65 + 21  # two of three


def test_attestors_say_that_a_reading_is_missing(world):
    world.commit_nothing()
    world.read("ben", 0, 0)
    world.node.mine(world.end + 2 * HOUR + timedelta(seconds=1))
    world.settle(world.end + 2 * HOUR + timedelta(seconds=1))
    assert Settlement.objects.get().agrees
    assert proof_kind() == 3


@pytest.mark.parametrize("told", [0, 1])
def test_with_too_few_attestors_the_meters_own_signatures_are_the_proof(world, monkeypatch, told):
    for n in range(told + 1, 4):
        monkeypatch.delenv(f"ATTESTOR_{n}_KEY")
    world.trade()
    world.commit()
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees
    assert proof_kind() == 2


def test_a_missing_reading_is_waited_for_until_the_chains_clock_has_passed_the_deadline(world):
    world.commit_nothing()
    late = world.end + 3 * HOUR
    world.node.mine(world.end + HOUR)
    assert services.settle(world.interval.pk, late) != []
    world.node.mine(late)
    assert services.settle(world.interval.pk, late) == []


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
    found = audit("--member", "ana-p")
    assert found["differences"] == []
    assert [shortage["micro"] for shortage in found["unpaid"]] == [settlement.unpaid_micro]


def test_what_the_retailer_cannot_pay_is_paid_by_the_fund_and_then_not_at_all(world):
    world.commit_nothing()
    world.deposit("fund", 10_000_000)
    world.read("ana", 0, 20_000_000)
    world.read("ben", 0, 0)
    world.read("cleo", 0, 0)
    before = world.total()
    world.settle()
    settlement, due = Settlement.objects.get(), -world.lines["ana"].net_micro
    assert (settlement.agrees, settlement.fund_micro) == (True, 10_000_000)
    assert settlement.reduced_micro == due - RETAILER - 10_000_000
    assert world.balance("retailer") == world.balance("fund") == 0
    assert world.balance("ana") == OPENING + RETAILER + 10_000_000
    assert world.total() == before
    found = audit("--member", world.address_of("ana"))
    assert found["differences"] == []
    assert [shortage["micro"] for shortage in found["reduced"]] == [settlement.reduced_micro]


def test_money_that_was_asked_back_after_the_commitment_covers_it(world):
    world.trade()
    world.commit()
    world.transact("ana", "requestWithdrawal", OPENING)
    assert world.balance("ana") == 0
    world.read_all()
    world.settle()
    settlement = Settlement.objects.get()
    assert (settlement.agrees, settlement.unpaid_micro) == (True, 0)
    found = audit("--member", "Ana")
    assert found["differences"] == []
    (withdrawal,) = found["requested_withdrawals"].values()
    assert withdrawal == OPENING - world.lines["ana"].net_micro


def test_orders_that_the_chain_would_refuse_are_left_out(world):
    world.trade()
    sale = Order.objects.get(side="sell")
    world.transact("ben", "cancelNonce", sale.participant.wallet_address, sale.nonce)
    world.commit()
    assert orders_in(Commitment.objects.get()) == []
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
    commitment = Commitment.objects.get()
    assert bool(orders_in(commitment)) is traded
    assert [len(part["agents"]) for part in commitment.parts] == [int(traded)]
    world.read_all()
    world.settle()
    assert Settlement.objects.get().agrees


def test_energy_that_an_agent_traded_counts_for_the_rest_of_the_day(world):
    world.trade(2_000, by="agent")
    world.commit()
    world.read_all()
    world.settle()
    day = int(world.start.timestamp()) // 86_400
    assert world.chain.call("exchange", "mandateUsage", world.address_of("ana"), day) == 2_000


def test_a_batch_in_parts_settles_part_by_part_and_nobody_trades_across_a_cut(world, monkeypatch):
    monkeypatch.setattr(batch.parts.cut, "__kwdefaults__", {"gas": TWO_MEMBERS})
    first, second, third = sorted(NAMES, key=lambda name: world.address_of(name).lower())
    world.order(first, "buy", 1_000, 160_000)
    world.order(second, "sell", 700, 100_000)
    world.order(third, "sell", 500, 100_000)
    market.clear_interval(world.interval.pk, as_of=world.start - HOUR)
    assert Trade.objects.count() == 2
    world.commit()
    trade = Trade.objects.get()
    assert (trade.energy_wh, trade.sell_order.participant.pseudonym) == (700, f"{second}-p")
    assert world.interval.traded_wh == 700
    world.read_all()
    assert services.settle(world.interval.pk, world.end) == []
    rows = list(OutboxTransaction.objects.filter(function="settleBatch").order_by("id"))
    assert rows[1].after == rows[0]
    world.run(world.end + timedelta(seconds=5))
    assert [s.agrees for s in Settlement.objects.order_by("part")] == [True, True]
    assert world.interval.state == "settled"
    assert world.lines[third].sold_wh == 0
    assert queries.conserved(world.start, world.end)
    assert audit()["differences"] == []


def test_of_a_batch_in_parts_what_was_settled_in_time_stays(world, monkeypatch):
    monkeypatch.setattr(batch.parts.cut, "__kwdefaults__", {"gas": TWO_MEMBERS})
    first, second, third = sorted(NAMES, key=lambda name: world.address_of(name).lower())
    world.order(first, "buy", 1_000, 160_000)
    world.order(second, "sell", 1_000, 100_000)
    market.clear_interval(world.interval.pk, as_of=world.start - HOUR)
    world.commit()
    world.read(first, 1_000, 0)
    world.read(second, 0, 1_000)
    world.read(third, 0, 0, signer="somebody else")
    world.settle()
    assert [s.agrees for s in Settlement.objects.order_by("part")] == [True, None]
    assert world.interval.state == "committed"
    world.run(world.start + timedelta(days=1, seconds=1))
    assert services.settle(world.interval.pk, world.end + 30 * HOUR) == []
    assert world.interval.state == "lapsed"
    assert set(world.lines) == {first, second}
    assert Trade.objects.get().energy_wh == 1_000
    assert audit()["differences"] == []


def settled_by_a_stranger(world, row):
    """The row stands for the only settlement there is, and the books say what the chain says."""
    assert (row.state, row.by_another, row.nonce) == ("confirmed", True, None)
    assert row.sender == world.address_of("stranger")
    assert row.tx_hash not in row.replaced_hashes
    assert (world.interval.state, Settlement.objects.get().agrees) == ("settled", True)
    assert StatementLine.objects.count() == len(NAMES)
    for name, line in world.lines.items():
        assert world.balance(name) == OPENING - line.net_micro
    assert queries.waiting() == []
    assert queries.conserved(world.start, world.end)
    found = audit()
    assert (found["differences"], len(found["lines"])) == ([], len(NAMES))
    assert {line["tx_hash"] for line in found["lines"]} == {row.tx_hash}


@pytest.mark.parametrize("ours", ["not sent", "refused"])
def test_whoever_settles_before_us_with_our_own_bytes_does_our_work(world, monkeypatch, ours):
    world.trade()
    world.commit()
    world.read_all()
    before = world.total()
    assert services.settle(world.interval.pk, world.end) == []
    if ours == "refused":
        world.node.mine(world.end)
        with monkeypatch.context() as patch:
            patch.setattr(Chain, "send", lambda *_: None)
            world.pump()
        assert world.row("settle").state == "sent"
    world.settle_as("stranger", world.end + timedelta(seconds=5))
    world.run(world.end + timedelta(seconds=10))
    world.bury(1)
    settled_by_a_stranger(world, world.row("settle"))
    assert world.total() == before
    assert services.settle(world.interval.pk, world.end + HOUR) == []
    world.run(world.end + HOUR)
    settled_by_a_stranger(world, world.row("settle"))


def test_our_next_transaction_follows_one_that_a_stranger_made_superfluous(world, monkeypatch):
    world.commit_nothing()
    world.read_all()
    assert services.settle(world.interval.pk, world.end) == []
    world.node.mine(world.end)
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", lambda *_: None)
        world.pump()
    nonce = world.row("settle").nonce
    world.settle_as("stranger", world.end + timedelta(seconds=5))
    world.run(world.end + timedelta(seconds=10))
    services.enqueue("next", "exchange", "cancelNonce", [world.operator, 77])
    world.run(world.end + timedelta(seconds=20))
    found = OutboxTransaction.objects.get(key="next")
    assert (found.state, found.nonce) == ("confirmed", nonce + 1)


def test_the_books_follow_a_stranger_who_settles_without_a_reading(world):
    """After the deadline, if attestors vouch that it is missing."""
    world.trade()
    world.commit()
    world.read_all()
    late = world.end + 2 * HOUR + timedelta(seconds=1)
    assert services.settle(world.interval.pk, late) == []
    world.settle_as("stranger", late, evidence=world.evidence_without("ana"))
    world.run(late + timedelta(seconds=5))
    settled_by_a_stranger(world, world.row("settle"))
    ana = world.lines["ana"]
    assert (ana.estimated, ana.imported_wh) == (True, 2_000)
    settlement = Settlement.objects.get()
    nets = sum(line.net_micro for line in world.lines.values())
    assert settlement.retailer_micro + settlement.fee_micro == nets


def test_a_stranger_leaves_out_no_reading_by_itself(world):
    world.trade()
    world.commit()
    world.read_all()
    late = world.end + 2 * HOUR + timedelta(seconds=1)
    assert services.settle(world.interval.pk, late) == []
    struck = packing.NO_READING * len(NAMES) + packing.SIGNED_BY_METERS
    with pytest.raises(RevertedError, match="AccessControlUnauthorizedAccount"):
        world.settle_as("stranger", late, evidence="0x" + struck.hex())


def test_a_reading_that_is_in_the_oracle_cannot_be_left_out(world):
    world.commit_nothing()
    world.read_all()
    world.node.mine(world.end + timedelta(seconds=1))
    for reading in Reading.objects.all():
        world.submit(reading)
    late = world.end + 2 * HOUR + timedelta(seconds=1)
    assert services.settle(world.interval.pk, late) == []
    with pytest.raises(RevertedError, match="ReadingNotMissing"):
        world.settle_as("stranger", late, evidence=world.evidence_without("ana"))


@pytest.mark.parametrize("written", [True, False], ids=["with our lines", "without them"])
def test_an_interval_that_a_stranger_settled_while_we_slept_does_not_lapse(world, written):
    world.trade()
    world.commit()
    world.read_all()
    assert services.settle(world.interval.pk, world.end) == []
    world.settle_as("stranger", world.end + HOUR)
    if not written:
        (row,) = OutboxTransaction.objects.filter(function="settleBatch")
        Settlement.objects.all().delete()
        row.delete()
        Reading.objects.all().delete()
    late = world.start + timedelta(days=1, seconds=1)
    world.node.mine(late)
    waits = services.settle(world.interval.pk, late)
    assert waits == (["the outbox to find what somebody else has settled"] if written else [])
    world.run(late)
    settled_by_a_stranger(world, world.row("settle"))
    assert not any(line.estimated for line in world.lines.values())


def test_a_stranger_who_settles_with_better_readings_than_ours_helps(world):
    world.commit_nothing()
    world.read("ana", 0, 0)
    world.read("ben", 0, 0)
    world.read("cleo", 1_000, 0, signer="somebody else")
    world.settle()
    assert world.row("settle").state == "failed"
    Reading.objects.filter(meter__meter_id=world.lines_meter("cleo")).delete()
    world.read("cleo", 333, 0)
    proven = [attestation.proven(reading) for reading in Reading.objects.order_by("meter__meter_id")]
    (part,) = Commitment.objects.get().parts
    proof = attestation.proof(part, proven, attestation.quorum(world.chain), interval_s=3600)
    registers = packing.pack_registers(one.registers for one in proven)
    world.settle_as("stranger", world.end + HOUR, evidence="0x" + (registers + proof).hex())
    world.run(world.end + HOUR)
    settled_by_a_stranger(world, world.row("settle"))
    assert world.lines["cleo"].imported_wh == 333


def test_of_a_batch_in_parts_a_stranger_may_settle_the_first(world, monkeypatch):
    monkeypatch.setattr(batch.parts.cut, "__kwdefaults__", {"gas": TWO_MEMBERS})
    world.commit_nothing()
    world.read_all()
    assert services.settle(world.interval.pk, world.end) == []
    first, second = OutboxTransaction.objects.filter(function="settleBatch").order_by("id")
    world.settle_as("stranger", world.end)
    world.run(world.end + timedelta(seconds=5))
    world.run(world.end + timedelta(seconds=10))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.by_another) == ("confirmed", True)
    assert (second.state, second.by_another) == ("confirmed", False)
    assert [s.agrees for s in Settlement.objects.order_by("part")] == [True, True]
    assert world.interval.state == "settled"
    assert audit()["differences"] == []
