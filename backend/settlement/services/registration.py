"""Telling the chain who owns which meter, and what owners have signed."""

from backend.registry import queries as registry
from backend.registry.models import Mandate, Meter, SupplyAgreement
from backend.settlement.models import OutboxTransaction
from backend.settlement.services.outbox import enqueue

MAX_METERS = 48  # EnergyExchange.MAX_METERS: what one settlement transaction can hold


def register_members() -> int:
    """Enqueue the registration of every grid meter that has none yet; returns how many meters there are.

    Raises:
        ValueError: more meters than one interval's settlement can hold.
    """
    meters = list(registry.meters(Meter.Role.GRID))
    if len(meters) > MAX_METERS:
        raise ValueError(
            f"one community settles at most {MAX_METERS} grid meters, this one has {len(meters)}"
        )
    for meter in meters:
        owner = meter.site.participant.wallet_address
        arguments = [owner, meter.meter_id, meter.key_address]
        enqueue(f"register:{meter.meter_id}", "registry", "register", arguments)
    return len(meters)


def register_mandate(mandate: Mandate) -> OutboxTransaction:
    """Enqueue an owner's signed mandate."""
    message = {
        "owner": mandate.participant.wallet_address,
        "agent": mandate.agent_address,
        "maxBuyPrice": mandate.max_buy_micro_per_kwh,
        "minSellPrice": mandate.min_sell_micro_per_kwh,
        "maxWhPerDay": mandate.max_wh_per_day,
        "validUntil": int(mandate.valid_until.timestamp()),
        "nonce": mandate.nonce,
    }
    return enqueue(f"mandate:{mandate.pk}", "exchange", "registerMandate", [message, mandate.signature])


def register_supply(agreement: SupplyAgreement) -> OutboxTransaction:
    """Enqueue an owner's signed agreement with the retailer."""
    message = {
        "owner": agreement.participant.wallet_address,
        "meterId": agreement.meter.meter_id,
        "maxImportPrice": agreement.max_import_micro_per_kwh,
        "minFeedInPrice": agreement.min_feed_in_micro_per_kwh,
        "validUntil": int(agreement.valid_until.timestamp()),
        "nonce": agreement.nonce,
    }
    return enqueue(f"supply:{agreement.pk}", "exchange", "registerSupply", [message, agreement.signature])


def register_all() -> int:
    """Enqueue every registration that is not in the outbox yet; returns how many there are in all."""
    count = register_members()
    for mandate in Mandate.objects.filter(revoked_at__isnull=True).select_related("participant"):
        register_mandate(mandate)
        count += 1
    for agreement in SupplyAgreement.objects.select_related("participant", "meter").order_by("id"):
        register_supply(agreement)
        count += 1
    return count
