"""What people are shown: lines of progress, and the table of what runs where."""

import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from launch.environment import ROOT, SERVICE_VARIABLES
from launch.instance import Instance
from launch.processes import TABLE, Kind

_BEGAN = time.monotonic()
console = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """One line of progress, with the seconds since we began."""
    console.print(f"[dim]{time.monotonic() - _BEGAN:6.1f} s[/]  {line}", soft_wrap=True)


def complain(text: str) -> None:
    """Why it does not go on."""
    console.print("commonwatt: ", style="red", end="", markup=False)
    console.print(text, markup=False, soft_wrap=True)


def process_table(instance: Instance) -> Table:
    """Name, pid, address, state and log of each process."""
    table = Table(
        "process", "pid", "address", "state", "log", box=None, padding=(0, 2, 0, 0), header_style="dim"
    )
    for definition in TABLE:
        child = instance.supervisor.children.get(definition.name)
        if child is not None:
            log = str(child.log.relative_to(instance.layout.state.folder))
            table.add_row(definition.name, str(child.pid), child.process.address, "running", log)
        elif definition.kind is Kind.SERVICE:
            table.add_row(definition.name, "", f"${SERVICE_VARIABLES[definition.name]}", "external", "")
    return table


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


async def welcome(instance: Instance) -> None:
    """The table, where to look, and who may sign in."""
    url = instance.layout.variables["WEB_URL"]
    console.print(process_table(instance))
    console.print(f"\nin {_shown(instance.layout.state.folder)}; who may sign in:", soft_wrap=True)
    async with httpx.AsyncClient(timeout=10) as client:
        accounts = (await client.get(f"{url}/api/v1/community")).raise_for_status().json()["demo_accounts"]
    for account in accounts:
        console.print(f"  {account['username']:<16} {account.get('password', ''):<16} {account['role']}")
    console.print(f"\nCommonwatt serves at {url}   (Ctrl-C stops it)")
