"""The learned planner: what holds whatever it learned, and what it learned."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from domain.errors import FieldError
from ess.corridor import can_be_met
from ess.days import seed_days, varied
from ess.dynamics import cost_with_wear, replay
from ess.learned import l2o
from ess.learned.l2o_features import FEATURES, PIECES, features, marginal_prices
from ess.learned.l2o_figures import figures_on, unseen_days
from ess.learned.l2o_policy import arrays_of, plan_levels, soft_costs
from ess.learned.l2o_training import levels_said, network
from ess.learned.weights import load_card, load_weights


def finer(problem, parts):
    """The same days in intervals ``parts`` times as short, with load that moves within the hour."""
    series = {
        name: np.repeat(getattr(problem, name), parts, axis=1) for name in ("load_kw", "pv_kw", "buy", "sell")
    }
    series["load_kw"] = series["load_kw"] * np.random.default_rng(3).uniform(
        0.5, 1.5, series["load_kw"].shape
    )
    return replace(
        problem,
        **series,
        soc_min_kwh=np.repeat(problem.soc_min_kwh, parts, axis=1),
        import_limit_kw=np.inf,
        export_limit_kw=np.inf,
        step_h=problem.step_h / parts,
    )


def limited(problem, room_kw):
    net = problem.net_load_kw
    most, least = net.max(axis=1, keepdims=True), net.min(axis=1, keepdims=True)
    return replace(
        problem,
        import_limit_kw=np.maximum(most, 0) + np.full(net.shape, room_kw),
        export_limit_kw=np.maximum(-least, 0) + np.full(net.shape, room_kw),
    )


def walked(problem, levels):
    power_kw = np.empty(problem.shape)
    plan_levels(levels, arrays_of(problem), power_kw)
    return np.maximum(power_kw, 0), np.maximum(-power_kw, 0)


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("room_kw", [np.inf, 0.3])
def test_any_levels_make_a_plan_that_keeps_every_limit(parts, room_kw):
    problem = limited(finer(varied(seed_days(300, seed=1), seed=2), parts), room_kw)
    floor = problem.soc_min_kwh.copy()
    floor[::2, 17 * parts] = 0.7 * problem.capacity_kwh[::2]  # a reserve by 18:00, on every other day
    problem = replace(problem, soc_min_kwh=np.maximum(floor, problem.soc_min_kwh))
    problem = problem.rows(np.flatnonzero(can_be_met(problem)))
    assert problem.shape[0] > 200
    levels = np.random.default_rng(0).normal(0.5, 1.0, (*problem.shape, PIECES))
    assert replay(problem, *walked(problem, levels)).feasible.all()


def test_levels_are_what_the_battery_is_filled_and_emptied_to():
    # 10 kWh, 3 kW, half full, lossless: export above 8 kWh, serve the home above 4, buy below 1
    problem = replace(seed_days(1, seed=0), charge_efficiency=np.ones(1), discharge_efficiency=np.ones(1))
    net = np.zeros((1, 24))
    net[0, :5] = 2.5, -3.0, -3.0, -1.5, -3.0
    problem = replace(problem, load_kw=np.maximum(net, 0), pv_kw=np.maximum(-net, 0))
    soc_kwh = replay(problem, *walked(problem, np.tile([0.8, 0.4, 0.1], (1, 24, 1)))).soc_kwh[0]
    # serves 1 kWh of 2.5; a surplus is stored up to the second level, not beyond; then rest
    assert soc_kwh[:5].tolist() == pytest.approx([4.0, 4.0, 4.0, 4.0, 4.0])
    soc_kwh = replay(problem, *walked(problem, np.tile([0.95, 0.9, 0.1], (1, 24, 1)))).soc_kwh[0]
    assert soc_kwh[:5].tolist() == pytest.approx([5.0, 8.0, 9.0, 9.0, 9.0])


def test_soft_costs_have_the_gradient_they_say_and_sharpen_to_the_plan():
    problem = limited(varied(seed_days(60, seed=5), seed=6), 2.0)
    wear = np.random.default_rng(1).uniform(0, 0.1, 60)
    problem = replace(problem, degradation_cost_per_kwh=wear)
    problem = problem.rows(np.flatnonzero(can_be_met(problem)))
    rng = np.random.default_rng(2)
    levels = rng.normal(0.5, 0.5, (*problem.shape, PIECES))
    levels = -np.sort(-levels, axis=2)

    def cost_of(given, softness):
        cost, gradient = np.empty(len(given)), np.zeros_like(given)
        soft_costs(given, arrays_of(problem), problem.step_h, softness, cost, gradient)
        return cost, gradient

    way, step = rng.normal(size=levels.shape), 1e-7
    gradient = cost_of(levels, 0.05)[1]
    slope = (cost_of(levels + step * way, 0.05)[0] - cost_of(levels - step * way, 0.05)[0]) / (2 * step)
    assert (gradient * way).sum(axis=(1, 2)) == pytest.approx(slope, rel=1e-4, abs=1e-5)
    assert np.abs(gradient).sum() > 1
    assert cost_of(levels, 1e-7)[0] == pytest.approx(
        cost_with_wear(problem, *walked(problem, levels)), abs=1e-4
    )


def test_network_for_training_and_for_plans_are_the_same():
    torch.manual_seed(0)
    trained, seen = network(32), features(varied(seed_days(50, seed=1), seed=2))
    layers = l2o.layers_of({key: values.numpy() for key, values in trained.state_dict().items()})
    given = torch.from_numpy(seen)
    with torch.no_grad():
        expected = levels_said(trained(given), tuple(map(torch.from_numpy, marginal_prices(seen)))).numpy()
    assert l2o.levels_of(seen, layers, marginal_prices(seen)) == pytest.approx(expected, abs=1e-5)


def test_features_are_bounded_and_know_neither_units_nor_size():
    problem = varied(seed_days(200, seed=1), seed=2)
    seen = features(problem)
    assert seen.shape == (200, FEATURES)
    assert np.abs(seen).max() < 10
    scaled = {
        name: 7 * getattr(problem, name) for name in ("load_kw", "pv_kw", "max_charge_kw", "max_discharge_kw")
    }
    scaled |= {
        name: 7 * getattr(problem, name) for name in ("soc_initial_kwh", "soc_min_kwh", "soc_final_kwh")
    }
    scaled |= {"capacity_kwh": 7 * problem.capacity_kwh, "buy": 100 * problem.buy, "sell": 100 * problem.sell}
    assert features(replace(problem, **scaled)) == pytest.approx(seen, abs=1e-4)


def test_a_battery_that_cannot_move_and_flat_prices_are_no_trouble():
    problem = replace(seed_days(2, seed=0), max_charge_kw=np.zeros(2), max_discharge_kw=np.zeros(2))
    flat = replace(seed_days(2, seed=0), buy=np.full((2, 24), 0.2), sell=np.full((2, 24), 0.2))
    for asked in (problem, flat):
        assert replay(asked, *l2o.plan(asked)).feasible.all()


@pytest.mark.parametrize(("hours", "step_h"), [(23, 1.0), (24, 0.5), (48, 1.0)])
def test_other_horizons_are_refused(hours, step_h):
    problem = finer(seed_days(1, seed=0), 2)
    series = {
        name: getattr(problem, name)[:, :hours] for name in ("load_kw", "pv_kw", "buy", "sell", "soc_min_kwh")
    }
    limits = {"import_limit_kw": np.inf, "export_limit_kw": np.inf}
    with pytest.raises(FieldError, match="24 h"):
        l2o.plan(replace(problem, **series, **limits, step_h=step_h))


def test_untrained_weights_are_missed_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m ess train l2o"):
        load_weights("l2o", tmp_path)


def test_shipped_weights_hold_their_card_and_the_bars_on_days_never_seen():
    days, card = unseen_days(), load_card("l2o")
    for name, figures in figures_on(days, l2o.unpolished_plan).items():
        assert asdict(figures) == pytest.approx(card["test"][name], rel=0.02, abs=1e-5)
        assert figures.feasible == 1.0
    pooled = figures_on(days, l2o.plan)["pooled"]
    assert pooled.feasible == 1.0
    assert pooled.lost <= 0.012
    assert pooled.sum_gap <= 0.012
    assert pooled.p99 <= 0.06
    assert card["cpu_minutes"] <= 20


def test_quarter_hours_are_planned_nearly_as_well():
    problem = finer(varied(seed_days(500, seed=11), seed=12), 4)
    assert figures_on({"quarters": problem}, l2o.plan)["quarters"].lost < 0.05
