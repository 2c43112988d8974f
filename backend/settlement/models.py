"""The chain's side of the books: what is to be sent, what was committed, what each member owes."""

from django.db import models
from django.db.models import Q

from backend.market.models import DeliveryInterval
from backend.registry.models import Meter, Participant
from domain.market import SettlementLine


class OutboxTransaction(models.Model):
    """A chain transaction written together with what it settles; ``key`` makes it happen once.

    Nonce, gas and fees are stored before anything is sent: the same bytes can be signed again after a crash.
    """

    class State(models.TextChoices):
        """``failed`` needs a person: the chain refused it for a reason that will not go away."""

        PENDING = "pending"
        SENT = "sent"
        CONFIRMED = "confirmed"
        FAILED = "failed"

    key = models.CharField(max_length=120, unique=True)
    contract = models.CharField(max_length=40)
    function = models.CharField(max_length=60)
    arguments = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    sender = models.CharField(max_length=42, blank=True)
    nonce = models.PositiveBigIntegerField(null=True)
    gas_limit = models.PositiveBigIntegerField(default=0)
    max_fee_wei = models.PositiveBigIntegerField(default=0)
    tip_wei = models.PositiveBigIntegerField(default=0)
    tx_hash = models.CharField(max_length=66, blank=True)
    replaced_hashes = models.JSONField(
        default=list, help_text="same nonce, lower fee: one of them may be mined"
    )
    block_number = models.PositiveBigIntegerField(null=True)
    block_time = models.DateTimeField(null=True)
    gas_used = models.PositiveBigIntegerField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        indexes = (models.Index(fields=["state", "id"]), models.Index(fields=["sender", "nonce"]))
        constraints = (
            models.CheckConstraint(
                condition=~Q(state="sent") | (Q(nonce__isnull=False) & ~Q(tx_hash="")),
                name="sent_can_be_sent_again",
            ),
            models.CheckConstraint(
                condition=~Q(state="confirmed") | Q(block_number__isnull=False), name="confirmed_has_a_block"
            ),
        )

    def __str__(self) -> str:
        return f"{self.key} {self.state}"

    @property
    def signed_nonce(self) -> int:
        """The nonce of a row that was signed; ValueError before."""
        if self.nonce is None:
            raise ValueError(f"{self.key} was not signed yet")
        return self.nonce


class Commitment(models.Model):
    """The root of an interval's matched batch and the batch itself, as given to the contract."""

    interval = models.OneToOneField(DeliveryInterval, on_delete=models.PROTECT, related_name="commitment")
    root = models.CharField(max_length=66)
    batch = models.JSONField()
    transaction = models.OneToOneField(OutboxTransaction, on_delete=models.PROTECT, related_name="commitment")

    def __str__(self) -> str:
        return f"{self.interval} {self.root}"


class Settlement(models.Model):
    """An interval's settlement: prices, the retailer's side, and whether the chain agreed."""

    interval = models.OneToOneField(DeliveryInterval, on_delete=models.PROTECT, related_name="settlement")
    transaction = models.OneToOneField(OutboxTransaction, on_delete=models.PROTECT, related_name="settlement")
    retailer_micro = models.BigIntegerField(help_text="what the retailer receives; negative when it pays")
    fee_micro = models.BigIntegerField(help_text="what the community fund receives")
    unpaid_micro = models.BigIntegerField(default=0)
    agrees = models.BooleanField(null=True, help_text="chain events equal these lines")

    def __str__(self) -> str:
        return f"{self.interval}"


class StatementLine(models.Model):
    """What one member owes and is owed for one interval (see ``domain.market.SettlementLine``)."""

    settlement = models.ForeignKey(Settlement, on_delete=models.CASCADE, related_name="lines")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="statement_lines")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="statement_lines")
    imported_wh = models.PositiveBigIntegerField()
    exported_wh = models.PositiveBigIntegerField()
    bought_wh = models.PositiveBigIntegerField()
    sold_wh = models.PositiveBigIntegerField()
    delivered_wh = models.PositiveBigIntegerField()
    retail_import_wh = models.PositiveBigIntegerField()
    feed_in_wh = models.PositiveBigIntegerField()
    purchase_micro = models.PositiveBigIntegerField()
    sale_micro = models.PositiveBigIntegerField()
    shortfall_micro = models.PositiveBigIntegerField()
    fee_micro = models.PositiveBigIntegerField()
    retail_micro = models.PositiveBigIntegerField()
    feed_in_micro = models.PositiveBigIntegerField()
    net_micro = models.BigIntegerField(help_text="positive: the member pays")
    estimated = models.BooleanField(
        help_text="no reading came before the deadline: the published fallback applies"
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=["settlement", "meter"], name="one_line_per_meter"),)

    def __str__(self) -> str:
        return f"{self.participant}: {self.net_micro}"

    def to_domain(self) -> SettlementLine:
        """The line as the libraries know it."""
        names = SettlementLine.__dataclass_fields__
        return SettlementLine(**{name: getattr(self, name) for name in names})
