from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.models import MODELS, load_model, train
from forecasting.series import instant64

HOUR = timedelta(hours=1)
every_model = pytest.mark.parametrize("name", sorted(MODELS))


def predict(model, history, horizon=24):
    return model.predict(history, issued_at=history.grid.end + history.delay, horizon=horizon)


def powers(forecasts):
    return np.stack([forecast.power_kw for forecast in forecasts])


def test_naive_says_yesterday(homes, trained):
    history = homes()
    forecasts = predict(trained("seasonal_naive", history), history)
    assert np.array_equal(powers(forecasts)[..., 3], history.values[:, -24:])
    assert forecasts[0].model == "seasonal_naive"
    assert forecasts[0].grid == TimeGrid(history.grid.end, HOUR, 24)
    assert forecasts[0].available_at == history.grid.end


def test_naive_goes_back_a_day_more_where_yesterday_is_unknown(homes, trained):
    history = homes()
    values = history.values.copy()
    values[0, -5] = np.nan
    median = powers(predict(trained("seasonal_naive", history), replace(history, values=values)))[..., 3]
    assert median[0, 19] == values[0, -29]
    assert median[1, 19] == values[1, -5]


def test_naive_bands_hold_the_share_they_claim(homes, trained):
    history = homes(n=1, days=80)
    model = trained("seasonal_naive", history.as_of(history.grid.start + timedelta(days=30)))
    inside = []
    for day in range(30, 79):
        issued_at = history.grid.start + timedelta(days=day)
        band = model.predict(history.as_of(issued_at), issued_at=issued_at, horizon=24)[0].power_kw
        actual = history.values[0, day * 24 : day * 24 + 24]
        inside.append((actual >= band[:, 1]) & (actual <= band[:, 5]))
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)


def test_trees_beat_the_naive_model_on_what_can_be_learnt(homes, trained):
    history = homes(days=28)
    past = history.as_of(history.grid.end - timedelta(days=1))
    actual = history.values[:, -24:]
    error = {
        name: np.abs(powers(predict(trained(name, past), past))[..., 3] - actual).mean() for name in MODELS
    }
    assert error["lightgbm"] < 0.85 * error["seasonal_naive"]


@every_model
def test_a_leak_raises(name, homes, trained):
    history = homes()
    model = trained(name, history)
    assert predict(model, history)
    early = history.grid.end - timedelta(minutes=1)
    for leak in (
        lambda: train(name, history, trained_at=early, seed=1),
        lambda: model.predict(history, issued_at=early, horizon=24),
        lambda: model.predict(
            history.as_of(early), issued_at=early, horizon=24
        ),  # the model itself has seen more
    ):
        with pytest.raises(FieldError) as caught:
            leak()
        assert caught.value.code == "leak"


@every_model
def test_a_reading_still_on_its_way_raises_and_as_of_makes_it_a_gap(name, homes, trained):
    history = homes()
    model = trained(name, history)
    arrival = history.availability.copy()
    arrival[1, -1] = instant64(history.grid.end + HOUR)
    history = replace(history, available_at=arrival)
    with pytest.raises(FieldError, match="home 1"):
        predict(model, history)
    forecasts = predict(model, history.as_of(history.grid.end))
    assert forecasts[1].available_at == history.grid.end - HOUR
    assert forecasts[0].available_at == history.grid.end


@every_model
def test_the_first_interval_is_the_one_under_way(name, homes, trained):
    history = homes()
    issued_at = history.grid.end + timedelta(minutes=20)
    forecast = trained(name, history).predict(history, issued_at=issued_at, horizon=3)[0]
    assert forecast.grid.start == history.grid.end
    assert forecast.lead_time(0) == -timedelta(minutes=20)
    assert np.array_equal(forecast.power_kw, predict(trained(name, history), history, 3)[0].power_kw)


@every_model
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.floats(0, 0.9), st.integers(1, 24), st.sampled_from([-1, 1])),
)
def test_quantiles_never_cross_nor_change_sign(name, homes, trained, seed, shape):
    gaps, horizon, sign = shape
    history = homes()
    rng = np.random.default_rng(seed)
    values = sign * rng.gamma(0.3, 2, history.values.shape)
    values[rng.random(values.shape) < gaps] = np.nan
    forecasts = trained(name, history).forecast_known(
        replace(history, values=values), issued_at=history.grid.end, horizon=horizon
    )
    assert gaps > 0 or list(forecasts) == list(history.names)
    for forecast in forecasts.values():
        assert forecast.power_kw.shape == (horizon, 7)
        assert (np.diff(forecast.power_kw, axis=1) >= 0).all()
        assert (sign * forecast.power_kw >= 0).all()


@every_model
def test_the_week_does_not_matter(name, homes, trained):
    history = homes()
    later = replace(history, grid=TimeGrid(history.grid.start + timedelta(weeks=5), HOUR, len(history.grid)))
    model = trained(name, history)
    assert np.array_equal(powers(predict(model, history)), powers(predict(model, later)))


def test_the_naive_model_scales_with_its_series(homes, trained):
    history = homes()
    model = trained("seasonal_naive", history)
    tenfold = replace(history, values=10 * history.values)
    assert np.allclose(powers(predict(model, tenfold)), 10 * powers(predict(model, history)))


@every_model
def test_a_series_is_forecast_alike_in_any_company(name, homes, trained):
    history = homes()
    model = trained(name, history)
    alone = replace(history, names=history.names[1:2], values=history.values[1:2])
    assert np.allclose(predict(model, alone)[0].power_kw, predict(model, history)[1].power_kw)


@every_model
def test_a_saved_model_says_the_same(name, homes, trained, tmp_path):
    history = homes()
    model = trained(name, history)
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert type(again) is type(model)
    assert again.trained_at == model.trained_at
    assert np.array_equal(powers(predict(again, history)), powers(predict(model, history)))
    assert {path.suffix for path in (tmp_path / "model").rglob("*.*")} <= {".json", ".txt", ".safetensors"}


def test_a_member_of_the_hybrid_forecasts_by_itself(homes, trained):
    history = homes()
    for member in trained("hybrid", history).members:
        said = powers(predict(member, history))
        assert np.isfinite(said).all()
        assert (said[..., 5] > said[..., 1]).all()


def test_a_seed_decides_what_is_drawn(homes):
    history = homes(n=2, days=10)
    one, same, other = (
        predict(train("lightgbm", history, trained_at=history.grid.end, seed=seed), history)
        for seed in (7, 7, 8)
    )
    assert np.array_equal(powers(one), powers(same))
    assert not np.array_equal(powers(one), powers(other))


def test_a_site_of_which_nothing_is_known_has_no_forecast(homes, trained):
    history = homes()
    values = history.values.copy()
    values[1, -8 * 24 :] = np.nan
    silent = replace(history, values=values)
    for name in MODELS:
        model = trained(name, history)
        forecasts = model.forecast_known(silent, issued_at=history.grid.end, horizon=24)
        assert list(forecasts) == ["home 0", "home 2"]
        with pytest.raises(FieldError, match="home 1") as caught:
            predict(model, silent)
        assert caught.value.code == "no_data"


def test_a_site_that_uses_nothing_is_expected_to_use_nothing(homes, trained):
    history = homes()
    values = history.values.copy()
    values[1] = 0
    for name in MODELS:
        assert (powers(predict(trained(name, history), replace(history, values=values)))[1] == 0).all()


@every_model
def test_readings_a_day_late_are_served(name, homes, trained):
    history = homes(delay=timedelta(days=1))
    median = powers(predict(trained(name, history), history))[..., 3]
    assert np.isfinite(median).all()
    if name == "seasonal_naive":
        assert np.array_equal(median, history.values[:, -24:])


@pytest.mark.parametrize(
    ("value", "hours", "days", "logarithmic"),
    [(-0.5, 0, 0, True), (-0.5, 1, 1, True), (-0.5, 1, 40, False), (0.0, 1, 9, True), (0.0, 3, 100, False)],
    ids=["never", "negative by a fault", "often negative", "seldom nothing", "nothing each night"],
)
def test_trees_learn_logarithms_of_what_is_positive(  # noqa: PLR0913, PLR0917 - a row of the table
    homes, trained, value, hours, days, logarithmic
):
    history = homes(n=1, days=100)
    values = history.values.copy()
    for hour in range(hours):
        values[:, hour : 24 * days : 24] = value
    history = replace(history, values=values)
    model = trained("lightgbm", history)
    assert model.logarithmic == logarithmic
    said = powers(predict(model, history))[..., 3]
    usual = values.reshape(1, -1, 24).mean(axis=1)
    assert np.abs(said - usual).mean() < 0.25 * usual.mean()


def test_what_a_model_cannot_do_it_refuses(homes, trained):
    history = homes()
    model = trained("lightgbm", history)
    for history_, horizon, field in (
        (history, 25, "horizon"),
        (history, 0, "horizon"),
        (homes(step=HOUR / 2), 24, "history"),
        (replace(history, latitude=1.0, longitude=2.0), 24, "history"),
    ):
        with pytest.raises(FieldError) as caught:
            predict(model, history_, horizon)
        assert caught.value.field == field
    with pytest.raises(FieldError, match="seasonal_naive, linear"):
        train("oracle", history, trained_at=history.grid.end, seed=1)


@pytest.mark.parametrize("days", [1, 2])
def test_too_short_a_history_teaches_nothing(homes, days):
    history = homes(n=1, days=days)
    history.values[:, 24:] = np.nan
    with pytest.raises(FieldError) as caught:
        train("lightgbm", history, trained_at=history.grid.end, seed=1)
    assert caught.value.code == "too_short"


def test_quarter_hours_and_exogenous_series(homes, trained, tmp_path):
    history = homes(n=2, days=8, step=HOUR / 4)
    driver = np.sin(np.arange(len(history.grid)) / 50)[None]
    history = replace(history, exogenous_names=('temp [C], "air": {}',), exogenous=driver)
    model = trained("lightgbm", history)
    said = powers(predict(model, history, 96))
    assert said.shape == (2, 96, 7)
    assert 'temp [C], "air": {}_newest' in model.features
    model.save(tmp_path / "model")
    assert np.array_equal(powers(predict(load_model(tmp_path / "model"), history, 96)), said)
