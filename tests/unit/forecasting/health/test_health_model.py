import json

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.health.cells import data_hash, published_cells
from forecasting.health.features import NAMES, trace
from forecasting.health.model import WEIGHTS, is_saved, load, outlook, save
from forecasting.health.training import make
from forecasting.health.trajectory import LEADS
from tests.unit.forecasting.health.made import made_cell


def test_a_new_cell_is_foreseen(learned):
    cell = made_cell("new_1", knee=170, seed=50)
    past, at = trace(cell), np.arange(60, 200, 10)
    ahead = learned.soh_ahead(past, at, 100)
    assert (np.diff(ahead, axis=1) >= 0).all()
    naive = np.abs(past.soh[at] - past.soh[at + 100]).mean()
    assert np.abs(ahead[:, 1] - past.soh[at + 100]).mean() < 0.3 * naive
    left = learned.cycles_left(past, at)
    truth = cell.end_cycle - at
    assert np.median(np.abs(left[:, 1] - truth) / truth) < 0.25
    assert (left[:, 0] < left[:, 1]).all()
    assert (left[:, 1] < left[:, 2]).all()


def test_what_is_said_of_a_cell_does_not_depend_on_what_came_later(learned):
    cell = made_cell("new_1", knee=170, seed=51)
    early, whole = trace(cell.until(150)), trace(cell)
    at = np.array([149])
    np.testing.assert_array_equal(learned.soh_ahead(early, at, 50), learned.soh_ahead(whole, at, 50))
    np.testing.assert_array_equal(learned.cycles_left(early, at), learned.cycles_left(whole, at))


def test_the_same_seed_learns_the_same(made_cells, learned, quick_train):
    again = quick_train(made_cells)
    past, at = trace(made_cells[0]), np.array([100, 150])
    np.testing.assert_array_equal(again.soh_ahead(past, at, 100), learned.soh_ahead(past, at, 100))
    np.testing.assert_array_equal(again.cycles_left(past, at), learned.cycles_left(past, at))
    assert again.alarm == learned.alarm


def test_what_is_saved_is_what_is_loaded(learned, made_cells, tmp_path):
    save(learned, {"seed": 1}, tmp_path)
    loaded = load(tmp_path)
    assert loaded.alarm == learned.alarm
    for cell in made_cells[:3]:
        assert outlook(loaded, cell) == outlook(learned, cell)
    card = json.loads((tmp_path / "card.json").read_text())
    card["features"] = card["features"][1:]
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(FieldError, match="for others: train again"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("life.txt", b"tree", "digest_mismatch"),
        ("arrays.safetensors", b"", "digest_mismatch"),
        ("more.txt", b"", "digest_mismatch"),
        ("code.pkl", b"", "unknown_file"),
        ("card.json", b"[]", "unreadable"),
        ("card.json", b"{}", "unreadable"),
        ("card.json", b"\xff{", "unreadable"),
    ],
)
def test_weights_that_are_not_those_of_their_card_say_nothing(learned, tmp_path, name, content, code):
    save(learned, {}, tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FieldError) as caught:
        load(tmp_path)
    assert caught.value.code == code


def test_weights_take_the_place_of_weights_only(learned, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "notes.md").write_text("mine")
    with pytest.raises(FieldError, match="name a new folder"):
        make(seed=1, folder=folder, data=tmp_path / "none")
    assert (folder / "notes.md").read_text() == "mine"
    (folder / "notes.md").unlink()
    save(learned, {}, folder)
    with pytest.raises(FieldError, match="cannot be read"):  # only now does it look for data
        make(seed=1, folder=folder, data=tmp_path / "none")
    assert is_saved(folder)


def test_the_shipped_weights_come_from_the_shipped_data_and_speak_of_a_real_cell():
    card = json.loads((WEIGHTS / "card.json").read_text())
    assert card["data_sha256"] == data_hash()
    assert card["features"] == list(NAMES)
    cell = published_cells()[46]
    said = outlook(load(), cell.until(250))
    assert set(said.soh_ahead) == set(LEADS)
    assert said.soh == pytest.approx(cell.soh[249])
    assert said.soh_by_charge == pytest.approx(cell.measured_soh[249], abs=0.05)
    assert said.cycles_left[0] < cell.end_cycle - 249 < said.cycles_left[2]
    assert said.alarm_cycle is not None


def test_a_cell_without_measured_charging_is_foreseen_too():
    nasa = published_cells()[-1]
    said = outlook(load(), nasa.until(80))
    assert said.soh_by_charge is None
    assert said.cycles_left[0] > 0


def test_too_short_a_past_and_an_unknown_lead_are_refused(learned):
    cell = made_cell("new_1", knee=170, seed=52)
    with pytest.raises(FieldError) as raised:
        outlook(learned, cell.until(59))
    assert raised.value.code == "too_short"
    with pytest.raises(FieldError, match="lead"):
        learned.soh_ahead(trace(cell), np.array([70]), 99)
