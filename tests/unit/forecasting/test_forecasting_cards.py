"""A card says what a model was made of; files that are not what it says are not loaded."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.artefact import CARD_FILE, artefact_digest
from forecasting.backtest import backtest, rolling_origins
from forecasting.cards import figures, history_digest, load_artefact, read_card, write_card
from forecasting.models import SHIPPED
from forecasting.models.base import HEADER_FILE

DAY = timedelta(days=1)


@pytest.fixture
def carded(homes, trained, tmp_path):
    """A saved model with its card, and what it was judged on."""
    history = homes(days=24)
    learned = history.as_of(history.grid.end - 4 * DAY)
    model = trained("seasonal_naive", learned)
    origins = rolling_origins(model.trained_at, history.grid.end - DAY, timedelta(hours=6))
    judged = backtest(model, history, origins=origins, horizon=24)
    folder = tmp_path / "model"
    model.save(folder)
    card = write_card(
        folder,
        model,
        history=learned,
        judged=judged,
        seed=7,
        settings={},
        quantity="load",
        command="make the model",
        intended_use="tests",
    )
    return folder, card, learned, judged


def test_a_card_is_read_as_it_was_written(carded):
    folder, card, learned, judged = carded
    assert read_card(folder) == card
    assert (card.name, card.quantity, card.seed, card.settings) == ("seasonal_naive", "load", 7, {})
    assert (card.horizon, card.step_s, card.series) == (24, 3600, 3)
    assert card.trained_at == card.history_end == learned.grid.end
    assert card.data_hash == history_digest(learned)
    assert card.artefact_sha256 == artefact_digest(folder)
    assert len(card.metrics_by_lead) == 24
    assert np.mean([lead["mae"] for lead in card.metrics_by_lead]) == pytest.approx(card.metrics["mae"])
    assert card.metrics["mae"] == pytest.approx(np.abs(judged.actual - judged.quantiles[..., 3]).mean())
    assert 0.6 < card.metrics["coverage_80"] < 0.95
    assert {"python", "numpy", "lightgbm", "torch"} <= card.versions.keys()
    assert load_artefact(folder, sha256=card.artefact_sha256).trained_at == card.trained_at


def test_a_card_names_every_setting_of_its_model(carded, trained, tmp_path):
    _, card, learned, judged = carded
    model = trained("linear", learned)
    model.save(tmp_path / "linear")
    facts = {
        "history": learned,
        "judged": judged,
        "seed": 1,
        "quantity": "load",
        "command": card.command,
        "intended_use": card.intended_use,
    }
    rows = model.SETTINGS["rows"].default
    for chosen, named in (({}, {"rows": rows}), ({"rows": rows / 2}, {"rows": rows / 2})):
        assert write_card(tmp_path / "linear", model, settings=chosen, **facts).settings == named
    with pytest.raises(FieldError, match="'trees' is not one of rows"):
        write_card(tmp_path / "linear", model, settings={"trees": 90}, **facts)


def test_an_interval_without_a_reading_is_left_out_of_the_figures(carded):
    *_, judged = carded
    gaps = judged.actual.copy()
    gaps[:, :, 5] = np.nan
    known = replace(judged, actual=gaps)
    assert figures(known, 5) == {}
    assert figures(known)["count"] == np.isfinite(gaps).sum()


def test_the_data_hash_is_of_everything_that_a_history_holds(homes):
    history = homes()
    changed = history.values.copy()
    changed[0, 0] += 1e-9
    others = [
        replace(history, values=changed),
        replace(history, time_zone="Europe/Lisbon"),
        replace(history, delay=timedelta(hours=1)),
        replace(history, names=("a", "b", "c")),
        replace(history, available_at=history.availability),
    ]
    assert len({history_digest(each) for each in [history, *others]}) == len(others) + 1
    assert history_digest(history) == history_digest(replace(history, values=history.values.copy()))


def poisoned(folder):
    header = json.loads((folder / HEADER_FILE).read_text())
    (folder / HEADER_FILE).write_text(json.dumps(header | {"horizon": 48}))


def pickled(folder):
    (folder / "weights.pkl").write_bytes(b"cos\nsystem\n")


def linked(folder):
    (folder / "weights.txt").symlink_to("/etc/hostname")


def linked_folder(folder):
    (folder / "member").symlink_to(folder.parent)


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (poisoned, "digest_mismatch"),
        (lambda folder: (folder / "more.json").write_text("{}"), "digest_mismatch"),
        (lambda folder: (folder / HEADER_FILE).rename(folder / "other.json"), "digest_mismatch"),
        (pickled, "unknown_file"),
        (linked, "unknown_file"),
        (linked_folder, "unknown_file"),
        (lambda folder: (folder / HEADER_FILE).unlink(), "no_artefact"),
    ],
)
def test_files_that_were_changed_are_not_loaded(carded, attack, code):
    folder, card, *_ = carded
    attack(folder)
    with pytest.raises(FieldError) as caught:
        load_artefact(folder, sha256=card.artefact_sha256)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "change", [{"seed": "seven"}, {"more": 1}, {"data_hash": "abc"}, {"metrics": {"mae": None}}]
)
def test_a_card_that_is_none_is_refused(carded, change):
    folder, *_ = carded
    body = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(body | change))
    with pytest.raises(FieldError) as caught:
        read_card(folder)
    assert caught.value.code == "no_card"
    assert str(caught.value).startswith(f"card: model has no readable card: {next(iter(change))}")
    assert "\n" not in str(caught.value)
    (folder / CARD_FILE).unlink()
    with pytest.raises(FieldError, match="no readable card"):
        read_card(folder)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\xfe{", b"[" * 100_000, b"{}"])
def test_a_card_that_is_broken_is_refused_in_one_line(carded, body):
    folder, *_ = carded
    (folder / CARD_FILE).write_bytes(body)
    with pytest.raises(FieldError, match="model has no readable card: ") as caught:
        read_card(folder)
    assert "\n" not in str(caught.value)


def header(**changes):
    def spoil(folder):
        body = json.loads((folder / HEADER_FILE).read_text(encoding="utf-8"))
        (folder / HEADER_FILE).write_text(json.dumps(body | changes), encoding="utf-8")

    return spoil


def without(key):
    def spoil(folder):
        body = json.loads((folder / HEADER_FILE).read_text(encoding="utf-8"))
        del body[key]
        (folder / HEADER_FILE).write_text(json.dumps(body), encoding="utf-8")

    return spoil


def text(name, change):
    def spoil(folder):
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return spoil


ZERO = [0.0] * 7


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (text(HEADER_FILE, lambda _: b"model"), "ValueError: expected value"),
        (text(HEADER_FILE, lambda _: b"[]"), "TypeError"),
        (text(HEADER_FILE, lambda _: b"[" * 100_000), "ValueError: recursion limit exceeded"),
        (text(HEADER_FILE, lambda body: body.decode().encode("utf-16")), "ValueError"),
        (lambda folder: (folder / HEADER_FILE).unlink(), "No such file or directory: model.json"),
        (without("trained_at"), "KeyError: 'trained_at'"),
        (without("calibration"), "KeyError: 'calibration'"),
        (header(name="oracle"), "model: must be one of"),
        (header(trained_at="yesterday"), "ValueError"),
        (header(trained_at="2024-01-01T00:00:00"), "trained_at: must carry a time zone"),
        (header(step_s="3600"), "TypeError"),
        (header(horizon="24"), "horizon: Input should be a valid integer"),
        (header(share="0.5"), "share: Input should be a valid number"),
        (header(settings={"rows": "many"}), "settings.rows: Input should be a valid number"),
        (header(recipe={"annual": True, "days": ["7"]}), "days.0: Input should be a valid integer"),
        (header(calibration=[[1]]), "calibration: must be (H, 1, 7) or (H, 24, 7), got (1, 1)"),
        (header(calibration=[[ZERO] * 3]), "calibration: must be (H, 1, 7) or (H, 24, 7), got (1, 3, 7)"),
        (header(calibration=[]), "calibration: must be (H, 1, 7) or (H, 24, 7), got (0,)"),
        (header(calibration=[[ZERO]] * 3), "calibration: must have 1 lead or 24, got 3"),
        (header(calibration=[[[*ZERO[:6], float("nan")]]]), "calibration: must be finite"),
        (header(calibration="wide"), "ValueError"),
        (text("level.txt", lambda _: b"garbage"), "level.txt: does not hold the trees that it says"),
        (text("level.txt", lambda body: body[:9000]), "level.txt: does not hold the trees that it says"),
        (lambda folder: (folder / "departure.txt").unlink(), "No such file or directory: departure.txt"),
    ],
)  # fmt: skip
def test_files_that_make_no_model_are_refused_in_one_line(tmp_path, spoil, said):
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED / "lightgbm-load-1h", folder)
    spoil(folder)
    with pytest.raises(FieldError) as caught:
        load_artefact(folder, sha256=artefact_digest(folder))
    assert (caught.value.field, caught.value.code) == ("artefact", "unreadable")
    assert str(caught.value).startswith(f"artefact: model cannot be read: {said}")
    assert "\n" not in str(caught.value)


def test_a_member_is_not_taken_for_another(homes, trained, tmp_path):
    trained("hybrid", homes()).save(tmp_path)
    header = tmp_path / "lightgbm" / HEADER_FILE
    header.write_text(json.dumps(json.loads(header.read_text()) | {"name": "seasonal_naive"}))
    (tmp_path / "lightgbm" / "level.txt").write_text("cut short")  # LightGBM would follow it past its end
    with pytest.raises(FieldError, match="lightgbm holds 'seasonal_naive', not 'lightgbm'"):
        load_artefact(tmp_path, sha256=artefact_digest(tmp_path))
