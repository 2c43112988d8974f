"""Reads of forecasts and plans."""

from datetime import datetime

from backend.planning.models import ForecastRun, ModelVersion, ScheduleRun, SiteForecast, SitePlan

SERVING_MODEL = "lightgbm"
REFERENCE_MODEL = "seasonal_naive"


def newest_model(quantity: str) -> ModelVersion | None:
    """The newest trained model of the serving kind for ``quantity``."""
    return ModelVersion.objects.filter(name=SERVING_MODEL, quantity=quantity).order_by("-trained_at").first()


def rolling_run(issued_at: datetime) -> ForecastRun | None:
    """The rolling run of the serving model issued at ``issued_at``, or None."""
    return ForecastRun.objects.filter(
        kind=ForecastRun.Kind.ROLLING, model_name=SERVING_MODEL, issued_at=issued_at
    ).first()


def issued_run(issued_at: datetime) -> ForecastRun:
    """The same run; ForecastRun.DoesNotExist when it was not issued yet."""
    return ForecastRun.objects.get(
        kind=ForecastRun.Kind.ROLLING, model_name=SERVING_MODEL, issued_at=issued_at
    )


def newest_rolling_run(before: datetime) -> ForecastRun | None:
    """The newest rolling run issued at or before an instant."""
    return (
        ForecastRun.objects.filter(
            kind=ForecastRun.Kind.ROLLING, model_name=SERVING_MODEL, issued_at__lte=before
        )
        .order_by("-issued_at")
        .first()
    )


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
