"""``manage.py coordinate_fleet``: plan the batteries of a file under limits that they share."""

import zipfile
from argparse import ArgumentParser
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError

from backend.planning.fleet import ShardGoneError
from backend.planning.tasks import SHARDS, NoAnswerError, celery_crew
from domain.errors import FieldError
from ess.conflict import find_conflict
from ess.corridor import can_be_met
from ess.dynamics import Replay, replay
from ess.files import read_instances
from ess.plan import SolverError
from ess.portfolio import Crew, FleetPlan, Threads, coordinate
from ess.problem import BatteryProblem
from ess.shared import SharedLimits

SHOWN = 5  # faulty rows; the rest is counted
CAPS = ("import_cap_kw", "export_cap_kw")
SERIES = ("other_load_kw", "promised_kw", "baseline_kw")
PEAK = ("peak_price_per_kw", "peak_so_far_kw")


class Command(BaseCommand):
    help = (
        "Coordinate batteries under shared limits. IN: as `python -m ess schedule` takes. LIMITS: "
        "import_cap_kw, export_cap_kw (T,), kW, inf for none; optionally other_load_kw, promised_kw with "
        "baseline_kw (T,), peak_price_per_kw, peak_so_far_kw. OUT: charge_kw, discharge_kw, soc_kwh (n, T), "
        "grid_kw, price_per_kwh (T,), cost, bound, gap, rounds."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--instances", type=Path, required=True, metavar="IN.npz")
        parser.add_argument("--limits", type=Path, required=True, metavar="LIMITS.npz")
        parser.add_argument("--out", type=Path, required=True, metavar="OUT.npz")
        parser.add_argument("--shards", type=int, default=SHARDS, help="tasks a round (default %(default)s)")
        parser.add_argument("--local", action="store_true", help="work in this process, without Celery")

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        if options["shards"] < 1:
            raise CommandError("--shards: must be at least 1")
        if not options["out"].absolute().parent.is_dir():
            raise CommandError(f"--out: there is no folder {options['out'].parent}")
        started = perf_counter()
        try:
            problem = read_problem(options["instances"])
            limits = read_limits(options["limits"], steps=problem.shape[1])
            with crew_for(problem, shards=options["shards"], local=options["local"]) as crew:
                plan = coordinate(problem, limits, crew=crew)
        except (FieldError, SolverError, NoAnswerError, ShardGoneError) as error:
            raise CommandError(str(error)) from error
        seconds = perf_counter() - started
        judged = replay(problem, plan.charge_kw, plan.discharge_kw)
        if not judged.feasible.all():
            raise CommandError(_listed(dict(enumerate(judged.violations))))
        write_plan(options["out"], plan, judged)
        self.stdout.write(
            f"cost {plan.cost:.6f}, bound {plan.bound:.6f}, gap {plan.gap:.4%}, {plan.rounds} rounds, "
            f"{seconds:.1f} s"
        )


def crew_for(problem: BatteryProblem, *, shards: int, local: bool) -> AbstractContextManager[Crew]:
    """Who works for the batteries: Celery's workers, or threads of this process."""
    return nullcontext(Threads(problem)) if local else celery_crew(problem, shards=shards)


def read_problem(path: Path) -> BatteryProblem:
    """Every row of an archive of instances; CommandError where one cannot be planned."""
    taken = read_instances(path)
    if taken.problem is None or taken.faults:
        raise CommandError(_listed(taken.faults))
    unmet = np.flatnonzero(~can_be_met(taken.problem)).tolist()
    if unmet:
        shown = {row: find_conflict(taken.problem.rows([row])).sentence for row in unmet[:SHOWN]}
        raise CommandError(_listed(dict.fromkeys(unmet, "its limits cannot be kept") | shown))
    return taken.problem


def read_limits(path: Path, *, steps: int) -> SharedLimits:
    """The shared limits in an archive, of ``steps`` intervals.

    Raises:
        FieldError: there is no such archive, or a field is missing, unknown or wrong.
    """
    try:
        with np.load(path) as archive:
            given = {name: np.asarray(archive[name], dtype=np.float64) for name in archive}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise FieldError("limits", f"{path.name} is no archive of numbers: {error}") from error
    known = {item.name for item in fields(SharedLimits)}
    for name in given.keys() - known:  # a misspelt limit would be none
        raise FieldError(name, f"is no shared limit: there are {', '.join(sorted(known))}")
    for name in CAPS:
        if name not in given:
            raise FieldError(name, "is missing")
    if "promised_kw" in given and "baseline_kw" not in given:
        raise FieldError("baseline_kw", "is missing: a promise is to stay below it")
    if given["import_cap_kw"].shape != (steps,):
        shape = given["import_cap_kw"].shape
        raise FieldError("import_cap_kw", f"must have shape ({steps},) as the instances, got {shape}")
    arrays: dict[str, Any] = {**dict.fromkeys(SERIES, np.zeros(steps)), **given}
    return SharedLimits(**arrays | {name: _number(arrays[name], name) for name in PEAK if name in arrays})


def write_plan(path: Path, plan: FleetPlan, judged: Replay) -> None:
    """Write the plan and its replay as the command's help says."""
    with path.open("wb") as out:
        np.savez(
            out,
            allow_pickle=False,
            charge_kw=plan.charge_kw,
            discharge_kw=plan.discharge_kw,
            soc_kwh=judged.soc_kwh,
            grid_kw=plan.grid_kw,
            price_per_kwh=plan.price_per_kwh,
            cost=plan.cost,
            bound=plan.bound,
            gap=plan.gap,
            rounds=plan.rounds,
        )


def _number(values: np.ndarray[Any, np.dtype[np.float64]], name: str) -> float:
    if values.size != 1:
        raise FieldError(name, "must be one number")
    return float(values.item())


def _listed(faults: dict[int, str]) -> str:
    """The first faulty rows, one a line, and how many more there are."""
    told = [f"row {row}: {fault}" for row, fault in sorted(faults.items()) if fault]
    more = [f"and {len(told) - SHOWN} more rows"] if len(told) > SHOWN else []
    return "\n".join(told[:SHOWN] + more)
