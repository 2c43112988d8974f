"""Orders: only the owner's word, or its agent's inside a mandate, and only until the gate closes."""

from datetime import datetime, timedelta

import pytest
from town import FEE, HOUR, OPENED, iso, meter_id, mirrored, post, refused

from backend.market import services
from backend.market.models import DeliveryInterval, Order, Trade
from backend.registry.models import Mandate
from domain.market import first_nonce

START = OPENED + 3 * HOUR


@pytest.fixture
def town(town):
    """The community with the gates of its first day open."""
    return town.to(OPENED)


@pytest.fixture
def ana(town):
    """Ana's browser."""
    return town.client("ana")


def test_an_owner_places_and_withdraws_an_order(town, ana):
    answer = post(ana, "orders", town.order(start=START))
    assert answer.status_code == 201
    facts = answer.json()
    assert facts["state"] == "open"
    assert facts["signer"] == town.address("ana")
    assert facts["by_agent"] is False
    assert facts["gate_closure"] == iso(START - HOUR)
    assert [row["id"] for row in ana.get("/api/v1/orders?state=open").json()] == [facts["id"]]

    assert ana.delete(f"/api/v1/orders/{facts['id']}").json()["state"] == "cancelled"
    refused(ana.delete(f"/api/v1/orders/{facts['id']}"), 409, "state", "not_open")
    refused(post(ana, "orders", town.order(start=START)), 409, "nonce", "already_used")


@pytest.mark.parametrize("hours", [1, 2])
def test_no_order_comes_in_once_the_gate_is_closed(town, ana, hours):
    body = town.order(start=START)
    placed = post(ana, "orders", town.order(start=START, k=2)).json()
    town.to(START - 2 * HOUR + hours * HOUR)
    refused(post(ana, "orders", body), 409, "interval_start", "gate_closed")
    refused(post(ana, "orders/agent", agent_order()), 409, "interval_start", "gate_closed")
    refused(ana.delete(f"/api/v1/orders/{placed['id']}"), 409, "state", "gate_closed")
    assert Order.objects.get().state == "open"


def test_an_instant_before_the_gate_closes_is_in_time(town, ana):
    town.to(START - HOUR - timedelta(microseconds=1))
    assert post(ana, "orders", town.order(start=START)).status_code == 201


def test_an_interval_is_one_whose_gate_has_opened(town, ana):
    for start in (OPENED, OPENED - HOUR, OPENED + 25 * HOUR, START + timedelta(minutes=1)):
        refused(post(ana, "orders", town.order(start=start)), 400, "interval_start", "unknown_interval")
        refused(
            post(ana, "orders/agent", agent_order(interval_start=iso(start))),
            400,
            "interval_start",
            "unknown_interval",
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("energy_wh", 0),
        ("energy_wh", -5),
        ("energy_wh", 2**32),
        ("energy_wh", 10**40),
        ("energy_wh", 0.5),
        ("energy_wh", float("nan")),
        ("limit_micro_per_kwh", -1),
        ("limit_micro_per_kwh", 2**32),
        ("limit_micro_per_kwh", float("inf")),
        ("fee_cap_micro_per_kwh", FEE - 1),
        ("fee_cap_micro_per_kwh", -1),
        ("imbalance_cap_micro_per_kwh", -1),
        ("imbalance_cap_micro_per_kwh", 2**32),
        ("interval_s", 900),
        ("interval_s", 0),
        ("nonce", -1),
        ("nonce", 2**63),
        ("nonce", 2**64),
        ("nonce", first_nonce(START) - 1),
        ("nonce", first_nonce(START) + 256),
        ("side", "hold"),
        ("side", 0),
        ("side", ["buy"]),
        ("expiry", iso(START - timedelta(seconds=1))),
        ("expiry", "2026-06-02T00:00:00"),
        ("expiry", "9999-12-31T23:59:59Z"),
        ("interval_start", "2026-06-01T15:00:00"),
        ("meter_id", meter_id("ben", "pv")),
        ("meter_id", meter_id("nobody")),
        ("meter_id", "0x00"),
        ("owner", "0x12"),
        ("owner", "ana\x00"),
        ("owner", "\ud800"),
        ("signature", "0x" + "11" * 64),
    ],
)
def test_terms_outside_the_rules_are_refused_by_name(town, ana, field, value):
    refused(post(ana, "orders", town.order(start=START) | {field: value}), 400, field)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"energy_wh": 1_001},
        {"limit_micro_per_kwh": 150_001},
        {"fee_cap_micro_per_kwh": FEE + 1},
        {"imbalance_cap_micro_per_kwh": 500_001},
        {"nonce": first_nonce(START) + 2},
        {"expiry": iso(START)},
        {"interval_start": iso(START + HOUR), "nonce": first_nonce(START + HOUR)},
        {"side": "sell"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_every_term_is_under_the_signature(town, ana, changes):
    refused(post(ana, "orders", town.order(start=START) | changes), 400, "signature", "wrong_signature")


def test_the_largest_terms_allowed_are_taken(town, ana):
    body = town.order(
        start=START,
        energy_wh=2**32 - 1,
        limit_micro_per_kwh=2**32 - 1,
        fee_cap_micro_per_kwh=2**32 - 1,
        imbalance_cap_micro_per_kwh=2**32 - 1,
        k=255,
        expiry=datetime.fromisoformat("9998-12-31T00:00:00Z"),
    )
    assert post(ana, "orders", body).status_code == 201


def test_nobody_orders_for_another(town, ana):
    for by in ("ben", "agent", "ana grid", "operator"):
        refused(post(ana, "orders", town.order(start=START, by=by)), 400, "signature", "wrong_signature")
    refused(post(ana, "orders", town.order("ben", start=START)), 400, "owner", "unknown_owner")
    refused(
        post(ana, "orders", town.order(start=START, meter_id=meter_id("ben"))), 400, "owner", "unknown_owner"
    )
    body = town.order(start=START)
    refused(post(ana, "orders", body | {"signature": mirrored(body["signature"])}), 400, "signature")
    assert not Order.objects.exists()


def test_an_owner_may_be_written_without_capitals(town, ana):
    body = town.order(start=START)
    assert post(ana, "orders", body | {"owner": body["owner"].lower()}).status_code == 201


def test_a_nonce_is_used_once_by_its_owner_only(town, ana):
    assert post(ana, "orders", town.order(start=START)).status_code == 201
    refused(post(ana, "orders", town.order(start=START, energy_wh=7)), 409, "nonce", "already_used")
    assert post(town.client("ben"), "orders", town.order("ben", start=START)).status_code == 201


def test_a_member_stands_on_one_side_of_an_interval(town, ana):
    first = post(ana, "orders", town.order(start=START)).json()
    refused(post(ana, "orders", town.order(side="sell", start=START, k=2)), 400, "side")
    assert post(ana, "orders", town.order(side="sell", start=START + HOUR, k=3)).status_code == 201
    ana.delete(f"/api/v1/orders/{first['id']}")
    assert post(ana, "orders", town.order(side="sell", start=START, k=4)).status_code == 201


def agent_order(**changes):
    terms = {"side": "buy", "interval_start": iso(START), "energy_wh": 500, "limit_micro_per_kwh": 150_000}
    return terms | changes


def test_an_agent_trades_inside_its_mandate_only(town, ana):
    refused(post(ana, "orders/agent", agent_order()), 400, "signature", "wrong_signature")
    town.mandate("ana", max_buy=160_000, min_sell=100_000)
    answer = post(ana, "orders/agent", agent_order())
    assert answer.status_code == 201
    assert (answer.json()["by_agent"], answer.json()["signer"]) == (True, town.address("agent"))
    later = iso(START + HOUR)
    dear, cheap = agent_order(limit_micro_per_kwh=160_001), agent_order(limit_micro_per_kwh=99_999)
    refused(post(ana, "orders/agent", dear), 400, "limit_micro_per_kwh")
    refused(
        post(ana, "orders/agent", cheap | {"side": "sell", "interval_start": later}),
        400,
        "limit_micro_per_kwh",
    )
    assert post(ana, "orders/agent", agent_order(limit_micro_per_kwh=160_000)).status_code == 201
    refused(post(ana, "orders/agent", agent_order(energy_wh=0)), 400, "energy_wh")


@pytest.mark.parametrize("ended", ["expired", "revoked"])
def test_a_mandate_that_has_ended_gives_no_word(town, ana, ended):
    town.mandate("ana", until=START + HOUR)
    assert post(ana, "orders/agent", agent_order(interval_start=iso(START + HOUR))).status_code == 201
    if ended == "revoked":
        Mandate.objects.update(revoked_at=OPENED)
        refused(post(ana, "orders/agent", agent_order()), 400, "signature", "wrong_signature")
    late = agent_order(interval_start=iso(START + 2 * HOUR))
    refused(post(ana, "orders/agent", late), 400, "signature", "wrong_signature")


def test_a_platform_without_an_agent_says_so(town, ana, settings):
    town.mandate("ana")
    settings.AGENT_KEY = ""
    refused(post(ana, "orders/agent", agent_order()), 400, "signature", "no_agent")


def test_one_mandate_serves_one_owner(town, ana):
    town.mandate("ben")
    refused(post(ana, "orders", town.order(start=START, by="agent")), 400, "signature", "wrong_signature")


def test_only_the_owner_withdraws(town, ana):
    placed = post(ana, "orders", town.order(start=START)).json()
    assert town.client("ben").delete(f"/api/v1/orders/{placed['id']}").status_code == 404
    for staff in ("operator", "auditor"):
        assert town.client(staff).delete(f"/api/v1/orders/{placed['id']}").status_code == 403
    assert town.client().delete(f"/api/v1/orders/{placed['id']}").status_code == 403
    assert ana.delete("/api/v1/orders/00000000-0000-0000-0000-000000000000").status_code == 404
    assert Order.objects.get().state == "open"


def test_no_order_enters_or_leaves_a_cleared_interval(town):
    """Even with a clock that lags behind the clearing."""
    order = town.place(start=START)
    interval = town.interval(START)
    assert services.clear_interval(interval.pk, as_of=START - HOUR)
    early = START - 2 * HOUR
    for attempt in (
        lambda: services.place_order(town.signed_order(start=START, k=2), as_of=early),
        lambda: services.cancel_order(str(order.pk), participant_id=order.participant_id, as_of=early),
    ):
        with pytest.raises(ValueError, match=r"gate closed|order is unmatched"):
            attempt()
    assert set(Order.objects.values_list("state", flat=True)) == {"unmatched"}


def test_a_gate_that_is_open_is_not_cleared(town):
    interval = town.interval(START)
    assert not services.clear_interval(interval.pk, as_of=interval.gate_closure - timedelta(seconds=1))
    assert town.interval(START).state == "open"


def traded():
    rows = Trade.objects.values_list(
        "buy_order__participant__pseudonym", "sell_order__participant__pseudonym", "energy_wh"
    )
    return sorted(rows), DeliveryInterval.objects.get(start=START).clearing_micro_per_kwh


def test_clearing_does_not_depend_on_how_orders_lie_in_the_table(town):
    town.place("ana", energy_wh=700, limit_micro_per_kwh=170_000, start=START)
    town.place("ben", "sell", energy_wh=900, limit_micro_per_kwh=100_000, start=START)
    town.place("cleo", energy_wh=400, limit_micro_per_kwh=160_000, start=START)
    first = services.clear_interval(town.interval(START).pk, as_of=START - HOUR)
    assert first
    assert traded() == ([("ana-p", "ben-p", 700), ("cleo-p", "ben-p", 200)], 130_000)
    assert not services.clear_interval(town.interval(START).pk, as_of=START - HOUR)
    assert sorted(Order.objects.values_list("participant__pseudonym", "state", "matched_wh")) == [
        ("ana-p", "matched", 700),
        ("ben-p", "matched", 900),
        ("cleo-p", "matched", 200),
    ]


@pytest.mark.parametrize("first", ["ana", "cleo"])
def test_of_equal_bids_in_one_instant_the_earlier_arrival_is_served(town, first):
    """A stepped clock, and the agents' rounds, give many orders the same instant."""
    for attempt in range(3):  # ids are random: chance alone would be found out
        start = START + attempt * HOUR
        for name in (first, *({"ana", "cleo"} - {first})):
            town.place(name, start=start, k=attempt)
        town.place("ben", "sell", limit_micro_per_kwh=100_000, start=start, k=attempt)
        services.clear_interval(town.interval(start).pk, as_of=start - HOUR)
    assert set(Trade.objects.values_list("buy_order__participant__pseudonym", flat=True)) == {f"{first}-p"}


def test_cancelled_orders_are_not_matched(town, ana):
    order = town.place("ana", start=START)
    town.place("ben", "sell", limit_micro_per_kwh=100_000, start=START)
    services.cancel_order(str(order.pk), participant_id=order.participant_id, as_of=OPENED)
    services.clear_interval(town.interval(START).pk, as_of=START - HOUR)
    assert traded() == ([], None)
    assert ana.get(f"/api/v1/intervals/{iso(START)}/book").json() == {
        "bids": [],
        "offers": [{"price_micro_per_kwh": 100_000, "energy_wh": 1_000}],
    }
