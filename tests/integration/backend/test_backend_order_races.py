"""Members, agents and the clearing at once, each on a connection of its own: no order is left behind."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction
from town import HOUR, OPENED

from backend.market import services
from backend.market.models import DeliveryInterval, Order, Trade
from domain.errors import FieldError

pytestmark = pytest.mark.django_db(transaction=True)
START = OPENED + 3 * HOUR
JUST_BEFORE, CLOSED = START - 2 * HOUR, START - HOUR


@pytest.fixture
def town(lasting_town):
    return lasting_town.to(OPENED)


def at_once(*calls):
    """What each call made of it, or its refusal; all begin together."""
    gate = threading.Barrier(len(calls))

    def run(call):
        try:
            gate.wait(10)
            return call()
        except FieldError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [job.result(60) for job in [pool.submit(run, call) for call in calls]]


def test_an_order_that_races_the_clearing_is_in_it_or_refused(town):
    for hours in range(3):
        start = START + hours * HOUR
        interval = town.interval(start)
        orders = [
            town.signed_order(n, start=start, k=10 * hours + i) for i, n in enumerate(["ana", "cleo"] * 2)
        ]
        results = at_once(
            *(lambda o=o, at=start - 2 * HOUR: services.place_order(o, as_of=at) for o in orders),
            lambda pk=interval.pk, at=start - HOUR: services.clear_interval(pk, as_of=at),
        )
        refusals = [r for r in results if isinstance(r, FieldError)]
        assert {r.code for r in refusals} <= {"gate_closed"}
        assert Order.objects.filter(interval=interval).count() == 4 - len(refusals)
        assert not Order.objects.filter(interval=interval, state="open").exists()
        assert town.interval(start).state == "cleared"


def test_an_order_waits_for_a_clearing_under_way_and_is_then_too_late(town):
    order = town.signed_order(start=START)
    pk = town.interval(START).pk
    cleared = threading.Event()

    def clear_slowly():
        with transaction.atomic():
            services.clear_interval(pk, as_of=CLOSED)
            cleared.set()
            time.sleep(0.3)

    def place():
        assert cleared.wait(10)
        return services.place_order(order, as_of=JUST_BEFORE)

    _, placed = at_once(clear_slowly, place)
    assert placed.code == "gate_closed"
    assert not Order.objects.exists()


def test_withdrawing_and_clearing_never_block_each_other(town):
    """Both need the interval and the order; taken in opposite order, they would wait for ever."""
    order = town.place("ana", start=START)
    town.place("ben", "sell", limit_micro_per_kwh=100_000, start=START)
    pk = town.interval(START).pk
    locked = threading.Event()

    def clear_slowly():
        with transaction.atomic():
            DeliveryInterval.objects.select_for_update().get(pk=pk)
            locked.set()
            time.sleep(0.3)
            return services.clear_interval(pk, as_of=CLOSED)

    def withdraw():
        assert locked.wait(10)
        return services.cancel_order(str(order.pk), participant_id=order.participant_id, as_of=JUST_BEFORE)

    try:
        done, withdrawn = at_once(clear_slowly, withdraw)
    except OperationalError as error:  # pragma: no cover - what this test is there to rule out
        pytest.fail(str(error))
    assert done
    assert withdrawn.code == "not_open"
    assert Trade.objects.get().energy_wh == 1_000


def test_an_order_sent_twice_is_stored_once(town):
    order = town.signed_order(start=START)
    results = at_once(*[lambda: services.place_order(order, as_of=JUST_BEFORE)] * 4)
    assert sorted(type(r).__name__ for r in results) == ["FieldError"] * 3 + ["Order"]
    assert {r.code for r in results if isinstance(r, FieldError)} == {"already_used"}


def test_opposite_orders_at_once_leave_one_side(town):
    both = [town.signed_order("ana", side, start=START, k=n) for n, side in enumerate(["buy", "sell"])]
    results = at_once(*(lambda o=o: services.place_order(o, as_of=JUST_BEFORE) for o in both))
    assert [r.field for r in results if isinstance(r, FieldError)] == ["side"]
    assert Order.objects.count() == 1


def test_two_clearings_at_once_match_once(town):
    town.place("ana", start=START)
    town.place("ben", "sell", limit_micro_per_kwh=100_000, start=START)
    pk = town.interval(START).pk
    results = at_once(*[lambda: services.clear_interval(pk, as_of=CLOSED)] * 3)
    assert sorted(results) == [False, False, True]
    assert Trade.objects.count() == 1
