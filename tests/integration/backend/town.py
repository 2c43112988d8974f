"""A small community whose keys the tests hold: what its devices and owners would send.

Ana only consumes, Ben has PV and a battery and speaks MQTT, Cleo only consumes. Time is stepped.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from backend.market import services as market
from backend.market.models import DeliveryInterval
from backend.registry import services as registry
from backend.registry import signing
from backend.registry.models import Community, Meter, Participant
from backend.telemetry import services as telemetry
from backend.telemetry.models import Reading
from domain import meter_ids
from domain.market import first_nonce

OPENED = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEP_S = 3600
IMPORT, FEED_IN, FEE = 210_000, 80_000, 2_000
EXCHANGE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
ORACLE = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BATTERY = {
    "capacity_kwh": 10.0,
    "max_charge_kw": 4.0,
    "max_discharge_kw": 4.0,
    "charge_efficiency": 0.95,
    "discharge_efficiency": 0.95,
    "soc_min_kwh": 1.0,
}
ROLES = {"ana": ("grid",), "ben": ("grid", "pv", "battery"), "cleo": ("grid",)}


def key_of(who):
    return "0x" + keccak(text=f"town/{who}").hex()


def meter_id(name, role="grid"):
    return meter_ids.meter_id(signing.address_of(key_of(name)), meter_ids.FIRST_NUMBER[role])


def iso(instant):
    return instant.isoformat().replace("+00:00", "Z")


def mirrored(signature):
    """The other signature of the same message by the same key: s negated, v flipped."""
    raw = bytes.fromhex(signature[2:])
    s = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    return "0x" + (raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()


@dataclass
class Town:
    """The community, its keys, and the requests of its people and devices."""

    keys: dict = field(default_factory=dict)

    def key(self, who):
        if who == "agent":
            return settings.AGENT_KEY
        return self.keys.setdefault(who, key_of(who))

    def address(self, who):
        return signing.address_of(self.key(who))

    def facts(self, names=tuple(ROLES), *, minutes=60, speed=0):
        """What community.json says of it."""
        return {
            "name": "Town",
            "scenario": "town",
            "time_zone": "Europe/Lisbon",
            "currency": "EUR",
            "interval_minutes": minutes,
            "reading_deadline_minutes": 120,
            "market": {"gate_open_h": 24, "gate_close_intervals": 1},
            "tariff": {
                "import_micro_per_kwh": IMPORT,
                "feed_in_micro_per_kwh": FEED_IN,
                "fee_micro_per_kwh": FEE,
                "bands": [],
            },
            "clock": {"start": iso(OPENED), "speed": speed},
            "retailer_address": self.address("retailer"),
            "community_fund_address": self.address("fund"),
            "staff": [
                {"username": name, "name": name, "role": name, "password": "correct-horse"}
                for name in ("operator", "auditor")
            ],
            "members": [self._member(name) for name in names],
        }

    def _member(self, name):
        transport = "mqtt" if name == "ben" else "http"
        return {
            "username": name,
            "name": name.title(),
            "pseudonym": f"{name}-p",
            "password": "correct-horse",
            "wallet_address": self.address(name),
            "meters": [
                {
                    "meter_id": meter_id(name, role),
                    "role": role,
                    "key_address": self.address(f"{name} {role}"),
                    "transport": transport,
                }
                for role in ROLES[name]
            ],
            "battery": BATTERY if "battery" in ROLES[name] else None,
            "pv_nominal_kw": 5.0 if "pv" in ROLES[name] else None,
        }

    def load(self, facts):
        registry.load_community(facts, agent_address=self.address("agent"))
        Community.objects.update(
            chain_id=31_337,
            exchange_address=EXCHANGE,
            token_address=EXCHANGE,
            registry_address=EXCHANGE,
            oracle_address=ORACLE,
        )
        return self

    def to(self, instant):
        """Step the clock, and open the gates that open."""
        registry.advance_clock(instant)
        market.open_intervals(instant)
        return self

    def client(self, who=None, *, csrf=False):
        """A browser; signed in when `who` is given. An unforeseen error is a 500, as in real life."""
        client = Client(raise_request_exception=False, enforce_csrf_checks=csrf)
        if who:
            client.force_login(get_user_model().objects.get(username=who))
        return client

    def participant(self, name):
        return Participant.objects.get(user__username=name)

    def meter(self, name, role="grid"):
        return Meter.objects.get(meter_id=meter_id(name, role))

    def interval(self, start):
        return DeliveryInterval.objects.get(start=start)

    def sign(self, kind, message, by):
        community = Community.objects.get()
        domain = community.readings_eip712() if kind == "MeterReading" else community.eip712()
        return signing.sign(kind, message, domain, key=self.key(by))

    def sign_text(self, text, by):
        return "0x" + bytes(Account.sign_message(encode_defunct(text=text), self.key(by)).signature).hex()

    def reading(self, name="ana", role="grid", **terms):
        """A reading as its meter would send it, signed by the key of the meter `by` where given."""
        terms = {"start": OPENED, "by": f"{name} {role}", "interval_s": STEP_S, "wh": (1_200, 0)} | terms
        message = {
            "meterId": bytes.fromhex(meter_id(name, role)[2:]),
            "intervalStart": int(terms["start"].timestamp()),
            "intervalSeconds": terms["interval_s"],
            "importWh": terms["wh"][0],
            "exportWh": terms["wh"][1],
        }
        return {
            "meter_id": meter_id(name, role),
            "interval_start": iso(terms["start"]),
            "interval_s": terms["interval_s"],
            "import_wh": terms["wh"][0],
            "export_wh": terms["wh"][1],
            "signature": self.sign("MeterReading", message, terms["by"]),
        }

    def read(self, name, role="grid", *, start=OPENED, wh=(1_200, 0), soc_wh=None):
        """Store such a reading."""
        terms = self.reading(name, role, start=start, wh=wh) | {"interval_start": start, "soc_wh": soc_wh}
        return telemetry.accept_reading(telemetry.SignedReading(**terms), source=Reading.Source.HTTP)

    def signed_order(self, name="ana", side="buy", *, start, by="", k=1, **changes):
        """An order by its owner, the `k`-th for its interval, or signed by another's key."""
        terms = {
            "owner": self.address(name),
            "meter_id": meter_id(name),
            "side": side,
            "interval_start": start,
            "interval_s": STEP_S,
            "energy_wh": 1_000,
            "limit_micro_per_kwh": 150_000,
            "fee_cap_micro_per_kwh": FEE,
            "imbalance_cap_micro_per_kwh": 500_000,
            "nonce": first_nonce(start) + k,
            "expiry": start + HOUR,
        } | changes
        message = market.SignedOrder(**terms, signature="").message()
        return market.SignedOrder(**terms, signature=self.sign("Order", message, by or name))

    def order(self, *args, **terms):
        """The body of such an order."""
        body = asdict(self.signed_order(*args, **terms))
        return body | {name: iso(body[name]) for name in ("interval_start", "expiry")}

    def place(self, *args, **terms):
        """Store such an order, as of the clock."""
        now = Community.objects.get().anchor_community
        return market.place_order(self.signed_order(*args, **terms), as_of=now)

    def mandate(self, name, *, max_buy=200_000, min_sell=90_000, until=OPENED + timedelta(days=30), nonce=0):
        """What the owner signs to let the platform's agent trade."""
        message = {
            "owner": self.address(name),
            "agent": self.address("agent"),
            "maxBuyPrice": max_buy,
            "minSellPrice": min_sell,
            "feeCap": FEE,
            "imbalanceCap": 500_000,
            "maxWhPerDay": 50_000,
            "validUntil": int(until.timestamp()),
            "nonce": nonce,
        }
        return registry.accept_mandate(message, self.sign("Mandate", message, name))


def post(client, path, body, **headers):
    """POST JSON; NaN and infinity go out as Python writes them."""
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(f"/api/v1/{path}", text, content_type="application/json", headers=headers)


def refused(answer, status, field_name, code=None):
    """The answer is problem+json and names the field."""
    assert answer.status_code == status, answer.content[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["type"] == "about:blank"
    assert field_name in [error["field"] for error in body["errors"]], body
    assert field_name in body["detail"]
    if code:
        assert body["code"] == code, body
    return body
