"""The registry of forecasting models: who is crowned, what serves, what is refused, what a kill leaves."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from test_backend_figures import got
from town import HOUR, OPENED

from backend import pipeline
from backend.market.models import AgentRound
from backend.planning import artefacts, contests, judging, services, serving
from backend.planning.models import (
    Contest,
    DriftAlarm,
    DriftCheck,
    ForecastRun,
    ModelVersion,
    SiteForecast,
    Tuning,
)
from backend.registry.models import Community
from backend.telemetry.models import Reading
from domain.errors import FieldError
from forecasting.backtest import backtest, rolling_origins
from forecasting.cards import write_card
from forecasting.models import MODELS, train
from forecasting.models.base import HEADER_FILE, Setting
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.quantiles import sample_quantiles
from forecasting.series import DAY, History

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


@pytest.fixture(autouse=True)
def _models(settings, tmp_path, monkeypatch):
    settings.STATE_DIR = tmp_path / "state"
    settings.FORECAST_CHALLENGERS = ["week", "lucky"]
    for model in (Week, Lucky):
        monkeypatch.setitem(MODELS, model.name, model)
    monkeypatch.setattr(Week, "fitted", [])
    monkeypatch.setattr(serving, "SHIPPED", tmp_path / "weights")
    monkeypatch.setattr(serving, "_adapted", {})
    artefacts._loaded.cache_clear()


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


@pytest.fixture
def known(town):
    """Three weeks of readings until the first midnight, to which the clock is stepped."""
    start = MIDNIGHT - DAYS * DAY
    Reading.objects.bulk_create(meter_readings(town, start, DAYS * 24))
    return town.to(MIDNIGHT)


def champion(quantity="load"):
    return ModelVersion.objects.get(quantity=quantity, status=STATUSES.CHAMPION)


def due_stages(now):
    learning = {"look_for_drift", "train"}
    return [(d.stage, d.key) for d in pipeline.due(Community.objects.get(), now) if d.stage in learning]


def served(as_of=MIDNIGHT):
    """By quantity, which models forecast how many sites, and who was passed over; of a run made anew."""
    ForecastRun.objects.filter(issued_at=as_of).delete()
    return services.run_forecasts(as_of).served


def snapshot():
    tables = (ModelVersion, Contest, DriftCheck, DriftAlarm)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def test_a_better_challenger_is_crowned_and_serves(known):  # noqa: ARG001 - the readings
    load, pv = services.train_models(MIDNIGHT)
    assert load.winner == champion() != champion("pv") == pv.winner
    assert champion().name == champion("pv").name == "week"
    by_name = {entry["name"]: entry for entry in load.entries}
    assert [entry["part"] for entry in load.entries] == ["reference", "challenger", "challenger"]
    assert by_name["week"]["lower_by"] > judging.MARGIN
    assert by_name["week"]["p_value"] < judging.LEVEL
    assert by_name["week"]["verdict"] == "better"
    assert by_name["seasonal_naive"]["verdict"] == "is beaten"
    ratio = by_name["week"]["pinball"] / by_name["seasonal_naive"]["pinball"]
    assert by_name["week"]["lower_by"] == pytest.approx(1 - ratio)

    assert load.judged_from == MIDNIGHT - 7 * DAY
    assert {newest for newest, _ in Week.fitted} == {load.judged_from}  # never trained on what judges it
    assert champion().trained_at == load.judged_from
    assert len(champion().validation_losses) == 7

    served = services.run_forecasts(MIDNIGHT).served
    assert served["load"] == {"sites_by_model": {"week": 3}, "passed_over": []}
    assert served["pv"] == {"sites_by_model": {"week": 1}, "passed_over": []}
    names = SiteForecast.objects.order_by("pk").values_list("run__model_name", "model_name").distinct()
    assert len({model for _, model in names}) == 2
    assert {run.kind for run in ForecastRun.objects.all()} == {"rolling", "day_ahead"}


def test_nobody_is_crowned_by_chance(known, settings):  # noqa: ARG001 - the readings
    settings.FORECAST_CHALLENGERS = ["lucky"]
    for contest in services.train_models(MIDNIGHT):
        assert contest.winner is None
        assert contest.entries[1]["verdict"].startswith("not lower")
        assert contest.reason == "nobody is better than seasonal_naive"
    assert not ModelVersion.objects.filter(status=STATUSES.CHAMPION).exists()
    assert set(served()["load"]["sites_by_model"]) == {"seasonal_naive"}


def test_a_lower_loss_that_the_test_does_not_confirm_crowns_nobody(known):  # noqa: ARG001 - the readings
    contest = contests.hold("load", MIDNIGHT, test=lambda _: 0.5)
    assert contest.winner is None
    assert {e["name"]: e["verdict"] for e in contest.entries}["week"] == "lower, but that may be chance"


def test_a_champion_stays_before_an_equal(known):
    services.train_models(MIDNIGHT)
    first = champion()
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 24))
    again, _ = services.train_models(MIDNIGHT + DAY)
    assert again.incumbent == champion() == first
    assert again.winner is None
    roles = [(entry["part"], entry["verdict"]) for entry in again.entries]
    assert roles[1] == ("champion", "stays")
    assert ModelVersion.objects.filter(name="week", quantity="load").count() == 2
    assert champion().validated_until == MIDNIGHT  # drift is measured from the first judgement


def test_a_champion_that_falls_behind_the_reference_is_dethroned(known, settings, monkeypatch):
    services.train_models(MIDNIGHT)
    settings.FORECAST_CHALLENGERS = []
    monkeypatch.setattr(Week, "scale", 2.0)
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 24))
    contest, _ = services.train_models(MIDNIGHT + DAY)
    assert "seasonal_naive's loss is" in contest.reason
    assert contest.winner is None
    former = contest.incumbent
    former.refresh_from_db()
    assert (former.status, former.retired_at) == (STATUSES.RETIRED, MIDNIGHT + DAY)
    assert set(served(MIDNIGHT + DAY)["load"]["sites_by_model"]) == {"seasonal_naive"}


def test_a_champion_whose_files_were_changed_is_replaced_by_who_beats_the_reference(known, settings):
    services.train_models(MIDNIGHT)
    first = champion()
    poison(first, settings)
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 24))
    contest, _ = services.train_models(MIDNIGHT + DAY)
    assert contest.incumbent == first != contest.winner == champion()
    assert "the champion failed: failed: FieldError" in contest.reason
    assert set(served(MIDNIGHT + DAY)["load"]["sites_by_model"]) == {"week"}


def test_training_twice_changes_nothing(known):  # noqa: ARG001 - the readings
    services.train_models(MIDNIGHT)
    before = snapshot()
    services.train_models(MIDNIGHT)
    assert snapshot() == before


def folders(settings):
    return sorted(path.name for path in (settings.STATE_DIR / "models").iterdir())


class KilledError(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches SIGKILL."""


def killed(*_args, **_kwargs):
    raise KilledError


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Lucky, "fit"),  # one challenger is registered, the next is learning
        (Week, "save"),  # its folder is being written
        (ModelVersion.objects, "get_or_create"),  # the folder lies there, the row does not
        (Contest.objects, "get_or_create"),  # all are judged
        (contests, "crown"),  # the decision is being written
    ],
)
def test_a_worker_killed_in_the_middle_leaves_nothing_half_done(known, settings, monkeypatch, owner, name):  # noqa: ARG001 - the readings
    services.train_models(MIDNIGHT)
    peace = [
        list(ModelVersion.objects.order_by("quantity", "name").values("name", "status", "artefact_sha256"))
    ]
    peace.append([entry for contest in Contest.objects.order_by("quantity") for entry in contest.entries])
    left = folders(settings)
    Contest.objects.all().delete()
    ModelVersion.objects.all().delete()
    for folder in left:
        artefacts.remove(f"models/{folder}")

    with monkeypatch.context() as cut:
        cut.setattr(owner, name, killed)
        with pytest.raises(KilledError):
            services.train_models(MIDNIGHT)
    assert not ModelVersion.objects.filter(status=STATUSES.CHAMPION).exists()
    for version in ModelVersion.objects.all():
        artefacts.load(version)
    assert set(served()["load"]["sites_by_model"]) == {"seasonal_naive"}

    services.train_models(MIDNIGHT)
    after = [
        list(ModelVersion.objects.order_by("quantity", "name").values("name", "status", "artefact_sha256"))
    ]
    after.append([entry for contest in Contest.objects.order_by("quantity") for entry in contest.entries])
    assert without_ids(after) == without_ids(peace)
    assert folders(settings) == left


def without_ids(found):
    return json.dumps([[{k: v for k, v in row.items() if k != "version"} for row in part] for part in found])


def test_only_who_may_serve_keeps_files(known, settings, django_capture_on_commit_callbacks):  # noqa: ARG001 - the readings
    with django_capture_on_commit_callbacks(execute=True):
        contests.hold("load", MIDNIGHT)
    assert folders(settings) == [f"load-week-{MIDNIGHT - 7 * DAY:%Y%m%dT%H%M}"]
    lucky = ModelVersion.objects.get(name="lucky")
    assert (lucky.path, lucky.status) == ("", STATUSES.RETIRED)
    assert lucky.metrics["overall"]["pinball"] > 0


def poison(version, settings):
    header = settings.STATE_DIR / version.path / HEADER_FILE
    header.write_text(json.dumps(json.loads(header.read_text()) | {"horizon": 400}))


def pickle(version, settings):
    (settings.STATE_DIR / version.path / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


def lose(version, settings):  # noqa: ARG001 - one shape for all
    artefacts.remove(version.path)


def lead_outside(version, settings):
    outside = settings.STATE_DIR / "elsewhere"
    (settings.STATE_DIR / version.path).rename(outside)
    ModelVersion.objects.filter(pk=version.pk).update(path="models/../elsewhere")


@pytest.mark.parametrize(
    ("attack", "why"),
    [
        (poison, "was changed"),
        (pickle, "model.pkl"),
        (lose, "holds no model"),
        (lead_outside, "outside the folder"),
    ],
)
def test_an_artefact_that_was_touched_does_not_serve(known, settings, attack, why):  # noqa: ARG001 - the readings
    services.train_models(MIDNIGHT)
    attack(champion(), settings)
    with pytest.raises(FieldError, match=why):
        artefacts.load(champion())
    facts = served()
    assert facts["load"]["sites_by_model"] == {"seasonal_naive": 3}
    assert why in facts["load"]["passed_over"][0]
    assert facts["pv"]["sites_by_model"] == {"week": 1}


def raising(*_):
    raise RuntimeError("no such device")


@pytest.mark.parametrize(
    ("say", "why"),
    [
        (raising, "no such device"),
        (lambda q: q[..., ::-1], "cross"),
        (lambda q: np.where(q > 0, np.nan, np.nan), "no finite forecast of 3 sites"),
        (lambda q: q + np.inf, "no finite forecast of 3 sites"),
    ],
    ids=["raises", "crosses", "is NaN", "is infinite"],
)
def test_the_former_champion_stands_in_and_then_the_reference(known, monkeypatch, say, why):  # noqa: ARG001 - the readings
    services.train_models(MIDNIGHT)
    former = champion()
    contests.retire(former, MIDNIGHT)
    path = former.path.replace("week", "lucky")
    with artefacts.stored(path) as folder:
        past = services.history(Community.objects.get(), "load", MIDNIGHT, services.sites_with("load"))
        train("lucky", past, trained_at=MIDNIGHT, seed=1).save(folder)
        digest = artefacts.artefact_digest(folder)
    broken = ModelVersion.objects.get(name="lucky", quantity="load")
    ModelVersion.objects.filter(pk=broken.pk).update(path=path, artefact_sha256=digest)
    broken.refresh_from_db()
    contests.crown(broken, MIDNIGHT)
    assert served()["load"] == {"sites_by_model": {"lucky": 3}, "passed_over": []}

    said = Lucky.quantiles
    monkeypatch.setattr(Lucky, "quantiles", lambda self, *given: say(said(self, *given)))
    facts = served()["load"]
    assert facts["sites_by_model"] == {"week": 3}
    assert len(facts["passed_over"]) == 1
    assert why in facts["passed_over"][0]

    monkeypatch.setattr(Week, "quantiles", raising)
    facts = served()["load"]
    assert facts["sites_by_model"] == {"seasonal_naive": 3}
    assert len(facts["passed_over"]) == 2


def test_a_site_that_the_champion_cannot_forecast_is_left_to_the_next(known, monkeypatch):  # noqa: ARG001 - the readings
    services.train_models(MIDNIGHT)
    said = Week.quantiles

    def all_but_one(self, *given):
        quantiles = said(self, *given)
        quantiles[0] = np.nan
        return quantiles

    monkeypatch.setattr(Week, "quantiles", all_but_one)
    facts = served()["load"]
    assert facts["sites_by_model"] == {"seasonal_naive": 1, "week": 2}
    assert "1 sites" in facts["passed_over"][0]


def test_a_challenger_that_leaves_homes_out_cannot_win(known, monkeypatch):  # noqa: ARG001 - the readings
    said = Week.quantiles

    def all_but_one(self, *given):
        quantiles = said(self, *given)
        quantiles[0] = np.nan
        return quantiles

    monkeypatch.setattr(Week, "quantiles", all_but_one)
    contest = contests.hold("load", MIDNIGHT)
    assert contest.winner is None
    assert {e["name"]: e["verdict"] for e in contest.entries}["week"] == "left 33.3% without a forecast"


def test_a_challenger_that_cannot_learn_is_told_and_the_others_go_on(known, settings):  # noqa: ARG001 - the readings
    settings.FORECAST_CHALLENGERS = ["oracle", "week"]
    contest = contests.hold("load", MIDNIGHT)
    assert "must be one of" in contest.entries[1]["verdict"]
    assert contest.winner.name == "week"


@pytest.fixture
def shipped(tmp_path):
    """A folder with a pre-trained model for load, as they lie beside the models' code."""
    folder = tmp_path / "weights" / "week-load"
    hours = np.arange(40 * 24)
    values = (
        1 + 0.5 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(2).normal(0, 0.1, (2, len(hours)))
    )
    grid = services.TimeGrid(datetime(2017, 1, 1, tzinfo=UTC), HOUR, len(hours))
    history = History(grid=grid, names=("a", "b"), values=values)
    learned = history.as_of(grid.end - 7 * DAY)
    model = train("week", learned, trained_at=learned.grid.end, seed=1)
    model.save(folder)
    origins = rolling_origins(learned.grid.end, grid.end - DAY, timedelta(hours=6))
    write_card(
        folder,
        model,
        history=learned,
        judged=backtest(model, history, origins=origins, horizon=24),
        seed=1,
        settings={},
        quantity="load",
        command="made for this test",
        intended_use="tests",
    )
    return folder


def test_the_shipped_model_serves_before_anything_was_trained(known, shipped):
    assert serving.shipped_model("load", HOUR, 24) == shipped
    assert serving.shipped_model("pv", HOUR, 24) is None
    assert serving.shipped_model("load", HOUR / 4, 96) is None
    facts = served()
    assert facts["load"]["sites_by_model"] == {"week": 3}
    assert facts["pv"]["sites_by_model"] == {"seasonal_naive": 1}
    first = champion()
    assert first.shipped
    assert first.crowned_at == MIDNIGHT
    assert served() == facts
    assert ModelVersion.objects.count() == 1

    contest, _ = services.train_models(MIDNIGHT)
    assert contest.incumbent == first
    assert contest.entries[1]["part"] == "champion"
    assert known.client("operator").get("/api/v1/planning/models").status_code == 200


def test_the_champion_is_adapted_once_a_day_to_what_was_known_at_midnight(known, shipped, monkeypatch):  # noqa: ARG001 - it lies there
    adapted = []

    def watched(model, history, *, at):
        adapted.append((at, history.grid.end))
        return model

    monkeypatch.setattr(Week, "adapted", watched)
    served(MIDNIGHT)
    for hours in (1, 23):
        known.to(MIDNIGHT + hours * HOUR)
        served(MIDNIGHT + hours * HOUR)
    assert adapted == [(MIDNIGHT, MIDNIGHT)]
    known.to(MIDNIGHT + DAY)
    served(MIDNIGHT + DAY)
    assert adapted[1:] == [(MIDNIGHT + DAY, MIDNIGHT + DAY)]
    services.train_models(MIDNIGHT + DAY)
    judged_from = MIDNIGHT + DAY - 7 * DAY
    assert adapted[2:] == [
        (judged_from, judged_from)
    ]  # judged as it would have served, without the days since


def test_a_shipped_model_that_was_changed_is_left_out(known, shipped):  # noqa: ARG001 - the readings
    (shipped / "more.json").write_text("{}")
    assert served()["load"]["sites_by_model"] == {"seasonal_naive": 3}
    assert not ModelVersion.objects.exists()


def test_the_shipped_model_waits_until_something_is_known(town, shipped):  # noqa: ARG001 - it lies there
    Reading.objects.bulk_create(meter_readings(town, OPENED - 20 * HOUR, 20))
    town.to(OPENED)
    assert services.run_forecasts(OPENED).served["load"]["sites_by_model"] == {}
    assert not ModelVersion.objects.exists()
    assert not SiteForecast.objects.exists()


def test_a_young_community_trains_nothing_yet(town):
    Reading.objects.bulk_create(meter_readings(town, OPENED - 8 * DAY, 8 * 24))
    for contest in services.train_models(OPENED):
        assert "too little is known" in contest.reason
    assert not ModelVersion.objects.exists()


def test_the_database_keeps_one_champion_a_quantity(known):  # noqa: ARG001 - the readings
    services.train_models(MIDNIGHT)
    other = ModelVersion.objects.get(name="lucky", quantity="load")
    with pytest.raises(IntegrityError), transaction.atomic():
        contests.crown(other, MIDNIGHT)
    DriftAlarm.objects.create(quantity="load", kind="error", opened_at=MIDNIGHT, figures={})
    with pytest.raises(IntegrityError), transaction.atomic():
        DriftAlarm.objects.create(quantity="load", kind="error", opened_at=OPENED, figures={})


def test_drift_is_found_asks_for_one_training_and_closes(known):
    services.train_models(MIDNIGHT)
    services.look_for_drift(MIDNIGHT)
    assert not DriftAlarm.objects.exists()
    week = MIDNIGHT + 7 * DAY
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 7 * 24, load=4.0))
    noon = week + 12 * HOUR
    Reading.objects.bulk_create(meter_readings(known, week, 12, load=4.0))
    known.to(noon)
    services.train_models(week)
    services.look_for_drift(week)
    before = snapshot()
    services.look_for_drift(week)
    assert snapshot() == before
    alarms = {(alarm.quantity, alarm.kind): alarm for alarm in DriftAlarm.objects.all()}
    assert set(alarms) == {("load", "error"), ("load", "input")}
    assert alarms["load", "error"].figures["ratio"] > 2
    assert len(alarms["load", "input"].figures["drifted"]) == 3

    community = Community.objects.get()
    assert services.training_due(community, noon) is None  # this midnight's training came with it
    DriftAlarm.objects.update(opened_at=noon - 6 * HOUR)
    assert services.training_due(community, noon) == noon - 6 * HOUR
    services.train_models(noon - 6 * HOUR)
    assert services.training_due(community, noon) is None

    calm = week + 40 * DAY
    Reading.objects.bulk_create(meter_readings(known, noon, (calm - noon) // HOUR, load=4.0))
    services.look_for_drift(calm)
    assert DriftAlarm.objects.get(kind="input").closed_at == calm


def test_no_drift_is_found_where_nothing_changed(known):
    services.train_models(MIDNIGHT)
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 10 * 24))
    for days in (4, 7, 10):
        services.look_for_drift(MIDNIGHT + days * DAY)
    assert DriftCheck.objects.filter(error__alarm=False, inputs__alarm=False).count() == 6
    assert not DriftAlarm.objects.exists()


def test_stages_come_due_after_the_plan_of_their_instant(known):  # noqa: ARG001 - the readings
    assert due_stages(MIDNIGHT) == []
    AgentRound.objects.create(as_of=MIDNIGHT, orders=0)
    assert due_stages(MIDNIGHT) == [("look_for_drift", MIDNIGHT.isoformat())]
    pipeline.look_for_drift(MIDNIGHT.isoformat(), MIDNIGHT.isoformat())
    assert due_stages(MIDNIGHT) == [("train", MIDNIGHT.isoformat())]
    pipeline.train(MIDNIGHT.isoformat(), MIDNIGHT.isoformat())
    assert champion().name == "week"
    assert due_stages(MIDNIGHT) == due_stages(MIDNIGHT + 5 * HOUR) == []
    assert due_stages(MIDNIGHT + 6 * HOUR) == []  # its plan is not made
    AgentRound.objects.create(as_of=MIDNIGHT + 6 * HOUR, orders=0)
    assert due_stages(MIDNIGHT + 6 * HOUR) == [("look_for_drift", (MIDNIGHT + 6 * HOUR).isoformat())]


def test_a_training_has_a_queue_of_its_own(settings):
    assert {pipeline.train.name: {"queue": "training"}} == settings.CELERY_TASK_ROUTES
    queues = {queue.name for queue in settings.CELERY_TASK_QUEUES}
    assert queues == {"celery", "training"}  # a worker that is told nothing serves both
    assert pipeline.train.time_limit > settings.CELERY_TASK_TIME_LIMIT


def test_tuned_settings_are_those_of_the_next_training(known):
    call_command("tune_model", model="week", quantity="load", seconds=60, trials=2)
    tuning = Tuning.objects.get()
    assert (tuning.name, tuning.quantity, tuning.as_of, tuning.trials) == ("week", "load", MIDNIGHT, 2)
    Tuning.objects.update(as_of=MIDNIGHT - 8 * DAY, settings={"width": 2.5})
    Week.fitted.clear()
    services.train_models(MIDNIGHT)
    by_quantity = {version.quantity: version.settings for version in ModelVersion.objects.filter(name="week")}
    assert by_quantity == {"load": {"width": 2.5}, "pv": {}}
    assert [settings for _, settings in Week.fitted] == [{"width": 2.5}, {"width": 1.0}]
    with pytest.raises(CommandError, match="must be positive"):
        call_command("tune_model", model="week", quantity="load", seconds=-1.0)
    known.to(MIDNIGHT + HOUR)


def test_an_operator_can_train_at_once(known, capsys):  # noqa: ARG001 - the readings
    call_command("train_models")
    assert "week's loss is" in capsys.readouterr().out
    assert Contest.objects.filter(as_of=MIDNIGHT).count() == 2
    with pytest.raises(CommandError, match="after the community's time"):
        call_command("train_models", as_of=MIDNIGHT + DAY)


@pytest.mark.parametrize(("who", "status"), [(None, 403), ("ana", 403), ("auditor", 200), ("operator", 200)])
def test_who_may_see_the_models(town, who, status):
    assert town.client(who).get("/api/v1/planning/models").status_code == status


def test_operators_see_what_serves_and_why(known):
    services.train_models(MIDNIGHT)
    services.look_for_drift(MIDNIGHT)
    services.run_forecasts(MIDNIGHT)
    seen = got(known.client("operator"), "planning/models")
    assert {s["quantity"]: s["sites_by_model"] for s in seen["served"]} == {
        "load": {"week": 3},
        "pv": {"week": 1},
    }
    champions = {v["quantity"]: v for v in seen["versions"] if v["status"] == "champion"}
    assert champions["load"]["artefact_sha256"] == champion().artefact_sha256
    assert len(champions["load"]["metrics"]["by_lead"]) == 24
    assert champions["load"]["command"].startswith("python manage.py train_models --as-of")
    assert {c["quantity"]: c["winner_id"] for c in seen["contests"]} == {
        quantity: version["id"] for quantity, version in champions.items()
    }
    assert [check["error"]["alarm"] for check in seen["checks"]] == [None, None]
    assert seen["alarms"] == []
