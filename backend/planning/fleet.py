"""Shards of a fleet on disk, and the work on one shard; ``ess.portfolio`` says what is worked out.

A shard holds neighbouring groups of batteries. It is written once for a run and read once by each process
that works on it. Its name is its path below fleets/ in the state's folder, so workers on several machines
find it where they share that folder.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from ess.negotiation import Answer
from ess.portfolio import answer, mix
from ess.problem import BatteryProblem, Floats

KEPT = 16  # shards that a process keeps in memory
GROUP_ROWS = "group_rows"
SIDES = ("charge_kw", "discharge_kw")


class Shard(NamedTuple):
    """A file with ``groups`` groups of batteries."""

    name: str
    groups: int


class ShardGoneError(Exception):
    """The run that a shard belongs to has ended, or this process does not see its folder."""


@contextmanager
def stored(problem: BatteryProblem, *, shards: int, groups: int) -> Iterator[list[Shard]]:
    """The shards of ``problem`` while they lie on disk; their folder goes when the block ends.

    The rows make ``groups`` groups of neighbours, as in ``ess.portfolio.Threads``, and those make ``shards``
    shards; there are fewer where there are not as many rows, or groups.
    """
    rows = np.array_split(np.arange(problem.shape[0]), min(groups, problem.shape[0]))
    parts = np.array_split(np.arange(len(rows)), min(shards, len(rows)))
    folder = _fleets()
    folder.mkdir(parents=True, exist_ok=True)
    # a task that outlived the run may write while its folder goes
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as run:
        yield [
            _written(problem, [rows[group] for group in part], f"{Path(run).name}/{shard}.npz")
            for shard, part in enumerate(parts)
        ]


def answers(shard: str, price_per_kwh: Floats) -> Answer:
    """What each group of a shard does at these prices (T,) on shared power.

    Raises:
        ShardGoneError: there is no such shard any more.
    """
    return Answer.joined([answer(group, price_per_kwh) for group in _groups(shard)])


def write_mixture(shard: str, prices: Sequence[Floats], shares: Sequence[Floats], *, turn: int) -> str:
    """Mix each group's answers, ``shares`` by group; the name of the file beside the shard with the plans.

    Each ``turn`` of a run has a file of its own, so that a task that comes late replaces no later one's.

    Raises:
        ShardGoneError: there is no such shard any more.
    """
    plans = [mix(group, prices, mixed) for group, mixed in zip(_groups(shard), shares, strict=True)]
    columns = {side: np.concatenate([plan[at] for plan in plans]) for at, side in enumerate(SIDES)}
    name = shard.replace(".npz", f".plan-{turn}.npz")
    path = _fleets() / name
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            np.savez(draft, allow_pickle=False, **columns)
        Path(draft.name).replace(path)
    except FileNotFoundError as error:
        raise _gone(shard) from error
    return name


def read_mixtures(names: Sequence[str]) -> tuple[Floats, Floats]:
    """(charge kW, discharge kW), each (n, T), of all shards, in the order of ``names``."""
    plans = []
    for name in names:
        with np.load(_fleets() / name) as archive:
            plans.append([archive[side] for side in SIDES])
    charge_kw, discharge_kw = (np.concatenate(column) for column in zip(*plans, strict=True))
    return charge_kw, discharge_kw


def _written(problem: BatteryProblem, groups: Sequence[NDArray[np.intp]], name: str) -> Shard:
    held = problem.rows(np.concatenate(groups))
    arrays: dict[str, Any] = {item.name: getattr(held, item.name) for item in fields(held)}
    arrays[GROUP_ROWS] = np.array([len(rows) for rows in groups])
    np.savez(_fleets() / name, allow_pickle=False, **arrays)
    return Shard(name, len(groups))


def _groups(shard: str) -> tuple[BatteryProblem, ...]:
    path = _fleets() / shard
    if not path.exists():  # also where it is still in memory: every process gives the same answer
        raise _gone(shard)
    return _read(path)


@lru_cache(maxsize=KEPT)
def _read(path: Path) -> tuple[BatteryProblem, ...]:
    with np.load(path) as archive:
        arrays: dict[str, Any] = dict(archive)
    ends = np.cumsum(arrays.pop(GROUP_ROWS))
    problem = BatteryProblem(**{**arrays, "step_h": arrays["step_h"].item()})
    starts = [0, *ends[:-1].tolist()]
    return tuple(problem.rows(slice(start, end)) for start, end in zip(starts, ends.tolist(), strict=True))


def _fleets() -> Path:
    return Path(settings.STATE_DIR) / "fleets"


def _gone(shard: str) -> ShardGoneError:
    return ShardGoneError(
        f"shard {shard} is gone: its run has ended, or this process has another COMMONWATT_STATE"
    )
