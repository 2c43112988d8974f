import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.health.conformal import FOLDS, Bands, fold_of, held_out
from forecasting.health.features import trace
from forecasting.health.learners import Process
from forecasting.health.life import Life
from forecasting.health.state import StateNow
from tests.unit.forecasting.health.made import made_cell


def test_every_group_is_spread_over_the_folds():
    groups = ["a"] * 10 + ["b"] * 2
    fold = fold_of(groups, 5, seed=3)
    assert sorted(fold[:10]) == sorted([*range(5)] * 2)
    assert fold[10] != fold[11]
    assert (fold == fold_of(groups, 5, seed=3)).all()


def test_no_cell_is_judged_by_a_model_that_has_seen_it(made_cells):
    traces = [trace(cell) for cell in made_cells]
    seen = held_out(
        traces,
        lambda some: {each.cell.name for each in some},
        lambda names, each: (each.cell.name, names),
        seed=1,
    )
    assert [name for name, _ in seen] == [cell.name for cell in made_cells]
    assert all(
        name not in names and len(names) >= len(made_cells) - 1 - len(made_cells) // FOLDS
        for name, names in seen
    )


def test_bands_cover_new_cells_as_often_as_they_say_and_widen_where_errors_are_larger():
    rng = np.random.default_rng(1)

    def lot(count):
        said = [rng.uniform(0, 3, 40) for _ in range(count)]
        return said, [each + rng.normal(0, 0.1 + each) * rng.uniform(0.5, 1.5) for each in said]

    bands = Bands.fit(*lot(150))
    said, truth = (np.concatenate(each) for each in lot(400))
    low, high = bands.around(said)
    assert ((truth >= low) & (truth <= high)).mean() == pytest.approx(0.8, abs=0.03)
    width = bands.high - bands.low
    assert width[0] < width[1] < width[2]


def test_a_cell_with_many_cycles_does_not_decide_the_bands():
    steady = [np.zeros(50)] * 20
    truth = [*(np.linspace(-1, 1, 50) for _ in range(19)), np.full(5000, 9.0)]
    bands = Bands.fit([*steady[:19], np.zeros(5000)], truth)
    assert bands.high.max() < 1.5


def test_too_few_cells_for_an_interval_are_refused():
    with pytest.raises(FieldError, match="at least"):
        Bands.fit([np.zeros(3)] * 4 + [np.empty(0)], [np.zeros(3)] * 4 + [np.empty(0)])


def test_a_process_learns_a_smooth_function_and_takes_the_unknown_as_the_usual():
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (300, 2))
    y = 2 + np.sin(x[:, 0] / 2)
    process = Process.fit(x, y)
    new = rng.normal(0, 1, (200, 2))
    assert np.abs(process.predict(new) - 2 - np.sin(new[:, 0] / 2)).mean() < 0.1 * y.std()
    unknown = process.predict(np.array([[1.0, np.nan]]))
    assert unknown == pytest.approx(process.predict(np.array([[1.0, np.median(x[:, 1])]])), abs=1e-3)


def test_one_charge_tells_the_state_of_a_cell_never_seen(made_cells):
    state = StateNow.fit(made_cells[:-1], seed=1)
    cell = made_cells[-1]
    assert np.sqrt(np.mean((state.predict(cell) - cell.measured_soh) ** 2)) < 0.3 * cell.measured_soh.std()


def test_without_worn_cells_or_charges_there_is_nothing_to_learn_from():
    healthy = [made_cell(f"a_{i}", knee=900, seed=i) for i in range(3)]
    with pytest.raises(FieldError, match="end of life"):
        Life.fit([trace(cell) for cell in healthy], seed=1)
    for cell in healthy:
        cell.charge[:] = np.nan
    with pytest.raises(FieldError, match="charging"):
        StateNow.fit(healthy, seed=1)
