"""The chain's side of the books: what is to be sent, what was committed, what each member owes."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from backend.market.models import DeliveryInterval
from backend.registry.models import Meter, Participant
from domain.market import SettlementLine


class OutboxTransaction(models.Model):
    """A chain transaction written together with what it settles; ``key`` makes it happen once.

    Nonce, gas and fees are stored before anything is sent: the same bytes can be signed again after a crash.
    """

    class State(models.TextChoices):
        """A row in a block is ``mined`` or ``reverted`` until the block lies deep enough.

        Until then the chain may lose the block, and the row is ``sent`` again. ``failed`` needs a person: the
        chain refused it for a reason that will not go away.
        """

        PENDING = "pending"
        SENT = "sent"
        MINED = "mined"
        REVERTED = "reverted"
        CONFIRMED = "confirmed"
        FAILED = "failed"

    ON_CHAIN = (State.MINED, State.CONFIRMED)
    """It did what it was written for; while mined, that may yet be taken back."""
    OPEN = (State.PENDING, State.SENT, State.REVERTED)
    """Whether it will do what it was written for is not decided."""

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
        default=list, help_text="signed earlier, with lower fees or another nonce: one of them may be mined"
    )
    sent_at_block = models.PositiveBigIntegerField(
        null=True, help_text="the newest block when these fees were offered"
    )
    block_number = models.PositiveBigIntegerField(null=True)
    block_hash = models.CharField(max_length=66, blank=True)
    block_time = models.DateTimeField(null=True)
    gas_used = models.PositiveBigIntegerField(null=True)
    by_another = models.BooleanField(
        default=False,
        help_text="somebody else did it first: sender, hash and block are of that transaction",
    )
    error = models.TextField(blank=True, help_text="why it failed, or what it waits for")
    since = models.DateTimeField(default=timezone.now, help_text="in this state; by the wall clock")
    after = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="followers",
        help_text="sent only once this one has done what it was written for",
    )
    not_after = models.DateTimeField(
        null=True, help_text="not sent any more once the newest block is as late as this"
    )

    class Meta:
        indexes = (models.Index(fields=["state", "id"]), models.Index(fields=["block_number"]))
        constraints = (
            models.CheckConstraint(
                condition=~Q(state="sent") | (Q(nonce__isnull=False) & ~Q(tx_hash="")),
                name="sent_can_be_sent_again",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["mined", "reverted", "confirmed"]) | Q(block_number__isnull=False),
                name="mined_has_a_block",
            ),
            models.UniqueConstraint(fields=["sender", "nonce"], name="one_row_per_nonce"),
        )

    def __str__(self) -> str:
        return f"{self.key} {self.state}"

    @property
    def on_chain(self) -> bool:
        """Whether it did what it was written for, as the chain stands."""
        return self.state in self.ON_CHAIN

    @property
    def is_open(self) -> bool:
        """Whether it may still do what it was written for, but has not."""
        return self.state in self.OPEN

    @property
    def signed_nonce(self) -> int:
        """The nonce of a row that was signed; ValueError before."""
        if self.nonce is None:
            raise ValueError(f"{self.key} was not signed yet")
        return self.nonce


class ChainTrouble(models.Model):
    """Why the outbox as a whole waits: one row, and none while the chain can be trusted."""

    reason = models.TextField()
    since = models.DateTimeField(default=timezone.now, help_text="by the wall clock")

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="one_trouble"),)

    def __str__(self) -> str:
        return self.reason


class Commitment(models.Model):
    """The root of an interval's matched batch, and the batch itself in its parts (see ``batch``).

    A ``late`` one is of a batch without orders, where the other one is not on chain: the retailer's part
    alone.
    """

    interval = models.ForeignKey(DeliveryInterval, on_delete=models.PROTECT, related_name="commitments")
    late = models.BooleanField()
    root = models.CharField(max_length=66)
    parts = models.JSONField()
    fallback_import_w = models.JSONField(
        help_text="by account: mean power that a meter without a reading is taken to have drawn"
    )
    transaction = models.OneToOneField(OutboxTransaction, on_delete=models.PROTECT, related_name="commitment")
    release = models.OneToOneField(
        OutboxTransaction,
        on_delete=models.SET_NULL,
        null=True,
        related_name="released",
        help_text="tells the chain that the interval can no longer be settled",
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=["interval", "late"], name="committed_once"),)

    def __str__(self) -> str:
        return f"{self.interval} {self.root}"

    @property
    def has_orders(self) -> bool:
        """Whether anybody trades in the batch."""
        return any(member["orders"] for part in self.parts for member in part["members"])

    @property
    def too_late(self) -> bool:
        """Whether it is in a block from which on a batch with orders can be committed, but never settled."""
        mined_at = self.transaction.block_time
        return mined_at is not None and mined_at >= self.interval.start and self.has_orders


class Settlement(models.Model):
    """The settlement of one part of an interval's batch: what the retailer and the fund take, and whether the
    chain agreed. Mostly there is one part.
    """  # noqa: D205 (the sentence does not fit into one line)

    interval = models.ForeignKey(DeliveryInterval, on_delete=models.PROTECT, related_name="settlements")
    part = models.PositiveSmallIntegerField(default=0, help_text="its place in the batch, from 0")
    transaction = models.OneToOneField(OutboxTransaction, on_delete=models.PROTECT, related_name="settlement")
    retailer_micro = models.BigIntegerField(
        help_text="what the retailer receives if everybody can pay; negative when it pays"
    )
    fee_micro = models.BigIntegerField(help_text="what the community fund receives")
    unpaid_micro = models.BigIntegerField(default=0, help_text="what members could not pay")
    fund_micro = models.BigIntegerField(
        default=0, help_text="what the fund paid because members and the retailer could not"
    )
    reduced_micro = models.BigIntegerField(
        default=0, help_text="what members were credited less because the fund could not pay either"
    )
    agrees = models.BooleanField(null=True, help_text="chain events equal these lines")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["interval", "part"], name="part_settled_once"),)

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
