"""The outbox against kills, strangers, dear blocks and chains that forget."""

import shutil
import threading
from datetime import timedelta

import pytest
from django.db import connections

from backend.chain.client import Chain
from backend.chain.errors import ContractsMissingError
from backend.registry import signing
from backend.registry.locks import sole
from backend.registry.models import Community
from backend.settlement import connection, queries, services, tasks
from backend.settlement.models import OutboxTransaction, Settlement
from backend.settlement.services import confirmation

HOUR = timedelta(hours=1)


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def committing(world):
    """A commitment in the outbox, not sent."""
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    return world


def kill(*_args, **_kwargs):
    raise Killed


@pytest.mark.parametrize("sent", [False, True], ids=["before sending", "after sending"])
def test_a_sender_killed_around_sending_sends_the_same_bytes_again(committing, monkeypatch, sent):
    world = committing
    send = Chain.send

    def die(self, raw):
        if sent:
            send(self, raw)
        kill()

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", die)
        with pytest.raises(Killed):
            world.pump()
    before = world.row("commit")
    assert before.state == "sent"
    world.run(world.start - HOUR)
    after = world.row("commit")
    assert (after.state, after.nonce, after.tx_hash) == ("confirmed", before.nonce, before.tx_hash)
    assert world.interval.state == "committed"


def test_a_sender_killed_while_confirming_confirms_again(committing, monkeypatch):
    world = committing
    world.pump()
    world.node.mine(world.start - HOUR)
    with monkeypatch.context() as patch:
        patch.setitem(confirmation._AFTER, "commitBatch", kill)
        with pytest.raises(Killed):
            world.pump()
    assert (world.row("commit").state, world.interval.state) == ("sent", "cleared")
    world.pump()
    assert (world.row("commit").state, world.interval.state) == ("confirmed", "committed")


def test_a_nonce_used_by_somebody_else_is_replaced(committing, monkeypatch):
    world = committing
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", lambda *_: None)
        world.pump()
    lost = world.row("commit")
    world.as_operator("cancelNonce", world.operator, 77)
    assert world.chain.mined_nonce(world.operator) == lost.nonce + 1
    world.run(world.start - HOUR)
    found = world.row("commit")
    assert (found.state, found.nonce) == ("confirmed", lost.nonce + 1)


def test_a_block_mined_in_the_middle_of_a_round_costs_no_nonce(committing, monkeypatch):
    world = committing
    world.pump()
    first = world.row("commit")
    services.enqueue("later", "exchange", "cancelNonce", [world.operator, 78])
    receipt = Chain.receipt

    def mined_just_now(self, tx_hash):
        world.node.rpc("evm_mine")
        return receipt(self, tx_hash)

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "receipt", mined_just_now)
        world.pump()
    assert world.row("commit").state == "confirmed"
    assert OutboxTransaction.objects.get(key="later").nonce == first.nonce + 1


def test_a_transaction_that_became_too_cheap_is_sent_dearer(committing):
    world = committing
    world.pump()
    first = world.row("commit")
    world.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(3 * first.max_fee_wei))
    world.node.mine(world.start - HOUR)
    assert world.chain.receipt(first.tx_hash) is None
    world.run(world.start - HOUR)
    found = world.row("commit")
    assert found.state == "confirmed"
    assert found.nonce == first.nonce
    assert first.tx_hash in found.replaced_hashes


def test_blocks_that_the_chain_lost_are_made_again(world):
    world.trade()
    snapshot = world.node.rpc("evm_snapshot")
    world.commit()
    world.read_all()
    before = world.row("commit").tx_hash
    world.node.rpc("evm_revert", snapshot)
    assert world.chain.call("exchange", "commitments", int(world.start.timestamp())).committedAt == 0
    world.run(world.start - HOUR)
    assert (world.row("commit").state, world.row("commit").tx_hash) == ("confirmed", before)
    world.settle()
    assert Settlement.objects.get().agrees


def test_another_chain_is_noticed_once_and_left_alone(committing, caplog):
    world = committing
    code = world.node.rpc("eth_getCode", world.chain.addresses["exchange"], "latest")
    world.node.rpc("anvil_setCode", world.chain.addresses["exchange"], "0x")
    for _ in range(3):
        assert tasks.pump() == 0
    assert caplog.text.count("the outbox waits: no exchange at") == 1
    assert world.row("commit").state == "pending"
    world.node.rpc("anvil_setCode", world.chain.addresses["exchange"], code)
    world.run(world.start - HOUR)
    assert world.row("commit").state == "confirmed"


def test_contracts_deployed_afresh_get_every_registration_again(world, fresh_chain, settings, tmp_path):
    shutil.copytree(settings.STATE_DIR / "deployments", tmp_path / "deployments")
    settings.STATE_DIR = tmp_path
    world.trade()
    world.commit()
    old = world.chain.addresses["exchange"]
    settings.CHAIN_RPC_URL, world.node = fresh_chain.url, fresh_chain
    with fresh_chain.mining():
        services.deploy()
    assert world.chain.addresses["exchange"] == old
    assert world.row("commit").state == "failed"
    world.run(world.start - HOUR)
    # The address is the old one, so whatever the owners signed for it holds on the new chain too.
    registered = OutboxTransaction.objects.exclude(function="commitBatch")
    assert set(registered.values_list("state", flat=True)) == {"confirmed"}


def test_the_registrar_registers_and_the_operator_sends_all_else(committing):
    committing.run(committing.start - HOUR)
    registrar = signing.address_of(connection.secret_key("REGISTRAR_KEY"))
    senders = {(row.contract, row.sender) for row in OutboxTransaction.objects.all()}
    assert senders == {("registry", registrar), ("exchange", committing.operator)}


def test_one_sender_at_a_time(committing):
    world = committing
    holding, done = threading.Event(), threading.Event()

    def other_process():
        with sole("outbox") as held:
            assert held
            holding.set()
            done.wait(30)
        connections.close_all()

    other = threading.Thread(target=other_process)
    other.start()
    holding.wait(30)
    assert world.pump() == []
    done.set()
    other.join()
    assert [row.state for row in world.pump()] == ["sent"]


def test_a_node_that_does_not_answer_is_waited_for(committing, settings, caplog):
    world = committing
    settings.CHAIN_RPC_URL = "http://127.0.0.1:1"
    for _ in range(2):
        assert tasks.pump() == 0
    assert caplog.text.count("the outbox waits: http://127.0.0.1:1") == 1
    assert services.settle(world.interval.pk, world.end) == ["chain: http://127.0.0.1:1: ConnectionError"]
    assert queries.chain_summary()["block_number"] is None


def test_a_row_waits_for_the_one_that_it_comes_after(world):
    world.as_operator("cancelNonce", world.operator, 77)
    first = services.enqueue("first", "exchange", "cancelNonce", [world.operator, 77])
    second = services.enqueue("second", "exchange", "cancelNonce", [world.operator, 78], after=first)
    world.run(world.opened)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state, second.error) == ("failed", "pending", "")
    assert [row["reason"] for row in queries.waiting()][-1] == "first"
    assert not queries.has_unconfirmed()
    first.arguments = [world.operator, 79]
    first.save()
    assert services.retry("first")
    world.run(world.opened)
    world.run(world.opened)
    second.refresh_from_db()
    assert second.state == "confirmed"


@pytest.mark.usefixtures("world")
def test_nothing_recorded_is_said_plainly():
    Community.objects.update(chain_id=None)
    with pytest.raises(ContractsMissingError, match="deploy_contracts"):
        connection.chain()
