"""Commands to devices: leases with an id, a sequence and an expiry."""

from django.db import models

from backend.registry.models import Meter


class Command(models.Model):
    """A battery's set-point for one interval; after its lease the device falls back to its own rule."""

    class State(models.TextChoices):
        """What the device made of it."""

        ISSUED = "issued"
        ACCEPTED = "accepted"
        REFUSED = "refused"

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="commands")
    sequence = models.PositiveBigIntegerField()
    interval_start = models.DateTimeField()
    interval_end = models.DateTimeField()
    grid_target_kw = models.FloatField(help_text="positive imports; what the connection is to be kept at")
    power_min_kw = models.FloatField(help_text="bound on the battery's power; positive charges")
    power_max_kw = models.FloatField(help_text="bound on the battery's power; positive charges")
    lease_expires_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.ISSUED)
    refusal = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["meter", "sequence"], name="command_sequence_once"),
            models.UniqueConstraint(fields=["meter", "interval_start"], name="command_interval_once"),
            models.CheckConstraint(
                condition=models.Q(power_min_kw__lte=models.F("power_max_kw")), name="command_bounds_in_order"
            ),
        )

    def __str__(self) -> str:
        return f"{self.meter} #{self.sequence}: [{self.power_min_kw:+.2f}, {self.power_max_kw:+.2f}] kW"
