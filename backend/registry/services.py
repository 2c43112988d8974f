"""Writes of the registry: the community as loaded, its clock, and what owners sign."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils import timezone

from backend.registry import queries, signing
from backend.registry.models import Battery, Community, Mandate, Meter, Participant, Site, SupplyAgreement
from backend.registry.permissions import AUDITOR, OPERATOR, PROSUMER
from domain.errors import FieldError
from domain.meter_ids import require_own
from domain.time import require_utc

SignedByOwner = TypeVar("SignedByOwner", Mandate, SupplyAgreement)


@transaction.atomic
def load_community(facts: dict[str, Any], *, agent_address: str) -> Community:
    """Create the community, its members, sites and meters from public facts; a second call changes nothing.

    ``facts`` is the content of ``community.json`` (see ``demo/prepare.py``).
    """
    existing = Community.objects.filter(id=1).first()
    if existing:
        return existing
    start = require_utc(datetime.fromisoformat(facts["clock"]["start"]), "clock.start")
    tariff, market = facts["tariff"], facts["market"]
    community = Community.objects.create(
        id=1,
        name=facts["name"],
        scenario=facts["scenario"],
        time_zone=facts["time_zone"],
        currency=facts["currency"],
        interval_minutes=facts["interval_minutes"],
        gate_open_h=market["gate_open_h"],
        gate_close_intervals=market["gate_close_intervals"],
        reading_deadline_minutes=facts["reading_deadline_minutes"],
        import_micro_per_kwh=tariff["import_micro_per_kwh"],
        feed_in_micro_per_kwh=tariff["feed_in_micro_per_kwh"],
        fee_micro_per_kwh=tariff["fee_micro_per_kwh"],
        bands=tariff["bands"],
        retailer_address=signing.checksum_address(facts["retailer_address"], "retailer_address"),
        community_fund_address=signing.checksum_address(
            facts["community_fund_address"], "community_fund_address"
        ),
        agent_address=agent_address,
        opened_at=start,
        anchor_wall=timezone.now() if facts["clock"]["speed"] == 1 else None,
        anchor_community=start,
        seen_community=start,
        speed=facts["clock"]["speed"],
        demo_accounts=[
            {"username": a["username"], "password": a["password"], "name": a["name"], "role": a["role"]}
            for a in facts["staff"] + [{**m, "role": PROSUMER} for m in facts["members"]]
        ],
    )
    community.to_tariff()
    groups = {role: Group.objects.get_or_create(name=role)[0] for role in (PROSUMER, OPERATOR, AUDITOR)}
    for person in facts["staff"]:
        _create_user(person["username"], person["password"]).groups.add(groups[person["role"]])
    for member in facts["members"]:
        user = _create_user(member["username"], member["password"])
        user.groups.add(groups[PROSUMER])
        _create_member(member, user.pk)
    return community


def _create_user(username: str, password: str) -> Any:  # noqa: ANN401 - the configured user model
    return get_user_model().objects.create_user(username=username, password=password)


def _create_member(member: dict[str, Any], user_id: int) -> None:
    participant = Participant.objects.create(
        user_id=user_id,
        name=member["name"],
        pseudonym=member["pseudonym"],
        wallet_address=signing.checksum_address(member["wallet_address"], "wallet_address"),
    )
    site = Site.objects.create(
        participant=participant, name=member["name"], pv_nominal_kw=member["pv_nominal_kw"] or 0.0
    )
    if member["battery"]:
        battery = Battery(site=site, **member["battery"])
        battery.to_domain()
        battery.save()
    for meter in member["meters"]:
        require_own(meter["meter_id"], account=participant.wallet_address, role=meter["role"])
        Meter.objects.create(
            site=site,
            role=meter["role"],
            meter_id=meter["meter_id"].lower(),
            key_address=signing.checksum_address(meter["key_address"], "key_address"),
            transport=meter["transport"],
        )


def advance_clock(to: datetime) -> Community:
    """Move a stepped clock forward to ``to``; FieldError for a running clock or a step back."""
    with transaction.atomic():
        community = Community.objects.select_for_update().get(id=1)
        if community.speed != 0:
            raise FieldError(
                "to", "this clock runs by itself; only a stepped clock can be advanced", code="running"
            )
        to = require_utc(to, "to")
        if to < community.anchor_community:
            raise FieldError("to", f"must not be before {community.anchor_community.isoformat()}")
        community.anchor_community = community.seen_community = to
        community.save(update_fields=["anchor_community", "seen_community"])
    return community


def see_clock() -> datetime:
    """Note the present community time, so that a restart resumes from it."""
    community = queries.community()
    now = queries.now(community)
    Community.objects.filter(id=1).update(seen_community=now)
    return now


@transaction.atomic
def hold_clock(*, not_before: datetime | None = None) -> datetime:
    """Stop a demo clock where it was last seen, until ``start_clock``; a clock of speed 1 follows the wall.

    It never goes back: not behind where it was set, nor behind ``not_before``, the newest block's time.
    """
    community = Community.objects.select_for_update().get(id=1)
    if community.speed == 1:
        return queries.now(community)
    resumed = max(filter(None, [community.seen_community, community.anchor_community, not_before]))
    community.anchor_wall = None
    community.anchor_community = community.seen_community = resumed
    community.save(update_fields=["anchor_wall", "anchor_community", "seen_community"])
    return resumed


def start_clock() -> None:
    """Let a held clock run."""
    Community.objects.filter(id=1, anchor_wall__isnull=True).update(anchor_wall=timezone.now())


def accept_mandate(message: dict[str, Any], signature: str) -> Mandate:
    """Store an owner's signed mandate; FieldError when the signature is not the owner's."""
    community = queries.community()
    agent = signing.checksum_address(message["agent"], "message.agent")
    participant = _owner({**message, "agent": agent}, signature, "Mandate", community)
    if agent != community.agent_address:
        raise FieldError("message.agent", f"the platform's agent is {community.agent_address}")
    if message["maxBuyPrice"] < message["minSellPrice"]:
        raise FieldError("message.maxBuyPrice", "must not be below minSellPrice")
    return _store_once(
        Mandate(
            participant=participant,
            agent_address=agent,
            max_buy_micro_per_kwh=message["maxBuyPrice"],
            min_sell_micro_per_kwh=message["minSellPrice"],
            fee_cap_micro_per_kwh=message["feeCap"],
            imbalance_cap_micro_per_kwh=message["imbalanceCap"],
            max_wh_per_day=message["maxWhPerDay"],
            valid_until=_instant(message["validUntil"]),
            nonce=message["nonce"],
            signature=signature,
        )
    )


def accept_supply_agreement(message: dict[str, Any], signature: str) -> SupplyAgreement:
    """Store an owner's signed agreement with the retailer; FieldError when it is not the owner's."""
    participant = _owner(message, signature, "SupplyAgreement", queries.community())
    if message["validUntil"] < message["validFrom"]:
        raise FieldError("message.validUntil", "must not be before validFrom")
    return _store_once(
        SupplyAgreement(
            participant=participant,
            max_import_micro_per_kwh=message["maxImportPrice"],
            min_feed_in_micro_per_kwh=message["minFeedInPrice"],
            fallback_import_w=message["fallbackImportW"],
            valid_from=_instant(message["validFrom"]),
            valid_until=_instant(message["validUntil"]),
            nonce=message["nonce"],
            signature=signature,
        )
    )


def _owner(message: dict[str, Any], signature: str, kind: str, community: Community) -> Participant:
    owner = signing.checksum_address(message["owner"], "message.owner")
    typed = {**message, "owner": owner}
    if signing.recover(kind, typed, community.eip712(), signature=signature) != owner:
        raise FieldError("signature", "was not made by message.owner", code="wrong_signature")
    participant = Participant.objects.filter(wallet_address=owner).first()
    if participant is None:
        raise FieldError("message.owner", "is not a member's wallet", code="unknown_owner")
    return participant


def _store_once(record: SignedByOwner) -> SignedByOwner:
    try:
        with transaction.atomic():
            record.save()
    except IntegrityError as error:
        raise FieldError("message.nonce", "was used before", code="already_used") from error
    return record


def _instant(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
