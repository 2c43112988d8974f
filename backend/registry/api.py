"""Sign-in, the community's facts, its clock, and what owners sign."""

import time
from datetime import timedelta
from typing import Any

from django.contrib.auth import authenticate, login, logout
from django.middleware.csrf import get_token
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.registry import queries, services
from backend.registry.models import Community
from backend.registry.permissions import IsOperator, participant_of, role_of
from backend.registry.serializers import (
    AdvanceSerializer,
    ClockSerializer,
    CommunitySerializer,
    CredentialsSerializer,
    MeSerializer,
)
from backend.registry.tasks import announce, request_tick
from domain.errors import FieldError
from domain.typed_data import DOMAIN_NAME, DOMAIN_VERSION

LONGEST_STEP = timedelta(days=7)  # of a stepped clock
COMMUNITY_COLUMNS = (
    "name", "scenario", "time_zone", "currency", "gate_open_h", "gate_close_intervals", "agent_address",
    "retailer_address", "community_fund_address", "demo_accounts",
)  # fmt: skip
TARIFF_COLUMNS = ("import_micro_per_kwh", "feed_in_micro_per_kwh", "fee_micro_per_kwh", "bands")


def clock_facts(community: Community) -> dict[str, Any]:
    """The clock as the API shows it."""
    now = queries.now(community)
    start = queries.interval_start(community, now)
    return {
        "now": now,
        "wall_now": timezone.now(),
        "speed": community.speed if community.anchor_wall else 0.0,
        "interval_s": community.interval_minutes * 60,
        "interval_start": start,
        "interval_end": start + community.step,
    }


class ClockView(APIView):
    """Community time, for people and devices."""

    permission_classes = (AllowAny,)

    @extend_schema(responses=ClockSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Tell the time."""
        return Response(ClockSerializer(clock_facts(queries.community())).data)


class ClockAdvanceView(APIView):
    """Moves a stepped clock."""

    permission_classes = (IsOperator,)

    @extend_schema(request=AdvanceSerializer, responses=ClockSerializer)
    def post(self, request: Request) -> Response:
        """Advance the clock and let the pipeline notice at once."""
        body = AdvanceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        to = body.validated_data["to"]
        if queries.community().speed == 0 and to > queries.now() + LONGEST_STEP:
            message = f"must be at most {LONGEST_STEP.days} days ahead: this clock never goes back"
            raise FieldError("to", message, code="too_far")
        community = services.advance_clock(to)
        announce("clock")
        request_tick()
        return Response(ClockSerializer(clock_facts(community)).data)


class CommunityView(APIView):
    """Public facts."""

    permission_classes = (AllowAny,)

    @extend_schema(responses=CommunitySerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Describe the community."""
        found = queries.community()
        facts: dict[str, Any] = {
            **{name: getattr(found, name) for name in COMMUNITY_COLUMNS},
            "interval_s": found.interval_minutes * 60,
            "eip712": {
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": found.chain_id or 0,
                "verifyingContract": found.exchange_address,
            },
            "contracts": {
                "token": found.token_address,
                "exchange": found.exchange_address,
                "registry": found.registry_address,
                "oracle": found.oracle_address,
            },
            "tariff": {name: getattr(found, name) for name in TARIFF_COLUMNS},
        }
        return Response(CommunitySerializer(facts).data)


def me_facts(request: Request) -> dict[str, Any]:
    """Who is signed in, as the API shows it."""
    participant = participant_of(request)
    facts: dict[str, Any] = {
        "username": request.user.get_username(),
        "name": participant.name if participant else request.user.get_username(),
        "role": role_of(request),
        "participant": None,
    }
    if participant:
        site = queries.site_of(participant)
        facts["participant"] = {
            "id": participant.pk,
            "pseudonym": participant.pseudonym,
            "wallet_address": participant.wallet_address,
            "agent_address": queries.community().agent_address,
            "site_id": site.pk,
            "meter_id": queries.grid_meter(site).meter_id,
            "battery_capacity_kwh": site.battery.capacity_kwh if hasattr(site, "battery") else None,
        }
    return facts


class SessionView(APIView):
    """Sign in and out."""

    permission_classes = (AllowAny,)

    @extend_schema(request=CredentialsSerializer, responses=MeSerializer)
    def post(self, request: Request) -> Response:
        """Sign in; a wrong name and a wrong password are told apart by nobody."""
        SessionAuthentication().enforce_csrf(request)
        body = CredentialsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user = authenticate(request, **body.validated_data)
        if user is None:
            time.sleep(0.3)
            raise AuthenticationFailed("unknown user name or wrong password")
        login(request._request, user)  # noqa: SLF001 - DRF keeps Django's request there
        request.user = user
        return Response(MeSerializer(me_facts(request)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Sign out."""
        logout(request._request)  # noqa: SLF001 - DRF keeps Django's request there
        return Response(status=204)


class CsrfView(APIView):
    """Sets the CSRF cookie."""

    permission_classes = (AllowAny,)

    @extend_schema(responses={204: None})
    def get(self, request: Request) -> Response:
        """Set the cookie that every write must echo."""
        get_token(request._request)  # noqa: SLF001 - DRF keeps Django's request there
        return Response(status=204)


class MeView(APIView):
    """Who am I."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Describe the signed-in user."""
        return Response(MeSerializer(me_facts(request)).data)


urlpatterns = [
    path("clock", ClockView.as_view()),
    path("clock/advance", ClockAdvanceView.as_view()),
    path("community", CommunityView.as_view()),
    path("session", SessionView.as_view()),
    path("csrf", CsrfView.as_view()),
    path("me", MeView.as_view()),
]
