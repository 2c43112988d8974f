"""What the commands of ``python -m forecasting`` do; each returns what is to be said."""

import os
import shlex
import shutil
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import FieldError
from forecasting import evaluation
from forecasting.backtest import Backtest, Refit, backtest, rolling_origins
from forecasting.cards import CARD_FILE, load_artefact, read_card, write_card
from forecasting.models import MODELS, Model, train
from forecasting.models.base import resolved
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.report import INDEX, report
from forecasting.series import DAY, History
from forecasting.table import Layout, read_history, write_forecasts

JUDGED_SHARE = 0.2  # of the days before the end of training, for the figures of a model card
INTENDED_USE = "Forecasts of the series it was trained on, or of others like it at the same step."


def run_backtest(options: Namespace) -> str:
    """Write every forecast of one model, trained here or before."""
    _require_file(options.out, source=options.csv)
    history = read(options)
    if options.model_dir:
        model = load_artefact(options.model_dir, sha256=read_card(options.model_dir).artefact_sha256)
        result = _forecasts(options, model, history, first=options.train_end or model.trained_at)
    else:
        result = _trained_forecasts(options, options.model, history)
    with _staged_file(options.out) as file:
        write_forecasts(file, result)
    return f"{result.issued_at.size} origins x {options.horizon} leads -> {options.out}"


def run_compare(options: Namespace) -> str:
    """A table of models on the same intervals."""
    history = read(options)
    results = {name: _trained_forecasts(options, name, history) for name in _models(options)}
    return evaluation.as_text(evaluation.compare(results))


def run_report(options: Namespace) -> str:
    """The table and pictures in a folder."""
    _require_folder(options.out, mark=INDEX)
    history = read(options)
    results = {name: _trained_forecasts(options, name, history) for name in _models(options)}
    with _staged_folder(options.out) as folder:
        report(results, folder, unit=options.unit)
    return f"{evaluation.as_text(evaluation.compare(results))}\n{options.out / INDEX}"


def run_train(options: Namespace) -> str:
    """Save a model and its card.

    The card's figures are those of a model trained without the last days before the end of training, on them.
    """
    _require_folder(options.out, mark=CARD_FILE)
    history = read(options)
    end = _instant(options.train_end, history)
    if not history.grid.start < end <= history.grid.end:
        raise FieldError("--train-end", f"must lie in the file, which spans {_span(history)}")
    past = history.as_of(end)
    split = end - max(1, round(JUDGED_SHARE * ((end - history.grid.start) / DAY))) * DAY
    judged = _trained_forecasts(options, options.model, past, end=split)
    model = train(options.model, past, trained_at=end, seed=options.seed, horizon=options.horizon)
    with _staged_folder(options.out) as folder:
        model.save(folder)
        card = write_card(
            folder,
            model,
            history=past,
            judged=judged,
            seed=options.seed,
            settings=resolved(MODELS[options.model].SETTINGS, {}),
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
        return name and ZoneInfo(name).key
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


def _require_file(out: Path, *, source: Path) -> None:
    """FieldError when ``out`` cannot be written, before anything is computed for it."""
    _require_parent(out)
    if out.resolve() == source.resolve():
        raise FieldError("--out", f"{out} is the file that is read")
    if out.exists() and not out.is_file():
        raise FieldError("--out", f"{out} is not a file")


def _require_folder(out: Path, *, mark: str) -> None:
    """The same for a folder: one that exists must be empty, or hold ``mark`` of an earlier run."""
    _require_parent(out)
    if out.exists() and not (out.is_dir() and ((out / mark).exists() or not any(out.iterdir()))):
        raise FieldError("--out", f"{out} holds something else; name a new folder")


def _require_parent(out: Path) -> None:
    if not out.resolve().parent.is_dir():
        raise FieldError("--out", f"the folder {out.resolve().parent} does not exist")


@contextmanager
def _staged_file(out: Path) -> Iterator[TextIO]:
    """A file that takes the place of ``out`` once it is whole."""
    partial = _partial(out)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(out.resolve())
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _staged_folder(out: Path) -> Iterator[Path]:
    """A folder that takes the place of ``out`` once it is whole."""
    partial = _partial(out)
    try:
        partial.mkdir()
        yield partial
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(out: Path) -> Path:
    return out.resolve().with_name(f".{out.name}.{os.getpid()}.partial")
