import gzip

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.__main__ import main
from forecasting.health.cells import CHARGE, Cell, data_hash, published_cells, read_cells, read_nasa
from forecasting.health.features import NAMES, trace
from tests.unit.forecasting.health.made import made_cell

HEADER = ",".join(("cell", "row", *CHARGE, "capacity_ah"))


def test_the_published_sets_hold_64_cells_and_most_were_worn_out():
    cells = published_cells()
    groups = [cell.group for cell in cells]
    assert {name: groups.count(name) for name in groups} == {"2017-05-12": 46, "2C": 8, "R2.5": 8, "nasa": 2}
    stopped_early = [cell.name.rpartition("-")[2] for cell in cells if cell.end_cycle is None]
    assert stopped_early == ["11", "23", "4", "9"]
    assert all(cell.soh[-1] > 0.87 for cell in cells if cell.end_cycle is None)
    assert len(data_hash()) == 64


def test_a_cycle_of_nasa_is_a_discharge_not_an_operation():
    cells = {cell.name: cell for cell in published_cells() if cell.group == "nasa"}
    assert [len(cell.capacity_ah) for cell in cells.values()] == [168, 168]
    end = cells["B0005"].end_cycle
    assert cells["B0005"].soh[end] <= 0.7 < cells["B0005"].soh[end - 1]
    assert np.isnan(cells["B0005"].charge).all()


def test_health_is_the_median_of_ten_cycles_so_one_odd_cycle_does_not_count():
    cell = made_cell("a_1", knee=200, seed=1)
    capacity = cell.capacity_ah.copy()
    capacity[50] = 0.4
    odd = Cell(name="a_1", group="a", rated_ah=2.0, capacity_ah=capacity, charge=cell.charge)
    assert np.abs(odd.soh - cell.soh).max() < 2e-3
    assert odd.soh[60] == np.median(odd.measured_soh[51:61])


def test_a_life_ends_at_its_level_or_where_a_series_stops_near_it():
    level = np.repeat([0.95, 0.85], 50)

    def ended(soh):
        charge = np.full((len(soh), len(CHARGE)), np.nan)
        return Cell(name="a", group="a", rated_ah=1.0, capacity_ah=soh, charge=charge).end_cycle

    assert ended(level) == 99
    assert ended(level[:52]) is None
    assert (
        ended(np.append(level, np.repeat(0.79, 30))) == 105
    )  # half of the last ten and the one that decides


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"capacity_ah": np.ones(9), "charge": np.ones((9, 7))}, "capacity_ah"),
        ({"capacity_ah": np.full(20, np.nan)}, "capacity_ah"),
        ({"capacity_ah": np.full(20, 2.5)}, "capacity_ah"),
        ({"charge": np.full((20, 7), np.inf)}, "charge"),
        ({"charge": np.ones((20, 6))}, "charge"),
        ({"rated_ah": 0.0}, "rated_ah"),
        ({"end_of_life": 1.0}, "end_of_life"),
    ],
)
def test_a_cell_that_cannot_be_is_refused(changes, field):
    good = {
        "name": "a",
        "group": "a",
        "rated_ah": 2.0,
        "capacity_ah": np.ones(20),
        "charge": np.ones((20, 7)),
    }
    with pytest.raises(FieldError) as raised:
        Cell(**good | changes)
    assert raised.value.field == field


def test_a_file_is_read_cell_by_cell_and_a_bad_one_is_refused_with_line_and_column(tmp_path):
    def text(rows):
        return "\n".join([HEADER, *(",".join(map(str, row)) for row in rows)])

    rows = [[f"x_{c}", k, 1, 2, 3, 4, 5, 6, 7, 1.9] for c in (1, 2) for k in range(12)]
    path = tmp_path / "cycles.csv.gz"
    path.write_bytes(gzip.compress(text(rows).encode()))
    assert [(c.name, c.group, len(c.soh)) for c in read_cells(path, rated_ah=2.0)] == [
        ("x_1", "x", 12),
        ("x_2", "x", 12),
    ]
    path = tmp_path / "cycles.csv"
    for where, value, said in ((3, "much", "line 5, column cc_time_s"), (4, "", "line 5, column cv_q_ah")):
        bad = [row.copy() for row in rows]
        bad[3][where] = value
        path.write_text(text(bad))
        with pytest.raises(FieldError, match=said):
            read_cells(path, rated_ah=2.0)
    path.write_text(text([*rows[:3], rows[1], *rows[4:]]))
    with pytest.raises(FieldError, match="must rise from row to row of x_1"):
        read_cells(path, rated_ah=2.0)
    path.write_text("battery,capacity_ah\n")
    with pytest.raises(FieldError, match="line 1, column cycle_number"):
        read_nasa(path)


def spoilt(line, row):
    def change(lines):
        return "\n".join([*lines[:line], row, *lines[line + 1 :]]).encode()

    return change


ROW = "1,2,3,4,5,6,7,1.9"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: b"", "line 1, column cell: is missing; the file has no header"),
        (lambda lines: lines[0].encode(), "line 2: the file has no rows"),
        (lambda lines: "\n".join(lines).encode("utf-16"), "line 1: byte 1 of the line is not UTF-8"),
        (lambda lines: gzip.compress("\n".join(lines).encode()), "line 1: byte 2 of the line is not UTF-8"),
        (spoilt(5, f"x_1,4,{ROW},8"), "line 6: has 11 cells, the header 10"),
        (spoilt(5, "x_1,4,1,2,3"), "line 6: has 5 cells, the header 10"),
        (spoilt(5, f'x_1,"4,{ROW}'), "line 13: unexpected end of data"),
        (spoilt(5, f",4,{ROW}"), "line 6, column cell: is empty"),
        (spoilt(5, f" ,4,{ROW}"), "line 6, column cell: is empty"),
        (spoilt(5, f"x_1,4,{ROW[:-3]}1_9"), "line 6, column capacity_ah: is not a finite number"),
        (spoilt(5, f"\nx_1,4,{ROW[:-3]}inf"), "line 7, column capacity_ah: is not a finite number"),
        (spoilt(0, HEADER.replace("voltage_slope", "row")), "line 1, column row: appears more than once"),
        (spoilt(0, HEADER + ",cell"), "line 1, column cell: appears more than once"),
        (
            lambda lines: "\n".join([lines[0], *(f"9,{line}" for line in lines[1:])]).encode(),
            "line 2: has 11 cells, the header 10",
        ),
    ],
)
def test_a_damaged_file_is_refused_in_one_line_with_its_name(tmp_path, capsys, change, said):
    path = tmp_path / "cycles.csv"
    path.write_bytes(change([HEADER, *(f"x_1,{k},{ROW}" for k in range(12))]))
    assert main(["health", "report", "--csv", str(path), "--rated-ah", "2"]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith(f"{path}: {said}")


@pytest.mark.parametrize("cycles", [10, 45, 61, 130, 300])
def test_features_of_a_cycle_know_nothing_later(cycles):
    for cell in (made_cell("a_1", knee=200, seed=3), published_cells()[0]):
        whole, early = trace(cell), trace(cell.until(cycles))
        assert early.table.shape == (cycles, len(NAMES))
        np.testing.assert_array_equal(early.table[-1], whole.table[cycles - 1])
