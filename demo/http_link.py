"""A home that speaks HTTP."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from eth_account.signers.local import LocalAccount

from demo.link import OnCommand, Outcome, outcome_of_problem
from demo.signing import sign_text

EAGER_POLL_S = 0.4
LAZY_POLL_S = 3.0


class HttpLink:
    """Readings, statuses and acknowledgements by POST; commands by asking.

    It asks often while ``wants_command()`` and seldom otherwise; ``hurry`` makes it ask at once.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        accounts: Mapping[str, LocalAccount],
        *,
        battery_meter: str | None,
        on_command: OnCommand,
        wants_command: Callable[[], bool],
    ) -> None:
        self.cut_off = False
        self._http = http
        self._accounts = accounts
        self._battery_meter = battery_meter
        self._on_command = on_command
        self._wants_command = wants_command
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Ask for a command at once."""
        self._hurry.set()

    async def run(self) -> None:
        """Ask for commands, for ever."""
        while self._battery_meter:
            if not self.cut_off:
                await self._ask(self._battery_meter)
            try:
                async with asyncio.timeout(EAGER_POLL_S if self._wants_command() else LAZY_POLL_S):
                    await self._hurry.wait()
            except TimeoutError:
                continue
            self._hurry.clear()

    async def _ask(self, meter_id: str) -> None:
        try:
            answer = await self._http.get("/api/v1/devices/commands", params={"meter_id": meter_id})
            answer.raise_for_status()
            command = answer.json()["command"]
        except (httpx.HTTPError, ValueError, KeyError):
            return
        if command:
            self._on_command(command)

    async def deliver(self, reading: dict[str, Any]) -> Outcome:
        """POST a reading; an answer that does not come leaves it to be sent again."""
        if self.cut_off:
            return Outcome.LATER
        try:
            answer = await self._http.post("/api/v1/readings", json=reading)
        except httpx.HTTPError:
            return Outcome.LATER
        if answer.is_success:
            return Outcome.ARRIVED
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        return outcome_of_problem(answer.status_code, problem if isinstance(problem, dict) else {})

    async def send_status(self, meter_id: str, body: dict[str, Any]) -> None:
        """POST a status."""
        await self._post_signed("/api/v1/devices/status", meter_id, body)

    async def send_ack(self, meter_id: str, body: dict[str, Any]) -> bool:
        """POST an acknowledgement."""
        return await self._post_signed("/api/v1/devices/acks", meter_id, body)

    async def _post_signed(self, path: str, meter_id: str, body: dict[str, Any]) -> bool:
        if self.cut_off:
            return False
        text = json.dumps(body)
        headers = {
            "Content-Type": "application/json",
            "X-Device-Signature": sign_text(self._accounts[meter_id], text),
        }
        try:
            answer = await self._http.post(path, content=text.encode(), headers=headers)
        except httpx.HTTPError:
            return False
        return answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR
