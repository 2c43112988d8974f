"""A home's memory on disk: its physical state and the readings that are not yet known to have arrived."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.files import PRIVATE, read_json, write_json
from demo.home import HomeState


@dataclass(frozen=True, slots=True)
class Reading:
    """One meter's energy in one interval, Wh; times in ISO-8601 with Z."""

    meter_id: str
    interval_start: str
    interval_s: int
    import_wh: int
    export_wh: int
    soc_wh: int | None


class HomeFile:
    """``<state>/devices/<username>.json``, replaced whole at every change.

    A reading is written together with the state that follows it, and struck out once the platform has it: a
    process killed between the two sends it again, and the platform's refusal of the copy strikes it out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        content = read_json(path)
        self.state = HomeState.from_json(content["state"])
        self.outbox = [Reading(**row) for row in content["outbox"]]

    @classmethod
    def create(cls, state_folder: Path, username: str, memory: HomeState) -> None:
        """Lay down a home's first memory."""
        path = state_folder / "devices" / f"{username}.json"
        write_json(path, {"state": memory.to_json(), "outbox": []}, mode=PRIVATE)

    @classmethod
    def open(cls, state_folder: Path, username: str) -> "HomeFile":
        """Read a home's memory."""
        return cls(state_folder / "devices" / f"{username}.json")

    def lived(self, state: HomeState, readings: Iterable[Reading] = ()) -> None:
        """Remember ``state`` and queue ``readings``."""
        self.state = state
        self.outbox.extend(readings)
        self._write()

    def arrived(self, readings: Iterable[Reading]) -> None:
        """Strike out readings that the platform has."""
        gone = set(readings)
        if gone:
            self.outbox = [reading for reading in self.outbox if reading not in gone]
            self._write()

    def _write(self) -> None:
        content = {"state": self.state.to_json(), "outbox": [asdict(reading) for reading in self.outbox]}
        write_json(self._path, content, mode=PRIVATE)
