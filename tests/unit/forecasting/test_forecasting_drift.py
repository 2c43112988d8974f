"""Drift that was planted is found; where nothing changed, alarms are as rare as they claim."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.backtest import Backtest, backtest, rolling_origins
from forecasting.drift import (
    daily_losses,
    error_drift,
    input_drift,
    mean_above_zero,
    stability_index,
)
from forecasting.quantiles import LEVELS

WEEK = 7 * 24


def neighbours(rng, n, dependence):
    """Noise whose neighbours depend on each other, as losses of forecasts that overlap do."""
    noise = rng.normal(size=n + 1)
    return noise[1:] + dependence * noise[:-1]


@pytest.mark.parametrize(("n", "dependence", "most"), [(7, 0.0, 0.065), (14, 0.0, 0.065), (7, 0.5, 0.1)])
def test_chance_is_taken_for_an_effect_as_often_as_the_level_says(n, dependence, most):
    rng = np.random.default_rng(1)
    p_values = [mean_above_zero(neighbours(rng, n, dependence)) for _ in range(1500)]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < most


def test_an_effect_is_found():
    rng = np.random.default_rng(2)
    assert mean_above_zero(1 + 0.2 * rng.normal(size=7)) < 0.001
    assert mean_above_zero(-1 + 0.2 * rng.normal(size=7)) > 0.99
    assert mean_above_zero(np.ones(4)) == 0
    assert mean_above_zero(np.zeros(4)) == 1


def test_the_statistic_is_that_of_the_published_formula():
    """By hand: n = 5, one lag with weight 1/2, factor (n + 1 - 2h + h(h - 1)/n) / n with h = 2."""
    values = np.array([3.0, 1.0, 2.0, 4.0, 0.0])
    centred = [1.0, -1.0, 0.0, 2.0, -2.0]
    variance = sum(c * c for c in centred) / 5
    variance += 2 * 0.5 * sum(a * b for a, b in pairwise(centred)) / 5
    statistic = 2.0 / (variance / 5) ** 0.5 * ((5 + 1 - 4 + 2 / 5) / 5) ** 0.5
    # Student's distribution function with four degrees of freedom in closed form
    z = statistic / (4 + statistic**2) ** 0.5
    expected = 0.5 - 0.25 * z * (3 - z**2)
    assert mean_above_zero(values) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("values", [np.ones(2), np.array([1.0, np.nan, 1.0, 1.0])])
def test_too_few_days_or_a_gap_are_refused_by_name(values):
    with pytest.raises(FieldError, match="values"):
        mean_above_zero(values)
    with pytest.raises(FieldError, match="recent"):
        error_drift(np.ones(7), values)


def test_errors_that_doubled_raise_the_alarm_and_errors_as_before_none():
    rng = np.random.default_rng(3)

    def alarms(ratio):
        return np.mean(
            [
                error_drift(np.exp(0.2 * rng.normal(size=14)), ratio * np.exp(0.2 * rng.normal(size=7))).alarm
                for _ in range(300)
            ]
        )

    assert alarms(1.0) == 0
    assert alarms(1.2) < 0.02  # the margin itself
    assert alarms(2.2) > 0.9
    drift = error_drift(np.full(5, 2.0), np.full(5, 5.0))
    assert (drift.ratio, drift.p_value, drift.alarm) == (2.5, 0.0, True)
    assert not error_drift(np.zeros(5), np.zeros(5)).alarm
    assert error_drift(np.zeros(5), np.ones(5)).alarm


def test_the_stability_index_is_the_sum_over_classes():
    """By hand: four classes of the reference and one for gaps, half a count added to each."""
    reference = np.arange(1.0, 9.0)
    recent = np.array([1.0, 1.0, 1.0, 8.0, np.nan])
    p = (np.array([2, 2, 2, 2, 0]) + 0.5) / 10.5
    q = (np.array([3, 0, 0, 1, 1]) + 0.5) / 7.5
    assert stability_index(reference, recent, bins=4) == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert stability_index(reference, reference) == 0
    assert np.isfinite(stability_index(np.full(5, np.nan), recent))
    assert np.isfinite(stability_index(np.zeros(9), np.ones(9)))


def weather(rng, n, days, *, night=False):
    """Series with a daily rhythm and spells of several days, which are nobody's drift."""
    hours = np.arange(days * 24)
    rhythm = np.sin(2 * np.pi * hours / 24)
    spells = np.zeros((n, days))
    for day in range(1, days):
        spells[:, day] = 0.6 * spells[:, day - 1] + 0.15 * rng.normal(size=n)
    shape = np.where(rhythm > 0, rhythm, 0) if night else 1 + 0.6 * rhythm
    return shape * np.exp(spells.repeat(24, axis=1)) * rng.gamma(8, 1 / 8, (n, days * 24))


def found(values):
    names = tuple(f"home {i}" for i in range(len(values)))
    return input_drift(names, values, recent_steps=WEEK)


@pytest.mark.parametrize("night", [False, True])
@pytest.mark.parametrize("n", [3, 8])
def test_stationary_series_raise_no_alarm(n, night):
    rng = np.random.default_rng(4)
    assert np.mean([found(weather(rng, n, 42, night=night)).alarm for _ in range(60)]) < 0.04


def test_a_shift_of_half_the_homes_is_found_and_named():
    values = weather(np.random.default_rng(5), 4, 42)
    values[:2, -WEEK:] *= 1.8
    drift = found(values)
    assert drift.alarm
    assert {"home 0", "home 1"} <= set(drift.drifted)
    assert all(drift.index[name] > drift.bound[name] for name in drift.drifted)


def test_one_home_on_holiday_raises_no_alarm():
    values = weather(np.random.default_rng(6), 6, 42)
    values[3, -WEEK:] *= 0.2
    drift = found(values)
    assert drift.drifted == ("home 3",)
    assert not drift.alarm


def test_readings_that_stay_away_are_drift():
    values = weather(np.random.default_rng(7), 3, 42)
    values[:, -WEEK::2] = np.nan
    assert found(values).drifted == ("home 0", "home 1", "home 2")


def test_a_past_too_short_to_know_what_is_usual_is_refused():
    with pytest.raises(FieldError) as caught:
        found(weather(np.random.default_rng(8), 2, 20))
    assert caught.value.code == "too_short"


def test_daily_losses_are_pinball_by_day_of_issue(homes, trained):
    history = homes(days=25)
    model = trained("seasonal_naive", history.as_of(history.grid.start + timedelta(days=20)))
    origins = rolling_origins(model.trained_at, history.grid.end - timedelta(days=1), timedelta(hours=6))
    result = backtest(model, history, origins=origins, horizon=24)
    losses = daily_losses(result)
    assert len(losses) == 5
    miss = result.actual[:, 4:8, :, None] - result.quantiles[:, 4:8]
    tau = np.array(LEVELS)
    assert losses[1] == pytest.approx(np.where(miss > 0, tau * miss, (tau - 1) * miss).mean())
    none_known = Backtest(
        result.history,
        result.issued_at,
        result.quantiles,
        np.where(np.arange(len(origins))[:, None] // 4 == 2, np.nan, result.actual),
    )
    assert np.isnan(daily_losses(none_known)).tolist() == [False, False, True, False, False]
