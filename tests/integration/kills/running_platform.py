"""The whole platform under `python -m launch run`, on a stepped clock: machine, operator, owners."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from web3 import Web3

from demo.files import read_json
from demo.keys import KeyRing
from demo.onboard import EXCHANGE_ABI, GAS, TOKEN_ABI
from launch.environment import ROOT, SERVICE_VARIABLES, Layout, State, platform_keys
from launch.leash import leashed
from launch.ports import any_free, remember
from launch.processes import DEVICES

HOUR = timedelta(hours=1)
DATE = "2026-06-10"
START_S, STEP_S, STOP_S = 240.0, 120.0, 60.0
POLL_S = 0.05
GAS_PRICE_WEI = 10**10
NOT_AUDITED = {"reading_signature", "block_number"}
"""Columns of a statement that the audit, which has the transaction, leaves out."""
OUTSIDE = {*SERVICE_VARIABLES.values(), "WEB_URL", "COMMONWATT_STATE"}


def two_doors() -> str:
    """The minimal scenario; one home speaks HTTP, the other one MQTT."""
    folder = ROOT / "scenarios"
    facts = yaml.safe_load((folder / "minimal.yaml").read_text())
    for series in facts["series"].values():
        series["file"] = str(folder / series["file"])
    facts["members"][-1]["transport"] = "mqtt"
    return yaml.safe_dump(facts)


class StuckError(AssertionError):
    """What was waited for did not come; the message says how things stand."""


@dataclass
class RunningPlatform:
    """One community, prepared for a fixed day, its launcher started and not waited for."""

    folder: Path
    launcher: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.state = State(self.folder).create()
        remember(self.state.ports, any_free())
        given = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
        ports = json.loads(self.state.ports.read_text())
        self.layout = Layout.of(self.state, ports, platform_keys(self.state), {})
        scenario = self.folder / "two-doors.yaml"
        scenario.write_text(two_doors())
        which = ("--scenario", str(scenario), "--date", DATE, "--speed", "0", "--port", str(ports["web"]))
        for name in self.layout.reserved:
            given.pop(name, None)
        with (self.folder / "launcher.log").open("wb") as log:
            self.launcher = subprocess.Popen(
                leashed([sys.executable, "-m", "launch", "run", *which], signal=signal.SIGTERM),
                cwd=ROOT,
                env={**given, "COMMONWATT_STATE": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.http = httpx.Client(base_url=self.layout.variables["WEB_URL"], timeout=10)
        self.auditor: subprocess.Popen[str] | None = None
        self.deposits: list[tuple[str, int]] = []
        self.payments: dict[str, str] = {}

    # --- the machine ---

    def said(self) -> str:
        """What the launcher has told people."""
        return (self.folder / "launcher.log").read_text(errors="replace")

    def child(self, name: str) -> psutil.Process | None:
        """The launcher's child of this name, as it runs now."""
        marks = {"worker": "celery -A backend.config.celery worker", "devices": " ".join(DEVICES.command[1:])}
        mark = marks.get(name, f"/bin/{name} ")
        for process in psutil.Process(self.launcher.pid).children():
            with contextlib.suppress(psutil.Error):
                if mark in " ".join(process.cmdline()):
                    return process
        return None

    def stop(self) -> None:
        """End it in order, or else at once."""
        if self.auditor is not None:
            self.auditor.communicate()
        self.http.close()
        self.launcher.send_signal(signal.SIGTERM)
        try:
            self.launcher.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.launcher.kill()
            self.launcher.wait()

    # --- the operator ---

    def begin(self) -> datetime:
        """Wait until it is up, sign in and let the first plans be made; returns the community's time."""
        self.until("the platform is up", lambda: "Ctrl-C stops it" in self.said(), within_s=START_S)
        facts = self.facts = read_json(self.folder / "community.json")
        operator = next(person for person in facts["staff"] if person["role"] == "operator")
        self.http.get("/api/v1/csrf").raise_for_status()
        self.post("session", {name: operator[name] for name in ("username", "password")})
        now = datetime.fromisoformat(facts["clock"]["start"])
        self.settle_down(now)
        return now

    @property
    def members(self) -> list[str]:
        """The members' pseudonyms."""
        return [member["pseudonym"] for member in self.facts["members"]]

    def get(self, path: str, **params: str) -> Any:
        """The answer, or None while there is none."""
        try:
            answer = self.http.get(f"/api/v1/{path}", params=params)
        except httpx.TransportError:
            return None
        assert not answer.is_client_error, answer.text
        return answer.json() if answer.is_success else None

    def post(self, path: str, body: dict[str, str]) -> None:
        """Say it until it is answered; what is posted here may be said twice."""

        def said() -> bool:
            token = self.http.cookies.get("csrftoken") or ""
            headers = {"X-CSRFToken": token, "Referer": str(self.http.base_url)}
            try:
                answer = self.http.post(f"/api/v1/{path}", json=body, headers=headers)
            except httpx.TransportError:
                return False
            assert not answer.is_client_error, answer.text
            return answer.is_success

        self.until(f"POST {path} is taken", said)

    def advance(self, to: datetime) -> None:
        """Move the clock."""
        self.post("clock/advance", {"to": f"{to:%Y-%m-%dT%H:%M:%SZ}"})

    def status(self) -> dict[str, Any] | None:
        """What the pipeline has still to do, or None while nobody answers."""
        return self.get("pipeline/status")

    def settle_down(self, now: datetime, *, kept: bool = False) -> None:
        """Wait until nothing is left to do at `now`; if it is to be `kept`, until the chain is on disk."""
        self.until(f"all is done at {now:%H:%M}Z", lambda: self.is_done(now))
        if kept:
            self.until("the chain is on disk", self.chain_is_kept)

    def is_done(self, now: datetime) -> bool:
        """Whether pipeline and outbox are empty, devices live by their commands, and payments are in.

        A commitment that came too late stays in the outbox as failed until its interval is settled.
        """
        status = self.status()
        if status is None or not status["ready"] or status["pending"]:
            return False
        if any((row["stage"], row["state"]) != ("commit", "failed") for row in status["outbox"]):
            return False
        if status["chain_trouble"] is not None or not self.devices_are_done(now):
            return False
        return self.deposits_are_in()

    def devices_are_done(self, now: datetime) -> bool:
        """Whether every reading has arrived, and every command in force has."""
        for member in self.facts["members"]:
            home = read_json(self.folder / "devices" / f"{member['username']}.json")
            if home["outbox"] or datetime.fromisoformat(home["state"]["time"]) != now:
                return False
            for meter in member["meters"]:
                if meter["role"] == "battery":
                    answer = self.get("devices/commands", meter_id=meter["meter_id"])
                    command = answer and answer["command"]
                    if not command or command["sequence"] != home["state"]["sequence"]:
                        return False
        return True

    def until(self, what: str, come_true: Callable[[], bool], *, within_s: float = STEP_S) -> None:
        """Wait; StuckError after `within_s`."""
        deadline = time.monotonic() + within_s
        while not come_true():
            if self.launcher.poll() is not None or time.monotonic() > deadline:
                raise StuckError(f"{what}: not within {within_s:g} s\n{self.status()}\n{self.said()}")
            time.sleep(POLL_S)

    # --- the auditor ---

    def ask(self, question: str) -> Any:
        """The answer of `auditor.py`; asked again while database or chain are down."""
        if self.auditor is None:
            variables = {**os.environ, **self.layout.variables, "LOG_LEVEL": "ERROR"}
            with (self.folder / "auditor.log").open("wb") as log:
                self.auditor = subprocess.Popen(
                    [sys.executable, "-m", "tests.integration.kills.auditor"],
                    cwd=ROOT,
                    env={**variables, "DJANGO_SETTINGS_MODULE": "backend.config.settings"},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        deadline = time.monotonic() + STEP_S
        while True:
            self.auditor.stdin.write(question + "\n")
            self.auditor.stdin.flush()
            found = json.loads(self.auditor.stdout.readline())
            if "answer" in found:
                return found["answer"]
            if time.monotonic() > deadline:
                raise StuckError(f"{question}: {found['error']}")
            time.sleep(POLL_S)

    def audit(self) -> None:
        """Each member's statement and balance are what chain events alone say, and its money adds up."""
        start = datetime.fromisoformat(self.facts["clock"]["start"])
        span = {"from": start.isoformat(), "to": (start + timedelta(days=2)).isoformat()}
        for member in self.facts["members"]:
            name = member["pseudonym"]
            found = self.ask(f"audit {name}")
            assert found["differences"] == []
            assert found["status"] == 0
            statement = self.get("statements", participant=name, **span)
            on_chain = {row["interval_start"]: row for row in found["lines"]}
            in_books = {line["interval_start"]: line for line in statement["lines"]}
            assert len(in_books) == len(statement["lines"])
            assert on_chain.keys() == in_books.keys()
            for begin, line in in_books.items():
                told = {column: value for column, value in line.items() if column not in NOT_AUDITED}
                assert {column: on_chain[begin][column] for column in told} == told
            paid_in = self.facts["opening_balance_micro"] + self.deposited_micro(member["username"])
            balance = paid_in - statement["totals"]["net_micro"]
            assert found["balances"] == {member["wallet_address"]: balance}
            assert self.get("account", participant=name)["balance_micro"] == balance

    def audit_from_the_shell(self) -> None:
        """`manage.py audit_chain --member NAME`, as a member runs it."""
        for member in self.members:
            audit = subprocess.run(
                [sys.executable, "manage.py", "audit_chain", "--member", member],
                cwd=ROOT,
                env={**os.environ, **self.layout.variables},
                capture_output=True,
                text=True,
                check=False,
            )
            assert audit.returncode == 0, audit.stdout + audit.stderr
            assert " 0 differences" in audit.stdout

    # --- the chain ---

    def rpc(self, method: str, *params: Any) -> Any:
        """One call of the node; None while it does not answer, or refuses."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            return httpx.post(self.layout.url("anvil"), json=body, timeout=10).json().get("result")
        except (httpx.TransportError, ValueError):
            return None

    def chain_time(self) -> datetime:
        """The newest block's."""
        block = self.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 (JSON-RPC)
        return datetime.fromtimestamp(int(block["timestamp"], 16), UTC)

    def chain_is_kept(self) -> bool:
        """Whether the newest block is in the older of Anvil's two files: no kill can lose it any more."""
        newest = self.rpc("eth_blockNumber")
        try:
            kept = json.loads((self.folder / "chain" / "state.spare.json").read_text())["block"]["number"]
        except OSError:
            return False
        return newest is not None and int(kept, 16) >= int(newest, 16)

    # --- the owners ---

    def deposit(self, username: str, amount_micro: int) -> None:
        """Have a member's wallet pay in: it sends the same bytes again until they are in a block."""
        account = KeyRing.wallets(self.folder).account(username)
        token, exchange = (self.get("community")["contracts"][name] for name in ("token", "exchange"))
        calls = [
            (token, TOKEN_ABI, "mint", [account.address, amount_micro]),
            (token, TOKEN_ABI, "approve", [exchange, amount_micro]),
            (exchange, EXCHANGE_ABI, "deposit", [amount_micro]),
        ]
        nonce = int(self.rpc("eth_getTransactionCount", account.address, "latest"), 16)
        for position, (to, abi, name, arguments) in enumerate(calls):
            data = Web3().eth.contract(to, abi=abi).encode_abi(name, args=arguments)
            terms = {"to": to, "data": data, "value": 0, "nonce": nonce + position, "chainId": 31337}
            signed = account.sign_transaction({**terms, "gas": GAS, "gasPrice": GAS_PRICE_WEI})
            self.payments[signed.hash.to_0x_hex()] = signed.raw_transaction.to_0x_hex()
        self.deposits.append((username, amount_micro))

    def deposited_micro(self, username: str) -> int:
        """What the member has paid in since it joined."""
        return sum(amount for name, amount in self.deposits if name == username)

    def deposits_are_in(self) -> bool:
        """Whether the chain has every payment; those that it has not are sent again."""
        missing = [raw for tx_hash, raw in self.payments.items() if not self._succeeded(tx_hash)]
        for raw in missing:
            self.rpc("eth_sendRawTransaction", raw)
        return not missing

    def _succeeded(self, tx_hash: str) -> bool:
        receipt = self.rpc("eth_getTransactionReceipt", tx_hash)
        assert receipt is None or receipt["status"] == "0x1"
        return receipt is not None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RunningPlatform]:
    """A platform that ends with the block."""
    platform = RunningPlatform(folder)
    try:
        yield platform
    finally:
        platform.stop()
