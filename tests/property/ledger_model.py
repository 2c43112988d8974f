"""The exchange once more, as plainly as it can be said: what both contracts are compared with.

Nothing is packed, nothing is forgotten: every agreement that ever stood is kept in a list, every Wh that
agents traded is kept by day, and a cancellation is looked up for every order. Only the bill of one meter is
not modelled here: that is ``pricing.settlement``, the platform's own arithmetic, which is compared too.

Money is in micro-units, energy in Wh, prices in micro-units per kWh, instants in Unix seconds. An operation
takes effect as a whole, or raises ``Refused`` with the name and arguments of the contracts' custom error.
"""

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain.market import SettlementPrices
from pricing.settlement import Purchase, Sale, fallback, settle_meter

NOTICE_S = 120
MAX_UINT32 = 2**32 - 1
MAX_UINT64 = 2**64 - 1
MEMBER_MOST, HOUSE_MOST = 2**60 - 1, 2**56 - 1  # micro-units; the retailer and the fund are the house
REMEMBERED = 96  # intervals back from the latest settled one
FOREVER = MAX_UINT32
SECONDS_A_DAY = 86_400
FIRST_GENERATION_METER = 0x4000
BUY, SELL = 0, 1
BY_OWNER, RECORDED, FIRST_AGENT = 0, 1, 2
NOBODY = "0x" + "00" * 20
OPERATOR_ROLE, PAUSER_ROLE = "OPERATOR_ROLE", "PAUSER_ROLE"


class Anything:
    """Stands for a value that the model does not know: equal to every other."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "ANY"


ANY = Anything()


class Refused(Exception):  # noqa: N818 - an outcome, not a mistake
    """The operation has no effect; ``name`` and ``arguments`` are the contract's error."""

    def __init__(self, name: str, *arguments: Any) -> None:
        super().__init__(name, *arguments)
        self.name = name
        self.arguments = arguments


@dataclass(frozen=True)
class Terms:
    """What the exchange is built with."""

    retailer: str
    fund: str
    operator: str
    pauser: str
    interval_s: int
    withdrawal_delay_s: int
    settlement_term_s: int
    reading_deadline_s: int
    attestors: tuple[str, ...]
    attestors_needed: int = 1

    def is_all_attestors(self, listed: Sequence[str]) -> bool:
        return list(listed) == sorted(self.attestors)

    def most(self, account: str) -> int:
        """The largest balance, micro-units."""
        return HOUSE_MOST if account in {self.retailer, self.fund} else MEMBER_MOST


@dataclass(frozen=True)
class Mandate:
    owner: str
    agent: str
    max_buy_price: int
    min_sell_price: int
    fee_cap: int
    imbalance_cap: int
    max_wh_per_day: int
    valid_until: int
    nonce: int
    signer: str


@dataclass(frozen=True)
class Supply:
    owner: str
    max_import_price: int
    min_feed_in_price: int
    fallback_import_w: int
    valid_from: int
    valid_until: int
    nonce: int
    signer: str


@dataclass(frozen=True)
class Execution:
    trade: int
    energy_wh: int
    price: int


@dataclass(frozen=True)
class BatchOrder:
    """``signer`` is whose key made the signature, where the owner's is asked for."""

    side: int
    k: int
    energy_wh: int
    limit_price: int
    fee_cap: int
    imbalance_cap: int
    expiry: int
    authority: int
    signer: str
    executions: tuple[Execution, ...]


@dataclass(frozen=True)
class BatchMember:
    account: str
    number: int
    orders: tuple[BatchOrder, ...] = ()

    @property
    def meter(self) -> tuple[int, int]:
        """What members stand in order of."""
        return int(self.account, 16), self.number


@dataclass(frozen=True)
class BatchAgent:
    agent: str
    signer: str


@dataclass(frozen=True)
class Batch:
    """A part of what is committed; ``trades`` is 0 when all energy has the clearing price."""

    interval_start: int
    prices: SettlementPrices
    trades: int
    members: tuple[BatchMember, ...]
    agents: tuple[BatchAgent, ...]

    def orders(self) -> list[tuple[BatchMember, BatchOrder]]:
        """In batch order."""
        return [(member, order) for member in self.members for order in member.orders]


@dataclass(frozen=True)
class Proof:
    """Who signed: attestors, or the keys of the meters that have a reading (None: the meter's own)."""

    kind: str  # "meters", "attested", "attested_with_gaps"
    signers: tuple[str | None, ...]

    def listed(self, terms: Terms) -> list[str]:
        """Who stands in an attested proof: who signed, and the attestors who did not."""
        signed = [signer for signer in self.signers if signer is not None]
        return sorted([*signed, *(account for account in terms.attestors if account not in signed)])


Reading = tuple[int, int] | None
"""Import and export, Wh; None when there is none."""


@dataclass
class Standing:
    """Something signed that judges batches committed from ``since`` on and before ``ends_at``."""

    terms: Any
    since: int
    ends_at: int = FOREVER


@dataclass
class Withdrawal:
    amount: int
    requested_at: int


@dataclass
class Commitment:
    """``parts`` are still to be settled; None as a part stands for a root of which no batch is known."""

    parts: list[Batch | None]
    committed_at: int
    settled: list[Batch] = field(default_factory=list)
    released: bool = False


@dataclass(frozen=True)
class Side:
    """A side of a trade: whose, and which of its orders."""

    side: int
    account: str
    position: int
    k: int
    execution: Execution


@dataclass
class Totals:
    """What the members of a batch have come to so far."""

    judged_at: int
    unattested_by: str = ""
    """Who settles, if no attestor vouches for gaps."""
    orders: int = 0
    bought_wh: int = 0
    sold_wh: int = 0
    paid_in: int = 0
    fees: int = 0
    credits: list[tuple[str, int]] = field(default_factory=list)
    sides: dict[int, list[Side]] = field(default_factory=lambda: defaultdict(list))
    readings: list[tuple[str, int, Reading]] = field(default_factory=list)
    fills: list[tuple[int, int, int, int]] = field(default_factory=list)  # at a uniform price

    @property
    def paid_out(self) -> int:
        return sum(amount for _, amount in self.credits)


class State:
    """All that an operation can change."""

    def __init__(self) -> None:
        self.paused = False
        self.balances: dict[str, int] = defaultdict(int)
        self.withdrawals: dict[str, Withdrawal] = {}
        self.tokens: dict[str, int] = defaultdict(int)  # not in the exchange's hands
        self.held = 0
        self.supplies: dict[str, list[Standing]] = defaultdict(list)
        self.mandates: dict[tuple[str, str], list[Standing]] = defaultdict(list)
        self.cancelled: dict[tuple[str, int], int] = {}
        self.floors: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.recorded: set[tuple[Any, ...]] = set()
        self.used_wh: dict[tuple[str, int], int] = defaultdict(int)
        self.commitments: dict[int, Commitment] = {}


class LedgerModel:
    """One exchange; ``meters`` are those registered, as (account, number)."""

    def __init__(self, terms: Terms, meters: Sequence[tuple[str, int]], tokens: dict[str, int]) -> None:
        self.terms = terms
        self.meters = frozenset(meters)
        self.state = State()
        self.state.tokens.update(tokens)
        self.now = 0
        self.events: list[tuple[Any, ...]] = []

    def apply(self, operation: str, *arguments: Any, at: int) -> list[tuple[Any, ...]]:
        """The events of an operation at the instant ``at``; or ``Refused``, and nothing has changed."""
        before = copy.deepcopy(self.state)
        self.now, self.events = at, []
        try:
            getattr(self, operation)(*arguments)
        except Refused:
            self.state = before
            raise
        owed = sum(self.state.balances.values()) + sum(w.amount for w in self.state.withdrawals.values())
        assert owed == self.state.held, "the model itself loses or makes money"
        return self.events

    # Custody

    def deposit(self, payer: str, account: str, amount: int) -> None:
        self._require_running()
        if account == NOBODY:
            raise Refused("ZeroAddress", "account")
        if amount == 0:
            raise Refused("ZeroAmount")
        if self.state.tokens[payer] < amount:
            raise Refused("ERC20InsufficientBalance", payer, self.state.tokens[payer], amount)
        self.state.tokens[payer] -= amount
        self.state.held += amount
        self._credit(account, amount)
        self._emit("Deposited", account, payer, amount)

    def request_withdrawal(self, account: str, amount: int) -> None:
        pending = self.state.withdrawals.get(account, Withdrawal(0, 0))
        held = self.state.balances[account] + pending.amount
        if amount > held:
            raise Refused("InsufficientBalance", account, held, amount)
        if amount > MAX_UINT64:
            raise Refused("BalanceTooLarge", account, amount)
        self.state.withdrawals[account] = Withdrawal(amount, self.now)
        self._set_balance(account, held - amount)
        self._emit("WithdrawalRequested", account, amount, self.now + self.terms.withdrawal_delay_s)

    def withdraw(self, account: str) -> None:
        pending = self.state.withdrawals.get(account, Withdrawal(0, 0))
        if pending.amount == 0:
            raise Refused("NoWithdrawalRequested", account)
        available_at = pending.requested_at + self.terms.withdrawal_delay_s
        if self.now < available_at:
            raise Refused("WithdrawalNotReady", account, available_at)
        del self.state.withdrawals[account]
        self.state.held -= pending.amount
        self.state.tokens[account] += pending.amount
        self._emit("Withdrawn", account, pending.amount)

    def pause(self, caller: str) -> None:
        self._require_role(PAUSER_ROLE, caller)
        self._require_running()
        self.state.paused = True
        self._emit("Paused", caller)

    def unpause(self, caller: str) -> None:
        self._require_role(PAUSER_ROLE, caller)
        if not self.state.paused:
            raise Refused("ExpectedPause")
        self.state.paused = False
        self._emit("Unpaused", caller)

    # Agreements

    def register_mandate(self, mandate: Mandate) -> None:
        if mandate.agent == NOBODY:
            raise Refused("ZeroAddress", "agent")
        limits = (
            mandate.max_buy_price,
            mandate.min_sell_price,
            mandate.fee_cap,
            mandate.imbalance_cap,
            mandate.max_wh_per_day,
            mandate.valid_until,
        )
        if max(limits) > MAX_UINT32:
            raise Refused("TermTooLarge")
        history = self.state.mandates[mandate.owner, mandate.agent]
        self._require_next_nonce(mandate.owner, mandate.nonce, history)
        if mandate.signer != mandate.owner:
            raise Refused("InvalidMandateSignature", mandate.owner, mandate.agent)
        since = self._replace(mandate.owner, mandate, history)
        self._emit("MandateRegistered", mandate.owner, mandate.agent, mandate, since)

    def revoke_mandate(self, owner: str, agent: str) -> None:
        history = self.state.mandates[owner, agent]
        self._end(history, Refused("NoMandate", owner, agent))
        self._emit("MandateRevoked", owner, agent, self.now + NOTICE_S)

    def register_supply(self, supply: Supply) -> None:
        owner = supply.owner
        if owner in {self.terms.retailer, self.terms.fund} or not any(owner == a for a, _ in self.meters):
            raise Refused("NotAParticipant", owner)
        limits = (
            supply.max_import_price,
            supply.min_feed_in_price,
            supply.fallback_import_w,
            supply.valid_from,
            supply.valid_until,
            supply.nonce + 1,
        )
        if max(limits) > MAX_UINT32:
            raise Refused("TermTooLarge")
        history = self.state.supplies[owner]
        self._require_next_nonce(owner, supply.nonce, history)
        if supply.signer != owner:
            raise Refused("InvalidSupplySignature", owner)
        since = self._replace(owner, supply, history)
        self._emit("SupplyRegistered", owner, supply, since)

    def end_supply(self, owner: str) -> None:
        self._end(self.state.supplies[owner], Refused("NoSupply", owner))
        self._emit("SupplyEnded", owner, self.now + NOTICE_S)

    def cancel_nonce(self, caller: str, owner: str, nonce: int) -> None:
        history = self.state.mandates[owner, caller]
        if caller != owner and not (history and history[-1].ends_at > self.now):
            raise Refused("NotOwnerOrAgent", owner, caller)
        if (owner, nonce) in self.state.cancelled:
            raise Refused("NonceUnavailable", owner, nonce)
        self.state.cancelled[owner, nonce] = self.now + NOTICE_S
        self._emit("NonceCancelled", owner, nonce, self.now + NOTICE_S)

    def cancel_before(self, owner: str, floor: int) -> None:
        floors = self.state.floors[owner]
        latest = floors[-1][0] if floors else 0
        if floor <= latest or floor > MAX_UINT32:
            raise Refused("FloorNotRaised", owner, latest, floor)
        if len(floors) > 1:
            self._require_settled(owner, floors[-1][1])
        floors.append((floor, self.now + NOTICE_S))
        self._emit("FloorRaised", owner, floor, self.now + NOTICE_S)

    def record_order(self, interval_start: int, member: BatchMember, order: BatchOrder) -> None:
        if order.signer != member.account:
            raise Refused("InvalidOrderSignature", member.account, ANY)
        self.state.recorded.add(_signed_part(interval_start, member, order))
        self._emit("OrderRecorded", member.account, ANY)

    # Intervals

    def commit(self, caller: str, interval_start: int, parts: Sequence[Batch] | None) -> None:
        """Commit a batch in parts; None stands for a root of zero."""
        self._require_role(OPERATOR_ROLE, caller)
        self._require_running()
        if interval_start % self.terms.interval_s:
            raise Refused("InvalidInterval", interval_start)
        if parts is None:
            raise Refused("ZeroRoot", interval_start)
        if self._is_open(interval_start):
            raise Refused("AlreadyCommitted", interval_start)
        closes_at = interval_start + self.terms.settlement_term_s
        if self.now > closes_at:
            raise Refused("IntervalClosed", interval_start, closes_at)
        if self.now + self.terms.withdrawal_delay_s < closes_at:
            raise Refused("TermExceedsWithdrawalDelay", interval_start, closes_at)
        if self.is_settled(interval_start):
            raise Refused("AlreadySettled", interval_start)
        self.state.commitments[interval_start] = Commitment(list(parts), self.now)
        self._emit("BatchCommitted", interval_start, ANY)

    def release(self, interval_start: int) -> None:
        closes_at = interval_start + self.terms.settlement_term_s
        if self.now <= closes_at:
            raise Refused("IntervalOpen", interval_start, closes_at)
        if not self._is_open(interval_start):
            raise Refused("NotCommitted", interval_start)
        commitment = self.state.commitments[interval_start]
        commitment.parts.clear()
        commitment.released = True
        self._emit("IntervalReleased", interval_start)

    def settle(
        self,
        caller: str,
        part: Batch,
        following: Sequence[Batch],
        readings: Sequence[Reading],
        proof: Proof,
    ) -> None:
        """Settle ``part``, which ``following`` are said to come after.

        Anybody may, but only the operator with gaps that no attestor vouches for.
        """
        self._require_running()
        if len(readings) != len(part.members):
            raise Refused("BatchMalformed")
        commitment = self._open(part, following)
        totals = Totals(min(commitment.committed_at, part.interval_start))
        if proof.kind != "attested_with_gaps":
            totals.unattested_by = caller
        before = [member.meter[0] for settled in commitment.settled for member in settled.members]
        self._settle_members(part, readings, totals, max(before, default=0))
        for agent in part.agents:
            if agent.signer != agent.agent:
                raise Refused("AgentOrdersNotSigned", agent.agent, agent.signer)
        if totals.bought_wh != totals.sold_wh:
            raise Refused("BuysDifferFromSells", totals.bought_wh - totals.sold_wh)
        if totals.orders and commitment.committed_at >= part.interval_start:
            raise Refused("LateBatchHasOrders", part.interval_start)
        self._settle_trades(part, totals)
        self._require_readings(part, readings, proof)
        retailer_delta = self._settle_retailer(part.interval_start, totals)
        commitment.parts.pop(0)
        commitment.settled.append(part)
        self._emit(
            "BatchSettled", part.interval_start, part.prices, retailer_delta, totals.readings, totals.fills
        )

    def is_settled(self, start: int) -> bool:
        """Whether the exchange remembers that all of the interval is settled."""
        settled = [s for s, given in self.state.commitments.items() if not given.parts and not given.released]
        latest = max(settled, default=0) // self.terms.interval_s
        return start in settled and latest - start // self.terms.interval_s < REMEMBERED

    def _is_open(self, start: int) -> bool:
        """Whether something of the interval is still to be settled, or would have been."""
        commitment = self.state.commitments.get(start)
        return commitment is not None and bool(commitment.parts)

    def _open(self, part: Batch, following: Sequence[Batch]) -> Commitment:
        start = part.interval_start
        if not self._is_open(start):
            raise Refused("AlreadySettled" if self.is_settled(start) else "NotCommitted", start)
        commitment = self.state.commitments[start]
        if commitment.parts != [part, *following]:
            raise Refused("RootMismatch", start, ANY, ANY)
        if self.now < start + self.terms.interval_s:
            raise Refused("DeliveryNotEnded", start, start + self.terms.interval_s)
        if self.now > start + self.terms.settlement_term_s:
            raise Refused("IntervalClosed", start, start + self.terms.settlement_term_s)
        return commitment

    def _settle_members(
        self, part: Batch, readings: Sequence[Reading], totals: Totals, last_account: int
    ) -> None:
        """Accounts increase from part to part, beyond ``last_account``."""
        nets: dict[str, int] = {}
        ks: set[tuple[str, int]] = set()
        for index, (member, reading) in enumerate(zip(part.members, readings, strict=True)):
            last = part.members[index - 1].meter if index else (last_account, MAX_UINT32)
            if member.meter <= last:
                raise Refused("MetersNotIncreasing", index)
            if member.account not in nets:
                self._require_supply(part, member.account, totals)
            if member.number >= FIRST_GENERATION_METER:
                raise Refused("NotAGridMeter", index, member.number)
            net = self._settle_meter(part, index, reading, ks, totals)
            nets[member.account] = nets.get(member.account, 0) + net
            if all(later.account != member.account for later in part.members[index + 1 :]):
                self._settle_account(part.interval_start, member.account, nets[member.account], totals)

    def _settle_meter(
        self, part: Batch, index: int, reading: Reading, ks: set[tuple[str, int]], totals: Totals
    ) -> int:
        """What the member owes for one meter, micro-units, its fee included."""
        member = part.members[index]
        bought: list[Purchase] = []
        sold: list[Sale] = []
        for order in member.orders:
            if (member.account, order.k) in ks:
                raise Refused("OrderReplayed", totals.orders)
            ks.add((member.account, order.k))
            exported_wh = 0 if reading is None else reading[1]
            self._settle_order(part, index, order, exported_wh - sum(sale.energy_wh for sale in sold), totals)
            for execution in order.executions:
                price = execution.price if part.trades else part.prices.clearing
                if order.side == BUY:
                    bought.append(Purchase(execution.energy_wh, price))
                else:
                    sold.append(Sale(execution.energy_wh, price, order.imbalance_cap))
            totals.orders += 1
        totals.readings.append((member.account, member.number, reading))
        if reading is None:
            if totals.unattested_by:
                self._require_role(OPERATOR_ROLE, totals.unattested_by)
            supply = _standing(self.state.supplies[member.account], totals.judged_at)
            assert supply is not None
            imported_wh, exported_wh = fallback(
                sum(purchase.energy_wh for purchase in bought),
                import_w=supply.fallback_import_w,
                interval_s=self.terms.interval_s,
            )
            self._emit("ReadingMissing", part.interval_start, member.account, member.number, imported_wh)
        else:
            imported_wh, exported_wh = reading
        line = settle_meter(
            imported_wh=imported_wh, exported_wh=exported_wh, bought=bought, sold=sold, prices=part.prices
        )
        totals.bought_wh += line.bought_wh
        totals.sold_wh += line.sold_wh
        totals.fees += line.fee_micro
        return line.net_micro

    def _settle_order(self, part: Batch, index: int, order: BatchOrder, left_wh: int, totals: Totals) -> None:
        """``left_wh``: what the meter exported beyond what it had sold; negative when it was short."""
        member = part.members[index]
        place = totals.orders
        if order.fee_cap < part.prices.fee:
            raise Refused("OrderFeeCapExceeded", place, order.fee_cap, part.prices.fee)
        if order.expiry < totals.judged_at:
            raise Refused("OrderExpired", place, order.expiry)
        if self._is_cancelled(member.account, part.interval_start, order.k, totals.judged_at):
            raise Refused("OrderCancelled", place)
        for execution in order.executions:
            self._execute(part, index, order, execution, left_wh, totals)
            left_wh -= execution.energy_wh
        filled_wh = sum(execution.energy_wh for execution in order.executions)
        if filled_wh > order.energy_wh:
            raise Refused("OrderOverfilled", place, filled_wh, order.energy_wh)
        if order.authority == BY_OWNER:
            if order.signer != member.account:
                raise Refused("OrderNotAuthorised", place, order.signer)
        elif order.authority == RECORDED:
            if _signed_part(part.interval_start, member, order) not in self.state.recorded:
                raise Refused("OrderNotAuthorised", place, member.account)
        else:
            self._use_mandate(part, member, order, filled_wh, totals)

    def _execute(  # noqa: PLR0913, PLR0917 - a fill belongs to all of them
        self, part: Batch, index: int, order: BatchOrder, execution: Execution, left_wh: int, totals: Totals
    ) -> None:
        place = totals.orders
        price = execution.price if part.trades else part.prices.clearing
        content = price <= order.limit_price if order.side == BUY else price >= order.limit_price
        if not content:
            raise Refused("OrderLimitViolated", place, order.limit_price, price)
        if order.side == SELL and execution.energy_wh > max(left_wh, 0):
            place = execution.trade if part.trades else totals.orders
            self._emit("SaleShort", part.interval_start, place, order.imbalance_cap)
        if not part.trades:
            totals.fills.append((index, order.side, order.k, execution.energy_wh))
            return
        if execution.trade >= part.trades or len(totals.sides[execution.trade]) == 2:
            raise Refused("TradeMismatch", execution.trade)
        account = part.members[index].account
        totals.sides[execution.trade].append(Side(order.side, account, index, order.k, execution))

    def _settle_trades(self, part: Batch, totals: Totals) -> None:
        """Each trade has a buyer and a seller who say the same of it."""
        for trade in range(part.trades):
            sides = sorted(totals.sides[trade], key=lambda given: given.side)
            if len(sides) != 2:
                raise Refused("TradeIncomplete")
            buy, sell = sides
            if buy.side == sell.side or buy.execution != sell.execution:
                raise Refused("TradeMismatch", trade)
            self._emit(
                "TradeSettled",
                buy.account,
                sell.account,
                part.interval_start,
                buy.execution.energy_wh,
                buy.execution.price,
                (buy.position, buy.k),
                (sell.position, sell.k),
            )

    def _use_mandate(
        self, part: Batch, member: BatchMember, order: BatchOrder, filled_wh: int, totals: Totals
    ) -> None:
        if order.authority - FIRST_AGENT >= len(part.agents):
            raise Refused("BatchMalformed")
        agent = part.agents[order.authority - FIRST_AGENT].agent
        mandate = self.mandate_at(member.account, agent, totals.judged_at)
        if mandate is None or part.interval_start > mandate.valid_until:
            raise Refused("MandateMissing", totals.orders, agent)
        if order.side == BUY:
            outside = order.limit_price > mandate.max_buy_price
        else:
            outside = order.limit_price < mandate.min_sell_price
        if outside or order.fee_cap > mandate.fee_cap or order.imbalance_cap > mandate.imbalance_cap:
            raise Refused("MandateExceeded", totals.orders, agent)
        day = part.interval_start // SECONDS_A_DAY
        used_wh = self.state.used_wh[member.account, day] + filled_wh
        if used_wh > mandate.max_wh_per_day:
            raise Refused("MandateDailyCapExceeded", totals.orders, agent, used_wh, mandate.max_wh_per_day)
        self.state.used_wh[member.account, day] = used_wh

    def _settle_account(self, interval_start: int, account: str, owed: int, totals: Totals) -> None:
        if owed <= 0:
            self._credit(account, -owed)
            if owed:
                totals.credits.append((account, -owed))
            return
        taken = self._debit_up_to(account, owed, totals.judged_at)
        totals.paid_in += taken
        if taken < owed:
            self._emit("Unpaid", interval_start, account, owed - taken)

    def _settle_retailer(self, interval_start: int, totals: Totals) -> int:
        """What the retailer receives, negative: pays. What it lacks the fund pays, and then the creditors."""
        if totals.fees:
            self._credit(self.terms.fund, totals.fees)
        surplus = totals.paid_in - totals.paid_out - totals.fees
        if surplus >= 0:
            self._credit(self.terms.retailer, surplus)
            return surplus
        paid = self._debit_up_to(self.terms.retailer, -surplus, totals.judged_at)
        lacking = -surplus - paid
        if lacking:
            fund_paid = self._debit_up_to(self.terms.fund, lacking, totals.judged_at)
            if fund_paid:
                self._emit("FundPaid", interval_start, fund_paid)
            self._reduce_credits(interval_start, lacking - fund_paid, totals)
        return -paid

    def _reduce_credits(self, interval_start: int, missing: int, totals: Totals) -> None:
        if not missing:
            return
        paid_out, taken = totals.paid_out, 0
        for account, credit in totals.credits:
            loss = -(-credit * missing // paid_out)
            self._set_balance(account, self.state.balances[account] - loss)
            taken += loss
            self._emit("CreditReduced", interval_start, account, loss)
        self._credit(self.terms.fund, taken - missing)

    # What stood

    def mandate_at(self, owner: str, agent: str, instant: int) -> Mandate | None:
        """The mandate that judges a batch committed at ``instant``."""
        return _standing(self.state.mandates[owner, agent], instant)

    def supply_at(self, owner: str, instant: int) -> Supply | None:
        """The agreement that judges a batch committed at ``instant``."""
        return _standing(self.state.supplies[owner], instant)

    def _is_cancelled(self, owner: str, interval_start: int, k: int, judged_at: int) -> bool:
        sinces = [since for floor, since in self.state.floors[owner] if interval_start < floor]
        nonce = interval_start * 256 + k
        if (owner, nonce) in self.state.cancelled:
            sinces.append(self.state.cancelled[owner, nonce])
        return any(since <= judged_at for since in sinces)

    def _require_supply(self, part: Batch, account: str, totals: Totals) -> None:
        supply = self.supply_at(account, totals.judged_at)
        start = part.interval_start
        agreed = (
            supply is not None
            and part.prices.retail_import <= supply.max_import_price
            and part.prices.feed_in >= supply.min_feed_in_price
            and supply.valid_from <= start
            and start // SECONDS_A_DAY < supply.valid_until // SECONDS_A_DAY
        )
        if not agreed:
            raise Refused("SupplyMissing", account, start)

    def _require_readings(self, part: Batch, readings: Sequence[Reading], proof: Proof) -> None:
        if proof.kind == "meters":
            self._require_meters(part, readings, proof.signers)
            return
        if proof.kind == "attested_with_gaps":
            for member, reading in zip(part.members, readings, strict=True):
                if reading is None:
                    self._require_missing(part.interval_start, member)
        if not self.terms.is_all_attestors(proof.listed(self.terms)):
            raise Refused("NotTheAttestors", tuple(proof.listed(self.terms)))
        if len(proof.signers) < self.terms.attestors_needed:
            raise Refused("TooFewAttestors", len(proof.signers), self.terms.attestors_needed)

    def _require_meters(
        self, part: Batch, readings: Sequence[Reading], signers: Sequence[str | None]
    ) -> None:
        waiting = list(signers)
        for member, reading in zip(part.members, readings, strict=True):
            if reading is None:
                self._require_missing(part.interval_start, member)
                continue
            signer = waiting.pop(0)
            if (member.account, member.number) not in self.meters:
                raise Refused("UnknownMeter", (member.account, member.number))
            if signer is not None:
                raise Refused("InvalidReading", (member.account, member.number))

    def _require_missing(self, interval_start: int, member: BatchMember) -> None:
        until = interval_start + self.terms.interval_s + self.terms.reading_deadline_s
        if self.now <= until:
            raise Refused("ReadingAwaited", (member.account, member.number), until)
        if (member.account, member.number) not in self.meters:
            raise Refused("UnknownMeter", (member.account, member.number))

    # Small parts

    def _emit(self, name: str, *arguments: Any) -> None:
        self.events.append((name, *arguments))

    def _require_role(self, role: str, caller: str) -> None:
        holder = self.terms.operator if role == OPERATOR_ROLE else self.terms.pauser
        if caller != holder:
            raise Refused("AccessControlUnauthorizedAccount", caller, ANY)

    def _require_running(self) -> None:
        if self.state.paused:
            raise Refused("EnforcedPause")

    @staticmethod
    def _require_next_nonce(owner: str, nonce: int, history: Sequence[Standing]) -> None:
        following = history[-1].terms.nonce + 1 if history else 0
        if nonce < following:
            raise Refused("StaleNonce", owner, nonce, following)

    def _replace(self, owner: str, terms: Mandate | Supply, history: list[Standing]) -> int:
        """Adds to what stands; the instant from which on it judges commitments.

        Only two states are ever open to a batch: a third must wait until no batch that the first one judges
        can be settled any more.
        """
        if len(history) > 1:
            self._require_settled(owner, history[-1].since)
        since = self.now + NOTICE_S if history else self.now
        history.append(Standing(terms, since))
        return since

    def _end(self, history: list[Standing], refusal: Refused) -> None:
        ends_at = self.now + NOTICE_S
        if not history or history[-1].ends_at <= ends_at:
            raise refusal
        for standing in history:
            standing.ends_at = min(standing.ends_at, ends_at)

    def _require_settled(self, owner: str, since: int) -> None:
        until = since + self.terms.withdrawal_delay_s
        if self.now < until:
            raise Refused("StillBinding", owner, until)

    def _credit(self, account: str, amount: int) -> None:
        self._set_balance(account, self.state.balances[account] + amount)

    def _set_balance(self, account: str, balance: int) -> None:
        if balance > self.terms.most(account):
            raise Refused("BalanceTooLarge", account, balance)
        assert balance >= 0
        self.state.balances[account] = balance

    def _debit_up_to(self, account: str, amount: int, judged_at: int) -> int:
        """What is taken: from the balance, then from what was still there when the batch was committed."""
        taken = min(self.state.balances[account], amount)
        self._set_balance(account, self.state.balances[account] - taken)
        pending = self.state.withdrawals.get(account)
        if taken < amount and pending is not None and pending.requested_at >= judged_at:
            reduction = min(pending.amount, amount - taken)
            pending.amount -= reduction
            taken += reduction
            if reduction:
                self._emit("WithdrawalReduced", account, reduction)
        return taken


def _standing(history: Sequence[Standing], instant: int) -> Any:
    begun = [standing for standing in history if standing.since <= instant]
    return begun[-1].terms if begun and begun[-1].ends_at > instant else None


def _signed_part(interval_start: int, member: BatchMember, order: BatchOrder) -> tuple[Any, ...]:
    """What an order's signature covers."""
    signed = replace(order, authority=BY_OWNER, signer=NOBODY, executions=())
    return (interval_start, member.account, member.number, signed)
