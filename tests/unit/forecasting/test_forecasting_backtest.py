from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from forecasting.backtest import backtest, rolling_origins
from forecasting.models import MODELS, train

HOUR = timedelta(hours=1)


@pytest.fixture
def case(homes):
    history = homes(days=24)
    train_end = history.grid.start + timedelta(days=18)
    return history, train_end, rolling_origins(train_end, history.grid.end, 7 * HOUR)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_backtest_says_what_was_said_at_the_time(name, case, trained):
    history, train_end, origins = case
    model = trained(name, history.as_of(train_end))
    result = backtest(model, history, origins=origins, horizon=12)
    assert result.quantiles.shape == (3, len(origins), 12, 7)
    for index in (0, 5, len(origins) - 1):
        then = model.predict(history.as_of(origins[index]), issued_at=origins[index], horizon=12)
        assert np.allclose(result.quantiles[:, index], np.stack([forecast.power_kw for forecast in then]))
    start = (origins[5] - history.grid.start) // HOUR
    assert np.array_equal(result.actual[:, 5], history.values[:, start : start + 12])
    assert np.isnan(result.actual[:, -1, -1]).all()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_what_comes_later_changes_nothing(name, case, trained):
    history, train_end, origins = case
    model = trained(name, history.as_of(train_end))
    values = history.values.copy()
    values[:, (origins[3] - history.grid.start) // HOUR :] = 1e6
    result = backtest(model, history, origins=origins, horizon=24)
    changed = backtest(model, replace(history, values=values), origins=origins, horizon=24)
    assert np.array_equal(result.quantiles[:, :4], changed.quantiles[:, :4])
    assert not np.array_equal(result.quantiles[:, 4], changed.quantiles[:, 4])


def test_origins_before_the_end_of_training_raise(case):
    history, train_end, origins = case
    model = train("seasonal_naive", history.as_of(train_end), trained_at=train_end, seed=1)
    with pytest.raises(FieldError) as caught:
        backtest(model, history, origins=[train_end - HOUR, *origins], horizon=24)
    assert caught.value.code == "leak"
    with pytest.raises(FieldError):
        backtest(model, history, origins=[], horizon=24)
