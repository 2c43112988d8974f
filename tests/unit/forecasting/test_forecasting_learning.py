"""What models learn from, and how they are put right: examples, anchor, calibration, adaptation."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.errors import FieldError
from domain.time import TimeGrid
from forecasting.anchor import Anchor
from forecasting.averaging import weights_of
from forecasting.backtest import Refit, backtest, rolling_origins
from forecasting.calibration import NONE, NORMAL, Calibration, calibrated_on
from forecasting.examples import draw, examples
from forecasting.features import Recipe, build
from forecasting.models import SHIPPED, hybrid, lightgbm, linear, load_model, train
from forecasting.models.lightgbm import TREES_PER_DAY
from forecasting.models.located import caution, validation_origins, validation_start
from forecasting.quantiles import LEVELS
from forecasting.series import History
from forecasting.vista import Vista
from tests.unit.forecasting.conftest import HOUR, SMALL, START

DAY = timedelta(days=1)


def every_lead(history, horizon=24):
    origins = np.arange(24 * 8, len(history.grid) - horizon, 5)
    return origins, np.broadcast_to(np.arange(horizon), (len(origins), horizon))


def test_examples_hold_what_happened(homes):
    history = homes()
    origins, leads = draw(history, horizon=24, most=3_000, leads_each=8, rng=np.random.default_rng(2))
    given = examples(history, origins, leads, Recipe())
    assert given.value.size <= 3_000
    assert (np.diff(origins) > 0).all()
    assert origins.min() >= 24
    value = given.value * given.features.scale[..., None]
    inside = origins[:, None] + leads < len(history.grid)
    expected = history.values[:, np.minimum(origins[:, None] + leads, len(history.grid) - 1)]
    assert np.allclose(value[:, inside], expected[:, inside])
    assert np.isnan(value[:, ~inside]).all()
    assert np.allclose(given.importance.mean(axis=1), 1)


def test_one_spike_does_not_rule(homes):
    history = homes(days=80)
    history.values[0, 400] = 1e6
    origins, leads = every_lead(history)
    given = examples(history, origins, leads, Recipe())
    departure = given.departure(given.features.base)
    assert np.nanmax(departure) < 0.2 * np.nanmax(given.value - given.features.base)


def test_the_anchor_learns_that_the_newest_value_persists():
    walk = 50 + np.cumsum(np.random.default_rng(1).normal(0, 0.3, (1, 1_500)), axis=1)
    history = History(TimeGrid(START, HOUR, 1_500), ("walk",), walk)
    origins, leads = every_lead(history)
    given = examples(history, origins, leads, Recipe())
    anchor = Anchor.fit(given, 24)
    guess = anchor.guess(given.features, leads)
    missed, missed_before = (np.abs(given.value - x)[:, :, 0].mean() for x in (guess, given.features.base))
    assert missed < 0.3 * missed_before
    assert np.array_equal(Anchor.load(anchor.dump()).weights, anchor.weights)


def test_a_stretch_that_comes_again_is_noticed_and_noise_is_not():
    rng = np.random.default_rng(3)
    month = rng.gamma(4, 1, (2, 720))
    twice = np.concatenate([month, month * rng.normal(1, 0.1, (2, 720))], axis=1)
    grid = TimeGrid(START, HOUR, 1_440)
    assert Recipe.of(History(grid, ("a", "b"), twice)).days == (30,)
    assert Recipe.of(History(grid, ("a", "b"), rng.gamma(4, 1, (2, 1_440)))).days == ()
    history = History(grid, ("a", "b"), twice)
    features = build(Vista.at(history, np.array([1_000])), np.array([[0, 23]]), Recipe(days=(30,)))
    expected = twice[:, [1_000 - 720, 1_023 - 720]] / features.scale
    assert np.allclose(features.column("days_30")[:, 0], expected, rtol=1e-5)


def test_what_was_published_is_a_feature_from_then_on(homes):
    history = homes()
    published = np.arange(len(history.grid) + 24.0)[None]
    history = replace(history, outlook_names=("t",), outlook=published, outlook_ahead=6 * HOUR)
    features = build(Vista.at(history, np.array([300])), np.array([[0, 6, 7, 23]]))
    ahead = features.column("t_ahead")[0, 0]
    assert ahead[:2].tolist() == [300, 306]
    assert np.isnan(ahead[2:]).all()
    assert features.column("t_change")[0, 0, :2].tolist() == [24, 24]
    known = history.as_of(START + 300 * HOUR)
    assert known.outlook is not None
    assert known.outlook.shape == (1, 307)
    again = build(Vista.at(known, np.array([300])), np.array([[0, 6, 7, 23]]))
    assert np.array_equal(again.table, features.table, equal_nan=True)


def test_what_never_changes_is_a_feature_of_its_series(homes):
    history = replace(homes(), static_names=("floor_m2",), static=np.array([[80.0], [120.0], [60.0]]))
    features = build(Vista.at(history, np.array([300])), np.array([[0]]))
    assert features.column("floor_m2").ravel().tolist() == [80, 120, 60]
    with pytest.raises(FieldError, match="static"):
        replace(history, static=np.ones((2, 1)))


def test_validation_meets_every_time_of_day(homes):
    history = homes(days=60)
    start = validation_start(history)
    assert start == history.grid.start + 48 * DAY
    origins = validation_origins(history, start, 24)
    assert set(origins % 24) == set(range(24))
    assert origins.min() == 48 * 24


@pytest.mark.parametrize("name", ["linear", "lightgbm", "hybrid"])
def test_bands_hold_the_share_they_claim(name, homes):
    history = homes(n=2, days=80)
    end = history.grid.start + 50 * DAY
    model = train(name, history.as_of(end), trained_at=end, seed=1, settings=SMALL.get(name))
    origins = rolling_origins(end, history.grid.end - DAY, timedelta(hours=7))
    found = backtest(model, history, origins=origins, horizon=24)
    below = (found.actual[..., None] <= found.quantiles).mean(axis=(0, 1, 2))
    for level, share in zip(LEVELS, below, strict=True):
        if level != 0.5:  # the middle is the mean
            assert share == pytest.approx(level, abs=0.06)


def test_few_days_say_little_of_how_far_a_forecast_may_be_off(homes):
    history = homes(n=2, days=40)
    origins, leads = every_lead(history)
    features = build(Vista.at(history, origins), leads)
    centre = features.base * features.scale[..., None]
    exact = calibrated_on([features], centre, centre, days=1e6, before=NONE)
    short = calibrated_on([features], centre, centre, days=1.0, before=NONE)
    later = calibrated_on([features], centre, centre, days=1.0, before=short)
    assert (exact.offsets == 0).all()
    assert short.offsets[5, 7] == pytest.approx(0.5 * NORMAL, abs=1e-5)
    assert later.offsets[5, 7] == pytest.approx(0.25 * NORMAL, abs=1e-5)
    assert np.array_equal(Calibration.load(short.dump()).offsets, short.offsets)


def test_a_small_sample_of_misses_gives_intervals_that_hold(homes):
    history = homes(n=1, days=400)
    origins = np.arange(24 * 30, 24 * 390, 24)
    features = build(Vista.at(history, origins), np.zeros((len(origins), 1), dtype=int))
    spread = features.spread[..., 0] * features.scale
    rng = np.random.default_rng(8)
    few = replace(
        features, **{name: getattr(features, name)[:, :14] for name in ("table", "scale", "base", "spread")}
    )
    held = []
    for _ in range(200):
        centre = np.zeros((1, 14, 1))
        missed = rng.normal(size=(1, 14, 1)) * spread[:, :14, None]
        offsets = calibrated_on([few], centre, missed, days=1e6, before=NONE).offsets[0, 0]
        next_ones = rng.normal(size=200)
        held.append(((next_ones >= offsets[1]) & (next_ones <= offsets[5])).mean())
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)


def test_adapting_follows_what_has_changed(homes):
    history = homes(n=2, days=100)
    values = history.values.copy()
    values[:, 60 * 24 :] = values[:, 60 * 24 :].mean() + 0.2 * (
        values[:, 60 * 24 :] - values[:, 60 * 24 :].mean()
    )
    history = replace(history, values=values)
    end = history.grid.start + 50 * DAY
    model = train("linear", history.as_of(end), trained_at=end, seed=1)
    origins = rolling_origins(end + 45 * DAY, history.grid.end - DAY, timedelta(hours=5))
    adapted = model.adapted(history.as_of(origins[0]), at=origins[0])

    def width(of):
        found = backtest(of, history, origins=origins, horizon=24)
        return (found.quantiles[..., 5] - found.quantiles[..., 1]).mean()

    assert width(adapted) < 0.9 * width(model)


@pytest.mark.parametrize("anew", [False, True])
def test_refitting_in_a_backtest_looks_at_no_more_than_was_known(homes, anew):
    history = homes(n=1, days=100)
    end = history.grid.start + 60 * DAY
    model = train("linear", history.as_of(end), trained_at=end, seed=1)
    last = end + 33 * DAY
    origins = rolling_origins(end, last, 12 * HOUR)
    changed = history.values.copy()
    cut = (last - history.grid.start) // HOUR
    changed[:, cut:] = 99
    one, two = (
        backtest(
            model,
            replace(history, values=values),
            origins=origins,
            horizon=24,
            refit=Refit(7 * DAY, anew=anew),
        )
        for values in (history.values, changed)
    )
    assert np.array_equal(one.quantiles, two.quantiles)
    fixed = backtest(model, history, origins=origins, horizon=24)
    first_week = np.array(origins) < end + 7 * DAY
    assert np.array_equal(one.quantiles[:, first_week], fixed.quantiles[:, first_week])
    assert (one.quantiles != fixed.quantiles)[:, ~first_week].any(axis=(0, 2, 3)).all()
    too_often, why = (12 * HOUR, "a day at least") if anew else (timedelta(0), "positive")
    with pytest.raises(FieldError, match=f"refit_every: must be {why}"):
        Refit(too_often, anew=anew)


def test_choices_are_made_by_unseen_days_and_those_of_what_is_learnt_anew_by_days_since_then(
    homes, monkeypatch
):
    history = homes(n=1, days=220)
    end = history.grid.start + 160 * DAY
    judged = {"linear": [], "lightgbm": []}

    def spied(history, origins, horizon):
        judged[name].append((int(origins.min()) / 24 - 160, round(caution(history, origins, horizon), 1)))
        return caution(history, origins, horizon)

    for name, module in (("linear", linear), ("lightgbm", lightgbm)):
        model = train(name, history.as_of(end), trained_at=end, seed=1, settings=SMALL.get(name))
        monkeypatch.setattr(module, "caution", spied)
        at = end
        for days in (0.5, 1, 7, 3, 40):
            at += days * DAY
            model = model.adapted(history.as_of(at), at=at)
    assert judged["linear"] == [(0.5, 29.2), (1.5, 4.0), (8.5, 9.5), (23.5, 1.0)]
    assert judged["lightgbm"] == [(0.5, 29.2), (0.5, 3.5), (0.5, 2.6), (23.5, 1.0)]


def test_a_member_that_learns_anew_is_judged_by_days_since_then(homes):
    history = homes(n=1, days=100)
    end = history.grid.start + 60 * DAY
    model = train("hybrid", history.as_of(end), trained_at=end, seed=1, settings=SMALL["hybrid"])
    at = end + 10 * DAY
    adapted = model.adapted(history.as_of(at), at=at)
    assert [member.trained_at for member in adapted.members] == [at, end, end]
    origins = np.arange(60 * 24, 75 * 24)
    assert [adapted.members[k].since(history, origins)[0] for k in range(3)] == [70 * 24, 60 * 24, 60 * 24]


def test_members_are_weighed_by_what_they_said_not_by_what_they_would_say_now(homes, monkeypatch):
    history = homes(n=1, days=100)
    end, at = (history.grid.start + days * DAY for days in (60, 70))
    weighed = []

    def spied(model, history, origins, strength):
        weighed.append(model.members[1].share)
        return weights(model, history, origins, strength)

    weights = hybrid._new_weights
    monkeypatch.setattr(hybrid, "_new_weights", spied)
    model = train("hybrid", history.as_of(end), trained_at=end, seed=1, settings=SMALL["hybrid"])
    adapted = model.adapted(history.as_of(at), at=at)
    share = model.members[1].share
    assert weighed == [share, share]
    assert share not in (0.5, adapted.members[1].share)


def test_few_days_move_the_shares_less(homes):
    history = homes(n=1, days=200)
    end = history.grid.start + 160 * DAY
    model = train("linear", history.as_of(end), trained_at=end, seed=1)
    week, half_silent = np.arange(160 * 24, 167 * 24), history.values.copy()
    half_silent[:, 163 * 24 + 12 :] = np.nan
    assert caution(history, np.arange(160 * 24, 200 * 24), 24) == 1.0
    assert caution(history, week, 24) == pytest.approx(4.0, rel=0.01)
    assert caution(replace(history, values=half_silent), week, 24) == pytest.approx(8.0, rel=0.01)
    careful = model.judged(history, week).shares
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "caution", lambda *_: 1.0)
        sure = model.judged(history, week).shares
    assert 0 < np.abs(careful - model.shares).max() < np.abs(sure - model.shares).max()


def test_weights_favour_who_errs_less_and_sum_to_one():
    rng = np.random.default_rng(5)
    actual = rng.normal(size=4_000)
    good, bad = actual + rng.normal(0, 0.5, 4_000), actual + rng.normal(0, 2.0, 4_000)
    even = np.array([0.5, 0.5])
    missed = actual[:, None] - np.stack([good, bad], axis=1)
    weights = weights_of(missed, even, 0.0)
    assert weights == pytest.approx([16 / 17, 1 / 17], abs=0.02)
    drawn = weights_of(missed, even, 1.0)
    assert weights[1] < drawn[1] < 0.5
    assert drawn.sum() == pytest.approx(1)
    assert np.array_equal(weights_of(np.empty((0, 2)), even, 0.1), even)


def test_learning_anew_finds_what_adapting_leaves_alone(homes):
    history = homes(n=2, days=100)
    values = history.values.copy()
    cut = 50 * 24
    once_a_week = np.arange(values.shape[1]) // 24 % 7 == 2
    values[:, cut:] *= np.where(once_a_week[cut:], 5.0, 1.0)
    history = replace(history, values=values)
    end = history.grid.start + 50 * DAY
    model = train(
        "lightgbm", history.as_of(end), trained_at=end, seed=3, horizon=24, settings=SMALL["lightgbm"]
    )
    origins = rolling_origins(end, history.grid.end - DAY, timedelta(hours=7))
    adapted, anew = (
        backtest(model, history, origins=origins, horizon=24, refit=Refit(14 * DAY, anew=anew))
        for anew in (False, True)
    )

    def missed(found):
        late = found.issued_at >= np.datetime64((end + 28 * DAY).replace(tzinfo=None))
        return np.abs(found.actual - found.quantiles[..., 3])[:, late].mean()

    assert missed(anew) < 0.8 * missed(adapted)
    at = end + 7 * DAY
    soon = model.relearned(history, at=at)
    assert (soon.trained_at, soon.seed, soon.settings, soon.grown_at) == (at, 3, model.settings, None)
    assert soon.share == model.adapted(history.as_of(at), at=at).share != model.share


def test_how_many_trees_help_is_not_left_to_the_last_weeks_of_a_short_history(homes):
    history = homes(n=2, days=80)
    values = history.values.copy()
    values[:, 24 * 64 :] = homes(n=2, days=80, seed=1).values[:, 24 * 64 :]
    told, otherwise = (
        train("lightgbm", given, trained_at=history.grid.end, seed=1, settings={"rows": 20_000})
        for given in (history, replace(history, values=values))
    )
    assert told.trees == otherwise.trees
    assert told.share != otherwise.share
    assert 0 < min(told.trees) < 64 * TREES_PER_DAY


def test_fewer_trees_are_kept_where_fewer_are_clearly_better(homes):
    history = homes(n=1, days=88)
    values = history.values.copy()
    values[:, 24 * 60 :] = np.roll(values[:, 24 * 60 :], 12, axis=1)  # from then on they live by night
    end, at = history.grid.start + 60 * DAY, history.grid.end
    model = train("lightgbm", history.as_of(end), trained_at=end, seed=1, settings={"rows": 20_000})
    assert model.adapted(history, at=at).trees == model.trees
    assert sum(model.adapted(replace(history, values=values), at=at).trees) < sum(model.trees)
    empty = np.zeros_like(values)
    empty[:, -1] = 1.0  # of how large it is nothing was known, so it has no say
    both = replace(history, names=("a", "b"), values=np.concatenate([values, empty]))
    assert sum(model.adapted(both, at=at).trees) < sum(model.trees)


def test_trees_of_levels_do_not_see_what_followed_on_past_days():
    model = load_model(SHIPPED / "lightgbm-load-1h")
    onward = sum(name.startswith("onward_") for name in model.features)
    levels, departures = (booster.num_feature() for booster in model.boosters)
    assert departures == len(model.features)
    assert levels == departures - onward < departures


def test_silent_days_make_no_choices(homes):
    history = homes(n=1, days=90)
    values = history.values.copy()
    values[:, 24 * 46 : 24 * 74] = np.nan
    silent = replace(history, values=values)
    end, at = (history.grid.start + days * DAY for days in (45, 74))
    model = train("lightgbm", history.as_of(end), trained_at=end, seed=1, settings=SMALL["lightgbm"])
    adapted = model.adapted(silent.as_of(at), at=at)
    assert (adapted.trees, adapted.share) == (model.trees, model.share)
    origins = rolling_origins(at + DAY, history.grid.end - DAY, 12 * HOUR)
    found = backtest(adapted, silent, origins=origins, horizon=24)
    before = backtest(model, history, origins=origins, horizon=24)

    def width(of):
        return (of.quantiles[..., 5] - of.quantiles[..., 1]).mean()

    assert width(found) < 1.3 * width(before)


@pytest.mark.parametrize("name", ["linear", "lightgbm"])
def test_a_model_is_judged_on_days_with_readings(homes, name):
    history = homes(n=1, days=60)
    values = history.values.copy()
    values[:, 24 * 46 :] = np.nan
    end = history.grid.end
    silent = train(name, replace(history, values=values), trained_at=end, seed=1, settings=SMALL.get(name))
    start = validation_start(replace(history, values=values))
    assert start == history.grid.start + 36 * DAY
    heard = train(name, history, trained_at=end, seed=1, settings=SMALL.get(name))
    offsets = [model.calibration.offsets[:, :, 5].mean() for model in (silent, heard)]
    assert offsets[0] == pytest.approx(offsets[1], rel=0.25)
