"""``python -m ess`` on real files."""

import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from ess import exact, training
from ess.__main__ import LEARNERS, main
from ess.dynamics import replay
from ess.files import read_instances, read_outlook


def save(path, problem, *, without=()):
    arrays = {item.name: getattr(problem, item.name) for item in fields(problem) if item.name not in without}
    np.savez(path, **{**arrays, "soc_min_kwh": arrays["soc_min_kwh"][:, 0]})


def run(tmp_path, *options):
    status = main(
        ["schedule", "--instances", str(tmp_path / "in.npz"), *options, "--out", str(tmp_path / "out.npz")]
    )
    return status, tmp_path / "out.npz"


@pytest.mark.parametrize("method", ["exact", "milp", "rule"])
def test_round_trip(tmp_path, homes, method):
    problem = homes()
    save(
        tmp_path / "in.npz",
        problem,
        without=("import_limit_kw", "export_limit_kw", "degradation_cost_per_kwh"),
    )
    status, out = run(tmp_path, "--method", method)
    assert status == 0
    with np.load(out) as plan:
        assert set(plan.files) == {"charge_kw", "discharge_kw", "soc_kwh", "cost", "certificate", "seconds"}
        judged = replay(problem, plan["charge_kw"], plan["discharge_kw"])
        assert judged.feasible.all()
        assert plan["cost"] == pytest.approx(judged.cost)
        assert plan["soc_kwh"] == pytest.approx(judged.soc_kwh)
        assert plan["seconds"] > 0


def test_limits_are_read(tmp_path, homes, capsys):
    save(tmp_path / "in.npz", homes(import_limit_kw=np.zeros((3, 12))))
    status, out = run(tmp_path)
    assert status == 3
    assert out.exists()
    assert "row 0: import_limit_kw" in capsys.readouterr().err


def test_a_hostile_row_is_refused_and_leaves_the_others_alone(tmp_path, homes, capsys):
    problem = homes(n=6)
    names = [item.name for item in fields(problem) if item.name != "step_h"]
    arrays = {name: getattr(problem, name).copy() for name in names}
    arrays["load_kw"][0, 3] = np.nan
    arrays["soc_initial_kwh"][1] = 2 * arrays["capacity_kwh"][1]
    arrays["soc_final_kwh"][2] = arrays["capacity_kwh"][2]
    arrays["max_charge_kw"][2] = 1e-3
    arrays["capacity_kwh"][3] = 0.0
    np.savez(tmp_path / "in.npz", **arrays, step_h=problem.step_h)
    status, out = run(tmp_path, "--method", "exact")
    said = capsys.readouterr().err
    assert status == 3
    assert "row 0: load_kw: must be finite" in said
    assert "row 1: soc_initial_kwh: must lie in [0, capacity_kwh]" in said
    assert "row 2: soc_final_kwh cannot be kept; least relaxation" in said
    assert "row 3: capacity_kwh: must be finite and above 0" in said
    alone = problem.rows([4, 5])
    with np.load(out) as plan:
        assert np.isnan(plan["cost"]).tolist() == [True, True, False, True, False, False]
        assert np.isnan(plan["soc_kwh"]).all(axis=1).tolist() == [True, True, False, True, False, False]
        assert plan["charge_kw"][4:] == pytest.approx(exact.plan(alone)[0])


def test_a_file_without_a_sound_row_is_answered_with_nothing(tmp_path, homes, capsys):
    save(tmp_path / "in.npz", homes(n=1))
    with np.load(tmp_path / "in.npz") as given:
        np.savez(tmp_path / "in.npz", **{**given, "buy": np.full((1, 12), np.inf)})
    status, out = run(tmp_path, "--method", "exact")
    assert status == 3
    assert "row 0: buy: must be finite" in capsys.readouterr().err
    with np.load(out) as plan:
        assert np.isnan(plan["charge_kw"]).all()
        assert plan["seconds"] == 0


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_what_is_no_archive_is_refused(tmp_path, capsys, content):
    (tmp_path / "in.npz").write_bytes(content)
    assert run(tmp_path)[0] == 2
    assert "instances: in.npz is no archive of numbers" in capsys.readouterr().err


@pytest.mark.parametrize(("field", "value"), [("buy", "dear"), ("step_h", [1.0, 1.0]), ("load_kw", [[1, 2]])])
def test_what_is_no_single_rows_fault_is_refused(tmp_path, homes, capsys, field, value):
    save(tmp_path / "in.npz", homes())
    with np.load(tmp_path / "in.npz") as given:
        np.savez(tmp_path / "in.npz", **{**given, field: np.array(value)})
    status, out = run(tmp_path)
    assert status == 2
    assert not out.exists()
    assert capsys.readouterr().err


def test_an_incomplete_file_is_refused(tmp_path, homes, capsys):
    save(tmp_path / "in.npz", homes(), without=("buy",))
    status, out = run(tmp_path)
    assert status == 2
    assert not out.exists()
    assert "buy" in capsys.readouterr().err


def compared(tmp_path, methods):
    options = [
        "--instances",
        str(tmp_path / "in.npz"),
        "--out",
        str(tmp_path / "found"),
        "--methods",
        methods,
    ]
    status = main(["compare", *options])
    found = tmp_path / "found" / "comparison.json"
    return status, json.loads(found.read_text()) if found.exists() else None


def test_a_comparison_gives_a_table_json_and_five_figures(tmp_path, homes, capsys):
    problem = homes(n=5)
    save(tmp_path / "in.npz", problem)
    status, found = compared(tmp_path, "exact,rule")
    assert status == 0
    exact_one, rule_one = found["methods"]
    assert (exact_one["method"], exact_one["share"], exact_one["lost"]) == ("exact", 1, 0)
    assert (
        exact_one["cost"] == exact_one["optimum"] == pytest.approx(replay(problem, *exact.plan(problem)).cost)
    )
    assert 0 < rule_one["share"] < 1
    assert rule_one["share"] == pytest.approx(1 - rule_one["lost"])
    assert rule_one["feasible"] == [True] * 5
    said = capsys.readouterr().out
    assert f"{100 * rule_one['share']:.2f}" in said
    drawn = {path.name: Image.open(path) for path in (tmp_path / "found").glob("*.png")}
    assert sorted(drawn) == ["cost.png", "gap.png", "inputs.png", "soc_and_power.png", "solve_time.png"]
    for picture in drawn.values():
        assert len(set(picture.convert("L").resize((90, 50)).get_flattened_data())) > 20  # not blank


def test_a_comparison_leaves_out_hostile_rows_by_name(tmp_path, homes, capsys):
    save(tmp_path / "in.npz", homes(n=3))
    with np.load(tmp_path / "in.npz") as given:
        np.savez(tmp_path / "in.npz", **{**given, "capacity_kwh": given["capacity_kwh"] * [1, 0, 1]})
    status, found = compared(tmp_path, "exact,rule")
    assert status == 3
    assert "row 1: capacity_kwh: must be finite and above 0" in capsys.readouterr().err
    assert found["rows"] == [0, 2]


def test_an_unknown_method_is_refused(tmp_path, homes, capsys):
    save(tmp_path / "in.npz", homes())
    assert compared(tmp_path, "exact,magic") == (2, None)
    assert "method: must be one of" in capsys.readouterr().err


def test_measured_days_can_be_written_and_hold_what_may_be_known_of_them(tmp_path):
    assert main(["days", "--out", str(tmp_path / "days.npz")]) == 0
    taken = read_instances(tmp_path / "days.npz")
    outlook = read_outlook(tmp_path / "days.npz", taken)
    assert taken.problem.shape == (792, 24)
    assert outlook.net_load_kw.shape == (792, 14, 24)
    # The newest past day of a home's second day is its first day.
    assert outlook.net_load_kw[11, -1] == pytest.approx(taken.problem.net_load_kw[0])


def test_a_past_of_other_intervals_is_refused(tmp_path, homes, capsys):
    save(tmp_path / "in.npz", homes())
    with np.load(tmp_path / "in.npz") as given:
        np.savez(tmp_path / "in.npz", **{**given, "past_net_load_kw": np.zeros((3, 2, 11))})
    assert run(tmp_path)[0] == 2
    assert "past_net_load_kw: must have shape (3, S, 12), got (3, 2, 11)" in capsys.readouterr().err


@pytest.mark.parametrize("method", LEARNERS)
def test_a_training_gets_its_length_its_seed_and_its_places(tmp_path, monkeypatch, method):
    """Trainings themselves are tested where they are; this is the way to them."""
    asked = {}

    def stand_in(run, **rest):
        asked.update(run=run, **rest)

    monkeypatch.setitem(training.WITHOUT_FORESIGHT, method, stand_in)
    if method in training.WITH_THE_DAY:
        monkeypatch.delitem(training.WITHOUT_FORESIGHT, method)
        monkeypatch.setattr(training.WITH_THE_DAY[method], "train", stand_in)
    options = ["--seed", "7", "--rounds", "3", "--out", str(tmp_path), "--state", str(tmp_path / "state")]
    assert main(["train", method, *options]) == 0
    assert asked["run"].seed == 7
    assert 3 in (getattr(asked["run"], training.ROUNDS[method], None), asked.get(training.ROUNDS[method]))
    assert tmp_path in (getattr(asked["run"], "out", None), asked.get("folder"))
    kept = (getattr(asked["run"], "checkpoint", None), asked.get("checkpoint"))
    assert tmp_path / "state" / "checkpoint.pt" in kept
