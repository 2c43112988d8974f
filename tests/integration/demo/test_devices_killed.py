"""The devices as a process of their own, killed without warning, against a hand-written platform."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from demo.files import read_json
from demo.prepare import SCENARIOS, prepare

START = datetime(2026, 6, 15, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
PATIENCE_S = 60.0
EXCHANGE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
ORACLE = "0x" + "0a" * 20


class StubPlatform(ThreadingHTTPServer):
    """Takes readings as the platform does: a copy is a conflict, a copy that differs a fault."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.now = START
        self.readings: dict[tuple[str, str], tuple[int, int]] = {}
        self.faults: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, body: dict) -> tuple[int, dict]:
        key = (body["meter_id"], body["interval_start"])
        value = (body["import_wh"], body["export_wh"])
        with self.lock:
            if datetime.fromisoformat(body["interval_start"]) + HOUR > self.now:
                return 400, {"code": "too_early"}
            if key not in self.readings:
                self.readings[key] = value
                return 201, body
            if self.readings[key] != value:
                self.faults.append(f"{key}: {self.readings[key]} became {value}")
            return 409, {"code": "replayed"}


class Door(BaseHTTPRequestHandler):
    """The few paths that devices use."""

    server: StubPlatform

    def do_GET(self) -> None:
        self.answer(
            200,
            {
                "clock": {"now": self.server.now.isoformat(), "speed": 0.0},
                "community": {
                    "eip712": {"chainId": 31337, "verifyingContract": EXCHANGE},
                    "contracts": {"oracle": ORACLE},
                },
                "commands": {"command": None},
            }[self.path.split("?")[0].rsplit("/", 1)[1]],
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/readings"):
            self.answer(*self.server.take(body))
        else:
            self.answer(200, {})

    def answer(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def platform():
    server = StubPlatform()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()


def wait_for(condition, what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def test_killed_again_and_again_the_devices_deliver_every_reading_once(tmp_path, platform):
    prepare(SCENARIOS / "minimal.yaml", tmp_path, day=date(2026, 6, 15), speed=0.0, wall_now=START)
    environment = {**os.environ, "WEB_URL": platform.url, "COMMONWATT_STATE": str(tmp_path)}
    command = [sys.executable, "-m", "demo", "devices"]
    for kill_after in (1, 2, 4):
        process = subprocess.Popen(command, cwd=SCENARIOS.parent, env=environment)
        known = len(platform.readings)
        platform.now += 5 * HOUR
        wait_for(lambda n=known + kill_after: len(platform.readings) >= n, f"kill {kill_after}")
        process.send_signal(signal.SIGKILL)
        process.wait()
        platform.now += 2 * HOUR
    process = subprocess.Popen(command, cwd=SCENARIOS.parent, env=environment)
    meters = [
        m["meter_id"]
        for member in read_json(tmp_path / "community.json")["members"]
        for m in member["meters"]
    ]
    hours = (platform.now - START) // HOUR
    try:
        wait_for(lambda: len(platform.readings) >= hours * len(meters), "all readings")
    finally:
        process.terminate()
        process.wait()
    expected = {(meter, f"{START + at * HOUR:%Y-%m-%dT%H:%M:%SZ}") for meter in meters for at in range(hours)}
    assert set(platform.readings) == expected
    assert platform.faults == []
