"""One call from a problem to schedules that have been replayed, with the reason for each in words."""

import time
from dataclasses import dataclass, replace
from pkgutil import resolve_name

import numpy as np
from numpy.typing import NDArray

from domain.errors import FieldError
from domain.schedule import Schedule
from domain.time import TimeGrid
from ess.causal.outlook import Outlook
from ess.conflict import UNITS, find_conflict
from ess.corridor import can_be_met
from ess.dynamics import cost_with_wear, replay
from ess.plan import Plan, SolverError
from ess.problem import BatteryProblem, Floats


@dataclass(frozen=True, slots=True)
class Method:
    """Where a method is, and what it is good for; imported when it is first asked for.

    ``planner`` names a function ("module:name") from a problem to (charge kW, discharge kW[, bound (n,)]). A
    ``causal`` one takes an outlook, too: it decides interval by interval, without foresight.
    """

    planner: str
    merit: str
    causal: bool = False

    def plan(self, problem: BatteryProblem, outlook: Outlook | None) -> Plan:
        """What the method answers; no bound where it proves none."""
        known = (problem, outlook) if self.causal else (problem,)
        answer = resolve_name(self.planner)(*known)
        return answer if isinstance(answer, Plan) else Plan.unproven(*answer)


METHODS = {
    "exact": Method("ess.exact:certified_plan", "least cost, proven by its dual"),
    "milp": Method("ess.milp:certified_plan", "least cost, by integer programming"),
    "lp": Method("ess.milp:relaxed_plan", "least cost of the linear relaxation, made to keep every limit"),
    "l2o": Method("ess.learned.l2o:plan", "by a network that learned to optimise"),
    "l2o_seed": Method("ess.learned.seed:plan", "by the network this one grew from, bent to keep limits"),
    "mpc": Method("ess.causal.mpc:plan", "planned anew in each interval, over scenarios", causal=True),
    "policy": Method("ess.causal.policy:plan", "by a policy trained through the simulator", causal=True),
    "ppo": Method("ess.causal.agents:plan_ppo", "by an agent trained with PPO", causal=True),
    "dqn": Method("ess.causal.agents:plan_dqn", "by an agent trained with DQN", causal=True),
    "rule": Method("ess.rule:plan", "stores surplus and covers deficit"),
}
CHAINS = {"auto": ("l2o", "exact", "rule")} | {name: (name,) for name in METHODS}
MUST_BE_NEAR = {"l2o"}  # in a chain, what is learned has to be as good as what is proven
NEAR = 1e-4  # relative
IDLE = "no action"


@dataclass(frozen=True, slots=True, eq=False)
class BatterySchedule:
    """Plans for n batteries over T intervals, judged by ``ess.dynamics.replay`` against the problem as asked.

    ``charge_kw`` and ``discharge_kw`` (n, T) at the AC terminal, both >= 0; ``soc_kwh`` (n, T) at the end
    of each interval; ``cost`` (n,) of the energy over the connection; ``feasible`` (n,): every limit kept.
    ``certificate`` (n,): no schedule costs less, wear included; -inf where the method proves nothing, and
    of the nearest problem that can be met where no schedule keeps every limit. ``method`` and ``reason`` say
    for each row which method made the plan and why; a reason names what was in conflict when no plan can keep
    every limit, or why an earlier method was passed over. ``seconds`` is the time spent on all.
    """

    charge_kw: Floats
    discharge_kw: Floats
    soc_kwh: Floats
    cost: Floats
    certificate: Floats
    feasible: NDArray[np.bool_]
    method: tuple[str, ...]
    reason: tuple[str, ...]
    seconds: float

    def row(self, index: int, grid: TimeGrid) -> Schedule:
        """The schedule of battery ``index`` on ``grid``."""
        return Schedule(
            grid=grid,
            charge_kw=self.charge_kw[index],
            discharge_kw=self.discharge_kw[index],
            soc_kwh=self.soc_kwh[index],
            method=self.method[index],
            reason=self.reason[index],
        )


def schedule(
    problem: BatteryProblem, method: str = "auto", *, outlook: Outlook | None = None
) -> BatterySchedule:
    """Plan every row by ``method``: one of ``METHODS``, or "auto": learned, then exact, then the rule.

    ``outlook`` is what a causal method may know of the net load ahead; without one it takes the problem's own
    for certain. In "auto" the learned plan counts where it costs at most a ten-thousandth more than is proven
    to be possible.

    A plan that its replay refuses, or that a solver does not return, gives way to the next method, in the
    end to no action. A row that no plan can satisfy is planned with the least relaxation of its limits, and
    comes back with ``feasible`` False.

    Raises:
        FieldError: there is no such method.

    >>> problem = BatteryProblem(
    ...     load_kw=np.array([[0.0, 2.0]]), pv_kw=np.array([[2.0, 0.0]]), step_h=1.0,
    ...     buy=np.array([[0.3, 0.3]]), sell=np.array([[0.1, 0.1]]),
    ...     capacity_kwh=np.array([4.0]), max_charge_kw=np.array([2.0]), max_discharge_kw=np.array([2.0]),
    ...     charge_efficiency=np.array([1.0]), discharge_efficiency=np.array([1.0]),
    ...     soc_initial_kwh=np.array([0.0]), soc_min_kwh=np.array([0.0]), soc_final_kwh=np.array([0.0]))
    >>> plan = schedule(problem)
    >>> plan.soc_kwh.round(6).tolist(), plan.method, plan.reason
    ([[2.0, 0.0]], ('exact',), ('least cost, proven by its dual',))
    """
    if method not in CHAINS:
        raise FieldError("method", f"must be one of {', '.join(CHAINS)}, got {method!r}")
    began = time.perf_counter()
    target, notes = _least_relaxed(problem)
    rows = problem.shape[0]
    charge_kw, discharge_kw = np.zeros(problem.shape), np.zeros(problem.shape)
    certificate, methods = np.full(rows, -np.inf), np.full(rows, "", dtype=object)
    pending = np.arange(rows)
    for name in CHAINS[method]:
        some = len(pending) < rows
        part, known = (target.rows(pending), outlook and outlook.rows(pending)) if some else (target, outlook)
        plan, failures = _attempt(METHODS[name], part, known)
        if method == "auto" and name in MUST_BE_NEAR:
            failures = _or_too_dear(part, plan, failures)
        failed = np.array([bool(failure) for failure in failures])
        done = pending[~failed]
        charge_kw[done], discharge_kw[done] = plan.charge_kw[~failed], plan.discharge_kw[~failed]
        certificate[done], methods[done] = plan.bound[~failed], name
        for row in np.flatnonzero(failed).tolist():
            notes.setdefault(int(pending[row]), []).append(f"{name} passed over ({failures[row]})")
        pending = pending[failed]
        if not pending.size:
            break
    methods[pending] = "idle"
    judged = replay(problem, charge_kw, discharge_kw)
    reasons = [METHODS[name].merit if name in METHODS else IDLE for name in methods]
    for row, note in notes.items():
        reasons[row] = "; ".join([*note, reasons[row]])
    return BatterySchedule(
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        soc_kwh=judged.soc_kwh,
        cost=judged.cost,
        certificate=certificate,
        feasible=judged.feasible,
        method=tuple(methods),
        reason=tuple(reasons),
        seconds=time.perf_counter() - began,
    )


def _least_relaxed(problem: BatteryProblem) -> tuple[BatteryProblem, dict[int, list[str]]]:
    """The problem with limits moved as little as possible where they conflict; what to say of such rows."""
    conflicting = np.flatnonzero(~can_be_met(problem)).tolist()
    if not conflicting:
        return problem, {}
    notes = {}
    limits = {name: getattr(problem, name).copy() for name in UNITS}
    for row in conflicting:
        try:
            conflict = find_conflict(problem.rows([row]))
        except SolverError as error:
            notes[row] = [f"no plan keeps every limit ({error})"]
            continue
        notes[row] = [conflict.sentence]
        for name, values in limits.items():
            values[row] = getattr(conflict.relaxed, name)[0]
    return replace(problem, **limits), notes


def _attempt(
    method: Method, problem: BatteryProblem, outlook: Outlook | None
) -> tuple[Plan, tuple[str, ...]]:
    """A plan, and for each row why it will not do ("" where it will). A failing batch is tried row by row."""
    rows = problem.shape[0]
    try:
        plan = method.plan(problem, outlook)
    except (SolverError, FieldError) as error:
        if rows == 1 or isinstance(error, FieldError):
            return Plan.unproven(np.zeros(problem.shape), np.zeros(problem.shape)), (str(error),) * rows
        each = [np.array([row]) for row in range(rows)]
        attempts = [_attempt(method, problem.rows(row), outlook and outlook.rows(row)) for row in each]
        parts = [np.concatenate([getattr(plan, name) for plan, _ in attempts]) for name in Plan._fields]
        return Plan(*parts), tuple(failures[0] for _, failures in attempts)
    return plan, replay(problem, plan.charge_kw, plan.discharge_kw).violations


def _or_too_dear(problem: BatteryProblem, plan: Plan, failures: tuple[str, ...]) -> tuple[str, ...]:
    """``failures``, and of the other rows those that cost more than is proven to be possible."""
    proven, _ = _attempt(METHODS["exact"], problem, None)
    excess = cost_with_wear(problem, plan.charge_kw, plan.discharge_kw) - proven.bound
    dear = excess > NEAR * np.abs(proven.bound)
    return tuple(
        failure or (f"costs {more:.3g} more than is possible" if too_dear else "")
        for failure, more, too_dear in zip(failures, excess, dear, strict=True)
    )
