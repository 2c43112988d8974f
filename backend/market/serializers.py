"""Shapes of the market's requests and answers."""

from typing import Any

from rest_framework import serializers

from backend.market.models import DeliveryInterval, Order, SideChoice
from backend.market.services import MAX_PRICE, MAX_WH
from backend.registry.serializers import InstantField

LIST_LIMIT = 500


class ListQuerySerializer(serializers.Serializer[dict[str, Any]]):
    """Which orders or trades are asked for, and how many."""

    state = serializers.ChoiceField(choices=Order.State.choices, default="", allow_blank=True)
    scope = serializers.ChoiceField(choices=["mine", "community"], default="mine")
    limit = serializers.IntegerField(min_value=1, max_value=LIST_LIMIT, default=100)


class StartSerializer(serializers.Serializer[dict[str, Any]]):
    """Which interval is asked for."""

    start = InstantField()


class IntervalSerializer(serializers.Serializer[dict[str, Any]]):
    """One delivery interval and its prices."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=DeliveryInterval.State.choices)
    gate_closure = serializers.DateTimeField()
    price_micro_per_kwh = serializers.IntegerField(allow_null=True)
    retail_micro_per_kwh = serializers.IntegerField()
    feed_in_micro_per_kwh = serializers.IntegerField()
    imbalance_micro_per_kwh = serializers.IntegerField()
    fee_micro_per_kwh = serializers.IntegerField()
    reference_micro_per_kwh = serializers.IntegerField(allow_null=True)
    traded_wh = serializers.IntegerField()
    orders = serializers.IntegerField()


class LevelSerializer(serializers.Serializer[dict[str, Any]]):
    """Energy wanted or offered at one price."""

    price_micro_per_kwh = serializers.IntegerField()
    energy_wh = serializers.IntegerField()


class BookSerializer(serializers.Serializer[dict[str, Any]]):
    """Bids from the highest, offers from the lowest."""

    bids = LevelSerializer(many=True)
    offers = LevelSerializer(many=True)


class IntervalStartSerializer(serializers.Serializer[dict[str, Any]]):
    """Which interval an order is for."""

    interval_start = InstantField()


class AgentOrderSerializer(serializers.Serializer[dict[str, Any]]):
    """What my agent is to sign for me."""

    side = serializers.ChoiceField(choices=SideChoice.choices)
    interval_start = InstantField()
    energy_wh = serializers.IntegerField(min_value=1, max_value=MAX_WH)
    limit_micro_per_kwh = serializers.IntegerField(min_value=0, max_value=MAX_PRICE)


class SignedOrderSerializer(AgentOrderSerializer):
    """A whole order and its EIP-712 signature."""

    owner = serializers.CharField()
    meter_id = serializers.RegexField(r"^0x[0-9a-fA-F]{64}$")
    interval_s = serializers.IntegerField(min_value=1)
    fee_cap_micro_per_kwh = serializers.IntegerField(min_value=0, max_value=MAX_PRICE)
    imbalance_cap_micro_per_kwh = serializers.IntegerField(min_value=0, max_value=MAX_PRICE)
    nonce = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    expiry = InstantField()
    signature = serializers.CharField(min_length=132, max_length=132)


class NonceSerializer(serializers.Serializer[dict[str, Any]]):
    """A nonce that an order can be signed with."""

    nonce = serializers.IntegerField()


class OrderSerializer(serializers.Serializer[dict[str, Any]]):
    """An order and how far it has come."""

    id = serializers.UUIDField()
    participant = serializers.CharField()
    side = serializers.ChoiceField(choices=SideChoice.choices)
    interval_start = serializers.DateTimeField()
    gate_closure = serializers.DateTimeField()
    energy_wh = serializers.IntegerField()
    limit_micro_per_kwh = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Order.State.choices)
    matched_wh = serializers.IntegerField()
    signer = serializers.CharField()
    digest = serializers.CharField()
    placed_at = serializers.DateTimeField()
    by_agent = serializers.BooleanField()


class TradeSerializer(serializers.Serializer[dict[str, Any]]):
    """A trade between two pseudonyms."""

    id = serializers.IntegerField()
    interval_start = serializers.DateTimeField()
    energy_wh = serializers.IntegerField()
    price_micro_per_kwh = serializers.IntegerField()
    buyer = serializers.CharField()
    seller = serializers.CharField()
    state = serializers.ChoiceField(choices=["matched", "committed", "settled"])
    mine = serializers.BooleanField()
