"""What a command writes is whole or absent, and takes the place of nothing but what a command wrote."""

import json
import shutil

import pytest

from forecasting import shell as commands
from forecasting.artefact import CARD_FILE


@pytest.fixture
def made(lines, shell, tmp_path):
    """Run ``report`` or ``train`` into a folder; the exit code, what was said and the names in the folder."""

    def run(command, folder=None, *more, **changes):
        out = folder or tmp_path / command
        named = ("--models", "seasonal_naive") if command == "report" else ()
        code, _, said = shell(lines, *named, "--out", str(out), *more, command=command, **changes)
        return code, said, out

    return run


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def test_output_is_whole_or_absent(lines, shell, tmp_path, monkeypatch):
    _, rows, _ = shell(lines)

    def breaks(file, _):
        file.write("issued_at,")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(commands, "write_forecasts", breaks)
    code, still, said = shell(lines)
    assert (code, still) == (2, rows)
    assert "No space left" in said
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.csv"}


def test_a_place_that_cannot_be_written_is_refused_first(lines, shell, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "read", lambda _: pytest.fail("was read"))
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "thesis.txt").write_text("mine", encoding="utf-8")
    for command, out, message in (
        ("backtest", tmp_path / "in.csv", "is the file that is read"),
        ("backtest", tmp_path / "none" / "out.csv", "does not exist"),
        ("backtest", tmp_path, "is not a file"),
        ("report", kept, "holds something else"),
        ("train", kept, "holds something else"),
        ("train", tmp_path / "in.csv", "holds something else"),
        ("train", tmp_path / "none" / "m", "does not exist"),
    ):
        code, _, said = shell(lines, "--out", str(out), command=command)
        assert code == 2
        assert f"--out: {out}" in said or "--out: the folder" in said
        assert message in said
    assert (kept / "thesis.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("command", ["report", "train"])
def test_an_empty_folder_and_one_of_an_earlier_run_are_replaced(made, tmp_path, command):
    out = tmp_path / "out"
    out.mkdir()
    for _ in range(2):
        code, said, _ = made(command, out)
        assert code == 0, said
    (tmp_path / "link").symlink_to(out)
    code, said, _ = made(command, tmp_path / "link")
    assert code == 0, said
    assert (tmp_path / "link").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out", "link"}


@pytest.mark.parametrize(
    ("command", "foreign"),
    [
        ("report", "thesis.txt"),
        ("report", "fan_thesis.png"),
        ("report", "pictures/error_by_lead.png"),
        ("train", "thesis.txt"),
        ("train", "notes.json"),
        ("train", "deep/thesis.md"),
    ],
)
def test_a_folder_of_an_earlier_run_with_something_else_in_it_stays(made, monkeypatch, command, foreign):
    _, _, out = made(command)
    (out / foreign).parent.mkdir(exist_ok=True)
    (out / foreign).write_text("mine", encoding="utf-8")
    before = content(out)
    monkeypatch.setattr(commands, "read", lambda _: pytest.fail("was read"))
    code, said, _ = made(command)
    assert (code, content(out)) == (2, before)
    assert said.startswith(f"--out: {out} holds something else")


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("report", {"index.html": "<!doctype html><title>My site</title>"}),
        ("report", {"index.html": "", "reliability.png": ""}),
        ("report", {"reliability.png": "a picture of mine"}),
        ("train", {CARD_FILE: "{}"}),
        ("train", {CARD_FILE: "{}", "model.json": "{}"}),
    ],
)
def test_a_folder_that_only_looks_like_ours_stays(made, tmp_path, command, files):
    out = tmp_path / "site"
    out.mkdir()
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    before = content(out)
    code, said, _ = made(command, out)
    assert (code, content(out)) == (2, before)
    assert "--out: " in said


def test_a_model_that_was_changed_since_stays(made):
    _, _, out = made("train")
    body = json.loads((out / "model.json").read_text(encoding="utf-8"))
    (out / "model.json").write_text(json.dumps(body | {"horizon": 5}), encoding="utf-8")
    code, said, _ = made("train")
    assert (code, json.loads((out / "model.json").read_text(encoding="utf-8"))["horizon"]) == (2, 5)
    assert "holds something else" in said


@pytest.mark.parametrize("command", ["report", "train"])
def test_what_was_put_there_while_it_was_computed_stays(made, tmp_path, monkeypatch, command):
    out = tmp_path / "out"
    train = commands.train

    def slow(*given, **more):
        out.mkdir(exist_ok=True)
        (out / "thesis.txt").write_text("mine", encoding="utf-8")
        return train(*given, **more)

    monkeypatch.setattr(commands, "train", slow)
    code, said, _ = made(command, out)
    assert (code, content(out)) == (2, {"thesis.txt": b"mine"})
    assert "holds something else" in said
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out"}


def test_what_is_read_may_not_lie_in_what_is_replaced(made, lines, shell, monkeypatch):
    _, _, page = made("report")
    _, _, model = made("train")
    monkeypatch.setattr(commands, "read", lambda _: pytest.fail("was read"))
    for command, out, name in (("report", page, "index.html"), ("train", model, "model.json")):
        before = content(out)
        code, said, _ = made(command, out, "--csv", str(out / name))
        assert (code, content(out)) == (2, before)
        assert said == f"--out: {out} holds {out / name}, which is read\n"
    before = content(model)
    shutil.copytree(model, model / "older")
    for out in (model / CARD_FILE, model / "forecasts.csv", model / "older" / ".." / CARD_FILE):
        code, _, said = shell(lines, "--model-dir", str(model), "--out", str(out))
        assert code == 2
        assert said == f"--out: {out} lies in the folder of the model that is used, {model}\n"
    shutil.rmtree(model / "older")
    assert content(model) == before
