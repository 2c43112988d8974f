"""Shapes of settlement's answers; money in micro-units, energy in Wh."""

from typing import Any

from rest_framework import serializers

from backend.market.serializers import TradeSerializer
from backend.registry.models import Mandate
from backend.settlement.models import StatementLine
from backend.settlement.queries import LINE_FIELDS


class MandateSerializer(serializers.ModelSerializer[Mandate]):
    """The standing mandate of the member's agent."""

    class Meta:
        """The columns shown."""

        model = Mandate
        fields = (
            "agent_address",
            "max_buy_micro_per_kwh",
            "min_sell_micro_per_kwh",
            "fee_cap_micro_per_kwh",
            "imbalance_cap_micro_per_kwh",
            "max_wh_per_day",
            "valid_until",
        )


class AccountSerializer(serializers.Serializer[dict[str, Any]]):
    """A member's money on the exchange; null amounts mean that the chain does not answer."""

    wallet_address = serializers.CharField()
    balance_micro = serializers.IntegerField(allow_null=True)
    pending_withdrawal_micro = serializers.IntegerField(allow_null=True)
    mandate = MandateSerializer(allow_null=True)


class StatementLineSerializer(serializers.ModelSerializer[StatementLine]):
    """One interval's bill; ``net_micro`` is positive when the member pays.

    ``tx_hash`` and ``block_number`` are null until the chain has settled it; ``reading_signature`` is the
    meter's, null where no reading came here.
    """

    interval_start = serializers.DateTimeField()
    meter_id = serializers.CharField()
    reading_signature = serializers.CharField(allow_null=True)
    tx_hash = serializers.CharField(allow_null=True)
    block_number = serializers.IntegerField(allow_null=True)

    class Meta:
        """The columns shown."""

        model = StatementLine
        fields = (
            "interval_start",
            "meter_id",
            *LINE_FIELDS,
            "estimated",
            "reading_signature",
            "tx_hash",
            "block_number",
        )


class TotalsSerializer(serializers.ModelSerializer[StatementLine]):
    """Sums over the lines."""

    class Meta:
        """The columns shown."""

        model = StatementLine
        fields = LINE_FIELDS


class StatementSerializer(serializers.Serializer[dict[str, Any]]):
    """A member's lines and their sums."""

    participant = serializers.CharField()
    lines = StatementLineSerializer(many=True)
    totals = TotalsSerializer()


class StepSerializer(serializers.Serializer[Any]):
    """One station of a trade."""

    name = serializers.ChoiceField(choices=["order", "match", "commitment", "reading", "settlement", "bill"])
    at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=["done", "pending", "failed"])
    hash = serializers.CharField(allow_null=True)
    detail = serializers.DictField()


class ReceiptSerializer(serializers.Serializer[dict[str, Any]]):
    """A trade from order to bill."""

    trade = TradeSerializer()
    steps = StepSerializer(many=True)
