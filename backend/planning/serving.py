"""The forecasts that are served: the champion's, or whose come next, with the reason.

The chain is champion, former champions, reference. A model that cannot be loaded, raises, or gives quantiles
that cross is passed over; a site of which a model gives nothing finite is left to the next one.
Each model is adapted at local midnight to what is known by then.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from backend.planning import artefacts, queries
from backend.planning.contests import KEPT_FORMER, crown, row_of
from backend.planning.inputs import SEED
from backend.planning.models import ModelVersion
from domain.errors import FieldError
from domain.forecast import Forecast
from forecasting.cards import Card, read_card
from forecasting.models import SHIPPED, Model, train
from forecasting.series import History

LEAST_KNOWN = timedelta(days=4)
logger = logging.getLogger(__name__)
_adapted: dict[tuple[int, str, tuple[str, ...], datetime], Model] = {}


@dataclass(frozen=True, slots=True)
class Served:
    """Forecasts by site of one quantity: those served, and the reference's.

    ``made_by`` holds, by site, the version that serves it; nothing where the reference does. ``passed_over``
    says who does not serve, and why.
    """

    forecasts: dict[str, Forecast]
    reference: dict[str, Forecast]
    made_by: dict[str, ModelVersion]
    passed_over: list[str]


def serve(quantity: str, past: History, *, as_of: datetime, steps: int) -> Served:
    """Forecast the sites of which the reference knows enough: of the others nothing can be trusted yet.

    A quantity of which nobody was ever champion begins with the shipped model, where there is one.
    """
    naive = train(queries.REFERENCE_MODEL, past, trained_at=as_of, seed=SEED)
    reference = naive.forecast_known(past, issued_at=as_of, horizon=steps)
    if reference and not queries.was_crowned(quantity):
        crown_shipped(quantity, past.grid.step, as_of=as_of, steps=steps)
    forecasts: dict[str, Forecast] = {}
    made_by: dict[str, ModelVersion] = {}
    passed_over: list[str] = []
    for version in _chain(quantity):
        if len(forecasts) == len(reference):
            break
        try:
            found = adapted(version, past, as_of).forecast_known(past, issued_at=as_of, horizon=steps)
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the next one serves
            logger.warning("%s passed over: %s", version, error)
            passed_over.append(f"{version} passed over ({type(error).__name__}: {error})"[:300])
            continue
        unknown = reference.keys() - found.keys() - forecasts.keys()
        if unknown:
            passed_over.append(f"{version} has no finite forecast of {len(unknown)} sites")
        forecasts = {name: found[name] for name in reference if name in found} | forecasts
        made_by = dict.fromkeys(forecasts, version) | made_by
    return Served(reference | forecasts, reference, made_by, passed_over)


def _chain(quantity: str) -> list[ModelVersion]:
    """The champion and who may stand in for it; nobody where the reference has won."""
    champion = queries.champion(quantity)
    return [champion, *queries.former_champions(quantity)[:KEPT_FORMER]] if champion else []


def adapted(version: ModelVersion, past: History, as_of: datetime) -> Model:
    """The version's model, adapted to what was known at its clock's midnight: once a day and process."""
    local = as_of.astimezone(ZoneInfo(past.time_zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
    key = (version.pk, version.artefact_sha256, past.names, midnight)
    if key not in _adapted:
        model = artefacts.load(version)
        known = midnight - past.grid.start >= LEAST_KNOWN
        while len(_adapted) >= artefacts.KEPT:
            _adapted.pop(next(iter(_adapted)))
        _adapted[key] = model.adapted(past.as_of(midnight), at=midnight) if known else model
    return _adapted[key]


def shipped_model(quantity: str, step: timedelta, *, as_of: datetime, steps: int) -> Path | None:
    """The folder of the best shipped model for ``quantity`` on this grid, by its card; None without one.

    One that learned from what comes after ``as_of`` is none: no forecast of it would be honest.
    """
    fitting = [
        (card.metrics.get("pinball", float("inf")), folder)
        for folder, card in _shipped()
        if (card.quantity, card.step_s) == (quantity, step.total_seconds())
        and card.horizon >= steps
        and card.trained_at <= as_of
    ]
    return min(fitting)[1] if fitting else None


def _shipped() -> list[tuple[Path, Card]]:
    found = []
    for folder in sorted(path for path in SHIPPED.glob("*") if path.is_dir()):
        try:
            found.append((folder, read_card(folder)))
        except FieldError as error:
            logger.warning("shipped model left out: %s", error)
    return found


def crown_shipped(quantity: str, step: timedelta, *, as_of: datetime, steps: int) -> ModelVersion | None:
    """Register the shipped model as the first champion; None when none fits or its files were changed."""
    folder = shipped_model(quantity, step, as_of=as_of, steps=steps)
    if folder is None:
        return None
    card = read_card(folder)
    path = f"{artefacts.FOLDER}/{quantity}-shipped-{card.artefact_sha256[:16]}"
    try:
        artefacts.copy_in(folder, path, sha256=card.artefact_sha256)
    except (FieldError, OSError) as error:
        logger.warning("shipped model left out: %s", error)
        return None
    try:
        with transaction.atomic():
            version, fresh = ModelVersion.objects.get_or_create(
                name=card.name,
                quantity=quantity,
                trained_at=card.trained_at,
                defaults=row_of(card, path) | {"shipped": True},
            )
            if fresh:
                crown(version, as_of)
    except IntegrityError:
        logger.info("%s: a contest crowned somebody before the shipped model", quantity)
        return None
    return version
