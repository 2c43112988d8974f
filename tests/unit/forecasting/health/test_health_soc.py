import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.battery import Battery
from domain.errors import FieldError
from forecasting.health.soc import paths, rank_persistence, soc_paths, soc_quantiles
from forecasting.health.towers import HOURLY, OUTAGES, SITES, Tower, read_towers, soc_forecasts
from forecasting.quantiles import LEVELS

BATTERY = Battery(
    capacity_kwh=16.2,
    max_charge_kw=5.67,
    max_discharge_kw=9.0,
    discharge_efficiency=1 / 1.2,
    soc_min_kwh=2.43,
)


def day_quantiles(hours=24):
    middle = 5 + np.sin(np.arange(hours) / 24 * 2 * np.pi)
    return middle[:, None] + np.array([-1.5, -1.2, -0.6, 0.0, 0.6, 1.2, 1.5])


def charge(net_kw, grid_kw, start=3.0, step_h=1.0):
    return soc_paths(net_kw, grid_kw, BATTERY, soc_initial_kwh=np.array(start), step_h=step_h)


def test_an_outage_is_served_by_the_battery_down_to_its_floor_then_by_the_diesel():
    soc = soc_paths(np.full((1, 4), 3.0), np.zeros(4), BATTERY, soc_initial_kwh=np.array(12.0), step_h=1.0)
    np.testing.assert_allclose(soc[0], [8.4, 4.8, 2.43, 2.43])


def test_sun_and_grid_charge_as_fast_as_the_battery_takes_it_until_it_is_full():
    soc = soc_paths(
        np.array([[2.0, 2.0, -3.0, 7.0]]),
        np.array([8.0, 3.0, 0.0, 8.0]),
        BATTERY,
        soc_initial_kwh=np.array(3.0),
        step_h=1.0,
    )
    np.testing.assert_allclose(soc[0], [8.67, 9.67, 12.67, 13.67])
    full = soc_paths(np.full((1, 9), -9.0), np.zeros(9), BATTERY, soc_initial_kwh=np.array(3.0), step_h=0.5)
    assert full[0, 0] == pytest.approx(3 + 5.67 / 2)
    assert full[0, -1] == 16.2


@given(
    net=st.lists(st.floats(-20, 20), min_size=1, max_size=30),
    grid=st.floats(0, 15),
    start=st.floats(0, 16.2),
)
def test_the_charge_stays_inside_its_limits_and_more_load_never_leaves_more(net, grid, start):
    net_kw = np.array([net, [each + 1 for each in net]])
    soc = soc_paths(net_kw, np.full(len(net), grid), BATTERY, soc_initial_kwh=np.array(start), step_h=1.0)
    assert (soc >= min(start, BATTERY.soc_min_kwh) - 1e-9).all()
    assert (soc <= BATTERY.capacity_kwh + 1e-9).all()
    assert (soc[1] <= soc[0] + 1e-9).all()


def test_paths_have_the_marginals_asked_for_and_ranks_that_last():
    quantiles = day_quantiles()
    drawn = paths(quantiles, persistence=0.8, count=20_000, seed=4)
    inner = slice(1, -1)  # beyond the outer levels, paths stay at them
    np.testing.assert_allclose(np.quantile(drawn, LEVELS[inner], axis=0).T, quantiles[:, inner], atol=0.06)
    kept = [np.corrcoef(drawn[:, t], drawn[:, t + 1])[0, 1] for t in range(23)]
    assert min(kept) > 0.7
    np.testing.assert_array_equal(drawn, paths(quantiles, persistence=0.8, count=20_000, seed=4))


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_how_long_a_departure_lasts_is_learned_from_past_forecasts(persistence):
    quantiles = day_quantiles()
    actual = paths(quantiles, persistence=persistence, count=400, seed=8)
    found = rank_persistence(actual, np.broadcast_to(quantiles, (400, *quantiles.shape)))
    assert found == pytest.approx(persistence, abs=0.06)


def test_longer_departures_make_the_charge_less_certain():
    def width(persistence):
        net = paths(day_quantiles(6), persistence=persistence, count=3000, seed=2)
        soc = soc_paths(net, np.full(6, 4.0), BATTERY, soc_initial_kwh=np.array(12.0), step_h=1.0)
        bounds = soc_quantiles(soc)[-1]
        return bounds[-2] - bounds[1]

    assert width(0.9) > 1.2 * width(0.0)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: paths(day_quantiles()[:, :-1], persistence=0, count=1, seed=1), "quantiles"),
        (lambda: paths(day_quantiles()[:, ::-1], persistence=0, count=1, seed=1), "quantiles"),
        (lambda: paths(day_quantiles() * np.nan, persistence=0, count=1, seed=1), "quantiles"),
        (lambda: paths(day_quantiles(), persistence=1, count=1, seed=1), "persistence"),
        (lambda: paths(day_quantiles(), persistence=0, count=0, seed=1), "count"),
        (lambda: charge(np.ones((2, 3)), np.ones(2)), "net_load_kw"),
        (lambda: charge(np.full((2, 2), np.nan), np.ones(2)), "net_load_kw"),
        (lambda: charge(np.ones((2, 2)), -np.ones(2)), "net_load_kw"),
        (lambda: charge(np.ones((2, 2)), np.ones(2), start=17.0), "soc_initial_kwh"),
        (lambda: charge(np.ones((2, 2)), np.ones(2), step_h=0.0), "step_h"),
        (lambda: rank_persistence(np.zeros((3, 24)), np.zeros((3, 24, 7))), "quantiles"),
    ],
)
def test_what_makes_no_sense_is_refused(call, field):
    with pytest.raises(FieldError) as raised:
        call()
    assert raised.value.field == field


def tower(days=60, seed=3):
    rng = np.random.default_rng(seed)
    hours = np.arange(24)
    load = 4 + np.sin(hours / 24 * 2 * np.pi) + rng.normal(0, 0.5, (days, 24))
    sun = np.maximum(np.sin((hours - 6) / 12 * np.pi), 0) * 6 * rng.uniform(0.3, 1, (days, 1))
    grid = np.tile(np.where((hours >= 17) | (hours < 2), 0.0, 8.0), (days, 1))
    return Tower(name="made", battery=BATTERY, soc_initial_kwh=3.2, load_kw=load, pv_kw=sun, grid_kw=grid)


def test_the_interval_of_the_charge_covers_what_happens_and_beats_yesterday():
    found = soc_forecasts(tower(), seed=1)
    assert found.quantiles.shape == (12, 24, len(LEVELS))
    assert found.uncertain.mean() > 0.1
    assert 0.6 < found.coverage() < 0.95
    median, yesterday = found.mae()
    assert median < yesterday


def test_a_forecast_of_the_charge_knows_nothing_of_its_day():
    known, changed = tower(), tower()
    changed.load_kw[-1] = 9.0
    first, second = soc_forecasts(known, seed=1), soc_forecasts(changed, seed=1)
    np.testing.assert_array_equal(first.quantiles, second.quantiles)
    assert (first.actual[-1] != second.actual[-1]).any()


def test_the_published_files_are_read_as_they_are(tmp_path):
    (tmp_path / SITES).write_text(
        "\ufeffSite Id,diesel power(kW),battery capacity (Ah),rated voltage\uff08V\uff09,"
        "battery charge coefficient,"
        "battery discharge coefficient,init SOC,DOD,grid power(kW),grid outage plan\n"
        "site1,18,300,54,0.35,1.2,0.2,0.15,8,[false true]\n",
        encoding="utf-8",
    )
    (tmp_path / OUTAGES).write_text("site,hour_index,grid_outage\nsite1,0,0\nsite1,1,1\nsite1,2,0\n")
    rows = [f"site1,{day},{hour},{hour}.5,{day}" for day in (1, 2) for hour in range(24)]
    text = "\n".join(["site,day,hour,load_kwh,solar_kwh", *rows])
    (tmp_path / HOURLY).write_bytes(gzip.compress(text.encode()))
    (found,) = read_towers(tmp_path)
    assert found.name == "site1"
    assert found.battery.capacity_kwh == pytest.approx(16.2)
    assert found.battery.max_charge_kw == pytest.approx(5.67)
    assert found.battery.discharge_efficiency == pytest.approx(1 / 1.2)
    assert found.battery.soc_min_kwh == pytest.approx(2.43)
    assert found.soc_initial_kwh == pytest.approx(3.24)
    assert found.load_kw[1, 5] == 5.5
    assert found.pv_kw[1, 5] == 2.0
    assert list(found.grid_kw.ravel()[:7]) == [8, 0, 8, 8, 0, 8, 8]
    (tmp_path / OUTAGES).write_text("site,hour_index,grid_outage\n")
    with pytest.raises(FieldError, match="outage plan"):
        read_towers(tmp_path)
