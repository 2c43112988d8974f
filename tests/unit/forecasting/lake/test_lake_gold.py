"""Gold: features that look back only, and the panel that models read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lake_files import NOW, layer

from domain.errors import FieldError
from forecasting.lake.engines import Engine
from forecasting.lake.history import read_history
from forecasting.lake.ingest import ingest
from forecasting.lake.store import Store

HOURS, MISSING = 24 * 10, (30, 31, 32, 100)


@pytest.fixture
def values(tmp_path: Path, lake: Store, duckdb_engine: Engine) -> np.ndarray:
    """Two meters' hours, some absent, as they were ingested."""
    found = np.random.default_rng(5).gamma(2, 100, (2, HOURS)).round(1)
    rows = ["meter_id,start_utc,energy_wh"]
    times = pd.date_range("2022-12-28", periods=HOURS, freq="h").strftime("%Y-%m-%dT%H:%MZ")
    for meter, series in zip("AB", found, strict=True):
        rows += [f"{meter},{times[hour]},{series[hour]}" for hour in range(HOURS) if hour not in MISSING]
    path = tmp_path / "meters.csv"
    path.write_text("\n".join(rows) + "\n")
    ingest([path], dataset="meter_1h", lake=lake, engine=duckdb_engine, now=NOW)
    found[:, MISSING] = np.nan
    return found


def test_features_are_those_of_the_past(values: np.ndarray, lake: Store) -> None:
    gold = layer(lake, "meter_1h", "gold")
    for meter, series in zip("AB", values, strict=True):
        rows = gold[gold.series == meter]
        past = pd.Series(series)
        before = past.shift(1)
        expected = {
            "value": past,
            "lag_1": before,
            "lag_day": past.shift(24),
            "lag_week": past.shift(24 * 7),
            "mean_day": before.rolling(24, min_periods=1).mean(),
            "mean_week": before.rolling(24 * 7, min_periods=1).mean(),
            "filled": past.ffill(),
        }
        for name, want in expected.items():
            np.testing.assert_allclose(rows[name], want, rtol=1e-9, err_msg=name)
        starts = rows.start_utc.dt
        assert list(rows.hour) == list(starts.hour)
        assert list(rows.weekday) == list(starts.day_of_week)
        assert list(rows.month) == list(starts.month)


def test_what_was_carried_forward_says_so(values: np.ndarray, lake: Store) -> None:
    gold = layer(lake, "meter_1h", "gold")
    rows = gold[gold.series == "A"].reset_index(drop=True)
    assert list(rows.index[rows.is_gap]) == list(MISSING)
    assert list(rows.method[list(MISSING)]) == ["carried_forward"] * 4
    assert list(rows.age_steps[[29, *MISSING]]) == [0, 1, 2, 3, 1]
    assert set(rows.method.drop(list(MISSING))) == {"published"}
    assert values.shape == (2, len(rows))


def test_years_are_partitions(values: np.ndarray, lake: Store) -> None:
    for name in ("silver", "gold"):
        [version] = lake.names(f"{name}/dataset=meter_1h")
        assert lake.names(f"{name}/dataset=meter_1h/{version}") == ["year=2022", "year=2023"]
    assert values.size


def test_a_history_has_gaps_where_nothing_was_published(values: np.ndarray, lake: Store) -> None:
    history = read_history(lake, dataset="meter_1h", quantity="energy_wh")
    assert history.names == ("A", "B")
    assert history.grid.start.isoformat() == "2022-12-28T00:00:00+00:00"
    np.testing.assert_array_equal(history.values, values)
    one = read_history(lake, dataset="meter_1h", quantity="energy_wh", series=["B"])
    np.testing.assert_array_equal(one.values, values[1:])


def test_a_history_of_what_is_not_there_is_refused(values: np.ndarray, lake: Store) -> None:
    assert values.size
    with pytest.raises(FieldError, match="does not have C"):
        read_history(lake, dataset="meter_1h", quantity="energy_wh", series=["A", "C"])
    with pytest.raises(FieldError, match="no series of 'power_kw'"):
        read_history(lake, dataset="meter_1h", quantity="power_kw")
    with pytest.raises(FieldError, match="has not been ingested"):
        read_history(lake, dataset="meter_5min", quantity="energy_wh")


def test_a_dataset_of_which_nothing_was_kept_has_no_history(
    tmp_path: Path, lake: Store, duckdb_engine: Engine
) -> None:
    path = tmp_path / "meters.csv"
    path.write_text("meter_id,start_utc,energy_wh\nA,yesterday,5\n")
    ingest([path], dataset="meter_1h", lake=lake, engine=duckdb_engine, now=NOW)
    with pytest.raises(FieldError, match="no line of meter_1h was kept"):
        read_history(lake, dataset="meter_1h", quantity="energy_wh")
