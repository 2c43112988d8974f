from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t as student

from domain.errors import FieldError
from forecasting import metrics
from forecasting.quantiles import LEVELS, sample_quantiles

ACTUAL = np.array([1.0, 2.0, np.nan, 5.0])
POINT = np.array([2.0, 2.0, 9.0, 3.0])
NUMBERS = st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)


@st.composite
def cases(draw):
    """Readings (K,), some missing, with ordered quantiles (K, Q)."""
    count = draw(st.integers(1, 12))
    actual = draw(arrays(float, count, elements=st.one_of(NUMBERS, st.just(np.nan))))
    actual[draw(st.integers(0, count - 1))] = draw(NUMBERS)
    return actual, np.sort(draw(arrays(float, (count, len(LEVELS)), elements=NUMBERS)), axis=-1)


def test_point_errors_by_hand():
    assert metrics.mae(ACTUAL, POINT) == pytest.approx((1 + 0 + 2) / 3)
    assert metrics.rmse(ACTUAL, POINT) == pytest.approx(np.sqrt((1 + 0 + 4) / 3))
    assert metrics.nrmse(ACTUAL, POINT) == pytest.approx(np.sqrt(5 / 3) / (8 / 3))
    past = np.array([1.0, 4.0, 2.0, 4.0, 5.0])  # two steps apart: 1, 0, 3
    assert metrics.mase(ACTUAL, POINT, past=past, season=2) == pytest.approx(1.0 / (4 / 3))
    assert metrics.skill(3.0, 4.0) == pytest.approx(0.25)


def test_the_mean_over_series_is_not_the_pooled_error():
    actual, point = np.array([[1.0, 1.0], [9.0, np.nan]]), np.array([[1.0, 1.0], [5.0, 0.0]])
    assert metrics.mean_rmse(actual, point) == pytest.approx((0 + 4) / 2)
    assert metrics.rmse(actual, point) == pytest.approx(np.sqrt(16 / 3))
    actual[1] = np.nan
    with pytest.raises(FieldError, match="no reading of series 1") as caught:
        metrics.mean_rmse(actual, point)
    assert caught.value.code == "no_data"


def test_quantile_errors_by_hand():
    actual = np.array([1.0, 3.0])
    quantiles = np.array([[0.0, 2.0], [1.0, 4.0]])
    losses = metrics.pinball(actual, quantiles, (0.1, 0.6))
    assert losses == pytest.approx([(0.1 * 1 + 0.1 * 2) / 2, (0.4 * 1 + 0.4 * 1) / 2])
    assert metrics.crps(actual, quantiles, (0.1, 0.6)) == pytest.approx(2 * (0.35 * 0.15 + 0.65 * 0.4))
    assert metrics.coverage(ACTUAL, np.array([1.0, 0, 0, 0]), np.array([1.0, 1, 9, 9])) == pytest.approx(
        2 / 3
    )


def test_crps_of_many_levels_nears_that_of_the_uniform_distribution():
    levels = tuple((np.arange(200) + 0.5) / 200)
    quantiles = np.broadcast_to(np.array(levels), (1, 200))
    # for U(0, 1) and y: CRPS = y^2 - y + 1/3
    assert metrics.crps(np.array([0.3]), quantiles, levels) == pytest.approx(0.09 - 0.3 + 1 / 3, abs=1e-4)


@given(cases())
def test_what_always_holds(case):
    actual, quantiles = case
    assert (metrics.pinball(actual, quantiles, LEVELS) >= 0).all()
    point = quantiles[:, 3]
    spike = np.repeat(point[:, None], len(LEVELS), axis=1)
    assert metrics.crps(actual, spike, LEVELS) == pytest.approx(metrics.mae(actual, point))
    assert metrics.mae(actual, point) <= metrics.rmse(actual, point) * (1 + 1e-9)
    assert 0 <= metrics.coverage(actual, quantiles[:, 0], quantiles[:, -1]) <= 1
    found = metrics.reliability(actual, quantiles, LEVELS)
    assert (found.below <= found.at_or_below).all()
    assert (np.diff(found.below) >= 0).all()
    assert found.count == np.isfinite(actual).sum()
    width = metrics.coverage(actual, quantiles[:, 0], quantiles[:, -1])
    assert found.at_or_below[-1] - found.below[0] == pytest.approx(width)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_readings_changes_nothing(case, random):
    actual, quantiles = case
    order = list(range(len(actual)))
    random.shuffle(order)
    for metric in (metrics.mae, metrics.rmse):
        assert metric(actual[order], quantiles[order, 3]) == pytest.approx(metric(actual, quantiles[:, 3]))
    for metric in (metrics.pinball, metrics.crps):
        assert metric(actual[order], quantiles[order], LEVELS) == pytest.approx(
            metric(actual, quantiles, LEVELS)
        )


def test_reliability_by_hand_shows_ties():
    actual = np.array([0.0, 0.0, 3.0, np.nan])
    quantiles = np.array([[0.0, 1.0], [0.0, 0.0], [4.0, 5.0], [9.0, 9.0]])
    found = metrics.reliability(actual, quantiles, (0.2, 0.7))
    assert found.below == pytest.approx([1 / 3, 2 / 3])
    assert found.at_or_below == pytest.approx([1, 1])
    assert found.count == 3


def test_reliability_of_the_true_quantiles_is_the_level():
    rng = np.random.default_rng(5)
    quantiles = np.broadcast_to(np.array(LEVELS), (20_000, len(LEVELS)))
    found = metrics.reliability(rng.random(20_000), quantiles, LEVELS)
    assert found.below == pytest.approx(LEVELS, abs=0.012)  # over 3 standard errors


def test_each_lead_is_scored_alone():
    rng = np.random.default_rng(3)
    actual = rng.normal(size=(2, 5, 4))
    actual[0, 1], actual[..., 2] = np.nan, np.nan
    quantiles = np.sort(rng.normal(size=(2, 5, 4, len(LEVELS))), axis=-1)
    errors = metrics.by_lead(metrics.rmse, actual, quantiles[..., 3])
    assert np.isnan(errors).tolist() == [False, False, True, False]
    assert errors[3] == pytest.approx(metrics.rmse(actual[..., 3], quantiles[..., 3, 3]))
    losses = metrics.by_lead(partial(metrics.crps, levels=LEVELS), actual, quantiles)
    assert losses[0] == pytest.approx(metrics.crps(actual[..., 0], quantiles[..., 0, :], LEVELS))
    inside = metrics.by_lead(metrics.coverage, actual, quantiles[..., 0], quantiles[..., 6])
    assert inside.shape == (4,)
    with pytest.raises(FieldError) as caught:
        metrics.by_lead(metrics.rmse, np.full((3, 2), np.nan), np.zeros((3, 2)))
    assert caught.value.code == "no_data"


QUANTILES = np.zeros((4, 2))
PAIRED = {
    "mae": lambda actual, bad: metrics.mae(actual, bad[:, 0]),
    "rmse": lambda actual, bad: metrics.rmse(actual, bad[:, 0]),
    "nrmse": lambda actual, bad: metrics.nrmse(actual, bad[:, 0]),
    "mase": lambda actual, bad: metrics.mase(actual, bad[:, 0], past=np.arange(4.0), season=1),
    "pinball": lambda actual, bad: metrics.pinball(actual, bad, (0.1, 0.9)),
    "crps": lambda actual, bad: metrics.crps(actual, bad, (0.1, 0.9)),
    "coverage": lambda actual, bad: metrics.coverage(actual, bad[:, 0], bad[:, 1]),
    "reliability": lambda actual, bad: metrics.reliability(actual, bad, (0.1, 0.9)),
}


@pytest.mark.parametrize("name", PAIRED)
def test_nothing_to_compare_and_forecasts_that_are_no_numbers_are_refused(name):
    metric = PAIRED[name]
    for actual in (np.full(4, np.nan), np.empty(0)):
        with pytest.raises(FieldError) as caught:
            metric(actual, QUANTILES[: len(actual)])
        assert (caught.value.field, caught.value.code) == ("actual", "no_data")
    for bad in (np.nan, np.inf):
        broken = QUANTILES.copy()
        broken[3] = bad
        with pytest.raises(FieldError) as caught:
            metric(ACTUAL, broken)
        assert caught.value.code == "not_finite"
        broken[3], broken[2] = 0, bad  # no reading there
        metric(ACTUAL, broken)
    with pytest.raises(FieldError, match="actual") as caught:
        metric(np.array([1.0, 2.0, 3.0, np.inf]), QUANTILES)
    assert caught.value.code == "not_finite"
    with pytest.raises(FieldError, match="shape"):
        metric(ACTUAL, np.zeros((3, 2)))


@pytest.mark.parametrize("levels", [(0.9, 0.1), (0.0, 0.5), (0.5, 0.5), (0.1,)])
def test_levels_that_do_not_fit_are_refused(levels):
    with pytest.raises(FieldError):
        metrics.pinball(ACTUAL, QUANTILES, levels)


def test_a_ratio_to_nothing_is_refused():
    zero = np.zeros(4)
    for ratio in (
        lambda: metrics.nrmse(zero, zero),
        lambda: metrics.mase(zero, zero, past=zero, season=1),
        lambda: metrics.mase(zero, zero, past=zero, season=9),
        lambda: metrics.skill(1.0, 0.0),
    ):
        with pytest.raises(FieldError) as caught:
            ratio()
        assert caught.value.code == "no_scale"


def textbook_test(difference, overlap):
    """Diebold-Mariano as its papers write it, sum by sum; ``difference`` is a list, None where unknown."""
    known = [value for value in difference if value is not None]
    n, mean = len(known), sum(known) / len(known)
    spectrum = 0.0
    for lag in range(overlap):
        total = 0.0
        for now, before in zip(difference[lag:], difference, strict=False):
            if now is not None and before is not None:
                total += (now - mean) * (before - mean)
        spectrum += (1 if lag == 0 else 2) * total / n
    statistic = mean / (spectrum / n) ** 0.5
    statistic *= ((n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n) ** 0.5
    return statistic, 2 * (1 - student.cdf(abs(statistic), n - 1))


@pytest.mark.parametrize("overlap", [1, 2, 6])
@pytest.mark.parametrize("missing", [False, True])
def test_diebold_mariano_agrees_with_the_textbook(overlap, missing):
    rng = np.random.default_rng(overlap)
    difference = np.convolve(rng.normal(size=80), np.ones(overlap), "valid") + 0.4
    if missing:
        difference[[4, 5, 30]] = np.nan
    listed = [None if np.isnan(value) else float(value) for value in difference]
    found = metrics.diebold_mariano(difference, overlap=overlap)
    assert (found.statistic, found.p_value) == pytest.approx(textbook_test(listed, overlap))
    assert found.count == np.isfinite(difference).sum()
    mirrored = metrics.diebold_mariano(-difference, overlap=overlap)
    assert (mirrored.statistic, mirrored.p_value) == pytest.approx((-found.statistic, found.p_value))


def test_diebold_mariano_rejects_equal_forecasts_as_often_as_it_says():
    rng = np.random.default_rng(11)
    shared = np.ones(3)
    p_values = [
        metrics.diebold_mariano(np.convolve(rng.normal(size=200), shared, "valid"), overlap=3).p_value
        for _ in range(1000)
    ]
    assert 0.03 < np.mean(np.array(p_values) < 0.05) < 0.08
    better = [metrics.diebold_mariano(rng.normal(-0.5, 1, 200), overlap=3).p_value for _ in range(50)]
    assert max(better) < 0.01


def test_a_variance_that_equal_weights_make_negative_is_taken_with_bartletts():
    difference = np.array([1.0, -1.0] * 10) + 0.01 * np.arange(20)
    with pytest.raises(TypeError):  # the textbook takes the root of a negative number
        assert textbook_test(difference.tolist(), 2)[0] < 0
    found = metrics.diebold_mariano(difference, overlap=2)
    departures = difference - difference.mean()
    spectrum = (departures @ departures + departures[1:] @ departures[:-1]) / 20  # weights 1, 2 * 1/2
    correction = ((20 + 1 - 4 + 2 / 20) / 20) ** 0.5
    assert found.statistic == pytest.approx(difference.mean() / (spectrum / 20) ** 0.5 * correction)
    assert 0 < found.p_value <= 1


def test_diebold_mariano_refuses_what_it_cannot_judge():
    assert metrics.diebold_mariano(np.zeros(9), overlap=2) == metrics.DieboldMariano(0.0, 1.0, 9)
    for difference, overlap, code in (
        (np.full(9, 0.1), 1, "no_scale"),
        (np.arange(5.0), 5, "too_short"),
        (np.full(9, np.nan), 1, "too_short"),
        (np.array([1.0, np.inf, 2.0]), 1, "not_finite"),
        (np.arange(5.0), 0, "invalid"),
    ):
        with pytest.raises(FieldError) as caught:
            metrics.diebold_mariano(difference, overlap=overlap)
        assert caught.value.code == code


@given(
    st.lists(
        st.lists(st.one_of(NUMBERS, st.just(np.nan)), min_size=5, max_size=5),
        min_size=1,
        max_size=8,
    )
)
def test_sample_quantiles_are_those_of_numpy(rows):
    sample = np.array(rows)
    sample = sample[np.isfinite(sample).any(axis=1)]
    expected = np.nanquantile(sample, LEVELS, axis=1).T if len(sample) else np.empty((0, len(LEVELS)))
    assert np.allclose(sample_quantiles(sample), expected)


def test_sample_quantiles_of_nothing_are_unknown():
    assert np.isnan(sample_quantiles(np.full((2, 3), np.nan))).all()
