from argparse import ArgumentParser

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.health import learners
from forecasting.health.cells import CHARGE
from forecasting.health.conformal import fold_of
from forecasting.health.figures import Unseen, alarms, coverage, judge, pooled, relative_error, rmse, unseen
from forecasting.health.model import load, outlook, save
from forecasting.health.shell import COLUMNS, add_health_parser, run
from forecasting.health.training import metrics
from tests.unit.forecasting.health.made import made_cell


def said(cell, *, alarm, needed, threshold, end):
    return Unseen(
        cell=cell,
        state=np.array([[0.9, 0.91]]),
        ahead=np.array([[0.8, 0.85, 0.9, 0.87, 0.88, 0.8]]),
        life=np.array([[50.0, 80.0, 120.0, 100.0, 200.0], [10.0, 30.0, 40.0, 50.0, 9.0]]),
        alarm=alarm,
        needed=needed,
        threshold=threshold,
        end=end,
    )


def test_alarms_are_counted_and_their_earliness_is_a_ratio_of_sums():
    cell = made_cell("a_1", knee=200, seed=1)
    found = [
        said(cell, alarm=200, needed=True, threshold=380, end=400),
        said(cell, alarm=100, needed=False, threshold=300, end=400),
        said(cell, alarm=None, needed=None, threshold=320, end=400),  # a miss: nothing left
        said(cell, alarm=50, needed=True, threshold=None, end=None),  # no end on record: only counted
    ]
    counted = alarms(found)
    assert (counted.cells, counted.given, counted.false) == (4, 3, 1)
    assert counted.earlier == pytest.approx((200 + 300 + 0) / (20 + 100 + 80))
    assert counted.mean_ratio == pytest.approx((10 + 3 + 0) / 3)


def test_errors_are_those_of_the_columns_they_name():
    found = [said(made_cell("a_1", knee=200, seed=1), alarm=200, needed=True, threshold=380, end=400)] * 2
    rows = pooled(found, "life")
    assert list(relative_error(rows)) == pytest.approx([0.2, 0.4, 0.2, 0.4])
    assert coverage(rows) == 0.5
    assert rmse(pooled(found, "ahead"), 1, 3) == pytest.approx(0.02)
    shown = metrics(found)
    assert shown["soh_by_charge_rmse"] == pytest.approx(0.01)
    assert shown["soh_100_ahead_rmse"] == pytest.approx(0.02)
    assert shown["soh_100_ahead_rmse_line"] == pytest.approx(0.07)
    assert shown["rul_middle_median_error"] == pytest.approx(0.2)
    assert shown["rul_second_half_median_error"] == pytest.approx(0.3)
    assert shown["false_alarms"] == 0
    assert shown["alarm_remaining_life_ratio"] == pytest.approx(10)


def test_a_cell_is_judged_from_the_middle_of_its_life_against_what_happened(learned):
    cell = made_cell("new_1", knee=170, seed=60)
    found = judge(learned, cell)
    assert found.end == cell.end_cycle
    assert found.life[0, 3] == cell.end_cycle - round(cell.end_cycle / 2)
    np.testing.assert_array_equal(found.ahead[:, 3], cell.soh[130::5])
    np.testing.assert_array_equal(found.ahead[:, 4], cell.measured_soh[130::5])
    assert cell.soh[found.threshold] <= 0.85 < cell.soh[found.threshold - 1]
    assert found.needed


def test_cells_are_judged_by_turns_and_those_set_aside_are_not(made_cells, monkeypatch):
    monkeypatch.setattr(learners, "TREES", 20)
    fold = fold_of(["made"] * 12, 4, seed=1)
    fold[fold > 0] = -1
    (part,) = list(unseen(made_cells, fold, seed=1))
    assert [each.cell.name for each in part] == [
        c.name for c, k in zip(made_cells, fold, strict=True) if k == 0
    ]


def asked(*words):
    parser = ArgumentParser()
    add_health_parser(parser.add_subparsers(dest="command"))
    return parser.parse_args(["health", *map(str, words)])


def test_the_shell_reports_each_cell_of_a_file(learned, tmp_path, capsys):
    weights = tmp_path / "weights"
    save(learned, {}, weights)
    cell = made_cell("new_1", knee=170, seed=61)
    lines = [",".join(("cell", "row", *CHARGE, "capacity_ah"))]
    for row, (charge, capacity) in enumerate(zip(cell.charge, cell.capacity_ah, strict=True)):
        lines.append(",".join(map(str, ("new_1", row, *charge, capacity))))
    path = tmp_path / "cycles.csv"
    path.write_text("\n".join(lines))
    run(asked("report", "--csv", path, "--rated-ah", 2, "--weights", weights))
    shown = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    assert shown[0] == list(COLUMNS)
    expected = outlook(load(weights), cell)
    rows = {(row[2], row[3]): row[4:] for row in shown[1:]}
    assert rows["soh", "0"] == ["", f"{expected.soh:.4f}", ""]
    assert rows["soh", "100"] == [f"{soh:.4f}" for soh in expected.soh_ahead[100]]
    assert rows["cycles_left", "0"] == [f"{cycles:.0f}" for cycles in expected.cycles_left]
    assert rows["alarm_cycle", "0"][1] == str(expected.alarm_cycle)
    path.write_text("\n".join([*lines, *(line.replace("new_1", "new_2") for line in lines[1:31])]))
    with pytest.raises(FieldError, match="new_2 has 30 cycles"):
        run(asked("report", "--csv", path, "--rated-ah", 2, "--weights", weights))
    assert not capsys.readouterr().out
    path.write_text("cell,row\n")
    with pytest.raises(FieldError, match="column capacity_ah"):
        run(asked("report", "--csv", path, "--rated-ah", 2, "--weights", weights))
