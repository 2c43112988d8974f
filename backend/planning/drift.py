"""Looking for drift of what is forecast: checks, and alarms that open, close and ask for a training."""

from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from backend.planning import artefacts, queries
from backend.planning.inputs import history, sites_with
from backend.planning.judging import forecasts_since
from backend.planning.models import DriftAlarm, DriftCheck
from backend.registry import queries as registry
from backend.registry.models import Site
from domain.errors import FieldError
from forecasting.drift import daily_losses, error_drift, input_drift
from forecasting.series import DAY, History

RECENT_DAYS = 7


def check(quantity: str, as_of: datetime) -> DriftCheck:
    """Look for drift on what is known at ``as_of``; once for each quantity and instant.

    Where a check cannot be made, its figures say why, and alarms stay as they are; but an error alarm ends
    with the champion that it was about.
    """
    existing = DriftCheck.objects.filter(quantity=quantity, as_of=as_of).first()
    if existing:
        return existing
    sites = sites_with(quantity)
    if sites:
        past = history(registry.community(), quantity, as_of, sites)
        error, inputs = _error(quantity, past, as_of), _inputs(past, sites)
    else:
        error = inputs = _none("no site has it")
    with transaction.atomic():
        made, fresh = DriftCheck.objects.get_or_create(
            quantity=quantity, as_of=as_of, defaults={"error": error, "inputs": inputs}
        )
        if fresh:
            _close_outlived(quantity, as_of)
            for kind, facts in ((DriftAlarm.Kind.ERROR, error), (DriftAlarm.Kind.INPUT, inputs)):
                _follow(quantity, kind, facts, as_of)
    return made


def _error(quantity: str, past: History, as_of: datetime) -> dict[str, Any]:
    """The losses of the champion, adapted as it serves, against those of when it was judged first."""
    champion = queries.champion(quantity)
    if champion is None or champion.validated_until is None:
        return _none("no champion has been judged yet")
    days = min(RECENT_DAYS, (as_of - champion.validated_until) // DAY)
    if days < 1:
        return _none("the champion has just been judged")
    try:
        first = as_of - days * DAY
        model = artefacts.load(champion).adapted(past.as_of(first), at=first)
        losses = daily_losses(forecasts_since(model, past, first, as_of))
        found = error_drift(np.array(champion.validation_losses), losses[np.isfinite(losses)])
    except Exception as error:  # noqa: BLE001 - whatever a model raises; who serves in its place is logged there
        return _none(f"{type(error).__name__}: {error}"[:300])
    ratio = found.ratio if np.isfinite(found.ratio) else None
    return {
        "alarm": found.alarm,
        "ratio": ratio,
        "p_value": found.p_value,
        "version": champion.pk,
        "reason": "",
    }


def _inputs(past: History, sites: list[Site]) -> dict[str, Any]:
    """The newest week of each site against what is known from before, by the member's pseudonym."""
    names = tuple(site.participant.pseudonym for site in sites)
    try:
        found = input_drift(names, past.values, recent_steps=RECENT_DAYS * past.steps_per_day)
    except FieldError as error:
        return _none(str(error))
    return {
        "alarm": found.alarm,
        "index": found.index,
        "bound": found.bound,
        "drifted": list(found.drifted),
        "reason": "",
    }


def _follow(quantity: str, kind: DriftAlarm.Kind, facts: dict[str, Any], as_of: datetime) -> None:
    """Open an alarm, or close it, as ``facts`` say; nothing where they say nothing."""
    alarm = _open_alarm(quantity, kind)
    if facts["alarm"] and alarm is None:
        DriftAlarm.objects.create(quantity=quantity, kind=kind, opened_at=as_of, figures=facts)
    elif facts["alarm"] is False and alarm is not None:
        _close(alarm, as_of)


def _open_alarm(quantity: str, kind: DriftAlarm.Kind) -> DriftAlarm | None:
    return DriftAlarm.objects.filter(quantity=quantity, kind=kind, closed_at__isnull=True).first()


def _close_outlived(quantity: str, as_of: datetime) -> None:
    """Close an error alarm about a champion that no longer is one."""
    alarm, champion = _open_alarm(quantity, DriftAlarm.Kind.ERROR), queries.champion(quantity)
    if alarm is not None and (champion is None or alarm.figures.get("version", champion.pk) != champion.pk):
        _close(alarm, as_of)


def _close(alarm: DriftAlarm, as_of: datetime) -> None:
    if alarm.opened_at < as_of:
        alarm.closed_at = as_of
        alarm.save(update_fields=["closed_at"])


def _none(reason: str) -> dict[str, Any]:
    return {"alarm": None, "reason": reason}
