"""Demand-response baselines."""

from datetime import date

import numpy as np
import pytest

from domain.errors import FieldError
from pricing.baseline import BaselineRule, baseline, similar_days

HISTORY = np.array([[1.0, 1.0, 2.0, 2.0], [2.0, 2.0, 5.0, 3.0], [3.0, 3.0, 4.0, 4.0]])
EVENT, WINDOW = slice(2, 4), slice(0, 2)


def estimate(today, history=HISTORY, window=WINDOW, **rule):
    rule = BaselineRule(**{"high": 2, **rule})
    return baseline(history, np.array(today, dtype=float), event=EVENT, window=window, rule=rule)


def test_the_days_of_most_use_in_the_event_are_averaged():
    result = estimate([2.5, 2.5, 0, 0])
    assert result.days == (1, 2)
    assert result.baseline_kwh.tolist() == [4.5, 3.5]
    assert result.reduction_kwh(np.array([4.0, 4.0])).tolist() == [0.5, -0.5]


def test_between_equal_days_the_later_counts():
    assert estimate([0, 0, 0, 0], high=1).days == (2,)


@pytest.mark.parametrize(("window", "adjustment"), [(2.6, 0.1), (2.4, -0.1), (9.0, 0.8), (0.0, -0.8)])
def test_adjustment_is_symmetric_and_capped(window, adjustment):
    result = estimate([window, window, np.nan, np.nan])
    assert result.adjustment_kwh == pytest.approx(adjustment)
    assert result.baseline_kwh == pytest.approx(np.array([4.5, 3.5]) + adjustment)


def test_the_cap_is_a_size_for_exporting_members_too():
    assert estimate([9, 9, 0, 0], history=-HISTORY).adjustment_kwh > 0


def test_similar_days_skip_weekends_and_excluded_days():
    days = [date(2026, 6, d) for d in range(1, 16)]
    chosen = similar_days(days, date(2026, 6, 15), excluded={date(2026, 6, 11)}, count=3)
    assert chosen == [date(2026, 6, 9), date(2026, 6, 10), date(2026, 6, 12)]
    assert similar_days(days, date(2026, 6, 14), excluded=(), count=2) == [
        date(2026, 6, 7),
        date(2026, 6, 13),
    ]
    assert similar_days(days[:2], date(2026, 6, 15), excluded=(), count=5) == days[:2]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"today": [1.0, 1.0]}, "history_kwh"),
        ({"today": [np.nan, 1.0, 0, 0]}, "history_kwh"),
        ({"high": 4}, "history_kwh"),
        ({"high": 0}, "high"),
        ({"cap": -0.1}, "cap"),
        ({"window": slice(1, 3)}, "window"),
        ({"window": slice(0, 0)}, "window"),
    ],
)
def test_bad_input_is_refused_by_name(change, field):
    with pytest.raises(FieldError) as caught:
        estimate(**{"today": [1.0, 1.0, 0, 0], **change})
    assert caught.value.field == field
