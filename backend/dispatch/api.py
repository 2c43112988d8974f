"""Devices' door for commands over HTTP."""

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.dispatch import queries, services
from backend.registry import queries as registry
from backend.telemetry.api import signed_body


class CommandSerializer(serializers.Serializer[dict[str, Any]]):
    """A leased battery set-point."""

    id = serializers.IntegerField()
    sequence = serializers.IntegerField()
    interval_start = serializers.CharField()
    interval_end = serializers.CharField()
    power_min_kw = serializers.FloatField()
    power_max_kw = serializers.FloatField()
    grid_target_kw = serializers.FloatField()
    lease_expires_at = serializers.CharField()


class CommandEnvelopeSerializer(serializers.Serializer[dict[str, Any]]):
    """The command in force, if there is one."""

    command = CommandSerializer(allow_null=True)


class AcknowledgementSerializer(serializers.Serializer[dict[str, Any]]):
    """What a device made of a command."""

    command_id = serializers.IntegerField()
    meter_id = serializers.RegexField(r"^0x[0-9a-fA-F]{64}$")
    state = serializers.ChoiceField(choices=["accepted", "refused"])
    reason = serializers.CharField(allow_blank=True, default="", max_length=200)


class MeterQuerySerializer(serializers.Serializer[dict[str, Any]]):
    """Which meter is asked for."""

    meter_id = serializers.RegexField(r"^0x[0-9a-fA-F]{64}$")


class CommandsView(APIView):
    """The command in force for a meter."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    @extend_schema(
        parameters=[OpenApiParameter("meter_id", str, required=True)], responses=CommandEnvelopeSerializer
    )
    def get(self, request: Request) -> Response:
        """Show the newest command whose lease runs."""
        query = MeterQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        found = queries.current_command(query.validated_data["meter_id"], registry.now())
        return Response({"command": queries.command_facts(found) if found else None})


class AcknowledgementsView(APIView):
    """Acknowledgements in; the header ``X-Device-Signature`` signs the raw body by personal_sign."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    @extend_schema(request=AcknowledgementSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Store an acknowledgement."""
        proof = signed_body(request)
        body = AcknowledgementSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.acknowledge(proof, **body.validated_data)
        return Response(status=204)


urlpatterns = [
    path("devices/commands", CommandsView.as_view()),
    path("devices/acks", AcknowledgementsView.as_view()),
]
