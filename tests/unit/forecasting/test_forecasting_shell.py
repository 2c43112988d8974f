import gzip
import importlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import forecasting
from domain.errors import FieldError
from forecasting import shell as commands
from forecasting.__main__ import ROOMS, main
from forecasting.artefact import CARD_FILE, artefact_digest
from forecasting.backtest import Refit
from forecasting.models import MODELS
from forecasting.table import HEADER, Layout, read_history

HOURS = 12 * 24
HOUR = timedelta(hours=1)


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


def test_compare_prints_a_row_a_model(lines, shell, monkeypatch):
    code, _, said = shell(lines, "--models", "lightgbm", command="compare")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()[:3]] == ["model", "seasonal_naive", "lightgbm"]
    assert "90 readings. " in said
    monkeypatch.setattr(commands, "MODELS", {"seasonal_naive": MODELS["seasonal_naive"]})
    _, _, said = shell(lines, command="compare")
    assert [line.split()[0] for line in said.splitlines()[:2]] == ["model", "seasonal_naive"]


def test_report_writes_a_page_and_may_be_repeated(lines, shell, tmp_path):
    for _ in range(2):
        code, _, said = shell(
            lines, "--models", "seasonal_naive", "--out", str(tmp_path / "r"), command="report"
        )
        assert (code, said.strip().endswith("index.html")) == (0, True)
    assert {path.suffix for path in (tmp_path / "r").iterdir()} == {".png", ".html"}
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "r"}


def test_a_saved_model_says_what_it_would_have_said(lines, shell, tmp_path):
    code, _, said = shell(lines, "--out", str(tmp_path / "m"), command="train", model="lightgbm")
    assert code == 0, said
    card = json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))
    assert card["seed"] == 1
    assert card["command"].startswith("python -m forecasting train --csv ")
    assert card["trained_at"].startswith("2024-03-14T00:00:00")
    assert set(card["versions"]) >= {"python", "numpy", "lightgbm"}
    assert card["metrics"]["count"] == 6 * 15  # the last two of ten days, an origin every three hours
    code, rows, said = shell(lines, "--model-dir", str(tmp_path / "m"))
    assert code == 0, said
    unsaved = shell(lines, model="lightgbm")[1]
    assert [row[:3] for row in rows] == [row[:3] for row in unsaved]
    figures = [np.array([row[3:] for row in table[1:]], dtype=float) for table in (rows, unsaved)]
    assert np.allclose(*figures, rtol=1e-4)  # a saved model keeps fewer digits


def test_the_card_tells_of_days_that_the_judged_model_has_not_seen(lines, shell, tmp_path, monkeypatch):
    trained = []

    def watched(name, history, *, trained_at, **more):
        trained.append((trained_at, history.grid.end))
        return commands.MODELS[name].fit(history, trained_at=trained_at, settings={}, **more)

    def card(lines):
        code, _, said = shell(lines, "--out", str(tmp_path / "m"), command="train")
        assert code == 0, said
        return json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))

    monkeypatch.setattr(commands, "train", watched)
    before = card(lines)
    split, end = datetime(2024, 3, 12, tzinfo=UTC), datetime(2024, 3, 14, tzinfo=UTC)
    assert trained == [(split, split), (end, end)]
    after = [*lines[: 1 + 10 * 24], *(line.split(",")[0] + ",99,99" for line in lines[1 + 10 * 24 :])]
    assert card(after) == before
    changed = [*lines[: 1 + 9 * 24], *(line.split(",")[0] + ",99,99" for line in lines[1 + 9 * 24 :])]
    assert card(changed)["metrics"]["mae"] > 10 * before["metrics"]["mae"]


def test_models_that_do_not_fit_are_refused(lines, shell, tmp_path):
    shell(lines, "--out", str(tmp_path / "m"), command="train")
    use = ("--model-dir", str(tmp_path / "m"))
    for more, message in (
        (("--horizon", "7"), "horizon: must lie in [1, 6]"),
        (("--train-end", "2024-03-13"), "the model has seen data until"),
        (("--model-dir", str(tmp_path / "none")), "card: none has no readable card"),
    ):
        code, rows, said = shell(lines, *use, *more)
        assert (code, rows) == (2, []), said
        assert message in said
    (tmp_path / "m" / "model.json").write_text("{}", encoding="utf-8")
    code, _, said = shell(lines, *use)
    assert code == 2
    assert "was changed" in said


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (9, "2024-03-04 08:00:00+00:00,NaN,1", "line 10, column load: 'NaN' is not a number; leave a gap"),
        (9, "2024-03-04 08:00:00+00:00,lots,1", "line 10, column load: 'lots' is not a number"),
        (9, "2024-03-04 08:00:00+00:00,1_000,1", "line 10, column load: '1_000' is not a number"),
        (9, '2024-03-04 08:00:00+00:00,"1,5",1', "line 10, column load: '1,5' is not a number"),
        (9, "2024-03-04 08:00:00+00:00,1,inf", "line 10, column wind: 'inf' is not a number"),
        (9, "2024-03-04 08:00:00+00:00,1e300,1", "line 10, column load: '1e300' is larger than 1e+15"),
        (9, "2024-03-04 08:00:00+00:00,1,1e999", "line 10, column wind: '1e999' is larger than"),
        (9, "2024-03-04 08:00:00+00:00,1", "line 10: has 2 cells, the header 3"),
        (9, "2024-03-04 08:00:00+00:00,1,2,3", "line 10: has 4 cells, the header 3"),
        (9, "4 March,1,1", "line 10, column time: '4 March' is not an ISO 8601 time"),
        (9, ",1,1", "line 10, column time: '' is not an ISO 8601 time"),
        (9, "9999999999,1,1", "line 10, column time: '9999999999' lies outside the years 1900 to 2199"),
        (9, "0001-01-01T00:00+14:00,1,1", "line 10, column time: '0001-01-01T00:00+14:00' lies outside"),
        (9, "2024-03-04 09:00:00+00:00,1,1", "line 10, column time: 2024-03-04 09:00:00+00:00 follows"),
        (9, "2024-03-04 07:00:00+00:00,1,1", "line 10, column time: 2024-03-04 07:00:00+00:00 repeats"),
        (9, "2024-03-04 02:00:00+00:00,1,1", "line 10, column time: 2024-03-04 02:00:00+00:00 precedes"),
        (9, "2024-03-04 08:00:00,1,1", "line 10, column time: 2024-03-04T08:00:00 has no offset"),
        (9, '2024-03-04 08:00:00+00:00,"1,1', "line 289: unexpected end of data"),
        (9, "2024-03-04 08:00:00+00:00,1\0,1", "line 10: holds a NUL character"),
        (
            1,
            "2024-03-04 00:30:00+00:00,1,1",
            "line 2, column time: 2024-03-04 00:30:00+00:00 is no whole multiple of 1:00:00 in UTC",
        ),
        (0, "time,power,wind", "line 1, column load: is missing; the file has time, power, wind"),
        (0, "time,load,load", "line 1, column load: appears more than once"),
        (0, "time;load;wind", "line 1: cells must be separated by commas, got 'time;load;wind'"),
        (0, "time\tload\twind", "line 1: cells must be separated by commas"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_column(lines, shell, line, text, message):
    lines[line] = text
    code, rows, said = shell(lines, "--exogenous", "wind")
    assert code == 2
    assert f"in.csv: {message}" in said
    assert rows == []


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("in.csv", lambda text: text[:0], "in.csv: line 1, column time: is missing; the file has no header"),
        ("in.csv", lambda text: text[:15], "in.csv: line 2: the file has no rows"),
        ("in.csv", lambda text: text.replace(b"5.0", b"\xe9", 1), "in.csv: line 2: byte 27 of the line"),
        ("in.csv", lambda text: text.decode().encode("utf-16"), "in.csv: line 1: byte 1 of"),
        ("in.csv", gzip.compress, "in.csv: line 1: byte 2 of the line is not UTF-8"),
        ("in.csv", lambda text: text.replace(b"\n", b"\r"), "in.csv: line 1: new-line character seen"),
        ("in.csv.gz", lambda text: text, "in.csv.gz: line 1: cannot be read: Not a gzipped file"),
        ("in.csv.gz", lambda text: gzip.compress(text)[:-900], "cannot be read: Compressed file ended"),
        ("in.csv.gz", lambda text: gzip.compress(text)[:90] + bytes(90), "in.csv.gz: line"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused(lines, shell, name, spoil, message):
    code, rows, said = shell(spoil(("\n".join(lines) + "\n").encode()), name=name)
    assert (code, rows) == (2, [])
    assert message in said


def test_ends_of_lines_marks_and_blank_lines_do_not_matter(lines, shell):
    _, rows, _ = shell(lines)
    variants = (
        b"\xef\xbb\xbf" + "\r\n".join(lines).encode(),
        "\n".join([*lines, "", ""]).encode(),
        "\n".join(line.replace(",", " , ") for line in lines).encode(),
        "\n".join([lines[0], *(line.replace(" ", "T") for line in lines[1:])]).encode(),
    )
    for variant in variants:
        code, again, said = shell(variant)
        assert (code, again) == (0, rows), said


def test_unix_seconds_are_times(lines, shell):
    _, rows, _ = shell(lines)
    seconds = [lines[0]]
    for line in lines[1:]:
        time, rest = line.split(",", 1)
        seconds.append(f"{int(datetime.fromisoformat(time).timestamp())},{rest}")
    assert shell(seconds)[1] == rows


def test_missing_rows_are_gaps_only_when_asked(lines, shell):
    emptied = [*lines]
    emptied[100] = emptied[100].split(",")[0] + ",,"
    del lines[100]
    assert shell(lines)[0] == 2
    assert shell(lines, "--missing-rows")[1] == shell(emptied)[1] != []
    lines[100] = lines[100].replace(":00:00", ":30:00")
    code, _, said = shell(lines, "--missing-rows")
    assert code == 2
    assert "line 101, column time: 2024-03-08 04:30:00+00:00 follows the row above by 2:30:00" in said


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--train-end", "2025-01-01"], "--train-end: must be the start of a row"),
        (["--train-end", "2024-03-14T00:30"], "--train-end: must be the start of a row"),
        (["--train-end", "2024-03-04"], "--train-end: must be the start of a row"),
        (["--train-end", "0001-01-01"], "lies outside the years"),
        (["--train-end", "soon"], "'soon' is not an ISO 8601 time"),
        (["--origin-every", "90min"], "--origin-every: must be a multiple"),
        (["--origin-every", "0h"], "'0h' is not a duration"),
        (["--origin-every", "99999999999999d"], "is not a duration"),
        (["--horizon", "0"], "must be a whole number of at least 1, got '0'"),
        (["--horizon", "1e3"], "must be a whole number"),
        (["--horizon", "999999999"], "--train-end: must be the start of a row"),
        (["--seed", "-1"], "must be a whole number of at least 0"),
        (["--time-zone", "Mars/Olympus"], "--time-zone: 'Mars/Olympus' is not a time zone"),
        (["--time-zone", "/etc"], "--time-zone: '/etc' is not a time zone"),
        (["--time-zone", ""], "--time-zone: '' is not a time zone"),
        (["--step", "7min"], "step: must be one of"),
        (["--step", "an hour"], "'an hour' is not a duration"),
        (["--latitude", "nan", "--longitude", "3"], "must be degrees in [-90, 90]"),
        (["--latitude", "9"], "latitude: must be given together with longitude"),
        (["--country", "Atlantis"], "country: "),
        (["--exogenous", "load"], "columns: must be distinct"),
        (["--known-ahead", "wind", "--exogenous", "wind"], "columns: must be distinct"),
        (["--known-ahead", "sun"], "line 1, column sun: is missing"),
        (["--csv", "."], ".: cannot be read: Is a directory"),
        (["--csv", "none.csv"], "none.csv: cannot be read: No such file"),
        (["--anew"], "--anew: needs --refit-every"),
        (["--model-dir", "m"], "not allowed with argument"),
    ],
)
def test_bad_options_are_refused(lines, shell, more, message):
    code, rows, said = (
        shell(lines, *more) if more[0] != "--model-dir" else shell(lines, "--model", "lightgbm", *more)
    )
    assert (code, rows) == (2, [])
    assert message in said


@pytest.mark.parametrize("command", ["backtest", "compare", "report"])
def test_options_that_contradict_each_other_are_refused_before_anything_is_read(
    lines, shell, tmp_path, monkeypatch, command
):
    monkeypatch.setattr(commands, "read", lambda _: pytest.fail("was read"))
    monkeypatch.setattr(commands, "train", lambda *_, **__: pytest.fail("was trained"))
    out = ("--out", str(tmp_path / "r")) if command == "report" else ()
    code, _, said = shell(lines, "--anew", *out, command=command)
    assert (code, said) == (2, "--anew: needs --refit-every, which says how often\n")


@pytest.mark.parametrize("zone", ["", ".", "Europe/"])
def test_a_zone_that_is_none_is_refused_where_times_are_naive(lines, shell, zone):
    naive = [line.replace("+00:00", "") for line in lines]
    code, rows, said = shell(naive, "--time-zone", zone)
    assert (code, rows) == (2, [])
    assert said == f"--time-zone: {zone!r} is not a time zone, such as America/Fortaleza\n"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"horizon": "6"}, "horizon: Input should be a valid integer"),
        ({"trained_at": "2024-03-14T00:00:00"}, "trained_at: must carry a time zone"),
        ({"step_s": None}, "TypeError: "),
    ],
)
def test_a_saved_model_that_is_broken_is_refused_in_one_line(lines, shell, tmp_path, spoil, message):
    folder = tmp_path / "m"
    shell(lines, "--out", str(folder), command="train")
    body = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps(body | spoil), encoding="utf-8")
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    body = json.dumps(card | {"artefact_sha256": artefact_digest(folder)})
    (folder / CARD_FILE).write_text(body, encoding="utf-8")
    code, rows, said = shell(lines, "--model-dir", str(folder))
    assert (code, rows, said.count("\n")) == (2, [], 1)
    assert said.startswith(f"artefact: m cannot be read: {message}")


def test_what_is_known_of_the_place_reaches_the_model(lines, shell, monkeypatch):
    seen = []

    def backtest(_, history, **more):
        seen.append((history, more))
        raise FieldError("stop", "seen")

    monkeypatch.setattr(commands, "backtest", backtest)
    shell(
        lines, "--known-ahead", "wind", "--known-ahead-by", "36h", "--country", "br",
        "--latitude", "-8.05", "--longitude=-34.9", "--refit-every", "7d", "--anew",
    )  # fmt: skip
    shell(lines)
    (history, more), (_, plain) = seen
    assert history.outlook_names == ("wind",)
    assert history.outlook[0, :9].tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert (history.outlook_ahead, history.country) == (timedelta(hours=36), "BR")
    assert (history.latitude, history.longitude) == (-8.05, -34.9)
    assert more["refit"] == Refit(timedelta(days=7), anew=True)
    assert plain["refit"] is None


def test_rooms_of_their_own_bring_their_command(tmp_path, monkeypatch, capsys):
    package = tmp_path / "shed"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shell.py").write_text(
        "def add_shed_parser(commands):\n"
        "    commands.add_parser('shed').add_argument('--code', type=int)\n"
        "def run(options):\n"
        "    return options.code\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(forecasting, "__path__", [*forecasting.__path__, str(tmp_path)])
    monkeypatch.setitem(ROOMS, "shed", "tools")
    importlib.invalidate_caches()
    assert main(["shed", "--code", "3"]) == 3
    assert main(["shed"]) == 0
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "tools" in capsys.readouterr().out


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
        clock = first + i * HOUR
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


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-1e15, 1e15)), min_size=1, max_size=20))
def test_what_is_written_is_read(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "in.csv"
    first = datetime(2024, 3, 4, tzinfo=UTC)
    cells = ["" if value is None else repr(value) for value in values]
    rows = [f"{(first + i * HOUR).isoformat()},{cell}" for i, cell in enumerate(cells)]
    path.write_text("\n".join(["time,load", *rows]), encoding="utf-8")
    history = read_history(path, Layout("time", "load", HOUR))
    expected = [np.nan if value is None else value for value in values]
    assert np.array_equal(history.values[0], expected, equal_nan=True)
    assert history.grid.start == first


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(alphabet="time,load\n;\"'0123456789-:TZ+.e \r\0", max_size=60).map(str.encode),
        st.text(alphabet='0123456789-:TZ+.e, \n"', max_size=60).map(
            lambda body: b"time,load\n" + body.encode()
        ),
    ),
    st.sampled_from(["in.csv", "in.csv.gz"]),
)
def test_any_bytes_are_read_or_refused_by_name(tmp_path_factory, content, name):
    path = tmp_path_factory.mktemp("csv") / name
    path.write_bytes(content)
    layout = Layout("time", "load", HOUR, time_zone="Europe/Berlin")
    try:
        named = ""
        history = read_history(path, layout)
    except FieldError as error:
        named = error.field
    assert named.startswith(str(path)) if named else not np.isinf(history.values).any()
