"""Battery health on cells that were never seen, and the charge of towers' batteries a day ahead."""

import json
from collections.abc import Sequence

import numpy as np

from forecasting.health.cells import Cell, published_cells
from forecasting.health.conformal import fold_of
from forecasting.health.figures import Unseen, alarms, coverage, pooled, relative_error, rmse, unseen
from forecasting.health.model import WEIGHTS
from forecasting.health.towers import read_towers, soc_forecasts
from forecasting.health.training import FOLDS, metrics
from tests.benchmarks.registry import Row, at_least, at_most

SEED = 1
NAMES = {"2017-05-12": "Severson LFP", "2C": "XJTU 2C", "R2.5": "XJTU R2.5", "nasa": "NASA"}
FEW = 5


def health(scale: float) -> list[Row]:
    """The targets, each set of cells, whole protocols left out, and towers.

    Below scale 1 a few cells are learned from and one fold of them is judged, without targets.
    """
    cells = published_cells()
    if scale < 1:
        few = [cell for name in NAMES for cell in [each for each in cells if each.group == name][:FEW]]
        fold = fold_of([cell.group for cell in few], FEW, seed=SEED)
        fold[fold > 0] = -1
        return [*every_set(judged(few, fold)), *towers()]
    found = judged(cells, fold_of([cell.group for cell in cells], FOLDS, seed=SEED))
    protocol = np.array([{"2C": 0, "R2.5": 1}.get(cell.group, -1) for cell in cells])
    card = json.loads((WEIGHTS / "card.json").read_text(encoding="utf-8"))
    return [
        *targets(found),
        *every_set(found),
        *every_set(judged(cells, protocol), ", its protocol never seen"),
        Row("training of the shipped weights, by their card", card["cpu_s"], "CPU s"),
        *towers(),
    ]


def judged(cells: Sequence[Cell], fold: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[Unseen]:
    """Every cell of a fold, by what the others taught."""
    return [each for part in unseen(cells, fold, seed=SEED) for each in part]


def targets(found: list[Unseen]) -> list[Row]:
    """All cells together."""
    shown = metrics(found)
    return [
        at_most("SoH 100 cycles ahead: RMSE", 100 * shown["soh_100_ahead_rmse"], "% of rated", 1.0),
        at_most(
            "SoH 100 cycles ahead, of that one cycle: RMSE",
            100 * shown["soh_100_ahead_rmse_of_one_cycle"],
            "% of rated",
            1.0,
        ),
        Row(
            "SoH 100 cycles ahead, the last 40 cycles' line: RMSE",
            100 * shown["soh_100_ahead_rmse_line"],
            "% of rated",
        ),
        Row("SoH 100 cycles ahead: inside 80 % interval", 100 * shown["soh_100_ahead_coverage_80"], "%"),
        Row("SoH now from one charge: RMSE", 100 * shown["soh_by_charge_rmse"], "% of rated"),
        at_most("RUL at the middle of life: median error", 100 * shown["rul_middle_median_error"], "%", 12),
        Row("RUL at the middle of life: inside 80 % interval", 100 * shown["rul_middle_coverage_80"], "%"),
        Row("RUL in the second half of life: median error", 100 * shown["rul_second_half_median_error"], "%"),
        Row("RUL in the second half: inside 80 % interval", 100 * shown["rul_second_half_coverage_80"], "%"),
        Row("fade alarms given", 100 * shown["alarms_given"], "% of cells"),
        at_most("fade alarms without need", 100 * shown["false_alarms"], "% of cells", 5),
        at_least("life left at alarm / at 85 % capacity", shown["alarm_remaining_life_ratio"], "ratio", 1.3),
    ]


def every_set(found: list[Unseen], what: str = "") -> list[Row]:
    """The cells of each set."""
    rows = []
    for group, name in NAMES.items():
        cells = [each for each in found if each.cell.group == group]
        if not cells:
            continue
        title, ahead, life = name + what, pooled(cells, "ahead"), pooled(cells, "life")
        given, state = alarms(cells), pooled(cells, "state")
        if len(state):
            rows.append(Row(f"{title}: SoH now from one charge, RMSE", 100 * rmse(state, 0, 1), "% of rated"))
        rows += [
            Row(f"{title}: SoH 100 cycles ahead, RMSE", 100 * rmse(ahead, 1, 3), "% of rated"),
            Row(f"{title}: SoH 100 cycles ahead, inside 80 % interval", 100 * coverage(ahead), "%"),
            Row(f"{title}: fade alarms", given.given, f"of {given.cells} cells"),
            Row(f"{title}: fade alarms without need", given.false, f"of {given.cells} cells"),
        ]
        if len(life):
            half = float(np.median(relative_error(life)))
            rows += [
                Row(f"{title}: RUL at the middle, median error", 100 * middle_error(cells), "%"),
                Row(f"{title}: RUL in the second half, median error", 100 * half, "%"),
                Row(f"{title}: RUL in the second half, inside 80 % interval", 100 * coverage(life), "%"),
            ]
        if np.isfinite(given.earlier):
            rows.append(Row(f"{title}: life left at alarm / at 85 % capacity", given.earlier, "ratio"))
    return rows


def middle_error(found: list[Unseen]) -> float:
    """Median over cells of the relative error at half of their lives."""
    return float(np.median(relative_error(np.array([each.life[0] for each in found if len(each.life)]))))


def towers() -> list[Row]:
    """Every midnight of the last fifth of the days, pooled over the sites."""
    found = [soc_forecasts(tower, seed=SEED) for tower in read_towers()]
    uncertain = np.array([each.uncertain.sum() for each in found])
    covered = np.array([each.coverage() if each.uncertain.any() else 0.0 for each in found])
    mae = np.array([each.mae() for each in found]).mean(axis=0)
    return [
        Row(
            "towers: hours with an uncertain SoC",
            100 * float(np.mean([e.uncertain.mean() for e in found])),
            "%",
        ),
        Row(
            "towers: of those, inside 80 % interval", 100 * float(uncertain @ covered / uncertain.sum()), "%"
        ),
        Row("towers: SoC a day ahead, MAE", 100 * float(mae[0]), "% of capacity"),
        Row("towers: SoC of yesterday, MAE", 100 * float(mae[1]), "% of capacity"),
    ]
