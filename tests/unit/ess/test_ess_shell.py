"""``python -m ess schedule`` on real files."""

from dataclasses import fields

import numpy as np
import pytest

from ess.__main__ import main
from ess.dynamics import replay


def save(path, problem, *, without=()):
    arrays = {item.name: getattr(problem, item.name) for item in fields(problem) if item.name not in without}
    np.savez(path, **{**arrays, "soc_min_kwh": arrays["soc_min_kwh"][:, 0]})


def run(tmp_path, *options):
    status = main(
        ["schedule", "--instances", str(tmp_path / "in.npz"), *options, "--out", str(tmp_path / "out.npz")]
    )
    return status, tmp_path / "out.npz"


@pytest.mark.parametrize("method", ["milp", "rule"])
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
        assert set(plan.files) == {"charge_kw", "discharge_kw", "soc_kwh", "cost", "seconds"}
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


def test_an_incomplete_file_is_refused(tmp_path, homes, capsys):
    save(tmp_path / "in.npz", homes(), without=("buy",))
    status, out = run(tmp_path)
    assert status == 2
    assert not out.exists()
    assert "buy" in capsys.readouterr().err
