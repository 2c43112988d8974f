"""What the first k cycles of a cell say about the rest, for every k: row k knows nothing later."""

from dataclasses import dataclass

import numpy as np

from forecasting.health.cells import CHARGE, Cell, trailing_median
from forecasting.series import FloatArray, IntArray

FADE_OVER = (10, 20, 40, 80, 160)
CHANGE_OVER = (30, 100)
SETTLED = slice(20, 60)  # cycles of a cell that is no longer quite new: what later charging is compared with
SLOW_FADE = 0.0005  # share of rated capacity in 100 cycles: slower fade is much the same as none

NAMES = (
    "log_cycle",
    "soh",
    "margin",
    "drop",
    *(f"fade_{k}" for k in FADE_OVER),
    "faster_80",
    "faster_160",
    "fade_so_far",
    *(
        f"{name}{what}"
        for name in CHARGE
        for what in ("", "_since_settled", *(f"_change_{k}" for k in CHANGE_OVER))
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A cell, its state of health (n,) and its features (n, F), columns ``NAMES``."""

    cell: Cell
    soh: FloatArray
    table: FloatArray

    def __len__(self) -> int:
        return len(self.soh)


def trace(cell: Cell) -> Trace:
    """Features of ``cell`` after each of its cycles."""
    soh = cell.soh
    cycle = np.arange(len(soh))
    highest = np.maximum.accumulate(soh)
    fades = {k: _log_like(_change(soh[:, None], k)[:, 0] / _reach(cycle, k)) for k in FADE_OVER}
    columns = [
        np.log(cycle + 1.0),
        soh,
        soh - cell.end_of_life,
        highest - soh,
        *fades.values(),
        fades[20] - fades[80],
        fades[40] - fades[160],
        _log_like((soh - highest) / (cycle + 1)),
    ]
    return Trace(cell, soh, np.column_stack([*columns, _charging(cell)]))


def _charging(cell: Cell) -> FloatArray:
    """Each of ``CHARGE`` now, since the cell settled, and over the last cycles, (n, 7 * 4)."""
    values = trailing_median(cell.charge_per_rated)
    since = np.full_like(values, np.nan)
    if len(values) > SETTLED.stop:
        since[SETTLED.stop :] = values[SETTLED.stop :] - np.median(values[SETTLED], axis=0)
    parts = np.stack([values, since, *(_change(values, k) for k in CHANGE_OVER)], axis=-1)
    return parts.reshape(len(values), -1)


def _change(values: FloatArray, over: int) -> FloatArray:
    """Values (n, k) less those ``over`` rows above, or less the first."""
    return np.asarray(values - values[np.maximum(np.arange(len(values)) - over, 0)])


def _reach(cycle: IntArray, over: int) -> IntArray:
    return np.clip(cycle, 1, over)


def _log_like(change_per_cycle: FloatArray) -> FloatArray:
    """Fade on a scale that is linear around zero and logarithmic beyond ``SLOW_FADE``."""
    return np.asarray(np.arcsinh(-100 * change_per_cycle / SLOW_FADE))
