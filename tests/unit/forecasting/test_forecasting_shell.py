import csv
import gzip
from datetime import datetime, timedelta

import numpy as np
import pytest

from forecasting.__main__ import main
from forecasting.table import HEADER

HOURS = 12 * 24


@pytest.fixture
def lines():
    """Twelve days of a file in UTC, the header first."""
    rng = np.random.default_rng(2)
    first = datetime(2024, 3, 4)  # noqa: DTZ001  (the files have local times)
    rows = [
        f"{first + timedelta(hours=i)}+00:00,{5 + np.sin(i / 24 * 2 * np.pi) + rng.normal() / 5:.4f},{i % 7}"
        for i in range(HOURS)
    ]
    return ["time,load,wind", *rows]


@pytest.fixture
def shell(tmp_path, capsys):
    """Run a command on lines of CSV; the exit code, the rows written and what was said."""

    def run(lines, *more, command="backtest", model="seasonal_naive", name="in.csv"):
        path, out = tmp_path / name, tmp_path / "out.csv"
        content = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        arguments = [command, "--csv", str(path), "--time-column", "time", "--target", "load", "--step", "1h"]
        arguments += ["--horizon", "6", "--origin-every", "3h", "--train-end", "2024-03-14", *more]
        if command == "backtest":
            arguments += ["--model", model, "--out", str(out)]
        code = main(arguments)
        rows = list(csv.reader(out.open())) if out.exists() else []
        said = capsys.readouterr()
        return code, rows, said.out + said.err

    return run


@pytest.mark.parametrize("model", ["seasonal_naive", "lightgbm"])
def test_backtest_writes_every_origin_and_lead(lines, shell, model):
    code, rows, _ = shell(lines, "--exogenous", "wind", model=model, name="in.csv.gz")
    assert code == 0
    assert (
        rows[0]
        == list(HEADER)
        == ["issued_at", "target_time", "lead", "q05", "q10", "q25", "q50", "q75", "q90", "q95"]
    )
    origins = 2 * 8 - 1  # the last one has its six hours inside the file
    assert len(rows) == 1 + origins * 6
    assert rows[1][:3] == ["2024-03-14T00:00:00Z", "2024-03-14T00:00:00Z", "1"]
    assert rows[6][:3] == ["2024-03-14T00:00:00Z", "2024-03-14T05:00:00Z", "6"]
    assert rows[7][0] == "2024-03-14T03:00:00Z"
    quantiles = np.array([row[3:] for row in rows[1:]], dtype=float)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    if model == "seasonal_naive":
        assert quantiles[0, 3] == float(lines[1 + 9 * 24].split(",")[1])


def test_rows_from_the_issue_on_are_not_read(lines, shell):
    _, rows, _ = shell(lines, "--exogenous", "wind", model="lightgbm")
    last = 1 + 11 * 24
    changed = lines[:last] + [line.split(",")[0] + ",99,99" for line in lines[last:]]
    _, again, _ = shell(changed, "--exogenous", "wind", model="lightgbm")
    until = [row for row in rows[1:] if row[0] <= "2024-03-15T00:00:00Z"]
    assert [row for row in again[1:] if row[0] <= "2024-03-15T00:00:00Z"] == until
    assert again != rows


def test_compare_prints_a_row_a_model(lines, shell):
    code, _, said = shell(lines, command="compare")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == ["mae", "seasonal_naive", "lightgbm"]
    assert "coverage_80" in said


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (9, "2024-03-04 08:00:00+00:00,NaN,1", "line 10, column load: 'NaN' is not a finite number"),
        (9, "2024-03-04 08:00:00+00:00,lots,1", "line 10, column load: 'lots' is not a number"),
        (9, "2024-03-04 08:00:00+00:00,1,inf", "line 10, column wind: 'inf' is not a finite number"),
        (9, "2024-03-04 08:00:00+00:00,1", "line 10: has 2 fields, needs 3"),
        (9, "4 March,1,1", "line 10, column time: '4 March' is not an ISO 8601 time"),
        (9, "2024-03-04 09:00:00+00:00,1,1", "line 10, column time: 2024-03-04 09:00:00+00:00 follows"),
        (9, "2024-03-04 08:00:00,1,1", "line 10, column time: 2024-03-04T08:00:00 has no offset"),
        (0, "time,power,wind", "line 1, column load: is missing; the file has time, power, wind"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_column(lines, shell, line, text, message):
    lines[line] = text
    code, rows, said = shell(lines, "--exogenous", "wind")
    assert code == 2
    assert message in said
    assert rows == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--train-end", "2025-01-01"], "--train-end: must be the start of a row"),
        (["--train-end", "2024-03-14T00:30"], "--train-end: must be the start of a row"),
        (["--train-end", "2024-03-04"], "--train-end: must be the start of a row"),
        (["--origin-every", "90min"], "--origin-every: must be a multiple"),
        (["--horizon", "0"], "--horizon: must be at least 1"),
        (["--time-zone", "Mars/Olympus"], "--time-zone: 'Mars/Olympus' is not a time zone"),
        (["--step", "7min"], "step: must be one of"),
    ],
)
def test_bad_options_are_refused(lines, shell, more, message):
    if more[0] == "--step":
        lines = [lines[0], "2024-03-04T00:00Z,1,1", "2024-03-04T00:07Z,1,1"]
    code, _, said = shell(lines, *more)
    assert code == 2
    assert message in said


def test_a_missing_file_and_an_empty_one_are_refused(lines, shell, tmp_path):
    assert shell(lines[:1])[0] == 2
    assert shell(lines, "--csv", str(tmp_path / "none.csv"))[0] == 2
    with pytest.raises(SystemExit) as caught:
        shell(lines, "--step", "an hour")
    assert caught.value.code == 2


def test_empty_cells_are_gaps(lines, shell):
    for line in range(1, 1 + HOURS, 5):
        lines[line] = lines[line].split(",")[0] + ",,"
    code, rows, _ = shell(lines, "--exogenous", "wind")
    assert code == 0
    assert all(cell for row in rows for cell in row)


def berlin(first, count, *, skip=(), twice=()):
    """Clock times of a file in local time."""
    times = []
    for i in range(count):
        clock = first + timedelta(hours=i)
        if clock not in skip:
            times.append(clock)
        if clock in twice:
            times.append(clock)
    return ["time,load", *(f"{clock},{5 + i % 24}" for i, clock in enumerate(times))]


@pytest.mark.parametrize("proper", [True, False])
@pytest.mark.parametrize("month", [3, 10])
def test_local_files_may_or_may_not_show_the_change_of_the_clock(shell, proper, month):
    change = datetime(2024, 3, 31, 2) if month == 3 else datetime(2024, 10, 27, 2)  # noqa: DTZ001 (local)
    odd = {"skip": (change,)} if month == 3 else {"twice": (change,)}
    lines = berlin(change - timedelta(days=9), 12 * 24, **(odd if proper else {}))
    code, rows, said = shell(
        lines, "--time-zone", "Europe/Berlin", "--train-end", f"{(change + timedelta(days=1)).date()}"
    )
    assert code == 0, said
    assert rows[1][0].endswith("T22:00:00Z" if month == 3 else "T23:00:00Z")


def test_a_hole_in_local_time_is_still_refused(shell):
    lines = berlin(datetime(2024, 3, 20), 14 * 24, skip=(datetime(2024, 3, 25, 5),))  # noqa: DTZ001 (local)
    code, _, said = shell(lines, "--time-zone", "Europe/Berlin", "--train-end", "2024-04-01")
    assert code == 2
    assert (
        "line 127, column time: 2024-03-25 06:00:00 follows the row above by 2:00:00, not by 1:00:00" in said
    )
