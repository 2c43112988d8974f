"""What stands at the backend's edge: parsing, signatures, instants, and the shape of a refusal."""

import pytest
from eth_account import Account
from rest_framework import exceptions, serializers

from backend.registry import signing
from backend.registry.parsers import MAX_BRACKETS, MAX_BYTES, read_json
from backend.registry.problems import problem_response
from backend.registry.serializers import InstantField
from domain.errors import FieldError

KEY = "0x" + "01" * 32
EIP712 = {"chain_id": 31_337, "verifying_contract": "0x5FbDB2315678afecb367f032d93F642f64180aa3"}
READING = {
    "meterId": bytes(32),
    "intervalStart": 0,
    "intervalSeconds": 900,
    "importWh": 2**64 - 1,
    "exportWh": 0,
}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b"1 2", "{}".encode("utf-16"), b"9" * 5_000, b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_is_named_the_body(raw):
    with pytest.raises(FieldError, match=r"^body: must be JSON") as refusal:
        read_json(raw)
    assert refusal.value.code == "malformed"


def test_messages_are_small_and_shallow():
    assert read_json(b'"' + b"x" * (MAX_BYTES - 2) + b'"')
    with pytest.raises(FieldError, match=f"longer than {MAX_BYTES}"):
        read_json(b'"' + b"x" * (MAX_BYTES - 1) + b'"')
    assert read_json(b"[" * MAX_BRACKETS + b"]" * MAX_BRACKETS)
    for bracket in (b"[", b'{"":'):
        with pytest.raises(FieldError, match="brackets"):
            read_json(bracket * (MAX_BRACKETS + 1))


def test_a_signature_is_its_signers_over_this_message_and_domain():
    signature = signing.sign("MeterReading", READING, EIP712, key=KEY)
    assert signing.recover("MeterReading", READING, EIP712, signature=signature) == signing.address_of(KEY)
    for other in (
        signing.recover("MeterReading", READING | {"exportWh": 1}, EIP712, signature=signature),
        signing.recover("MeterReading", READING, EIP712 | {"chain_id": 1}, signature=signature),
    ):
        assert other != signing.address_of(KEY)


def test_signatures_have_one_form():
    """Every key's signature is in it; its mirror image, which Python alone would take, is not."""
    order = 2 * signing.HIGHEST_S + 1
    for number in range(20):
        key = Account.create(number).key.hex()
        signature = signing.sign("MeterReading", READING, EIP712, key=key)
        assert signing.recover("MeterReading", READING, EIP712, signature=signature) == signing.address_of(
            key
        )
        r, s, v = signature[:66], int(signature[66:130], 16), int(signature[130:], 16)
        for mirror in (
            f"{r}{order - s:064x}{55 - v:02x}",
            f"{r}{s:064x}{v - 27:02x}",
            f"{r}{s:064x}{v + 10:02x}",
        ):
            with pytest.raises(FieldError) as refusal:
                signing.recover("MeterReading", READING, EIP712, signature=mirror)
            assert refusal.value.code == "malformed_signature"


@pytest.mark.parametrize("value", ["", "0x", "ana", "0x" + "1" * 39, "0x" + "g" * 40, "\x00", "\ud800"])
def test_what_is_no_address_is_named(value):
    with pytest.raises(FieldError, match=r"^owner: "):
        signing.checksum_address(value, "owner")


class Nested(serializers.Serializer):
    """A body with a body in it."""

    class Inner(serializers.Serializer):
        at = InstantField()
        power_kw = serializers.FloatField()

    message = Inner()
    parts = Inner(many=True)


def test_a_refusal_names_the_field_wherever_it_lies():
    at, good = "2026-06-01T12:00:00", {"at": "2026-06-01T12:00:00Z", "power_kw": 1}
    body = Nested(data={"message": {"at": at, "power_kw": "NaN"}, "parts": [good, good | {"at": 3}]})
    assert not body.is_valid()
    answer = problem_response(exceptions.ValidationError(body._errors), {})
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    fields = {error["field"]: error["code"] for error in answer.data["errors"]}
    assert fields["message.at"] == "naive_time"
    assert fields["message.power_kw"] == "invalid"
    assert [name for name in fields if name.startswith("parts")] == ["parts.1.at"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FieldError("nonce", "was used", code="already_used"), 409, "already_used"),
        (FieldError("nonce", "is odd"), 400, "invalid"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.Throttled(wait=3), 429, "throttled"),
    ],
)
def test_every_refusal_has_the_same_shape(error, status, code):
    body = problem_response(error, {}).data
    assert set(body) == {"type", "title", "status", "detail", "code", "errors"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]


def test_what_is_no_refusal_is_left_alone():
    assert problem_response(RuntimeError("a fault of ours"), {}) is None
