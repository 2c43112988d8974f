"""Methods of scheduling beside each other on a past day, and the forecasting models, for operators."""

from datetime import date
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.planning import queries
from backend.planning.comparison import compare_day
from backend.planning.inputs import QUANTITIES
from backend.registry import queries as registry
from backend.registry.permissions import IsOperator, IsStaffReader

NEWEST = 50


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


class ModelVersionSerializer(serializers.Serializer[Any]):
    """A trained model, as registered; ``metrics`` are of the days it was judged on first, in kW."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    quantity = serializers.ChoiceField(choices=QUANTITIES)
    status = serializers.ChoiceField(choices=["candidate", "champion", "retired"])
    trained_at = serializers.DateTimeField()
    crowned_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)
    shipped = serializers.BooleanField()
    horizon = serializers.IntegerField(help_text="intervals ahead")
    seed = serializers.IntegerField()
    settings = serializers.DictField(child=serializers.FloatField())
    metrics = serializers.DictField(help_text="overall, and by_lead beginning with lead 0")
    data_hash = serializers.CharField()
    artefact_sha256 = serializers.CharField()
    command = serializers.CharField()
    versions = serializers.DictField(child=serializers.CharField())


class ContestEntrySerializer(serializers.Serializer[dict[str, Any]]):
    """A contestant; ``lower_by`` and ``p_value`` are against the incumbent's loss, null for the incumbent."""

    name = serializers.CharField()
    part = serializers.ChoiceField(choices=["reference", "champion", "challenger"])
    version = serializers.IntegerField(allow_null=True)
    pinball = serializers.FloatField(allow_null=True, help_text="kW; null where it could not be judged")
    lower_by = serializers.FloatField(allow_null=True)
    p_value = serializers.FloatField(allow_null=True)
    verdict = serializers.CharField(allow_blank=True)
    figures = serializers.DictField(child=serializers.FloatField())


class ContestSerializer(serializers.Serializer[Any]):
    """Who was judged on the newest days, and what came of it.

    ``winner_id`` is null where nobody took the incumbent's place, and where the reference did, which has no
    version: then its verdict is "better".
    """

    quantity = serializers.ChoiceField(choices=QUANTITIES)
    as_of = serializers.DateTimeField()
    judged_from = serializers.DateTimeField(allow_null=True)
    entries = ContestEntrySerializer(many=True)
    incumbent_id = serializers.IntegerField(allow_null=True)
    winner_id = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()


class DriftAlarmSerializer(serializers.Serializer[Any]):
    """Errors that have grown, or readings distributed unlike before; open while ``closed_at`` is null."""

    quantity = serializers.ChoiceField(choices=QUANTITIES)
    kind = serializers.ChoiceField(choices=["error", "input"])
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    figures = serializers.DictField()


class DriftCheckSerializer(serializers.Serializer[Any]):
    """What the newest check found; ``alarm`` is null, with a reason, where nothing could be said."""

    quantity = serializers.ChoiceField(choices=QUANTITIES)
    as_of = serializers.DateTimeField()
    error = serializers.DictField()
    inputs = serializers.DictField()


class ServingModelSerializer(serializers.Serializer[dict[str, Any]]):
    """A model and how many sites it forecasts; of the reference there is no version."""

    name = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    sites = serializers.IntegerField()


class ServedSerializer(serializers.Serializer[dict[str, Any]]):
    """Which models made the newest forecasts of a quantity, and who was passed over and why."""

    quantity = serializers.ChoiceField(choices=QUANTITIES)
    issued_at = serializers.DateTimeField()
    models = ServingModelSerializer(many=True)
    passed_over = serializers.ListField(child=serializers.CharField())


class ForecastingSerializer(serializers.Serializer[dict[str, Any]]):
    """The forecasting models: what serves, what was decided, what has drifted; newest first."""

    served = ServedSerializer(many=True)
    versions = ModelVersionSerializer(many=True)
    contests = ContestSerializer(many=True)
    alarms = DriftAlarmSerializer(many=True)
    checks = DriftCheckSerializer(many=True)


class ForecastingView(APIView):
    """The registry of forecasting models, for operators and auditors."""

    permission_classes = (IsOperator | IsStaffReader,)

    @extend_schema(responses=ForecastingSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Show which models serve, how they were chosen, and alarms of drift."""
        run = queries.newest_rolling_run(registry.now())
        served = run.served if run else {}
        serving = {model["version"] for one in served.values() for model in one["models"]} - {None}
        facts = {
            "served": [
                {"quantity": quantity, "issued_at": run.issued_at, **one} for quantity, one in served.items()
            ]
            if run
            else [],
            "versions": queries.versions(newest=NEWEST, serving=serving),
            "contests": queries.contests(newest=NEWEST, of=serving),
            "alarms": queries.alarms(newest=NEWEST),
            "checks": queries.newest_checks(),
        }
        return Response(ForecastingSerializer(facts).data)


urlpatterns = [
    path("planning/comparison", ComparisonView.as_view()),
    path("planning/models", ForecastingView.as_view()),
]
