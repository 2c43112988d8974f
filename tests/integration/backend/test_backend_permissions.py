"""Who may do what, at every address: an endpoint that is not in the table fails the test."""

import json
import re

import pytest
from django.urls import URLPattern, URLResolver
from town import HOUR, OPENED, iso, meter_id, post

from backend.config.urls import api
from backend.market import services
from backend.market.models import Order, Trade
from backend.registry import services as registry_services
from backend.registry.models import Community

START = OPENED + 3 * HOUR
SPAN = f"?from={iso(OPENED)}&to={iso(OPENED + 2 * HOUR)}"
PEOPLE = (None, "ana", "auditor", "operator")
EVERYBODY = (200, 200, 200, 200)
MEMBERS_AND_STAFF = (403, 200, 200, 200)
MEMBERS = (403, 200, 403, 403)
UNWRITABLE = (405, 405, 405, 405)
SIGNED_OUT_UNWRITABLE = (403, 405, 405, 405)
BAD_BODY = (400, 400, 400, 400)

# address: [(method, address asked for, statuses for nobody, a member, an auditor, an operator)]
TABLE = {
    "clock": [("get", "clock", EVERYBODY), ("post", "clock", UNWRITABLE)],
    "clock/advance": [
        ("post", "clock/advance", (403, 403, 403, 400)),
        ("get", "clock/advance", (403, 403, 403, 405)),
    ],
    "community": [("get", "community", EVERYBODY), ("put", "community", UNWRITABLE)],
    "planning/comparison": [
        ("get", "planning/comparison", (403, 403, 403, 400)),  # no day has been metered yet
        ("post", "planning/comparison", (403, 403, 403, 405)),
    ],
    "planning/models": [
        ("get", "planning/models", (403, 403, 200, 200)),
        ("post", "planning/models", (403, 403, 403, 405)),
    ],
    "session": [("post", "session", BAD_BODY), ("delete", "session", (204, 204, 204, 204))],
    "csrf": [("get", "csrf", (204, 204, 204, 204))],
    "me": [("get", "me", MEMBERS_AND_STAFF), ("post", "me", SIGNED_OUT_UNWRITABLE)],
    "readings": [("post", "readings", BAD_BODY), ("get", "readings", UNWRITABLE)],
    "devices/status": [("post", "devices/status", BAD_BODY), ("get", "devices/status", UNWRITABLE)],
    "devices/commands": [("get", f"devices/commands?meter_id={meter_id('ben', 'battery')}", EVERYBODY)],
    "devices/acks": [("post", "devices/acks", BAD_BODY)],
    "intervals": [
        ("get", f"intervals{SPAN}", MEMBERS_AND_STAFF),
        ("post", "intervals", SIGNED_OUT_UNWRITABLE),
    ],
    "intervals/<str:start>/book": [("get", f"intervals/{iso(START)}/book", MEMBERS_AND_STAFF)],
    "orders": [("get", "orders", MEMBERS_AND_STAFF), ("post", "orders", (403, 400, 403, 403))],
    "orders/nonce": [
        ("get", f"orders/nonce?interval_start={iso(START)}", MEMBERS),
        ("post", "orders/nonce", SIGNED_OUT_UNWRITABLE),
    ],
    "orders/agent": [("post", "orders/agent", (403, 400, 403, 403))],
    "orders/<uuid:order_id>": [
        ("delete", "orders/00000000-0000-0000-0000-000000000000", (403, 404, 403, 403)),
        ("get", "orders/00000000-0000-0000-0000-000000000000", SIGNED_OUT_UNWRITABLE),
    ],
    "trades": [("get", "trades", MEMBERS_AND_STAFF), ("post", "trades", SIGNED_OUT_UNWRITABLE)],
    "account": [
        ("get", "account", MEMBERS),
        ("get", "account?participant=ana-p", MEMBERS_AND_STAFF),
        ("get", "account?participant=ben-p", (403, 403, 200, 200)),
        ("get", "account?participant=nobody", (403, 403, 403, 403)),
        ("get", "account?participant=%00", (403, 403, 403, 403)),
    ],
    "statements": [
        ("get", f"statements{SPAN}", MEMBERS),
        ("get", f"statements{SPAN}&participant=ben-p", (403, 403, 200, 200)),
        ("get", f"statements{SPAN}&participant=%00", (403, 403, 403, 403)),
    ],
    "trades/<int:trade_id>/receipt": [("get", "trades/999999/receipt", (403, 404, 404, 404))],
    "mandates": [("post", "mandates", BAD_BODY), ("get", "mandates", UNWRITABLE)],
    "supply-agreements": [("post", "supply-agreements", BAD_BODY), ("get", "supply-agreements", UNWRITABLE)],
    "live": [("get", "live", EVERYBODY), ("post", "live", UNWRITABLE)],
    "series": [
        ("get", f"series{SPAN}", EVERYBODY),
        ("get", f"series{SPAN}&scope=mine", MEMBERS),
    ],
    "plan": [("get", "plan", MEMBERS)],
    "kpi/report": [("get", f"kpi/report{SPAN}", MEMBERS_AND_STAFF)],
    "pipeline/status": [
        ("get", "pipeline/status", (403, 403, 200, 200)),
        ("post", "pipeline/status", (403, 403, 403, 405)),
    ],
    "events": [("get", "events", EVERYBODY)],
    "schema": [("get", "schema", EVERYBODY)],
    "docs": [("get", "docs", EVERYBODY)],
}


def addresses(patterns, prefix=""):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern)


def test_every_address_has_its_row():
    found = list(addresses(api))
    assert len(found) == len(set(found))
    assert set(found) == set(TABLE)


@pytest.mark.parametrize(
    ("method", "address", "statuses"),
    [row for rows in TABLE.values() for row in rows],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_who_may_do_what(town, method, address, statuses):
    town.to(OPENED)
    found = []
    for who in PEOPLE:
        client = town.client(who)
        answer = getattr(client, method)(f"/api/v1/{address}", **body_of(method))
        found.append(answer.status_code)
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json", answer.content[:200]
            assert answer.json()["status"] == answer.status_code
    assert tuple(found) == statuses


def test_the_guide_to_the_api_needs_nothing_from_elsewhere(town):
    guide = town.client().get("/api/v1/docs")
    needed = re.findall(r'(?:src|href)="([^"]*)"', guide.content.decode())
    assert len(needed) == 4  # favicon, style, two scripts
    for address in needed:
        assert address.startswith("/static/")
        assert town.client().get(address).status_code == 200
    assert '"/api/v1/schema"' in guide.content.decode()


def body_of(method):
    return {"data": "{}", "content_type": "application/json"} if method in {"post", "put"} else {}


@pytest.fixture
def traded(town):
    """Ana has bought from Ben; Cleo has an order of her own."""
    town.to(OPENED)
    town.place("ana", start=START)
    town.place("ben", "sell", limit_micro_per_kwh=100_000, start=START)
    town.place("cleo", limit_micro_per_kwh=90_000, start=START)
    assert services.clear_interval(town.interval(START).pk, as_of=START - HOUR)
    return town


def test_a_member_sees_its_own_orders_only(traded):
    for name in ("ana", "ben", "cleo"):
        assert {o["participant"] for o in traded.client(name).get("/api/v1/orders").json()} == {f"{name}-p"}
    for staff in ("auditor", "operator"):
        assert len(traded.client(staff).get("/api/v1/orders").json()) == 3


def test_a_trade_is_mine_for_its_two_sides_only(traded):
    def seen(who, scope):
        return [t["mine"] for t in traded.client(who).get(f"/api/v1/trades?scope={scope}").json()]

    assert seen("ana", "mine") == seen("ben", "mine") == seen("ana", "community") == [True]
    assert seen("cleo", "mine") == []
    assert seen("cleo", "community") == seen("auditor", "community") == seen("operator", "mine") == [False]


def test_a_receipt_is_for_its_two_sides_and_staff(traded):
    address = f"/api/v1/trades/{Trade.objects.get().pk}/receipt"
    assert traded.client("cleo").get(address).status_code == 404
    assert traded.client().get(address).status_code == 403

    def orders(who):
        receipt = traded.client(who).get(address).json()
        (step,) = [s for s in receipt["steps"] if s["name"] == "order"]
        return {o["participant"]: o["limit_micro_per_kwh"] for o in step["detail"]["orders"]}

    assert orders("ana") == {"ana-p": 150_000, "ben-p": None}
    assert orders("ben") == {"ana-p": None, "ben-p": 100_000}
    assert orders("auditor") == orders("operator") == {"ana-p": 150_000, "ben-p": 100_000}


def test_names_wallets_and_keys_of_others_are_nowhere_in_what_a_member_reads(traded):
    """Pseudonyms alone; the demo's sign-in page lists names, so it is left out."""
    Community.objects.update(demo_accounts=[])
    secrets = ["Ben", traded.address("ben"), traded.address("ben grid"), meter_id("ben"), "100000"]
    for address in (
        "orders",
        "trades?scope=community",
        f"intervals{SPAN}",
        "live",
        f"series{SPAN}",
        f"kpi/report{SPAN}",
        "me",
        "account",
        f"statements{SPAN}",
        "community",
    ):
        text = traded.client("cleo").get(f"/api/v1/{address}").content.decode()
        assert not [secret for secret in secrets if secret in text], address


def test_writes_of_a_session_need_its_csrf_token(town):
    town.to(OPENED)
    order = town.place("ana", start=START, k=5)
    browser = town.client("ana", csrf=True)
    body = town.order(start=START)
    for answer in (
        post(browser, "orders", body),
        post(browser, "orders/agent", {}),
        browser.delete(f"/api/v1/orders/{order.pk}"),
        browser.delete("/api/v1/session"),
        post(town.client("operator", csrf=True), "clock/advance", {"to": iso(START)}),
    ):
        assert answer.status_code == 403
        assert "CSRF" in answer.json()["detail"]
    assert Order.objects.count() == 1
    assert browser.get("/api/v1/me").status_code == 200

    assert browser.get("/api/v1/csrf").status_code == 204
    token = browser.cookies["csrftoken"].value
    assert post(browser, "orders", body, **{"X-CSRFToken": "x" * len(token)}).status_code == 403
    assert post(browser, "orders", body, **{"X-CSRFToken": token}).status_code == 201


def test_signing_in_needs_the_token_too(town):
    """Or a foreign page could sign a visitor in as somebody else."""
    browser, credentials = town.client(csrf=True), {"username": "ana", "password": "correct-horse"}
    assert post(browser, "session", credentials).status_code == 403
    assert browser.get("/api/v1/me").status_code == 403
    browser.get("/api/v1/csrf")
    token = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    me = post(browser, "session", credentials, **token)
    assert (me.status_code, me.json()["role"]) == (200, "prosumer")
    assert browser.cookies["sessionid"]["httponly"]
    assert me.json()["participant"]["meter_id"] == meter_id("ana")


def test_a_wrong_name_and_a_wrong_password_look_alike(town):
    guesses = [{"username": name, "password": "wrong-horse"} for name in ("ana", "nobody")]
    answers = [post(town.client(), "session", guess) for guess in guesses]
    assert {a.status_code for a in answers} == {403}
    assert answers[0].json() == answers[1].json()


def test_signing_out_ends_the_session(town):
    browser = town.client("ana")
    assert browser.delete("/api/v1/session").status_code == 204
    assert browser.get("/api/v1/me").status_code == 403


def test_a_mandate_is_taken_from_its_owner_alone(town):
    town.to(OPENED)
    message = {
        "owner": town.address("ana"),
        "agent": town.address("agent"),
        "maxBuyPrice": 200_000,
        "minSellPrice": 90_000,
        "feeCap": 2_000,
        "imbalanceCap": 500_000,
        "maxWhPerDay": 1_000,
        "validUntil": int(START.timestamp()),
        "nonce": 0,
    }
    client = town.client("ben")
    forged = {"message": message, "signature": town.sign("Mandate", message, "ben")}
    answer = post(client, "mandates", forged)
    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_signature")
    registry_services.accept_mandate(message, town.sign("Mandate", message, "ana"))
    with pytest.raises(ValueError, match="used before"):
        registry_services.accept_mandate(message, town.sign("Mandate", message, "ana"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("owner", "ana"),
        ("owner", "0x" + "zz" * 20),
        ("agent", "me"),
        ("agent", ""),
        ("agent", "0x" + "11" * 20),
        ("agent", "\x00"),
        ("maxBuyPrice", -1),
        ("maxBuyPrice", 2**64),
        ("maxBuyPrice", float("nan")),
        ("validUntil", 2**41),
        ("validUntil", -1),
        ("nonce", 1e300),
        ("maxBuyPrice", 1),
        ("feeCap", 2**32),
        ("imbalanceCap", -1),
    ],
)
def test_what_an_owner_could_not_mean_is_refused_by_name(town, field, value):
    message = {
        "owner": town.address("ana"),
        "agent": town.address("agent"),
        "maxBuyPrice": 200_000,
        "minSellPrice": 90_000,
        "feeCap": 2_000,
        "imbalanceCap": 500_000,
        "maxWhPerDay": 1_000,
        "validUntil": int(START.timestamp()),
        "nonce": 0,
    }
    spoiled = message | {field: value}
    try:
        signature = town.sign("Mandate", spoiled, "ana")
    except Exception:  # noqa: BLE001 - whatever cannot be encoded cannot be signed either
        signature = town.sign("Mandate", message, "ana")
    answer = post(town.client(), "mandates", {"message": spoiled, "signature": signature})
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["field"] == f"message.{field}", json.dumps(answer.json())
