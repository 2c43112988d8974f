"""Who forecasts a quantity: challengers are trained, judged beside the champion on days that none has seen.

All are judged by the same rolling-origin backtest over the newest days (``judging``). Who is better than the
champion is crowned; the reference may dethrone it, too, and then serves itself. The artefact that was judged
is the one that serves: nothing is fitted again afterwards.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from backend.planning import artefacts, queries
from backend.planning.inputs import SEED, history, sites_with
from backend.planning.judging import Entry, SignificanceTest, compared, decide, forecasts_since
from backend.planning.models import Contest, ModelVersion
from backend.registry import queries as registry
from domain.errors import FieldError
from forecasting.backtest import Backtest
from forecasting.cards import Card, write_card
from forecasting.drift import LEAST_DAYS, mean_above_zero
from forecasting.models import train
from forecasting.series import DAY, History

JUDGED_DAYS = 7
LEARNED_DAYS_PER_JUDGED = 2  # a young community is judged on a third of what is known
KEPT_FORMER = 2
INTENDED_USE = "{} of a community's homes, kW per delivery interval, up to a day ahead; planning and trading"
logger = logging.getLogger(__name__)


def hold(quantity: str, as_of: datetime, *, test: SignificanceTest = mean_above_zero) -> Contest:
    """Train, judge and decide on what is known at ``as_of``; once for each quantity and instant.

    Args:
        quantity: "load" or "pv".
        as_of: an instant of the community's time, on an interval's start.
        test: p-value of "the mean of these daily differences of losses is not above zero".
    """
    existing = Contest.objects.filter(quantity=quantity, as_of=as_of).first()
    if existing:
        return existing
    community, sites = registry.community(), sites_with(quantity)
    if not sites:
        return _recorded(quantity, as_of, "no site has it")
    past = history(community, quantity, as_of, sites)
    days = min(JUDGED_DAYS, (as_of - past.grid.start) // DAY // (1 + LEARNED_DAYS_PER_JUDGED))
    if days < LEAST_DAYS:
        return _recorded(quantity, as_of, f"too little is known: {past.grid.count} intervals")
    cut = as_of - days * DAY
    champion = queries.champion(quantity)
    if champion is not None and champion.trained_at > cut:
        return _recorded(quantity, as_of, f"{champion} has seen the days on which it would be judged")
    entries = compared(list(_contestants(quantity, past, cut, as_of, champion)))
    winner, reason = decide(entries, test)
    return _recorded(quantity, as_of, reason, judged_from=cut, entries=entries, winner=winner)


def _contestants(
    quantity: str, past: History, cut: datetime, as_of: datetime, champion: ModelVersion | None
) -> Iterator[Entry]:
    """The reference, the champion and the challengers, each with its forecasts from ``cut`` on."""
    learned = past.as_of(cut)
    name = queries.REFERENCE_MODEL
    reference = Entry(name=name, part="reference")
    reference.forecasts = forecasts_since(train(name, learned, trained_at=cut, seed=SEED), past, cut, as_of)
    yield reference
    if champion is not None:
        entry = Entry(name=champion.name, part="champion", version=champion)
        try:
            model = artefacts.load(champion).adapted(learned, at=cut)
            entry.forecasts = forecasts_since(model, past, cut, as_of)
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the others are judged
            entry.verdict = _failure(champion, error)
        yield entry
    for name in settings.FORECAST_CHALLENGERS:
        entry = Entry(name=name, part="challenger")
        try:
            entry.version, entry.forecasts = _trained(name, quantity, past, cut, as_of)
        except Exception as error:  # noqa: BLE001 - as above
            entry.verdict = _failure(f"{name} {quantity}", error)
        if entry.version is None or entry.version != champion:
            yield entry


def _trained(
    name: str, quantity: str, past: History, cut: datetime, as_of: datetime
) -> tuple[ModelVersion, Backtest]:
    """A challenger that knows nothing after ``cut``: loaded where an interrupted run had registered it.

    A young community is judged from the same ``cut`` on some nights in a row: who lost then is trained again.
    """
    version = ModelVersion.objects.filter(name=name, quantity=quantity, trained_at=cut).first()
    if version is not None and version.path:
        try:
            return version, forecasts_since(artefacts.load(version), past, cut, as_of)
        except FieldError as error:
            if version.status == ModelVersion.Status.CHAMPION:
                raise
            logger.warning("%s is trained again: %s", version, error)
    tuned = queries.newest_tuning(name, quantity, cut)
    chosen: dict[str, float] = tuned.settings if tuned else {}
    learned = past.as_of(cut)
    model = train(name, learned, trained_at=cut, seed=SEED, settings=chosen or None)
    judged = forecasts_since(model, past, cut, as_of)
    path = f"{artefacts.FOLDER}/{quantity}-{name}-{cut:%Y%m%dT%H%M}"
    with artefacts.stored(path) as folder:
        model.save(folder)
        card = write_card(
            folder,
            model,
            history=learned,
            judged=judged,
            seed=SEED,
            settings=chosen,
            quantity=quantity,
            command=f"python manage.py train_models --as-of {as_of.isoformat()}",
            intended_use=INTENDED_USE.format(quantity),
        )
    facts: dict[str, Any] = row_of(card, path) | {
        "status": ModelVersion.Status.CANDIDATE,
        "retired_at": None,
        "validation_losses": [],
        "validated_until": None,
    }
    version, _ = ModelVersion.objects.update_or_create(
        name=name, quantity=quantity, trained_at=cut, defaults=facts
    )
    return version, judged


def row_of(card: Card, path: str) -> dict[str, Any]:
    """What the registry keeps of a card, besides the key."""
    return {
        "path": path,
        "seed": card.seed,
        "data_hash": card.data_hash,
        "metrics": {"overall": card.metrics, "by_lead": list(card.metrics_by_lead)},
        "horizon": card.horizon,
        "settings": card.settings,
        "command": card.command[:300],
        "artefact_sha256": card.artefact_sha256,
        "versions": card.versions,
    }


@transaction.atomic
def _recorded(  # noqa: PLR0913 - what a contest's row holds
    quantity: str,
    as_of: datetime,
    reason: str,
    *,
    judged_from: datetime | None = None,
    entries: list[Entry] | None = None,
    winner: Entry | None = None,
) -> Contest:
    """Write the decision and what follows from it, in one transaction; then remove the losers' files."""
    champion = queries.champion(quantity)
    contest, fresh = Contest.objects.get_or_create(
        quantity=quantity,
        as_of=as_of,
        defaults={
            "judged_from": judged_from,
            "entries": [entry.facts() for entry in entries or ()],
            "incumbent": champion,
            "winner": winner.version if winner else None,
            "reason": reason[:300],
        },
    )
    if not fresh:
        return contest
    logger.info("%s: %s", quantity, reason)
    for entry in entries or ():
        enough = entry.losses.size >= LEAST_DAYS
        if entry.version is not None and enough and not entry.version.validation_losses:
            ModelVersion.objects.filter(pk=entry.version.pk).update(
                validation_losses=entry.losses.tolist(), validated_until=as_of
            )
    if winner is not None:
        if champion is not None:
            retire(champion, as_of)
        if winner.version is not None:
            crown(winner.version, as_of)
    losers = ModelVersion.objects.filter(quantity=quantity, status=ModelVersion.Status.CANDIDATE)
    losers.update(status=ModelVersion.Status.RETIRED, retired_at=as_of)
    transaction.on_commit(lambda: _remove_unused(quantity))
    return contest


def crown(version: ModelVersion, as_of: datetime) -> None:
    """Make ``version`` the champion; there must be none."""
    version.status, version.crowned_at, version.retired_at = ModelVersion.Status.CHAMPION, as_of, None
    version.save(update_fields=["status", "crowned_at", "retired_at"])


def retire(version: ModelVersion, as_of: datetime) -> None:
    """Take the crown from ``version``."""
    version.status, version.retired_at = ModelVersion.Status.RETIRED, as_of
    version.save(update_fields=["status", "retired_at"])


def _remove_unused(quantity: str) -> None:
    """Remove the files of versions that neither serve nor stand in; their rows and figures stay."""
    kept = {version.pk for version in queries.former_champions(quantity)[:KEPT_FORMER]}
    unused = ModelVersion.objects.filter(quantity=quantity, status=ModelVersion.Status.RETIRED)
    for version in unused.exclude(path="").exclude(pk__in=kept):
        artefacts.remove(version.path)
        ModelVersion.objects.filter(pk=version.pk).update(path="")


def _failure(what: object, error: Exception) -> str:
    logger.warning("%s cannot be judged: %s", what, error)
    return f"failed: {type(error).__name__}: {error}"[:200]
