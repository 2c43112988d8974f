"""What the platform expected and what it planned, kept as it was at the time."""

from datetime import timedelta

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from backend.registry.models import Site
from domain.forecast import Forecast
from domain.time import TimeGrid

QUANTITY_CHOICES = [("load", "load"), ("pv", "PV")]


class ModelVersion(models.Model):
    """A trained forecasting model; the artefact lies at ``path`` below the state folder.

    Of each quantity one version at most is the champion, which serves. A retired one that was crowned before
    is a former champion, which serves when the champion cannot. An empty ``path``: the artefact is gone.
    """

    class Status(models.TextChoices):
        """A candidate was trained and is not judged yet."""

        CANDIDATE = "candidate"
        CHAMPION = "champion"
        RETIRED = "retired"

    name = models.CharField(max_length=40)
    quantity = models.CharField(max_length=8, choices=QUANTITY_CHOICES)
    trained_at = models.DateTimeField(help_text="community time; newest datum used")
    path = models.CharField(max_length=200, blank=True)
    seed = models.PositiveIntegerField()
    data_hash = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status, default=Status.CANDIDATE)
    horizon = models.PositiveIntegerField(default=0, help_text="intervals ahead")
    settings = models.JSONField(
        default=dict, help_text="a value for each that the model has; before that was kept, the chosen ones"
    )
    command = models.CharField(max_length=300, blank=True)
    artefact_sha256 = models.CharField(max_length=64, blank=True)
    versions = models.JSONField(default=dict, help_text="of Python and of the libraries it was made with")
    shipped = models.BooleanField(default=False, help_text="came with the platform")
    crowned_at = models.DateTimeField(null=True, help_text="community time at which it became champion")
    retired_at = models.DateTimeField(null=True)
    validation_losses = ArrayField(
        models.FloatField(),
        default=list,
        help_text="mean pinball loss (kW) of each day it was first judged on",
    )
    validated_until = models.DateTimeField(null=True, help_text="end of those days")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["name", "quantity", "trained_at"], name="model_version_once"),
            models.UniqueConstraint(
                fields=["quantity"], condition=Q(status="champion"), name="one_champion_a_quantity"
            ),
            models.CheckConstraint(
                condition=~Q(status="champion") | Q(crowned_at__isnull=False), name="champion_was_crowned"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.quantity} {self.trained_at:%Y-%m-%d}"


class Contest(models.Model):
    """Who was judged on the newest days of a quantity, and what came of it; one a quantity and instant.

    ``entries`` holds a row a contestant: name, version (null for the reference), part, pinball (kW), lower_by
    (part of the incumbent's), p_value, verdict, and the other figures.
    """

    quantity = models.CharField(max_length=8, choices=QUANTITY_CHOICES)
    as_of = models.DateTimeField()
    judged_from = models.DateTimeField(null=True, help_text="first origin; null when nobody was judged")
    entries = models.JSONField(default=list)
    incumbent = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, related_name="defended")
    winner = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, related_name="won")
    reason = models.CharField(max_length=300)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["quantity", "as_of"], name="contest_once"),)

    def __str__(self) -> str:
        return f"{self.quantity} {self.as_of:%Y-%m-%dT%H:%MZ}: {self.reason}"


class Tuning(models.Model):
    """Settings that were found best for a model of a quantity; the newest are those that it trains with."""

    name = models.CharField(max_length=40)
    quantity = models.CharField(max_length=8, choices=QUANTITY_CHOICES)
    as_of = models.DateTimeField()
    seed = models.PositiveIntegerField()
    settings = models.JSONField()
    score = models.FloatField(help_text="mean pinball loss (kW) in validation")
    trials = models.PositiveIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name", "quantity", "as_of"], name="tuning_once"),)

    def __str__(self) -> str:
        return f"{self.name} {self.quantity} {self.as_of:%Y-%m-%dT%H:%MZ}"


class DriftCheck(models.Model):
    """What was found when drift of a quantity was looked for."""

    quantity = models.CharField(max_length=8, choices=QUANTITY_CHOICES)
    as_of = models.DateTimeField()
    error = models.JSONField(help_text="ratio, p_value, alarm; or why it could not be judged")
    inputs = models.JSONField(help_text="index and bound by site, drifted, alarm; or why not")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["quantity", "as_of"], name="drift_check_once"),)

    def __str__(self) -> str:
        return f"{self.quantity} {self.as_of:%Y-%m-%dT%H:%MZ}"


class DriftAlarm(models.Model):
    """Drift from the check that found it to the check that no longer did."""

    class Kind(models.TextChoices):
        """Errors have grown, or the readings are distributed unlike before."""

        ERROR = "error"
        INPUT = "input"

    quantity = models.CharField(max_length=8, choices=QUANTITY_CHOICES)
    kind = models.CharField(max_length=8, choices=Kind)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    figures = models.JSONField(help_text="as found when it opened")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["quantity", "kind"], condition=Q(closed_at__isnull=True), name="one_open_alarm"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(closed_at__gt=F("opened_at")),
                name="alarm_closes_later",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} drift of {self.quantity} since {self.opened_at:%Y-%m-%dT%H:%MZ}"


class ForecastRun(models.Model):
    """One issue of forecasts for all sites: those that are planned with, or the reference's."""

    class Kind(models.TextChoices):
        """Day-ahead runs are issued at local midnight, rolling ones at every interval."""

        DAY_AHEAD = "day_ahead"
        ROLLING = "rolling"

    class Role(models.TextChoices):
        """Whatever model serves, its errors are told beside the reference's."""

        SERVED = "served"
        REFERENCE = "reference"

    kind = models.CharField(max_length=10, choices=Kind)
    role = models.CharField(max_length=10, choices=Role)
    issued_at = models.DateTimeField()
    served = models.JSONField(
        default=dict, help_text="by quantity: which models forecast how many sites, and why"
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["kind", "role", "issued_at"], name="forecast_run_once"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.role} {self.issued_at:%Y-%m-%dT%H:%MZ}"


class SiteForecast(models.Model):
    """Quantiles of one quantity at one site; ``power_kw`` is a T x Q matrix (load > 0; PV generation > 0)."""

    run = models.ForeignKey(ForecastRun, on_delete=models.CASCADE, related_name="forecasts")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="forecasts")
    quantity = models.CharField(max_length=8, choices=QUANTITY_CHOICES)
    model_name = models.CharField(max_length=40, help_text="of the model that made it")
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        null=True,
        related_name="forecasts",
        help_text="null: of the reference, or from before this was kept",
    )
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
            model=self.model_name,
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
