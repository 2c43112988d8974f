"""Processes killed at random moments of a settling day: nothing is lost, nothing is done twice.

Two communities live the same day side by side, each under its own `python -m launch run`. In one of them the
worker, Anvil and PostgreSQL are killed with SIGKILL; the other is left in peace, and then loses three blocks.
COMMONWATT_KILL_SEED repeats the choice of victims and moments (not the machine's own timing),
COMMONWATT_KILLS is their number: `make test-kills` asks for twenty.
"""

import os
import random
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle

import pytest
from running_platform import HOUR, running

STEPS = 27
"""Hours from the stepped start, three before midnight, to the day's end."""
INTERVALS_A_DAY = 24
REORGANISED = 3
SETTLED = STEPS - 1
"""The first hour is over before anybody can trade in it."""
FIRST_KILL_STEP = 2
KILLS = int(os.environ.get("COMMONWATT_KILLS", "8"))
LONGEST_DELAY_S = 0.4
DEPOSITS = {6: ("ada", 1_000_001), 12: ("ben", 2_000_002), 18: ("ada", 3_000_003)}
"""Who pays in how much, by step."""
OPEN = ("pending", "sent")


def stage_due(*stages):
    return lambda status: any(item["stage"] in stages for item in status["pending"])


def row_open(stage):
    return lambda status: any(row["stage"] == stage and row["state"] in OPEN for row in status["outbox"])


PHASES = {
    "readings arrive": lambda _status: True,
    "planning": stage_due("plan"),
    "clearing": stage_due("clear", "commit"),
    "a commitment is sent": row_open("commit"),
    "settling": stage_due("settle"),
    "a settlement is sent": row_open("settle"),
    "at rest": lambda _status: False,
}
"""Moments of an interval by what the pipeline's status shows."""


@dataclass
class Kill:
    """One SIGKILL: in which hour, of whom, when."""

    step: int
    victim: str
    phase: str
    delay_s: float
    forked: bool
    """Not the process itself but one that it has forked: a session of PostgreSQL, a process of the worker."""
    seen: bool = False
    """Whether its phase showed itself in time."""

    def strike(self, platform):
        """Kill; what was killed shortly before may not be up yet."""
        platform.until(f"{self.victim} is there", lambda: platform.child(self.victim))
        process = platform.child(self.victim)
        children = process.children() if self.forked else []
        max([process, *children], key=lambda each: each.pid if each in children else 0).kill()


def choose_kills(seed):
    """As many kills of each victim, in different hours; each victim in every phase before one comes again."""
    draw = random.Random(seed)  # noqa: S311 (moments, not secrets)
    steps = sorted(draw.sample(range(FIRST_KILL_STEP, STEPS), KILLS))
    victims = [victim for victim, _ in zip(cycle(("worker", "anvil", "postgres")), steps, strict=False)]
    draw.shuffle(victims)
    phases = {victim: cycle(draw.sample(sorted(PHASES), len(PHASES))) for victim in set(victims)}
    forked = {"worker": cycle((False, True)), "postgres": cycle((False, True)), "anvil": cycle((False,))}
    return {
        step: Kill(step, victim, next(phases[victim]), draw.uniform(0, LONGEST_DELAY_S), next(forked[victim]))
        for step, victim in zip(steps, victims, strict=True)
    }


def live_day(platform, kills):
    """From the stepped start to the day's end; after each kill every member's statement is audited."""
    now = platform.begin()
    for step in range(1, STEPS + 1):
        if step in DEPOSITS:
            platform.deposit(*DEPOSITS[step])
        now += HOUR
        platform.advance(now)
        kill = kills.get(step)
        if kill:
            wait_for_phase(platform, kill, now)
            kill.strike(platform)
        following = kills.get(step + 1)
        platform.settle_down(now, kept=following is not None and following.victim == "anvil")
        if kill:
            platform.audit()


def wait_for_phase(platform, kill, now):
    """Until its phase shows itself; where that was over too soon, until all is done."""
    while not kill.seen:
        status = platform.status()
        kill.seen = status is not None and PHASES[kill.phase](status)
        if not kill.seen and platform.is_done(now):
            break
    time.sleep(kill.delay_s)


def assert_whole(platform):
    """Every interval is settled once, in the books and on the chain; nothing is stuck or was sent twice."""
    books = platform.ask("books")
    assert [row[1] for row in books["intervals"][:SETTLED]] == ["settled"] * SETTLED
    for name, key_columns in {"readings": 2, "settlements": 1, "lines": 2, "outbox": 1}.items():
        assert set(Counter(str(row[:key_columns]) for row in books[name]).values()) == {1}
    assert {row[4] for row in books["settlements"]} == {True}
    assert len(books["settlements"]) == SETTLED
    assert len(books["lines"]) == SETTLED * len(platform.facts["members"])
    meters = sum(len(member["meters"]) for member in platform.facts["members"])
    assert len(books["readings"]) == STEPS * meters
    assert {state for _, state in books["outbox"]} == {"confirmed"}
    assert_nonces_used_once(platform)
    platform.audit()
    platform.audit_from_the_shell()
    return books


def assert_nonces_used_once(platform):
    """What the chain has of the platform's accounts is what the outbox has, transaction by transaction."""
    rows = platform.ask("rows")
    assert rows
    for sender in {row["sender"] for row in rows}:
        used = sorted(row["nonce"] for row in rows if row["sender"] == sender)
        assert used == list(range(int(platform.rpc("eth_getTransactionCount", sender, "latest"), 16)))


@pytest.fixture(scope="module")
def platforms(tmp_path_factory):
    """Two communities of the same scenario and day."""
    with (
        running(tmp_path_factory.mktemp("killed")) as killed,
        running(tmp_path_factory.mktemp("undisturbed")) as undisturbed,
    ):
        yield killed, undisturbed


@pytest.fixture(scope="module")
def undisturbed(platforms):
    """The promise of a community whose day ends in peace."""
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(live_day, platforms[1], {})


@pytest.mark.timeout(1800)
def test_a_day_of_kills_ends_as_a_day_in_peace(platforms, undisturbed):
    seed = os.environ.get("COMMONWATT_KILL_SEED") or str(secrets.randbelow(10**6))
    kills = choose_kills(seed)
    try:
        live_day(platforms[0], kills)
    finally:
        print(f"COMMONWATT_KILL_SEED={seed}", *kills.values(), platforms[0].said(), sep="\n")
    undisturbed.result()
    assert assert_whole(platforms[0]) == assert_whole(platforms[1])
    assert min(Counter(kill.victim for kill in kills.values()).values()) >= KILLS // 4
    assert sum(kill.seen for kill in kills.values()) > KILLS / 2


def live_until_traded(platform, *, ahead):
    """Hour by hour, until the interval that begins so many hours from now has trades; returns that time."""
    now = datetime.fromisoformat(platform.get("clock")["now"])
    for _ in range(INTERVALS_A_DAY):
        starts = {datetime.fromisoformat(row[0]) for row in platform.ask("books")["trades"]}
        if now + ahead * HOUR in starts:
            return now
        now += HOUR
        platform.advance(now)
        platform.settle_down(now)
    raise AssertionError("nobody trades")


def newest(platform, stage):
    """The row of the outbox that was written last for this stage."""
    return [row for row in platform.ask("rows") if row["key"].startswith(stage)][-1]


def spare_the_begun(platform, now):
    """Empty blocks, until no commitment whose delivery has begun is among those that are to be replaced.

    Whether the last hour's commitment or its settlement came last is the machine's own timing.
    """
    begun = [
        row["block_number"]
        for row in platform.ask("rows")
        if row["key"].startswith("commit:")
        and datetime.fromisoformat(row["key"].removeprefix("commit:")) <= now
    ]
    kept = int(platform.rpc("eth_blockNumber"), 16) - REORGANISED
    for _ in range(kept, max(begun)):
        platform.rpc("evm_mine")


def reorganise(platform, depth, lost):
    """Replace the newest blocks by empty ones; the row's own is among them."""
    platform.rpc("anvil_reorg", depth, [])
    block = platform.rpc("eth_getBlockByNumber", hex(lost["block_number"]), False)  # noqa: FBT003 (JSON-RPC)
    assert block["hash"] != lost["block_hash"]


@pytest.mark.timeout(1800)
def test_three_blocks_lost_after_settlement_are_settled_again(platforms, undisturbed):
    undisturbed.result()
    platform = platforms[1]
    now = live_until_traded(platform, ahead=-1)
    spare_the_begun(platform, now)
    books, lost = platform.ask("books"), newest(platform, "settle")
    assert int(platform.rpc("eth_blockNumber"), 16) - lost["block_number"] < REORGANISED
    reorganise(platform, REORGANISED, lost)
    gone = ("", lost["block_hash"])
    platform.until("it is in another block", lambda: newest(platform, "settle")["block_hash"] not in gone)
    platform.settle_down(now)
    again = newest(platform, "settle")
    assert (again["key"], again["nonce"]) == (lost["key"], lost["nonce"])
    assert platform.ask("books") == books
    platform.audit()
    platform.audit_from_the_shell()


@pytest.mark.timeout(1800)
def test_a_commitment_lost_after_delivery_began_voids_its_trades_and_no_others(platforms, undisturbed):
    undisturbed.result()
    platform = platforms[1]
    now = live_until_traded(platform, ahead=1)
    lost = newest(platform, "commit")
    before = platform.ask("books")
    now += HOUR
    platform.advance(now)
    platform.until("delivery has begun on the chain", lambda: platform.chain_time() >= now)
    reorganise(platform, int(platform.rpc("eth_blockNumber"), 16) - lost["block_number"] + 1, lost)
    platform.until("it is refused", lambda: newest(platform, lost["key"])["state"] == "failed")
    platform.settle_down(now)
    now += HOUR
    platform.advance(now)
    platform.settle_down(now)
    after = platform.ask("books")
    voided = [trade for trade in before["trades"] if trade not in after["trades"]]
    assert {datetime.fromisoformat(trade[0]) for trade in voided} == {now - HOUR}
    assert all(line in after["lines"] for line in before["lines"])
    assert [row[1] for row in after["intervals"] if datetime.fromisoformat(row[0]) < now] == ["settled"] * (
        len(after["settlements"])
    )
    platform.audit()
    platform.audit_from_the_shell()
