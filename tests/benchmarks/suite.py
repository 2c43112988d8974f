"""The benchmarks. ``scale`` 1 is the size that is timed; smaller ones only show that they run."""

from datetime import UTC, datetime, timedelta

import numpy as np

from domain.market import Order, SettlementPrices, Side
from ess.problem import BatteryProblem
from ess.scheduler import schedule
from pricing.auction import clear
from pricing.settlement import MeterInterval, Purchase, Sale, settle_interval
from tests.benchmarks.forecasting import forecasting
from tests.benchmarks.gas import gas
from tests.benchmarks.health import health
from tests.benchmarks.lake import lake
from tests.benchmarks.learning import learning
from tests.benchmarks.registry import Row, at_least, at_most, best_of
from tests.benchmarks.scheduling import agreement, fleet, long_horizon, speed

START = datetime(2026, 6, 15, tzinfo=UTC)


def orders(count: int) -> list[Order]:
    """A book of ``count`` orders by as many participants."""
    rng = np.random.default_rng(1)
    return [
        Order(
            order_id=str(i),
            participant_id=str(i),
            meter_id=str(i),
            side=Side.BUY if i % 2 else Side.SELL,
            energy_wh=int(rng.integers(1, 5_000)),
            limit_micro_per_kwh=int(rng.integers(80_000, 400_000)),
            placed_at=START + timedelta(seconds=i),
        )
        for i in range(count)
    ]


def auction(scale: float) -> list[Row]:
    """One call auction; twice the book must not cost much more than twice the time."""
    count = max(int(50_000 * scale), 20)
    small, large = orders(count), orders(2 * count)
    once, twice = best_of(lambda: clear(small)), best_of(lambda: clear(large))
    return [
        Row("orders", count, "orders"),
        Row("clearing", once * 1e6 / count, "µs per order"),
        at_most("time for twice the book", twice / once, "ratio", 2.8),
    ]


def community(batteries: int) -> BatteryProblem:
    """A day of ``batteries`` homes with sun, under a time-of-use tariff."""
    rng = np.random.default_rng(1)
    shape, hours = (batteries, 24), np.arange(24)
    sun = np.clip(np.sin((hours - 6) / 12 * np.pi), 0, None) * 4
    return BatteryProblem(
        load_kw=rng.gamma(2.0, 0.6, shape),
        pv_kw=sun * rng.uniform(0.5, 1.2, (batteries, 1)),
        buy=np.broadcast_to(np.where((hours >= 16) & (hours < 21), 0.5, 0.21), shape),
        sell=np.full(shape, 0.08),
        capacity_kwh=np.full(batteries, 6.4),
        max_charge_kw=np.full(batteries, 5.0),
        max_discharge_kw=np.full(batteries, 5.0),
        charge_efficiency=np.full(batteries, 0.95),
        discharge_efficiency=np.full(batteries, 0.95),
        soc_initial_kwh=rng.uniform(0, 6.4, batteries),
        soc_min_kwh=np.zeros(batteries),
        soc_final_kwh=np.zeros(batteries),
        step_h=1.0,
    )


def planning(scale: float) -> list[Row]:
    """The exact plan of a community against the rule, and together against one at a time."""
    batteries = max(int(64 * scale), 2)
    problem = community(batteries)
    together = best_of(lambda: schedule(problem, method="milp"))
    alone = best_of(lambda: [schedule(problem.rows([i]), method="milp") for i in range(batteries)], 2)
    exact, rule = schedule(problem, method="milp"), schedule(problem, method="rule")
    saved = float((rule.cost - exact.cost).mean())
    return [
        Row("batteries", batteries, "batteries"),
        Row("planning", together * 1e3 / batteries, "ms per battery"),
        at_least("one at a time / together", alone / together, "ratio", 1.0),
        at_least("saved against the rule", round(saved, 9), "per battery and day", 0.0),
    ]


def settlement(scale: float) -> list[Row]:
    """One interval's lines; money is conserved at any size."""
    count = max(int(20_000 * scale), 10)
    prices = SettlementPrices(150_000, 210_000, 80_000, 210_000, 1_000)
    meters = [
        meter
        for i in range(count // 2)
        for meter in (
            MeterInterval(f"buyer {i}", 900, 0, (Purchase(1_000, prices.clearing),)),
            MeterInterval(f"seller {i}", 0, 950, (), (Sale(1_000, prices.clearing, 60_000),)),
        )
    ]
    seconds = best_of(lambda: settle_interval(meters, prices, interval_s=900))
    settled = settle_interval(meters, prices, interval_s=900)
    paid = sum(line.net_micro for line in settled.lines)
    difference = paid - settled.retailer_delta_micro - settled.fees_micro
    return [
        Row("meters", len(meters), "meters"),
        Row("settling", seconds * 1e6 / len(meters), "µs per meter"),
        at_most("money lost or made", abs(difference), "micro-units", 0),
    ]


def ess(scale: float) -> list[Row]:
    """Every way to schedule batteries, against the optimum and against HiGHS."""
    return [*agreement(scale), *speed(scale), *long_horizon(), *fleet(scale), *learning(scale)]


BENCHMARKS = {
    "auction": auction,
    "planning": planning,
    "settlement": settlement,
    "gas": gas,
    "ess": ess,
    "forecast": forecasting,
    "health": health,
    "lake": lake,
}
