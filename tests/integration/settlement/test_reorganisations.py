"""Blocks that the chain replaces: what they said is taken back, and the books end where the chain does."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from backend.chain.client import Chain
from backend.market.models import Order, Trade
from backend.settlement import queries, services, tasks
from backend.settlement.models import Settlement
from backend.settlement.services import confirmation

HOUR = timedelta(hours=1)
DEPTH = 3


@pytest.fixture
def deep(world, settings):
    """A community that waits for three blocks on top."""
    settings.CHAIN_CONFIRMATIONS = DEPTH
    return world


@pytest.fixture
def settled(deep):
    """Committed for good, settled in the newest block, and one member who cannot pay all."""
    deep.trade()
    deep.commit()
    deep.bury(DEPTH, at=deep.end + timedelta(seconds=1))
    deep.read("ana", 1_000_000, 0)
    deep.read("ben", 0, 2_000)
    deep.read("cleo", 0, 0)
    deep.settle()
    assert (deep.row("commit").state, deep.row("settle").state) == ("confirmed", "mined")
    assert deep.interval.state == "settled"
    return deep


def reorganise(world, depth, *, keep=()):
    """Replace the newest blocks; the transactions of the rows in ``keep`` are in the new ones, one each."""
    raw = [world.node.rpc("eth_getRawTransactionByHash", row.tx_hash) for row in keep]
    world.node.rpc("anvil_reorg", depth, [[transaction, n] for n, transaction in enumerate(raw)])


def differences():
    out = StringIO()
    call_command("audit_chain", "--json", stdout=out)
    return json.loads(out.getvalue())["differences"]


def test_a_settlement_that_the_chain_dropped_is_taken_back_and_sent_again(settled):
    world = settled
    before, balances = world.row("settle"), world.balances()
    assert Settlement.objects.get().unpaid_micro > 0
    reorganise(world, DEPTH)
    assert world.balances() != balances
    world.pump()
    lost, settlement = world.row("settle"), Settlement.objects.get()
    assert (lost.state, lost.error, lost.block_hash) == ("sent", services.LOST, "")
    assert world.interval.state == "committed"
    assert (settlement.agrees, settlement.unpaid_micro) == (None, 0)
    assert queries.chain_summary()["settled"] == 0
    assert differences() == []
    world.bury(1, at=world.end + timedelta(minutes=1))
    again, settlement = world.row("settle"), Settlement.objects.get()
    assert (again.state, again.nonce, again.tx_hash) == ("mined", before.nonce, before.tx_hash)
    assert again.block_hash != before.block_hash
    assert (world.interval.state, settlement.agrees, settlement.unpaid_micro > 0) == ("settled", True, True)
    assert world.balances() == balances
    world.bury(DEPTH)
    assert world.row("settle").state == "confirmed"
    assert differences() == []


def test_pages_are_told_that_something_was_taken_back(settled, monkeypatch):
    world = settled
    told = []
    monkeypatch.setattr(tasks, "announce", lambda event, key: told.append((event, key)))
    monkeypatch.setattr(tasks, "request_tick", lambda: None)
    monkeypatch.setattr(tasks.queries, "has_unconfirmed", lambda: False)
    reorganise(world, DEPTH)
    assert tasks.pump() == 1
    assert told == [("undone", world.row("settle").key)]
    world.node.mine(world.end + timedelta(minutes=1))
    assert tasks.pump() == 1
    assert told[1:] == [("settled", world.row("settle").key)]


def test_a_settlement_that_moved_to_another_block_is_found_there(settled):
    world = settled
    before, balances = world.row("settle"), world.balances()
    reorganise(world, DEPTH, keep=[before])
    world.pump()
    after = world.row("settle")
    assert (after.state, after.tx_hash) == ("mined", before.tx_hash)
    assert (after.block_number, after.block_hash) != (before.block_number, before.block_hash)
    assert (world.interval.state, Settlement.objects.get().agrees) == ("settled", True)
    assert world.balances() == balances
    world.bury(DEPTH)
    assert world.row("settle").state == "confirmed"
    assert differences() == []


def test_confirmations_are_counted_from_the_block_that_replaced_the_first(settled):
    world = settled
    world.bury(DEPTH - 1)
    reorganise(world, DEPTH, keep=[world.row("settle")])
    number = world.row("settle").block_number
    world.pump()
    assert world.chain.head().number - number == DEPTH - 1
    assert world.row("settle").state == "mined"
    world.bury(DEPTH)
    assert world.row("settle").state == "confirmed"


def test_whoever_is_killed_while_taking_back_takes_back_again(settled, monkeypatch):
    world = settled
    reorganise(world, DEPTH)

    def die(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(confirmation, "mark_lost", die)
        with pytest.raises(KeyboardInterrupt):
            world.pump()
    assert (world.row("settle").state, world.interval.state) == ("mined", "settled")
    assert Settlement.objects.get().agrees
    world.pump()
    assert (world.row("settle").state, world.interval.state) == ("sent", "committed")


def test_commitment_and_settlement_come_back_in_order(deep):
    world = deep
    world.trade()
    world.commit()
    world.read_all()
    world.settle()
    balances = world.balances()
    rows = [world.row("commit"), world.row("settle")]
    reorganise(world, world.chain.head().number - rows[0].block_number + 1)
    world.pump()
    assert [world.row(row.key.split(":")[0]).state for row in rows] == ["sent", "sent"]
    assert world.interval.state == "cleared"
    assert Trade.objects.exists()
    world.node.rpc("anvil_dropTransaction", rows[1].tx_hash)
    world.node.rpc("evm_mine")  # still before delivery, as the blocks that were replaced
    world.pump()
    assert world.interval.state == "committed"
    world.bury(1, at=world.end + timedelta(minutes=1))
    assert (world.interval.state, Settlement.objects.get().agrees) == ("settled", True)
    assert world.balances() == balances


@pytest.fixture
def settled_by_a_stranger(deep):
    """Committed for good; settled in the newest block by a stranger, without Ana's reading."""
    deep.node.rpc("anvil_setBalance", deep.address_of("stranger"), hex(10**20))  # in blocks that stay
    deep.trade()
    deep.commit()
    late = deep.end + 2 * HOUR + timedelta(seconds=1)
    deep.bury(DEPTH, at=late)
    deep.read_all()
    assert services.settle(deep.interval.pk, late) == []
    deep.settle_as("stranger", late, evidence=deep.evidence_without("ana"))
    deep.pump()
    row = deep.row("settle")
    assert (row.state, row.by_another, deep.interval.state) == ("mined", True, "settled")
    assert (Settlement.objects.get().agrees, deep.lines["ana"].estimated) == (True, True)
    return deep


def test_what_a_stranger_settled_and_the_chain_lost_is_settled_by_us(settled_by_a_stranger):
    world = settled_by_a_stranger
    theirs = world.row("settle")
    reorganise(world, 1)
    world.node.rpc("anvil_dropTransaction", theirs.tx_hash)
    world.pump()
    lost = world.row("settle")
    assert (lost.state, lost.by_another, lost.sender) == ("sent", False, world.operator)
    assert (world.interval.state, Settlement.objects.get().agrees) == ("committed", None)
    assert not world.lines["ana"].estimated
    assert differences() == []
    world.bury(DEPTH + 1)
    ours = world.row("settle")
    assert (ours.state, ours.by_another, ours.tx_hash) == ("confirmed", False, lost.tx_hash)
    assert (world.interval.state, Settlement.objects.get().agrees) == ("settled", True)
    assert differences() == []


def test_what_a_stranger_settled_is_found_in_another_block_and_becomes_final(settled_by_a_stranger):
    world = settled_by_a_stranger
    before, balances = world.row("settle"), world.balances()
    reorganise(world, 2, keep=[before])
    world.pump()
    after = world.row("settle")
    assert (after.state, after.by_another, after.tx_hash) == ("mined", True, before.tx_hash)
    assert after.block_hash != before.block_hash
    assert world.balances() == balances
    world.bury(DEPTH)
    assert (world.row("settle").state, Settlement.objects.get().agrees) == ("confirmed", True)
    assert differences() == []


def test_a_refusal_because_of_a_stranger_gives_way_once_it_lies_deep(deep, monkeypatch):
    world = deep
    world.trade()
    world.commit()
    world.bury(DEPTH, at=world.end)
    world.read_all()
    assert services.settle(world.interval.pk, world.end) == []
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", lambda *_: None)
        world.pump()
    world.settle_as("stranger", world.end + timedelta(minutes=1))
    world.pump()
    world.bury(1)
    row = world.row("settle")
    assert (row.state, row.by_another) == ("reverted", False)
    assert row.error.startswith("AlreadySettled(")
    assert world.interval.state == "committed"
    world.bury(DEPTH)
    world.bury(1)
    row = world.row("settle")
    assert (row.state, row.by_another, world.interval.state) == ("confirmed", True, "settled")
    assert differences() == []
    assert queries.waiting() == []


def test_a_commitment_lost_until_delivery_began_leaves_a_retail_only_interval(deep):
    """It is not sent again: the chain would take it, and then never settle it."""
    world = deep
    world.trade()
    world.commit()
    world.read_all()
    world.settle()
    reorganise(world, world.chain.head().number - world.row("commit").block_number + 1)
    world.node.rpc("anvil_dropAllTransactions")
    world.node.mine(world.end + timedelta(minutes=1))
    world.pump()
    assert world.row("commit").state == "failed"
    assert world.row("commit").error.startswith("it was not to be sent after")
    assert world.interval.state == "cleared"
    for _ in range(DEPTH):
        world.bury(1, at=world.end + timedelta(minutes=1))
    world.settle(world.end + timedelta(minutes=2))
    assert (world.interval.state, Settlement.objects.get().agrees) == ("settled", True)
    assert not Trade.objects.exists()
    assert set(Order.objects.values_list("state", flat=True)) == {"unmatched"}
    assert world.lines["ana"].bought_wh == 0
    assert differences() == []


def test_a_commitment_that_came_back_after_delivery_began_lapses_the_interval(deep):
    world = deep
    world.trade()
    world.commit()
    world.read_all()
    world.settle()
    reorganise(world, world.chain.head().number - world.row("commit").block_number + 1)
    world.pump()  # sends both again, before delivery begins
    assert world.interval.state == "cleared"
    world.bury(1, at=world.end + timedelta(minutes=1))
    assert (world.row("commit").state, world.row("settle").state) == ("mined", "reverted")
    assert world.row("settle").error.startswith("LateBatchHasOrders(")
    assert services.settle(world.interval.pk, world.end + timedelta(minutes=1)) == []
    assert Trade.objects.exists()
    world.bury(DEPTH)
    assert services.settle(world.interval.pk, world.end + timedelta(minutes=2)) == []
    assert world.interval.state == "lapsed"
    assert not Settlement.objects.exists()
    assert not Trade.objects.exists()
    assert set(Order.objects.values_list("state", flat=True)) == {"unmatched"}
    assert differences() == []
    assert queries.waiting() == []


def test_a_chain_without_confirmations_that_forgot_both_lapses_the_interval_as_well(world):
    """A local Anvil that was killed; what has lapsed stays so, also when the next blocks are lost."""
    world.trade()
    world.commit()
    world.read_all()
    world.settle()
    assert (world.row("commit").state, world.row("settle").state) == ("confirmed", "confirmed")
    for _ in range(2):
        reorganise(world, world.chain.head().number - world.row("commit").block_number + 1)
        world.pump()
        world.bury(1, at=world.end + timedelta(minutes=1))
        assert services.settle(world.interval.pk, world.end + timedelta(minutes=2)) == []
        assert world.interval.state == "lapsed"
        assert not Settlement.objects.exists()
        assert not Trade.objects.exists()
        assert differences() == []


def test_a_commitment_that_was_too_late_in_one_block_and_in_time_in_another_stands(deep):
    world = deep
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.pump()
    world.node.mine(world.start)
    world.pump()
    late = world.row("commit")
    assert (late.state, world.interval.state) == ("mined", "cleared")
    world.read_all()
    (waits,) = services.settle(world.interval.pk, world.end)
    assert "which came too late" in waits
    reorganise(world, 1, keep=[late])
    world.pump()
    assert (world.row("commit").state, world.row("commit").error) == ("mined", "")
    assert world.interval.state == "committed"
    world.settle()
    assert (world.interval.state, Settlement.objects.get().agrees) == ("settled", True)
    assert Trade.objects.exists()


def test_a_node_that_denies_what_was_final_is_not_believed(settled, caplog):
    world = settled
    world.bury(DEPTH)
    final = world.row("settle")
    assert final.state == "confirmed"
    reorganise(world, DEPTH + 1)
    for _ in range(2):
        assert tasks.pump() == 0
    assert (world.row("settle").state, world.row("settle").block_hash) == ("confirmed", final.block_hash)
    assert world.interval.state == "settled"
    assert queries.trouble()["reason"] == f"the node denies block {final.block_number}, which was final"
    assert caplog.text.count("the outbox waits: the node denies block") == 1
