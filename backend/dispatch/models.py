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
    power_kw = models.FloatField(help_text="positive charges; held unless grid_target_kw is set")
    grid_target_kw = models.FloatField(
        null=True,
        help_text="positive imports; the battery keeps the connection at this power as far as it can",
    )
    lease_expires_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.ISSUED)
    refusal = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["meter", "sequence"], name="command_sequence_once"),
            models.UniqueConstraint(fields=["meter", "interval_start"], name="command_interval_once"),
        )

    def __str__(self) -> str:
        return f"{self.meter} #{self.sequence}: {self.power_kw:+.2f} kW"
