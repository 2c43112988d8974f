"""Signed readings over HTTP: taken once and whole, or refused by field; nothing in between is stored."""

from datetime import UTC, datetime, timedelta

import pytest
from town import HOUR, OPENED, iso, meter_id, mirrored, post, refused

from backend.registry.models import Community
from backend.telemetry.models import Reading

NEXT = OPENED + HOUR


@pytest.fixture
def door(town):
    """POSTs readings once the first interval is over."""
    town.to(NEXT)
    client = town.client()
    return lambda body: post(client, "readings", body)


def test_a_reading_is_taken_once_and_as_signed(town, door):
    body = town.reading(wh=(1_200, 7)) | {"soc_wh": 4_000}
    answer = door(body)
    assert answer.status_code == 201
    assert answer.json()["import_wh"] == 1_200
    stored = Reading.objects.get()
    assert (stored.import_wh, stored.export_wh, stored.soc_wh) == (1_200, 7, 4_000)
    assert (stored.interval_start, stored.received_at, stored.quality) == (OPENED, NEXT, "signed")

    refused(door(body), 409, "interval_start", "replayed")
    refused(door(town.reading(wh=(9, 9))), 409, "interval_start", "replayed")
    assert Reading.objects.get().import_wh == 1_200


@pytest.mark.parametrize("name", ["import_wh", "export_wh", "interval_s", "soc_wh"])
@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        -1,
        0.5,
        10**12 + 1,
        10**30,
        1e400,
        True,
        "many",
        "1\x00",
        "",
        [],
        {"wh": 1},
    ],
    ids=repr,
)
def test_a_number_that_is_none_is_refused_by_name(town, door, name, value):
    refused(door(town.reading() | {name: value}), 400, name)
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    "name", ["meter_id", "interval_start", "interval_s", "import_wh", "export_wh", "signature"]
)
def test_what_is_missing_or_null_is_named(town, door, name):
    body = town.reading()
    refused(door(body | {name: None}), 400, name)
    del body[name]
    refused(door(body), 400, name, "required")


@pytest.mark.parametrize(
    "value",
    [
        "2026-06-01T12:00:00",
        "2026-06-01",
        "noon",
        1_780_315_200,
        "2026-06-01T12:00:00+99:00",
        "2026-02-30T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00Z",
        "9999-12-31T23:00:00-14:00",
        "1969-12-31T23:00:00Z",
        "0001-01-01T00:00:00Z",
        "2026-06-01T12:00:00.000001Z",
        "2026-06-01T12:30:00Z",
        None,
    ],
)
def test_an_instant_that_begins_no_past_interval_is_refused(town, door, value):
    refused(door(town.reading() | {"interval_start": value}), 400, "interval_start")
    assert not Reading.objects.exists()


def test_a_naive_time_says_what_it_lacks(town, door):
    body = refused(
        door(town.reading() | {"interval_start": "2026-06-01T12:00:00"}), 400, "interval_start", "naive_time"
    )
    assert "offset" in body["detail"]


def test_the_same_instant_with_another_offset_is_the_same_reading(town, door):
    local = OPENED.astimezone(datetime.strptime("+0545", "%z").tzinfo).isoformat()
    assert door(town.reading() | {"interval_start": local}).status_code == 201
    assert Reading.objects.get().interval_start == OPENED


def test_an_interval_that_is_not_over_is_too_early(town, door):
    refused(door(town.reading(start=NEXT)), 400, "interval_start", "too_early")
    refused(door(town.reading(start=OPENED + timedelta(days=400))), 400, "interval_start", "too_early")


def test_an_interval_that_is_none_is_refused_though_signed(town, door):
    refused(door(town.reading(start=OPENED - timedelta(minutes=30))), 400, "interval_start")
    refused(door(town.reading(interval_s=900)), 400, "interval_s")
    old = datetime(1960, 1, 1, tzinfo=UTC)
    refused(door(town.reading() | {"interval_start": iso(old)}), 400, "interval_start")


def test_unknown_meters_are_refused(town, door):
    stranger = "0x" + "ab" * 32
    refused(door(town.reading() | {"meter_id": stranger}), 400, "meter_id", "unknown_meter")
    for wrong in ("0x12", "", "ab" * 33, "0x" + "zz" * 32, meter_id("ana") + "\n" * 3 + "x", 7, "\ud800"):
        refused(door(town.reading() | {"meter_id": wrong}), 400, "meter_id")


def test_a_meter_may_be_written_in_capitals(town, door):
    body = town.reading()
    assert door(body | {"meter_id": "0x" + body["meter_id"][2:].upper()}).status_code == 201
    assert Reading.objects.get().meter.meter_id == meter_id("ana")


@pytest.mark.parametrize("by", ["ben grid", "ben battery", "ana", "operator", "agent"])
def test_nobody_speaks_for_another_meter(town, door, by):
    refused(door(town.reading(by=by)), 400, "signature", "wrong_signature")


@pytest.mark.parametrize(
    "changes",
    [
        {"import_wh": 1_201},
        {"export_wh": 1},
        {"meter_id": meter_id("cleo")},
        {"interval_start": iso(OPENED - HOUR)},
    ],
    ids=lambda c: next(iter(c)),
)
def test_no_field_can_be_changed_under_the_signature(town, door, changes):
    refused(door(town.reading() | changes), 400, "signature", "wrong_signature")
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    "signature",
    [
        "",
        12,
        ["0x"],
        "0x" + "00" * 64,
        "0x" + "00" * 66,
        "1x" + "00" * 65,
        "00" * 66,
        "0x" + "zz" * 65,
        "0x" + "00" * 65,
        "0x" + "ff" * 65,
        "0x" + "é" * 130,
        "0x" + "\x00" * 130,
        "0x" + "\ud800" * 130,
        "0x" + " 1" * 65,
    ],
)
def test_malformed_signatures_are_refused(town, door, signature):
    refused(door(town.reading() | {"signature": signature}), 400, "signature")


def test_only_the_signature_that_the_contract_takes_is_taken(town, door):
    """The contract refuses a high s and any v but 27 and 28: such a reading could never be settled with."""
    body = town.reading()
    signature = body["signature"]
    v = int(signature[-2:], 16)
    refused(door(body | {"signature": mirrored(signature)}), 400, "signature", "malformed_signature")
    for other_v in (v - 27, v + 8, v + 10):
        twisted = signature[:-2] + f"{other_v:02x}"
        refused(door(body | {"signature": twisted}), 400, "signature", "malformed_signature")
    assert not Reading.objects.exists()
    assert door(body | {"signature": "0x" + signature[2:].upper()}).status_code == 201


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"7",
        b'"reading"',
        b"[]",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"import_wh": 1' + b"0" * 5_000 + b"}",
        "🌞".encode(),
    ],
    ids=lambda t: repr(t[:10]),
)
def test_a_body_that_is_no_reading_is_refused(door, text):
    answer = door(text)
    assert answer.status_code == 400, answer.content[:300]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_only_json_is_read(town):
    answer = town.client().post("/api/v1/readings", {"meter_id": meter_id("ana")})
    assert answer.status_code == 415
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_every_mistake_is_named_at_once(door):
    answer = door({"meter_id": "x", "interval_start": "x", "interval_s": 0, "import_wh": -1, "export_wh": 1})
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"meter_id", "interval_start", "interval_s", "import_wh", "signature"}


def test_a_late_reading_of_an_earlier_interval_is_taken(town, door):
    town.to(OPENED + 5 * HOUR)
    for hours in (3, 0, 2):
        assert door(town.reading(start=OPENED + hours * HOUR)).status_code == 201
    assert Reading.objects.count() == 3


def test_a_signature_of_another_community_is_worth_nothing(town, door):
    body = town.reading()
    Community.objects.update(chain_id=1)
    refused(door(body), 400, "signature", "wrong_signature")


def test_extra_fields_are_ignored(town, door):
    assert door(town.reading() | {"quality": "signed", "id": 3, "meter": 1}).status_code == 201
