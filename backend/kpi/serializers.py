"""Shapes of the figures."""

from typing import Any

from rest_framework import serializers


class CurrentSerializer(serializers.Serializer[dict[str, Any]]):
    """Flows of the community now, kW; battery positive charges, grid positive imports."""

    load_kw = serializers.FloatField()
    pv_kw = serializers.FloatField()
    battery_kw = serializers.FloatField()
    grid_kw = serializers.FloatField()
    neighbours_kw = serializers.FloatField()
    price_micro_per_kwh = serializers.IntegerField(allow_null=True)
    retail_micro_per_kwh = serializers.IntegerField()
    feed_in_micro_per_kwh = serializers.IntegerField()


class HomeSerializer(serializers.Serializer[dict[str, Any]]):
    """One home now."""

    pseudonym = serializers.CharField()
    load_kw = serializers.FloatField()
    pv_kw = serializers.FloatField()
    battery_kw = serializers.FloatField()
    grid_kw = serializers.FloatField()
    soc_kwh = serializers.FloatField(allow_null=True)
    capacity_kwh = serializers.FloatField(allow_null=True)
    online = serializers.BooleanField()


class TodaySerializer(serializers.Serializer[dict[str, Any]]):
    """Since local midnight, over what the chain has settled."""

    saved_micro_today = serializers.IntegerField()
    self_sufficiency_today = serializers.FloatField(allow_null=True)
    traded_wh_today = serializers.IntegerField()


class LastSettledSerializer(serializers.Serializer[dict[str, Any]]):
    """The newest settled interval."""

    interval_start = serializers.DateTimeField()
    tx_hash = serializers.CharField()


class ChainSerializer(serializers.Serializer[dict[str, Any]]):
    """How far the chain is."""

    block_number = serializers.IntegerField(allow_null=True)
    block_time = serializers.DateTimeField(allow_null=True)
    commitments = serializers.IntegerField()
    settled = serializers.IntegerField()
    lapsed = serializers.IntegerField(
        help_text="delivery intervals that were not settled in time and never will be"
    )
    pending = serializers.IntegerField()
    last_settled = LastSettledSerializer(allow_null=True)


class LiveSerializer(serializers.Serializer[dict[str, Any]]):
    """The community at this moment."""

    now = serializers.DateTimeField()
    interval_start = serializers.DateTimeField()
    interval_end = serializers.DateTimeField()
    current = CurrentSerializer()
    homes = HomeSerializer(many=True)
    kpi = TodaySerializer()
    chain = ChainSerializer()


KWH_FIELDS = (
    "load_kwh", "pv_kwh", "battery_kwh", "import_kwh", "export_kwh", "soc_kwh",
    "load_p10_kwh", "load_forecast_kwh", "load_p90_kwh", "pv_p10_kwh", "pv_forecast_kwh", "pv_p90_kwh",
    "battery_plan_kwh", "soc_plan_kwh",
)  # fmt: skip


class PointSerializer(serializers.Serializer[dict[str, Any]]):
    """One interval: measured, expected and planned energy, and prices; null where unknown."""

    start = serializers.DateTimeField()
    price_micro_per_kwh = serializers.IntegerField(allow_null=True)
    reference_micro_per_kwh = serializers.IntegerField(allow_null=True)
    retail_micro_per_kwh = serializers.IntegerField()
    feed_in_micro_per_kwh = serializers.IntegerField()
    traded_wh = serializers.IntegerField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Add the energies, all alike."""
        return {
            **super().get_fields(),
            **{name: serializers.FloatField(allow_null=True) for name in KWH_FIELDS},
        }


class SeriesSerializer(serializers.Serializer[dict[str, Any]]):
    """A series by interval."""

    points = PointSerializer(many=True)


class PlanSerializer(serializers.Serializer[dict[str, Any]]):
    """The next decision of one's battery."""

    as_of = serializers.DateTimeField(allow_null=True)
    method = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    explanation = serializers.CharField(allow_blank=True)


class MemberReportSerializer(serializers.Serializer[dict[str, Any]]):
    """What membership was worth to one member."""

    pseudonym = serializers.CharField()
    cost_micro = serializers.IntegerField()
    cost_without_micro = serializers.IntegerField()
    saved_micro = serializers.IntegerField()


class ModelErrorSerializer(serializers.Serializer[dict[str, Any]]):
    """Mean absolute error one interval ahead, per site, kWh: what is planned with, and the reference."""

    served_mae_kwh = serializers.FloatField(allow_null=True)
    reference_mae_kwh = serializers.FloatField(allow_null=True)


class ForecastErrorSerializer(serializers.Serializer[dict[str, Any]]):
    """Forecast errors by quantity."""

    load = ModelErrorSerializer()
    pv = ModelErrorSerializer()


class ReportSerializer(serializers.Serializer[dict[str, Any]]):
    """The report of a period."""

    scenario = serializers.CharField()
    currency = serializers.CharField()
    to = serializers.DateTimeField()
    members = MemberReportSerializer(many=True)
    cost_micro = serializers.IntegerField()
    cost_without_micro = serializers.IntegerField()
    saved_micro = serializers.IntegerField()
    load_kwh = serializers.FloatField()
    self_sufficiency = serializers.FloatField(allow_null=True)
    peak_import_kw = serializers.FloatField()
    peak_import_without_kw = serializers.FloatField()
    traded_kwh = serializers.FloatField()
    trades = serializers.IntegerField()
    gas_per_trade = serializers.IntegerField(allow_null=True)
    forecast_error = ForecastErrorSerializer()
    intervals = serializers.IntegerField()
    settled_intervals = serializers.IntegerField()
    unsettled_intervals = serializers.IntegerField()
    conserved = serializers.BooleanField()

    def get_fields(self) -> dict[str, Any]:
        """Add ``from``, which is a Python keyword."""
        return {**super().get_fields(), "from": serializers.DateTimeField()}
