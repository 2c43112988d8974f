import copy
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.features import Recipe, build
from forecasting.models import neural
from forecasting.models.base import Model, resolved
from forecasting.models.located import Lesson, Located
from forecasting.models.lstm import LSTM
from forecasting.models.network import channels
from forecasting.models.sequence import Patches, past_weeks, patch_calendar
from forecasting.models.transformer import Transformer
from forecasting.vista import Vista

HOUR = timedelta(hours=1)
TINY = {"steps": 40, "width": 8, "rows": 4_000, "learning_rate": 0.003}
every_network = pytest.mark.parametrize("kind", [LSTM, Transformer])


def fit(kind, history, horizon=24, seed=1, **settings):
    return kind.fit(
        history,
        trained_at=history.grid.end + history.delay,
        horizon=horizon,
        seed=seed,
        settings=resolved(kind.SETTINGS, TINY | settings),
    )


@pytest.fixture(scope="module")
def fitted(homes):
    """A tiny network of each kind, trained once, which tests may only read."""
    made = {}

    def build_once(kind):
        if kind not in made:
            made[kind] = fit(kind, homes())
        return made[kind]

    return build_once


def median(model: Model, history, horizon=24):
    forecasts = model.predict(history, issued_at=history.grid.end + history.delay, horizon=horizon)
    return np.stack([forecast.power_kw for forecast in forecasts])[..., 3]


def centre(model: Located, history, origins, horizon):
    seen = model.views(Vista.at(history, origins), horizon)
    return np.concatenate([model.centre(vista, features) for vista, features in seen], axis=1)


def unusual_evenings(homes, rng):
    """Evenings are low, middling or high by chance; mornings are low after a middling one, else high."""
    history = homes(n=6, days=40)
    evening = rng.integers(-1, 2, (6, 41))
    morning = 2 * np.abs(evening) - 1
    days = 3 + np.where(np.arange(24) < 12, morning[:, :-1, None], evening[:, 1:, None])
    return replace(history, values=days.reshape(6, -1) + rng.normal(0, 0.1, (6, 40 * 24)))


@every_network
def test_what_no_guess_tells_is_learnt(kind, homes):
    history = unusual_evenings(homes, np.random.default_rng(5))
    end = history.grid.start + timedelta(days=32)
    chosen = resolved(
        kind.SETTINGS, TINY | {"steps": 200, "width": 16, "learning_rate": 0.005, "dropout": 0.1}
    )
    model = kind.learn(Lesson(history.as_of(end), end, 8, 1, chosen, Recipe()), None)
    midnights = np.arange(32, 40) * 24
    vista = Vista.at(history, midnights)
    leads = np.broadcast_to(np.arange(8), (8, 8))
    features = build(vista, leads, model.recipe)
    actual = history.values[:, midnights[:, None] + leads[0]]
    guess = model.anchor.guess(features, leads) * features.scale[..., None]
    assert np.abs(model.centre(vista, features) - actual).mean() < 0.75 * np.abs(guess - actual).mean()


@every_network
def test_training_departs_from_the_guess(kind, fitted, homes):
    history, model = homes(), fitted(kind)
    vista = Vista.at(history, np.array([200, 300]))
    leads = np.broadcast_to(np.arange(24), (2, 24))
    features = build(vista, leads, model.recipe)
    guess = model.anchor.guess(features, leads) * features.scale[..., None]
    assert not np.allclose(model.centre(vista, features), guess)
    silent = copy.deepcopy(model.network)
    for last in (silent.curved, silent.straight):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    assert np.allclose(replace(model, network=silent).centre(vista, features), guess)


@every_network
def test_any_width_will_do(kind, homes):
    history = homes()
    assert np.isfinite(median(fit(kind, history, steps=20, width=9), history)).all()


@every_network
def test_a_saved_network_says_the_same(kind, fitted, homes, tmp_path):
    history, model = homes(), fitted(kind)
    model.save(tmp_path)
    before = torch.get_rng_state()
    again = kind.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", "weights.safetensors"}
    assert (again.steps, again.features, again.settings) == (model.steps, model.features, model.settings)
    assert np.allclose(median(again, history), median(model, history), rtol=1e-4)
    weights, restored = model.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(weights[name], restored[name]) for name in weights)


@every_network
def test_a_seed_decides_and_the_callers_randomness_and_threads_stay(kind, homes):
    history = homes(n=1, days=8)
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = median(fit(kind, history, seed=7, steps=20), history)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    torch.manual_seed(4)
    assert np.array_equal(median(fit(kind, history, seed=7, steps=20), history), one)
    assert not np.array_equal(median(fit(kind, history, seed=8, steps=20), history), one)


@every_network
def test_a_series_is_forecast_alike_in_any_company(kind, fitted, homes):
    history = homes()
    alone = replace(history, names=history.names[1:2], values=history.values[1:2])
    together = median(fitted(kind), history)
    assert np.allclose(median(fitted(kind), alone)[0], together[1], rtol=1e-5)
    spoilt = history.values.copy()
    spoilt[0] *= 1e6
    spoilt[2] = np.nan
    spoilt[2, -30:] = 1.0
    assert np.allclose(median(fitted(kind), replace(history, values=spoilt))[1], together[1], rtol=1e-5)


@every_network
def test_more_leads_and_origins_change_nothing(kind, fitted, homes):
    history = homes()
    origins = np.array([200, 301, 400])
    all_at_once = centre(fitted(kind), history, origins, 24)
    assert np.allclose(centre(fitted(kind), history, origins[1:2], 3)[:, 0], all_at_once[:, 1, :3], rtol=1e-5)


@every_network
def test_gaps_late_readings_and_negative_series(kind, homes):
    history = homes(n=2, days=9, delay=timedelta(hours=30))
    values = -history.values
    values[0, 40:90] = np.nan
    values[1, -80:] = np.nan
    history = replace(history, values=values)
    said = median(fit(kind, history, horizon=6), history, 6)
    assert said.shape == (2, 6)
    assert np.isfinite(said).all()
    assert (said <= 0).all()


@every_network
def test_nothing_stays_nothing_and_the_unknown_unknown(kind, fitted, homes):
    history = homes()
    values = history.values.copy()
    values[1] = 0.0
    values[2, -8 * 24 :] = np.nan
    said = centre(fitted(kind), replace(history, values=values), np.array([len(history.grid)]), 24)
    assert np.isfinite(said[0]).all()
    assert (said[1] == 0).all()
    assert np.isnan(said[2]).all()


@every_network
def test_quarter_hours_other_series_and_one_step_ahead(kind, homes):
    history = homes(n=2, days=4, step=HOUR / 4)
    driver = np.sin(np.arange(len(history.grid)) / 50)[None]
    history = replace(history, exogenous_names=("temperature",), exogenous=driver)
    model = fit(kind, history, horizon=96, steps=20)
    assert "temperature_newest" in model.features
    assert median(model, history, 96).shape == (2, 96)
    assert median(fit(kind, history, horizon=1, steps=20), history, 1).shape == (2, 1)


@every_network
def test_other_features_than_learnt_are_refused(kind, fitted, homes):
    with pytest.raises(FieldError, match="features") as caught:
        median(fitted(kind), replace(homes(), latitude=1.0, longitude=2.0))
    assert caught.value.field == "history"


@every_network
def test_too_short_a_history_teaches_nothing(kind, homes):
    with pytest.raises(FieldError) as caught:
        fit(kind, homes(n=1, days=2))
    assert caught.value.code == "too_short"
    assert np.isfinite(median(fit(kind, homes(n=1, days=7)), homes(n=1, days=7))).all()


@every_network
def test_every_later_training_takes_a_tenth_more_steps(kind, homes, monkeypatch):
    history = homes(n=2, days=10)
    chosen = resolved(kind.SETTINGS, TINY | {"steps": 400})
    lesson = Lesson(history, history.grid.end, 4, 1, chosen, Recipe.of(history))
    trial = kind.learn(lesson, None)
    taken = []
    train = neural._trained

    def counting(network, lessons, settings, steps):
        taken.append(steps)
        return train(network, lessons, settings, steps)

    monkeypatch.setattr(neural, "_trained", counting)
    again = kind.learn(lesson, trial)
    kind.learn(lesson, again)
    assert trial.steps < 400
    assert taken == [int(trial.steps * 1.1) + 1] * 2
    assert again.steps == trial.steps


def test_channels_are_departures_from_the_week_and_from_the_time_of_day():
    hour = torch.arange(24.0)
    week = (hour + torch.tensor([0.0, 0, 0, 6, 0, 0, 0])[:, None]).flatten()[None].clone()
    week[0, 5] = torch.nan
    level, anomaly, known = channels(week, 24)
    assert known.sum() == 167
    assert level[0, 5] == anomaly[0, 5] == 0
    assert level.sum().abs() < 1e-3
    usual = torch.full((7, 24), -6 / 7)
    usual[3] = 6 * 6 / 7
    usual[:, 5] = torch.tensor([0.0, -1, -1, 5, -1, -1, -1])
    assert torch.allclose(anomaly[0].reshape(7, 24), usual, atol=1e-5)


def test_the_week_is_seen_oldest_first_with_its_calendar(homes):
    history = homes(n=1, days=10, country="DE")
    vista = Vista.at(history, np.array([8 * 24 + 5, 3 * 24]))
    week = past_weeks(vista, np.array([[2.0, 0.0]]))
    assert np.allclose(week[0, 0], history.values[0, 29 : 8 * 24 + 5] / 2)
    assert np.isnan(week[0, 1, : 4 * 24]).all()
    assert np.allclose(week[0, 1, 4 * 24 :], history.values[0, : 3 * 24])
    patches = Patches.of(history, 4)
    assert (patches.steps, patches.count) == (6, 28)
    clock = patch_calendar(vista, patches)
    assert clock.shape == (2, 28, 11)
    weekday = clock[..., 4:].argmax(axis=-1)
    starts = 8 * 24 + 5 - 6 * np.arange(28, 0, -1)
    assert np.array_equal(weekday[0], starts // 24 % 7)
    assert np.allclose(clock[0, :, 0], np.sin(2 * np.pi * (starts % 24) / 24), atol=1e-6)
    easter = replace(history, grid=TimeGrid(history.grid.start + timedelta(weeks=3), HOUR, len(history.grid)))
    days = patch_calendar(Vista.at(easter, np.array([8 * 24])), patches)[0, :, 3].reshape(7, 4)
    assert np.array_equal(days[:, 0], [0, 0, 0, 1, 0, 0, 1])
