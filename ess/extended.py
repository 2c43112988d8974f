"""The least-cost plan under market terms: reserve, a price on the peak, blocks and ageing, all at once.

The programme of ``ess.milp`` with up to four further parts, each only where ``MarketTerms`` has some of it
(p = c - d net power; s state of charge; r+, r- reserve up and down; H ``reserve_hours``; P the peak):

    reserve   - sum(price+ r+ + price- r-),   r+ >= sold+,  r- >= sold-
              least power <= p - r+,  p + r- <= most power                  (ratings and connection limits)
              s - H r+ / eta_d >= floor,  s + H eta_c r- <= capacity          (at both ends of the interval)
    peak      + price (P - reached),   P >= reached,  P >= every import
    blocks    p, r+ and r- constant within every block
    ageing    + sum of the marginal cost of what is taken from each segment (``ess.ageing``)

They compete for the same power and the same store; solved together, each gets what it is worth. As in
``ess.milp``, the linear relaxation comes first. Its plan is made to keep every limit and priced afresh
(``ess.market.judge``); a row that costs more than the relaxation's bound is solved again with binaries.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import cvxpy as cp
import numpy as np

from ess.conflict import find_conflict
from ess.corridor import can_be_met, follow, power_range
from ess.dynamics import TOLERANCE
from ess.market import MarketSchedule, MarketTerms, floors, judge
from ess.milp import (
    BLOCK_ROWS,
    COST_TOLERANCE,
    MIP_GAP,
    PRICE_SCALE,
    SOLVING,
    TIME_LIMIT_S,
    Model,
    compiled,
    parameter_values,
    run_highs,
)
from ess.plan import Plan, SolverError
from ess.problem import BatteryProblem, Floats

NO_PLAN = (cp.INFEASIBLE, "infeasible_or_unbounded")  # every programme here is bounded


class NoPlanError(SolverError):
    """No plan keeps every limit and every term."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a compiled programme has beside energy: its structure, which no parameter can change."""

    exclusive: bool
    reserve: bool
    peak: bool
    block_intervals: int
    segments: int
    elastic: bool = False  # minimise how much of the reserve sold is missing, and nothing else


@dataclass(frozen=True, slots=True)
class _Extended:
    base: Model
    parameters: dict[str, cp.Parameter]
    cost: cp.Expression
    missing: tuple[cp.Variable, cp.Variable]
    problem: cp.Problem


def plan(problem: BatteryProblem, terms: MarketTerms) -> MarketSchedule:
    """The schedule of least total cost, priced part by part.

    A row whose limits or terms cannot all be kept is planned with the least relaxation of them, and comes
    back infeasible with its reason.

    Raises:
        FieldError: the terms do not fit the problem.
        SolverError: HiGHS reached no optimum in time.
    """
    terms = terms.fitted(problem)
    count = problem.shape[0]
    blocks = [list(range(at, min(at + BLOCK_ROWS, count))) for at in range(0, count, BLOCK_ROWS)]
    parts = [_plan_rows(problem.rows(block), terms.rows(block)) for block in blocks]
    charge_kw, discharge_kw, bound = (
        np.concatenate([values[item] for values, _ in parts]) for item in range(len(Plan._fields))
    )
    reasons = tuple(reason for _, told in parts for reason in told)
    return replace(judge(problem, terms, charge_kw, discharge_kw), bound=bound, reason=reasons)


def _plan_rows(problem: BatteryProblem, terms: MarketTerms) -> tuple[Plan, list[str]]:
    """The plan of a block of rows, whose terms are fitted, and what each row could not keep."""
    reasons = [""] * problem.shape[0]
    found = _relaxation(problem, terms)
    charge_kw, discharge_kw, bound = found.charge_kw, found.discharge_kw, found.bound.copy()
    exact = found.feasible & (found.total_cost - bound <= COST_TOLERANCE * (1 + np.abs(found.total_cost)))
    for row in np.flatnonzero(~exact).tolist():
        one, own = problem.rows([row]), terms.rows([row])
        try:
            net_kw, least = _solve(one, own, exclusive=True)
            bound[row] = max(bound[row], least[0] - MIP_GAP * abs(least[0]))
        except NoPlanError:
            one, own, reasons[row] = least_relaxed(one, own)
            net_kw, _ = _solve(one, own, exclusive=True)
            bound[row] = -np.inf
        candidate = judge(one, own, *follow(one, net_kw))
        if candidate.violations[0] and found.violations[row]:
            raise SolverError(f"HiGHS found no plan in {TIME_LIMIT_S:g} s: {candidate.violations[0]}")
        cheaper = not candidate.violations[0] and candidate.total_cost[0] < found.total_cost[row]
        if found.violations[row] or cheaper:
            charge_kw[row], discharge_kw[row] = candidate.charge_kw[0], candidate.discharge_kw[0]
    return Plan(charge_kw, discharge_kw, bound), reasons


def _relaxation(problem: BatteryProblem, terms: MarketTerms) -> MarketSchedule:
    """The linear relaxation's plan, made to keep the limits; no action where some row has none at all."""
    try:
        net_kw, bound = _solve(problem, terms, exclusive=False)
    except NoPlanError:
        return judge(problem, terms, np.zeros(problem.shape), np.zeros(problem.shape))
    return replace(judge(problem, terms, *follow(problem, net_kw)), bound=bound)


def least_relaxed(problem: BatteryProblem, terms: MarketTerms) -> tuple[BatteryProblem, MarketTerms, str]:
    """Limits and terms of one row (n = 1) that can be kept together, and in words what had to give.

    The problem's own limits give as ``ess.conflict`` finds. Then blocks are given up where no plan moves in
    blocks at all, and as little as possible of the reserve that was sold, in kW over all intervals.

    Raises:
        SolverError: the conflict was not resolved.
    """
    terms, sentences = terms.fitted(problem), []
    if not can_be_met(problem).all():
        conflict = find_conflict(problem)
        problem, sentences = conflict.relaxed, [conflict.sentence]
    try:
        missing = _least_missing(problem, terms)
    except NoPlanError:
        sentences.append(f"block_intervals of {terms.block_intervals} cannot be kept")
        terms = replace(terms, block_intervals=1)
        missing = _least_missing(problem, terms)
    for name, amount_kw in missing.items():
        if amount_kw.max() > TOLERANCE:
            gives = f"least relaxation: {name} by {amount_kw.max():.3g} kW"
            sentences.append(f"{name} cannot be kept; {gives}")
            # The solver's answer may fall short by its tolerance.
            kept_kw = np.maximum(getattr(terms, name) - amount_kw - TOLERANCE, 0)
            terms = replace(terms, **{name: kept_kw})
    return problem, terms, "; ".join(sentences)


def _least_missing(problem: BatteryProblem, terms: MarketTerms) -> dict[str, Floats]:
    """How much of each reserve sold no plan can hold, kW, each (1, T)."""
    parts = replace(_parts_of(terms, exclusive=True), reserve=True, peak=False, segments=0, elastic=True)
    with SOLVING:
        model = _solved(problem, terms, parts)
        up, down = (np.maximum(variable.value, 0) for variable in model.missing)
    return {"reserve_up_sold_kw": up, "reserve_down_sold_kw": down}


def _solve(problem: BatteryProblem, terms: MarketTerms, *, exclusive: bool) -> tuple[Floats, Floats]:
    """(net power kW (n, T), total cost (n,)) as the solver sees it; -inf where it ran out of time."""
    with SOLVING:
        model = _solved(problem, terms, _parts_of(terms, exclusive=exclusive))
        net_kw = np.asarray(model.base.charge.value - model.base.discharge.value)
        proven = model.problem.status == cp.OPTIMAL
        return net_kw, np.asarray(model.cost.value) / PRICE_SCALE if proven else np.full(len(net_kw), -np.inf)


def _solved(problem: BatteryProblem, terms: MarketTerms, parts: _Parts) -> _Extended:
    model = _extended(*problem.shape, parts)
    for name, values in parameter_values(problem).items():
        model.base.parameters[name].value = values
    for name, values in _term_values(problem, terms).items():
        if name in model.parameters:
            model.parameters[name].value = values
    status = run_highs(model.problem)
    if status in NO_PLAN:
        raise NoPlanError(f"HiGHS ended with status {status}")
    # Out of time, a search has a plan to be judged; a relaxation has not.
    if status not in ((cp.OPTIMAL, cp.USER_LIMIT) if parts.exclusive else (cp.OPTIMAL,)):
        raise SolverError(f"HiGHS ended with status {status}")
    return model


def _parts_of(terms: MarketTerms, *, exclusive: bool) -> _Parts:
    return _Parts(
        exclusive=exclusive,
        reserve=terms.has_reserve,
        peak=terms.has_peak,
        block_intervals=terms.block_intervals,
        segments=terms.ageing.segments if terms.ageing else 0,
    )


def _term_values(problem: BatteryProblem, terms: MarketTerms) -> dict[str, Floats]:
    """The parameters beside those of ``ess.milp``; (n, T) unless a column or one row a segment."""
    ones = np.ones(problem.shape)
    least_kw, most_kw = power_range(problem)
    floor, full = floors(problem), problem.capacity_kwh[:, None]
    first = problem.soc_initial_kwh[:, None]
    values = {
        "least": least_kw,
        "most": most_kw,
        "up_kwh": terms.reserve_hours / problem.discharge_efficiency[:, None] * ones,
        "down_kwh": terms.reserve_hours * problem.charge_efficiency[:, None] * ones,
        "held_before": np.hstack([np.maximum(first - floor[:, :1], 0), -floor[:, :-1]]),
        "room_before": np.hstack([full - first, full * ones[:, 1:]]),
        "up_sold": terms.reserve_up_sold_kw,
        "down_sold": terms.reserve_down_sold_kw,
        "up_price": PRICE_SCALE * terms.reserve_up_price,
        "down_price": PRICE_SCALE * terms.reserve_down_price,
        "peak_price": PRICE_SCALE * terms.peak_price_per_kw,
        "peak_reached": terms.peak_reached_kw,
        "peak_paid": PRICE_SCALE * terms.peak_price_per_kw * terms.peak_reached_kw,
    }
    if terms.ageing is None:
        return values
    by_segment = np.ones((problem.shape[0] * terms.ageing.segments, problem.shape[1]))
    fill = np.zeros_like(by_segment)
    fill[:, 0] = terms.ageing.segment_fill(problem.capacity_kwh, problem.soc_initial_kwh).ravel()
    size = np.repeat(problem.capacity_kwh / terms.ageing.segments, terms.ageing.segments)
    price = PRICE_SCALE * terms.ageing.marginal_cost(problem.capacity_kwh).ravel()
    return values | {
        "segment_fill": fill,
        "segment_size": size[:, None] * by_segment,
        "segment_price": price[:, None] * by_segment,
    }


@lru_cache(maxsize=32)
def _extended(rows: int, steps: int, parts: _Parts) -> _Extended:
    base = compiled(rows, steps, exclusive=parts.exclusive)
    p: dict[str, cp.Parameter] = {}

    def parameter(name: str, *shape: int, signed: bool = False) -> cp.Parameter:
        p[name] = cp.Parameter(shape or (rows, steps), name=name, nonneg=not signed)
        return p[name]

    def before(series: cp.Variable) -> cp.Expression:
        return cp.hstack([np.zeros((series.shape[0], 1)), series[:, :-1]])

    own = base.parameters
    power = base.charge - base.discharge
    energy = cp.multiply(own["buy"], base.grid_import) - cp.multiply(own["sell"], base.grid_export)
    cost = cp.sum(energy + cp.multiply(own["wear"], base.discharge), axis=1)
    objective = base.problem.objective.expr
    rules, extra, offered = [], [], [power]
    missing = (cp.Variable((rows, steps), nonneg=True), cp.Variable((rows, steps), nonneg=True))
    if parts.reserve:
        up, down = cp.Variable((rows, steps), nonneg=True), cp.Variable((rows, steps), nonneg=True)
        up_kwh = cp.multiply(parameter("up_kwh"), up)
        down_kwh = cp.multiply(parameter("down_kwh"), down)
        rules += [
            up <= power - parameter("least", signed=True),
            down <= parameter("most", signed=True) - power,
            up_kwh <= base.soc - own["floor"],
            up_kwh <= parameter("held_before", signed=True) + before(base.soc),
            down_kwh <= own["capacity"] - base.soc,
            down_kwh <= parameter("room_before") - before(base.soc),
            up >= parameter("up_sold") - (missing[0] if parts.elastic else 0),
            down >= parameter("down_sold") - (missing[1] if parts.elastic else 0),
        ]
        earned = cp.multiply(parameter("up_price"), up) + cp.multiply(parameter("down_price"), down)
        extra.append(-cp.sum(earned, axis=1))
        offered += [up, down]
    if parts.peak:
        peak = cp.Variable((rows, 1))
        rules += [
            peak >= cp.reshape(parameter("peak_reached", rows), (rows, 1), order="C"),
            base.grid_import <= peak @ np.ones((1, steps)),
        ]
        extra.append(cp.multiply(parameter("peak_price", rows), peak[:, 0]) - parameter("peak_paid", rows))
    inside = [t for t in range(steps) if t % parts.block_intervals]
    if inside:
        rules += [series[:, inside] == series[:, [t - 1 for t in inside]] for series in offered]
    if parts.segments:
        shape = (rows * parts.segments, steps)
        taken, stored, held = (cp.Variable(shape, nonneg=True) for _ in range(3))
        over_segments = np.kron(np.eye(rows), np.ones((1, parts.segments)))
        rules += [
            held == parameter("segment_fill", *shape) + before(held) + stored - taken,
            held <= parameter("segment_size", *shape),
            over_segments @ stored == cp.multiply(own["gain"], base.charge),
            over_segments @ taken == cp.multiply(own["loss"], base.discharge),
        ]
        price = cp.multiply(parameter("segment_price", *shape), taken)
        extra.append(over_segments @ cp.sum(price, axis=1))
    total = objective + sum(cp.sum(part) for part in extra)
    if parts.elastic:
        total = cp.sum(missing[0] + missing[1])
    programme = cp.Problem(cp.Minimize(total), [*base.problem.constraints, *rules])
    return _Extended(base, p, cost + sum(extra), missing, programme)
