"""What a transaction may cost: bumping, its cap, replacement, and gas beyond what a transaction may use."""

from datetime import timedelta

import pytest
from unreliable_node import UnreliableNode

from backend.settlement import queries, services
from backend.settlement.models import OutboxTransaction

HOUR = timedelta(hours=1)
PATIENCE = 3
GWEI = 10**9
FULL_BLOCK = hex(30_000)
ROOMY_BLOCK = hex(30_000_000)
BURNS_18_MILLION = "0x620aae605b600190038060045700"
BURNS_ALL = "0x5b600056"


@pytest.fixture
def sent(world, settings):
    """A commitment in the pool, and blocks without room for it."""
    settings.CHAIN_PATIENCE_BLOCKS = PATIENCE
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.pump()
    world.node.rpc("evm_setBlockGasLimit", FULL_BLOCK)
    yield world
    world.node.rpc("evm_setBlockGasLimit", ROOMY_BLOCK)


def raised(new, old):
    return new >= old * 11 / 10


def test_a_transaction_that_blocks_pass_by_offers_more(sent):
    world = sent
    first = world.row("commit")
    world.bury(PATIENCE - 1)
    assert world.row("commit").tx_hash == first.tx_hash
    world.bury(1)
    second = world.row("commit")
    assert (second.state, second.nonce) == ("sent", first.nonce)
    assert second.replaced_hashes == [first.tx_hash]
    assert raised(second.max_fee_wei, first.max_fee_wei)
    assert raised(second.tip_wei, first.tip_wei)
    world.bury(PATIENCE - 1)
    assert world.row("commit").tx_hash == second.tx_hash
    world.node.rpc("evm_setBlockGasLimit", ROOMY_BLOCK)
    world.bury(1)
    assert world.row("commit").state == "confirmed"
    assert world.row("commit").tx_hash in {first.tx_hash, second.tx_hash}  # Anvil may keep both
    assert world.interval.state == "committed"


def test_only_the_first_in_line_offers_more(sent):
    world = sent
    services.enqueue("behind", "exchange", "cancelNonce", [world.operator, 77])
    world.node.rpc("evm_setBlockGasLimit", ROOMY_BLOCK)
    world.pump()
    world.node.rpc("evm_setBlockGasLimit", FULL_BLOCK)
    behind = OutboxTransaction.objects.get(key="behind")
    assert behind.state == "sent"
    world.bury(PATIENCE)
    assert world.row("commit").replaced_hashes
    assert OutboxTransaction.objects.get(key="behind").tx_hash == behind.tx_hash


def test_fees_stop_at_the_cap_with_an_alarm(sent, settings, caplog):
    world = sent
    first = world.row("commit")
    settings.CHAIN_MAX_FEE_WEI = first.max_fee_wei
    for _ in range(3):
        world.bury(PATIENCE)
    stuck = world.row("commit")
    assert (stuck.state, stuck.tx_hash, stuck.max_fee_wei) == ("sent", first.tx_hash, first.max_fee_wei)
    assert caplog.text.count("CHAIN_MAX_FEE_WEI") == 1
    (waiting,) = queries.waiting()
    assert (waiting["stage"], waiting["state"]) == ("commit", "sent")
    assert "CHAIN_MAX_FEE_WEI" in waiting["reason"]
    world.node.rpc("evm_setBlockGasLimit", ROOMY_BLOCK)
    world.bury(1)
    assert (world.row("commit").state, world.row("commit").error) == ("confirmed", "")
    assert queries.waiting() == []


def test_nothing_new_is_sent_while_gas_costs_more_than_the_cap(world, settings):
    settings.CHAIN_MAX_FEE_WEI = 50 * GWEI
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(51 * GWEI))
    world.bury(1)
    assert world.row("commit").state == "pending"
    assert world.row("commit").error.startswith(f"gas costs {51 * GWEI} wei")
    world.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(49 * GWEI))
    world.bury(1)
    row = world.row("commit")
    assert (row.state, row.max_fee_wei) == ("sent", 50 * GWEI)
    world.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    world.bury(1)
    assert world.row("commit").state == "confirmed"


def test_the_receipt_of_a_replaced_transaction_counts(sent, settings):
    """The replacement never reaches whoever mines."""
    world = sent
    first = world.row("commit")
    proxy = UnreliableNode(world.node.url)
    settings.CHAIN_RPC_URL = proxy.url
    with proxy.lying("eth_sendRawTransaction", lambda *_: 500):
        world.node.rpc("evm_mine")
        for _ in range(PATIENCE):
            world.node.rpc("evm_mine")
        with pytest.raises(Exception, match="HTTPError"):
            world.pump()
    proxy.close()
    settings.CHAIN_RPC_URL = world.node.url
    assert world.row("commit").replaced_hashes == [first.tx_hash]
    world.node.rpc("evm_setBlockGasLimit", ROOMY_BLOCK)
    world.bury(1)
    found = world.row("commit")
    assert (found.state, found.tx_hash, found.nonce) == ("confirmed", first.tx_hash, first.nonce)
    assert world.interval.state == "committed"


@pytest.mark.parametrize("code", [BURNS_18_MILLION, BURNS_ALL], ids=["above the cap", "beyond a block"])
def test_what_needs_too_much_gas_fails_before_it_is_sent(world, code):
    registry = world.chain.addresses["registry"]
    honest = world.node.rpc("eth_getCode", registry, "latest")
    nonce = world.chain.mined_nonce(world.operator)
    world.node.rpc("anvil_setCode", registry, code)
    row = services.enqueue(
        "heavy",
        "registry",
        "register",
        OutboxTransaction.objects.filter(key__startswith="register:").first().arguments,
    )
    other = services.enqueue("light", "exchange", "cancelNonce", [world.operator, 77])
    world.pump()
    world.node.rpc("anvil_setCode", registry, honest)
    row.refresh_from_db()
    assert (row.state, row.nonce) == ("failed", None)
    assert row.error.startswith("GasCapExceeded(cap=16777216")
    other.refresh_from_db()
    assert (other.state, other.nonce) == ("sent", nonce)


def test_an_operator_without_money_for_gas_is_said(world):
    world.trade()
    services.commit(world.interval.pk, world.start - HOUR)
    world.node.rpc("anvil_setBalance", world.operator, "0x0")
    world.pump()
    (waiting,) = queries.waiting()
    assert waiting["state"] == "sent"
    assert "insufficient funds" in waiting["reason"]
    world.node.rpc("anvil_setBalance", world.operator, hex(10**20))
    world.run(world.start - HOUR)
    assert world.row("commit").state == "confirmed"
