"""One interval of two members, settled on Ganache and on Anvil: balances and events must be the same.

`make test-ganache` installs Ganache and runs this; the other tests do not, since they do without it.
"""

import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from eth_account import Account

from backend.chain import deployment
from backend.chain.deployment import create2, networks
from backend.chain.deployment.contents import HOLDERS
from backend.settlement import connection
from domain.market import SettlementPrices
from launch import probes
from launch.embedded import running
from launch.environment import State
from launch.ports import HOST, unused
from launch.process import Process
from launch.services import anvil
from tests.ganache import shanghai
from tests.property.exchange_pair import (
    GAS,
    Domain,
    Interface,
    Node,
    Senders,
    Side,
    address_of,
    in_words,
    key_of,
    meter_key,
)
from tests.property.ledger_model import (
    BUY,
    BY_OWNER,
    SELL,
    Batch,
    BatchMember,
    BatchOrder,
    Execution,
    Proof,
    Supply,
    Terms,
)

PROXY_CODE = (  # of the deterministic deployment proxy, which Anvil has from the start
    "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
ROOT = Path(settings.BASE_DIR)
GANACHE = Path(__file__).parent / "node_modules" / "ganache" / "dist" / "node" / "cli.js"
GANACHE_NETWORK = networks.Network("ganache", 1337, networks.Kind.TEST)
"""With Anvil's chain id, the platform would take it for Anvil."""
RECEIPT_TIMEOUT_S = 30
INTERVAL_S, DAY_S = 900, 86_400
OPENED = 1_780_012_800  # midnight UTC
START = OPENED + 4 * INTERVAL_S
DEPOSIT_MICRO = 5_000_000
SELLER, BUYER = sorted((address_of("ana"), address_of("ben")))
RETAILER, FUND, DEPLOYER, STRANGER = map(address_of, ("retailer", "fund", "deployer", "stranger"))
OPERATOR, REGISTRAR = map(address_of, ("operator", "registrar"))
PRICES = SettlementPrices(
    clearing=150_000, retail_import=310_000, feed_in=60_000, imbalance=290_000, fee=3_000
)
SOLD_WH, IMBALANCE_CAP = 1_000, 100_000
READINGS = [(0, 950), (1_200, 0)]
"""The seller delivers 50 Wh less than it sold; the buyer takes 200 Wh more than it bought."""


class Anvil(Node):
    """Anvil's own methods."""

    network = networks.BY_NAME["anvil"]

    def prepare(self):
        """Let those pay for gas who are not in the plan."""
        self.rpc("anvil_setBalance", STRANGER, hex(10**24))

    def set_clock(self, instant):
        self.rpc("evm_setNextBlockTimestamp", instant)
        self.rpc("evm_mine")


class Ganache(Node):
    """Ganache's own methods."""

    network = GANACHE_NETWORK

    def prepare(self):
        """Put the deterministic deployment proxy where Anvil has it from the start."""
        self.rpc("evm_setAccountCode", create2.PROXY, PROXY_CODE)

    def set_clock(self, instant):
        self.rpc("evm_setTime", instant * 1_000)
        self.rpc("evm_mine", instant)


class Chain:
    """A node that mines each transaction at once, with the contracts and money on it."""

    def __init__(self, node, url, artifacts, folder):
        self.node = node
        node.prepare()
        signer = Account.from_key(key_of("deployer"))
        terms = deployment.Terms(
            retailer=RETAILER,
            fund=FUND,
            accounts={holder: (Account.from_key(key_of(holder)).address,) for holder in HOLDERS},
            interval_s=INTERVAL_S,
            withdrawal_delay_s=2 * DAY_S,
            settlement_term_s=DAY_S,
            reading_deadline_s=1_800,
            attestor_threshold=1,
        )
        plan = deployment.Plan.of(node.network, terms, artifacts, deployer=signer.address)
        made = deployment.deploy(url, plan, signer=signer, path=folder / "deployment.json")
        self._senders = Senders(made.chain_id)
        self._senders.nonces[DEPLOYER] = int(node.rpc("eth_getTransactionCount", DEPLOYER, "latest"), 16)
        self._addresses = {role: address.lower() for role, address in made.addresses.items()}
        self._interfaces = {
            "token": Interface(artifacts["MockStablecoin"]),
            "registry": Interface(artifacts["ParticipantRegistry"]),
        }
        self._side = Side(
            interface=Interface(artifacts["EnergyExchange"]),
            address=self._addresses["exchange"],
            token=self._addresses["token"],
            domain=Domain(made.chain_id, self._addresses["exchange"]),
            oracle=Domain(made.chain_id, self._addresses["oracle"]),
            terms=Terms(
                retailer=RETAILER,
                fund=FUND,
                operator=OPERATOR,
                pauser=Account.from_key(key_of("pauser")).address,
                interval_s=INTERVAL_S,
                withdrawal_delay_s=terms.withdrawal_delay_s,
                settlement_term_s=terms.settlement_term_s,
                reading_deadline_s=terms.reading_deadline_s,
                attestors=terms.accounts["attestor"],
            ),
        )

    def settle_one_interval(self):
        """What the settlement said, as events."""
        self.node.set_clock(OPENED)
        self._call(DEPLOYER, "token", "mint", DEPLOYER, 4 * DEPOSIT_MICRO)
        self._call(DEPLOYER, "token", "approve", self._side.address, 4 * DEPOSIT_MICRO)
        for account in (SELLER, BUYER, RETAILER):
            self._do("deposit", DEPLOYER, account, DEPOSIT_MICRO)
        for account in (SELLER, BUYER):
            key = (meter_key(account, 0), bytes(32), bytes(32))
            self._call(REGISTRAR, "registry", "register", account, 0, key)
            self._do("register_supply", supply(account))
        part = batch()
        self._do("commit", OPERATOR, START, [part])
        self.node.set_clock(START + INTERVAL_S)
        logs = self._do("settle", OPERATOR, part, [], READINGS, Proof("meters", (None, None)))
        return [in_words(self._side.interface.event(log)) for log in logs]

    def balances(self):
        """What everybody has on the exchange, and what it holds."""
        interface, token = self._side.interface, self._interfaces["token"]
        balances = {
            account: self._ask(self._side.address, interface, "balanceOf", account)
            for account in (SELLER, BUYER, RETAILER, FUND)
        }
        return {**balances, "held": self._ask(self._side.token, token, "balanceOf", self._side.address)}

    def _ask(self, to, interface, function, *arguments):
        data = "0x" + interface.data(function, *arguments).hex()
        return interface.answer(function, self.node.rpc("eth_call", {"to": to, "data": data}, "latest"))[0]

    def _call(self, sender, role, function, *arguments):
        data = self._interfaces[role].data(function, *arguments)
        self._send((sender, self._addresses[role], data, GAS))

    def _do(self, operation, *arguments):
        return self._send(self._side.call(operation, arguments))

    def _send(self, transaction):
        tx_hash = self.node.rpc("eth_sendRawTransaction", self._senders.sign(transaction))
        deadline = time.monotonic() + RECEIPT_TIMEOUT_S
        while (receipt := self.node.rpc("eth_getTransactionReceipt", tx_hash)) is None:
            assert time.monotonic() < deadline, f"{tx_hash} is not mined"
            time.sleep(0.05)
        assert int(receipt["status"], 16), receipt
        return receipt["logs"]


def supply(account):
    """The agreement that a member signs on joining."""
    return Supply(
        owner=account,
        max_import_price=400_000,
        min_feed_in_price=0,
        fallback_import_w=400,
        valid_from=OPENED,
        valid_until=OPENED + 30 * DAY_S,
        nonce=0,
        signer=account,
    )


def batch():
    """The seller sells all that the buyer buys."""

    def member(account, side):
        order = BatchOrder(
            side=side,
            k=0,
            energy_wh=SOLD_WH,
            limit_price=PRICES.clearing,
            fee_cap=PRICES.fee,
            imbalance_cap=IMBALANCE_CAP,
            expiry=START,
            authority=BY_OWNER,
            signer=account,
            executions=(Execution(0, SOLD_WH, PRICES.clearing),),
        )
        return BatchMember(account, 0, (order,))

    return Batch(START, PRICES, 0, (member(SELLER, SELL), member(BUYER, BUY)), ())


@contextmanager
def started(process):
    """A folder, in which the process runs for as long as the context."""
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder)).create()
        with running(process(state), log=state.logs / "chain.log"):
            yield state.folder


def mining_anvil(port, state):
    """Anvil that mines each transaction, as Ganache does."""
    process = anvil(state, port, f"http://{HOST}:{port}")
    return replace(process, argv=tuple(option for option in process.argv if option != "--no-mining"))


def ganache(port, state):  # noqa: ARG001 - it keeps nothing
    """Ganache at its newest hard fork; the accounts that send transactions have ether."""
    senders = ("deployer", "operator", "registrar", "stranger")
    accounts = [f"{key_of(name)},0x{10**24:x}" for name in senders]
    url = f"http://{HOST}:{port}"
    return Process(
        name="ganache",
        argv=(
            "node",
            str(GANACHE),
            *("--server.host", HOST, "--server.port", str(port)),
            *("--chain.hardfork", shanghai.EVM_VERSION, "--chain.chainId", str(GANACHE_NETWORK.chain_id)),
            *("--chain.networkId", str(GANACHE_NETWORK.chain_id)),
            *(option for account in accounts for option in ("--wallet.accounts", account)),
            *("--chain.time", "2026-01-01T00:00:00Z", "--miner.blockGasLimit", "0x1c9c380"),
            "--logging.quiet",
        ),
        address=url,
        probe=partial(probes.chain, url),
    )


@pytest.fixture(scope="module")
def built():
    solc, cache = ROOT / "contracts" / "bin" / "solc", ROOT / "build" / "contracts"
    return shanghai.artifacts(ROOT / "contracts", cache=cache, solc=solc)


def test_ganache_settles_an_interval_as_anvil_does(built):
    told, left = [], []
    (port,) = unused(1)
    url = f"http://{HOST}:{port}"
    for process, node, artifacts in (
        (mining_anvil, Anvil, connection.artifacts()),
        (ganache, Ganache, built),
    ):
        with started(partial(process, port)) as folder:
            chain = Chain(node(url), url, artifacts, folder)
            told.append(chain.settle_one_interval())
            left.append(chain.balances())
    assert told[0] == told[1]
    assert told[0][0] == ("SaleShort", START, 0, IMBALANCE_CAP)
    assert [event[0] for event in told[0][1:]] == ["BatchSettled"]
    assert left[0] == left[1]
    owed = sum(left[0][account] for account in (SELLER, BUYER, RETAILER, FUND))
    assert owed == left[0]["held"] == 3 * DEPOSIT_MICRO
    assert left[0][SELLER] == DEPOSIT_MICRO + 142_500 - 5_000 - 2_850
    assert left[0][BUYER] == DEPOSIT_MICRO - 150_000 - 62_000 - 3_000
