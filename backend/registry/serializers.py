"""Shapes of the registry's requests and answers."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from rest_framework import serializers

from domain.time import EPOCH

LATEST = datetime(9999, 1, 1, tzinfo=UTC)  # leaves a year to reckon with


class InstantField(serializers.DateTimeField):
    """A date-time with an offset; a naive one is refused by name, and one that no interval can lie near."""

    default_error_messages: ClassVar = {
        "naive_time": "must carry a time zone offset, such as Z or +00:00",
        "out_of_range": "must lie in the years 1970 to 9998",
    }

    def enforce_timezone(self, value: Any) -> Any:  # noqa: ANN401 - DRF's signature
        """Refuse naive input instead of guessing its zone."""
        if value.tzinfo is None:
            self.fail("naive_time")
        instant = super().enforce_timezone(value)
        if not EPOCH <= instant < LATEST:
            self.fail("out_of_range")
        return instant


class ClockSerializer(serializers.Serializer[dict[str, Any]]):
    """Community time."""

    now = serializers.DateTimeField()
    wall_now = serializers.DateTimeField()
    speed = serializers.FloatField()
    interval_s = serializers.IntegerField()
    interval_start = serializers.DateTimeField()
    interval_end = serializers.DateTimeField()


class AdvanceSerializer(serializers.Serializer[dict[str, Any]]):
    """Where a stepped clock is to be moved."""

    to = InstantField()


class CredentialsSerializer(serializers.Serializer[dict[str, Any]]):
    """A sign-in."""

    username = serializers.CharField()
    password = serializers.CharField(trim_whitespace=False)


class ParticipantSerializer(serializers.Serializer[dict[str, Any]]):
    """What a member is known by."""

    id = serializers.IntegerField()
    pseudonym = serializers.CharField()
    wallet_address = serializers.CharField()
    agent_address = serializers.CharField()
    site_id = serializers.IntegerField()
    meter_id = serializers.CharField()
    battery_capacity_kwh = serializers.FloatField(allow_null=True)


class MeSerializer(serializers.Serializer[dict[str, Any]]):
    """Who is signed in."""

    username = serializers.CharField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=["prosumer", "operator", "auditor"])
    participant = ParticipantSerializer(allow_null=True)


class Eip712DomainSerializer(serializers.Serializer[dict[str, Any]]):
    """What owners and agents sign for; readings have ``contracts.oracle`` as their verifying contract."""

    name = serializers.CharField()
    version = serializers.CharField()
    chainId = serializers.IntegerField()  # noqa: N815 - EIP-712's own spelling
    verifyingContract = serializers.CharField()  # noqa: N815 - EIP-712's own spelling


class TariffBandSerializer(serializers.Serializer[dict[str, Any]]):
    """A time-of-use price."""

    weekdays = serializers.ListField(child=serializers.IntegerField())
    price_micro_per_kwh = serializers.IntegerField()

    def get_fields(self) -> dict[str, Any]:
        """Add ``from`` and ``to``, of which the first is a Python keyword."""
        return {"from": serializers.CharField(), "to": serializers.CharField(), **super().get_fields()}


class TariffSerializer(serializers.Serializer[dict[str, Any]]):
    """What the retailer charges and pays, and the community's fee."""

    import_micro_per_kwh = serializers.IntegerField()
    feed_in_micro_per_kwh = serializers.IntegerField()
    fee_micro_per_kwh = serializers.IntegerField()
    bands = TariffBandSerializer(many=True)


class ContractsSerializer(serializers.Serializer[dict[str, Any]]):
    """Where the money is."""

    token = serializers.CharField()
    exchange = serializers.CharField()
    registry = serializers.CharField()
    oracle = serializers.CharField()


class DemoAccountSerializer(serializers.Serializer[dict[str, Any]]):
    """A login of the demo community."""

    username = serializers.CharField()
    password = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()


class CommunitySerializer(serializers.Serializer[dict[str, Any]]):
    """Public facts of the community."""

    name = serializers.CharField()
    scenario = serializers.CharField()
    time_zone = serializers.CharField()
    currency = serializers.CharField()
    interval_s = serializers.IntegerField()
    gate_open_h = serializers.IntegerField()
    gate_close_intervals = serializers.IntegerField()
    agent_address = serializers.CharField()
    retailer_address = serializers.CharField()
    community_fund_address = serializers.CharField()
    eip712 = Eip712DomainSerializer()
    contracts = ContractsSerializer()
    tariff = TariffSerializer()
    demo_accounts = DemoAccountSerializer(many=True)


class SignedMessageSerializer(serializers.Serializer[dict[str, Any]]):
    """An EIP-712 message by its own field names, and the owner's signature."""

    message = serializers.DictField()
    signature = serializers.CharField(min_length=132, max_length=132)


class RangeSerializer(serializers.Serializer[dict[str, Any]]):
    """A half-open range of time."""

    to = InstantField()

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``, which is a Python keyword."""
        return {"from": InstantField(), **super().get_fields()}
