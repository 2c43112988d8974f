"""Devices' door over HTTP: signed readings and statuses."""

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.registry.serializers import InstantField
from backend.registry.tasks import announce
from backend.telemetry import services
from backend.telemetry.models import Reading
from domain.errors import FieldError


class ReadingSerializer(serializers.Serializer[dict[str, Any]]):
    """A signed reading: energy through one meter in one delivery interval."""

    meter_id = serializers.RegexField(r"^0x[0-9a-fA-F]{64}$")
    interval_start = InstantField()
    interval_s = serializers.IntegerField(min_value=1)
    import_wh = serializers.IntegerField(min_value=0, max_value=services.MAX_ENERGY_WH)
    export_wh = serializers.IntegerField(min_value=0, max_value=services.MAX_ENERGY_WH)
    soc_wh = serializers.IntegerField(
        min_value=0, max_value=services.MAX_ENERGY_WH, required=False, allow_null=True, default=None
    )
    signature = serializers.CharField(min_length=132, max_length=132)


class StatusSerializer(serializers.Serializer[dict[str, Any]]):
    """What a device does now; positive power flows into the site or the battery."""

    meter_id = serializers.RegexField(r"^0x[0-9a-fA-F]{64}$")
    at = InstantField()
    power_kw = serializers.FloatField()
    soc_kwh = serializers.FloatField(required=False, allow_null=True, default=None)


class ReadingsView(APIView):
    """Readings in; the signature is the credential."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    @extend_schema(request=ReadingSerializer, responses={201: ReadingSerializer})
    def post(self, request: Request) -> Response:
        """Store one reading, or refuse it with the field's name."""
        body = ReadingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.accept_reading(services.SignedReading(**body.validated_data), source=Reading.Source.HTTP)
        announce("reading")
        return Response(body.data, status=201)


class StatusView(APIView):
    """Statuses in; the header ``X-Device-Signature`` signs the raw body by personal_sign."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    @extend_schema(request=StatusSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Store a device's newest status."""
        proof = signed_body(request)
        body = StatusSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.accept_status(proof, **body.validated_data)
        announce("status")
        return Response(status=204)


def signed_body(request: Request) -> services.SignedText:
    """The raw body and the device's signature of it; FieldError when there is none."""
    signature = request.headers.get("X-Device-Signature")
    if not signature:
        raise FieldError("X-Device-Signature", "must carry the meter's signature", code="required")
    try:
        return services.SignedText(request.body.decode(), signature)
    except UnicodeDecodeError as error:
        raise FieldError("body", "must be JSON in UTF-8", code="malformed") from error


urlpatterns = [
    path("readings", ReadingsView.as_view()),
    path("devices/status", StatusView.as_view()),
]
