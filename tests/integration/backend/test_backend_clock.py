"""Community time never runs backwards: stepped, running, held and resumed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from town import HOUR, OPENED, Town, iso, post, refused

from backend.registry import queries, services
from backend.registry.models import Community
from domain.errors import FieldError


@pytest.fixture
def operator(town):
    return town.client("operator")


@pytest.fixture
def running(db):  # noqa: ARG001 - the database
    """A community whose clock runs at 120 times the wall's speed, once it is started."""
    town = Town()
    return town.load(town.facts(speed=120))


def test_a_stepped_clock_moves_where_the_operator_says(town, operator):
    to = OPENED + timedelta(minutes=59, seconds=59)
    facts = post(operator, "clock/advance", {"to": iso(to)}).json()
    assert (facts["now"], facts["speed"]) == (iso(to), 0.0)
    assert (facts["interval_start"], facts["interval_end"]) == (iso(OPENED), iso(OPENED + HOUR))
    assert town.client().get("/api/v1/clock").json()["now"] == iso(to)
    assert post(operator, "clock/advance", {"to": iso(to)}).status_code == 200
    assert queries.now() == to


@pytest.mark.parametrize(
    "to",
    [
        iso(OPENED - timedelta(microseconds=1)),
        iso(OPENED + timedelta(days=7, seconds=1)),
        "2026-06-01T13:00:00+02:00",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-06-01T14:00:00",
        "later",
        None,
        12,
    ],
)
def test_it_never_goes_back_nor_where_no_interval_lies(operator, to):
    refused(post(operator, "clock/advance", {"to": to}), 400, "to")
    assert queries.now() == OPENED


def test_a_running_clock_is_not_pushed(running):
    ahead = iso(OPENED + HOUR)
    refused(post(running.client("operator"), "clock/advance", {"to": ahead}), 400, "to", "running")
    services.start_clock()
    refused(post(running.client("operator"), "clock/advance", {"to": ahead}), 400, "to", "running")


def test_a_held_clock_stands_until_it_is_started(running):
    assert queries.now() == queries.now() == OPENED
    assert running.client().get("/api/v1/clock").json()["speed"] == 0.0
    services.start_clock()
    Community.objects.update(anchor_wall=timezone.now() - timedelta(seconds=10))
    passed = queries.now() - OPENED
    assert timedelta(minutes=20) <= passed < timedelta(minutes=40)
    started = Community.objects.get().anchor_wall
    services.start_clock()
    assert Community.objects.get().anchor_wall == started
    assert running.client().get("/api/v1/clock").json()["speed"] == 120


@pytest.mark.usefixtures("running")
def test_a_restart_resumes_where_the_clock_was_seen():
    services.start_clock()
    Community.objects.update(anchor_wall=timezone.now() - timedelta(minutes=1))
    seen = services.see_clock()
    Community.objects.update(anchor_wall=timezone.now() - timedelta(days=30))  # down for a month
    assert services.hold_clock() == seen == queries.now()
    assert services.hold_clock() == seen
    services.start_clock()
    assert seen <= queries.now() < seen + timedelta(minutes=30)


def test_holding_never_goes_behind_the_chain_nor_behind_what_was_set(running):
    ahead = OPENED + 5 * HOUR
    assert services.hold_clock(not_before=ahead) == ahead
    assert services.hold_clock(not_before=OPENED) == ahead
    assert services.hold_clock() == ahead
    Community.objects.update(seen_community=OPENED)  # a tick that looked before, and wrote after
    assert services.hold_clock() == ahead
    assert running.client().get("/api/v1/clock").json()["now"] == iso(ahead)


def test_a_stepped_clock_that_is_held_and_started_stays_put(town):
    town.to(OPENED + HOUR)
    Community.objects.update(seen_community=OPENED)
    assert services.hold_clock() == OPENED + HOUR
    services.start_clock()
    assert queries.now() == OPENED + HOUR
    assert services.advance_clock(OPENED + 2 * HOUR).anchor_community == OPENED + 2 * HOUR


def test_a_clock_of_real_hardware_follows_the_wall(db):  # noqa: ARG001 - the database
    town = Town()
    town.load(town.facts(speed=1))
    started = queries.now()
    assert services.hold_clock(not_before=OPENED + HOUR) >= started
    assert Community.objects.get().anchor_wall is not None
    assert queries.now() - started < timedelta(seconds=30)


def test_a_naive_time_is_refused_by_the_service_too(town):  # noqa: ARG001 - the community
    with pytest.raises(FieldError, match="offset"):
        services.advance_clock(datetime(2026, 6, 2))  # noqa: DTZ001 - that is the point


def test_a_community_is_loaded_once(town):
    again = town.facts(names=("ana",)) | {"name": "Other"}
    assert services.load_community(again, agent_address=town.address("agent")).name == "Town"


def test_local_midnight_follows_the_time_zone(town):  # noqa: ARG001 - the community
    community = Community.objects.get()
    assert queries.local_midnight(community, datetime(2026, 6, 1, 23, 30, tzinfo=UTC)) == datetime(
        2026, 6, 1, 23, tzinfo=UTC
    )
