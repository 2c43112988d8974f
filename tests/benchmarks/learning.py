"""What was trained, on days that nothing was trained or chosen on; training itself by each model's card."""

import json
from functools import partial
from importlib.resources import files

import numpy as np

from ess.causal.outlook import Outlook
from ess.compare import Outcome, compare
from ess.days import LAST_DAY, TEST_FROM, home_days, seed_days, varied
from ess.learned import l2o, seed
from ess.learned.l2o_figures import POOLED, figures_on, unseen_days
from ess.learned.seed_figures import Gaps, seed_table
from ess.scheduler import schedule
from tests.benchmarks.registry import Row, at_least, at_most
from tests.benchmarks.scheduling import BATCH, MILP_ROWS, SEED, milp_seconds, seconds_a_row

CAUSAL = {"mpc": 91.5, "policy": 91.0, "ppo": 86.0, "dqn": 78.0}  # % of the attainable savings
TRAINING_MINUTES = {"l2o": 20, "policy": 5, "ppo": 20, "dqn": 20}
SEED_DAYS = 500


def learning(scale: float) -> list[Row]:
    """The network that learned to optimise, the one it grew from, and control without foresight."""
    return [*learned_to_optimise(scale), *the_seed(scale), *without_foresight(), *training()]


def learned_to_optimise(scale: float) -> list[Row]:
    """Each set of days, and all together."""
    rows = []
    shown = unseen_days()
    alone = figures_on(shown, l2o.unpolished_plan)[POOLED]
    for name, found in figures_on(shown, l2o.plan).items():
        if name == POOLED:
            rows += [
                at_most("l2o: lost", 100 * found.lost, "%", 1.2),
                at_most("l2o: sum-gap", 100 * found.sum_gap, "%", 1.2),
                at_most("l2o: 99th percentile of the days' lost", 100 * found.p99, "%", 6),
                at_least("l2o: feasible", 100 * found.feasible, "% of days", 100),
            ]
        else:
            rows += [
                Row(f"l2o, {name}: lost", 100 * found.lost, "%"),
                Row(f"l2o, {name}: 99th percentile", 100 * found.p99, "%"),
            ]
    problem = varied(seed_days(max(int(BATCH * scale), 100), seed=SEED), seed=SEED)
    milp_s = milp_seconds(problem, max(int(MILP_ROWS * scale), 3))
    plan_s = seconds_a_row(lambda: l2o.plan(problem), problem)
    alone_s = seconds_a_row(lambda: l2o.unpolished_plan(problem), problem)
    return [
        *rows,
        Row("l2o, unpolished: lost", 100 * alone.lost, "%"),
        Row("l2o, unpolished: sum-gap", 100 * alone.sum_gap, "%"),
        Row("l2o, unpolished: 99th percentile", 100 * alone.p99, "%"),
        Row("l2o, unpolished", alone_s * 1e6, "µs a day"),
        Row("l2o", plan_s * 1e6, "µs a day"),
        at_least("l2o: times faster than the MILP", milp_s / plan_s, "ratio", 1_000),
    ]


def the_seed(scale: float) -> list[Row]:
    """The seed's own table, as its author counts, and what its plans reach once they keep every limit."""
    count = max(int(SEED_DAYS * scale), 20)
    table, problem = seed_table(seed=SEED, days=count), seed_days(count, seed=SEED)
    plan_s = seconds_a_row(lambda: seed.plan(problem), problem)
    milp_s = milp_seconds(problem, max(int(MILP_ROWS * scale), 3))

    def gaps(name: str, found: Gaps) -> list[Row]:
        return [
            Row(f"l2o_seed, {name}: {part} gap", 100 * getattr(found, part), "%")
            for part in ("average", "median", "largest", "smallest")
        ]

    return [
        Row("l2o_seed, bent to keep every limit", plan_s * 1e6, "µs a day"),
        Row("l2o_seed: times faster than the MILP", milp_s / plan_s, "ratio"),
        Row("l2o_seed: average least cost", table.optimum, "a day"),
        *gaps("as printed", table.printed),
        Row("l2o_seed, as printed: SoC within 0.01 kWh of its bounds", 100 * table.near_bounds, "% of days"),
        Row("l2o_seed, replayed: every limit kept", 100 * table.feasible, "% of days"),
        Row("l2o_seed, replayed: final SoC missed by, on average", table.final_missed_kwh, "kWh"),
        *gaps("bent to keep every limit", table.kept),
        Row("l2o_seed, bent to keep every limit: lost", 100 * table.lost, "%"),
    ]


def without_foresight() -> list[Row]:
    """Savings of each method on measured days, of those that the optimum makes, and beside the rule's."""
    days = home_days(TEST_FROM, LAST_DAY)
    outlook = Outlook(days.past_net_load_kw)
    found = compare(days.problem, ("rule", *CAUSAL), scheduler=partial(schedule, outlook=outlook))
    rule, *outcomes = found.outcomes
    rows = [Row("rule: of the attainable savings", 100 * rule.share, "%")]
    for outcome in outcomes:
        name = outcome.method
        rows += [
            at_least(f"{name}: of the attainable savings", 100 * outcome.share, "%", CAUSAL[name]),
            at_least(f"{name}: feasible", 100 * float(outcome.feasible.mean()), "% of days", 100),
        ]
        if name in {"ppo", "dqn"}:
            least = least_lead(outcome, rule, days.home)
            rows.append(at_least(f"{name}: least lead of a home over the rule", least, "money", 0))
    other = compare(
        varied(days.problem, seed=SEED), ("rule", *CAUSAL), scheduler=partial(schedule, outlook=outlook)
    )
    rows += [
        Row(f"{o.method}, other batteries: of the attainable savings", 100 * o.share, "%")
        for o in other.outcomes
    ]
    return rows


def least_lead(outcome: Outcome, rule: Outcome, home: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
    """What the method saves beyond the rule in the home where that is least."""
    more = rule.cost - outcome.cost
    return float(min(more[home == each].sum() for each in np.unique(home)))


def training() -> list[Row]:
    """CPU time that training took when the shipped weights were made."""
    rows = []
    for name, most in TRAINING_MINUTES.items():
        room = "ess.learned" if name == "l2o" else "ess.causal"
        card = json.loads((files(room) / "weights" / f"{name}.json").read_text(encoding="utf-8"))
        rows.append(at_most(f"{name}: training, by its card", card["cpu_minutes"], "CPU minutes", most))
    return rows
