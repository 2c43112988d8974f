"""Methods of scheduling beside each other on a day that is over, for operators."""

from datetime import date
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.planning.comparison import compare_day
from backend.registry.permissions import IsOperator


class DaySerializer(serializers.Serializer[dict[str, Any]]):
    """Which local day; without one, the newest that is over."""

    day = serializers.DateField(required=False)


class ComparedSiteSerializer(serializers.Serializer[dict[str, Any]]):
    """A battery on that day: where it began, and the costs that frame every method's."""

    pseudonym = serializers.CharField()
    capacity_kwh = serializers.FloatField()
    soc_start_kwh = serializers.FloatField()
    cost_without_micro = serializers.IntegerField(help_text="with the battery idle")
    optimum_micro = serializers.IntegerField(help_text="the least there is, knowing the whole day")


class LeftOutSerializer(serializers.Serializer[dict[str, Any]]):
    """A site with a battery whose readings of that day are not whole."""

    pseudonym = serializers.CharField()
    missing_intervals = serializers.IntegerField()


class SiteOutcomeSerializer(serializers.Serializer[dict[str, Any]]):
    """One method at one site by interval; positive power charges, SoC is at the interval's end."""

    cost_micro = serializers.IntegerField()
    lost = serializers.FloatField(allow_null=True, help_text="part of the attainable savings; null: none are")
    feasible = serializers.BooleanField(help_text="the plan is the method's own and keeps every limit")
    planned_by = serializers.CharField(help_text="another method, or idle, where this one was passed over")
    reason = serializers.CharField()
    power_kw = serializers.ListField(child=serializers.FloatField())
    soc_kwh = serializers.ListField(child=serializers.FloatField())


class MethodOutcomeSerializer(serializers.Serializer[dict[str, Any]]):
    """One method on all sites, which are in the order of the comparison's."""

    method = serializers.CharField()
    seconds = serializers.FloatField(help_text="planning of all sites, once the method is loaded")
    cost_micro = serializers.IntegerField()
    lost = serializers.FloatField(allow_null=True)
    sites = SiteOutcomeSerializer(many=True)


class ComparisonSerializer(serializers.Serializer[dict[str, Any]]):
    """Every method on one local day; any day from ``first_day`` to ``last_day`` can be asked for."""

    day = serializers.DateField()
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    interval_s = serializers.IntegerField()
    starts = serializers.ListField(child=serializers.DateTimeField())
    cost_without_micro = serializers.IntegerField()
    optimum_micro = serializers.IntegerField()
    sites = ComparedSiteSerializer(many=True)
    left_out = LeftOutSerializer(many=True)
    methods = MethodOutcomeSerializer(many=True)


class ComparisonView(APIView):
    """What each method would have cost on a past day."""

    permission_classes = (IsOperator,)

    @extend_schema(parameters=[OpenApiParameter("day", date)], responses=ComparisonSerializer)
    def get(self, request: Request) -> Response:
        """Compare the methods on a local day that is over, each site alone at the retail tariff."""
        query = DaySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return Response(ComparisonSerializer(compare_day(query.validated_data.get("day"))).data)


urlpatterns = [path("planning/comparison", ComparisonView.as_view())]
