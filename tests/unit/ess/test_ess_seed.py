"""The system this room grew from: its architecture, its training, and what its plans really reach."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from domain.errors import FieldError
from ess.days import home_days, seed_days, varied
from ess.dynamics import replay, soc_change_kwh
from ess.learned import seed, seed_training
from ess.learned.seed import SeedPolicy, raw_plan, series_of
from ess.learned.seed_figures import seed_table
from ess.learned.seed_training import Run, penalised_cost, soc_kwh, temperature, train
from ess.learned.weights import load_card, load_weights

RUN = Run(days=100, epochs=2, batch=50, seed=3)


@pytest.fixture(autouse=True)
def often_saved(monkeypatch):
    monkeypatch.setattr(seed_training, "SAVED_EVERY", 1)


@pytest.fixture
def untrained():
    torch.manual_seed(1)
    return SeedPolicy().eval()


def trained(run, folder):
    return train(run, checkpoint=folder / "checkpoint.pt", logs=folder / "logs", folder=folder)


def test_layers_are_those_of_the_seed(untrained):
    shapes = [tuple(part.weight.shape) for part in untrained.encoder if isinstance(part, torch.nn.Linear)]
    assert shapes == [(768, 96), (768, 768)]
    logits, shares = untrained(*series_of(seed_days(5, seed=0)))
    assert (tuple(logits.shape), tuple(shares.shape)) == ((5, 24, 3), (5, 24, 2))
    assert (temperature(0, 10), temperature(10, 10)) == (5.0, pytest.approx(0.1))


def test_its_state_of_charge_is_that_of_dynamics():
    problem, rng = seed_days(4, seed=0), np.random.default_rng(0)
    charge, discharge = rng.uniform(0, 3, (2, 4, 24))
    expected = problem.soc_initial_kwh[:, None] + np.cumsum(
        soc_change_kwh(charge, discharge, problem), axis=1
    )
    states = soc_kwh(torch.from_numpy(charge), torch.from_numpy(discharge), problem.rows([0]))
    assert states.numpy() == pytest.approx(expected, abs=1e-6)


def test_loss_is_the_cost_and_what_bounds_and_end_are_missed_by(monkeypatch):
    problem = seed_days(3, seed=0)
    charge = torch.zeros(3, 24, 3)
    charge[..., 0] = 1  # charges at half power all day: 5 + 24 * 0.95 * 1.5 = 39.2 kWh
    monkeypatch.setattr(seed_training.functional, "gumbel_softmax", lambda logits, **_: charge)  # noqa: ARG005 - as the original is called
    loss = penalised_cost(
        lambda *_: (None, torch.full((3, 24, 2), 0.5)), series_of(problem), problem.rows([0]), softness=1.0
    )
    grid = problem.net_load_kw + 1.5
    cost = np.where(grid > 0, problem.buy, problem.sell) * grid
    soc = 5 + 0.95 * 1.5 * np.arange(25)
    expected = cost.sum(axis=1).mean() + 20 * np.maximum(soc - 10, 0).mean() + 10 * (34.2 - 0.5)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_a_raw_plan_keeps_ratings_and_exclusivity_and_a_plan_keeps_all(monkeypatch, untrained):
    monkeypatch.setattr(seed, "_shipped", lambda: untrained)
    problem = varied(seed_days(50, seed=1), seed=2)
    charge_kw, discharge_kw = raw_plan(problem)
    assert (charge_kw * discharge_kw == 0).all()
    assert (charge_kw <= problem.max_charge_kw[:, None]).all()
    assert (discharge_kw <= problem.max_discharge_kw[:, None]).all()
    assert not replay(problem, charge_kw, discharge_kw).feasible.all()
    assert replay(problem, *seed.plan(problem)).feasible.all()


def test_other_horizons_are_refused(untrained):
    problem = seed_days(1, seed=0)
    series = {
        name: getattr(problem, name)[:, :12] for name in ("load_kw", "pv_kw", "buy", "sell", "soc_min_kwh")
    }
    limits = {"import_limit_kw": np.inf, "export_limit_kw": np.inf}
    with pytest.raises(FieldError, match="24 intervals, got 12"):
        raw_plan(replace(problem, **series, **limits), untrained)


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(monkeypatch, tmp_path):
    whole = trained(RUN, tmp_path / "whole").state_dict()
    learn, calls = seed_training._Learner.epoch, []

    def stopping(self, number):
        calls.append(number)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return learn(self, number)

    monkeypatch.setattr(seed_training._Learner, "epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        trained(RUN, tmp_path / "stopped")
    resumed = trained(RUN, tmp_path / "stopped").state_dict()
    assert calls == [0, 1, 1]
    assert all(torch.equal(values, resumed[key]) for key, values in whole.items())
    shipped = load_weights("l2o_seed", tmp_path / "whole")
    assert all(values == pytest.approx(whole[key].numpy(), abs=2e-3) for key, values in shipped.items())
    assert load_card("l2o_seed", tmp_path / "whole")["epochs"] == 2


def test_the_table_counts_the_seeds_way_and_by_replay(untrained):
    table = seed_table(seed=5, days=40, policy=untrained)
    problem = seed_days(40, seed=5)
    judged = replay(problem, *raw_plan(problem, untrained))
    assert table.printed.average_cost == pytest.approx(judged.cost.mean())
    assert table.feasible == judged.feasible.mean()
    missed = np.maximum(5 - judged.soc_kwh[:, -1], 0)
    assert table.final_missed_kwh == pytest.approx(missed.mean())
    assert table.final_missed_most_kwh == pytest.approx(missed.max())
    assert table.kept.smallest >= -1e-9
    assert table.optimum < table.kept.average_cost


def test_shipped_weights_hold_their_card():
    card = load_card("l2o_seed")
    table = asdict(seed_table(seed=card["table_seed"]))
    for name, expected in card["table"].items():
        assert table[name] == pytest.approx(expected, rel=0.02, abs=1e-3), name
    assert (card["epochs"], card["days"], card["batch"]) == (1500, 5000, 64)
    homes = home_days(*[np.datetime64("2017-06-01").astype(object)] * 2).problem
    assert replay(homes, *seed.plan(homes)).feasible.all()
