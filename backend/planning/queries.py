"""Reads of forecasts, plans and the registry of models."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from django.db.models import F, Q, QuerySet

from backend.planning.models import (
    Contest,
    DriftAlarm,
    DriftCheck,
    ForecastRun,
    ModelVersion,
    ScheduleRun,
    SiteForecast,
    SitePlan,
    Tuning,
)

REFERENCE_MODEL = "seasonal_naive"


def champion(quantity: str) -> ModelVersion | None:
    """The version that serves ``quantity``, or None."""
    return ModelVersion.objects.filter(quantity=quantity, status=ModelVersion.Status.CHAMPION).first()


def former_champions(quantity: str) -> list[ModelVersion]:
    """Those that served ``quantity`` before and whose files are kept, newest first."""
    former = ModelVersion.objects.filter(
        quantity=quantity, status=ModelVersion.Status.RETIRED, crowned_at__isnull=False
    )
    return list(former.exclude(path="").order_by("-retired_at", "-crowned_at"))


def was_crowned(quantity: str) -> bool:
    """Whether ``quantity`` has, or ever had, a champion."""
    return ModelVersion.objects.filter(quantity=quantity, crowned_at__isnull=False).exists()


def newest_tuning(name: str, quantity: str, before: datetime) -> Tuning | None:
    """The newest settings found for a model by ``before``, or None."""
    tunings = Tuning.objects.filter(name=name, quantity=quantity, as_of__lte=before)
    return tunings.order_by("-as_of").first()


def contests(*, newest: int, of: Iterable[int]) -> list[Contest]:
    """The newest decisions, and the newest that judged each of the versions ``of``; newest first."""
    all_of_them = Contest.objects.order_by("-as_of", "quantity")
    found = {contest.pk: contest for contest in all_of_them[:newest]}
    for version in of:
        judged = (
            contest
            for contest in all_of_them.filter(entries__contains=[{"version": version}]).iterator()
            if any(e["version"] == version and e["pinball"] is not None for e in contest.entries)
        )
        found |= {contest.pk: contest for contest in islice(judged, 1)}
    return sorted(found.values(), key=lambda contest: contest.as_of, reverse=True)


def newest_contest(quantity: str) -> Contest | None:
    """The newest decision on ``quantity``, or None."""
    return Contest.objects.filter(quantity=quantity).order_by("-as_of").first()


def versions(*, newest: int, serving: Iterable[int]) -> list[ModelVersion]:
    """The champions, those that are ``serving`` and the versions trained last, newest first."""
    found = {version.pk: version for version in ModelVersion.objects.order_by("-trained_at", "-pk")[:newest]}
    named = Q(status=ModelVersion.Status.CHAMPION) | Q(pk__in=serving)
    found |= {version.pk: version for version in ModelVersion.objects.filter(named)}
    return sorted(found.values(), key=lambda version: (version.trained_at, version.pk), reverse=True)


def open_alarms() -> list[DriftAlarm]:
    """Alarms of drift that goes on, oldest first."""
    return list(DriftAlarm.objects.filter(closed_at__isnull=True).order_by("opened_at", "pk"))


def alarms(*, newest: int) -> list[DriftAlarm]:
    """Open alarms, then those that closed last."""
    return list(
        DriftAlarm.objects.order_by(F("closed_at").desc(nulls_first=True), "-opened_at", "-pk")[:newest]
    )


def newest_checks() -> list[DriftCheck]:
    """The newest check for drift of each quantity."""
    return list(DriftCheck.objects.order_by("quantity", "-as_of").distinct("quantity"))


def rolling_runs() -> QuerySet[ForecastRun]:
    """The rolling runs that served."""
    return ForecastRun.objects.filter(kind=ForecastRun.Kind.ROLLING, role=ForecastRun.Role.SERVED)


def rolling_run(issued_at: datetime) -> ForecastRun | None:
    """The rolling run that served at ``issued_at``, or None."""
    return rolling_runs().filter(issued_at=issued_at).first()


def issued_run(issued_at: datetime) -> ForecastRun:
    """The same run; ForecastRun.DoesNotExist when it was not issued yet."""
    return rolling_runs().get(issued_at=issued_at)


def newest_rolling_run(before: datetime) -> ForecastRun | None:
    """The newest rolling run that served at or before an instant."""
    return rolling_runs().filter(issued_at__lte=before).order_by("-issued_at").first()


def forecasts_of(run: ForecastRun) -> dict[tuple[int, str], SiteForecast]:
    """A run's forecasts, keyed by (site id, quantity)."""
    return {(f.site_id, f.quantity): f for f in run.forecasts.select_related("run")}


def schedule_run(as_of: datetime) -> ScheduleRun | None:
    """The planning made as of an instant, or None."""
    return ScheduleRun.objects.filter(as_of=as_of).first()


def newest_schedule_run(before: datetime) -> ScheduleRun | None:
    """The newest planning made at or before an instant."""
    return ScheduleRun.objects.filter(as_of__lte=before).order_by("-as_of").first()


def plans_of(run: ScheduleRun) -> dict[int, SitePlan]:
    """A planning's plans, keyed by site id."""
    return {plan.site_id: plan for plan in run.plans.all()}
