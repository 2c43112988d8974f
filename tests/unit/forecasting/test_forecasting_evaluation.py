from dataclasses import astuple, replace
from datetime import timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting import evaluation, metrics
from forecasting.backtest import Backtest
from forecasting.evaluation import against, aligned, compare, score
from forecasting.series import instant64

HOUR = timedelta(hours=1)
NORMAL = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])


@pytest.fixture
def said(homes):
    """A backtest whose centres are off by noise of ``sigma``, from origins ``every`` so many hours."""
    history = homes(days=24)

    def build(sigma=0.2, seed=1, every=4, horizon=8, first=18 * 24):
        rng = np.random.default_rng(seed)
        origins = np.arange(first, len(history.grid) - horizon + 1, every)
        actual = history.values[:, origins[:, None] + np.arange(horizon)]
        centre = actual + rng.normal(0, sigma, actual.shape)
        return Backtest(
            history=history,
            issued_at=instant64(history.grid.start) + origins * np.timedelta64(HOUR),
            quantiles=centre[..., None] + sigma * NORMAL,
            actual=actual,
        )

    return build


def test_a_score_pools_series_and_skips_what_has_no_reading_or_no_forecast(said):
    result = said()
    actual, quantiles = result.actual.copy(), result.quantiles.copy()
    actual[0, :3] = np.nan
    quantiles[1, 5, 2] = np.nan
    result = replace(result, actual=actual, quantiles=quantiles)
    error = actual - quantiles[..., 3]
    found = score(result)
    assert found.count == actual.size - 3 * 8 - 1
    assert found.mae == pytest.approx(np.nanmean(np.abs(error)))
    assert found.rmse == pytest.approx(np.sqrt(np.nanmean(error**2)))
    assert found.mean_rmse == pytest.approx(np.sqrt(np.nanmean(error**2, axis=(1, 2))).mean())
    past = result.history.values[:, : 18 * 24]
    assert found.mase == pytest.approx(found.mae / np.abs(past[:, 24:] - past[:, :-24]).mean())
    assert 0.7 < found.coverage_80 < 0.9
    assert score(result, 2).rmse == pytest.approx(np.sqrt(np.nanmean(error[..., 2] ** 2)))
    by_lead = metrics.by_lead(
        metrics.rmse,
        np.where(result.answered, result.actual, np.nan),
        np.where(np.isnan(quantiles[..., 3]), 0, quantiles[..., 3]),
    )
    assert by_lead.tolist() == [score(result, lead).rmse for lead in range(8)]


def test_a_silent_meter_does_not_count_and_no_reading_at_all_is_refused(said):
    result = said()
    actual = result.actual.copy()
    actual[2] = np.nan
    alone = score(replace(result, actual=actual))
    assert alone.mean_rmse < alone.rmse * 1.1
    assert alone.count == actual[:2].size
    with pytest.raises(FieldError) as caught:
        score(replace(result, actual=np.full_like(actual, np.nan)))
    assert caught.value.code == "no_data"


def test_ratios_to_nothing_are_unknown_and_shown_as_dashes(said):
    result = said()
    history = replace(result.history, values=np.zeros_like(result.history.values))
    still = replace(result, history=history, actual=np.zeros_like(result.actual))
    found = compare({"still": still})
    assert np.isnan([found.rows[0].score.nrmse, found.rows[0].score.mase]).all()
    assert " - " in evaluation.as_text(found)


def test_models_are_compared_on_what_all_of_them_forecast(said):
    poor, good = said(sigma=0.4, seed=1), said(sigma=0.1, seed=2)
    quantiles = good.quantiles.copy()
    quantiles[0, :2] = np.nan
    found = compare({"good": replace(good, quantiles=quantiles), "seasonal_naive": poor})
    assert found.left_out == 16
    assert [row.model for row in found.rows] == ["good", "seasonal_naive"]
    assert {row.score.count for row in found.rows} == {good.actual.size - 16}
    better, reference = found.rows
    assert better.skill == pytest.approx(1 - better.score.rmse / reference.score.rmse)
    assert better.p_squared < 0.001
    assert better.p_absolute < 0.001
    assert (reference.skill, reference.p_squared, reference.p_absolute) == (0, 1, 1)
    assert compare({"a": good, "b": poor}).reference == "a"


def test_the_text_has_a_line_a_model_with_columns_below_each_other(said):
    found = compare({"seasonal_naive": said(sigma=0.4), "better": said(sigma=0.1, seed=2)})
    head, *body, blank, note = evaluation.as_text(found).splitlines()
    assert [line.split()[0] for line in (head, *body)] == ["model", "seasonal_naive", "better"]
    assert len({len(line) for line in (head, *body)}) == 1
    assert f"{found.rows[1].score.rmse:.5g}" in body[1].split()
    assert not blank
    assert note.startswith(f"{found.rows[0].score.count} readings. ")


def test_only_the_same_intervals_can_be_compared(said):
    result = said()
    shifted = replace(result, issued_at=result.issued_at + np.timedelta64(HOUR))
    others = (said(every=8), said(horizon=6), shifted, replace(result, actual=result.actual + 1))
    for other in others:
        with pytest.raises(FieldError, match="b: does not forecast the same intervals as a"):
            aligned({"a": result, "b": other})
    with pytest.raises(FieldError, match="reference"):
        compare({"a": result}, reference="b")
    with pytest.raises(FieldError):
        compare({})
    with pytest.raises(FieldError):
        aligned({})


@pytest.mark.parametrize(("every", "overlap"), [(1, 8), (4, 2), (5, 2), (8, 1), (12, 1)])
def test_the_test_allows_for_errors_that_overlap(said, every, overlap):
    one, other = said(seed=1, every=every), said(seed=2, every=every)
    difference = np.square(one.actual - one.quantiles[..., 3]) - np.square(
        other.actual - other.quantiles[..., 3]
    )
    expected = metrics.diebold_mariano(difference.mean(axis=(0, 2)), overlap=overlap)
    assert astuple(against(one, other)) == pytest.approx(astuple(expected))


def test_late_readings_lengthen_the_overlap(said):
    one, other = said(seed=1), said(seed=2)
    late = [replace(result, history=replace(result.history, delay=4 * HOUR)) for result in (one, other)]
    difference = np.abs(one.actual - one.quantiles[..., 3]) - np.abs(other.actual - other.quantiles[..., 3])
    expected = metrics.diebold_mariano(difference.mean(axis=(0, 2)), overlap=3)  # (8 + 4) / 4
    assert astuple(against(*late, loss="absolute")) == pytest.approx(astuple(expected))


def test_too_few_origins_leave_the_p_value_unknown(said):
    few = {name: said(seed=seed, first=23 * 24 + 12) for seed, name in enumerate(("a", "b"))}
    short = {
        name: replace(
            result,
            issued_at=result.issued_at[:1],
            quantiles=result.quantiles[:, :1],
            actual=result.actual[:, :1],
        )
        for name, result in few.items()
    }
    assert np.isnan(compare(short).rows[1].p_squared)
    with pytest.raises(FieldError) as caught:
        against(short["a"], short["b"])
    assert caught.value.code == "too_short"
