from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.calendar import clock_of
from forecasting.features import Recipe, build
from forecasting.series import DAY, History, instant64
from forecasting.sun import clear_sky
from forecasting.vista import Vista

START = datetime(2024, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOISE = History(
    TimeGrid(START, HOUR, 504),
    ("a", "b"),
    np.random.default_rng(4).gamma(2, 1, (2, 504)),
    exogenous_names=("t",),
    exogenous=np.random.default_rng(5).normal(size=(1, 504)),
)


def column(features, name):
    return features.table[..., features.names.index(name)]


def test_lags_are_the_values_that_their_names_say(homes):
    history = homes()
    origin = 300
    features = build(Vista.at(history, np.array([origin])), np.array([[0, 5, 23]]))
    scale = np.abs(history.values[:, :origin]).mean(axis=1)
    assert np.allclose(features.scale[:, 0], scale)
    for k, lead in enumerate((0, 5, 23)):
        target = origin + lead
        same = history.values[:, [target - 24 * day for day in range(1, 8)]] / scale[:, None]
        assert np.allclose(column(features, "same_1")[:, 0, k], same[:, 0], rtol=1e-6)
        assert np.allclose(column(features, "week_1")[:, 0, k], same[:, 6], rtol=1e-6)
        assert np.allclose(column(features, "same_mean")[:, 0, k], same.mean(axis=1), rtol=1e-6)
        assert np.allclose(column(features, "same_max")[:, 0, k], same.max(axis=1), rtol=1e-6)
        assert np.allclose(features.base[:, 0, k], (same[:, 0] + same.mean(axis=1)) / 2)
    assert np.allclose(
        column(features, "recent_0")[:, 0, 1], history.values[:, origin - 1] / scale, rtol=1e-6
    )
    assert np.allclose(
        column(features, "day_mean")[:, 0, 0],
        history.values[:, origin - 24 : origin].mean(axis=1) / scale,
        rtol=1e-6,
    )


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_what_runs_an_hour_a_day_is_as_large_at_any_time(minutes):
    step = timedelta(minutes=minutes)
    steps = np.arange(40 * DAY // step)
    used = np.where(steps % (DAY // step) // (HOUR // step) == 18, 2.0, 0.0)
    history = History(TimeGrid(START, step, len(steps)), ("heater",), used[None])
    origins = np.arange(35 * DAY // step, 36 * DAY // step)
    scale = build(Vista.at(history, origins), np.zeros((len(origins), 1), dtype=np.int64)).scale
    assert scale == pytest.approx(2 / 24, rel=0.2)


def test_the_past_hours_are_told_by_mean_extremes_spread_and_steps(homes):
    history = homes()
    origin = 300
    features = build(Vista.at(history, np.array([origin])), np.array([[4]]))
    past = history.values[:, origin - 24 : origin] / features.scale

    def found(name):
        return column(features, name)[:, 0, 0]

    assert np.allclose(found("half_mean"), past[:, -12:].mean(axis=1), rtol=1e-5)
    assert np.allclose(found("quarter_max"), past[:, -6:].max(axis=1), rtol=1e-5)
    assert np.allclose(found("quarter_min"), past[:, -6:].min(axis=1), rtol=1e-5)
    assert np.allclose(found("quarter_std"), past[:, -6:].std(axis=1), rtol=1e-5)
    assert np.allclose(found("step"), past[:, -1] - past[:, -2], atol=1e-5)
    day_before = history.values[:, origin - 25] / features.scale[:, 0]
    assert np.allclose(found("day_step"), past[:, -1] - day_before, atol=1e-5)


def test_what_followed_on_past_days_is_added_to_the_newest_value(homes):
    history = homes(days=40)
    origin, lead = 24 * 32 + 5, 3
    features = build(Vista.at(history, np.array([origin])), np.array([[lead]]))
    now, target = origin - 1, origin + lead

    def after(days):
        return (
            history.values[:, now]
            + history.values[:, target - 24 * days]
            - history.values[:, now - 24 * days]
        )

    def found(name):
        return column(features, name)[:, 0, 0] * features.scale[:, 0]

    for days in (1, 2, 7):
        assert np.allclose(found(f"onward_{days}"), after(days), rtol=1e-5)
    assert np.allclose(
        found("onward_mean"), np.mean([after(days) for days in range(1, 8)], axis=0), rtol=1e-5
    )
    assert np.allclose(found("onward_weeks"), np.mean([after(7 * w) for w in range(1, 5)], axis=0), rtol=1e-5)
    assert np.allclose(found("then_1_2"), history.values[:, now - 24 - 2], rtol=1e-5)
    assert np.allclose(found("then_week_1"), history.values[:, now - 24 * 7 - 1], rtol=1e-5)


@pytest.mark.parametrize("month", [3, 11])  # summer time begins on 10 March, and ends on 3 November 2024
def test_the_same_time_on_past_days_is_that_of_the_wall_clock(month):
    grid = TimeGrid(datetime(2024, month, 1, tzinfo=UTC), HOUR, 21 * 24)
    zone = ZoneInfo("America/Los_Angeles")
    hour = np.array([(grid.start + k * grid.step).astimezone(zone).hour for k in range(len(grid))])
    history = History(grid, ("a",), 1.0 + hour[None], time_zone=str(zone))
    origins, leads = np.arange(8 * 24, 18 * 24), np.arange(24)
    features = build(Vista.at(history, origins), np.broadcast_to(leads, (len(origins), 24)))
    there = hour[origins[:, None] + leads]
    moved_past = (there > 2) & (leads < 23)  # March has a day without 2 o'clock; of 23 h not all is known
    for days in (1, 3, 7):
        same = column(features, f"same_{days}")[0] * features.scale[0][:, None] - 1
        assert np.allclose(same[moved_past], there[moved_past], atol=1e-4)
    weekly = column(features, "week_1")[0] * features.scale[0][:, None] - 1
    assert np.allclose(weekly[there > 2], there[there > 2], atol=1e-4)


def test_pv_keeps_no_summer_time():
    assert clock_of("load", "Europe/Berlin") == "Europe/Berlin"
    assert clock_of("pv", "Europe/Berlin") == "UTC"


def test_a_delay_moves_every_lag_back(homes):
    history = homes(delay=timedelta(hours=2))
    features = build(Vista.at(history, np.array([300])), np.array([[22, 21]]))
    unit = features.scale[:, 0]
    assert np.allclose(column(features, "recent_0")[:, 0, 0], history.values[:, 297] / unit, rtol=1e-6)
    assert np.allclose(column(features, "same_1")[:, 0, 0], history.values[:, 322 - 48] / unit, rtol=1e-6)
    assert np.allclose(column(features, "same_1")[:, 0, 1], history.values[:, 321 - 24] / unit, rtol=1e-6)


@given(origin=st.integers(1, 500), seed=st.integers(0, 9))
def test_nothing_after_the_origin_changes_a_feature(origin, seed):
    rng = np.random.default_rng(seed)
    changed = NOISE.values.copy()
    changed[:, origin:] = rng.normal(size=changed[:, origin:].shape)
    exogenous = NOISE.exogenous.copy()
    exogenous[:, origin:] = rng.normal(size=exogenous[:, origin:].shape)
    leads = np.arange(24)[None]
    one = build(Vista.at(NOISE, np.array([origin])), leads)
    two = build(Vista.at(replace(NOISE, values=changed, exogenous=exogenous), np.array([origin])), leads)
    assert np.array_equal(one.table, two.table, equal_nan=True)
    assert np.array_equal(one.base, two.base)


def test_a_feature_that_reaches_into_the_future_raises():
    vista = Vista.at(NOISE, np.array([100]))
    assert vista.take(np.array([[99]])).shape == (2, 1, 1)
    for take in (vista.take, vista.take_exogenous):
        with pytest.raises(FieldError) as caught:
            take(np.array([[100]]))
        assert caught.value.code == "leak"
    with pytest.raises(FieldError):
        build(vista, np.array([[-1]]))


def test_a_reading_that_came_late_is_a_gap_until_it_is_there():
    arrival = NOISE.availability.copy()
    arrival[0, 99] = instant64(START + timedelta(hours=103))
    history = replace(NOISE, available_at=arrival)
    features = build(Vista.at(history, np.array([100, 103])), np.array([[0], [0]]))
    assert np.isnan(column(features, "recent_0")[0, 0, 0])
    assert np.isfinite(column(features, "recent_0")[1, 0, 0])
    late = column(features, "recent_2").copy()
    assert np.isnan(late[0, 0]).sum() == 0
    known = Vista.at(history, np.array([103])).take(np.array([[99]]))
    assert known[0, 0, 0] == NOISE.values[0, 99]


def test_a_gap_leaves_the_means_of_what_is_known():
    values = NOISE.values.copy()
    values[0, 300 - 24] = np.nan
    features = build(Vista.at(replace(NOISE, values=values), np.array([300])), np.array([[0]]))
    same = values[0, [300 - 24 * day for day in range(2, 8)]] / features.scale[0, 0]
    assert np.isnan(column(features, "same_1")[0, 0, 0])
    assert column(features, "same_mean")[0, 0, 0] == pytest.approx(same.mean(), rel=1e-6)
    assert features.base[0, 0, 0] == pytest.approx(same.mean())


def test_the_calendar_is_local_and_follows_daylight_saving():
    history = replace(NOISE, grid=TimeGrid(datetime(2024, 3, 30, tzinfo=UTC), HOUR, 504))
    history = replace(history, time_zone="Europe/Berlin")
    features = build(Vista.at(history, np.array([24])), np.array([[0, 1, 22]]))  # 31 March, 00:00 UTC on
    assert column(features, "hour")[0, 0].tolist() == [1, 3, 0]
    assert column(features, "weekday")[0, 0].tolist() == [6, 6, 0]
    assert column(features, "weekend")[0, 0].tolist() == [1, 1, 0]


def test_the_sun_stands_where_almanacs_say():
    instants = np.array(["2024-06-20T12:00", "2024-12-21T12:00", "2024-03-20T00:00"], dtype="datetime64[us]")
    sine, clear = clear_sky(instants, latitude=51.48, longitude=0.0)
    assert np.degrees(np.arcsin(sine)) == pytest.approx([61.95, 15.1, -38.5], abs=0.3)
    assert 0.85 < clear[0] < 0.95
    assert 0.1 < clear[1] < 0.25
    assert clear[2] == 0


def test_holidays_and_the_time_of_year_are_features_where_they_are_known():
    vista = Vista.at(replace(NOISE, country="US"), np.array([240]))
    features = build(vista, np.arange(24)[None], Recipe(annual=True))
    assert {"holiday_0", "holiday_-7", "year_sin_1"} <= set(features.names)
    assert not {"holiday_0", "year_sin_1"} & set(
        build(Vista.at(NOISE, np.array([240])), np.arange(24)[None]).names
    )


def test_the_past_day_of_a_driver_is_a_feature():
    features = build(Vista.at(NOISE, np.array([240])), np.array([[0]]))
    past = NOISE.exogenous[0, 216:240]
    found = {
        name: column(features, f"t_{name}")[0, 0, 0]
        for name in ("newest", "before", "quarter_mean", "day_mean")
    }
    expected = {
        "newest": past[-1],
        "before": past[-2],
        "quarter_mean": past[-6:].mean(),
        "day_mean": past.mean(),
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_yesterdays_share_of_a_clear_sky_is_a_feature():
    history = replace(NOISE, latitude=-8.05, longitude=-34.9)
    vista, leads = Vista.at(history, np.array([240])), np.arange(24)[None]
    _, clear = clear_sky(history.starts + np.timedelta64(30, "m"), latitude=-8.05, longitude=-34.9)
    sunny = replace(history, values=np.broadcast_to(3 * clear, history.values.shape))
    features = build(Vista.at(sunny, vista.origins), leads)
    assert np.allclose(
        column(features, "clear_share")[0, 0] * features.scale[0, 0], 3 * clear[240:264], atol=0.01
    )


def test_the_sun_is_a_feature_where_the_place_is_known():
    history = replace(NOISE, latitude=-8.05, longitude=-34.9)
    sun = column(build(Vista.at(history, np.array([240])), np.arange(24)[None]), "sun")[0, 0]
    assert sun.argmax() in (14, 15)  # noon at Recife is 14:20 UTC
    assert sun.max() > 0.95
