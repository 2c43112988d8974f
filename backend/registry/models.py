"""Who takes part, where, and behind which meter; the community's rules and its clock."""

from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from domain.battery import Battery as DomainBattery
from domain.tariff import Tariff, TariffBand


class Community(models.Model):
    """The one community that this platform serves: its rules, tariff, contracts and clock."""

    name = models.CharField(max_length=120)
    scenario = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64)
    currency = models.CharField(max_length=8)
    interval_minutes = models.PositiveSmallIntegerField()
    gate_open_h = models.PositiveSmallIntegerField(default=24)
    gate_close_intervals = models.PositiveSmallIntegerField(default=1)
    reading_deadline_minutes = models.PositiveIntegerField(default=120)
    import_micro_per_kwh = models.PositiveBigIntegerField()
    feed_in_micro_per_kwh = models.PositiveBigIntegerField()
    fee_micro_per_kwh = models.PositiveBigIntegerField(default=0)
    bands = models.JSONField(default=list)
    retailer_address = models.CharField(max_length=42)
    community_fund_address = models.CharField(max_length=42)
    agent_address = models.CharField(max_length=42)
    chain_id = models.PositiveBigIntegerField(null=True)
    token_address = models.CharField(max_length=42, blank=True)
    exchange_address = models.CharField(max_length=42, blank=True)
    registry_address = models.CharField(max_length=42, blank=True)
    oracle_address = models.CharField(max_length=42, blank=True)
    opened_at = models.DateTimeField(help_text="community time at which the platform went live")
    anchor_wall = models.DateTimeField(null=True, help_text="null while the clock is held")
    anchor_community = models.DateTimeField()
    seen_community = models.DateTimeField()
    speed = models.FloatField(default=1.0)
    demo_accounts = models.JSONField(default=list, help_text="logins shown on the sign-in page; demo only")

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(id=1), name="one_community"),
            models.CheckConstraint(
                condition=Q(interval_minutes__in=[5, 15, 30, 60]), name="interval_supported"
            ),
            models.CheckConstraint(condition=Q(speed__gte=0), name="speed_not_negative"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def step(self) -> timedelta:
        """Length of a delivery interval."""
        return timedelta(minutes=self.interval_minutes)

    @property
    def reading_deadline(self) -> timedelta:
        """How long after its end an interval waits for a missing reading."""
        return timedelta(minutes=self.reading_deadline_minutes)

    def gate_closure(self, start: datetime) -> datetime:
        """When the gate of the interval that starts at ``start`` closes."""
        return start - self.gate_close_intervals * self.step

    def eip712(self) -> dict[str, Any]:
        """What owners and agents sign for: chain id and exchange, as ``domain.typed_data`` takes them."""
        return {"chain_id": self.chain_id, "verifying_contract": self.exchange_address}

    def readings_eip712(self) -> dict[str, Any]:
        """What meters sign for: chain id and meter oracle."""
        return {"chain_id": self.chain_id, "verifying_contract": self.oracle_address}

    def to_tariff(self) -> Tariff:
        """The retail tariff as the libraries know it."""
        return Tariff(
            time_zone=self.time_zone,
            import_micro_per_kwh=self.import_micro_per_kwh,
            feed_in_micro_per_kwh=self.feed_in_micro_per_kwh,
            fee_micro_per_kwh=self.fee_micro_per_kwh,
            bands=tuple(
                TariffBand(
                    start=time.fromisoformat(band["from"]),
                    end=time.fromisoformat(band["to"]),
                    price_micro_per_kwh=band["price_micro_per_kwh"],
                    weekdays=frozenset(band["weekdays"]),
                )
                for band in self.bands
            ),
        )


class Participant(models.Model):
    """A member: the owner of a wallet and of one or more sites."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="participant"
    )
    name = models.CharField(max_length=120)
    pseudonym = models.CharField(max_length=40, unique=True)
    wallet_address = models.CharField(max_length=42, unique=True)

    def __str__(self) -> str:
        return self.pseudonym


class Site(models.Model):
    """One grid connection and what stands behind it."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="sites")
    name = models.CharField(max_length=120)
    pv_nominal_kw = models.FloatField(default=0.0)

    def __str__(self) -> str:
        return self.name


class Battery(models.Model):
    """A site's battery; limits at the AC terminal."""

    site = models.OneToOneField(Site, on_delete=models.PROTECT, related_name="battery")
    capacity_kwh = models.FloatField()
    max_charge_kw = models.FloatField()
    max_discharge_kw = models.FloatField()
    charge_efficiency = models.FloatField()
    discharge_efficiency = models.FloatField()
    soc_min_kwh = models.FloatField(default=0.0)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(capacity_kwh__gt=0), name="battery_capacity_positive"),
        )

    def __str__(self) -> str:
        return f"{self.site}: {self.capacity_kwh} kWh"

    def to_domain(self) -> DomainBattery:
        """The battery as the scheduler knows it."""
        return DomainBattery(
            capacity_kwh=self.capacity_kwh,
            max_charge_kw=self.max_charge_kw,
            max_discharge_kw=self.max_discharge_kw,
            charge_efficiency=self.charge_efficiency,
            discharge_efficiency=self.discharge_efficiency,
            soc_min_kwh=self.soc_min_kwh,
        )


class Meter(models.Model):
    """A meter with a key of its own; the grid meter is the one that settles."""

    class Role(models.TextChoices):
        """What the meter measures."""

        GRID = "grid"
        PV = "pv"
        BATTERY = "battery"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="meters")
    role = models.CharField(max_length=8, choices=Role)
    meter_id = models.CharField(max_length=66, unique=True)
    key_address = models.CharField(max_length=42)
    transport = models.CharField(max_length=4, choices=[("http", "HTTP"), ("mqtt", "MQTT")])

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["site", "role"], name="one_meter_per_role"),
            models.CheckConstraint(condition=Q(role__in=["grid", "pv", "battery"]), name="meter_role_known"),
        )

    def __str__(self) -> str:
        return f"{self.site} {self.role}"


class Mandate(models.Model):
    """An owner's signed permission for an agent key to trade inside limits."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="mandates")
    agent_address = models.CharField(max_length=42)
    max_buy_micro_per_kwh = models.PositiveBigIntegerField()
    min_sell_micro_per_kwh = models.PositiveBigIntegerField()
    fee_cap_micro_per_kwh = models.PositiveBigIntegerField()
    imbalance_cap_micro_per_kwh = models.PositiveBigIntegerField()
    max_wh_per_day = models.PositiveBigIntegerField()
    valid_until = models.DateTimeField()
    nonce = models.PositiveBigIntegerField()
    signature = models.CharField(max_length=132)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["participant", "nonce"], name="mandate_nonce_once"),)

    def __str__(self) -> str:
        return f"{self.participant} → {self.agent_address}"


class SupplyAgreement(models.Model):
    """An owner's signed agreement with the retailer for what its meters cannot trade in the community."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="supply_agreements")
    max_import_micro_per_kwh = models.PositiveBigIntegerField()
    min_feed_in_micro_per_kwh = models.PositiveBigIntegerField()
    fallback_import_w = models.PositiveBigIntegerField(
        help_text="mean power that a meter without a reading is taken to have drawn"
    )
    valid_from = models.DateTimeField(help_text="start of the first interval")
    valid_until = models.DateTimeField()
    nonce = models.PositiveBigIntegerField()
    signature = models.CharField(max_length=132)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["participant", "nonce"], name="supply_nonce_once"),)

    def __str__(self) -> str:
        return f"{self.participant} until {self.valid_until:%Y-%m-%d}"
