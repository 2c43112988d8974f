"""Readings as received, and the last status of each device."""

from django.db import models
from django.db.models import Q

from backend.registry.models import Meter
from domain.market import MeterReading


class Reading(models.Model):
    """Energy through one meter in one delivery interval; never changed once stored."""

    class Source(models.TextChoices):
        """By which door the reading came in."""

        HTTP = "http"
        MQTT = "mqtt"
        CSV = "csv"

    class Quality(models.TextChoices):
        """``signed`` readings settle; ``imported`` ones only inform forecasts."""

        SIGNED = "signed"
        IMPORTED = "imported"

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="readings")
    interval_start = models.DateTimeField()
    interval_s = models.PositiveIntegerField()
    import_wh = models.PositiveBigIntegerField()
    export_wh = models.PositiveBigIntegerField()
    soc_wh = models.PositiveBigIntegerField(null=True)
    source = models.CharField(max_length=4, choices=Source)
    quality = models.CharField(max_length=8, choices=Quality)
    signature = models.CharField(max_length=132, blank=True)
    received_at = models.DateTimeField(help_text="community time")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["meter", "interval_start"], name="reading_once"),
            models.CheckConstraint(
                condition=Q(quality="imported", signature="") | (Q(quality="signed") & ~Q(signature="")),
                name="signed_readings_carry_a_signature",
            ),
        )
        indexes = (models.Index(fields=["interval_start"]),)

    def __str__(self) -> str:
        return f"{self.meter} {self.interval_start:%Y-%m-%dT%H:%MZ}"

    def to_domain(self) -> MeterReading:
        """The reading as the libraries know it."""
        return MeterReading(
            meter_id=self.meter.meter_id,
            interval_start=self.interval_start,
            interval_s=self.interval_s,
            import_wh=self.import_wh,
            export_wh=self.export_wh,
        )


class DeviceStatus(models.Model):
    """The newest signed status of a meter: power now (positive = into the site or the battery) and SoC."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, related_name="status")
    at = models.DateTimeField(help_text="community time by the device's clock")
    power_kw = models.FloatField()
    soc_kwh = models.FloatField(null=True)

    def __str__(self) -> str:
        return f"{self.meter}: {self.power_kw:.2f} kW"
