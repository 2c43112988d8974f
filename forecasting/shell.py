"""What the commands of ``python -m forecasting`` do; each returns what is to be said."""

import shlex
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import FieldError
from forecasting import evaluation
from forecasting.backtest import Backtest, Refit, backtest, rolling_origins
from forecasting.cards import is_artefact, load_artefact, read_card, write_card
from forecasting.models import MODELS, Model, train
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.outputs import require_file, require_folder, staged_file, staged_folder
from forecasting.report import INDEX, is_report, report
from forecasting.series import DAY, History
from forecasting.table import Layout, read_history, write_forecasts

JUDGED_SHARE = 0.2  # of the days before the end of training, for the figures of a model card
INTENDED_USE = "Forecasts of the series it was trained on, or of others like it at the same step."


def run_backtest(options: Namespace) -> str:
    """Write every forecast of one model, trained here or before."""
    _refit(options)
    require_file(options.out, source=options.csv, model=options.model_dir)
    history = read(options)
    if options.model_dir:
        model = load_artefact(options.model_dir, sha256=read_card(options.model_dir).artefact_sha256)
        result = _forecasts(options, model, history, first=options.train_end or model.trained_at)
    else:
        result = _trained_forecasts(options, options.model, history)
    with staged_file(options.out) as file:
        write_forecasts(file, result)
    return f"{result.issued_at.size} origins x {options.horizon} leads -> {options.out}"


def run_compare(options: Namespace) -> str:
    """A table of models on the same intervals."""
    _refit(options)
    history = read(options)
    results = {name: _trained_forecasts(options, name, history) for name in _models(options)}
    return evaluation.as_text(evaluation.compare(results))


def run_report(options: Namespace) -> str:
    """The table and pictures in a folder."""
    _refit(options)
    written = partial(is_report, models=MODELS)
    require_folder(options.out, source=options.csv, written=written)
    history = read(options)
    results = {name: _trained_forecasts(options, name, history) for name in _models(options)}
    with staged_folder(options.out, written=written) as folder:
        report(results, folder, unit=options.unit)
    return f"{evaluation.as_text(evaluation.compare(results))}\n{options.out / INDEX}"


def run_train(options: Namespace) -> str:
    """Save a model and its card.

    The card's figures are those of a model trained without the last days before the end of training, on them.
    """
    require_folder(options.out, source=options.csv, written=is_artefact)
    history = read(options)
    end = _instant(options.train_end, history)
    if not history.grid.start < end <= history.grid.end:
        raise FieldError("--train-end", f"must lie in the file, which spans {_span(history)}")
    past = history.as_of(end)
    split = end - max(1, round(JUDGED_SHARE * ((end - history.grid.start) / DAY))) * DAY
    judged = _trained_forecasts(options, options.model, past, end=split)
    model = train(options.model, past, trained_at=end, seed=options.seed, horizon=options.horizon)
    with staged_folder(options.out, written=is_artefact) as folder:
        model.save(folder)
        card = write_card(
            folder,
            model,
            history=past,
            judged=judged,
            seed=options.seed,
            settings={},
            quantity=options.target,
            command=shlex.join(["python", "-m", "forecasting", *options.arguments]),
            intended_use=INTENDED_USE,
        )
    figures = ", ".join(f"{name} {value:.5g}" for name, value in card.metrics.items())
    return f"{options.out}\nfrom {split.isoformat()} to {end.isoformat()}, without having seen it: {figures}"


def read(options: Namespace) -> History:
    """The file as a history, with what the options say of its place."""
    layout = Layout(
        time=options.time_column,
        target=options.target,
        step=options.step,
        exogenous=options.exogenous,
        outlook=options.known_ahead,
        time_zone=_zone(options.time_zone),
        missing_rows=options.missing_rows,
    )
    return replace(
        read_history(options.csv, layout),
        outlook_ahead=options.known_ahead_by,
        country=options.country,
        latitude=options.latitude,
        longitude=options.longitude,
    )


def _zone(name: str | None) -> str | None:
    try:
        return None if name is None else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise FieldError("--time-zone", f"{name!r} is not a time zone, such as America/Fortaleza") from error


def _models(options: Namespace) -> list[str]:
    """The models asked for, after the one that they are measured against."""
    return list(dict.fromkeys([SeasonalNaive.name, *(options.models or MODELS)]))


def _trained_forecasts(
    options: Namespace, name: str, history: History, *, end: datetime | None = None
) -> Backtest:
    """A backtest of the model called ``name`` from ``end`` on, trained on what was known then."""
    if end is None:
        if options.train_end is None:
            raise FieldError("--train-end", "is needed to train a model")
        end = _instant(options.train_end, history)
    origins = _origins(options, history, end)
    model = train(name, history.as_of(end), trained_at=end, seed=options.seed, horizon=options.horizon)
    return _backtest(options, model, history, origins)


def _forecasts(options: Namespace, model: Model, history: History, *, first: datetime) -> Backtest:
    origins = _origins(options, history, _instant(first, history))
    return _backtest(options, model, history, origins)


def _backtest(options: Namespace, model: Model, history: History, origins: list[datetime]) -> Backtest:
    return backtest(model, history, origins=origins, horizon=options.horizon, refit=_refit(options))


def _refit(options: Namespace) -> Refit | None:
    """When the model adapts; FieldError where the options contradict each other, so commands ask first."""
    if options.refit_every is not None:
        return Refit(options.refit_every, anew=options.anew)
    if options.anew:
        raise FieldError("--anew", "needs --refit-every, which says how often")
    return None


def _origins(options: Namespace, history: History, first: datetime) -> list[datetime]:
    step, every, horizon = history.grid.step, options.origin_every, options.horizon
    if every % step:
        raise FieldError("--origin-every", f"must be a multiple of --step {step}, got {every}")
    after_start = history.grid.start < first and not (first - history.grid.start) % step
    last = history.grid.end - min(horizon, len(history.grid)) * step
    origins = rolling_origins(first, last, every)
    if not after_start or not origins:
        raise FieldError(
            "--train-end",
            f"must be the start of a row, with rows before it and {horizon} steps after it; "
            f"the file spans {_span(history)}, forecasts start at {first.isoformat()}",
        )
    return origins


def _span(history: History) -> str:
    return f"{history.grid.start.isoformat()} to {history.grid.end.isoformat()}"


def _instant(value: datetime, history: History) -> datetime:
    """In UTC, by the file's wall clock where ``value`` has no offset."""
    return (value if value.tzinfo else value.replace(tzinfo=ZoneInfo(history.time_zone))).astimezone(UTC)
