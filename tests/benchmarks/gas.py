"""Gas of settlement: what receipts on Anvil say, calldata included.

Every member has one order for 1,234 Wh, and every slot was written before. Readings are what was traded, and
attested by two of three attestors, as the platform is deployed. A row that is about something else says so.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from domain.market import SettlementPrices
from launch.embedded import running
from launch.environment import State
from launch.ports import any_free
from launch.services import anvil
from tests.benchmarks.registry import Row, at_most
from tests.property.exchange_pair import Pair, address_of
from tests.property.ledger_model import (
    BUY,
    BY_OWNER,
    FIRST_AGENT,
    SELL,
    Batch,
    BatchAgent,
    BatchMember,
    BatchOrder,
    Execution,
    Mandate,
    Proof,
    Supply,
    Terms,
)

INTERVAL_S, DAY_S = 900, 86_400
OPENED = 1_780_012_800  # midnight UTC
FIRST = OPENED + 4 * DAY_S  # by then no agreement is new any more
WH = 1_234
DEPOSIT_MICRO = 1_000_000_000
PRICES = SettlementPrices(
    clearing=200_000, retail_import=310_000, feed_in=60_000, imbalance=290_000, fee=3_000
)
AGENT = address_of("agent")
SIZES = (10, 100)
OPERATIONS_A_BLOCK = 25
TERMS = Terms(
    retailer=address_of("retailer"),
    fund=address_of("fund"),
    operator=address_of("operator"),
    pauser=address_of("pauser"),
    interval_s=INTERVAL_S,
    withdrawal_delay_s=2 * DAY_S,
    settlement_term_s=DAY_S,
    reading_deadline_s=3_600,
    attestors=(address_of("attestor"), address_of("second attestor"), address_of("third attestor")),
)
TARGETS = {
    ("uniform price, per order", 10): 16_000,
    ("uniform price, per order", 100): 11_500,
    ("bilateral, per trade", 10): 30_000,
    ("bilateral, per trade", 100): 26_000,
    ("bilateral by the reference, per trade", 10): 40_000,
    ("bilateral by the reference, per trade", 100): 36_000,
}
COMMITMENT_TARGET = 60_000


def gas(scale: float) -> list[Row]:
    """Per order or trade, in batches of 10 and 100; the figures in the table that the project promises."""
    sizes = [max(2, int(size * scale)) for size in SIZES]
    rows = []
    members = [address_of(f"member {i}") for i in range(2 * max(sizes))]
    with community(members, attestors_needed=2) as measured:
        for size in sizes:
            uniform, bilateral = (
                measured.settle(members[:size]),
                measured.settle(members[: 2 * size], pairs=True),
            )
            beside = measured.settle(members[:size], reading_wh=WH + WH // 10)
            measured.settle(members[:size], agent=True)  # the first of a day is particular
            by_agent = measured.settle(members[:size], agent=True)
            rows += [
                figure("uniform price, per order", size, uniform[0] / size),
                figure("uniform price by an agent, per order", size, by_agent[0] / size, uniform[0] / size),
                figure("uniform price, readings 10 % above, per order", size, beside[0] / size),
                figure("uniform price by the reference, per order", size, uniform[1] / size),
                figure("bilateral, per trade", size, bilateral[0] / size),
                figure("bilateral by the reference, per trade", size, bilateral[1] / size),
            ]
        rows += [
            at_most("commitment of a batch", measured.commitment, "gas", COMMITMENT_TARGET),
            Row("first deposit, into an empty slot", measured.first_deposit, "gas"),
            Row("supply agreement, into an empty slot", measured.first_supply, "gas"),
            Row("mandate", measured.mandate, "gas"),
        ]
    members = members[: max(sizes)]
    with community(members, attestors_needed=1) as measured:
        for size in sizes:
            used = measured.settle(members[:size])[0]
            rows.append(figure("uniform price, one attestor, per order", size, used / size))
    return rows


def figure(name: str, size: int, value: float, bound: float | None = None) -> Row:
    """A figure of a batch of ``size``; ``bound`` is its target where the table has none."""
    target = TARGETS.get((name, size), bound)
    if target is None or size not in SIZES:
        return Row(f"{name}, N = {size}", value, "gas")
    return at_most(f"{name}, N = {size}", value, "gas", target)


class Community:
    """Members with agreements, mandates and deposits, on both exchanges."""

    def __init__(self, pair: Pair, members: Sequence[str], *, attestors_needed: int) -> None:
        self._pair = pair
        attestors = sorted(TERMS.attestors, key=lambda address: int(address, 16))
        self._attestors = tuple(attestors[:attestors_needed])
        self._next = FIRST
        self.commitment = 0.0
        self.first_deposit = self._do([("deposit", (a, a, DEPOSIT_MICRO)) for a in _sponsors(members)])
        self.first_supply = self._do([("register_supply", (_supply(a),)) for a in members])
        self.mandate = self._do([("register_mandate", (_mandate(a),)) for a in members])
        self._do([("deposit", (account, account, DEPOSIT_MICRO)) for account in members])

    def settle(
        self, members: Sequence[str], *, pairs: bool = False, agent: bool = False, reading_wh: int = WH
    ) -> tuple[int, int]:
        """Gas that settling an interval used on the packed exchange and on the reference."""
        start = self._next
        self._next += 4 * INTERVAL_S
        batch = _batch(start, members, pairs=pairs, agent=agent)
        operator = TERMS.operator
        (committed,) = self._pair.receipts([("commit", (operator, start, [batch]))], at=start - INTERVAL_S)
        self.commitment = max(self.commitment, float(_used(committed)[0]))
        readings = [
            (reading_wh, 0) if member.orders[0].side == BUY else (0, reading_wh) for member in batch.members
        ]
        proof = Proof("attested", self._attestors)
        settle = ("settle", (operator, batch, [], readings, proof))
        (settled,) = self._pair.receipts([settle], at=start + INTERVAL_S)
        packed, reference = _used(settled)
        return packed, reference

    def _do(self, operations: Sequence[tuple[str, Sequence[object]]]) -> float:
        """The most that one of them used on the packed exchange."""
        most = 0
        for i in range(0, len(operations), OPERATIONS_A_BLOCK):
            block = operations[i : i + OPERATIONS_A_BLOCK]
            found = self._pair.receipts(block, at=self._pair.head + 1)
            most = max(most, *(_used(receipts)[0] for receipts in found))
        return float(most)


@contextmanager
def community(members: Sequence[str], *, attestors_needed: int) -> Iterator[Community]:
    """A node of its own, on which the community has everything that settling asks for."""
    accounts = (*members, TERMS.retailer, TERMS.fund)
    tokens = dict.fromkeys(accounts, 10 * DEPOSIT_MICRO)
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder))
        state.create()
        port = any_free()["anvil"]
        process = anvil(state, port, f"http://127.0.0.1:{port}")
        process = replace(process, argv=(*process.argv, "--disable-code-size-limit"))
        with running(process, log=state.logs / "anvil.log"):
            meters = [(account, 0) for account in members]
            pair = Pair(
                process.address,
                replace(TERMS, attestors_needed=attestors_needed),
                meters,
                tokens,
                settlement_gas=15_000_000,
            )
            yield Community(pair, members, attestors_needed=attestors_needed)


def _sponsors(members: Sequence[str]) -> list[str]:
    """Who deposits before there is an agreement: the retailer, the fund, and one member."""
    return [TERMS.retailer, TERMS.fund, members[0]]


def _supply(account: str) -> Supply:
    return Supply(
        owner=account,
        max_import_price=400_000,
        min_feed_in_price=50_000,
        fallback_import_w=400,
        valid_from=0,
        valid_until=OPENED + 400 * DAY_S,
        nonce=0,
        signer=account,
    )


def _mandate(account: str) -> Mandate:
    return Mandate(
        owner=account,
        agent=AGENT,
        max_buy_price=300_000,
        min_sell_price=60_000,
        fee_cap=5_000,
        imbalance_cap=200_000,
        max_wh_per_day=500_000,
        valid_until=OPENED + 400 * DAY_S,
        nonce=0,
        signer=account,
    )


def _batch(start: int, members: Sequence[str], *, pairs: bool, agent: bool) -> Batch:
    """Every second member buys from the one before it."""
    listed = []
    for i, account in enumerate(members):
        side = BUY if i % 2 else SELL
        order = BatchOrder(
            side=side,
            k=0,
            energy_wh=WH,
            limit_price=250_000 if side == BUY else 150_000,
            fee_cap=3_000,
            imbalance_cap=100_000,
            expiry=start,
            authority=FIRST_AGENT if agent else BY_OWNER,
            signer=account,
            executions=(Execution(trade=i // 2, energy_wh=WH, price=PRICES.clearing),),
        )
        listed.append(BatchMember(account, 0, (order,)))
    return Batch(
        interval_start=start,
        prices=PRICES,
        trades=len(members) // 2 if pairs else 0,
        members=tuple(sorted(listed, key=lambda member: member.meter)),
        agents=(BatchAgent(AGENT, AGENT),) if agent else (),
    )


def _used(receipts: Sequence[dict[str, str]]) -> list[int]:
    assert all(int(receipt["status"], 16) for receipt in receipts), receipts
    return [int(receipt["gasUsed"], 16) for receipt in receipts]
