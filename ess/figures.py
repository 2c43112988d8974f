"""Five pictures of a comparison, as PNG files."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ess.compare import Comparison, Outcome
from ess.problem import BatteryProblem, Floats

SIZE_IN = (9.0, 5.0)
DPI = 120
COLOURS = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined] # of listed colour maps only
SMALLEST = 1e-4  # of a share that is drawn on a logarithmic axis


def draw(problem: BatteryProblem, comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``soc_and_power``, ``inputs``, ``gap``, ``solve_time`` and ``cost`` to ``folder``; their paths.

    The first two show the row whose cost without a battery is the median one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    row = int(np.argsort(comparison.cost_without)[len(comparison.cost_without) // 2])
    drawings: dict[str, Callable[[Figure], None]] = {
        "soc_and_power": lambda figure: _soc_and_power(figure, problem, comparison, row),
        "inputs": lambda figure: _inputs(figure, problem, row),
        "gap": lambda figure: _gap(figure.subplots(), comparison),
        "solve_time": lambda figure: _solve_time(figure.subplots(), comparison),
        "cost": lambda figure: _cost(figure.subplots(), comparison),
    }
    paths = []
    for name, drawing in drawings.items():
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        drawing(figure)
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1])
    return paths


def _hours(problem: BatteryProblem) -> Floats:
    hours: Floats = problem.step_h * np.arange(problem.shape[1] + 1, dtype=np.float64)
    return hours


def _soc_and_power(figure: Figure, problem: BatteryProblem, comparison: Comparison, row: int) -> None:
    above, below = figure.subplots(2, sharex=True)
    hours = _hours(problem)
    for outcome, colour in zip(comparison.outcomes, COLOURS, strict=False):
        plan = outcome.plan
        soc_kwh = np.append(problem.soc_initial_kwh[row], plan.soc_kwh[row])
        above.plot(hours, soc_kwh, color=colour, label=outcome.method)
        below.stairs(plan.charge_kw[row] - plan.discharge_kw[row], hours, color=colour, baseline=None)
    above.axhline(problem.capacity_kwh[row], color="grey", linestyle=":")
    above.set(title=f"Row {row}: state of charge and power", ylabel="stored, kWh")
    above.legend(ncols=2, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    below.axhline(0, color="grey", linewidth=0.5)
    below.set(xlabel="hours from the start", ylabel="power, kW (positive charges)")


def _inputs(figure: Figure, problem: BatteryProblem, row: int) -> None:
    above, below = figure.subplots(2, sharex=True)
    hours = _hours(problem)
    for label, values, colour in (("load", problem.load_kw, COLOURS[0]), ("PV", problem.pv_kw, COLOURS[1])):
        above.stairs(values[row], hours, label=label, color=colour)
    for label, values, colour in (("buy", problem.buy, COLOURS[2]), ("sell", problem.sell, COLOURS[3])):
        below.stairs(values[row], hours, label=label, color=colour, baseline=None)
    above.set(title=f"Row {row}: what was asked", ylabel="kW")
    below.set(xlabel="hours from the start", ylabel="price per kWh")
    above.legend()
    below.legend()


def _gap(axes: Axes, comparison: Comparison) -> None:
    learned = [outcome for outcome in comparison.outcomes if np.isfinite(outcome.lost_by_row).any()]
    for outcome, colour in zip(learned, COLOURS, strict=False):
        lost = np.sort(outcome.lost_by_row[np.isfinite(outcome.lost_by_row)])
        rank = np.arange(1, len(lost) + 1) / len(lost)
        axes.step(np.maximum(100 * lost, 100 * SMALLEST), 100 * rank, color=colour, label=outcome.method)
    axes.set_xscale("log")
    axes.set(
        title="Distance from the optimum, row by row",
        xlabel=f"part of the attainable savings that is lost, % (below {100 * SMALLEST:g} drawn there)",
        ylabel="rows that lose no more, %",
    )
    if learned:
        axes.legend(fontsize="small")


def _solve_time(axes: Axes, comparison: Comparison) -> None:
    outcomes = sorted(comparison.outcomes, key=lambda outcome: outcome.plan.seconds)
    rows = len(comparison.optimum)
    axes.barh([o.method for o in outcomes], [1e6 * o.plan.seconds / rows for o in outcomes], color=COLOURS[0])
    axes.set_xscale("log")
    axes.set(title=f"Time for a row, of {rows} planned together", xlabel="µs")


def _cost(axes: Axes, comparison: Comparison) -> None:
    drawn: list[Outcome] = list(comparison.outcomes)
    for outcome, colour in zip(drawn, COLOURS, strict=False):
        axes.scatter(comparison.optimum, outcome.cost, s=6, color=colour, label=outcome.method, alpha=0.6)
    low, high = float(np.nanmin(comparison.optimum)), float(np.nanmax(comparison.optimum))
    axes.plot([low, high], [low, high], color="grey", linewidth=0.8)
    axes.set(title="Cost of each row", xlabel="optimum", ylabel="by the method")
    axes.legend(fontsize="small")
