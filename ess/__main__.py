"""Schedule batteries, compare the methods that do, and train those that learn.

python -m ess schedule --instances IN.npz --method exact --out OUT.npz

IN:  load_kw, pv_kw, buy, sell (n, T); capacity_kwh, max_charge_kw, max_discharge_kw, charge_efficiency,
     discharge_efficiency, soc_initial_kwh, soc_min_kwh, soc_final_kwh (n,); step_h; optionally
     import_limit_kw, export_limit_kw (n, T) and degradation_cost_per_kwh (n,)
OUT: charge_kw, discharge_kw (n, T), both >= 0 at the AC terminal; soc_kwh (n, T) at the end of each step;
     cost (n,) = sum of step_h * (buy * import - sell * export); certificate (n,): no plan costs less, wear
     included (-inf: nothing is proven); seconds of solving, after what is compiled or loaded once

Exit status: 0; 2 when the input is refused; 3 when OUT was written but a row holds impossible values (its
figures are NaN), or its limits cannot all be kept, or no plan was found (stderr says which row, and why).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from domain.errors import FieldError
from ess.files import read_instances, write_answers
from ess.scheduler import CHAINS, schedule

REFUSED, NOT_KEPT = 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the module's docstring gives files and exit statuses."""
    parser = argparse.ArgumentParser(
        prog="python -m ess", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("schedule", help="plan every row of a file")
    command.add_argument("--instances", type=Path, required=True)
    command.add_argument("--method", choices=sorted(CHAINS), default="auto")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=_schedule)
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except FieldError as error:
        print(error, file=sys.stderr)
        return REFUSED


def _schedule(given: argparse.Namespace) -> int:
    taken = read_instances(given.instances)
    faults, plan = dict(taken.faults), None
    if taken.problem is not None:
        schedule(taken.problem.rows([0]), given.method)  # compiles and loads what the method needs
        plan = schedule(taken.problem, given.method)
        faults |= {int(taken.rows[at]): plan.reason[at] for at in np.flatnonzero(~plan.feasible)}
    write_answers(given.out, taken, plan)
    for row, fault in sorted(faults.items()):
        print(f"row {row}: {fault}", file=sys.stderr)
    return NOT_KEPT if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
