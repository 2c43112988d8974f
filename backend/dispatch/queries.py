"""Reads of commands."""

from datetime import datetime

from backend.dispatch.models import Command


def current_command(meter_id: str, at: datetime) -> Command | None:
    """The newest command of a meter whose lease has not expired at ``at``, or None."""
    return (
        Command.objects.select_related("meter")
        .filter(meter__meter_id=meter_id.lower(), lease_expires_at__gt=at)
        .order_by("-sequence")
        .first()
    )


def commands_after(row_id: int, transport: str, at: datetime) -> list[Command]:
    """Commands to devices of one transport, issued after the row ``row_id``, oldest first.

    One whose lease has expired at ``at`` is of no use to anybody, and left out.
    """
    return list(
        Command.objects.select_related("meter")
        .filter(id__gt=row_id, meter__transport=transport, lease_expires_at__gt=at)
        .order_by("id")
    )


def command_facts(command: Command) -> dict[str, object]:
    """A command as a device reads it."""
    return {
        "id": command.pk,
        "sequence": command.sequence,
        "interval_start": command.interval_start.isoformat().replace("+00:00", "Z"),
        "interval_end": command.interval_end.isoformat().replace("+00:00", "Z"),
        "power_min_kw": command.power_min_kw,
        "power_max_kw": command.power_max_kw,
        "grid_target_kw": command.grid_target_kw,
        "lease_expires_at": command.lease_expires_at.isoformat().replace("+00:00", "Z"),
    }
