"""What a benchmark is, and how its rows are kept."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One figure; ``holds`` says whether ``target``, a bound in words, is kept (None: no target)."""

    metric: str
    value: float
    unit: str
    target: str = ""
    holds: bool | None = None


def at_most(metric: str, value: float, unit: str, bound: float) -> Row:
    """A figure that must not exceed ``bound``."""
    return Row(metric, value, unit, f"<= {bound:g}", value <= bound)


def at_least(metric: str, value: float, unit: str, bound: float) -> Row:
    """A figure that must reach ``bound``."""
    return Row(metric, value, unit, f">= {bound:g}", value >= bound)


def best_of(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Seconds of the fastest of some runs, after one that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def store(name: str, rows: list[Row], folder: Path) -> Path:
    """Write ``folder/NAME.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.json"
    target.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return target
