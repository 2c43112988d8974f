"""What a home says over HTTP, and how it reads the answers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from demo.clock import LONGEST_GUESS_S, CommunityClock, Sight
from demo.http_link import HttpLink
from demo.link import Outcome, outcome_of_problem

METER = "0x" + "ab" * 32
ACCOUNT = Account.create()


def talk(handler, action, **arguments):
    """Do ``action(link)`` against a hand-written server."""

    async def session():
        transport = httpx.MockTransport(handler)
        async with httpx.AsyncClient(transport=transport, base_url="http://platform") as http:
            link = HttpLink(
                http,
                {METER: ACCOUNT},
                battery_meter=METER,
                on_command=arguments.get("on_command", lambda _: None),
                wants_command=lambda: True,
            )
            return await action(link)

    return asyncio.run(session())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (httpx.Response(201, json={}), Outcome.ARRIVED),
        (httpx.Response(409, json={"code": "replayed", "errors": []}), Outcome.ARRIVED),
        (httpx.Response(400, json={"code": "too_early"}), Outcome.LATER),
        (httpx.Response(400, json={"code": "wrong_signature"}), Outcome.REFUSED),
        (httpx.Response(400, json={"code": "invalid", "errors": [{"code": "replayed"}]}), Outcome.ARRIVED),
        (httpx.Response(502, text="bad gateway"), Outcome.LATER),
        (httpx.Response(429, text=""), Outcome.LATER),
        (httpx.Response(400, text="[]"), Outcome.REFUSED),
    ],
)
def test_an_answer_decides_what_becomes_of_a_reading(answer, outcome):
    assert talk(lambda _: answer, lambda link: link.deliver({"meter_id": METER})) is outcome


def test_no_answer_means_later():
    def unplugged(request):
        raise httpx.ConnectError("no route", request=request)

    assert talk(unplugged, lambda link: link.deliver({})) is Outcome.LATER


def test_while_cut_off_nothing_is_sent():
    async def silent(link):
        link.cut_off = True
        await link.send_status(METER, {})
        assert await link.send_ack(METER, {}) is False
        return await link.deliver({})

    def never(request):
        raise AssertionError(request)

    assert talk(never, silent) is Outcome.LATER


def test_a_status_is_signed_as_it_is_sent():
    seen = []

    def server(request):
        message = encode_defunct(text=request.content.decode())
        seen.append(Account.recover_message(message, signature=request.headers["X-Device-Signature"]))
        assert json.loads(request.content)["power_kw"] == 1.25
        return httpx.Response(204)

    talk(server, lambda link: link.send_status(METER, {"meter_id": METER, "power_kw": 1.25}))
    assert seen == [ACCOUNT.address]


def test_commands_are_asked_for():
    taken, arrived = [], asyncio.Event()

    def take(command):
        taken.append(command)
        arrived.set()

    async def until_taken(link):
        task = asyncio.ensure_future(link.run())
        await arrived.wait()
        task.cancel()

    talk(
        lambda request: httpx.Response(200, json={"command": {"for": request.url.params["meter_id"]}}),
        until_taken,
        on_command=take,
    )
    assert taken[0] == {"for": METER}


def test_a_lost_receipt_is_no_refusal():
    assert outcome_of_problem(400, {"code": "replayed"}) is Outcome.ARRIVED
    assert outcome_of_problem(503, {}) is Outcome.LATER


def test_a_clock_is_believed_to_run_only_once_it_was_seen_to_move():
    times = iter(["2026-06-15T04:00:00Z", "2026-06-15T04:00:00Z", "2026-06-15T04:02:00Z"])

    def server(_):
        return httpx.Response(200, json={"now": next(times), "speed": 120.0})

    async def look():
        async with httpx.AsyncClient(transport=httpx.MockTransport(server), base_url="http://p") as http:
            clock = CommunityClock(http)
            assert clock.now() is None
            for moves in (False, False, True):
                await clock.look()
                first = clock.now()
                await asyncio.sleep(0.01)
                assert (clock.now() > first) is moves

    asyncio.run(look())


def test_time_stands_still_when_the_platform_is_silent():
    now = datetime(2026, 6, 15, tzinfo=UTC)
    sight = Sight(now, 120.0, seen_at=50.0)
    assert sight.at(50.5) == now + timedelta(minutes=1)
    assert sight.at(500.0) == now + timedelta(seconds=LONGEST_GUESS_S * 120)
