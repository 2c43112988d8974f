"""Schedule batteries, compare the methods that do, and train those that learn.

python -m ess schedule --instances IN.npz --method exact --out OUT.npz

IN:  load_kw, pv_kw, buy, sell (n, T); capacity_kwh, max_charge_kw, max_discharge_kw, charge_efficiency,
     discharge_efficiency, soc_initial_kwh, soc_min_kwh, soc_final_kwh (n,); step_h; optionally
     import_limit_kw, export_limit_kw (n, T) and degradation_cost_per_kwh (n,)
OUT: charge_kw, discharge_kw (n, T), both >= 0 at the AC terminal; soc_kwh (n, T) at the end of each step;
     cost (n,) = sum of step_h * (buy * import - sell * export); certificate (n,): no plan costs less, wear
     included (-inf: nothing is proven); seconds of solving, after what is compiled or loaded once

python -m ess compare --instances IN.npz --out FOLDER [--methods exact,milp,rule]

     A table of the methods on the terminal and, with each row's figures, in FOLDER/comparison.json; five
     figures (PNG) beside it. Methods that decide without foresight know past_net_load_kw (n, S, T) of IN, S
     courses of load less PV that may come; where IN has none, they take load_kw and pv_kw for certain.

python -m ess days --out IN.npz

     Measured days of eleven homes that no shipped model was trained on, ready for the other commands.

python -m ess train {l2o,l2o_seed,policy,ppo,dqn} [--seed N] [--rounds N] [--out FOLDER] [--state FOLDER]

     Weights and model card to --out (in place of those that ship). --state keeps the checkpoint from which an
     interrupted training goes on, and logs for TensorBoard. --rounds counts pools of days (l2o), epochs
     (l2o_seed), updates (policy) or intervals lived (ppo, dqn).

Exit status: 0; 2 when the input is refused; 3 when OUT was written but a row holds impossible values (its
figures are NaN), or its limits cannot all be kept, or no plan was found (stderr says which row, and why).
"""

import argparse
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from domain.errors import FieldError
from ess.compare import Outcome, compare
from ess.days import LAST_DAY, TEST_FROM, home_days
from ess.figures import draw
from ess.files import read_instances, read_outlook, write_answers, write_days
from ess.scheduler import CHAINS, METHODS, schedule

REFUSED, NOT_KEPT = 2, 3
LEARNERS = ("l2o", "l2o_seed", "policy", "ppo", "dqn")
TRAININGS = Path("build") / "train"


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
    command = commands.add_parser("compare", help="all methods on a file: a table, JSON and figures")
    command.add_argument("--instances", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    command.set_defaults(run=_compare)
    command = commands.add_parser("days", help="write measured days to a file")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=_days)
    command = commands.add_parser("train", help="train a method that learns")
    command.add_argument("method", choices=LEARNERS)
    command.add_argument("--seed", type=int)
    command.add_argument("--rounds", type=int)
    command.add_argument("--out", type=Path)
    command.add_argument("--state", type=Path)
    command.set_defaults(run=_train)
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except FieldError as error:
        print(error, file=sys.stderr)
        return REFUSED


def _schedule(given: argparse.Namespace) -> int:
    taken = read_instances(given.instances)
    outlook = read_outlook(given.instances, taken)
    faults, plan = dict(taken.faults), None
    if taken.problem is not None:
        one = np.zeros(1, dtype=np.intp)  # compiles and loads what the method needs
        schedule(taken.problem.rows(one), given.method, outlook=outlook and outlook.rows(one))
        plan = schedule(taken.problem, given.method, outlook=outlook)
        faults |= {int(taken.rows[at]): plan.reason[at] for at in np.flatnonzero(~plan.feasible)}
    write_answers(given.out, taken, plan)
    return _told(faults)


def _compare(given: argparse.Namespace) -> int:
    taken = read_instances(given.instances)
    outlook = read_outlook(given.instances, taken)
    if taken.problem is None:
        return _told(taken.faults)
    found = compare(taken.problem, given.methods, scheduler=partial(schedule, outlook=outlook), runs=2)
    given.out.mkdir(parents=True, exist_ok=True)
    report = {"rows": taken.rows.tolist(), "methods": [_figures(outcome) for outcome in found.outcomes]}
    (given.out / "comparison.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    draw(taken.problem, found, given.out)
    table = Table(
        "method", "cost", "of attainable savings, %", "above optimum, %", "limits kept, %", "µs a row"
    )
    rows = len(taken.rows)
    for outcome in found.outcomes:
        table.add_row(
            outcome.method,
            f"{outcome.cost.sum():,.2f}",
            f"{100 * outcome.share:.2f}",
            f"{100 * outcome.sum_gap:.3f}",
            f"{100 * outcome.feasible.mean():.1f}",
            f"{1e6 * outcome.plan.seconds / rows:,.1f}",
        )
    Console().print(table)
    print(f"Without a battery: {found.cost_without.sum():,.2f}. Figures and comparison.json: {given.out}")
    return _told(taken.faults)


def _figures(outcome: Outcome) -> dict[str, Any]:
    """What JSON says of a method; null where a share has no meaning."""
    known = {name: getattr(outcome, name) for name in ("share", "lost", "sum_gap")}
    return {
        "method": outcome.method,
        **{name: value if np.isfinite(value) else None for name, value in known.items()},
        "seconds": outcome.plan.seconds,
        "cost": outcome.cost.tolist(),
        "optimum": outcome.optimum.tolist(),
        "cost_without": outcome.cost_without.tolist(),
        "feasible": outcome.feasible.tolist(),
        "reason": list(outcome.plan.reason),
    }


def _days(given: argparse.Namespace) -> int:
    write_days(given.out, home_days(TEST_FROM, LAST_DAY))
    return 0


def _train(given: argparse.Namespace) -> int:
    resolve_name("ess.training:train")(
        given.method,
        seed=given.seed,
        rounds=given.rounds,
        folder=given.state or TRAININGS / given.method,
        out=given.out,
        report=print,
    )
    return 0


def _told(faults: Mapping[int, str]) -> int:
    """Say what is wrong with which rows; the exit status."""
    for row, fault in sorted(faults.items()):
        print(f"row {row}: {fault}", file=sys.stderr)
    return NOT_KEPT if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
