"""Deploying on a real Anvil: broken off anywhere, tampered with, simulated, refused."""

import json
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import solcx
from django.core.management import CommandError, call_command
from eth_account import Account
from eth_utils.crypto import keccak

from backend.chain import deployment as chain_deployment
from backend.chain.client import Chain, Envelope
from backend.chain.deployment import DeploymentError, create2, networks
from backend.chain.deployment.building import require_chain
from backend.chain.deployment.costs import estimate, preview
from backend.chain.deployment.journal import Journal
from backend.chain.deployment.node import DeploymentNode
from backend.chain.deployment.plan import role_id
from backend.chain.deployment.sources import input_of
from backend.chain.deployment.steps import Create, steps_of
from backend.chain.deployment.verification import verify
from backend.registry import services as registry
from backend.settlement import connection, services
from backend.settlement.services.deployment import plan_for, terms_from_facts

LOCAL = networks.BY_NAME["anvil"]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def signer():
    return Account.from_key(connection.secret_key("DEPLOYER_KEY"))


@pytest.fixture
def plan(fresh_chain, community_facts, signer):
    return plan_for(LOCAL, terms_from_facts(community_facts(fresh_chain.time())), deployer=signer.address)


@pytest.fixture
def deploy(fresh_chain, signer, tmp_path):
    """Deploy a plan on the fresh chain, recording it in a file of the test's own."""

    def run(plan, tell=lambda _line: None, *, path=tmp_path / "31337.json"):
        with fresh_chain.mining():
            return chain_deployment.deploy(fresh_chain.url, plan, signer=signer, path=path, tell=tell)

    return run


@pytest.fixture
def killing(monkeypatch):
    """A block that is killed where it first calls a method."""

    @contextmanager
    def during(owner, method):
        def kill(*_args):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(owner, method, kill)
            with pytest.raises(Killed):
                yield patch

    return during


@pytest.fixture
def settle_there(fresh_chain, settings, tmp_path, community_facts, transactional_db):  # noqa: ARG001 - commits
    """The platform's settings point at the fresh chain and an empty state; a community is loaded."""
    settings.CHAIN_RPC_URL, settings.STATE_DIR = fresh_chain.url, tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    registry.load_community(community_facts(fresh_chain.time()), agent_address="0x" + "11" * 20)


def differences(chain, plan, first_block=0):
    node = DeploymentNode.of(chain.url, plan)
    return [f"{c.name}: {c.difference}" for c in verify(node, plan, first_block=first_block) if c.difference]


def command(*arguments):
    out = StringIO()
    call_command("deploy_contracts", *arguments, stdout=out)
    return out.getvalue()


def test_a_fresh_chain_gets_everything_where_the_plan_says(fresh_chain, plan, deploy, signer, tmp_path):
    told = []
    made = deploy(plan, told.append)
    node = DeploymentNode.of(fresh_chain.url, plan)
    assert made.addresses == plan.addresses
    assert differences(fresh_chain, plan) == []
    assert node.call("exchange", "token") == plan.addresses["token"]
    assert node.call("timelock", "getMinDelay") == 60
    for contract in ("registry", "oracle", "exchange", "demand_response", "certificates"):
        assert node.has_role(contract, "DEFAULT_ADMIN_ROLE", plan.timelock)
        assert not node.has_role(contract, "DEFAULT_ADMIN_ROLE", signer.address)
    assert len([line for line in told if line.startswith("mined")]) == len(steps_of(plan))

    record = json.loads((tmp_path / "31337.json").read_text())
    assert record["complete"]
    assert record["in_flight"] is None
    assert all(record["transactions"].values())
    assert record["compiler"]["version"].startswith("0.8.")
    assert record["compiler"]["settings"]["optimizer"] == {"enabled": True, "runs": 600}
    for creation in plan.creations:
        entry = record["contracts"][creation.role]
        mined = record["transactions"][f"create {creation.role}"]
        assert fresh_chain.rpc("eth_getTransactionReceipt", mined["tx_hash"])["status"] == "0x1"
        assert entry["address"] == creation.address
        assert entry["code_hash"] == "0x" + keccak(node.code(creation.address)).hex()
        init_code = creation.artifact.bytecode + entry["encoded_arguments"][2:]
        assert entry["init_code_hash"] == "0x" + keccak(hexstr=init_code).hex()


def test_no_key_is_written_or_told(plan, deploy, signer, tmp_path):
    told = []
    deploy(plan, told.append)
    key = bytes(signer.key).hex()
    written = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    assert not [text for text in (*written, *told) if key in text.lower()]


@pytest.mark.parametrize("moment", ["sent", "mined"])
def test_killed_after_every_step_it_goes_on_to_the_same_end(fresh_chain, plan, deploy, tmp_path, moment):
    """Each run is killed once the next step's transaction is sent, or is mined."""

    def kill(line):
        if line.startswith(moment):
            killed.append(line.split(":")[0].split(None, 1)[1])
            raise Killed

    killed = []
    steps = [step.key for step in steps_of(plan)]
    for _ in range(len(steps)):
        with pytest.raises(Killed):
            deploy(plan, kill)
        assert not Journal.open(tmp_path / "31337.json").content["complete"]
    made = deploy(plan, kill)
    assert killed == steps
    assert made.addresses == plan.addresses
    assert differences(fresh_chain, plan) == []
    # Nothing was sent twice: as many transactions as steps.
    assert sent_by(fresh_chain, plan.deployer) == len(steps)
    assert all(Journal.open(tmp_path / "31337.json").content["transactions"].values())


@pytest.mark.parametrize("kept", [True, False], ids=["journal kept", "journal lost"])
def test_killed_while_a_transaction_waits_it_sends_no_second_one(fresh_chain, plan, killing, tmp_path, kept):
    path = tmp_path / "31337.json"
    signer = Account.from_key(connection.secret_key("DEPLOYER_KEY"))
    with killing(Chain, "receipt"):  # sent, in the pool, and nobody mines
        chain_deployment.deploy(fresh_chain.url, plan, signer=signer, path=path)
    (waiting,) = pool(fresh_chain, signer)
    if not kept:
        path.unlink()
    with fresh_chain.mining():
        chain_deployment.deploy(fresh_chain.url, plan, signer=signer, path=path)
    assert sent_by(fresh_chain, plan.deployer) == len(steps_of(plan))
    assert differences(fresh_chain, plan) == []
    first = Journal.open(path).content["transactions"]["create token"]
    assert not kept or first["tx_hash"] == waiting


def test_killed_before_a_receipt_was_noted_it_is_noted_later(fresh_chain, plan, deploy, killing, tmp_path):
    with killing(Journal, "made"):
        deploy(plan)
    assert fresh_chain.rpc("eth_getCode", plan.addresses["token"], "latest") != "0x"
    deploy(plan)
    noted = Journal.open(tmp_path / "31337.json").content["transactions"]["create token"]
    assert fresh_chain.rpc("eth_getTransactionReceipt", noted["tx_hash"])["status"] == "0x1"


@pytest.mark.parametrize("mined", ["the new one", "the old one"])
def test_a_transaction_that_became_too_cheap_is_replaced(fresh_chain, plan, killing, tmp_path, mined):
    path = tmp_path / "31337.json"
    signer = Account.from_key(connection.secret_key("DEPLOYER_KEY"))

    def run():
        chain_deployment.deploy(fresh_chain.url, plan, signer=signer, path=path)

    with killing(Chain, "receipt"):
        run()
    (cheap,) = pool(fresh_chain, signer)
    raw = fresh_chain.rpc("eth_getRawTransactionByHash", cheap)
    head = Chain.head
    with killing(Chain, "receipt") as patch:
        patch.setattr(Chain, "head", lambda chain: replace(head(chain), base_fee=100 * 10**9))
        run()
    (dear,) = pool(fresh_chain, signer)
    assert dear != cheap
    if mined == "the old one":
        fresh_chain.rpc("anvil_dropTransaction", dear)
        fresh_chain.rpc("eth_sendRawTransaction", raw)
    with fresh_chain.mining():
        run()
    first = Journal.open(path).content["transactions"]["create token"]
    assert first["tx_hash"] == {"the new one": dear, "the old one": cheap}[mined]
    assert sent_by(fresh_chain, plan.deployer) == len(steps_of(plan))


def test_a_second_run_sends_nothing_and_a_lost_journal_is_written_again(
    fresh_chain, plan, deploy, signer, tmp_path
):
    first = deploy(plan)
    count = fresh_chain.rpc("eth_getTransactionCount", signer.address, "latest")
    told = []
    assert deploy(plan, told.append) == first
    (tmp_path / "31337.json").unlink()
    again = deploy(plan, told.append)
    assert again.addresses == first.addresses
    assert told == []
    assert fresh_chain.rpc("eth_getTransactionCount", signer.address, "latest") == count


def test_somebody_else_may_put_a_contract_there_first(fresh_chain, plan, deploy):
    stranger = Account.from_key(keccak(text="stranger"))
    fresh_chain.rpc("anvil_setBalance", stranger.address, hex(10**20))
    node = DeploymentNode.of(fresh_chain.url, plan)
    creation = next(c for c in plan.creations if c.role == "registry")
    send(fresh_chain, node, stranger, *Create(creation).transaction(node))
    told = []
    deploy(plan, told.append)
    assert not [line for line in told if "create registry" in line]
    assert differences(fresh_chain, plan) == []


def test_a_journal_of_another_build_is_not_overwritten(plan, deploy, signer, tmp_path, community_facts):
    deploy(plan)
    before = (tmp_path / "31337.json").read_text()
    facts = community_facts(0) | {"reading_deadline_minutes": 180}
    other = plan_for(LOCAL, terms_from_facts(facts), deployer=signer.address)
    with pytest.raises(DeploymentError, match="records another deployment"):
        deploy(other)
    assert (tmp_path / "31337.json").read_text() == before


@pytest.mark.parametrize("longest", [(5, 474), (15, 1424), (60, 1379)])
def test_the_exchange_takes_every_interval_with_its_longest_deadline(
    fresh_chain, deploy, signer, community_facts, longest
):
    def planned(interval_minutes, reading_deadline_minutes):
        facts = {"interval_minutes": interval_minutes, "reading_deadline_minutes": reading_deadline_minutes}
        return plan_for(LOCAL, terms_from_facts(community_facts(0) | facts), deployer=signer.address)

    minutes, deadline = longest
    with pytest.raises(DeploymentError, match=r"InvalidTerm\(\w+=settlementTerm\)"):
        deploy(planned(minutes, deadline + 1))
    plan = planned(minutes, deadline)
    deploy(plan)
    assert differences(fresh_chain, plan) == []


@pytest.mark.parametrize("what", ["role too many", "role taken away", "admin too many", "code", "delay"])
def test_whoever_tampers_is_found(fresh_chain, plan, deploy, what):
    deploy(plan)
    assert differences(fresh_chain, plan) == []
    exchange, stranger = plan.addresses["exchange"], Account.from_key(keccak(text="stranger")).address
    operator, pauser = plan.terms.accounts["operator"][0], plan.terms.accounts["pauser"][0]
    if what == "role too many":
        as_timelock(fresh_chain, plan, "certificates", "grantRole", role_id("ISSUER_ROLE"), pauser)
        expected = [f"{pauser} has it too", f"{pauser} has ISSUER_ROLE, PAUSER_ROLE"]
    elif what == "role taken away":
        as_timelock(fresh_chain, plan, "exchange", "revokeRole", role_id("OPERATOR_ROLE"), operator)
        expected = [f"{operator} lacks it"]
    elif what == "admin too many":
        as_timelock(fresh_chain, plan, "registry", "grantRole", role_id("DEFAULT_ADMIN_ROLE"), stranger)
        expected = [f"{stranger} has it too"]
    elif what == "code":
        code = fresh_chain.rpc("eth_getCode", exchange, "latest")
        fresh_chain.rpc("anvil_setCode", exchange, code[:-2] + "ff")
        expected = ["is not what the build gives"]
    else:
        as_timelock(fresh_chain, plan, "timelock", "updateDelay", 1)
        expected = ["it is 1"]
    found = [line.rsplit(": ", 1)[1] for line in differences(fresh_chain, plan)]
    assert found == expected


def test_an_unknown_role_is_found_too(fresh_chain, plan, deploy):
    deploy(plan)
    stranger = Account.from_key(keccak(text="stranger")).address
    as_timelock(fresh_chain, plan, "registry", "grantRole", keccak(text="SECRET_ROLE"), stranger)
    (found,) = differences(fresh_chain, plan)
    assert found == f"0x{keccak(text='SECRET_ROLE').hex()} of registry: nobody: {stranger} has it too"


def test_a_dry_run_sends_nothing_and_tells_what_it_will_cost(fresh_chain, plan, deploy, tmp_path):
    node = DeploymentNode.of(fresh_chain.url, plan)
    fresh_chain.rpc("anvil_setBalance", plan.deployer, hex(10**18))
    before = preview(node, plan)
    assert before.simulated
    assert fresh_chain.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert fresh_chain.rpc("eth_getTransactionCount", plan.deployer, "latest") == "0x0"
    assert before.balance == 10**18
    assert before.cost == before.gas * before.gas_price > 0
    deploy(plan)
    used = Journal.open(tmp_path / "31337.json").content["transactions"]
    for line in before.lines:
        assert line.gas == used[line.step.key]["gas_used"], line.step.key
    after = preview(node, plan)
    assert [line.gas for line in after.lines] == [None] * len(used)
    assert after.cost == 0


def test_half_of_a_deployment_is_in_the_dry_run_as_such(fresh_chain, plan, deploy):
    def kill(line):
        if line.startswith("mined  create registry"):
            raise Killed

    with pytest.raises(Killed):
        deploy(plan, kill)
    lines = preview(DeploymentNode.of(fresh_chain.url, plan), plan).lines
    assert [line.gas is None for line in lines] == [True] * 3 + [False] * (len(lines) - 3)


def test_a_node_that_does_not_simulate_gets_guesses_that_are_not_too_low(fresh_chain, plan, monkeypatch):
    node = DeploymentNode.of(fresh_chain.url, plan)
    simulated = preview(node, plan)
    monkeypatch.setattr(DeploymentNode, "simulate", lambda *_args, **_kwargs: None)
    guessed = preview(node, plan)
    assert not guessed.simulated
    for line, guess in zip(simulated.lines, guessed.lines, strict=True):
        assert line.gas <= guess.gas <= 4 * line.gas, line.step.key


def test_a_method_that_the_node_does_not_know_is_no_simulation(fresh_chain, plan, monkeypatch):
    node = DeploymentNode.of(fresh_chain.url, plan)
    monkeypatch.setattr("backend.chain.deployment.node.RPCEndpoint", lambda _name: "eth_noSuchMethod")
    assert node.simulate([(create2.PROXY, "0x")], sender=plan.deployer) is None


def test_a_step_that_would_fail_is_known_before_anything_is_sent(fresh_chain, plan, deploy, signer, tmp_path):
    deploy(plan)
    count = fresh_chain.rpc("eth_getTransactionCount", signer.address, "latest")
    as_timelock(
        fresh_chain, plan, "exchange", "revokeRole", role_id("PAUSER_ROLE"), *plan.terms.accounts["pauser"]
    )
    with pytest.raises(DeploymentError, match="the chain would refuse to grant exchange PAUSER_ROLE"):
        deploy(plan, path=tmp_path / "another.json")
    assert fresh_chain.rpc("eth_getTransactionCount", signer.address, "latest") == count


def test_a_chain_without_the_proxy_is_refused(fresh_chain, plan, deploy, tmp_path):
    fresh_chain.rpc("anvil_setCode", create2.PROXY, "0x")
    with pytest.raises(DeploymentError, match=f"not at {create2.PROXY} on chain 31337"):
        deploy(plan)
    assert not list(tmp_path.iterdir())


def test_a_deployer_without_money_is_told_so(fresh_chain, plan, signer, tmp_path, monkeypatch):
    monkeypatch.setattr("backend.chain.deployment.building._give_gas", lambda *_args: None)
    with pytest.raises(DeploymentError, match=r"holds 0\.000000 ETH; the \d+ steps that are left may cost"):
        chain_deployment.deploy(fresh_chain.url, plan, signer=signer, path=tmp_path / "31337.json")
    assert fresh_chain.rpc("eth_getTransactionCount", signer.address, "latest") == "0x0"


def test_a_constructors_reason_is_told(fresh_chain, deploy, signer, community_facts):
    facts = community_facts(0) | {"retailer_address": "0x" + "00" * 20}
    refused = plan_for(LOCAL, terms_from_facts(facts), deployer=signer.address)
    with pytest.raises(DeploymentError, match=r"refuse to create exchange: ZeroAddress\(\w+=retailer\)"):
        deploy(refused)
    assert sent_by(fresh_chain, signer.address) == 0


def test_code_that_is_too_large_is_told(fresh_chain, plan):
    node = DeploymentNode.of(fresh_chain.url, plan)
    exchange = next(c for c in plan.creations if c.role == "exchange")
    padded = replace(exchange.artifact, runtime=exchange.artifact.runtime + "00" * 25_000)
    # Creation code that returns 25,000 zero bytes as the contract's code.
    large = replace(exchange, artifact=padded, init_code=bytes.fromhex("6161a85ff3"))
    with pytest.raises(DeploymentError, match=r"create exchange: it has \d+ bytes of code"):
        estimate(node, [Create(large)], sender=plan.deployer)


def test_every_account_of_the_local_chain_can_pay_for_gas(fresh_chain, plan, deploy):
    deploy(plan)
    accounts = [account for accounts in plan.terms.accounts.values() for account in accounts]
    assert len(accounts) == 9
    assert all(int(fresh_chain.rpc("eth_getBalance", account, "latest"), 16) > 10**20 for account in accounts)


def test_an_existing_stablecoin_must_be_one(fresh_chain, plan, deploy, signer, community_facts):
    deploy(plan)
    terms = terms_from_facts(community_facts(0))
    for token, why in (
        (signer.address, "no stablecoin lies at"),
        (plan.addresses["registry"], "has None decimals"),
    ):
        other = plan_for(LOCAL, replace(terms, token=token), deployer=signer.address)
        with pytest.raises(DeploymentError, match=why):
            require_chain(DeploymentNode.of(fresh_chain.url, other), other)
    real = plan_for(LOCAL, replace(terms, token=plan.addresses["token"]), deployer=signer.address, label="x")
    require_chain(DeploymentNode.of(fresh_chain.url, real), real)


def test_the_explorers_input_gives_the_build(plan):
    for creation in plan.creations:
        given = input_of(creation, connection.compiler_input())
        assert len(given["sources"]) < len(connection.compiler_input()["sources"])
        solc = Path(connection.settings.BASE_DIR) / "contracts" / "bin" / "solc"
        compiled = solcx.compile_standard(given, solc_binary=solc)["contracts"]
        built = compiled[creation.artifact.source][creation.name]["evm"]["bytecode"]["object"]
        assert "0x" + built == creation.artifact.bytecode


@pytest.mark.usefixtures("settle_there")
def test_the_command_deploys_checks_and_finds_tampering(fresh_chain, plan, tmp_path):
    dry = command("--dry-run")
    assert "nothing was sent" in dry
    assert plan.addresses["exchange"] in dry
    assert not (tmp_path / "deployments").exists()
    with fresh_chain.mining():
        said = command()
    assert f"exchange  {plan.addresses['exchange']}" in said
    assert "0 differences" in command("--verify")
    for name, source in (("EnergyExchange", "src/"), ("TimelockController", "@openzeppelin/")):
        folder = tmp_path / "deployments" / "31337" / name
        assert json.loads((folder / "contract.json").read_text())["contract"].startswith(source)
        assert json.loads((folder / "standard-input.json").read_text())["language"] == "Solidity"
        encoded = next(c.encoded_arguments for c in plan.creations if c.name == name)
        assert (folder / "constructor-arguments.txt").read_text() == encoded.hex() + "\n"
    stranger = Account.from_key(keccak(text="stranger")).address
    as_timelock(fresh_chain, plan, "exchange", "grantRole", role_id("OPERATOR_ROLE"), stranger)
    out = StringIO()
    with pytest.raises(SystemExit) as status:
        call_command("deploy_contracts", "--verify", stdout=out)
    assert status.value.code == 1
    assert f"{stranger} has it too" in out.getvalue()


@pytest.mark.usefixtures("settle_there")
def test_the_command_takes_a_keystore(fresh_chain, tmp_path, monkeypatch):
    key = keccak(text="another deployer")
    (tmp_path / "key.json").write_text(json.dumps(Account.encrypt(key, "correct horse", iterations=2)))
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.delenv("DEPLOYER_KEY")
    monkeypatch.setenv("KEYSTORE_PASSWORD", "battery staple")
    with pytest.raises(CommandError, match="does not open with this password"):
        command("--keystore", str(tmp_path / "key.json"))
    assert Account.from_key(key).address in command("--dry-run", "--keystore", str(tmp_path / "key.json"))
    with fresh_chain.mining():
        said = command("--keystore", f"{tmp_path}/key.json", "--password-file", f"{tmp_path}/password")
    assert "correct horse" not in said
    assert Journal.open(tmp_path / "deployments" / "31337.json").content["deployer"] == (
        Account.from_key(key).address
    )


@pytest.mark.usefixtures("settle_there")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--network", "sepolia"], "is on chain 31337, not 11155111"),
        (["--network", "sepolia", "--dry-run"], "is on chain 31337, not 11155111"),
        (["--network", "ethereum"], "money on ethereum is real"),
        (["--network", "4711"], "chain 4711 is not known here"),
        (["--network", "4711", "--play-money"], "is on chain 31337, not 4711"),
        (["--network", "nowhere"], "'nowhere' is no network"),
        (["--verify"], "records no deployment"),
    ],
    ids=" ".join,
)
def test_the_command_refuses(fresh_chain, arguments, why):
    with pytest.raises(CommandError, match=why):
        command(*arguments)
    assert fresh_chain.rpc("eth_blockNumber") == "0x0"
    assert fresh_chain.rpc("txpool_status")["pending"] == "0x0"


@pytest.mark.usefixtures("settle_there")
def test_what_stands_is_left_alone_when_the_build_changes(fresh_chain, tmp_path):
    with fresh_chain.mining():
        first = services.deploy()
    path = tmp_path / "deployments" / "31337.json"
    record = json.loads(path.read_text())
    record["plan"] = "0x" + "ab" * 32
    path.write_text(json.dumps(record))
    assert services.deploy() == first
    with fresh_chain.mining():
        command("--label", "second", "--replace")
    assert json.loads((path.parent / "31337.abababab.json").read_text())["plan"] == record["plan"]
    assert services.deploy().addresses["exchange"] != first.addresses["exchange"]


def sent_by(node, account):
    """How many of the account's transactions were mined."""
    return int(node.rpc("eth_getTransactionCount", account, "latest"), 16)


def pool(node, signer):
    """Hashes of the signer's transactions that wait."""
    waiting = {who.lower(): sent for who, sent in node.rpc("txpool_content")["pending"].items()}
    return [transaction["hash"] for transaction in waiting.get(signer.address.lower(), {}).values()]


def send(node, chain, account, to, data):
    gas = chain.estimate_gas(to, data, sender=account.address)
    envelope = Envelope(chain.mined_nonce(account.address), gas, chain.fees())
    signed = chain.sign(to, data, envelope, key="0x" + bytes(account.key).hex())
    chain.send(signed.raw)
    node.rpc("evm_mine")
    assert node.rpc("eth_getTransactionReceipt", signed.tx_hash)["status"] == "0x1"


def as_timelock(node, plan, role, function, *arguments):
    """What the timelock would do after its delay."""
    chain = DeploymentNode.of(node.url, plan)
    node.rpc("anvil_setBalance", plan.timelock, hex(10**20))
    node.rpc("anvil_impersonateAccount", plan.timelock)
    call = {
        "from": plan.timelock,
        "to": plan.addresses[role],
        "data": chain.call_data(role, function, arguments),
    }
    tx_hash = node.rpc("eth_sendTransaction", call)
    node.rpc("evm_mine")
    node.rpc("anvil_stopImpersonatingAccount", plan.timelock)
    assert node.rpc("eth_getTransactionReceipt", tx_hash)["status"] == "0x1"
