"""Whatever is posted, wherever: never an error of the platform's own, and always problem+json."""

import itertools
import json
from uuid import uuid4

import pytest
from django.urls import URLPattern, URLResolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from town import HOUR, OPENED, meter_id, post

from backend.config.urls import urlpatterns
from backend.market.models import Order
from backend.registry.models import Mandate
from backend.telemetry.models import Reading

START = OPENED + 3 * HOUR


def doors(patterns=urlpatterns, prefix=""):
    """Addresses that take a POST."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from doors(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and hasattr(
            getattr(pattern.callback, "view_class", None), "post"
        ):
            yield route.removeprefix("api/v1/")


DOORS = sorted(doors())


@pytest.fixture
def sent(town):
    """A good body for each door, and who would send it."""
    town.to(OPENED)
    mandate = {
        "owner": town.address("cleo"),
        "agent": town.address("agent"),
        "maxBuyPrice": 200_000,
        "minSellPrice": 90_000,
        "feeCap": 2_000,
        "imbalanceCap": 500_000,
        "maxWhPerDay": 1_000,
        "validUntil": int(START.timestamp()),
        "nonce": 7,
    }
    supply = {
        "owner": town.address("cleo"),
        "maxImportPrice": 500_000,
        "minFeedInPrice": 0,
        "fallbackImportW": 400,
        "validFrom": int(OPENED.timestamp()),
        "validUntil": int(START.timestamp()),
        "nonce": 8,
    }
    status = {"meter_id": meter_id("ana"), "at": OPENED.isoformat(), "power_kw": 1.0, "soc_kwh": None}
    ack = {"command_id": 1, "meter_id": meter_id("ana"), "state": "accepted", "reason": ""}
    bodies = {
        "clock/advance": ("operator", {"to": "2026-06-01T12:00:01Z"}),
        "devices/acks": (None, ack),
        "devices/status": (None, status),
        "mandates": (None, {"message": mandate, "signature": "0x" + "11" * 65}),
        "orders": ("ana", town.order(start=START)),
        "orders/agent": (
            "ana",
            {"side": "buy", "interval_start": START.isoformat(), "energy_wh": 1, "limit_micro_per_kwh": 1},
        ),
        "readings": (None, town.reading()),
        "session": (None, {"username": "ana", "password": "wrong-horse"}),
        "supply-agreements": (None, {"message": supply, "signature": "0x" + "11" * 65}),
    }
    assert sorted(bodies) == DOORS  # a new door needs a body here
    clients = {who: town.client(who) for who in (None, "ana", "operator")}

    def send(door, body=None):
        who, good = bodies[door]
        text = json.dumps(good if body is None else body) if not isinstance(body, bytes) else body
        headers = (
            {"X-Device-Signature": town.sign_text("x", "ana grid")} if door.startswith("devices") else {}
        )
        return judged(post(clients[who], door, text, **headers))

    send.bodies = {door: body for door, (_, body) in bodies.items()}
    return send


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("backend.registry.api.time.sleep", lambda _: None)


def judged(answer):
    assert answer.status_code < 500, answer.content[:300]
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        body = answer.json()
        assert {"type", "title", "status", "detail", "code", "errors"} <= set(body)
        assert body["status"] == answer.status_code
        assert "Traceback" not in body["detail"]
    return answer


HOSTILE = [
    None,
    True,
    -1,
    0,
    0.1,
    2**63,
    2**64,
    2**256,
    10**400,
    -(10**400),
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\x00",
    "a\x00b",
    "🌞" * 50,
    "\ud83c",
    "\u202e'; DROP TABLE market_order; --",
    "0x" + "00" * 65,
    "0x" + "g" * 64,
    "1e9",
    "NaN",
    "x" * 10_000,
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00+23:59",
    "2026-06-01T12:00:00+24:00",
    [],
    [[]],
    [None] * 50,
    {},
    {"$gt": ""},
    {"message": {}, "code": "x"},
    {"a": {"b": {"c": ["d"] * 3}}},
]


@pytest.mark.parametrize("door", DOORS)
def test_no_field_takes_the_platform_down(sent, door):
    good = sent.bodies[door]
    for name, value in itertools.product(good, HOSTILE):
        sent(door, good | {name: value})
    for name, value in itertools.product(good.get("message", {}), HOSTILE):
        sent(door, good | {"message": good["message"] | {name: value}})


@pytest.mark.parametrize("door", DOORS)
def test_no_body_takes_the_platform_down(sent, door):
    for value in HOSTILE:
        sent(door, json.dumps(value).encode())
    for raw in (
        b"\xff\xfe\x00",
        b"\x1f\x8b\x08",
        b'{"a":',
        b"[" * 60_000,
        b"{}" * 2,
        b'{"username": "ana", "username": "ben"}',
        b"9" * 10_000,
        b" " * 100_000,
        '{"side": "buy"}'.encode("utf-16"),
        b'{"__proto__": {}, "self": 1}',
    ):
        assert sent(door, raw).status_code in {400, 403}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(HOSTILE[:20]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(door=st.sampled_from(DOORS), data=st.data())
def test_no_json_takes_the_platform_down(sent, door, data):
    good = sent.bodies[door]
    spoiled = data.draw(st.dictionaries(st.sampled_from(sorted(good)), json_values, min_size=1))
    sent(door, good | spoiled)


def test_nothing_was_stored_by_all_that(sent):
    """Only a body that is right is taken: here none of the spoiled ones is."""
    for door, value in itertools.product(("readings", "orders", "mandates", "supply-agreements"), HOSTILE):
        sent(door, sent.bodies[door] | {"signature": value})
    assert not Reading.objects.exists()
    assert not Order.objects.exists()
    assert not Mandate.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "head"])
def test_other_methods_are_answered_too(town, method):
    town.to(OPENED)
    for door, who in itertools.product(DOORS, (None, "ana")):
        if (door, method) != ("session", "delete"):
            answer = getattr(town.client(who), method)(f"/api/v1/{door}")
            assert answer.status_code in {200, 403, 405}


@pytest.mark.parametrize(
    "address",
    [
        "/v1/nothing",
        f"/v1/orders/{uuid4()}x",
        "/v1/trades/-1/receipt",
        "/v1/trades/x/receipt",
        "/v1/orders/7",
        "/v1/%00",
        "/v1/clock/",
        "/v1/",
        "/v2/clock",
        "/",
        "",
    ],
)
def test_an_address_that_is_none_is_not_found(town, address):
    for method, who in itertools.product(("get", "post", "delete", "options"), (None, "ana")):
        answer = getattr(town.client(who), method)(f"/api{address}")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.json()["status"], answer.json()["code"]) == (404, "not_found")


def test_a_trade_number_too_large_for_the_database_is_not_found(town):
    assert town.client("ana").get(f"/api/v1/trades/{10**30}/receipt").status_code == 404


@pytest.mark.parametrize("address", ["/", "/trade", "/bills/7", "/apiary", "/staticky"])
def test_any_other_address_is_the_page(town, address):
    """Its router knows the rest; 503 where it is not built."""
    assert town.client().get(address).status_code in {200, 503}
