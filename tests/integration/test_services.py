"""The embedded services under `python -m launch services`: kills, leftovers, resuming."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import psutil
import psycopg
import pytest
import redis as redis_client

from launch.environment import ROOT, SERVICE_VARIABLES, State
from launch.services import anvil


class Launcher:
    """`python -m launch services` on a folder."""

    def __init__(self, folder):
        given = {k: v for k, v in os.environ.items() if k not in {*SERVICE_VARIABLES.values(), "WEB_URL"}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "launch", "services"],
            cwd=ROOT,
            env={**given, "COMMONWATT_STATE": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self):
        self.url = {}
        for line in self.process.stdout:
            if line.startswith("set -a"):
                self.children = psutil.Process(self.process.pid).children()
                return self
            name, value = line.removeprefix("export ").strip().split("=", 1)
            self.url[name] = value.strip("'")
        raise AssertionError(self.process.stderr.read())

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, name):
        return next(c for c in psutil.Process(self.process.pid).children() if name in " ".join(c.cmdline()))

    def rpc(self, method, *params):
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return httpx.post(self.url["CHAIN_RPC_URL"], json=question).json()["result"]


@pytest.fixture
def launch(tmp_path):
    started = []

    def start():
        started.append(Launcher(tmp_path / "state"))
        return started[-1]

    yield start
    for launcher in started:
        launcher.process.kill()
        launcher.process.communicate()


def eventually(condition, within_s=10.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(url):
    try:
        return redis_client.from_url(url).ping()
    except redis_client.ConnectionError:
        return False


def test_services_survive_kills_and_resume(launch, tmp_path):
    first = launch().ready()
    with psycopg.connect(first.url["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    redis_client.from_url(first.url["REDIS_URL"]).set("kept", "yes")
    for _ in range(3):
        first.rpc("evm_mine")

    second = launch()
    assert second.process.wait(10) == 1
    assert f"already runs from {tmp_path / 'state'} (pid {first.process.pid})" in second.process.stderr.read()

    killed = first.child("redis-server")
    killed.kill()
    eventually(lambda: answers(first.url["REDIS_URL"]) and first.child("redis-server").pid != killed.pid)
    assert redis_client.from_url(first.url["REDIS_URL"]).get("kept") == b"yes"

    eventually((tmp_path / "state" / "chain" / "state.json").exists)
    time.sleep(2.5)  # the chain is written every two seconds
    family = first.family()
    first.process.kill()
    eventually(lambda: not any(lives(p) for p in family), within_s=5)

    third = launch().ready()
    assert third.url == first.url
    with psycopg.connect(third.url["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert redis_client.from_url(third.url["REDIS_URL"]).get("kept") == b"yes"
    assert int(third.rpc("eth_blockNumber"), 16) == 3

    third.rpc("evm_mine")
    family = third.family()
    third.process.send_signal(signal.SIGTERM)
    assert third.process.wait(10) == 0
    assert not any(lives(p) for p in family)

    fourth = launch().ready()
    assert int(fourth.rpc("eth_blockNumber"), 16) == 4


def test_a_session_that_outlived_its_database_does_not_hold_up_the_next_server(launch):
    first = launch().ready()
    session = psycopg.connect(first.url["DATABASE_URL"])
    server, backend = first.child("/bin/postgres"), psutil.Process(session.info.backend_pid)

    def compute():  # a query that never looks whether its server is there
        with contextlib.suppress(psycopg.Error):
            session.execute("SELECT count(*) FROM generate_series(1, 10000000000)")

    query = threading.Thread(target=compute)
    query.start()
    time.sleep(0.5)
    server.kill()
    eventually(lambda: not lives(server) and serves(first.url["DATABASE_URL"]), within_s=60)
    assert not lives(backend)
    query.join(10)
    assert not query.is_alive()


def serves(url):
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def test_a_chain_cut_off_while_writing_falls_back_to_its_spare(tmp_path):
    state = State(tmp_path).create()
    process = anvil(state, 1, "http://127.0.0.1:1")
    file = tmp_path / "chain" / "state.json"
    process.prepare()
    file.write_text('{"block":{"number":"0x1"},"historical_states":null}')
    process.upkeep()
    whole = file.read_text()
    file.write_text('{"block":{"num')
    process.upkeep()

    process.prepare()

    assert file.read_text() == whole
