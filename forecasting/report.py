"""Backtests as pictures, with the table that says whether they beat the reference."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from forecasting import metrics
from forecasting.backtest import Backtest
from forecasting.evaluation import aligned, compare, note, table
from forecasting.quantiles import HIGH, LEVELS, LOW, MEDIAN
from forecasting.series import DAY, FloatArray, IntArray

SIZE_IN = (9.0, 5.0)
DPI = 120
# Okabe and Ito's colours, which the colour-blind tell apart; markers and line styles say the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
BANDS = ((0, "5 to 95 %", "#C6DBEF"), (1, "10 to 90 %", "#9ECAE1"), (2, "25 to 75 %", "#6BAED6"))
POINT_COLOUR = "#08519C"
FAN_DAYS = 5
LEGEND_COLUMNS = 6
MOST_MARKERS = 48  # on a line; more run together
INDEX = "index.html"
BY_LEAD = "error_by_lead.png"
RELIABILITY = "reliability.png"
HEAD = (
    "<!doctype html>\n"
    '<html lang="en"><meta charset="utf-8"><title>Forecasts: a comparison</title>\n'
)  # of every page, by which one that was written here is known


def report(results: Mapping[str, Backtest], folder: Path, *, unit: str = "") -> list[Path]:
    """Write the pictures and ``index.html`` into ``folder``, which is made if need be; their paths.

    One forecast fan a model (``fan_MODEL.png``), ``error_by_lead.png`` and ``reliability.png``, of the
    readings that every model forecast. ``unit`` is that of the series, for the axes; it and the names of
    series are drawn as they are written, not as formulae. Raises FieldError as
    ``forecasting.evaluation.compare`` does.
    """
    same, _ = aligned(results)
    comparison = compare(results)
    row = _ordinary_series(same[comparison.reference])
    window = _ordinary_window(same[comparison.reference], row)
    drawings: dict[str, Callable[[Figure], None]] = {}
    for name, result in same.items():
        shown = replace(
            result,
            issued_at=result.issued_at[window],
            quantiles=result.quantiles[:, window],
            actual=result.actual[:, window],
        )
        title = f"{name}: the next {_duration(result.actual.shape[-1] * result.history.grid.step)}, as issued"
        drawings[fan_of(name)] = partial(_fan, shown=shown, row=row, title=title, unit=unit)
    drawings[BY_LEAD] = partial(_by_lead, results=same, unit=unit)
    drawings[RELIABILITY] = partial(_reliability, results=same)
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawings.items():
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        drawing(figure)
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        figure.savefig(folder / name, metadata={"Software": None})
    page = _page(table(comparison), note(comparison), list(drawings))
    (folder / INDEX).write_text(page, encoding="utf-8")
    return [folder / name for name in (*drawings, INDEX)]


def fan_of(model: str) -> str:
    """The name of the picture of one model's forecasts."""
    return f"fan_{model}.png"


def is_report(folder: Path, *, models: Iterable[str]) -> bool:
    """Whether ``report`` wrote all that lies in ``folder``, of some of ``models``."""
    names = {INDEX, BY_LEAD, RELIABILITY, *map(fan_of, models)}
    if any(path.name not in names or path.is_symlink() or not path.is_file() for path in folder.iterdir()):
        return False
    page = folder / INDEX
    if not page.is_file():
        return False
    head = HEAD.encode()
    with page.open("rb") as file:
        return file.read(len(head)) == head


def _ordinary_series(result: Backtest) -> int:
    """The series whose error, in units of its own level, is the median one."""
    error = np.abs(result.actual - result.quantiles[..., MEDIAN])
    level = np.abs(result.actual)
    totals = [np.nansum(values, axis=(1, 2)) for values in (error, level)]
    relative = np.divide(totals[0], totals[1], out=np.full(len(totals[0]), np.inf), where=totals[1] > 0)
    return int(np.argsort(relative, kind="stable")[(len(relative) - 1) // 2])


def _ordinary_window(result: Backtest, row: int) -> IntArray:
    """Origins whose forecasts lie end to end over some days on which the error was the median one."""
    step = np.timedelta64(result.history.grid.step)
    horizon = result.actual.shape[-1]
    tiles = [0]
    for origin, issued_at in enumerate(result.issued_at):
        if issued_at >= result.issued_at[tiles[-1]] + horizon * step:
            tiles.append(origin)
    days = (result.issued_at[tiles] - result.issued_at[0]) // np.timedelta64(FAN_DAYS * DAY)
    windows: list[IntArray] = [np.array(tiles)[days == day] for day in np.unique(days)]
    if len(windows) > 1 and len(windows[-1]) < len(windows[0]):
        windows.pop()
    error = np.abs(result.actual[row] - result.quantiles[row, ..., MEDIAN])
    means = [np.nansum(error[window]) / max(1, np.isfinite(error[window]).sum()) for window in windows]
    return windows[int(np.argsort(means, kind="stable")[(len(means) - 1) // 2])]


def _fan(figure: Figure, *, shown: Backtest, row: int, title: str, unit: str) -> None:
    """``shown`` holds only origins whose forecasts lie end to end."""
    axes = figure.subplots()
    history = shown.history
    step, zone = np.timedelta64(history.grid.step), ZoneInfo(history.time_zone)
    for issued_at, quantiles, actual in zip(
        shown.issued_at, shown.quantiles[row], shown.actual[row], strict=True
    ):
        begin = issued_at - (issued_at - history.starts[0]) % step  # late readings delay the issue
        edges = begin + np.arange(len(actual) + 1) * step
        for low, label, colour in BANDS:
            lower, upper = _held(quantiles[:, low]), _held(quantiles[:, len(LEVELS) - 1 - low])
            axes.fill_between(edges, lower, upper, step="post", color=colour, linewidth=0, label=label)
        axes.step(edges, _held(quantiles[:, MEDIAN]), where="post", color=POINT_COLOUR, label="forecast")
        axes.step(edges, _held(actual), where="post", color="black", linewidth=1.2, label="actual")
    _legend_once(figure, axes)
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call] # matplotlib leaves it untyped
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call] # as above
    axes.xaxis.set_major_formatter(formatter)
    axes.margins(x=0.01)
    axes.set(title=title, xlabel=f"time ({history.time_zone})", ylabel=_with_unit(history.names[row], unit))
    axes.grid(alpha=0.3)


def _held(values: FloatArray) -> FloatArray:
    """Values of H intervals at their H + 1 edges, for steps that hold until the last edge."""
    return np.append(values, values[-1])


def _by_lead(figure: Figure, *, results: Mapping[str, Backtest], unit: str) -> None:
    above, below = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    below.axhspan(77, 83, color="0.9", zorder=0)
    below.axhline(80, color="0.4", linewidth=0.8)
    for index, (name, result) in enumerate(results.items()):
        quantiles = result.quantiles
        error = metrics.by_lead(metrics.rmse, result.actual, quantiles[..., MEDIAN])
        bounds = (quantiles[..., LOW], quantiles[..., HIGH])
        inside = metrics.by_lead(metrics.coverage, result.actual, *bounds)
        hours = (np.arange(len(error)) + 1) * result.history.grid.step_h
        look = _look(index, len(error))
        above.plot(hours, error, label=name, **look)
        below.plot(hours, 100 * inside, **look)
    above.set(title="Error by lead time", ylabel=_with_unit("RMSE", unit))
    above.set_ylim(bottom=0)
    below.set(ylabel="in 80 % band, %", xlabel="lead: hours from issue to the end of the interval")
    below.set_ylim(*_roomy(below))
    below.set_xlim(left=0)
    below.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 3, 6, 10]))
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=LEGEND_COLUMNS)


def _roomy(axes: Axes) -> tuple[float, float]:
    """Limits that show the target and every line, of a percentage."""
    low, high = axes.get_ylim()
    return max(-2.0, min(low, 70.0)), min(102.0, max(high, 90.0))


def _reliability(figure: Figure, *, results: Mapping[str, Backtest]) -> None:
    left, right = figure.subplots(1, 2)
    left.plot([0, 100], [0, 100], color="0.4", linewidth=0.8)
    right.axhline(0, color="0.4", linewidth=0.8)
    count = 0
    for index, (name, result) in enumerate(results.items()):
        found = metrics.reliability(result.actual, result.quantiles, LEVELS)
        count = found.count
        below, at_or_below = 100 * found.below, 100 * found.at_or_below
        middle, ties = (below + at_or_below) / 2, (at_or_below - below) / 2
        nominal = 100 * found.levels
        look = _look(index, len(LEVELS))
        left.errorbar(nominal, middle, yerr=ties, label=name, capsize=2, **look)
        right.errorbar(nominal, middle - nominal, yerr=ties, capsize=2, **look)
    left.set(title="Reliability", ylabel="readings below the quantile, %", xlabel="level of the quantile, %")
    left.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    right.set(title="Departure from the level", ylabel="percentage points", xlabel="level of the quantile, %")
    for axes in (left, right):
        axes.set_xticks([100 * level for level in LEVELS if level not in {0.05, 0.95}])
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=LEGEND_COLUMNS, title=f"of {count} readings; bars: ties")


def _look(index: int, points: int) -> dict[str, str | float]:
    """What tells the line at ``index`` apart, without markers where they would run together."""
    look: dict[str, str | float] = {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": LINES[index % len(LINES)],
        "linewidth": 1.5,
        "markersize": 4,
    }
    return look | {"marker": MARKERS[index % len(MARKERS)]} if points <= MOST_MARKERS else look


def _legend_once(figure: Figure, axes: Axes) -> None:
    """One entry a label, although each origin has drawn its own."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(once.values(), once.keys(), ncols=LEGEND_COLUMNS, loc="outside lower center")


def _with_unit(name: str, unit: str) -> str:
    return f"{name}, {unit}" if unit else name


def _duration(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:g} h" if hours >= 1 else f"{60 * hours:g} min"


def _page(rows: list[list[str]], remark: str, pictures: list[str]) -> str:
    """The table and the pictures as HTML that needs nothing else."""
    head, *body = rows
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in body]
    images = [f'<p><img src="{escape(name)}" alt="{escape(Path(name).stem)}"></p>' for name in pictures]
    return HEAD + "\n".join(
        [
            "<style>body{font-family:sans-serif;max-width:70rem;margin:2rem auto}img{max-width:100%}",
            "td,th{padding:.2rem .6rem;text-align:right}:is(td,th):first-child{text-align:left}</style>",
            "<h1>Forecasts: a comparison</h1>",
            "<table>",
            *(f"<tr>{line}</tr>" for line in lines),
            "</table>",
            f"<p>{escape(remark)}</p>",
            *images,
            "</html>",
            "",
        ]
    )
