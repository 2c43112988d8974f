"""The shipped models: their files are what their cards say, and they serve homes they have never seen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from domain.time import TimeGrid
from forecasting.backtest import backtest, rolling_origins
from forecasting.cards import history_digest, load_artefact, read_card
from forecasting.evaluation import score
from forecasting.models import SHIPPED, train
from forecasting.series import DAY, History
from forecasting.shipped import QUANTITIES, hourly, profiles

BUILDINGS = Path(__file__).parents[3] / "data" / "buildings"
DATA, SOURCE = BUILDINGS / "fontana_buildings_01_11.csv.gz", BUILDINGS / "simbench_15min_2016.csv.gz"
COLUMNS = {"load": "load_kwh", "pv": "pv_w_per_kwp"}
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_shipped_model_is_better_than_naive_in_homes_that_it_has_never_seen(quantity):
    (folder,) = SHIPPED.glob(f"*-{quantity}-1h")
    card = read_card(folder)
    assert card.quantity == quantity
    assert card.trained_at <= datetime(2017, 1, 1, tzinfo=UTC)
    model = load_artefact(folder, sha256=card.artefact_sha256)

    table = pd.read_csv(DATA)
    table = table[table["building"].isin([1, 4, 6, 9])]
    wide = table.pivot_table(index="hour_ending_local", columns="building", values=COLUMNS[quantity])
    start = datetime(2017, 1, 1, tzinfo=UTC)  # the year does not matter: no model reads it
    grid = TimeGrid(start, HOUR, 40 * 24)
    first = 200 * 24
    values = wide.to_numpy(dtype=np.float64).T[:, first : first + len(grid)]
    history = History(grid=grid, names=("a", "b", "c", "d"), values=values)
    end = start + 28 * DAY
    past = history.as_of(end)
    naive = train("seasonal_naive", past, trained_at=end, seed=1)
    origins = rolling_origins(end, grid.end - DAY, 5 * HOUR)
    ours, theirs = (
        score(backtest(m, history, origins=origins, horizon=24)) for m in (model.adapted(past, at=end), naive)
    )
    assert ours.pinball < 0.97 * theirs.pinball
    assert ours.rmse < 0.97 * theirs.rmse


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_shipped_model_has_learned_from_the_data_that_ship(quantity):
    card = read_card(SHIPPED / f"lightgbm-{quantity}-1h")
    assert card.data_hash == history_digest(profiles(SOURCE, quantity))


def test_an_hour_is_the_mean_of_its_quarters_and_a_gap_if_one_is():
    values = np.arange(12.0)[None].copy()
    values[0, 9] = np.nan
    quarters = History(TimeGrid(datetime(2016, 1, 1, tzinfo=UTC), HOUR / 4, 12), ("a",), values)
    hours = hourly(quarters)
    assert hours.grid == TimeGrid(quarters.grid.start, HOUR, 3)
    assert np.array_equal(hours.values, [[1.5, 5.5, np.nan]], equal_nan=True)
