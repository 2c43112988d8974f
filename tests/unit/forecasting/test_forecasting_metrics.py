import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FieldError
from forecasting import metrics
from forecasting.quantiles import LEVELS, sample_quantiles

ACTUAL = np.array([1.0, 2.0, np.nan, 5.0])
POINT = np.array([2.0, 2.0, 9.0, 3.0])


def test_point_errors_by_hand():
    assert metrics.mae(ACTUAL, POINT) == pytest.approx((1 + 0 + 2) / 3)
    assert metrics.rmse(ACTUAL, POINT) == pytest.approx(np.sqrt((1 + 0 + 4) / 3))
    assert metrics.nrmse(ACTUAL, POINT) == pytest.approx(np.sqrt(5 / 3) / (8 / 3))
    past = np.array([1.0, 4.0, 2.0, 4.0, 5.0])  # two steps apart: 1, 0, 3
    assert metrics.mase(ACTUAL, POINT, past=past, season=2) == pytest.approx(1.0 / (4 / 3))


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


def test_a_ratio_to_nothing_is_refused():
    zero = np.zeros(4)
    with pytest.raises(FieldError):
        metrics.nrmse(zero, zero)
    with pytest.raises(FieldError):
        metrics.mase(zero, zero, past=zero, season=1)


@given(
    st.lists(
        st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(np.nan)), min_size=5, max_size=5),
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
