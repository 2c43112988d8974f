"""A node that is dead, slow, behind, on another chain or plainly lying: wait, alarm, never twice."""

import random
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from unreliable_node import (
    UnreliableNode,
    answer_lost,
    changed,
    http_500,
    nothing,
    page,
    says,
    too_late,
    truncated,
)

from backend.chain import transport
from backend.chain.errors import ChainUnavailableError
from backend.settlement import connection, queries, services, tasks
from backend.settlement.models import OutboxTransaction, Settlement

HOUR = timedelta(hours=1)
DEPTH = 2
BEHIND = {"startingBlock": "0x0", "currentBlock": "0x1", "highestBlock": "0xff"}


@pytest.fixture
def liar(node, settings):
    """The platform reaches its chain through this."""
    proxy = UnreliableNode(node.url)
    settings.CHAIN_RPC_URL = proxy.url
    settings.CHAIN_CONFIRMATIONS = DEPTH
    settings.CHAIN_STALE_AFTER_S = 600
    yield proxy
    proxy.close()


@pytest.fixture
def committing(world, liar):  # noqa: ARG001 - the node of this world
    """A commitment that is sent; the tests mine it."""
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.pump()
    assert world.row("commit").state == "sent"
    return world


def hours_old(block, params):
    """The newest block is an old one."""
    earlier = hex(int(block["timestamp"], 16) - 7_200)
    return {**block, "timestamp": earlier} if params[0] == "latest" else block


def the_first(block, params):
    """The newest block is block 1."""
    return {**block, "number": "0x1"} if params[0] == "latest" else block


def only_the_newest(block, params):
    return block if params[0] == "latest" else None


def of_another_block(receipt, _params):
    return receipt and {**receipt, "blockHash": "0x" + "ab" * 32}


def of_another_transaction(receipt, _params):
    return receipt and {**receipt, "transactionHash": "0x" + "ab" * 32}


def with_foreign_events(receipt, _params):
    logs = [{**log, "transactionHash": "0x" + "ab" * 32} for log in receipt["logs"]] if receipt else []
    return receipt and {**receipt, "logs": logs}


def jumped(count, params):
    """Some transactions more, in the newest block only."""
    return hex(int(count, 16) + 5) if params[1] == "latest" else count


LIES = {
    "wrong chain": ("eth_chainId", says("0x1"), "is on chain 1, not 31337"),
    "no contracts": ("eth_getCode", says("0x"), "no exchange at"),
    "syncing": ("eth_syncing", says(BEHIND), "the node is syncing"),
    "stale block": ("eth_getBlockByNumber", changed(hours_old), "behind the community's clock"),
    "went back": ("eth_getBlockByNumber", changed(the_first), "the node went back below block"),
    "denies blocks": ("eth_getBlockByNumber", changed(only_the_newest), "which was final"),
    "receipt of another transaction": (
        "eth_getTransactionReceipt",
        changed(of_another_transaction),
        "a receipt of another transaction",
    ),
    "events of another transaction": (
        "eth_getTransactionReceipt",
        changed(with_foreign_events),
        "a receipt of another transaction",
    ),
    "receipt in no block": ("eth_getTransactionReceipt", changed(of_another_block), "contradict each other"),
    "receipt of nothing": ("eth_getTransactionByHash", says(None), "has a receipt and is unknown"),
    "nonce jumps": ("eth_getTransactionCount", changed(jumped), "nonce jumped"),
    "nonce forgotten": ("eth_getTransactionCount", says("0x0"), "the node has forgotten transactions"),
    "fails": ("*", http_500, "HTTPError"),
    "answers with a page": ("*", page, "no JSON"),
    "cuts its answers off": ("*", truncated, "no JSON"),
    "answers nothing": ("*", nothing, "no JSON-RPC answer"),
    "nonsense for a number": ("eth_chainId", says("seven"), "no number"),
    "is too slow": ("*", too_late, "Timeout"),
}


@contextmanager
def short_of_patience(wanted):
    """Connections made meanwhile wait a fifth of a second for an answer."""
    with pytest.MonkeyPatch.context() as patch:
        if wanted:
            connection._connect.cache_clear()
            patch.setattr(transport, "TIMEOUT_S", 0.2)
        yield
    if wanted:
        connection._connect.cache_clear()


@pytest.mark.parametrize("lie", LIES)
def test_a_node_that_cannot_be_believed_is_waited_for(committing, liar, lie, caplog):
    world = committing
    method, fault, reason = LIES[lie]
    nonce = world.chain.mined_nonce(world.operator)
    world.node.mine(world.start - HOUR)
    with liar.lying(method, fault), short_of_patience(lie == "is too slow"):
        for _ in range(2):
            assert tasks.pump() == 0
        assert reason in queries.trouble()["reason"]
    assert caplog.text.count("the outbox waits: ") == 1
    assert (world.row("commit").state, world.interval.state) == ("sent", "cleared")
    world.pump()
    assert queries.trouble() is None
    assert (world.row("commit").state, world.interval.state) == ("mined", "committed")
    world.bury(DEPTH)
    assert world.row("commit").state == "confirmed"
    assert world.node.rpc("eth_getTransactionCount", world.operator, "latest") == hex(nonce + 1)
    assert len(liar.taken) == 1


@pytest.mark.parametrize("reached", [True, False], ids=["the answer is lost", "it never arrived"])
def test_sending_into_the_dark_sends_the_same_bytes_again(world, liar, reached):
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    with liar.lying("eth_sendRawTransaction", answer_lost if reached else http_500):
        for _ in range(2):
            with pytest.raises(ChainUnavailableError):
                world.pump()
            if reached:
                break
    before = world.row("commit")
    assert before.state == "sent"
    world.run(world.start - HOUR)
    after = world.row("commit")
    assert (after.state, after.nonce, after.tx_hash) == ("mined", before.nonce, before.tx_hash)
    assert len(set(liar.taken)) == 1


def test_a_node_that_hides_receipts_makes_nobody_commit_twice(committing, liar):
    world = committing
    nonce = world.chain.mined_nonce(world.operator)
    with liar.lying("eth_getTransactionReceipt", says(None)):
        world.node.mine(world.start - HOUR)
        for _ in range(DEPTH + 2):
            world.bury(1)
        hidden = world.row("commit")
        assert hidden.state == "pending"
        assert hidden.error.startswith("AlreadyCommitted(")
        assert services.settle(world.interval.pk, world.end) == ["commitment on chain"]
    world.pump()
    found = world.row("commit")
    assert (found.state, found.nonce) == ("confirmed", nonce)
    assert found.tx_hash in hidden.replaced_hashes
    assert world.interval.state == "committed"
    assert len(liar.taken) == 1


def test_a_nonce_beyond_a_gap_is_given_up(world, liar):
    """A node once claimed transactions of ours that never were, and keeps to it."""
    world.bury(DEPTH)
    services.enqueue("first", "exchange", "cancelNonce", [world.operator, 77])
    nonce = world.chain.mined_nonce(world.operator)
    with liar.lying("eth_getTransactionCount", changed(lambda count, _params: hex(int(count, 16) + 5))):
        world.pump()
    assert OutboxTransaction.objects.get(key="first").nonce == nonce + 5
    world.pump()
    world.run(world.start - HOUR)
    found = OutboxTransaction.objects.get(key="first")
    assert (found.state, found.nonce) == ("mined", nonce)


def cancel(world, count):
    """Rows that do not depend on each other."""
    for number in range(count):
        services.enqueue(f"cancel:{number}", "exchange", "cancelNonce", [world.operator, 1_000 + number])
    return OutboxTransaction.objects.filter(key__startswith="cancel:")


def together(workers, work):
    """Run `work` in threads of their own, all at the same time."""
    ready = threading.Barrier(workers)

    def run(number):
        try:
            ready.wait(30)
            work(number)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)
        finally:
            connections.close_all()

    failures = []
    threads = [threading.Thread(target=run, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def nonces_of(raw):
    return [TypedTransaction.from_bytes(HexBytes(item)).as_dict()["nonce"] for item in raw]


def test_many_workers_send_each_row_once(world, liar):
    rows = cancel(world, 12)
    first = world.chain.mined_nonce(world.operator)
    together(8, lambda _number: world.pump())
    while rows.filter(state="pending").exists():
        world.pump()
    assert nonces_of(liar.taken) == list(range(first, first + 12))
    assert {Account.recover_transaction(raw) for raw in liar.taken} == {world.operator}
    world.bury(1)
    world.bury(DEPTH)
    assert set(rows.values_list("state", flat=True)) == {"confirmed"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_workers_and_a_failing_node_settle_once(world, liar, seed, settings):
    """Calls fail, before or after they arrived, at random, while blocks are mined and workers compete."""
    settings.CHAIN_PATIENCE_BLOCKS = 10_000
    settings.CHAIN_STALE_AFTER_S = 0
    world.commit_nothing()
    world.read_all()
    assert services.settle(world.interval.pk, world.end) == []
    world.node.mine(world.end)
    rows, first = cancel(world, 6), world.chain.mined_nonce(world.operator)
    before, already = world.total(), len(liar.taken)
    chance = random.Random(seed)  # noqa: S311 - to be repeatable

    def fault(params, forward):
        luck = chance.random()
        if luck < 0.9:
            return forward()
        return answer_lost(params, forward) if luck < 0.95 else chance.choice([500, b"<html>", {}])

    def work(_number):
        for _ in range(15):
            tasks.pump()

    with liar.lying("*", fault), world.node.mining(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "announce", lambda *_, **__: None)
        patch.setattr(tasks, "request_tick", lambda: None)
        patch.setattr(tasks.queries, "has_unconfirmed", lambda: False)
        together(4, work)
    for _ in range(4):
        world.bury(1)
    world.bury(DEPTH)
    assert set(rows.values_list("state", flat=True)) == {"confirmed"}
    assert (world.row("settle").state, world.interval.state) == ("confirmed", "settled")
    assert Settlement.objects.get().agrees
    assert world.total() == before
    assert sorted(set(nonces_of(liar.taken[already:]))) == list(range(first, first + 7))
    assert len(set(liar.taken[already:])) == 7
    assert world.chain.mined_nonce(world.operator) == first + 7
