"""Training of the learned planner: what it may learn from, that it repeats itself, and that it learns."""

from datetime import date, timedelta

import numpy as np
import pytest

from ess.corridor import can_be_met
from ess.days import VALIDATE_FROM, home_days
from ess.learned import l2o_training
from ess.learned.l2o import layers_of, plan_with
from ess.learned.l2o_figures import figures_on
from ess.learned.l2o_mixture import mixture, quarter_hours
from ess.learned.l2o_training import Run, train
from ess.learned.weights import data_hash, load_card, load_weights

RUN = Run(pools=4, batch=128, width=16)  # the fourth is of quarter hours


@pytest.fixture(scope="module")
def measured():
    return home_days(VALIDATE_FROM - timedelta(days=9), VALIDATE_FROM - timedelta(days=1)).problem


@pytest.fixture(autouse=True)
def small(monkeypatch, measured):
    monkeypatch.setattr(l2o_training, "POOL", 512)
    monkeypatch.setattr(l2o_training, "SAVED_EVERY", 1)
    monkeypatch.setattr(l2o_training, "validation_days", lambda: {"some": mixture(measured, 60, seed=1)})
    monkeypatch.setattr(l2o_training, "unseen_days", lambda: {"some": mixture(measured, 60, seed=2)})


def trained(run, folder):
    train(run, checkpoint=folder / "checkpoint.pt", logs=folder / "logs", folder=folder)
    return load_weights("l2o", folder)


def test_every_day_of_the_mixture_can_be_met_and_the_seed_decides_it(measured):
    days = mixture(measured, 600, seed=3)
    assert can_be_met(days).all()
    assert np.isfinite(days.import_limit_kw).any()
    assert (days.sell <= days.buy).all()
    assert (days.degradation_cost_per_kwh > 0).any()
    assert data_hash([days]) == data_hash([mixture(measured, 600, seed=3)])
    assert data_hash([days]) != data_hash([mixture(measured, 600, seed=4)])


def test_quarter_hours_are_the_same_days_in_finer_steps(measured):
    days = mixture(measured, 300, seed=3)
    quarters = quarter_hours(days, seed=4)
    assert (quarters.shape, quarters.step_h) == ((300, 96), 0.25)
    assert can_be_met(quarters).all()
    assert np.array_equal(quarters.buy[:, ::4], days.buy)
    assert quarters.load_kw.mean() == pytest.approx(days.load_kw.mean(), rel=0.1)
    assert (quarters.load_kw[:, 0] != quarters.load_kw[:, 1]).any()


def test_no_day_to_choose_or_to_show_is_learned_from(monkeypatch, tmp_path):
    asked = []

    def recorded(first, last):
        asked.append((first, last))
        return home_days(last - timedelta(days=3), last)

    monkeypatch.setattr(l2o_training, "home_days", recorded)
    trained(RUN, tmp_path)
    assert [last for _, last in asked] == [VALIDATE_FROM - timedelta(days=1)]
    assert date(2016, 8, 15) <= asked[0][0]


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(monkeypatch, tmp_path):
    whole = trained(RUN, tmp_path / "whole")
    learn, calls = l2o_training._Learner.pool, []

    def stopping(self, number):
        calls.append(number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return learn(self, number)

    monkeypatch.setattr(l2o_training._Learner, "pool", stopping)
    with pytest.raises(KeyboardInterrupt):
        trained(RUN, tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "l2o.safetensors").exists()
    resumed = trained(RUN, tmp_path / "stopped")
    assert calls == [0, 1, 2, 2, 3]
    for key, values in whole.items():
        assert np.array_equal(values, resumed[key]), key
    assert list((tmp_path / "whole" / "logs").glob("events*"))
    card = load_card("l2o", tmp_path / "whole")
    assert card["seed"] == 0
    assert card["data_sha256"] == load_card("l2o", tmp_path / "stopped")["data_sha256"]
    assert set(card["test"]) == {"some", "pooled"}


def test_training_lessens_what_is_lost(tmp_path, measured):
    days = {"days": mixture(measured, 300, seed=77)}
    losses = [
        figures_on(days, lambda problem, arrays=arrays: plan_with(layers_of(arrays), problem))["days"].lost
        for arrays in (
            trained(Run(pools=pools, batch=64, width=32), tmp_path / str(pools)) for pools in (1, 12)
        )
    ]
    assert losses[1] < 0.6 * losses[0]
