"""Models that are quick to train and easy to judge, and what the town has used so far."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
from town import HOUR

from backend import pipeline
from backend.planning import services
from backend.planning.models import Contest, DriftAlarm, DriftCheck, ForecastRun, ModelVersion
from backend.registry.models import Community
from backend.telemetry.models import Reading
from forecasting.models.base import HEADER_FILE, Setting
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.quantiles import sample_quantiles

DAYS = 21
MIDNIGHT = datetime(2026, 6, 1, 23, tzinfo=UTC)  # the first local one after the opening
STATUSES = ModelVersion.Status


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Week(SeasonalNaive):
    """Quantiles of the past week at the same time of day: better than yesterday where days are noise."""

    name: ClassVar[str] = "week"
    SETTINGS: ClassVar = {"width": Setting(default=1.0, low=0.5, high=3.0)}
    fitted: ClassVar[list] = []
    scale: ClassVar[float] = 1.0

    @classmethod
    def fit(cls, history, *, trained_at, horizon, seed, settings):
        cls.fitted.append((history.grid.end, settings))
        fields = {"trained_at": trained_at, "horizon": horizon, "seed": seed, "settings": settings}
        return super(Week, cls).fit(history, **fields)

    def quantiles(self, vista, horizon):
        day = vista.history.steps_per_day
        targets = vista.origins[:, None] + np.arange(horizon)
        back = vista.days_back(targets)[..., None] + np.arange(7)
        return self.scale * sample_quantiles(vista.take(targets[..., None] - back * day))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Lucky(SeasonalNaive):
    """The reference but for a hair: what separates the two is chance."""

    name: ClassVar[str] = "lucky"

    def quantiles(self, vista, horizon):
        # the bare super() does not know a class that slots made anew
        said = super(Lucky, self).quantiles(vista, horizon)
        return said * (1 + 0.004 * np.sin(7 * vista.origins))[:, None, None]


def meter_readings(town, start, count, *, load=1.0):
    """Days that differ by noise only, from ``start`` on; ``load`` scales what homes use."""
    rng = np.random.default_rng(1)
    for name in ("ana", "ben", "cleo"):
        meters = {meter.role: meter for meter in town.meter(name).site.meters.all()}
        for step in range(count):
            at = start + step * HOUR
            used = load * 600 * (1 + 0.5 * np.sin(2 * np.pi * at.hour / 24)) * rng.gamma(6, 1 / 6)
            sun = max(0.0, np.sin((at.hour - 6) / 12 * np.pi)) * rng.gamma(9, 1 / 9) if name == "ben" else 0
            pv = round(3_000 * sun)
            net = round(used) - pv
            flows = {"grid": (max(net, 0), max(-net, 0)), "pv": (0, pv), "battery": (0, 0)}
            for role, meter in meters.items():
                yield Reading(
                    meter=meter,
                    interval_start=at,
                    interval_s=3600,
                    import_wh=flows[role][0],
                    export_wh=flows[role][1],
                    soc_wh=6_000 if role == "battery" else None,
                    source="csv",
                    quality="imported",
                    received_at=at,
                )


def champion(quantity="load"):
    return ModelVersion.objects.get(quantity=quantity, status=STATUSES.CHAMPION)


def due_stages(now):
    learning = {"look_for_drift", "train"}
    return [(d.stage, d.key) for d in pipeline.due(Community.objects.get(), now) if d.stage in learning]


def served(as_of=MIDNIGHT):
    """By quantity, which models forecast how many sites, and who was passed over; of a run made anew."""
    ForecastRun.objects.filter(issued_at=as_of).delete()
    return services.run_forecasts(as_of).served


def by_model(facts):
    """How many sites each model serves, by its name."""
    return {model["name"]: model["sites"] for model in facts["models"]}


def snapshot():
    tables = (ModelVersion, Contest, DriftCheck, DriftAlarm)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def leave_one_home_out(monkeypatch):
    """From now on ``Week`` says nothing of the first home."""
    said = Week.quantiles

    def all_but_one(self, *given):
        quantiles = said(self, *given)
        quantiles[0] = np.nan
        return quantiles

    monkeypatch.setattr(Week, "quantiles", all_but_one)


def poison(version, settings):
    header = settings.STATE_DIR / version.path / HEADER_FILE
    header.write_text(json.dumps(json.loads(header.read_text()) | {"horizon": 400}))
