"""Devices lose nothing and double nothing, sign what they say, and obey only while a lease lasts."""

import asyncio
import random
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.files import read_json
from demo.history import build_homes
from demo.household import Equipment, Household
from demo.keys import KeyRing
from demo.link import Outcome
from demo.losses import Losses
from demo.scenario import load_scenario
from demo.signing import SigningDomain, signed_reading
from demo.store import HomeFile, Reading
from domain.typed_data import typed_data

DOMAIN = SigningDomain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
START = datetime(2026, 6, 15, 4, tzinfo=UTC)
STEP = timedelta(hours=1)


class StubPlatform:
    """Keeps readings by (meter, interval) as the platform does, behind a line that drops a share ``loss``.

    A message may be lost on its way in, or its answer on its way out.
    """

    def __init__(self, keys: dict[str, str], *, loss: float = 0.0, seed: int = 0) -> None:
        self.keys = keys
        self.readings: dict[tuple[str, str], tuple[int, int]] = {}
        self.copies = 0
        self.acks: list[dict] = []
        self.statuses: list[tuple[str, dict]] = []
        self.cut_off = False
        self._loss = loss
        self._draw = random.Random(seed)  # noqa: S311 (simulated)

    def hurry(self) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def deliver(self, reading: dict) -> Outcome:
        assert not self.cut_off
        if self._draw.random() < self._loss:
            return Outcome.LATER
        assert signer(reading) == self.keys[reading["meter_id"]]
        key = (reading["meter_id"], reading["interval_start"])
        value = (reading["import_wh"], reading["export_wh"])
        self.copies += key in self.readings
        assert self.readings.setdefault(key, value) == value, "a second reading differs from the first"
        return Outcome.LATER if self._draw.random() < self._loss else Outcome.ARRIVED

    async def send_status(self, meter_id: str, body: dict) -> None:
        self.statuses.append((meter_id, body))

    async def send_ack(self, meter_id: str, body: dict) -> bool:
        assert body["meter_id"] == meter_id
        self.acks.append(body)
        return True


def signer(reading: dict) -> str:
    """Who signed a reading, recovered as the platform and the contract do."""
    message = {
        "meterId": bytes.fromhex(reading["meter_id"][2:]),
        "intervalStart": int(datetime.fromisoformat(reading["interval_start"]).timestamp()),
        "intervalSeconds": reading["interval_s"],
        "importWh": reading["import_wh"],
        "exportWh": reading["export_wh"],
    }
    document = typed_data(
        "MeterReading", message, chain_id=DOMAIN.chain_id, verifying_contract=DOMAIN.verifying_contract
    )
    return Account.recover_message(encode_typed_data(full_message=document), signature=reading["signature"])


class Neighbourhood:
    """The first home of a prepared state, and the platform that it reports to."""

    def __init__(
        self, state: Path, *, losses: Losses | None = None, loss: float = 0.0, seed: int = 0
    ) -> None:
        self.state = state
        facts = read_json(state / "community.json")
        self.member = facts["members"][0]
        self.meters = {m["role"]: m["meter_id"] for m in self.member["meters"]}
        self.platform = StubPlatform(
            {m["meter_id"]: m["key_address"] for m in self.member["meters"]}, loss=loss, seed=seed
        )
        keys = KeyRing.meters(state)
        homes = build_homes(load_scenario(Path(facts["scenario_file"])), facts)
        name = self.member["username"]
        self._equipment = Equipment(
            name,
            homes[name],
            self.meters,
            {meter_id: keys.account(meter_id) for meter_id in self.meters.values()},
            DOMAIN,
            losses or Losses(0, name, 0.0, 30.0),
        )
        self.start()

    def start(self) -> None:
        """Start the devices from what is on disk, as after SIGKILL."""
        self.memory = HomeFile.open(self.state, self.member["username"])
        self.household = Household(self._equipment, self.memory)
        self.household.link = self.platform

    def deliver(self) -> None:
        asyncio.run(self.household.deliver_once())


def command(sequence: int, start: datetime, power_kw: float, *, lease: timedelta = STEP) -> dict:
    return {
        "id": 100 + sequence,
        "sequence": sequence,
        "interval_start": start.isoformat(),
        "interval_end": (start + STEP).isoformat(),
        "power_min_kw": power_kw,
        "power_max_kw": power_kw,
        "grid_target_kw": 0.0,
        "lease_expires_at": (start + lease).isoformat(),
    }


@pytest.fixture
def home(state):
    return Neighbourhood(state)


@settings(max_examples=25, deadline=None)
@given(
    line=st.tuples(st.floats(0, 0.7), st.integers(0, 999)),
    minutes=st.lists(st.integers(1, 180), min_size=4, max_size=25),
    kills=st.sets(st.integers(0, 24)),
    lost_at=st.sets(st.integers(0, 24)),
)
def test_no_reading_is_lost_or_doubled(prepared, line, minutes, kills, lost_at):
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        shutil.copytree(prepared, state)
        home = Neighbourhood(state, loss=line[0], seed=line[1])
        now = START
        for at, passed in enumerate(minutes):
            now += timedelta(minutes=passed)
            home.household.tick(now)
            home.platform.cut_off = at in lost_at
            home.deliver()
            if at in kills:
                home.start()
        while home.memory.outbox:
            home.household.tick(now)
            home.deliver()
        intervals = (now - START) // STEP
        expected = {
            (meter_id, f"{START + at * STEP:%Y-%m-%dT%H:%M:%SZ}")
            for meter_id in home.meters.values()
            for at in range(intervals)
        }
        assert set(home.platform.readings) == expected


def test_a_reading_survives_a_kill_before_it_is_sent(home):
    home.household.tick(START + 3 * STEP)
    home.start()
    home.household.tick(START + 3 * STEP)
    home.deliver()
    home.deliver()
    assert len(home.platform.readings) == 9
    assert home.platform.copies == 0


def test_while_cut_off_readings_wait(state):
    losses = Losses(3, "ada", 4.0, 120.0)
    begin, end = next(losses.of_day(START.date()))
    home = Neighbourhood(state, losses=losses)
    home.household.tick(begin + (end - begin) / 2)
    home.deliver()
    assert home.platform.cut_off
    assert home.platform.readings == {}
    assert len(home.memory.outbox) > 0
    home.household.tick(end)
    for _ in range(20):
        home.deliver()
    assert home.memory.outbox == []


def test_losses_are_the_same_again_and_as_many_as_told():
    losses = Losses(7, "ada", 2.0, 30.0)
    days = [START.date() + timedelta(days=at) for at in range(300)]
    drawn = [loss for day in days for loss in losses.of_day(day)]
    assert drawn == [loss for day in days for loss in Losses(7, "ada", 2.0, 30.0).of_day(day)]
    assert drawn != [loss for day in days for loss in Losses(7, "ben", 2.0, 30.0).of_day(day)]
    assert len(drawn) / 300 == pytest.approx(2.0, rel=0.15)
    assert all(timedelta(minutes=15) <= end - start <= timedelta(minutes=45) for start, end in drawn)
    assert all(losses.lost(start) and losses.lost(end - timedelta(seconds=1)) for start, end in drawn)
    assert not any(Losses(7, "ada", 0.0, 30.0).lost(start) for start, _ in drawn)


def test_a_signature_is_the_meters_own(home):
    meter_id = home.meters["grid"]
    account = KeyRing.meters(home.state).account(meter_id)
    body = signed_reading(account, DOMAIN, Reading(meter_id, "2026-06-15T04:00:00Z", 3600, 1234, 0, None))
    assert signer(body) == account.address == home.platform.keys[meter_id]
    assert signer({**body, "import_wh": 1235}) != account.address


def test_meters_sign_for_the_oracle_and_owners_for_the_exchange():
    community = {
        "eip712": {"chainId": 31337, "verifyingContract": "0x" + "e" * 40},
        "contracts": {"exchange": "0x" + "e" * 40, "oracle": "0x" + "0a" * 20},
    }
    assert SigningDomain.of_owners(community) == SigningDomain(31337, community["contracts"]["exchange"])
    assert SigningDomain.of_meters(community) == SigningDomain(31337, community["contracts"]["oracle"])


def battery_kwh(home: Neighbourhood, start: datetime) -> float:
    key = (home.meters["battery"], f"{start:%Y-%m-%dT%H:%M:%SZ}")
    imported, exported = home.platform.readings[key]
    return (imported - exported) / 1_000


def run_interval(home: Neighbourhood, start: datetime) -> float:
    home.household.tick(start + STEP)
    home.deliver()
    return battery_kwh(home, start)


def test_a_command_is_obeyed_and_acknowledged(home):
    home.household.tick(START)
    home.household.take_command(command(1, START, 1.5))
    home.deliver()
    assert home.platform.acks == [
        {"command_id": 101, "meter_id": home.meters["battery"], "state": "accepted", "reason": ""}
    ]
    assert not home.household.wants_command()
    assert run_interval(home, START) == pytest.approx(1.5)


def test_when_the_lease_expires_the_home_consumes_its_own(home, state, tmp_path):
    shutil.copytree(state, tmp_path / "alone")
    alone = run_interval(Neighbourhood(tmp_path / "alone"), START)
    home.household.tick(START)
    home.household.take_command(command(1, START, 0.0, lease=STEP / 2))
    assert run_interval(home, START) == pytest.approx(alone / 2, abs=0.001)
    assert alone != 0


def test_an_expired_lease_is_refused(home):
    home.household.tick(START + STEP)
    home.household.take_command(command(1, START, 5.0))
    home.deliver()
    (ack,) = home.platform.acks
    assert (ack["state"], ack["reason"]) == ("refused", "the lease has expired")
    assert home.household.wants_command()


def test_an_older_command_is_ignored(home):
    home.household.tick(START)
    home.household.take_command(command(5, START, 1.0))
    home.household.take_command(command(4, START, -5.0))
    home.deliver()
    assert [ack["command_id"] for ack in home.platform.acks] == [105]
    assert run_interval(home, START) == pytest.approx(1.0)


def test_a_command_outlives_a_kill_and_is_acknowledged_again(home):
    home.household.tick(START)
    home.household.take_command(command(1, START, 1.5))
    home.start()
    home.household.tick(START)
    home.household.take_command(command(1, START, 1.5))
    home.deliver()
    assert [ack["state"] for ack in home.platform.acks] == ["accepted"]
    assert run_interval(home, START) == pytest.approx(1.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"power_min_kw": "much"},
        {"power_max_kw": float("nan")},
        {"power_min_kw": 9.0, "power_max_kw": 1.0},
        {"interval_start": "soon"},
    ],
)
def test_a_command_that_is_none_changes_nothing(home, wrong):
    home.household.tick(START)
    home.household.take_command({**command(1, START, 1.0), **wrong})
    assert home.household.wants_command()


def test_time_that_jumps_is_lived_through(home):
    home.household.tick(START + 5 * STEP + STEP / 3)
    assert len(home.memory.outbox) == 15
    assert home.memory.state.time == START + 5 * STEP
