"""A fleet co-ordinated by Celery's tasks does what threads of one process do, and says what went wrong."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from celery import current_app
from celery.exceptions import WorkerLostError
from django.core.management import CommandError, call_command

from backend.planning import fleet, tasks
from ess import exact, negotiation
from ess.days import seed_days, varied
from ess.dynamics import replay
from ess.plan import SolverError
from ess.portfolio import Threads, coordinate
from ess.shared import SharedLimits

ROWS, GROUPS, STEPS = 24, 6, 24


@pytest.fixture(autouse=True)
def _eager(settings, tmp_path, monkeypatch):
    """Tasks run where they are sent, through JSON as on their way to a worker; files lie in a new folder."""
    settings.STATE_DIR = tmp_path / "state"
    monkeypatch.setitem(current_app.conf, "task_always_eager", True)  # noqa: FBT003 (an option's value)


@pytest.fixture
def homes():
    return varied(seed_days(ROWS, seed=5), seed=6)


@pytest.fixture
def capped(homes):
    """An import cap that binds: 85 % of what the homes draw when each plans for itself."""
    return limits_of(homes)


def limits_of(problem, **changes):
    charge_kw, discharge_kw = exact.plan(problem)
    alone_kw = (problem.net_load_kw + charge_kw - discharge_kw).sum(axis=0)
    none = np.zeros(STEPS)
    given = {
        "import_cap_kw": np.full(STEPS, 0.85 * alone_kw.max()),
        "export_cap_kw": np.full(STEPS, np.inf),
        "other_load_kw": none,
        "promised_kw": none,
        "baseline_kw": none,
    }
    return SharedLimits(**{**given, **changes})


def left(settings):
    """What lies in the folder of shards."""
    return list((settings.STATE_DIR / "fleets").iterdir())


@pytest.mark.parametrize("shards", [1, 4, 50])
def test_workers_find_the_plan_that_threads_find(homes, capped, settings, shards):
    alone = coordinate(homes, capped, crew=Threads(homes, groups=GROUPS, threads=1))
    with tasks.celery_crew(homes, shards=shards, groups=GROUPS) as crew:
        found = coordinate(homes, capped, crew=crew)
    assert alone.price_per_kwh.max() > 0
    for name in ("charge_kw", "discharge_kw", "grid_kw", "price_per_kwh", "cost", "bound", "rounds"):
        assert getattr(found, name) == pytest.approx(getattr(alone, name), rel=0, abs=1e-9)
    assert left(settings) == []


def test_shards_hold_every_row_once_and_in_order(homes):
    with fleet.stored(homes, shards=4, groups=GROUPS) as shards:
        assert [shard.groups for shard in shards] == [2, 2, 1, 1]
        held = [group for shard in shards for group in fleet._groups(shard.name)]
    for item in fields(homes):
        values = [getattr(group, item.name) for group in held]
        joined = values[0] if item.name == "step_h" else np.concatenate(values)
        assert np.array_equal(joined, getattr(homes, item.name)), item.name


def test_a_task_may_run_twice_and_answers_in_plain_json(homes):
    price = np.linspace(0, 0.2, STEPS).tolist()
    order = [price, [0.0] * STEPS], [[0.25, 0.75]] * (GROUPS // 2), 1
    with fleet.stored(homes, shards=2, groups=GROUPS) as shards:
        name = shards[0].name
        first, again = (json.dumps(tasks.answer_shard(name, price)) for _ in range(2))
        assert first == again
        plans = []
        for _ in range(2):
            file = tasks.mix_shard(name, *order)
            plans.append(fleet.read_mixtures([file]))
        folder = (fleet._fleets() / file).parent
        assert {path.name for path in folder.iterdir()} == {"0.npz", "1.npz", "0.plan-1.npz"}
    assert np.array_equal(plans[0], plans[1])


def test_a_task_that_comes_late_leaves_the_plans_of_a_later_turn_alone(homes):
    prices = [[0.0] * STEPS, [0.3] * (STEPS // 2) + [0.0] * (STEPS // 2)]
    with fleet.stored(homes, shards=1, groups=1) as [shard]:
        late = tasks.mix_shard(shard.name, prices, [[0.0, 1.0]], 2)
        wanted = fleet.read_mixtures([late])
        tasks.mix_shard(shard.name, prices, [[1.0, 0.0]], 1)
        assert np.array_equal(fleet.read_mixtures([late]), wanted)


def test_the_folder_goes_after_an_error_too(homes, capped, settings, monkeypatch):
    monkeypatch.setattr(negotiation, "MOST_ROUNDS", 3)  # enough to fail
    impossible = replace(capped, import_cap_kw=np.zeros(STEPS))
    with tasks.celery_crew(homes, groups=GROUPS) as crew:
        assert len(left(settings)) == 1
    with pytest.raises(SolverError, match="missed by"), tasks.celery_crew(homes, groups=GROUPS) as crew:
        coordinate(homes, impossible, crew=crew)
    assert left(settings) == []


def test_a_shard_that_is_gone_is_told_by_its_name_even_where_it_was_read_before(homes):
    price = np.zeros(STEPS)
    with tasks.celery_crew(homes, shards=2, groups=GROUPS) as crew:
        crew.answers(price)
    with pytest.raises(fleet.ShardGoneError, match=r"/0\.npz is gone"):
        crew.answers(price)
    with pytest.raises(fleet.ShardGoneError, match=r"nowhere/7\.npz is gone"):
        fleet.answers("nowhere/7.npz", price)


def test_a_shard_lost_with_its_worker_is_asked_again_and_not_for_ever(homes, monkeypatch):
    calls = []

    def answers(shard, price):
        calls.append(shard)
        if shard.endswith("1.npz") and calls.count(shard) <= losses:
            raise WorkerLostError("killed")
        return work(shard, price)

    work = fleet.answers
    monkeypatch.setattr(fleet, "answers", answers)
    price = np.zeros(STEPS)
    with tasks.celery_crew(homes, shards=2, groups=GROUPS) as crew:
        losses = tasks.TRIES - 1
        assert len(crew.answers(price).cost) == GROUPS
        assert len(calls) == 1 + tasks.TRIES
        losses = np.inf
        with pytest.raises(tasks.NoAnswerError, match=r"no worker answered for \S+/1\.npz, asked 3 times"):
            crew.answers(price)


def test_a_queue_that_nobody_works_on_is_not_waited_for_for_ever(homes, monkeypatch):
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)  # noqa: FBT003 (an option's value)
    with fleet.stored(homes, shards=2, groups=GROUPS) as shards:
        crew = tasks.CeleryCrew(shards, round_s=0.2)
        silent = r"no worker answered for \S+/0\.npz, \S+/1\.npz, asked 3 times within 0\.2 s"
        with pytest.raises(tasks.NoAnswerError, match=silent):
            crew.answers(np.zeros(STEPS))


@pytest.fixture
def files(tmp_path, homes, capped):
    """(IN, LIMITS, OUT) of the command, the first two written."""
    paths = tmp_path / "in.npz", tmp_path / "limits.npz", tmp_path / "out.npz"
    np.savez(paths[0], **{item.name: getattr(homes, item.name) for item in fields(homes)})
    np.savez(paths[1], import_cap_kw=capped.import_cap_kw, export_cap_kw=capped.export_cap_kw)
    return paths


def command(files, *options):
    instances, limits, out = map(str, files)
    call_command("coordinate_fleet", "--instances", instances, "--limits", limits, "--out", out, *options)


@pytest.mark.parametrize("options", [(), ("--local",), ("--shards", "3")])
def test_the_command_writes_a_plan_that_holds(files, homes, capped, capsys, options):
    command(files, *options)
    with np.load(files[2]) as archive:
        out = dict(archive)
    assert set(out) == {
        *(
            "charge_kw",
            "discharge_kw",
            "soc_kwh",
            "grid_kw",
            "price_per_kwh",
            "cost",
            "bound",
            "gap",
            "rounds",
        )
    }
    judged = replay(homes, out["charge_kw"], out["discharge_kw"])
    assert judged.feasible.all()
    assert out["soc_kwh"] == pytest.approx(judged.soc_kwh)
    assert out["grid_kw"] == pytest.approx(judged.grid_kw.sum(axis=0))
    assert (out["grid_kw"] <= capped.import_cap_kw).all()
    assert out["cost"] == pytest.approx((judged.cost + judged.wear_cost).sum())
    assert out["gap"] <= 1e-3
    line = capsys.readouterr().out
    assert line.startswith(f"cost {out['cost']:.6f}, bound {out['bound']:.6f}, gap ")
    assert f"{out['rounds']} rounds" in line


def test_optional_limits_of_the_command_count(files, capped):
    command(files)
    with np.load(files[2]) as archive:
        cost = archive["cost"]
    np.savez(
        files[1],
        import_cap_kw=np.full(STEPS, np.inf),
        export_cap_kw=np.full(STEPS, np.inf),
        other_load_kw=np.full(STEPS, 5.0),
        promised_kw=np.full(STEPS, 1.0),
        baseline_kw=capped.import_cap_kw + 6.0,
        peak_price_per_kw=2.0,
        peak_so_far_kw=np.array([1.0]),
    )
    command(files)
    with np.load(files[2]) as archive:
        assert (archive["grid_kw"] <= capped.import_cap_kw).all()
        peak_kw = (archive["grid_kw"] + 5.0).max()
        assert archive["cost"] >= cost - 1e-6 + 2.0 * (peak_kw - 1.0) - 1e-3 * abs(cost)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"export_cap_kw": None}, "export_cap_kw: is missing"),
        ({"import_cap_kw": None}, "import_cap_kw: is missing"),
        ({"import_cap_kw": np.ones(3)}, r"import_cap_kw: must have shape \(24,\)"),
        ({"export_cap_kw": np.ones(3)}, r"export_cap_kw: must have shape"),
        ({"export_cap_kw": -np.ones(STEPS)}, "export_cap_kw: must not be negative"),
        ({"other_load_kw": np.full(STEPS, np.nan)}, "other_load_kw: must be finite"),
        ({"promised_kw": np.ones(STEPS)}, "baseline_kw: is missing"),
        ({"peak_price": 2.0}, "peak_price: is no shared limit: there are baseline_kw"),
        ({"peak_price_per_kw": np.ones(2)}, "peak_price_per_kw: must be one number"),
        ({"peak_so_far_kw": -1.0}, "peak_so_far_kw: must be finite and not negative"),
        ({"import_cap_kw": np.full(STEPS, "much")}, "limits: limits.npz is no archive of numbers"),
        ({"import_cap_kw": np.zeros(STEPS)}, "the shared limits: they are missed by"),
    ],
)
def test_wrong_limits_are_told_by_field(files, capped, change, message, monkeypatch):
    monkeypatch.setattr(negotiation, "MOST_ROUNDS", 3)  # enough to fail
    given = {"import_cap_kw": capped.import_cap_kw, "export_cap_kw": capped.export_cap_kw, **change}
    np.savez(files[1], **{name: values for name, values in given.items() if values is not None})
    with pytest.raises(CommandError, match=message):
        command(files)
    assert not files[2].exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"buy": None}, "buy: is missing"),
        ({"capacity_kwh": np.where(np.arange(ROWS) == 2, 0.0, 30.0)}, "row 2: capacity_kwh: must be finite"),
        ({"capacity_kwh": np.zeros(ROWS)}, f"and {ROWS - 5} more rows"),
        ({"import_limit_kw": np.zeros((ROWS, STEPS))}, "row 0: import_limit_kw cannot be kept"),
    ],
)
def test_wrong_instances_are_told_by_row_and_field(files, homes, change, message):
    given = {item.name: getattr(homes, item.name) for item in fields(homes)} | change
    np.savez(files[0], **{name: values for name, values in given.items() if values is not None})
    with pytest.raises(CommandError, match=message):
        command(files)
    assert not files[2].exists()


def test_other_mistakes_are_told_before_the_work(files, tmp_path):
    with pytest.raises(CommandError, match="--shards: must be at least 1"):
        command(files, "--shards", "0")
    with pytest.raises(CommandError, match="--out: there is no folder"):
        command((*files[:2], tmp_path / "none" / "out.npz"))
    with pytest.raises(CommandError, match=r"limits: none\.npz is no archive"):
        command((files[0], tmp_path / "none.npz", files[2]))
