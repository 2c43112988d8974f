"""The live view, series and the report."""

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.kpi import queries
from backend.kpi.report import report, share
from backend.kpi.serializers import LiveSerializer, PlanSerializer, ReportSerializer, SeriesSerializer
from backend.market.api import RANGE, requested_range
from backend.planning import queries as planning
from backend.registry import queries as registry
from backend.registry.permissions import require_participant


class LiveView(APIView):
    """The community now, under pseudonyms."""

    permission_classes = (AllowAny,)

    @extend_schema(responses=LiveSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Show what flows, what it costs and what the chain says."""
        facts = queries.live()
        community = registry.community()
        midnight = max(
            registry.local_midnight(community, facts["now"]), registry.first_interval_start(community)
        )
        today: dict[str, Any] = {"saved_micro_today": 0, "self_sufficiency_today": None, "traded_wh_today": 0}
        until = queries.settled_until(midnight)
        if until > midnight:
            figures = report(midnight, until)
            today = {
                "saved_micro_today": figures["saved_micro"],
                "self_sufficiency_today": share(figures["self_sufficiency"] or 0.0),
                "traded_wh_today": round(figures["traded_kwh"] * 1_000),
            }
        return Response(LiveSerializer({**facts, "kpi": today}).data)


class SeriesView(APIView):
    """Energy, expectations and prices by interval."""

    permission_classes = (AllowAny,)

    @extend_schema(
        parameters=[*RANGE, OpenApiParameter("scope", str, enum=["community", "mine"])],
        responses=SeriesSerializer,
    )
    def get(self, request: Request) -> Response:
        """Show the community's series, or one's own."""
        start, end = requested_range(request)
        sites = registry.sites()
        if request.query_params.get("scope") == "mine":
            sites = sites.filter(participant=require_participant(request))
        return Response(SeriesSerializer({"points": queries.series(start, end, list(sites))}).data)


class PlanView(APIView):
    """My battery's plan, in words."""

    @extend_schema(responses=PlanSerializer)
    def get(self, request: Request) -> Response:
        """Show what my battery will do next, and why."""
        participant = require_participant(request)
        run = planning.newest_schedule_run(registry.now())
        site = registry.sites().filter(participant=participant).first()
        plan = planning.plans_of(run).get(site.pk) if run and site else None
        facts: dict[str, Any] = {"as_of": None, "method": "", "reason": "", "explanation": ""}
        if plan is not None and run is not None:
            facts = {
                "as_of": run.as_of,
                "method": plan.method,
                "reason": plan.reason,
                "explanation": plan.explanation,
            }
        return Response(PlanSerializer(facts).data)


class ReportView(APIView):
    """The report of a period; members see the community's figures under pseudonyms."""

    @extend_schema(parameters=RANGE, responses=ReportSerializer)
    def get(self, request: Request) -> Response:
        """Report what membership was worth, and whether the books are whole."""
        start, end = requested_range(request)
        return Response(ReportSerializer(report(start, end)).data)


urlpatterns = [
    path("live", LiveView.as_view()),
    path("series", SeriesView.as_view()),
    path("plan", PlanView.as_view()),
    path("kpi/report", ReportView.as_view()),
]
