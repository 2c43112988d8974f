"""Owners' signed mandates and supply agreements in; the signature is the credential."""

from typing import Any

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.registry import services as registry
from backend.settlement import services
from backend.settlement.tasks import pump
from domain.market import MAX_UINT32

UINT32: dict[str, Any] = {"min_value": 0, "max_value": MAX_UINT32}
UINT64: dict[str, Any] = {"min_value": 0, "max_value": 2**63 - 1}


class MandateMessageSerializer(serializers.Serializer[dict[str, Any]]):
    """The EIP-712 message ``Mandate``."""

    owner = serializers.CharField()
    agent = serializers.CharField()
    maxBuyPrice = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    minSellPrice = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    feeCap = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    imbalanceCap = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    maxWhPerDay = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    validUntil = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    nonce = serializers.IntegerField(**UINT64)


class SupplyMessageSerializer(serializers.Serializer[dict[str, Any]]):
    """The EIP-712 message ``SupplyAgreement``."""

    owner = serializers.CharField()
    maxImportPrice = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    minFeedInPrice = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    fallbackImportW = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    validFrom = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    validUntil = serializers.IntegerField(**UINT32)  # noqa: N815 - EIP-712's own spelling
    nonce = serializers.IntegerField(min_value=0, max_value=MAX_UINT32 - 1)


class SignedMandateSerializer(serializers.Serializer[dict[str, Any]]):
    """A mandate and its owner's signature."""

    message = MandateMessageSerializer()
    signature = serializers.CharField(min_length=132, max_length=132)


class SignedSupplySerializer(serializers.Serializer[dict[str, Any]]):
    """A supply agreement and its owner's signature."""

    message = SupplyMessageSerializer()
    signature = serializers.CharField(min_length=132, max_length=132)


class MandatesView(APIView):
    """Mandates in."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    @extend_schema(request=SignedMandateSerializer, responses={201: SignedMandateSerializer})
    def post(self, request: Request) -> Response:
        """Store a mandate and send it to the chain."""
        body = SignedMandateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            services.register_mandate(registry.accept_mandate(**body.validated_data))
        pump.delay()
        return Response(body.data, status=201)


class SupplyAgreementsView(APIView):
    """Supply agreements in."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    @extend_schema(request=SignedSupplySerializer, responses={201: SignedSupplySerializer})
    def post(self, request: Request) -> Response:
        """Store an agreement and send it to the chain."""
        body = SignedSupplySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            services.register_supply(registry.accept_supply_agreement(**body.validated_data))
        pump.delay()
        return Response(body.data, status=201)


urlpatterns = [
    path("mandates", MandatesView.as_view()),
    path("supply-agreements", SupplyAgreementsView.as_view()),
]
