"""Telling the chain who owns which meter, and what owners have signed."""

from backend.registry import queries as registry
from backend.registry.models import Mandate, Meter, SupplyAgreement
from backend.settlement.models import OutboxTransaction
from backend.settlement.services.outbox import enqueue
from domain.meter_ids import number_of

NO_COORDINATE = "0x" + "00" * 32


def register_members() -> int:
    """Enqueue the registration of every grid meter that has none yet; returns how many meters there are."""
    meters = list(registry.meters(Meter.Role.GRID))
    for meter in meters:
        owner = meter.site.participant.wallet_address
        key = {"signer": meter.key_address, "x": NO_COORDINATE, "y": NO_COORDINATE}
        enqueue(_key_of(meter), "registry", "register", [owner, number_of(meter.meter_id), key])
    return len(meters)


def register_mandate(mandate: Mandate) -> OutboxTransaction:
    """Enqueue an owner's signed mandate."""
    message = {
        "owner": mandate.participant.wallet_address,
        "agent": mandate.agent_address,
        "maxBuyPrice": mandate.max_buy_micro_per_kwh,
        "minSellPrice": mandate.min_sell_micro_per_kwh,
        "feeCap": mandate.fee_cap_micro_per_kwh,
        "imbalanceCap": mandate.imbalance_cap_micro_per_kwh,
        "maxWhPerDay": mandate.max_wh_per_day,
        "validUntil": int(mandate.valid_until.timestamp()),
        "nonce": mandate.nonce,
    }
    return enqueue(f"mandate:{mandate.pk}", "exchange", "registerMandate", [message, mandate.signature])


def register_supply(agreement: SupplyAgreement) -> OutboxTransaction:
    """Enqueue an owner's signed agreement with the retailer, after the registration of its meter."""
    owner = agreement.participant
    message = {
        "owner": owner.wallet_address,
        "maxImportPrice": agreement.max_import_micro_per_kwh,
        "minFeedInPrice": agreement.min_feed_in_micro_per_kwh,
        "fallbackImportW": agreement.fallback_import_w,
        "validFrom": int(agreement.valid_from.timestamp()),
        "validUntil": int(agreement.valid_until.timestamp()),
        "nonce": agreement.nonce,
    }
    meter = registry.grid_meter(registry.site_of(owner))
    return enqueue(
        f"supply:{agreement.pk}",
        "exchange",
        "registerSupply",
        [message, agreement.signature],
        after=OutboxTransaction.objects.filter(key=_key_of(meter)).first(),
    )


def register_all() -> int:
    """Enqueue every registration that is not in the outbox yet; returns how many there are in all."""
    count = register_members()
    for mandate in Mandate.objects.filter(revoked_at__isnull=True).select_related("participant"):
        register_mandate(mandate)
        count += 1
    for agreement in SupplyAgreement.objects.select_related("participant").order_by("id"):
        register_supply(agreement)
        count += 1
    return count


def _key_of(meter: Meter) -> str:
    return f"register:{meter.meter_id}"
