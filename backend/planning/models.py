"""What the platform expected and what it planned, kept as it was at the time."""

from datetime import timedelta

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.db import models

from backend.registry.models import Site
from domain.forecast import Forecast
from domain.time import TimeGrid


class ModelVersion(models.Model):
    """A trained forecasting model; the artefact lies at ``path`` below the state folder."""

    name = models.CharField(max_length=40)
    quantity = models.CharField(max_length=8, choices=[("load", "load"), ("pv", "PV")])
    trained_at = models.DateTimeField(help_text="community time; newest datum used")
    path = models.CharField(max_length=200, blank=True)
    seed = models.PositiveIntegerField()
    data_hash = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["name", "quantity", "trained_at"], name="model_version_once"),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.quantity} {self.trained_at:%Y-%m-%d}"


class ForecastRun(models.Model):
    """One issue of forecasts by one model for all sites."""

    class Kind(models.TextChoices):
        """Day-ahead runs are issued at local midnight, rolling ones at every interval."""

        DAY_AHEAD = "day_ahead"
        ROLLING = "rolling"

    kind = models.CharField(max_length=10, choices=Kind)
    model_name = models.CharField(max_length=40)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["kind", "model_name", "issued_at"], name="forecast_run_once"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.model_name} {self.issued_at:%Y-%m-%dT%H:%MZ}"


class SiteForecast(models.Model):
    """Quantiles of one quantity at one site; ``power_kw`` is a T x Q matrix (load > 0; PV generation > 0)."""

    run = models.ForeignKey(ForecastRun, on_delete=models.CASCADE, related_name="forecasts")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="forecasts")
    quantity = models.CharField(max_length=8, choices=[("load", "load"), ("pv", "PV")])
    start = models.DateTimeField()
    step_s = models.PositiveIntegerField()
    available_at = models.DateTimeField()
    levels = ArrayField(models.FloatField())
    power_kw = models.JSONField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["run", "site", "quantity"], name="site_forecast_once"),
        )

    def __str__(self) -> str:
        return f"{self.run} {self.site} {self.quantity}"

    def to_domain(self) -> Forecast:
        """The forecast as the libraries know it."""
        values = np.array(self.power_kw, dtype=float)
        return Forecast(
            grid=TimeGrid(self.start, timedelta(seconds=self.step_s), len(values)),
            issued_at=self.run.issued_at,
            available_at=self.available_at,
            levels=tuple(self.levels),
            power_kw=values,
            model=self.run.model_name,
        )


class ScheduleRun(models.Model):
    """One planning of all batteries."""

    as_of = models.DateTimeField(unique=True)
    seconds = models.FloatField()

    def __str__(self) -> str:
        return f"schedule {self.as_of:%Y-%m-%dT%H:%MZ}"


class SitePlan(models.Model):
    """A battery's plan; every array has one value an interval from the run's ``as_of``."""

    run = models.ForeignKey(ScheduleRun, on_delete=models.CASCADE, related_name="plans")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="plans")
    charge_kw = ArrayField(models.FloatField())
    discharge_kw = ArrayField(models.FloatField())
    soc_kwh = ArrayField(models.FloatField())
    power_min_kw = models.FloatField(help_text="bounds within which the first interval may leave the plan")
    power_max_kw = models.FloatField()
    method = models.CharField(max_length=20)
    reason = models.CharField(max_length=300, blank=True)
    explanation = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["run", "site"], name="site_plan_once"),)

    def __str__(self) -> str:
        return f"{self.run} {self.site}"
