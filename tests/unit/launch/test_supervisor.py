"""The supervisor, with small programs in place of the platform."""

import asyncio
import os
import signal
import sys
import time

import psutil
import pytest

from launch import supervisor as module
from launch.environment import ROOT
from launch.process import Process
from launch.supervisor import StartError, Supervisor

SLEEPER = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    f"subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); print('ready', flush=True); time.sleep(60)"
)


def program(name, code, **kwargs):
    return Process(name=name, argv=(sys.executable, "-c", code), **kwargs)


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(tmp_path, said):
    return Supervisor(logs=tmp_path, environment=os.environ, say=said.append)


def lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what we wait for happens in other processes)
            await asyncio.sleep(0.02)


def test_what_dies_is_started_again(supervisor, said):
    prepared = []

    async def scene():
        async with supervisor:
            await supervisor.start(program("sleeper", SLEEPER, prepare=lambda: prepared.append(1)))
            child = supervisor.children["sleeper"]
            first = child.pid
            os.kill(first, signal.SIGKILL)
            await until(lambda: len(said) == 2)
            assert psutil.pid_exists(child.pid)
            assert child.pid != first
        return child.pid

    last = asyncio.run(scene())
    assert said == [
        "sleeper ended (status -9); starting it again in 0.5 s",
        f"sleeper is up again (pid {last})",
    ]
    assert len(prepared) == 2
    assert not psutil.pid_exists(last)


def test_a_process_has_variables_that_others_do_not(supervisor, tmp_path):
    def writes(name, **kwargs):
        code = f"import os; open({str(tmp_path / name)!r}, 'w').write(os.environ.get('SOME_KEY', 'none'))"
        return program(name, code, **kwargs)

    async def scene():
        async with supervisor:
            await supervisor.once(writes("told", environment={"SOME_KEY": "0x01"}))
            await supervisor.once(writes("untold"))

    asyncio.run(scene())
    assert (tmp_path / "told").read_text() == "0x01"
    assert (tmp_path / "untold").read_text() == "none"


def test_what_was_started_last_is_stopped_first(supervisor, tmp_path):
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        f"def end(*_): open({str(order)!r}, 'a').write(sys.argv[1] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
    )

    async def scene():
        async with supervisor:
            for name in ("database", "web", "devices"):
                await supervisor.start(Process(name=name, argv=(sys.executable, "-c", code, name)))
                await until(lambda log=tmp_path / f"{name}.log": "ready" in log.read_text())

    asyncio.run(scene())
    assert order.read_text().split() == ["devices", "web", "database"]


def test_what_does_not_end_is_killed_with_its_children(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STOP_S", 0.3)

    async def scene():
        async with supervisor:
            await supervisor.start(program("stubborn", STUBBORN))
            await until(lambda: "ready" in (tmp_path / "stubborn.log").read_text())
            family = psutil.Process(supervisor.children["stubborn"].pid)
            return [family, *family.children()]

    family = asyncio.run(scene())
    assert len(family) == 2
    asyncio.run(until(lambda: not any(lives(p) for p in family)))


def test_nothing_outlives_a_killed_supervisor_for_long(tmp_path):
    script = (
        "import asyncio, os, pathlib, sys\n"
        "from launch.process import Process\n"
        "from launch.supervisor import Supervisor\n"
        f"logs, argv = pathlib.Path({str(tmp_path)!r}), (sys.executable, '-c', {STUBBORN!r})\n"
        "async def scene():\n"
        "    async with Supervisor(logs=logs, environment=os.environ, say=print) as supervisor:\n"
        "        await supervisor.start(Process(name='stubborn', argv=argv))\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(scene())\n"
    )
    parent = psutil.Popen([sys.executable, "-c", script], cwd=ROOT)
    log = tmp_path / "stubborn.log"
    asyncio.run(until(lambda: log.exists() and "ready" in log.read_text()))
    family = parent.children(recursive=True)
    assert len(family) == 3  # the guard, the stubborn one, its child

    parent.kill()
    parent.wait()

    asyncio.run(until(lambda: not any(lives(p) for p in family)))


def test_a_step_that_fails_shows_its_log(supervisor):
    async def scene():
        async with supervisor:
            await supervisor.once(program("step", "raise SystemExit('the scenario has no members')"))

    with pytest.raises(StartError, match=r"(?s)step failed \(status 1\).*the scenario has no members"):
        asyncio.run(scene())


def test_a_program_that_ends_at_once_is_a_failed_start(supervisor, monkeypatch):
    monkeypatch.setattr(module, "SETTLE_S", 30)

    async def scene():
        async with supervisor:
            await supervisor.start(program("short", "raise SystemExit('port in use')"))

    with pytest.raises(StartError, match=r"(?s)short ended at once \(status 1\).*port in use"):
        asyncio.run(scene())


def test_cancelling_ends_a_running_step(supervisor):
    async def scene():
        async with supervisor:
            task = asyncio.create_task(supervisor.once(program("step", SLEEPER)))
            await asyncio.sleep(0.3)
            task.cancel()
            await asyncio.wait({task})

    started = time.monotonic()
    asyncio.run(scene())
    assert time.monotonic() - started < 2
