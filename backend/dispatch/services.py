"""Writes of dispatch: leases out, acknowledgements in."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from backend.dispatch.models import Command
from backend.registry import queries as registry
from backend.registry.models import Meter
from backend.telemetry.services import SignedText, check_device_signature
from domain.errors import FieldError


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What a battery is asked to do: keep the connection at ``grid_target_kw`` (positive imports).

    It does so as far as it can with a power between the bounds (positive charges).
    """

    grid_target_kw: float
    power_min_kw: float
    power_max_kw: float


@transaction.atomic
def issue_commands(set_points: Mapping[int, SetPoint], *, as_of: datetime) -> list[Command]:
    """Lease a set-point to the battery of each site for the interval that contains ``as_of``.

    ``set_points`` is keyed by the site's id. A lease lasts until its interval ends. A site that has its
    command for this interval keeps it.
    """
    community = registry.community()
    start = registry.interval_start(community, as_of)
    meters = list(
        Meter.objects.select_for_update()
        .filter(role=Meter.Role.BATTERY, site_id__in=set_points)
        .order_by("id")
    )
    have = set(
        Command.objects.filter(meter__in=meters, interval_start=start).values_list("meter_id", flat=True)
    )
    last = dict(
        Command.objects.filter(meter__in=meters).values_list("meter_id").annotate(newest=Max("sequence"))
    )
    return Command.objects.bulk_create(
        Command(
            meter=meter,
            sequence=last.get(meter.pk, 0) + 1,
            interval_start=start,
            interval_end=start + community.step,
            **asdict(set_points[meter.site_id]),
            lease_expires_at=start + community.step,
        )
        for meter in meters
        if meter.pk not in have
    )


@transaction.atomic
def acknowledge(proof: SignedText, *, command_id: int, meter_id: str, state: str, reason: str) -> Command:
    """Note what a device made of a command; FieldError unless its own meter's key signed it."""
    meter = check_device_signature(meter_id, proof)
    command = Command.objects.select_for_update().filter(pk=command_id, meter=meter).first()
    if command is None:
        raise FieldError("command_id", "is not a command to this meter", code="unknown_command")
    if command.state == Command.State.ISSUED:
        command.state = state
        command.refusal = reason[:200]
        command.save(update_fields=["state", "refusal"])
    return command
