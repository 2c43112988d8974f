"""Reads of the community, its members and its clock."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils import timezone

from backend.registry.models import Community, Mandate, Meter, Participant, Site, SupplyAgreement
from domain.time import floor_to_step


def community() -> Community:
    """The community; Community.DoesNotExist before it was loaded."""
    return Community.objects.get(id=1)


def now(of: Community | None = None) -> datetime:
    """Community time: the wall's for real hardware; faster, stepped or held for a demo."""
    of = of or community()
    if of.anchor_wall is None:
        return of.anchor_community
    return of.anchor_community + (timezone.now() - of.anchor_wall) * of.speed


def interval_start(of: Community, instant: datetime) -> datetime:
    """Start of the delivery interval that contains ``instant``."""
    return floor_to_step(instant, of.step)


def local_midnight(of: Community, instant: datetime) -> datetime:
    """Start (UTC) of the local day that contains ``instant``."""
    zone = ZoneInfo(of.time_zone)
    return datetime.combine(instant.astimezone(zone).date(), time(0), zone).astimezone(UTC)


def first_interval_start(community: Community) -> datetime:
    """Start of the first interval whose gate closes after the platform went live."""
    opened = community.opened_at
    boundary = floor_to_step(opened, community.step)
    if boundary < opened:
        boundary += community.step
    return boundary + community.gate_close_intervals * community.step


def sites() -> QuerySet[Site]:
    """All sites with participant, battery and meters, in a fixed order."""
    return Site.objects.select_related("participant", "battery").prefetch_related("meters").order_by("id")


def site_of(participant: Participant) -> Site:
    """The member's first site; every member has one."""
    return sites().filter(participant=participant)[0]


def grid_meter(site: Site) -> Meter:
    """The meter at the site's connection."""
    return next(meter for meter in site.meters.all() if meter.role == Meter.Role.GRID)


def meters(role: str | None = None) -> QuerySet[Meter]:
    """All meters, or those of one role, in a fixed order."""
    found = Meter.objects.select_related("site__participant").order_by("id")
    return found.filter(role=role) if role else found


def meter(meter_id: str) -> Meter | None:
    """The meter with this bytes32 id, or None."""
    return meters().filter(meter_id=meter_id.lower()).first()


def supplied() -> set[int]:
    """Participants (by key) who have signed a supply agreement."""
    return set(SupplyAgreement.objects.values_list("participant_id", flat=True))


def active_mandate(participant_id: int, agent_address: str, at: datetime) -> Mandate | None:
    """The newest mandate that lets ``agent_address`` trade at ``at``, or None."""
    return (
        Mandate.objects.filter(
            participant_id=participant_id,
            agent_address=agent_address,
            valid_until__gte=at,
            revoked_at__isnull=True,
        )
        .order_by("-id")
        .first()
    )
