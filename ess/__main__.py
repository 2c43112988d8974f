"""Schedule batteries from the shell.

``python -m ess schedule --instances IN.npz --method milp --out OUT.npz``

IN:  load_kw, pv_kw, buy, sell (n, T); capacity_kwh, max_charge_kw, max_discharge_kw, charge_efficiency,
     discharge_efficiency, soc_initial_kwh, soc_min_kwh, soc_final_kwh (n,); step_h; optionally
     import_limit_kw, export_limit_kw (n, T) and degradation_cost_per_kwh (n,)
OUT: charge_kw, discharge_kw (n, T), both >= 0 at the AC terminal; soc_kwh (n, T) at the end of each step;
     cost (n,) = sum of step_h * (buy * import - sell * export); seconds

Exit status: 0; 2 when the input is refused; 3 when OUT was written but some row's limits cannot all be kept
or no plan was found (stderr says which row, and why).
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from domain.errors import FieldError
from ess.problem import BatteryProblem
from ess.scheduler import CHAINS, schedule

REFUSED, NOT_KEPT = 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the module's docstring gives files and exit statuses."""
    parser = argparse.ArgumentParser(
        prog="python -m ess", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command = parser.add_subparsers(dest="command", required=True).add_parser("schedule")
    command.add_argument("--instances", type=Path, required=True)
    command.add_argument("--method", choices=sorted(CHAINS), default="auto")
    command.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        problem = _read(given.instances)
    except FieldError as error:
        print(error, file=sys.stderr)
        return REFUSED
    plan = schedule(problem, given.method)
    with given.out.open("wb") as out:
        np.savez(
            out,
            charge_kw=plan.charge_kw,
            discharge_kw=plan.discharge_kw,
            soc_kwh=plan.soc_kwh,
            cost=plan.cost,
            seconds=np.array(plan.seconds),
        )
    for row in np.flatnonzero(~plan.feasible):
        print(f"row {row}: {plan.reason[row]}", file=sys.stderr)
    return 0 if plan.feasible.all() else NOT_KEPT


def _read(path: Path) -> BatteryProblem:
    with np.load(path) as instances:
        arrays = {
            item.name: instances[item.name] for item in fields(BatteryProblem) if item.name in instances
        }
    try:
        return BatteryProblem(**{**arrays, "step_h": arrays["step_h"].item()})
    except (KeyError, TypeError) as error:
        raise FieldError("instances", f"{path.name} is incomplete: {error}") from error


if __name__ == "__main__":
    raise SystemExit(main())
