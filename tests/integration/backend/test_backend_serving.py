"""What serves a forecast: the champion, who stands in for it, and what is refused."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from forecasters import (
    MIDNIGHT,
    Lucky,
    Week,
    by_model,
    champion,
    leave_one_home_out,
    meter_readings,
    poison,
    served,
)
from test_backend_figures import got
from town import HOUR, OPENED

from backend.planning import api, artefacts, contests, inputs, services, serving
from backend.planning.models import Contest, ForecastRun, ModelVersion, SiteForecast
from backend.registry.models import Community
from backend.telemetry.models import Reading
from domain.errors import FieldError
from forecasting.backtest import backtest, rolling_origins
from forecasting.cards import write_card
from forecasting.models import train
from forecasting.series import DAY, History

pytestmark = pytest.mark.usefixtures("_forecasters")


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
    assert by_model(facts["load"]) == {"seasonal_naive": 3}
    assert why in facts["load"]["passed_over"][0]
    assert by_model(facts["pv"]) == {"week": 1}


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
    lucky = {"name": "lucky", "version": broken.pk, "sites": 3}
    assert served()["load"] == {"models": [lucky], "passed_over": []}

    said = Lucky.quantiles
    monkeypatch.setattr(Lucky, "quantiles", lambda self, *given: say(said(self, *given)))
    facts = served()["load"]
    assert by_model(facts) == {"week": 3}
    assert len(facts["passed_over"]) == 1
    assert why in facts["passed_over"][0]

    monkeypatch.setattr(Week, "quantiles", raising)
    facts = served()["load"]
    assert by_model(facts) == {"seasonal_naive": 3}
    assert len(facts["passed_over"]) == 2


def test_a_site_that_the_champion_cannot_forecast_is_left_to_the_next(known, monkeypatch):  # noqa: ARG001 - the readings
    services.train_models(MIDNIGHT)
    leave_one_home_out(monkeypatch)
    facts = served()["load"]
    versions = {(model["name"], model["version"], model["sites"]) for model in facts["models"]}
    assert versions == {("seasonal_naive", None, 1), ("week", champion().pk, 2)}
    assert "1 sites" in facts["passed_over"][0]
    made_by = SiteForecast.objects.filter(run__role="served", run__kind="rolling", quantity="load")
    assert sorted(made_by.values_list("model_name", "model_version")) == [
        ("seasonal_naive", None),
        *[("week", champion().pk)] * 2,
    ]


SHIPPED_AT = datetime(2017, 2, 3, tzinfo=UTC)  # when the model of ``shipped`` was trained


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
    learned = history.as_of(SHIPPED_AT)
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
    asked = {"as_of": MIDNIGHT, "steps": 24}
    assert serving.shipped_model("load", HOUR, **asked) == shipped
    assert serving.shipped_model("pv", HOUR, **asked) is None
    assert serving.shipped_model("load", HOUR / 4, **asked | {"steps": 96}) is None
    assert serving.shipped_model("load", HOUR, **asked | {"as_of": SHIPPED_AT}) == shipped
    too_early = asked | {"as_of": SHIPPED_AT - HOUR}  # the model knows more
    assert serving.shipped_model("load", HOUR, **too_early) is None
    facts = served()
    assert by_model(facts["load"]) == {"week": 3}
    assert by_model(facts["pv"]) == {"seasonal_naive": 1}
    first = champion()
    assert first.shipped
    assert first.crowned_at == MIDNIGHT
    assert served() == facts
    assert ModelVersion.objects.count() == 1

    contest, _ = services.train_models(MIDNIGHT)
    assert contest.incumbent == first
    assert contest.entries[1]["part"] == "champion"
    assert known.client("operator").get("/api/v1/planning/models").status_code == 200


def test_a_contest_that_was_quicker_than_the_shipped_model_keeps_its_champion(known, shipped, monkeypatch):  # noqa: ARG001 - it lies there
    services.train_models(MIDNIGHT)
    before = champion()
    monkeypatch.setattr(serving.queries, "was_crowned", lambda _: False)  # as seen a moment before
    assert by_model(served()["load"]) == {"week": 3}
    assert champion() == before
    assert not ModelVersion.objects.filter(shipped=True).exists()


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


def test_drift_is_not_measured_from_a_judgement_of_too_few_days(known, shipped):  # noqa: ARG001 - it lies there
    served()
    Reading.objects.filter(interval_start__gte=MIDNIGHT - 5 * DAY).delete()
    contest, _ = services.train_models(MIDNIGHT)
    assert contest.reason == "readings of 2 days only: nobody is judged"
    assert (champion().validation_losses, champion().validated_until) == ([], None)


def test_a_shipped_model_that_was_changed_is_left_out(known, shipped):  # noqa: ARG001 - the readings
    (shipped / "more.json").write_text("{}")
    assert by_model(served()["load"]) == {"seasonal_naive": 3}
    assert not ModelVersion.objects.exists()


def test_the_shipped_model_waits_until_something_is_known(town, shipped):  # noqa: ARG001 - it lies there
    Reading.objects.bulk_create(meter_readings(town, OPENED - 20 * HOUR, 20))
    town.to(OPENED)
    assert services.run_forecasts(OPENED).served["load"]["models"] == []
    assert not ModelVersion.objects.exists()
    assert not SiteForecast.objects.exists()


@pytest.mark.parametrize(("who", "status"), [(None, 403), ("ana", 403), ("auditor", 200), ("operator", 200)])
def test_who_may_see_the_models(town, who, status):
    assert town.client(who).get("/api/v1/planning/models").status_code == status


def test_operators_see_what_serves_and_why(known):
    services.train_models(MIDNIGHT)
    services.look_for_drift(MIDNIGHT)
    services.run_forecasts(MIDNIGHT)
    seen = got(known.client("operator"), "planning/models")
    assert {s["quantity"]: by_model(s) for s in seen["served"]} == {
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


def test_who_serves_is_told_with_its_judgement_however_long_ago_that_was(known, monkeypatch):
    first, _ = services.train_models(MIDNIGHT)
    services.run_forecasts(MIDNIGHT)
    contests.retire(champion(), MIDNIGHT)  # as where a former champion stands in
    failed = {"version": first.winner_id, "pinball": None}
    for days, entries in ((1, [failed]), (2, [])):
        as_of = MIDNIGHT + days * DAY
        Contest.objects.create(quantity="load", as_of=as_of, entries=entries, reason="nobody is judged")
    monkeypatch.setattr(api, "NEWEST", 1)
    seen = got(known.client("operator"), "planning/models")
    models = {one["quantity"]: one["models"] for one in seen["served"]}
    assert [model["version"] for model in models["load"]] == [first.winner_id]
    assert first.winner_id in [version["id"] for version in seen["versions"]]
    entries = [entry for contest in seen["contests"] for entry in contest["entries"]]
    judged = [entry["version"] for entry in entries if entry["pinball"] is not None]
    assert first.winner_id in judged
    held = [contest["as_of"] for contest in seen["contests"]]
    assert held == sorted(held, reverse=True)


def test_a_home_without_a_forecast_of_its_load_is_not_counted_under_its_sun(known):
    services.train_models(MIDNIGHT)
    Reading.objects.filter(meter__site=known.meter("ben").site, meter__role="grid").delete()
    facts = served()
    assert by_model(facts["load"]) == {"week": 2}
    assert facts["pv"]["models"] == []


def test_a_meter_whose_clock_was_reset_does_not_make_a_community_old(town):
    Reading.objects.bulk_create(meter_readings(town, MIDNIGHT - 3 * DAY, 3 * 24))
    Reading.objects.bulk_create(meter_readings(town, datetime(2000, 1, 1, tzinfo=UTC), 1))
    past = inputs.history(Community.objects.get(), "load", MIDNIGHT, inputs.sites_with("load"))
    assert past.grid.start == MIDNIGHT - 3 * DAY


def test_the_day_ahead_is_issued_where_the_day_begins(town):
    """In Santiago's spring clocks go from midnight to one."""
    Community.objects.update(time_zone="America/Santiago")
    begins = datetime(2026, 9, 6, 4, tzinfo=UTC)
    Reading.objects.bulk_create(meter_readings(town, begins - 20 * DAY, 20 * 24))
    town.to(begins)
    for hours, kinds in ((-1, {"rolling"}), (0, {"rolling", "day_ahead"}), (1, {"rolling"})):
        services.run_forecasts(begins + hours * HOUR)
        runs = ForecastRun.objects.filter(issued_at=begins + hours * HOUR)
        assert {run.kind for run in runs} == kinds


def test_the_sun_keeps_no_summer_time(known):  # noqa: ARG001 - the readings
    community = Community.objects.get()
    keeps = {
        quantity: inputs.history(community, quantity, MIDNIGHT, inputs.sites_with(quantity)).time_zone
        for quantity in inputs.QUANTITIES
    }
    assert keeps == {"load": community.time_zone, "pv": "UTC"}
    assert community.time_zone != "UTC"


def test_who_is_judged_has_not_seen_a_late_reading_before_it_came(known):
    ends, community = MIDNIGHT + HOUR, Community.objects.get()
    known.to(ends + 0.2 * HOUR)
    for role in ("grid", "battery"):
        known.read("ben", role, start=MIDNIGHT, wh=(700, 0), soc_wh=5_000 if role == "battery" else None)
    known.read("cleo", start=MIDNIGHT, wh=(700, 0))
    known.to(ends + 0.25 * HOUR)  # planning waits no longer
    known.read("ben", "pv", start=MIDNIGHT, wh=(0, 100))
    known.to(ends + 0.5 * HOUR).read("ana", start=MIDNIGHT, wh=(900, 0))
    for quantity, stored, seen in (("load", [0.9, 0.1, 0.7], [np.nan, np.nan, 0.7]), ("pv", [0.1], [np.nan])):
        sites = inputs.sites_with(quantity)
        past = inputs.history(community, quantity, ends + HOUR, sites)
        assert past.values[:, -2] == pytest.approx(stored)
        assert past.as_of(ends).values[:, -1] == pytest.approx(seen, nan_ok=True)
        assert past.as_of(ends + 0.5 * HOUR).values[:, -1] == pytest.approx(stored)
        made_late = inputs.history(community, quantity, ends, sites)  # a plan uses what has come meanwhile
        made_late.require_available(ends)
        assert made_late.values[:, -1] == pytest.approx(stored)
