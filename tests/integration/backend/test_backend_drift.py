"""Drift: found once, told, answered by a training, and closed."""

import pytest
from forecasters import MIDNIGHT, Week, champion, due_stages, meter_readings, snapshot
from town import HOUR, OPENED

from backend import pipeline
from backend.market.models import AgentRound
from backend.planning import contests, queries, services
from backend.planning.models import DriftAlarm, DriftCheck, ModelVersion
from backend.registry.models import Community
from backend.telemetry.models import Reading
from forecasting.series import DAY

pytestmark = pytest.mark.usefixtures("_forecasters")


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
    assert alarms["load", "error"].figures["version"] == champion().pk
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


@pytest.mark.parametrize("successor", [True, False])
def test_an_error_alarm_ends_with_the_champion_that_it_was_about(known, successor):
    services.train_models(MIDNIGHT)
    soon, former = MIDNIGHT + 6 * HOUR, champion()
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 6))
    about = {"opened_at": MIDNIGHT + HOUR, "figures": {"version": former.pk}}
    DriftAlarm.objects.create(quantity="load", kind="error", **about)
    contests.retire(former, MIDNIGHT)  # by a contest that began before the check which found the drift
    if successor:
        contests.crown(ModelVersion.objects.get(name="lucky", quantity="load"), MIDNIGHT)
    services.look_for_drift(soon)
    assert DriftAlarm.objects.get(quantity="load", kind="error").closed_at == soon


def test_an_error_alarm_stays_while_nothing_new_is_known_of_its_champion(known):
    services.train_models(MIDNIGHT)
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 12))
    about = {"opened_at": MIDNIGHT + HOUR, "figures": {"version": champion().pk}}
    DriftAlarm.objects.create(quantity="load", kind="error", **about)
    services.look_for_drift(MIDNIGHT + 12 * HOUR)
    assert DriftAlarm.objects.get(quantity="load", kind="error").closed_at is None


def test_no_drift_is_found_where_nothing_changed(known):
    services.train_models(MIDNIGHT)
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 10 * 24))
    for days in (4, 7, 10):
        services.look_for_drift(MIDNIGHT + days * DAY)
    assert DriftCheck.objects.filter(error__alarm=False, inputs__alarm=False).count() == 6
    assert not DriftAlarm.objects.exists()


def test_the_champion_is_adapted_to_what_was_known_before_the_days_that_it_is_judged_on(known, monkeypatch):
    services.train_models(MIDNIGHT)
    Reading.objects.bulk_create(meter_readings(known, MIDNIGHT, 3 * 24))
    adapted = []

    def remember(self, history, *, at):
        adapted.append((history.grid.end, at))
        return self

    monkeypatch.setattr(Week, "adapted", remember)
    services.look_for_drift(MIDNIGHT + 3 * DAY)
    assert adapted == [(MIDNIGHT, MIDNIGHT)] * 2


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


def test_an_open_alarm_is_told_before_newer_ones_that_closed(town):  # noqa: ARG001 - the tables
    rows = [("error", OPENED, None), ("input", OPENED + HOUR, OPENED + 2 * HOUR)]
    for kind, opened_at, closed_at in rows:
        facts = {"kind": kind, "opened_at": opened_at, "closed_at": closed_at, "figures": {}}
        DriftAlarm.objects.create(quantity="load", **facts)
    assert [alarm.kind for alarm in queries.alarms(newest=5)] == ["error", "input"]
    assert [alarm.kind for alarm in queries.alarms(newest=1)] == ["error"]
