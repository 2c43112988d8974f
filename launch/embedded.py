"""One service in a `with` block, for tests."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from launch.environment import ROOT
from launch.probes import answers
from launch.process import Process

_START_S, _STOP_S = 30.0, 10.0


@contextmanager
def running(process: Process, *, log: Path, environment: Mapping[str, str] = os.environ) -> Iterator[int]:
    """Start the process, wait until it answers, yield its pid, stop it.

    Raises:
        TimeoutError: it does not answer; see `log`.
    """
    process.prepare()
    with log.open("ab") as stream:
        child = subprocess.Popen(
            process.command(),
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        if process.probe is not None:
            asyncio.run(answers(process.probe, within_s=_START_S))
        yield child.pid
    finally:
        child.send_signal(process.stop_signal)
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
