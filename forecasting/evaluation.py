"""Backtests scored, and set side by side against a reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np

from domain.errors import FieldError
from forecasting import metrics
from forecasting.backtest import Backtest
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.quantiles import HIGH, LEVELS, LOW, MEDIAN
from forecasting.series import FloatArray

Loss = Literal["squared", "absolute"]
LOSSES: dict[Loss, Callable[[FloatArray], FloatArray]] = {"squared": np.square, "absolute": np.abs}


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of ``count`` point forecasts (the centre, q50) and of their quantiles, pooled over series.

    ``mean_rmse`` is the mean of each series' own RMSE; ``coverage_80`` the share of actual values inside
    [q10, q90]. ``nrmse`` and ``mase`` are NaN where the series is zero, or repeats itself, throughout.
    """

    count: int
    mae: float
    rmse: float
    mean_rmse: float
    nrmse: float
    mase: float
    pinball: float
    crps: float
    coverage_80: float
    mean_abs_actual: float


@dataclass(frozen=True, slots=True)
class Row:
    """One model: its score, the part of the reference's RMSE that it avoids, Diebold-Mariano p-values.

    The p-values are two-sided, and NaN where there are too few origins; the reference's own are 1.
    """

    model: str
    score: Score
    skill: float
    p_squared: float
    p_absolute: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models on the same intervals; ``left_out`` readings had no forecast by at least one of them."""

    reference: str
    rows: tuple[Row, ...]
    left_out: int


def score(result: Backtest, lead: int | None = None) -> Score:
    """Pooled over series and origins, for one lead (0 is the first interval) or for all of them.

    Intervals without a reading or without a forecast do not count. Raises FieldError(code="no_data") when
    there are no others.
    """
    leads = slice(None) if lead is None else slice(lead, lead + 1)
    actual = np.where(result.answered, result.actual, np.nan)[..., leads]
    quantiles = result.quantiles[..., leads, :]
    measured = np.isfinite(actual).any(axis=(1, 2))
    if not measured.any():
        raise FieldError("actual", "holds no reading to compare a forecast with", code="no_data")
    point = quantiles[..., MEDIAN]
    past = result.history.as_of(_first_issue(result)).values
    season = result.history.steps_per_day
    return Score(
        count=int(np.isfinite(actual).sum()),
        mae=metrics.mae(actual, point),
        rmse=metrics.rmse(actual, point),
        mean_rmse=metrics.mean_rmse(actual[measured], point[measured]),
        nrmse=_or_nan(lambda: metrics.nrmse(actual, point)),
        mase=_or_nan(lambda: metrics.mase(actual, point, past=past, season=season)),
        pinball=float(metrics.pinball(actual, quantiles, LEVELS).mean()),
        crps=metrics.crps(actual, quantiles, LEVELS),
        coverage_80=metrics.coverage(actual, quantiles[..., LOW], quantiles[..., HIGH]),
        mean_abs_actual=float(np.nanmean(np.abs(actual))),
    )


def aligned(results: Mapping[str, Backtest]) -> tuple[dict[str, Backtest], int]:
    """The same backtests with only the readings that all of them forecast, and how many that leaves out.

    Raises FieldError unless they forecast the same series from the same origins for the same leads.
    """
    if not results:
        raise FieldError("results", "must not be empty")
    first_name, first = next(iter(results.items()))
    for name, result in results.items():
        if not (
            result.history.names == first.history.names
            and np.array_equal(result.issued_at, first.issued_at)
            and np.array_equal(result.actual, first.actual, equal_nan=True)
        ):
            raise FieldError(name, f"does not forecast the same intervals as {first_name}")
    by_all = np.logical_and.reduce([result.answered for result in results.values()])
    actual = np.where(by_all, first.actual, np.nan)
    left_out = int(np.isfinite(first.actual).sum() - np.isfinite(actual).sum())
    return {name: replace(result, actual=actual) for name, result in results.items()}, left_out


def compare(results: Mapping[str, Backtest], *, reference: str | None = None) -> Comparison:
    """Every model on the readings that all of them forecast, in the given order.

    ``reference`` is the seasonal naive unless given, or the first where that is not among ``results``. Raises
    FieldError when ``reference`` is not, or ``results`` cannot be ``aligned``.
    """
    if reference is None:
        reference = SeasonalNaive.name if SeasonalNaive.name in results else next(iter(results), "")
    if reference not in results:
        raise FieldError("reference", f"must be one of {', '.join(results)}, got {reference!r}")
    same, left_out = aligned(results)
    rows = tuple(_row(name, result, same[reference]) for name, result in same.items())
    return Comparison(reference, rows, left_out)


def _row(model: str, result: Backtest, reference: Backtest) -> Row:
    found, yardstick = score(result), score(reference)
    return Row(
        model=model,
        score=found,
        skill=_or_nan(lambda: metrics.skill(found.rmse, yardstick.rmse)),
        p_squared=_or_nan(lambda: against(result, reference, loss="squared").p_value),
        p_absolute=_or_nan(lambda: against(result, reference, loss="absolute").p_value),
    )


def against(result: Backtest, reference: Backtest, *, loss: Loss = "squared") -> metrics.DieboldMariano:
    """Diebold-Mariano test of equal loss of the point forecasts, averaged over series and leads per origin.

    A negative statistic says that ``result`` lost less. Errors of successive origins overlap as far as the
    horizon, and the delay of readings, reach past the next origin. Raises FieldError: "too_short" when there
    are no more origins than overlap.
    """
    both, _ = aligned({"result": result, "reference": reference})
    losses = [LOSSES[loss](one.actual - one.quantiles[..., MEDIAN]) for one in both.values()]
    difference = losses[0] - losses[1]
    known = np.isfinite(difference)
    count = known.sum(axis=(0, 2))
    total = np.where(known, difference, 0.0).sum(axis=(0, 2))
    per_origin = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return metrics.diebold_mariano(per_origin, overlap=_overlap(result))


COLUMNS: dict[str, tuple[Callable[[Row], float], str]] = {
    "MAE": (lambda row: row.score.mae, ".5g"),
    "RMSE": (lambda row: row.score.rmse, ".5g"),
    "mean RMSE": (lambda row: row.score.mean_rmse, ".5g"),
    "nRMSE %": (lambda row: 100 * row.score.nrmse, ".2f"),
    "MASE": (lambda row: row.score.mase, ".3f"),
    "pinball": (lambda row: row.score.pinball, ".4g"),
    "CRPS": (lambda row: row.score.crps, ".4g"),
    "in 80 % band": (lambda row: 100 * row.score.coverage_80, ".1f"),
    "skill %": (lambda row: 100 * row.skill, ".1f"),
    "p squared": (lambda row: row.p_squared, ".2g"),
    "p absolute": (lambda row: row.p_absolute, ".2g"),
}


def table(comparison: Comparison) -> list[list[str]]:
    """Cells of text: a row of titles, then one row a model; a dash where a figure has no meaning."""
    rows = [["model", *COLUMNS]]
    for row in comparison.rows:
        figures = [(figure(row), form) for figure, form in COLUMNS.values()]
        texts = ["-" if np.isnan(value) else format(value, form) for value, form in figures]
        rows.append([row.model, *texts])
    return rows


def as_text(comparison: Comparison) -> str:
    """The table for a terminal, with a note below it."""
    rows = table(comparison)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for model, *figures in rows:
        cells = (cell.rjust(width) for cell, width in zip(figures, widths[1:], strict=True))
        lines.append("  ".join([model.ljust(widths[0]), *cells]))
    return "\n".join([*lines, "", note(comparison)])


def note(comparison: Comparison) -> str:
    """How many readings the figures rest on, and what skill and p-values are against."""
    left_out = comparison.left_out
    without = f"; {left_out} more lack a forecast by at least one model" if left_out else ""
    return (
        f"{comparison.rows[0].score.count} readings{without}. Skill (of RMSE) and two-sided Diebold-Mariano "
        f"p-values are against {comparison.reference}."
    )


def _overlap(result: Backtest) -> int:
    """How many successive origins share what happened in between, at least 1."""
    steps: int = result.actual.shape[-1] + result.history.steps_withheld
    if len(result.issued_at) == 1:
        return 1
    every = int(np.diff(result.issued_at).min() // np.timedelta64(result.history.grid.step))
    return -(-steps // every)


def _or_nan(ratio: Callable[[], float]) -> float:
    """A figure, NaN where it has nothing to stand on."""
    try:
        return ratio()
    except FieldError as error:
        if error.code not in {"no_scale", "too_short"}:
            raise
        return float("nan")


def _first_issue(result: Backtest) -> datetime:
    grid = result.history.grid
    step = (result.issued_at[0] - result.history.starts[0]) // np.timedelta64(grid.step)
    return grid.start + int(step) * grid.step
