"""A home's physics: energy balances to the Wh, whatever is commanded and however time is cut up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.home import Command, Home, HomeState, Registers
from demo.replay import HomeEnergy
from domain.battery import Battery

START = datetime(2026, 6, 15, 7, tzinfo=UTC)
STEP = timedelta(hours=1)
BATTERY = Battery(6.4, 5.0, 5.0, 0.9487, 0.9487, 0.5)

kwh = st.floats(0, 20, allow_nan=False)
commands = st.one_of(
    st.none(),
    st.builds(
        lambda sequence, start_min, length_min, bounds, target: Command(
            sequence, sequence,
            START + timedelta(minutes=start_min), START + timedelta(minutes=start_min + length_min),
            min(bounds), max(bounds), target,
        ),
        st.integers(0, 9), st.integers(-60, 200), st.integers(1, 120),
        st.tuples(st.floats(-9, 9), st.floats(-9, 9)), st.floats(-9, 9),
    ),
)  # fmt: skip


def home(*energies: tuple[float, float], battery: Battery | None = BATTERY) -> Home:
    rows = [HomeEnergy(*energy) for energy in energies]
    return Home(battery, STEP, lambda start: rows[(start - START) // STEP % len(rows)])


def live(home: Home, state: HomeState, until: datetime):
    metered = []
    for lived, interval in home.advance(state, until):
        state = lived
        metered += [interval] if interval else []
    return state, metered


@given(
    energies=st.lists(st.tuples(kwh, kwh), min_size=1, max_size=4),
    soc=st.floats(0, 6.4),
    command=commands,
    cuts=st.lists(st.integers(1, 239), max_size=6, unique=True).map(sorted),
    battery=st.sampled_from([BATTERY, None]),
)
def test_the_meters_balance_to_the_wh(energies, soc, command, cuts, battery):
    house = home(*energies, battery=battery)
    state, metered = HomeState(START, soc_kwh=soc, command=command), []
    for cut in [*cuts, 240]:
        state, more = live(house, state, START + timedelta(minutes=cut))
        metered += more
    assert [m.start for m in metered] == [START + at * STEP for at in range(4)]
    for at, m in enumerate(metered):
        assert m.load_wh == (m.grid_import_wh - m.grid_export_wh + m.pv_wh + m.discharge_wh - m.charge_wh)
        assert min(m.grid_import_wh, m.grid_export_wh, m.pv_wh, m.charge_wh, m.discharge_wh, m.soc_wh) >= 0
        assert m.load_wh == pytest.approx(energies[at % len(energies)][0] * 1_000, abs=0.6)
        assert m.pv_wh == pytest.approx(energies[at % len(energies)][1] * 1_000, abs=0.6)
        assert m.soc_wh <= 6_400
    stored = sum(0.9487 * m.charge_wh - m.discharge_wh / 0.9487 for m in metered)
    assert state.soc_kwh * 1_000 == pytest.approx(soc * 1_000 + stored, abs=8)


def test_self_consumption_charges_surplus_and_covers_load():
    _, metered = live(home((1.0, 3.0), (4.0, 0.0)), HomeState(START, soc_kwh=2.0), START + 2 * STEP)
    assert (metered[0].charge_wh, metered[0].grid_import_wh, metered[0].grid_export_wh) == (2_000, 0, 0)
    assert metered[1].discharge_wh > 3_000
    assert metered[1].grid_import_wh == 4_000 - metered[1].discharge_wh


def test_a_command_is_obeyed_until_its_lease_ends():
    command = Command(1, 1, START, START + STEP / 2, 4.0, 4.0, 0.0)
    state, metered = live(home((2.0, 0.0)), HomeState(START, soc_kwh=2.0, command=command), START + STEP)
    assert metered[0].charge_wh == 2_000  # half an hour at 4 kW
    assert metered[0].discharge_wh == 1_000  # then self-consumption: half of the load
    assert metered[0].grid_import_wh == 3_000
    assert not home((2.0, 0.0)).obeys(state)


def test_without_command_a_home_consumes_its_own():
    house = home((2.0, 0.0))
    idle = HomeState(START, soc_kwh=3.0)
    assert house.battery_kw(idle) == pytest.approx(-2.0)
    held = replace(idle, command=Command(1, 1, START, START + STEP, 0.0, 0.0, 0.0))
    assert house.battery_kw(held) == 0.0
    assert house.battery_kw(replace(held, time=START + STEP)) == pytest.approx(-2.0)


def test_a_grid_target_is_followed():
    command = Command(1, 1, START, START + STEP, -5.0, 5.0, grid_target_kw=-1.0)
    house = home((1.0, 3.0))
    _, metered = live(house, HomeState(START, soc_kwh=2.0, command=command), START + STEP)
    assert (metered[0].charge_wh, metered[0].grid_export_wh, metered[0].grid_import_wh) == (1_000, 1_000, 0)
    assert house.grid_kw(HomeState(START, soc_kwh=2.0, command=command)) == pytest.approx(-1.0)


def test_a_full_battery_takes_no_more():
    command = Command(1, 1, START, START + STEP, 5.0, 5.0, 0.0)
    _, metered = live(home((0.0, 0.0)), HomeState(START, soc_kwh=6.4, command=command), START + STEP)
    assert (metered[0].charge_wh, metered[0].soc_wh) == (0, 6_400)


@given(command=commands, soc=st.floats(0, 6.4))
def test_memory_survives_a_restart(command, soc):
    state = HomeState(START, soc, Registers(0.1, 0.2, 0.3), command, 7)
    assert HomeState.from_json(state.to_json()) == state
