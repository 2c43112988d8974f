"""Reads of readings."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
from django.db.models import F

from backend.registry.models import Meter, Site
from backend.telemetry.models import DeviceStatus, Reading
from domain.energy import SiteEnergy
from domain.time import EPOCH, TimeGrid
from domain.units import WH_PER_KWH

ONLINE_WITHIN = timedelta(hours=1)


def signed_readings(interval_start: datetime, meter_ids: Iterable[str]) -> dict[str, Reading]:
    """Signed readings of one interval by bytes32 meter id; absent where none has come."""
    found = Reading.objects.select_related("meter").filter(
        interval_start=interval_start, meter__meter_id__in=list(meter_ids), quality=Reading.Quality.SIGNED
    )
    return {reading.meter.meter_id: reading for reading in found}


def missing_readings(interval_start: datetime, role: str | None = None) -> list[str]:
    """Meter ids, of one role or of all, from which no reading of the interval has come."""
    present = Reading.objects.filter(interval_start=interval_start).values("meter_id")
    absent = Meter.objects.exclude(id__in=present).order_by("id")
    return list((absent.filter(role=role) if role else absent).values_list("meter_id", flat=True))


def site_energy(grid: TimeGrid, sites: Iterable[Site]) -> dict[int, SiteEnergy]:
    """Registers of each site on ``grid``, keyed by the site's id."""
    meters = {meter.pk: meter for site in sites for meter in site.meters.all()}
    rows = Reading.objects.filter(
        meter_id__in=meters, interval_start__gte=grid.start, interval_start__lt=grid.end
    ).values_list("meter_id", "interval_start", "import_wh", "export_wh", "soc_wh")
    registers = {pk: np.full((3, len(grid)), np.nan) for pk in meters}
    for meter_pk, start, import_wh, export_wh, soc_wh in rows:
        soc = np.nan if soc_wh is None else soc_wh
        registers[meter_pk][:, (start - grid.start) // grid.step] = import_wh, export_wh, soc
    absent = np.zeros((3, len(grid)))
    found: dict[int, SiteEnergy] = {}
    for site in sites:
        by_role = {meter.role: registers[meter.pk] for meter in site.meters.all()}
        grid_meter, pv, battery = (by_role.get(role, absent) for role in ("grid", "pv", "battery"))
        found[site.pk] = SiteEnergy(
            grid_import=grid_meter[0],
            grid_export=grid_meter[1],
            pv=pv[1],
            battery_charge=battery[0],
            battery_discharge=battery[1],
            soc=battery[2],
        )
    return found


def late_readings(
    grid: TimeGrid, sites: Iterable[Site], *, grace: timedelta
) -> list[tuple[int, str, datetime, datetime]]:
    """Site's id, meter's role, interval's start and arrival of readings ``grace`` or more after their end.

    When an imported one was first known nobody can say: it is not among them.
    """
    late = Reading.objects.filter(
        meter__site__in=[site.pk for site in sites],
        quality=Reading.Quality.SIGNED,
        interval_start__gte=grid.start,
        interval_start__lt=grid.end,
        received_at__gte=F("interval_start") + grid.step + grace,
    )
    return list(late.values_list("meter__site_id", "meter__role", "interval_start", "received_at"))


def statuses() -> dict[int, DeviceStatus]:
    """The newest status of each meter, keyed by the meter's row id."""
    return {status.meter_id: status for status in DeviceStatus.objects.all()}


def first_reading_start(*, since: datetime = EPOCH) -> datetime | None:
    """Start of the oldest interval from ``since`` on of which anything is known."""
    known = Reading.objects.filter(interval_start__gte=since).order_by("interval_start")
    return known.values_list("interval_start", flat=True).first()


def newest_soc_kwh(before: datetime) -> dict[int, float]:
    """State of charge in the newest reading of each battery meter, kWh, keyed by the meter's row id."""
    rows = (
        Reading.objects.filter(soc_wh__isnull=False, interval_start__lt=before)
        .order_by("meter_id", "-interval_start")
        .distinct("meter_id")
        .values_list("meter_id", "soc_wh")
    )
    return {meter_id: soc_wh / WH_PER_KWH for meter_id, soc_wh in rows if soc_wh is not None}
