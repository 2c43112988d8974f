from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.calendar import calendar
from forecasting.series import History

HOUR = timedelta(hours=1)
EMPTY = History(TimeGrid(datetime(2021, 12, 1, tzinfo=UTC), HOUR, 24), ("a",), np.zeros((1, 24)))


def instants(*texts):
    return np.array(texts, dtype="datetime64[us]")


def test_holidays_are_those_of_the_local_day():
    history = replace(EMPTY, time_zone="America/Sao_Paulo", country="BR")
    starts = instants("2021-12-25T02:00", "2021-12-25T03:00", "2021-12-26T03:00", "2022-01-01T12:00")
    columns = calendar(history, starts, annual=False)
    assert columns["holiday_0"].tolist() == [0.5, 1, 0, 1]  # Christmas Eve is optional
    assert columns["holiday_-1"].tolist() == [0, 0.5, 1, 0.5]
    assert columns["holiday_1"].tolist() == [1, 0, 0, 0]
    assert columns["holiday_-7"].tolist() == [0, 0, 0, 1]


def test_a_history_without_a_country_has_no_holidays():
    assert not any(name.startswith("holiday") for name in calendar(EMPTY, EMPTY.starts, annual=False))


def test_an_unknown_country_is_refused():
    with pytest.raises(FieldError, match="country"):
        replace(EMPTY, country="ZZ")


def test_the_time_of_year_turns_once_a_year():
    starts = instants("2021-01-01T00:00", "2021-07-02T12:00", "2021-12-31T23:00")
    columns = calendar(EMPTY, starts, annual=True)
    assert columns["year_cos_1"] == pytest.approx([1, -1, 1], abs=0.01)
    assert columns["year_cos_2"] == pytest.approx([1, 1, 1], abs=0.01)
