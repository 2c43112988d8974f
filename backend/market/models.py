"""Delivery intervals, orders and trades. Money in micro-units, energy in Wh."""

import uuid
from dataclasses import replace

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from backend.registry.models import Meter, Participant
from domain.market import ORDERS_AN_INTERVAL, Side
from domain.market import Order as DomainOrder


class SideChoice(models.TextChoices):
    """A bid buys, an offer sells."""

    BUY = "buy"
    SELL = "sell"


class DeliveryInterval(models.Model):
    """One interval's way through the market, state by state.

    Only where the chain loses a block does it go back: from settled to committed, or from either to cleared.
    """

    class State(models.TextChoices):
        """``cleared`` but never committed: its trades are void and it settles with the retailer alone.

        ``lapsed``: its settlement term passed before it was settled, so nobody is billed or paid for it, but
        for those whose part of its batch was settled in time.
        """

        OPEN = "open"
        CLEARED = "cleared"
        COMMITTED = "committed"
        SETTLED = "settled"
        LAPSED = "lapsed"

    start = models.DateTimeField(unique=True)
    end = models.DateTimeField()
    gate_closure = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    clearing_micro_per_kwh = models.PositiveBigIntegerField(null=True)
    retail_micro_per_kwh = models.PositiveBigIntegerField()
    feed_in_micro_per_kwh = models.PositiveBigIntegerField()
    imbalance_micro_per_kwh = models.PositiveBigIntegerField()
    fee_micro_per_kwh = models.PositiveBigIntegerField()
    reference_micro_per_kwh = models.PositiveBigIntegerField(null=True)
    traded_wh = models.PositiveBigIntegerField(default=0)
    welfare_micro = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(end__gt=models.F("start")), name="interval_not_empty"),
            models.CheckConstraint(
                condition=Q(feed_in_micro_per_kwh__lte=models.F("retail_micro_per_kwh")),
                name="feed_in_below_retail",
            ),
        )
        indexes = (models.Index(fields=["state", "start"]),)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%MZ} {self.state}"

    @property
    def interval_s(self) -> int:
        """Length in seconds."""
        return int((self.end - self.start).total_seconds())


class PriceRun(models.Model):
    """Band and reference path for the coming day; arrays have one value an interval from ``start``."""

    as_of = models.DateTimeField(unique=True)
    start = models.DateTimeField()
    floor_micro_per_kwh = ArrayField(models.PositiveBigIntegerField())
    ceiling_micro_per_kwh = ArrayField(models.PositiveBigIntegerField())
    reference_micro_per_kwh = ArrayField(models.PositiveBigIntegerField())

    def __str__(self) -> str:
        return f"prices {self.as_of:%Y-%m-%dT%H:%MZ}"


class AgentRound(models.Model):
    """The agents' orders placed as of one instant: written with them, so that a round happens once."""

    as_of = models.DateTimeField(unique=True)
    orders = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"agents {self.as_of:%Y-%m-%dT%H:%MZ}"


class Order(models.Model):
    """A signed limit order."""

    class State(models.TextChoices):
        """``matched`` orders were committed in part or whole; ``unmatched`` ones found no counterparty."""

        OPEN = "open"
        CANCELLED = "cancelled"
        MATCHED = "matched"
        UNMATCHED = "unmatched"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    interval = models.ForeignKey(DeliveryInterval, on_delete=models.PROTECT, related_name="orders")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="orders")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="orders")
    side = models.CharField(max_length=4, choices=SideChoice)
    energy_wh = models.PositiveBigIntegerField()
    limit_micro_per_kwh = models.PositiveBigIntegerField()
    fee_cap_micro_per_kwh = models.PositiveBigIntegerField()
    imbalance_cap_micro_per_kwh = models.PositiveBigIntegerField()
    nonce = models.PositiveBigIntegerField()
    expiry = models.DateTimeField()
    signer = models.CharField(max_length=42)
    signature = models.CharField(max_length=132)
    digest = models.CharField(max_length=66, unique=True)
    by_agent = models.BooleanField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    matched_wh = models.PositiveBigIntegerField(default=0)
    placed_at = models.DateTimeField(help_text="community time")
    sequence = models.BigIntegerField(help_text="arrival order; breaks ties in the same instant")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["participant", "nonce"], name="order_nonce_once"),
            models.CheckConstraint(condition=Q(energy_wh__gt=0), name="order_energy_positive"),
            models.CheckConstraint(
                condition=Q(matched_wh__lte=models.F("energy_wh")), name="order_not_overfilled"
            ),
        )
        indexes = (models.Index(fields=["interval", "state"]),)

    def __str__(self) -> str:
        return f"{self.participant} {self.side} {self.energy_wh} Wh @ {self.limit_micro_per_kwh}"

    @property
    def clearing_id(self) -> str:
        """What the auction knows the order by; in one instant the earlier arrival has the lower one."""
        return f"{self.sequence:019d}"

    @property
    def k(self) -> int:
        """The part of the nonce that counts the owner's orders for the interval."""
        return self.nonce % ORDERS_AN_INTERVAL

    def executed(self) -> DomainOrder:
        """The order with what was executed of it, which must be something, as its energy."""
        return replace(self.to_domain(), energy_wh=self.matched_wh)

    def to_domain(self) -> DomainOrder:
        """The order as the auction knows it."""
        return DomainOrder(
            order_id=self.clearing_id,
            participant_id=str(self.participant_id),
            meter_id=self.meter.meter_id,
            side=Side(self.side),
            energy_wh=self.energy_wh,
            limit_micro_per_kwh=self.limit_micro_per_kwh,
            placed_at=self.placed_at,
            k=self.k,
        )


class Trade(models.Model):
    """Energy from a seller's order to a buyer's at the clearing price of the interval."""

    interval = models.ForeignKey(DeliveryInterval, on_delete=models.PROTECT, related_name="trades")
    buy_order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="purchases")
    sell_order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="sales")
    energy_wh = models.PositiveBigIntegerField()
    price_micro_per_kwh = models.PositiveBigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["buy_order", "sell_order"], name="trade_pair_once"),
            models.CheckConstraint(condition=Q(energy_wh__gt=0), name="trade_energy_positive"),
        )

    def __str__(self) -> str:
        return f"{self.energy_wh} Wh @ {self.price_micro_per_kwh}"
