"""What a community does next, at random: mostly but not always what it may."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from domain.market import SettlementPrices
from tests.property.exchange_pair import address_of
from tests.property.ledger_model import (
    BUY,
    BY_OWNER,
    FIRST_AGENT,
    FIRST_GENERATION_METER,
    MAX_UINT32,
    NOBODY,
    NOTICE_S,
    RECORDED,
    SECONDS_A_DAY,
    SELL,
    Batch,
    BatchAgent,
    BatchMember,
    BatchOrder,
    Execution,
    LedgerModel,
    Mandate,
    Proof,
    Reading,
    Supply,
    Terms,
)

INTERVAL_S = 6 * 3_600
OPENING_DAY = 1_780_012_800  # midnight UTC
MEMBERS = tuple(sorted(address_of(name) for name in ("ana", "ben", "cleo", "dan")))
METERS = tuple((account, number) for account in MEMBERS for number in (0, 5))
UNREGISTERED = 9
"""The number of a meter that nobody registered."""
GUEST, STRANGER = address_of("guest"), address_of("stranger")
AGENTS = (address_of("agent"), address_of("other agent"))
TERMS = Terms(
    retailer=address_of("retailer"),
    fund=address_of("fund"),
    operator=address_of("operator"),
    pauser=address_of("pauser"),
    interval_s=INTERVAL_S,
    withdrawal_delay_s=48 * 3_600,
    settlement_term_s=SECONDS_A_DAY,
    reading_deadline_s=3_600,
    attestors=(address_of("attestor"),),
)
PAYERS = (*MEMBERS, TERMS.retailer, TERMS.fund)
ACCOUNTS = (*PAYERS, GUEST, *AGENTS)
TOKENS = dict.fromkeys(PAYERS, 2**66) | dict.fromkeys((GUEST, *AGENTS), 0)

TRIES = 2
LAST = MAX_UINT32 - 4 * SECONDS_A_DAY  # instants have 32 bits in the contracts, until February 2106
"""After as many a part that was refused is mostly left alone."""

T = TypeVar("T")
Operation = tuple[str, Sequence[Any]]
Step = tuple[int, list[Operation]]
"""An instant, and what is done in its block."""


class Dice:
    """Chance, from a seed: evenly spread, where hypothesis prefers the ends of a range."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret comes of it

    def one_in(self, n: int) -> bool:
        return self._random.randrange(n) == 0

    def pick(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def between(self, first: int, last: int) -> int:
        return self._random.randint(first, last)

    def some_of(self, choices: Sequence[T]) -> list[T]:
        """In the order given."""
        return [choice for choice in choices if not self.one_in(4)]

    def amount(self) -> int:
        return self.between(0, self.pick([0, 1_000, 300_000, 3_000_000]))

    def energy(self) -> int:
        return self.pick([0, 1, 999, 1_000, MAX_UINT32]) if self.one_in(12) else self.between(0, 5_000)

    def price(self) -> int:
        return self.pick([0, 1, 1_000, MAX_UINT32]) if self.one_in(12) else self.between(0, 400_000)


class History:
    """A community's days so far, as the model has them."""

    def __init__(self, model: LedgerModel, dice: Dice) -> None:
        self.model = model
        self.now = OPENING_DAY + dice.between(0, 3) * INTERVAL_S
        self._recordable: list[tuple[int, BatchMember, BatchOrder]] = []
        self._tried: dict[Batch, int] = defaultdict(int)

    def opening(self, dice: Dice) -> Step:
        """Members join with agreements, mandates and money; some have little."""
        operations: list[Operation] = []
        for account in MEMBERS:
            if not dice.one_in(12):
                operations.append(("register_supply", (self._supply(dice, account),)))
            operations += [
                ("register_mandate", (self._mandate(dice, account, agent),)) for agent in dice.some_of(AGENTS)
            ]
        most = dice.pick([1, 50_000, 300_000, 3_000_000])  # with little, retailer and fund run dry
        operations += [
            ("deposit", (account, account, dice.between(1, most))) for account in dice.some_of(PAYERS)
        ]
        return self.now + 1, operations

    def step(self, dice: Dice) -> Step:
        """What comes next, later than ``now``."""
        if self.model.state.paused and dice.one_in(2):
            return self._instant(dice), [("unpause", (TERMS.pauser,))]
        ways = {
            self._commit: 6,
            self._settle: 10,
            self._custody: 5,
            self._agreement: 4,
            self._cancellation: 3,
            self._record: 1,
            self._pausing: 1,
            self._over: 2,
        }
        way = dice.pick([way for way, weight in ways.items() for _ in range(weight)])
        at, operations = way(dice)
        return max(at, self.now + 1), operations

    # Instants

    def _instant(self, dice: Dice) -> int:
        """Soon, or about when something begins or ends."""
        ahead = sorted({instant for instant in self._landmarks() if self.now <= instant < LAST})[:6]
        if ahead and dice.one_in(3):
            return dice.pick(ahead) + dice.between(-1, 1)
        return self.now + dice.pick([1, 1, 2, NOTICE_S, 3_600])

    def _landmarks(self) -> Iterator[int]:
        state, delay = self.model.state, TERMS.withdrawal_delay_s
        for start, commitment in state.commitments.items():
            yield from (start, start + INTERVAL_S, start + INTERVAL_S + TERMS.reading_deadline_s)
            yield from (start + TERMS.settlement_term_s, commitment.committed_at + delay)
        for pending in state.withdrawals.values():
            yield pending.requested_at + delay
        for history in (*state.supplies.values(), *state.mandates.values()):
            for standing in history:
                yield from (standing.since, standing.since + delay, standing.ends_at)
        for floors in state.floors.values():
            for _, since in floors:
                yield from (since, since + delay)
        yield from state.cancelled.values()

    def _interval(self, dice: Dice, first: int = 0, last: int = 4) -> int:
        """The start of one about now."""
        return (self.now // INTERVAL_S + dice.between(first, last)) * INTERVAL_S

    # Custody

    def _custody(self, dice: Dice) -> Step:
        at, account = self._instant(dice), dice.pick(PAYERS)
        state = self.model.state
        match dice.pick(["request", "request", "request", "withdraw", "withdraw", "deposit", "odd deposit"]):
            case "request":
                balance = state.balances[account]
                amount = dice.pick([balance, balance, balance + 1, dice.between(0, balance), dice.amount()])
                return at, [("request_withdrawal", (account, amount))]
            case "withdraw":
                account = dice.pick([a for a, w in state.withdrawals.items() if w.amount] or [account])
                pending = state.withdrawals.get(account)
                if pending is not None and dice.one_in(2):
                    at = pending.requested_at + TERMS.withdrawal_delay_s - dice.pick([0, 0, 0, 1])
                return at, [("withdraw", (account,))]
            case "deposit":
                return at, [("deposit", (account, account, dice.amount() + 1))]
            case _:
                receiver = dice.pick([*ACCOUNTS, NOBODY])
                most = TERMS.most(receiver)
                amount = dice.pick([0, 1, most, most - state.balances[receiver], 2**67])
                return at, [("deposit", (account, receiver, amount))]

    def _pausing(self, dice: Dice) -> Step:
        caller = dice.pick([TERMS.pauser, TERMS.pauser, TERMS.operator])
        return self._instant(dice), [(dice.pick(["pause", "unpause"]), (caller,))]

    # Agreements

    def _supply(self, dice: Dice, account: str) -> Supply:
        history = self.model.state.supplies[account]
        return Supply(
            owner=account,
            max_import_price=dice.pick([400_000, 400_000, 200_000]),
            min_feed_in_price=dice.pick([0, 0, 50_000]),
            fallback_import_w=dice.between(0, 2_000),
            valid_from=0,
            valid_until=self.now + dice.pick([1, 2, 30, 30, 30]) * SECONDS_A_DAY,
            nonce=history[-1].terms.nonce + 1 if history else 0,
            signer=account,
        )

    def _mandate(self, dice: Dice, owner: str, agent: str) -> Mandate:
        history = self.model.state.mandates[owner, agent]
        return Mandate(
            owner=owner,
            agent=agent,
            max_buy_price=dice.pick([MAX_UINT32, 300_000]),
            min_sell_price=dice.pick([0, 0, 100_000]),
            fee_cap=dice.pick([10_000, 10_000, 1_000]),
            imbalance_cap=dice.pick([500_000, 500_000, 1_000]),
            max_wh_per_day=dice.pick([MAX_UINT32, 12_000, 3_000]),
            valid_until=self.now + 30 * SECONDS_A_DAY,
            nonce=history[-1].terms.nonce + 1 if history else 0,
            signer=owner,
        )

    def _odd_supply(self, dice: Dice, agreed: Supply) -> Supply:
        return dice.pick(
            [
                replace(agreed, valid_from=self._interval(dice)),
                replace(agreed, valid_until=self.now + dice.between(0, 3) * SECONDS_A_DAY),
                replace(agreed, nonce=max(agreed.nonce - 1, 0)),
                replace(agreed, nonce=agreed.nonce + 3),
                replace(agreed, signer=STRANGER),
                replace(agreed, valid_until=MAX_UINT32 + 1),
                replace(agreed, valid_until=MAX_UINT32, valid_from=MAX_UINT32),
                replace(agreed, nonce=MAX_UINT32),
                replace(agreed, owner=TERMS.retailer, signer=TERMS.retailer),
                replace(agreed, owner=GUEST, signer=GUEST),
            ]
        )

    def _odd_mandate(self, dice: Dice, given: Mandate) -> Mandate:
        return dice.pick(
            [
                replace(given, valid_until=self._interval(dice)),
                replace(given, nonce=max(given.nonce - 1, 0)),
                replace(given, nonce=given.nonce + 3),
                replace(given, signer=STRANGER),
                replace(given, agent=NOBODY),
                replace(given, max_wh_per_day=MAX_UINT32 + 1),
            ]
        )

    def _agreement(self, dice: Dice) -> Step:
        at, owner, agent = self._instant(dice), dice.pick(MEMBERS), dice.pick(AGENTS)
        match dice.pick(["supply", "supply", "end supply", "mandate", "mandate", "revoke"]):
            case "supply":
                supply = self._supply(dice, owner)
                supply = self._odd_supply(dice, supply) if dice.one_in(2) else supply
                return at, [("register_supply", (supply,))]
            case "end supply":
                return at, [("end_supply", (owner,))]
            case "mandate":
                mandate = self._mandate(dice, owner, agent)
                mandate = self._odd_mandate(dice, mandate) if dice.one_in(2) else mandate
                return at, [("register_mandate", (mandate,))]
            case _:
                return at, [("revoke_mandate", (owner, agent))]

    def _cancellation(self, dice: Dice) -> Step:
        """Mostly of orders that stand in a committed batch, or will in the next one."""
        at, owner = self._instant(dice), dice.pick(MEMBERS)
        start = dice.pick([*self.model.state.commitments, *[self._interval(dice, 0, 3)] * 2])
        if dice.one_in(2):
            floor = dice.pick([start + dice.between(-1, 1)] * 6 + [0, MAX_UINT32 + 1])
            return at, [("cancel_before", (owner, floor))]
        caller = dice.pick([owner, owner, owner, *AGENTS, STRANGER])
        nonce = start * 256 + dice.pick([0, 1, 2, 255])
        return at, [("cancel_nonce", (caller, owner, nonce))]

    def _record(self, dice: Dice) -> Step:
        if not self._recordable:
            return self._custody(dice)
        start, member, order = dice.pick(self._recordable)
        signer = STRANGER if dice.one_in(3) else member.account
        return self._instant(dice), [("record_order", (start, member, replace(order, signer=signer)))]

    # Intervals

    def _commit(self, dice: Dice) -> Step:
        at = self.now + dice.pick([1, NOTICE_S - 1, NOTICE_S, 3_600])
        near = at // INTERVAL_S
        starts = [(near + i) * INTERVAL_S for i in (1, 1, 1, 2, 2, 3, 4, 5, 0, -1, -3, -4)]
        fresh = [start for start in starts if start not in self.model.state.commitments]
        start = dice.pick(starts if dice.one_in(12) or not fresh else fresh)
        if dice.one_in(30):
            odd = [
                (STRANGER, start, [None]),
                (TERMS.operator, start + 1, [None]),
                (TERMS.operator, start, None),
                (TERMS.operator, start, [None]),
            ]
            return at, [("commit", dice.pick(odd))]
        if dice.one_in(6) and start > self.now:
            at = start + dice.between(
                -1, 0
            )  # the last instant at which it may have orders, or the first after
        parts = self._parts(dice, start, at)
        unrecorded = [
            (start, member, order)
            for part in parts
            for member, order in part.orders()
            if order.authority == RECORDED
        ]
        self._recordable = [*self._recordable, *unrecorded][-4:]
        records = [("record_order", given) for given in unrecorded if not dice.one_in(8)]
        if dice.one_in(5):  # in the very second of the commitment it still covers what was committed
            account = dice.pick(PAYERS)
            records.append(("request_withdrawal", (account, self.model.state.balances[account])))
        return at, [*records, ("commit", (TERMS.operator, start, parts))]

    def _parts(self, dice: Dice, start: int, at: int) -> list[Batch]:
        """Parts of one batch: right in every respect, but now and then for one."""
        judged_at = min(at, start)
        willing = [
            account
            for account in MEMBERS
            if self._is_supplied(account, start, judged_at)
            or dice.one_in(5 if self.model.supply_at(account, judged_at) else 30)
        ]
        groups = [dice.some_of(willing)]
        while len(groups[-1]) > 1 and dice.one_in(3):
            cut = dice.between(1, len(groups[-1]) - 1)
            groups[-1:] = [groups[-1][:cut], groups[-1][cut:]]
        parts = [self._part(dice, start, judged_at, group, late=at >= start) for group in groups]
        if dice.one_in(4):
            place = dice.between(0, len(parts) - 1)
            parts[place] = twisted(dice, parts[place], judged_at)
        if dice.one_in(12):
            parts.reverse()
        if dice.one_in(20):
            parts.append(replace(parts[-1], members=(), trades=0, agents=()))
        return parts

    def _is_supplied(self, account: str, start: int, judged_at: int) -> bool:
        supply = self.model.supply_at(account, judged_at)
        return (
            supply is not None
            and supply.valid_from <= start
            and start // SECONDS_A_DAY < supply.valid_until // SECONDS_A_DAY
        )

    def _part(self, dice: Dice, start: int, judged_at: int, accounts: Sequence[str], *, late: bool) -> Batch:
        meters = [meter for meter in METERS if meter[0] in accounts and (meter[1] == 0 or dice.one_in(3))]
        standing = [self.model.supply_at(account, judged_at) for account in accounts]
        highest = min((supply.max_import_price for supply in standing if supply), default=400_000)
        lowest = max((supply.min_feed_in_price for supply in standing if supply), default=0)
        prices = SettlementPrices(
            clearing=dice.price(),
            retail_import=dice.pick([highest, dice.between(0, highest)]),
            feed_in=dice.pick([lowest, dice.between(lowest, 250_000)]),
            imbalance=dice.price(),
            fee=dice.pick([0, 1, 999, 5_000]),
        )
        count = dice.between(0, 5) if meters and (not late or dice.one_in(10)) else 0
        book = Book(dice, self.model, start, judged_at, prices, bilateral=count > 0 and dice.one_in(2))
        for trade in range(count):
            book.trade(trade, dice.pick(meters), dice.pick(meters))
        return Batch(
            start,
            prices,
            count if book.bilateral else 0,
            tuple(BatchMember(*meter, tuple(book.orders[meter])) for meter in meters),
            tuple(BatchAgent(agent, agent) for agent in book.agents),
        )

    def _settle(self, dice: Dice) -> Step:
        waiting = [
            (start, commitment.parts)
            for start, commitment in self.model.state.commitments.items()
            if commitment.parts
            and None not in commitment.parts
            and start + TERMS.settlement_term_s > self.now
            and (self._tried[commitment.parts[0]] < TRIES or dice.one_in(10))
        ]
        if not waiting:
            return self._commit(dice)
        start, (part, *following) = dice.pick([min(waiting, key=lambda given: given[0]), dice.pick(waiting)])
        self._tried[part] += 1
        ends_at = start + INTERVAL_S
        deadline = ends_at + TERMS.reading_deadline_s
        at = dice.pick([deadline + 1, deadline + 2, ends_at, ends_at + 60])
        if dice.one_in(10):
            at = dice.pick([ends_at - 1, deadline, start + TERMS.settlement_term_s + dice.between(0, 1)])
        at = max(at, self.now + 1)
        if dice.one_in(16):
            dearer = replace(part, prices=replace(part.prices, fee=part.prices.fee + 1))
            part, following = dice.pick(
                [(dearer, following), (part, [*following, part]), (part, following[1:])]
            )
        readings = [self._reading(dice, member, may_miss=at > deadline) for member in part.members]
        proof = self._proof(dice, readings)
        return at, [("settle", (dice.pick([TERMS.operator, STRANGER]), part, following, readings, proof))]

    def _reading(self, dice: Dice, member: BatchMember, *, may_miss: bool) -> Reading:
        """About what was traded."""
        if dice.one_in(5 if may_miss else 80):
            return None
        registers = []
        for side in (BUY, SELL):
            fills = [fill for order in member.orders if order.side == side for fill in order.executions]
            traded_wh = min(sum(fill.energy_wh for fill in fills), MAX_UINT32 - 2)
            near = [max(traded_wh - 1, 0), traded_wh, traded_wh + 1, traded_wh // 2]
            registers.append(dice.pick([*near, dice.energy(), dice.energy()]))
        imported_wh, exported_wh = registers
        return imported_wh, min(exported_wh, MAX_UINT32 - 1)  # all bits set say that there is none

    def _proof(self, dice: Dice, readings: Sequence[Reading]) -> Proof:
        present = [reading for reading in readings if reading is not None]
        if dice.one_in(2):
            signers: list[str | None] = [None for _ in present]
            if signers and dice.one_in(16):
                signers[dice.between(0, len(signers) - 1)] = STRANGER
            return Proof("meters", tuple(signers))
        complete = len(present) == len(readings)
        kind = "attested" if complete or dice.one_in(6) else "attested_with_gaps"
        if dice.one_in(20):
            return Proof(kind, dice.pick([(), (STRANGER,), (*TERMS.attestors, *TERMS.attestors)]))
        return Proof(kind, TERMS.attestors)

    def _over(self, dice: Dice) -> Step:
        """Settled or unknown, released, or still open: each is tried."""
        start = dice.pick(sorted(self.model.state.commitments) or [self._interval(dice)])
        closes_at = start + TERMS.settlement_term_s
        if dice.one_in(3):
            part = Batch(start, SettlementPrices(0, 0, 0, 0, 0), 0, (), ())
            settle = ("settle", (TERMS.operator, part, [], [], Proof("meters", ())))
            return self._instant(dice), [settle]
        if dice.one_in(3) and closes_at >= self.now:
            return closes_at + dice.between(0, 1), [("release", (start,))]
        return self._instant(dice), [("release", (start,))]


class Book:
    """The orders of one part while trades are added to them."""

    def __init__(  # noqa: PLR0913 - everything that an order depends on
        self,
        dice: Dice,
        model: LedgerModel,
        start: int,
        judged_at: int,
        prices: SettlementPrices,
        *,
        bilateral: bool,
    ) -> None:
        self.bilateral = bilateral
        self.orders: dict[tuple[str, int], list[BatchOrder]] = defaultdict(list)
        self.agents: list[str] = []
        self._dice, self._model, self._start, self._judged_at = dice, model, start, judged_at
        self._prices = prices
        self._used_ks: dict[str, int] = defaultdict(int)

    def trade(self, number: int, buyer: tuple[str, int], seller: tuple[str, int]) -> None:
        """Energy from the seller's meter to the buyer's."""
        price = self._dice.price() if self.bilateral else self._prices.clearing
        execution = Execution(number if self.bilateral else 0, self._dice.energy(), price)
        self._add(buyer, BUY, execution)
        self._add(seller, SELL, execution)

    def _add(self, meter: tuple[str, int], side: int, execution: Execution) -> None:
        book = self.orders[meter]
        for i, order in enumerate(book):
            if order.side == side and self._dice.one_in(2) and (more := self._extended(order, execution)):
                book[i] = more
                return
        book.append(self._order(meter[0], side, execution))

    def _extended(self, order: BatchOrder, execution: Execution) -> BatchOrder | None:
        """The order with more executed of it; None where its limit or its four bytes forbid that."""
        energy_wh = order.energy_wh + execution.energy_wh
        above = execution.price > order.limit_price
        if energy_wh > MAX_UINT32 or (execution.price != order.limit_price and above == (order.side == BUY)):
            return None
        executions: tuple[Execution, ...] = (*order.executions, execution)
        if not self.bilateral:
            filled_wh = order.executions[0].energy_wh + execution.energy_wh
            executions = (replace(execution, energy_wh=filled_wh),)
        return replace(order, executions=executions, energy_wh=energy_wh)

    def _order(self, account: str, side: int, execution: Execution) -> BatchOrder:
        dice = self._dice
        k = self._used_ks[account]
        self._used_ks[account] += 1
        slack = dice.pick([0, 0, 1, 20_000])
        limit = execution.price + slack if side == BUY else execution.price - slack
        order = BatchOrder(
            side=side,
            k=255 if k == 3 else k,
            energy_wh=min(execution.energy_wh + dice.pick([0, 0, 1, 500]), MAX_UINT32),
            limit_price=min(max(limit, 0), MAX_UINT32),
            fee_cap=self._prices.fee + dice.pick([0, 0, 1]),
            imbalance_cap=dice.pick([0, 1_000, 200_000]),
            expiry=self._judged_at + dice.pick([0, SECONDS_A_DAY]),
            authority=BY_OWNER,
            signer=account,
            executions=(execution,),
        )
        authority = dice.pick(["owner", "agent", "agent", "recorded"])
        if authority == "recorded":
            return replace(order, authority=RECORDED)
        agent = dice.pick(AGENTS)
        if authority == "agent" and (self._allows(account, agent, order) or dice.one_in(20)):
            if agent not in self.agents:
                self.agents.append(agent)
            return replace(order, authority=FIRST_AGENT + self.agents.index(agent))
        return order

    def _allows(self, account: str, agent: str, order: BatchOrder) -> bool:
        """But for the day's energy."""
        mandate = self._model.mandate_at(account, agent, self._judged_at)
        if mandate is None or self._start > mandate.valid_until:
            return False
        if order.side == BUY and order.limit_price > mandate.max_buy_price:
            return False
        if order.side == SELL and order.limit_price < mandate.min_sell_price:
            return False
        return order.fee_cap <= mandate.fee_cap and order.imbalance_cap <= mandate.imbalance_cap


def twisted(dice: Dice, part: Batch, judged_at: int) -> Batch:  # noqa: PLR0911 - one a way
    """The part with one thing changed, mostly for the worse."""
    ways = ["price", "feed-in", "stranger", "number", "agents", "trades", "idle agent", "swapped"]
    if part.orders():
        ways += ["order"] * 16
    first, rest = (part.members[0], part.members[1:]) if part.members else (BatchMember(MEMBERS[0], 0), ())
    match dice.pick(ways):
        case "price":
            return replace(part, prices=replace(part.prices, retail_import=400_001))
        case "feed-in":
            return replace(part, prices=replace(part.prices, feed_in=0))
        case "stranger":
            account = dice.pick(["0x" + "ff" * 20, TERMS.retailer])
            return replace(part, members=tuple(sorted((*part.members, BatchMember(account, 0)), key=_meter)))
        case "number":
            number = dice.pick([FIRST_GENERATION_METER, UNREGISTERED])
            return replace(part, members=(replace(first, number=number), *rest))
        case "agents":
            return replace(part, agents=tuple(replace(agent, signer=STRANGER) for agent in part.agents))
        case "trades":
            return replace(part, trades=part.trades + 1) if part.trades else part
        case "idle agent":
            return replace(part, agents=(*part.agents, BatchAgent(STRANGER, STRANGER)))
        case "swapped":
            return replace(part, members=(*rest, first))
        case _:
            return _with_twisted_order(dice, part, judged_at)


def _meter(member: BatchMember) -> tuple[int, int]:
    return member.meter


def _with_twisted_order(dice: Dice, part: Batch, judged_at: int) -> Batch:
    i, j = dice.pick([(i, j) for i, member in enumerate(part.members) for j in range(len(member.orders))])
    member = part.members[i]
    order = member.orders[j]
    last = order.executions[-1]
    worse = order.executions[0].price + (-1 if order.side == BUY else 1)
    filled_wh = sum(execution.energy_wh for execution in order.executions)
    changed = dice.pick(
        [
            replace(order, k=0),
            replace(order, limit_price=min(max(worse, 0), MAX_UINT32)),
            replace(order, fee_cap=max(part.prices.fee - 1, 0)),
            replace(order, expiry=judged_at - 1),
            replace(order, energy_wh=max(filled_wh - 1, 0)),
            replace(order, authority=BY_OWNER, signer=STRANGER),
            replace(order, authority=RECORDED, expiry=order.expiry + 1),
            replace(order, authority=FIRST_AGENT),
            replace(order, authority=FIRST_AGENT + 5),
            replace(order, side=1 - order.side),
            _with_last(order, replace(last, energy_wh=last.energy_wh - 1 if last.energy_wh else 1)),
            _with_last(order, replace(last, price=last.price - 1 if last.price else 1)),
            _with_last(order, replace(last, trade=last.trade + 1 if part.trades else 0)),
        ]
    )
    orders = (*member.orders[:j], changed, *member.orders[j + 1 :])
    members = (*part.members[:i], replace(member, orders=orders), *part.members[i + 1 :])
    return replace(part, members=members)


def _with_last(order: BatchOrder, execution: Execution) -> BatchOrder:
    return replace(order, executions=(*order.executions[:-1], execution))
