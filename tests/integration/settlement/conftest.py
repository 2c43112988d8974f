"""Three members, one delivery interval, real Postgres and Anvil; time is what a test says it is."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from backend.chain import deployment as chain_deployment
from backend.chain.client import Envelope
from backend.chain.deployment import networks
from backend.market import services as market
from backend.market.models import DeliveryInterval
from backend.registry import services as registry
from backend.registry import signing
from backend.registry.models import Community, Meter
from backend.settlement import attestation, connection, packing, services
from backend.settlement.models import OutboxTransaction, StatementLine
from backend.settlement.services.deployment import plan_for, terms_from_facts
from backend.telemetry.models import Reading
from domain import meter_ids
from domain.market import first_nonce
from launch.embedded import running
from launch.environment import State
from launch.ports import unused
from launch.services import anvil

HOUR = timedelta(hours=1)
NAMES = ("ana", "ben", "cleo")
OPENING_MICRO = 50_000_000
RETAILER_MICRO = 1_000_000_000
IMPORT, FEED_IN, FEE = 210_000, 80_000, 2_000


def key_of(name):
    return "0x" + keccak(text=name).hex()


def address_of(name):
    return Account.from_key(key_of(name)).address


class Node:
    """The chain's controls."""

    def __init__(self, url):
        self.url = url
        self._client = httpx.Client()

    def rpc(self, method, *params):
        answer = self._client.post(
            self.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        ).json()
        assert "error" not in answer, answer
        return answer["result"]

    def time(self):
        head = self.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC's own argument
        return datetime.fromtimestamp(int(head["timestamp"], 16), UTC)

    @contextmanager
    def mining(self):
        """Somebody mines by their own clock, as the timekeeper does."""
        done = threading.Event()

        def mine():
            with httpx.Client() as client:
                while not done.wait(0.05):
                    client.post(self.url, json={"jsonrpc": "2.0", "id": 1, "method": "evm_mine"})

        miner = threading.Thread(target=mine)
        miner.start()
        try:
            yield
        finally:
            done.set()
            miner.join()

    def mine(self, at):
        self.rpc("evm_setNextBlockTimestamp", max(int(at.timestamp()), int(self.time().timestamp()) + 1))
        self.rpc("evm_mine")


@dataclass
class World:
    """A community of three with an open interval that starts two hours after `opened`."""

    node: Node
    opened: datetime

    @property
    def start(self):
        return self.opened + 2 * HOUR

    @property
    def end(self):
        return self.start + HOUR

    @property
    def chain(self):
        return connection.chain()

    @property
    def interval(self):
        return DeliveryInterval.objects.get(start=self.start)

    def transact(self, key_name, function, *arguments):
        """A member's own transaction with the exchange."""
        self.node.rpc("anvil_setBalance", address_of(key_name), hex(10**20))
        transact(self.node, self.chain, key_of(key_name), "exchange", function, *arguments)

    @staticmethod
    def address_of(name):
        """Of a member's, the retailer's or the fund's wallet."""
        return address_of(name)

    @property
    def operator(self):
        return Account.from_key(connection.secret_key("OPERATOR_KEY")).address

    def as_operator(self, function, *arguments):
        transact(
            self.node, self.chain, connection.secret_key("OPERATOR_KEY"), "exchange", function, *arguments
        )

    def deposit(self, name, amount):
        deployer = connection.secret_key("DEPLOYER_KEY")
        exchange = self.chain.addresses["exchange"]
        holder = Account.from_key(deployer).address
        transact(self.node, self.chain, deployer, "token", "mint", holder, amount)
        transact(self.node, self.chain, deployer, "token", "approve", exchange, amount)
        transact(self.node, self.chain, deployer, "exchange", "depositFor", address_of(name), amount)

    def row(self, kind):
        """The row that commits or settles; not one that was withdrawn."""
        rows = OutboxTransaction.objects.exclude(key__contains="withdrawn")
        return rows.get(key__startswith=f"{kind}:")

    def pump(self):
        keys = (connection.secret_key(name) for name in ("OPERATOR_KEY", "REGISTRAR_KEY"))
        return services.pump(self.chain, services.Keys(*keys))

    def run(self, at):
        """Let the chain reach `at`; send, mine and confirm until nothing is in flight."""
        self.node.mine(at)
        for _ in range(6):
            self.pump()
            if not OutboxTransaction.objects.filter(state="sent").exists():
                return
            self.node.mine(at)
        raise AssertionError("the outbox does not come to rest")

    def bury(self, blocks, at=None):
        """Mine blocks, the first of them at `at`, and tell the outbox."""
        for _ in range(blocks):
            self.node.mine(at or self.node.time())
        self.pump()

    def order(self, name, side, wh, limit, *, by=""):
        unsigned = {
            "owner": address_of(name),
            "meter_id": meter_id(name),
            "side": side,
            "interval_start": self.start,
            "interval_s": 3600,
            "energy_wh": wh,
            "limit_micro_per_kwh": limit,
            "fee_cap_micro_per_kwh": FEE,
            "imbalance_cap_micro_per_kwh": 500_000,
            "nonce": first_nonce(self.start),
            "expiry": self.end,
        }
        message = market.SignedOrder(**unsigned, signature="").message()
        eip712 = Community.objects.get().eip712()
        signature = signing.sign("Order", message, eip712, key=key_of(by or name))
        return market.place_order(market.SignedOrder(**unsigned, signature=signature), as_of=self.opened)

    def trade(self, wh=2_000, *, by=""):
        """Ben sells to Ana, through `by` where given; cleared, not committed."""
        self.order("ana", "buy", wh, 160_000, by=by)
        self.order("ben", "sell", wh, 100_000, by=by)
        assert market.clear_interval(self.interval.pk, as_of=self.start - HOUR)

    def commit_nothing(self):
        assert market.clear_interval(self.interval.pk, as_of=self.start - HOUR)
        self.commit()

    def commit(self):
        assert services.commit(self.interval.pk, self.start - HOUR) == []
        self.run(self.start - HOUR + timedelta(seconds=2))
        assert self.interval.state == "committed"

    def read(self, name, imported, exported, *, signer=""):
        message = {
            "meterId": meter_id(name),
            "intervalStart": int(self.start.timestamp()),
            "intervalSeconds": 3600,
            "importWh": imported,
            "exportWh": exported,
        }
        signature = signing.sign(
            "MeterReading",
            message,
            Community.objects.get().readings_eip712(),
            key=key_of(signer or f"{name} grid"),
        )
        Reading.objects.create(
            meter=Meter.objects.get(meter_id=meter_id(name)),
            interval_start=self.start,
            interval_s=3600,
            import_wh=imported,
            export_wh=exported,
            source="http",
            quality="signed",
            signature=signature,
            received_at=self.end,
        )

    def submit(self, reading):
        """Take a stored reading to the oracle, past the platform."""
        arguments = (
            reading.meter.meter_id,
            int(reading.interval_start.timestamp()),
            reading.interval_s,
            reading.import_wh,
            reading.export_wh,
            packing.compact(reading.signature),
        )
        transact(
            self.node,
            self.chain,
            connection.secret_key("DEPLOYER_KEY"),
            "oracle",
            "submitReading",
            *arguments,
        )

    def read_all(self):
        self.read("ana", 2_500, 0)
        self.read("ben", 0, 1_800)
        self.read("cleo", 333, 1)

    def settle(self, at=None):
        at = at or self.end + timedelta(seconds=30)
        assert services.settle(self.interval.pk, at) == []
        self.run(at)

    def evidence_without(self, name):
        """That of the row that settles, with one reading struck out; attestors vouch for it."""
        accounts = sorted(NAMES, key=lambda one: address_of(one).lower())
        evidence = bytes.fromhex(self.row("settle").arguments[1][2:])
        registers = packing.unpack_registers(evidence, members=len(NAMES))
        registers[accounts.index(name)] = None
        part = {
            "intervalStart": int(self.start.timestamp()),
            "members": [{"account": address_of(one), "number": 0} for one in accounts],
        }
        found = [r and attestation.Proven(r, None, checked=True) for r in registers]
        length_s = int((self.end - self.start).total_seconds())
        proof = attestation.proof(part, found, attestation.quorum(self.chain), interval_s=length_s)
        return "0x" + (packing.pack_registers(registers) + proof).hex()

    def settle_as(self, name, at, *, evidence=None):
        """Settle with the bytes of the first row that would do it, whoever one is."""
        row = OutboxTransaction.objects.filter(function="settleBatch").earliest("id")
        data, ours, following = row.arguments
        self.node.mine(at)
        self.transact(name, "settleBatch", data, evidence or ours, following)

    def balance(self, name):
        return self.chain.call("exchange", "balanceOf", address_of(name))

    def balances(self):
        return {name: self.balance(name) for name in [*NAMES, "retailer", "fund"]}

    def total(self):
        return sum(map(self.balance, [*NAMES, "retailer", "fund"]))

    def lines_meter(self, name):
        return meter_id(name)

    @property
    def lines(self):
        """Statement lines by member."""
        found = StatementLine.objects.select_related("participant")
        return {line.participant.pseudonym[:-2]: line for line in found}


def meter_id(name):
    return meter_ids.meter_id(address_of(name), 0)


def facts(opened):
    """What community.json would say."""
    return {
        "name": "Test",
        "scenario": "test",
        "time_zone": "UTC",
        "currency": "USD",
        "interval_minutes": 60,
        "reading_deadline_minutes": 120,
        "market": {"gate_open_h": 24, "gate_close_intervals": 1},
        "tariff": {
            "import_micro_per_kwh": IMPORT,
            "feed_in_micro_per_kwh": FEED_IN,
            "fee_micro_per_kwh": FEE,
            "bands": [],
        },
        "clock": {"start": opened.isoformat(), "speed": 0},
        "retailer_address": address_of("retailer"),
        "community_fund_address": address_of("fund"),
        "staff": [
            {"username": name, "name": name, "role": name, "password": "correct-horse"}
            for name in ("operator", "auditor")
        ],
        "members": [
            {
                "username": name,
                "name": name.title(),
                "pseudonym": f"{name}-p",
                "password": "correct-horse",
                "wallet_address": address_of(name),
                "meters": [
                    {
                        "meter_id": meter_id(name),
                        "role": "grid",
                        "key_address": address_of(f"{name} grid"),
                        "transport": "http",
                    }
                ],
                "battery": None,
                "pv_nominal_kw": None,
            }
            for name in NAMES
        ],
    }


@pytest.fixture
def community_facts():
    """What community.json would say, with a clock that starts when one likes."""

    def at(opened):
        return facts(opened if isinstance(opened, datetime) else datetime.fromtimestamp(opened, UTC))

    return at


def transact(node, chain, key, role, function, *arguments):
    """Send and mine, outside the outbox."""
    sender = Account.from_key(key).address
    data = chain.call_data(role, function, arguments)
    to = chain.addresses[role]
    gas = chain.estimate_gas(to, data, sender=sender)
    chain.send(chain.sign(to, data, Envelope(chain.mined_nonce(sender), gas, chain.fees()), key=key).raw)
    node.rpc("evm_mine")


@pytest.fixture(scope="session")
def node(chain):
    return Node(chain)


@pytest.fixture(scope="session")
def empty_chain(tmp_path_factory):
    """Another chain, on which nothing of ours is; its blocks too are mined on demand."""
    state = State(tmp_path_factory.mktemp("empty-chain")).create()
    (port,) = unused(1)
    url = f"http://127.0.0.1:{port}"
    with running(anvil(state, port, url), log=state.logs / "anvil.log"):
        yield Node(url)


@pytest.fixture
def fresh_chain(empty_chain):
    """That chain, as at its beginning."""
    snapshot = empty_chain.rpc("evm_snapshot")
    yield empty_chain
    empty_chain.rpc("evm_revert", snapshot)


@pytest.fixture(scope="session")
def deployment(node):
    """The contracts, with everybody's deposit, once."""
    deployer = connection.secret_key("DEPLOYER_KEY")
    node.mine(datetime(2026, 6, 1, 12, 30, tzinfo=UTC))
    with node.mining():
        plan = plan_for(
            networks.by_id(31337),
            terms_from_facts(facts(node.time())),
            deployer=Account.from_key(deployer).address,
        )
        made = chain_deployment.deploy(
            node.url,
            plan,
            signer=Account.from_key(deployer),
            path=connection.deployment_path(31337),
        )
    deposits = {address_of("retailer"): RETAILER_MICRO} | {address_of(n): OPENING_MICRO for n in NAMES}
    chain = made.connect(node.url, connection.artifacts())
    transact(
        node, chain, deployer, "token", "mint", Account.from_key(deployer).address, sum(deposits.values())
    )
    transact(node, chain, deployer, "token", "approve", made.addresses["exchange"], sum(deposits.values()))
    for account, amount in deposits.items():
        transact(node, chain, deployer, "exchange", "depositFor", account, amount)
    return made


@pytest.fixture
def world(node, deployment, settings, transactional_db):  # noqa: ARG001 - each test leaves an empty database
    """The chain as deployed, everybody's meter and agreements on it, and an open interval."""
    settings.AGENT_KEY = key_of("agent")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    snapshot = node.rpc("evm_snapshot")
    opened = datetime.fromtimestamp((int(node.time().timestamp()) // 3600 + 1) * 3600, UTC)
    registry.load_community(facts(opened), agent_address=address_of("agent"))
    assert services.deploy() == deployment
    for name in NAMES:
        sign_up(name, opened)
    services.register_all()
    market.open_intervals(opened)
    built = World(node, opened)
    built.run(opened)
    assert set(OutboxTransaction.objects.values_list("state", flat=True)) == {"confirmed"}
    yield built
    node.rpc("anvil_dropAllTransactions")
    node.rpc("evm_revert", snapshot)


def sign_up(name, opened):
    """What a member's wallet signs on joining."""
    until = int((opened + timedelta(days=30)).timestamp())
    eip712 = Community.objects.get().eip712()
    supply = {
        "owner": address_of(name),
        "maxImportPrice": 2 * IMPORT,
        "minFeedInPrice": FEED_IN // 2,
        "fallbackImportW": 400,
        "validFrom": int(opened.timestamp()),
        "validUntil": until,
        "nonce": 0,
    }
    signature = signing.sign("SupplyAgreement", supply, eip712, key=key_of(name))
    registry.accept_supply_agreement(supply, signature)
    mandate = {
        "owner": address_of(name),
        "agent": address_of("agent"),
        "maxBuyPrice": 300_000,
        "minSellPrice": 50_000,
        "feeCap": FEE,
        "imbalanceCap": 500_000,
        "maxWhPerDay": 3_000,
        "validUntil": until,
        "nonce": 0,
    }
    signature = signing.sign("Mandate", mandate, eip712, key=key_of(name))
    registry.accept_mandate(mandate, signature)
