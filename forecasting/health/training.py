"""The weights that ship, and the figures that their card holds."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from forecasting.health.cells import FOLDER, Cell, data_hash, published_cells
from forecasting.health.conformal import fold_of
from forecasting.health.figures import Unseen, alarms, coverage, pooled, relative_error, rmse, unseen
from forecasting.health.model import WEIGHTS, is_saved, save, train
from forecasting.outputs import require_folder, staged_folder

FOLDS = 8


def held_out_cells(cells: Sequence[Cell], *, seed: int) -> list[Unseen]:
    """Every cell, judged by what the cells of seven other folds taught."""
    fold = fold_of([cell.group for cell in cells], FOLDS, seed=seed)
    return [each for part in unseen(cells, fold, seed=seed) for each in part]


def metrics(found: Sequence[Unseen]) -> dict[str, float]:
    """The figures of ``docs/battery-health.md``; SoH and shares as fractions, of all cells together."""
    state, ahead, life = (pooled(found, name) for name in ("state", "ahead", "life"))
    middle = np.array([each.life[0] for each in found if len(each.life)])
    given = alarms(found)
    return {
        "soh_by_charge_rmse": rmse(state, 0, 1) if len(state) else np.nan,
        "soh_100_ahead_rmse": rmse(ahead, 1, 3),
        "soh_100_ahead_rmse_of_one_cycle": rmse(ahead, 1, 4),
        "soh_100_ahead_rmse_line": rmse(ahead, 5, 3),
        "soh_100_ahead_coverage_80": coverage(ahead),
        "rul_middle_median_error": float(np.median(relative_error(middle))),
        "rul_middle_coverage_80": coverage(middle),
        "rul_second_half_median_error": float(np.median(relative_error(life))),
        "rul_second_half_coverage_80": coverage(life),
        "alarms_given": given.given / given.cells,
        "false_alarms": given.false / given.cells,
        "alarm_remaining_life_ratio": given.earlier,
    }


def make(
    *, seed: int, folder: Path = WEIGHTS, data: Path = FOLDER, say: Callable[[str], None] = print
) -> None:
    """Train on all cells and write weights and card; figures are those on cells held out by turns."""
    require_folder(folder, source=data, written=is_saved)
    cells = published_cells(data)
    figures = metrics(held_out_cells(cells, seed=seed))
    began = time.process_time()
    learned = train(cells, seed=seed)
    cpu_s = time.process_time() - began
    card = {
        "name": "battery health",
        "command": f"python -m forecasting health train --seed {seed}",
        "seed": seed,
        "data": "data/battery, 64 cells",
        "data_sha256": data_hash(data),
        "cpu_s": round(cpu_s, 1),
        "metrics_on_cells_held_out": {name: round(value, 5) for name, value in figures.items()},
    }
    with staged_folder(folder, written=is_saved) as partial:
        save(learned, card, partial)
    say(f"{len(cells)} cells, {cpu_s:.0f} CPU-seconds -> {folder}")
