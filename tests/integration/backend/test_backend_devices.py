"""Statuses, commands and acknowledgements over HTTP: a device speaks for itself alone, and a lease ends."""

import json
from datetime import timedelta

import pytest
from town import HOUR, OPENED, iso, meter_id, post, refused

from backend.dispatch import services
from backend.dispatch.models import Command
from backend.telemetry.models import DeviceStatus


@pytest.fixture
def sign_and_post(town):
    """POSTs a body signed by a device's key, or by another's."""
    client = town.client()

    def send(path, body, *, by="ben battery"):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = town.sign_text(text.decode(errors="replace"), by)
        return post(client, path, text, **{"X-Device-Signature": signature})

    return send


BATTERY = meter_id("ben", "battery")


def status(**changes):
    return {"meter_id": BATTERY, "at": iso(OPENED), "power_kw": 1.5, "soc_kwh": 4.0} | changes


def leased(town, at=OPENED, **changes):
    set_point = services.SetPoint(
        **{"grid_target_kw": 0.0, "power_min_kw": 0.0, "power_max_kw": 2.0} | changes
    )
    return services.issue_commands({town.meter("ben").site_id: set_point}, as_of=at)


def test_the_newest_status_is_kept(sign_and_post):
    assert sign_and_post("devices/status", status()).status_code == 204
    later = status(at=iso(OPENED + timedelta(minutes=1)), power_kw=-2)
    assert sign_and_post("devices/status", later).status_code == 204
    refused(sign_and_post("devices/status", status()), 409, "at", "replayed")
    assert DeviceStatus.objects.get().power_kw == -2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("power_kw", float("nan")),
        ("power_kw", float("inf")),
        ("power_kw", 1e400),
        ("power_kw", 1.7e308),
        ("power_kw", None),
        ("power_kw", "much"),
        ("soc_kwh", float("nan")),
        ("soc_kwh", -float("inf")),
        ("soc_kwh", 1e300),
        ("at", "2026-06-01T12:00:00"),
        ("at", "9999-12-31T00:00:00Z"),
        ("at", iso(OPENED + timedelta(days=1))),
        ("meter_id", "0x" + "00" * 32),
        ("meter_id", "\x00"),
    ],
)
def test_a_status_that_cannot_be_is_refused_by_name(sign_and_post, field, value):
    refused(sign_and_post("devices/status", status(**{field: value})), 400, field)
    assert not DeviceStatus.objects.exists()


def test_a_status_needs_its_own_meters_signature_over_these_very_bytes(town, sign_and_post):
    for by in ("ana grid", "ben grid", "ben", "operator"):
        refused(sign_and_post("devices/status", status(), by=by), 400, "signature", "wrong_signature")
    client, text = town.client(), json.dumps(status())
    refused(post(client, "devices/status", text), 400, "X-Device-Signature", "required")
    signature = town.sign_text(text, "ben battery")
    answer = post(client, "devices/status", text + " ", **{"X-Device-Signature": signature})
    refused(answer, 400, "signature", "wrong_signature")
    for malformed in ("0x", "0x" + "zz" * 65, "x" * 5_000):
        answer = post(client, "devices/status", text, **{"X-Device-Signature": malformed})
        refused(answer, 400, "signature", "malformed_signature")
    assert not DeviceStatus.objects.exists()


@pytest.mark.parametrize("door", ["devices/status", "devices/acks"])
@pytest.mark.parametrize("text", [b"\xff\xfe", b"", b"[1]", b"{", b"null", b"[" * 100_000])
def test_bytes_that_are_no_message_are_refused(sign_and_post, door, text):
    assert sign_and_post(door, text).status_code == 400


def test_commands_are_leases_with_growing_sequence(town):
    client = town.client()

    def current(**query):
        return client.get("/api/v1/devices/commands", {"meter_id": BATTERY} | query)

    assert current().json() == {"command": None}
    (first,) = leased(town)
    assert leased(town, power_max_kw=3.0) == []  # this interval has its command
    facts = current().json()["command"]
    assert (facts["sequence"], facts["interval_start"]) == (1, iso(OPENED))
    assert facts["lease_expires_at"] == facts["interval_end"] == iso(OPENED + HOUR)
    assert (facts["power_min_kw"], facts["power_max_kw"]) == (0.0, 2.0)

    town.to(OPENED + HOUR)
    assert current().json() == {"command": None}
    (second,) = leased(town, OPENED + HOUR + timedelta(minutes=59))
    assert (second.sequence, second.interval_start) == (2, OPENED + HOUR)
    assert current().json()["command"]["id"] == second.pk > first.pk
    assert current(meter_id=meter_id("ana")).json() == {"command": None}
    for wrong in ("", "\x00", "ben", "0x" + "z" * 64):
        refused(current(meter_id=wrong), 400, "meter_id")


def test_only_batteries_get_commands(town):
    set_point = services.SetPoint(grid_target_kw=0.0, power_min_kw=0.0, power_max_kw=0.0)
    sites = [town.meter(name).site_id for name in ("ana", "ben", "cleo")]
    issued = services.issue_commands(dict.fromkeys(sites, set_point), as_of=OPENED)
    assert [command.meter.meter_id for command in issued] == [BATTERY]


def test_a_device_acknowledges_its_own_command_once(town, sign_and_post):
    (command,) = leased(town)
    body = {
        "command_id": command.pk,
        "meter_id": meter_id("ben", "battery"),
        "state": "refused",
        "reason": "too cold",
    }
    refused(sign_and_post("devices/acks", body, by="ana grid"), 400, "signature", "wrong_signature")
    foreign = body | {"meter_id": meter_id("ana")}
    refused(sign_and_post("devices/acks", foreign, by="ana grid"), 400, "command_id", "unknown_command")
    assert sign_and_post("devices/acks", body).status_code == 204
    assert sign_and_post("devices/acks", body | {"state": "accepted", "reason": ""}).status_code == 204
    command.refresh_from_db()
    assert (command.state, command.refusal) == ("refused", "too cold")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command_id", 10**30),
        ("command_id", -1),
        ("command_id", "x"),
        ("command_id", float("nan")),
        ("state", "issued"),
        ("state", None),
        ("reason", "x" * 201),
        ("reason", "\x00"),
        ("reason", "\ud800"),
        ("meter_id", None),
    ],
)
def test_an_acknowledgement_that_is_none_is_refused_by_name(town, sign_and_post, field, value):
    (command,) = leased(town)
    body = {
        "command_id": command.pk,
        "meter_id": meter_id("ben", "battery"),
        "state": "accepted",
        "reason": "",
    }
    refused(sign_and_post("devices/acks", body | {field: value}), 400, field)
    assert Command.objects.get().state == "issued"
