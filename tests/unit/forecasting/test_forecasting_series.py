from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.series import History, instant64

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 4, tzinfo=UTC)


def small(**changes):
    given = {
        "grid": TimeGrid(START, HOUR, 4),
        "names": ("a", "b"),
        "values": np.arange(8.0).reshape(2, 4),
    }
    return History(**given | changes)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("names", {"names": ("a", "a")}),
        ("names", {"names": ()}),
        ("values", {"values": np.zeros((2, 5))}),
        ("values", {"values": np.full((2, 4), np.inf)}),
        ("time_zone", {"time_zone": "Mars/Olympus"}),
        ("delay", {"delay": -HOUR}),
        ("available_at", {"available_at": np.zeros((2, 3), dtype="datetime64[us]")}),
        ("exogenous", {"exogenous_names": ("t",)}),
        ("exogenous", {"exogenous_names": ("t",), "exogenous": np.zeros((1, 3))}),
        ("latitude", {"latitude": 1.0}),
    ],
)
def test_a_history_refuses_what_does_not_fit(field, changes):
    with pytest.raises(FieldError) as caught:
        small(**changes)
    assert caught.value.field == field


def test_a_value_is_known_when_its_interval_and_the_delay_are_over():
    history = small(delay=timedelta(minutes=10))
    history.require_available(START + 4 * HOUR + timedelta(minutes=10))
    with pytest.raises(FieldError, match="a at 2024-03-04T03") as caught:
        history.require_available(START + 4 * HOUR)
    assert caught.value.code == "leak"


def test_a_late_reading_leaks_until_it_has_come():
    arrival = small().availability.copy()
    arrival[1, 1] = instant64(START + 9 * HOUR)
    history = small(available_at=arrival)
    with pytest.raises(FieldError, match="b at 2024-03-04T01"):
        history.require_available(START + 4 * HOUR)
    known = history.as_of(START + 4 * HOUR)
    known.require_available(START + 4 * HOUR)
    assert np.isnan(known.values[1, 1])
    assert np.isfinite(known.values).sum() == 7
    assert np.array_equal(history.as_of(START + 9 * HOUR).values, history.values)


def test_exogenous_values_leak_too():
    history = small(exogenous_names=("t",), exogenous=np.ones((1, 4)), values=np.full((2, 4), np.nan))
    with pytest.raises(FieldError, match="t at 2024-03-04T03") as caught:
        history.require_available(START + 3 * HOUR)
    assert caught.value.code == "leak"
    history.as_of(START + 3 * HOUR).require_available(START + 3 * HOUR)


def test_as_of_and_since_cut_all_panels_alike():
    history = small(exogenous_names=("t",), exogenous=np.arange(4.0)[None])
    history = replace(history, available_at=history.availability.copy())
    cut = history.as_of(START + 3 * HOUR + timedelta(minutes=59)).since(START + timedelta(minutes=1))
    assert cut.grid == TimeGrid(START + HOUR, HOUR, 2)
    assert cut.values.tolist() == [[1, 2], [5, 6]]
    assert cut.exogenous is not None
    assert cut.exogenous.tolist() == [[1, 2]]
    assert cut.available_at is not None
    assert cut.available_at.shape == (2, 2)
    assert history.since(START - HOUR).grid == history.grid
    for refused in (
        lambda: history.as_of(START + timedelta(minutes=59)),
        lambda: history.since(history.grid.end),
    ):
        with pytest.raises(FieldError):
            refused()
