"""A whole day through the same processes as any other, its worker killed in the middle."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("DATABASE_URL", "REDIS_URL", "CHAIN_RPC_URL", "MQTT_URL", "WEB_URL")
DATE = "2026-06-10"
KILL_AFTER = "6/24 settled"


def worker_processes(launcher: psutil.Process) -> list[psutil.Process]:
    """The worker and the processes that it has forked."""
    found = []
    for process in launcher.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            if {"celery", "worker"} <= set(process.cmdline()):
                found.append(process)
    return found


@pytest.mark.timeout(840)
def test_a_day_survives_the_death_of_its_worker(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in SERVICES}
    command = [sys.executable, "-m", "launch", "day", "--scenario", "minimal", "--date", DATE, "--json"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment, "COMMONWATT_STATE": str(tmp_path), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as day:
        said: list[str] = []
        killed: list[int] = []

        def follow() -> None:
            for line in day.stderr:
                said.append(line)
                if KILL_AFTER in line and not killed:
                    victims = worker_processes(psutil.Process(day.pid))
                    killed.extend(victim.pid for victim in victims)
                    for victim in victims:
                        victim.kill()

        listener = threading.Thread(target=follow)
        listener.start()
        output = day.stdout.read()
        day.wait()
        listener.join()
    transcript = "".join(said)
    assert killed, transcript
    assert day.returncode == 0, transcript
    report = json.loads(output)
    assert report["settled_intervals"] == report["intervals"] == 24
    assert report["unsettled_intervals"] == 0
    assert report["conserved"] is True
    assert report["trades"] > 0
    assert report["gas_per_trade"] > 0
    assert len(report["members"]) == len({member["pseudonym"] for member in report["members"]}) == 2
