"""Contests of forecasting models: who is crowned, who is not, what a kill leaves."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from forecasters import (
    MIDNIGHT,
    STATUSES,
    Lucky,
    Week,
    by_model,
    champion,
    leave_one_home_out,
    meter_readings,
    poison,
    served,
    snapshot,
)
from town import HOUR, OPENED

from backend import pipeline
from backend.planning import artefacts, contests, judging, services
from backend.planning.models import Contest, DriftAlarm, ForecastRun, ModelVersion, SiteForecast, Tuning
from backend.telemetry.models import Reading
from forecasting.series import DAY

pytestmark = pytest.mark.usefixtures("_forecasters")


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
    assert (by_model(served["load"]), served["load"]["passed_over"]) == ({"week": 3}, [])
    assert (by_model(served["pv"]), served["pv"]["passed_over"]) == ({"week": 1}, [])
    made_by = set(SiteForecast.objects.values_list("run__role", "quantity", "model_name", "model_version"))
    assert made_by == {
        (role, quantity, *made)
        for quantity in ("load", "pv")
        for role, made in (
            ("served", ("week", champion(quantity).pk)),
            ("reference", ("seasonal_naive", None)),
        )
    }
    assert {run.kind for run in ForecastRun.objects.all()} == {"rolling", "day_ahead"}


def test_nobody_is_crowned_by_chance(known, settings):  # noqa: ARG001 - the readings
    settings.FORECAST_CHALLENGERS = ["lucky"]
    for contest in services.train_models(MIDNIGHT):
        assert contest.winner is None
        assert contest.entries[1]["verdict"].startswith("not lower")
        assert contest.reason == "nobody is better than seasonal_naive"
    assert not ModelVersion.objects.filter(status=STATUSES.CHAMPION).exists()
    assert set(by_model(served()["load"])) == {"seasonal_naive"}


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
    assert set(by_model(served(MIDNIGHT + DAY)["load"])) == {"seasonal_naive"}
    contests.crown(former, MIDNIGHT + 2 * DAY)
    assert (champion().crowned_at, champion().retired_at) == (MIDNIGHT + 2 * DAY, None)


def test_a_champion_whose_files_were_changed_is_replaced_by_who_beats_the_reference(known, settings):
    services.train_models(MIDNIGHT)
    first = champion()
    poison(first, settings)
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 24))
    contest, _ = services.train_models(MIDNIGHT + DAY)
    assert contest.incumbent == first != contest.winner == champion()
    assert "the champion failed: failed: FieldError" in contest.reason
    assert set(by_model(served(MIDNIGHT + DAY)["load"])) == {"week"}


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
        (ModelVersion.objects, "update_or_create"),  # the folder lies there, the row does not
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
    assert set(by_model(served()["load"])) == {"seasonal_naive"}

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


def test_a_challenger_that_leaves_homes_out_cannot_win(known, monkeypatch):  # noqa: ARG001 - the readings
    leave_one_home_out(monkeypatch)
    contest = contests.hold("load", MIDNIGHT)
    assert contest.winner is None
    assert {e["name"]: e["verdict"] for e in contest.entries}["week"] == "left 33.3% without a forecast"


def test_a_challenger_that_cannot_learn_is_told_and_the_others_go_on(known, settings):  # noqa: ARG001 - the readings
    settings.FORECAST_CHALLENGERS = ["oracle", "week"]
    contest = contests.hold("load", MIDNIGHT)
    assert "must be one of" in contest.entries[1]["verdict"]
    assert contest.winner.name == "week"


def test_a_loser_is_trained_again_where_the_next_night_judges_from_the_same_day(
    town, settings, django_capture_on_commit_callbacks
):
    settings.FORECAST_CHALLENGERS = ["lucky"]
    Reading.objects.bulk_create(meter_readings(town, MIDNIGHT - 14 * DAY, 15 * 24))
    town.to(MIDNIGHT)
    with django_capture_on_commit_callbacks(execute=True):
        services.train_models(MIDNIGHT)
    lost = ModelVersion.objects.get(quantity="load")
    assert (lost.status, lost.path, lost.validated_until) == (STATUSES.RETIRED, "", MIDNIGHT)
    town.to(MIDNIGHT + DAY)
    load, _ = services.train_models(MIDNIGHT + DAY)
    (challenger,) = (entry for entry in load.entries if entry["part"] == "challenger")
    assert challenger["pinball"] is not None, challenger["verdict"]
    again = ModelVersion.objects.get(quantity="load")
    assert (again.pk, again.trained_at) == (lost.pk, lost.trained_at)
    assert (again.status, again.validated_until) == (STATUSES.RETIRED, MIDNIGHT + DAY)


def test_a_challenger_whose_files_an_interrupted_run_lost_is_trained_again(known, caplog):  # noqa: ARG001 - the readings
    contests.hold("load", MIDNIGHT)
    lost = ModelVersion.objects.get(name="lucky", quantity="load")
    ModelVersion.objects.filter(pk=lost.pk).update(path="models/gone")
    Contest.objects.all().delete()
    contest = contests.hold("load", MIDNIGHT)
    assert contest.entries[-1]["pinball"] is not None, contest.entries
    assert "is trained again" in caplog.text


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
    assert by_quantity == {"load": {"width": 2.5}, "pv": {"width": 1.0}}
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
