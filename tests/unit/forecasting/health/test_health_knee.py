import numpy as np
import pytest

from forecasting.health.cells import published_cells
from forecasting.health.features import trace
from forecasting.health.knee import AHEAD, NEVER, Accelerated, Alarm, bent_line, excess, looks
from tests.unit.forecasting.health.made import made_cell

KIND = Accelerated()


def foreseen(each):
    """A perfect forecast of the loss in the next 100 cycles; none at the end of the series."""
    at = looks(each)
    return (
        AHEAD
        * (each.soh[at] - each.soh[np.minimum(at + AHEAD, len(each) - 1)])
        / np.maximum(np.minimum(AHEAD, len(each) - 1 - at), 1)
    )


@pytest.mark.parametrize("knee", [120, 200, 260])
def test_the_bent_line_finds_the_knee_and_both_rates(knee):
    found, before, after = bent_line(made_cell("a_1", knee=knee, seed=knee).measured_soh)
    assert abs(found - knee) <= 10
    assert before == pytest.approx(-4e-5, abs=3e-5)
    assert after == pytest.approx(-1.24e-3, rel=0.1)


def test_fade_is_accelerated_only_where_it_doubles():
    cell = trace(made_cell("a_1", knee=200, seed=1))
    at = np.array([80, 190, 290])
    assert list(KIND.happened(cell, at)) == [False, True, True]
    even = trace(made_cell("a_1", knee=60, seed=1, slow=1e-3, fast=0.0))
    assert not KIND.happened(even, looks(even)).any()


def test_the_margin_keeps_all_but_few_of_the_cells_it_was_learned_from_free_of_a_false_alarm():
    rng = np.random.default_rng(5)
    traces = [trace(made_cell(f"a_{i}", knee=150 + 5 * i, seed=i)) for i in range(20)]
    losses = [foreseen(each) + rng.normal(0, 0.03, len(looks(each))) for each in traces]
    alarm = Alarm.fit(traces, losses, KIND)
    for each, loss in zip(traces, losses, strict=True):
        given = alarm.given(each, loss)
        assert given is None or KIND.happened(each, np.array([given]))[0]
    assert sum(alarm.given(each, loss) is not None for each, loss in zip(traces, losses, strict=True)) > 15


def test_an_alarm_needs_forecast_and_measurement_to_agree():
    each = trace(made_cell("a_1", knee=200, seed=1))
    at = looks(each)
    high = np.full(len(at), 0.5)
    over = excess(each, high, KIND)
    assert over[0] == NEVER  # one look alone is none
    assert over[at < 190].max() < 0 < over[at > 240].max()
    assert Alarm(0.0).given(each, np.zeros(len(at))) is None


def test_an_alarm_once_given_stays(learned):
    for cell in [made_cell("new_1", knee=180, seed=77), made_cell("new_2", knee=230, seed=78)]:
        given = learned.alarm_at(trace(cell))
        assert given is not None
        assert learned.alarm_at(trace(cell.until(given))) is None
        for later in (1, 7, 30):
            assert learned.alarm_at(trace(cell.until(given + later))) == given


def test_the_even_fade_of_the_nasa_cell_gives_no_alarm_by_the_shipped_rule():
    cell = trace(published_cells()[-1])
    assert cell.cell.name == "B0006"
    _, before, after = bent_line(cell.soh)
    assert after > before  # it slows down
    at = looks(cell)
    assert not KIND.happened(cell, at[at < len(cell) - 20]).any()
