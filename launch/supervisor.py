"""Starts processes, starts again what dies, and stops everything in order."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

import psutil

from launch.environment import ROOT
from launch.probes import NotReadyError, answers
from launch.process import PrepareError, Process

START_S = 60.0
"""How long a process may take to answer."""
SETTLE_S = 0.3
"""How long a process that serves nobody must last to be up."""
STOP_S = 5.0
"""How long a process may take to end before it is killed."""
GUARD_S = 3.0
"""How long a process may take to end when the supervisor itself was killed."""
UPKEEP_S = 10.0
_FIRST_DELAY_S, _LAST_DELAY_S, _STEADY_S = 0.5, 30.0, 60.0


class StartError(Exception):
    """A process did not come up, or a step did not succeed; the message ends with the tail of its log."""


@dataclass
class Child:
    """A process in the supervisor's care."""

    process: Process
    log: Path
    handle: asyncio.subprocess.Process
    care: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The pid of its current incarnation."""
        return self.handle.pid


class Supervisor:
    """The parent of all processes; an async context manager that leaves none behind."""

    def __init__(self, *, logs: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        """Start nothing yet.

        Args:
            logs: the folder of the log files.
            environment: what each process is given.
            say: tells people what happens, a line at a time.
        """
        self.children: dict[str, Child] = {}
        self._generations: list[list[Child]] = []
        self._guard: asyncio.subprocess.Process | None = None
        self._logs, self._environment, self._say = logs, dict(environment), say

    async def __aenter__(self) -> Self:
        guard = (sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), f"{GUARD_S:g}")
        self._guard = await asyncio.create_subprocess_exec(
            *guard, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            await self._guard.wait()

    async def start(self, *processes: Process) -> None:
        """Bring processes up side by side, and keep them up; they will also be stopped together.

        Raises:
            StartError: one ended or stayed silent (told once each has come up or failed).
        """
        generation: list[Child] = []
        self._generations.append(generation)
        results = await asyncio.gather(
            *(self._start(p, generation) for p in processes), return_exceptions=True
        )
        for failure in filter(None, results):
            raise failure

    async def _start(self, process: Process, generation: list[Child]) -> None:
        log = self._logs / f"{process.name}.log"
        child = Child(process, log, await self._spawn(process, log))
        self.children[process.name] = child
        generation.append(child)
        await self._wait_until_up(child)
        child.care = [
            asyncio.create_task(self._keep_alive(child)),
            asyncio.create_task(self._keep_up(process)),
        ]

    async def once(self, process: Process, *, shown: bool = False) -> int:
        """Run a step to its end.

        Args:
            process: the step.
            shown: its output goes to ours; it may fail, and the caller judges its exit status.

        Raises:
            StartError: a step that is not shown failed.
        """
        log = self._logs / f"{process.name}.log"
        step = await self._spawn(process, log, shown=shown)
        try:
            status = await step.wait()
        finally:
            await self._end(process, step)
        if status and not shown:
            raise StartError(f"{process.name} failed (status {status}).\n{_tail(log)}")
        return status

    async def stop(self) -> None:
        """End all processes: what was started last goes first."""
        care = [task for child in self.children.values() for task in child.care]
        for task in care:
            task.cancel()
        await asyncio.gather(*care, return_exceptions=True)
        for generation in reversed(self._generations):
            await asyncio.gather(*(self._end(child.process, child.handle) for child in generation))
        self._generations.clear()
        self.children.clear()

    async def _spawn(self, process: Process, log: Path, *, shown: bool = False) -> asyncio.subprocess.Process:
        process.prepare()
        with log.open("ab") as stream:
            handle = await asyncio.create_subprocess_exec(
                *process.command(),
                cwd=ROOT,
                env={**self._environment, **process.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=None if shown else stream,
                stderr=None if shown else stream,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
            )
        self._tell_guard(f"+{handle.pid}")
        return handle

    async def _wait_until_up(self, child: Child) -> None:
        """Wait until the process answers; one that serves nobody is up when it has not ended at once."""
        name, probe = child.process.name, child.process.probe
        ended = asyncio.create_task(child.handle.wait())
        up = asyncio.create_task(
            answers(partial(_ask, child, probe), within_s=START_S) if probe else asyncio.sleep(SETTLE_S)
        )
        await asyncio.wait({ended, up}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if ended.done():
                raise StartError(
                    f"{name} ended at once (status {child.handle.returncode}).\n{_tail(child.log)}"
                )
            up.result()
        except TimeoutError as silence:
            raise StartError(f"{name}: {silence}\n{_tail(child.log)}") from silence
        finally:
            ended.cancel()
            up.cancel()

    async def _keep_alive(self, child: Child) -> None:
        """Start the process again whenever it ends, a little later each time it ends soon."""
        delay_s = _FIRST_DELAY_S
        clock = asyncio.get_running_loop().time
        while True:
            since = clock()
            status = await child.handle.wait()
            self._sweep(child.handle)
            delay_s = _FIRST_DELAY_S if clock() - since > _STEADY_S else delay_s
            self._say(f"{child.process.name} ended (status {status}); starting it again in {delay_s:g} s")
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _LAST_DELAY_S)
            try:
                child.handle = await self._spawn(child.process, child.log)
                await self._wait_until_up(child)
            except (StartError, PrepareError, OSError) as failure:
                self._say(str(failure).splitlines()[0])
            else:
                self._say(f"{child.process.name} is up again (pid {child.pid})")

    async def _keep_up(self, process: Process) -> None:
        while True:
            await asyncio.sleep(UPKEEP_S)
            try:
                await asyncio.to_thread(process.upkeep)
            except OSError as failure:
                self._say(f"{process.name}: {failure}")

    async def _end(self, process: Process, handle: asyncio.subprocess.Process) -> None:
        """Ask a process to end, insist after a while, and sweep what it left in its group."""
        with contextlib.suppress(ProcessLookupError):
            handle.send_signal(process.stop_signal)
        try:
            async with asyncio.timeout(STOP_S):
                await handle.wait()
        except TimeoutError:
            self._say(f"{process.name} did not end within {STOP_S:g} s: killed")
        self._sweep(handle)
        await handle.wait()

    def _sweep(self, handle: asyncio.subprocess.Process) -> None:
        """Kill a process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(handle.pid, signal.SIGKILL)
        self._tell_guard(f"-{handle.pid}")

    def _tell_guard(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.write(f"{line}\n".encode())


async def _ask(child: Child, probe: Callable[[], Awaitable[None]]) -> None:
    """Probe, once the process itself has its port: what answers there before is somebody else's."""
    if not _listens(child.pid, child.process.port):
        raise NotReadyError(f"it does not listen at {child.process.address}")
    await probe()


def _listens(pid: int, port: int) -> bool:
    """Whether the process has the port."""
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in psutil.Process(pid).net_connections(kind="tcp")
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it runs as another user, and we are a root that may not look
        return True


def _tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log, and where it lies."""
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"--- {log}", *text])
