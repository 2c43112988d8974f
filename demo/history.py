"""Readings from before the platform went live: the battery keeps to self-consumption, as it did until then.

``<state>/history.csv.gz`` has the columns of ``COLUMNS``: Wh, ``interval_start`` ISO-8601 with Z, ``soc_wh``
(at the end of the interval) only for battery meters.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from demo.files import write_whole
from demo.home import Home, HomeState, MeteredInterval
from demo.replay import home_replays
from demo.scenario import LoadedScenario
from demo.store import HomeFile
from domain.battery import Battery

COLUMNS = ("meter_id", "interval_start", "interval_s", "import_wh", "export_wh", "soc_wh")
INITIAL_SOC = 0.5  # of capacity, when history begins


def build_homes(scenario: LoadedScenario, facts: dict[str, Any]) -> dict[str, Home]:
    """Each member's home, by username; ``facts`` is ``community.json``."""
    replays = home_replays(scenario)
    step = timedelta(minutes=facts["interval_minutes"])
    return {
        member["username"]: Home(
            battery=Battery(**member["battery"]) if member["battery"] else None,
            step=step,
            energy=replays[member["username"]].energy,
        )
        for member in facts["members"]
    }


def write_history(scenario: LoadedScenario, facts: dict[str, Any], state: Path, *, end: datetime) -> None:
    """Write the history up to ``end``, and each home's state at ``end`` for its devices to go on from."""
    begin = end - timedelta(days=scenario.facts.history_days)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    homes = build_homes(scenario, facts)
    for member in facts["members"]:
        home = homes[member["username"]]
        soc_kwh = home.battery.capacity_kwh * INITIAL_SOC if home.battery else 0.0
        memory = HomeState(time=begin, soc_kwh=soc_kwh)
        for lived, metered in home.advance(memory, end):
            memory = lived
            if metered:
                writer.writerows(_rows(member["meters"], metered, facts["interval_minutes"] * 60))
        HomeFile.create(state, member["username"], memory)
    write_whole(state / "history.csv.gz", gzip.compress(text.getvalue().encode(), mtime=0))


def _rows(
    meters: list[dict[str, str]], metered: MeteredInterval, interval_s: int
) -> Iterator[list[str | int]]:
    for meter in meters:
        imported, exported, soc = metered.register(meter["role"])
        start = f"{metered.start:%Y-%m-%dT%H:%M:%SZ}"
        yield [meter["meter_id"], start, interval_s, imported, exported, "" if soc is None else soc]
