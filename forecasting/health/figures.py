"""How good it all is on cells that were never seen: cells are held out by turns, with all that learns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecasting.health.cells import Cell
from forecasting.health.features import Trace, trace
from forecasting.health.knee import AHEAD, LEAST_FOLLOWED, Accelerated
from forecasting.health.life import remaining
from forecasting.health.model import Learned, train
from forecasting.health.trajectory import FROM_CYCLE, PER
from forecasting.series import FloatArray, IntArray

STATE_EVERY = 4
AHEAD_EVERY = 5
LINE = 40  # cycles through which the baselines draw their line
THRESHOLD = 0.85


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Unseen:
    """What was said of a cell by a model that never saw it, beside what happened.

    ``state`` (a, 2): SoH by one charge, and as measured in that cycle. ``ahead`` (b, 6): 10 %, expected, 90 %
    of SoH in 100 cycles; that SoH; the capacity measured in that very cycle over the rated one; the line
    through the last 40 cycles. ``life`` (c, 5): 10 %, 50 %, 90 % and truth of the cycles left, and the line's
    answer, after every cycle from half of the life on (so row 0 is its middle). ``alarm``: cycle of the
    alarm; ``needed``: whether fade was accelerated then; ``threshold`` and ``end``: cycle at which SoH was
    0.85 first, and the end of life. None where there is none.
    """

    cell: Cell
    state: FloatArray
    ahead: FloatArray
    life: FloatArray
    alarm: int | None
    needed: bool | None
    threshold: int | None
    end: int | None


def unseen(
    cells: Sequence[Cell], fold: IntArray, *, seed: int, kind: Accelerated | None = None
) -> Iterator[list[Unseen]]:
    """One list a fold: its cells, judged by what all others taught. Fold -1 teaches and is not judged."""
    for k in sorted(set(fold) - {-1}):
        learned = train([c for c, its in zip(cells, fold, strict=True) if its != k], seed=seed, kind=kind)
        yield [judge(learned, c) for c, its in zip(cells, fold, strict=True) if its == k]


def judge(learned: Learned, cell: Cell) -> Unseen:
    """What ``learned`` says of ``cell`` along its life, and what happened."""
    past = trace(cell)
    alarm = learned.alarm_at(past)
    if alarm is not None and alarm >= len(past) - LEAST_FOLLOWED:
        alarm = None  # nothing is on record by which to judge it
    below = np.flatnonzero(past.soh <= THRESHOLD)
    return Unseen(
        cell=cell,
        state=_state(learned, cell),
        ahead=_ahead(learned, past),
        life=_life(learned, past),
        alarm=alarm,
        needed=None if alarm is None else bool(learned.alarm.kind.happened(past, np.array([alarm]))[0]),
        threshold=int(below[0]) if len(below) else None,
        end=cell.end_cycle,
    )


def _state(learned: Learned, cell: Cell) -> FloatArray:
    rows = np.column_stack([learned.state.predict(cell), cell.measured_soh])[::STATE_EVERY]
    return rows[np.isfinite(rows[:, 0])]


def _ahead(learned: Learned, past: Trace) -> FloatArray:
    at = np.arange(FROM_CYCLE, len(past) - AHEAD, AHEAD_EVERY)
    line = past.soh[at] - AHEAD * _loss_per_cycle(past, at)
    then = at + AHEAD
    return np.column_stack(
        [learned.soh_ahead(past, at, AHEAD), past.soh[then], past.cell.measured_soh[then], line]
    )


def _life(learned: Learned, past: Trace) -> FloatArray:
    end = past.cell.end_cycle
    if end is None:
        return np.empty((0, 5))
    at = np.arange(round(end / 2), end)
    slowest = 1e-3 / PER
    margin = np.maximum(past.soh[at] - past.cell.end_of_life, 0.0)
    line = margin / np.maximum(_loss_per_cycle(past, at), slowest)
    return np.column_stack([learned.cycles_left(past, at), remaining(past, at), line])


def _loss_per_cycle(past: Trace, at: IntArray) -> FloatArray:
    before = np.maximum(at - LINE, 0)
    return np.asarray((past.soh[before] - past.soh[at]) / np.maximum(at - before, 1))


def rmse(rows: FloatArray, said: int, truth: int) -> float:
    """Root of the mean squared difference of two columns."""
    return float(np.sqrt(np.mean((rows[:, said] - rows[:, truth]) ** 2)))


def pooled(found: Sequence[Unseen], part: Literal["state", "ahead", "life"]) -> FloatArray:
    """Rows of all cells."""
    return np.concatenate([getattr(each, part) for each in found])


def relative_error(rows: FloatArray) -> FloatArray:
    """|said - true| / true of the cycles left, for rows of ``Unseen.life``."""
    return np.asarray(np.abs(rows[:, 1] - rows[:, 3]) / rows[:, 3])


def coverage(rows: FloatArray) -> float:
    """Share of rows whose truth (column 3) lies in the interval (columns 0 and 2)."""
    return float(((rows[:, 0] <= rows[:, 3]) & (rows[:, 3] <= rows[:, 2])).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """``given`` alarms in ``cells`` cells, ``false`` of which without need.

    ``earlier``: cycles left at the alarm over cycles left when SoH was 0.85, as a ratio of sums over all
    cells that have both; a cell without alarm has none left. ``mean_ratio``: the mean of the cells' ratios.
    """

    cells: int
    given: int
    false: int
    earlier: float
    mean_ratio: float


def alarms(found: Sequence[Unseen]) -> Alarms:
    """Counts and earliness over cells."""
    left = np.array(
        [
            (0 if each.alarm is None else max(each.end - each.alarm, 0), each.end - each.threshold)
            for each in found
            if each.end is not None and each.threshold is not None and each.threshold < each.end
        ]
    ).reshape(-1, 2)
    return Alarms(
        cells=len(found),
        given=sum(each.alarm is not None for each in found),
        false=sum(each.needed is False for each in found),
        earlier=float(left[:, 0].sum() / left[:, 1].sum()) if len(left) else np.nan,
        mean_ratio=float((left[:, 0] / left[:, 1]).mean()) if len(left) else np.nan,
    )
