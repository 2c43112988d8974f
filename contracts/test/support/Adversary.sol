// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Handler} from "./Handler.sol";
import {Intervals, Terms} from "../../src/Intervals.sol";
import {IEnergyExchange} from "../../src/interfaces/IEnergyExchange.sol";
import {IMeterOracle} from "../../src/interfaces/IMeterOracle.sol";
import {Order, OrderTypes} from "../../src/libraries/OrderTypes.sol";
import {Batch, BatchMember, BatchOrder, Registers} from "./Batches.sol";
import {BatchAgent} from "../../src/reference/BatchWords.sol";

/// @notice What might be tried. The first ones are batches that an operator commits and that break one rule each; those
/// from `OtherBatch` on are wrong ways, open to anybody, to settle or commit a batch that keeps them all.
enum Attack {
    ForgedSignature,
    WrongInterval,
    OtherChain,
    OtherContract,
    NoSignature,
    NeverRecorded,
    AgentOfNobody,
    RevokedAgent,
    AgentNotAsked,
    BribedAgentBeyondTheDay,
    BribedAgentAboveThePrice,
    BribedAgentAboveTheFee,
    BribedAgentAboveTheImbalance,
    BuysAboveLimit,
    SellsBelowLimit,
    FeeAboveCap,
    Overfilled,
    BuysExceedSells,
    NonceTwice,
    Late,
    Cancelled,
    UnderTheFloor,
    Expired,
    RetailAboveAgreement,
    FeedInBelowAgreement,
    WithoutAgreement,
    AccountZero,
    MeterTwice,
    GenerationMeter,
    TradeAtTwoPrices,
    HalfATrade,
    AccountInTwoParts,
    OtherBatch,
    PartOutOfTurn,
    BeforeDelivery,
    AlteredReadings,
    CommittedByAnother,
    CommittedAgain,
    CommittedOnceSettled,
    SettledAgain,
    AfterTheTerm
}

/// @notice An operator that commits what it must not, and anybody who settles what must not be settled. Each attack comes
/// through only if a check fails.
contract Adversary is Handler {
    using OrderTypes for Order;

    uint256 private constant BROKEN_BATCHES = uint256(Attack.OtherBatch);
    uint256 private constant TIGHT_AGENT = AGENT_KEY + 1;
    uint256 private constant STEADY_AGENT = AGENT_KEY + 2;

    /// @notice How often each attack was tried, and refused.
    mapping(Attack => uint256) public attempts;

    Intervals private immutable other;

    constructor() {
        other = _newExchange(
            Terms(token, oracle, retailer, fund, admin, STEP, WITHDRAWAL_DELAY, SETTLEMENT_TERM)
        );
    }

    /// @dev Commits a batch that breaks a rule, waits for delivery, and cannot settle it.
    function attack(uint256 dice, uint32 energyWh) external {
        uint40 start = _nextStart(1 + dice % 2);
        if (exchange.paused() || _isTaken(start)) return;
        _attack(Attack(dice % BROKEN_BATCHES), start, energyWh % 100_000 + 2 * TIGHT);
    }

    /// @dev Settles a batch that is right in a way that is wrong: which one depends on what is to be had.
    function settleWrongly(uint256 which, uint256 dice) external {
        if (starts.length == 0 || exchange.paused()) return;
        Interval storage interval = intervals[starts[which % starts.length]];
        uint256 endsAt = interval.plan.start + STEP;
        if (dice % 8 == 0) return _settleWrongly(interval, Attack.CommittedByAnother);
        if (dice % 4 == 0) {
            bool again = _isComplete(interval);
            return _settleWrongly(interval, again ? Attack.CommittedOnceSettled : Attack.CommittedAgain);
        }
        if (interval.released || _isComplete(interval)) return _settleWrongly(interval, Attack.SettledAgain);
        if (interval.spoilt) return;
        if (_isOver(interval)) return _settleWrongly(interval, Attack.AfterTheTerm);
        if (dice % 4 == 1) return _settleWrongly(interval, Attack.OtherBatch);
        if (block.timestamp < endsAt) return _settleWrongly(interval, Attack.BeforeDelivery);
        bool first = interval.plan.parts == 2 && interval.settled == 0;
        if (dice % 4 == 2 && first) return _settleWrongly(interval, Attack.PartOutOfTurn);
        _settleWrongly(interval, Attack.AlteredReadings);
    }

    /// @dev Tries what chance has not, in the state that it has led to, so that no attack is left out.
    function tryWhatIsLeft() external {
        if (exchange.paused()) {
            vm.prank(pauser);
            exchange.unpause();
        }
        vm.warp(block.timestamp + 3 days);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            if (exchange.supplyOf(_owner(i)).endsAt != type(uint32).max) _renewSupply(i);
        }
        vm.warp(block.timestamp + exchange.NOTICE());
        for (uint256 i = 0; i < BROKEN_BATCHES; ++i) {
            if (attempts[Attack(i)] == 0) _attack(Attack(i), _nextStart(1), 5_000);
        }
        Interval storage interval = _commitRightly();
        _settleWrongly(interval, Attack.OtherBatch);
        _settleWrongly(interval, Attack.BeforeDelivery);
        vm.warp(interval.plan.start + STEP);
        _settleWrongly(interval, Attack.PartOutOfTurn);
        _settleWrongly(interval, Attack.AlteredReadings);
        _settleWrongly(interval, Attack.CommittedByAnother);
        _settleWrongly(interval, Attack.CommittedAgain);
        _settleRightly(interval);
        _settleRightly(interval);
        _settleWrongly(interval, Attack.CommittedOnceSettled);
        _settleWrongly(interval, Attack.SettledAgain);
        interval = _commitRightly();
        vm.warp(interval.plan.start + SETTLEMENT_TERM + 1);
        _settleWrongly(interval, Attack.AfterTheTerm);
        for (uint256 i = 0; i <= uint256(type(Attack).max); ++i) {
            vm.assertGe(attempts[Attack(i)], 1);
        }
    }

    // Batches that break a rule

    function _attack(Attack kind, uint40 start, uint32 energyWh) private {
        Plan memory plan = _honest(start, 1, energyWh, start);
        Batch memory batch = _build(plan, 0);
        if (batch.members.length < 2) return;
        if (kind == Attack.AccountInTwoParts) return _attackInTwoParts(batch, plan);
        bytes4 refusal = _spoil(batch, kind);
        (plan.seed, plan.parts) = (uint256(kind), 1);
        Interval storage interval = intervals[start];
        (interval.plan, interval.spoilt, interval.roots[0]) = (plan, true, _root(batch));
        starts.push(start);
        _commit(batch);
        if (block.timestamp < start + STEP) vm.warp(start + STEP);
        _mustFail(kind, batch, 0, _delivered(batch), refusal);
    }

    /// @dev The same members and orders once more, in a second part.
    function _attackInTwoParts(Batch memory batch, Plan memory plan) private {
        Interval storage interval = intervals[plan.start];
        plan.parts = 2;
        (interval.plan, interval.spoilt, interval.roots[1]) = (plan, true, _root(batch));
        interval.roots[0] = keccak256(abi.encodePacked(_hash(batch), interval.roots[1]));
        starts.push(plan.start);
        _commitRoot(plan.start, interval.roots[0]);
        vm.warp(plan.start + STEP);
        _settleAndCheck(batch, _delivered(batch));
        _mustFail(
            Attack.AccountInTwoParts,
            batch,
            0,
            _delivered(batch),
            IEnergyExchange.MetersNotIncreasing.selector
        );
    }

    /// @dev Breaks one rule, signs whatever its signers would sign, and says how it is to be refused.
    function _spoil(Batch memory batch, Attack kind) private returns (bytes4) {
        if (kind <= Attack.NeverRecorded) return _spoilSignature(batch, kind);
        if (kind <= Attack.BribedAgentAboveTheImbalance) return _spoilMandate(batch, kind);
        if (kind <= Attack.Expired) return _spoilOrder(batch, kind);
        return _spoilMembers(batch, kind);
    }

    function _spoilSignature(Batch memory batch, Attack kind) private returns (bytes4) {
        BatchMember memory member = batch.members[1];
        BatchOrder memory given = member.orders[0];
        Order memory signed = _signedOrder(batch, member, given);
        uint256 key = _keyOf(member.account);
        uint256 here = block.chainid;
        if (kind == Attack.WrongInterval) signed.intervalStart += STEP;
        if (kind == Attack.OtherChain) vm.chainId(here + 1);
        bytes32 digest = _digestAt(kind == Attack.OtherContract ? other : exchange, signed.hash());
        vm.chainId(here);
        (given.r, given.vs) = _halves(kind == Attack.ForgedSignature ? STRANGER_KEY : key, digest);
        if (kind == Attack.NoSignature) (given.r, given.vs) = (0, 0);
        if (kind == Attack.NeverRecorded) given.authority = 1;
        return IEnergyExchange.OrderNotAuthorised.selector;
    }

    /// @dev A bribed agent signs what it must not; the others are not the owner's agents, or do not sign.
    function _spoilMandate(Batch memory batch, Attack kind) private returns (bytes4) {
        BatchMember memory member = batch.members[1];
        BatchOrder memory given = member.orders[0];
        uint256 key = STEADY_AGENT;
        bytes4 refusal = IEnergyExchange.MandateExceeded.selector;
        if (kind == Attack.AgentOfNobody) {
            (key, refusal) = (STRANGER_KEY, IEnergyExchange.MandateMissing.selector);
        } else if (kind == Attack.RevokedAgent) {
            (key, refusal) = (AGENT_KEY, IEnergyExchange.MandateMissing.selector);
            _revoke(member.account);
        } else if (kind == Attack.AgentNotAsked) {
            refusal = IEnergyExchange.AgentOrdersNotSigned.selector;
        } else if (kind == Attack.BribedAgentBeyondTheDay) {
            (key, refusal) = (TIGHT_AGENT, IEnergyExchange.MandateDailyCapExceeded.selector);
        } else if (kind == Attack.BribedAgentAboveThePrice) {
            given.limitPrice = 300_001;
        } else if (kind == Attack.BribedAgentAboveTheFee) {
            given.feeCap = 5_001;
        } else {
            given.imbalanceCap = 200_001;
        }
        given.authority = 2;
        bytes32 list = keccak256(abi.encodePacked(bytes32(0), _signedOrder(batch, member, given).hash()));
        bytes32 digest = _agentsDigest(batch.intervalStart, list);
        (bytes32 r, bytes32 vs) = _halves(kind == Attack.AgentNotAsked ? STRANGER_KEY : key, digest);
        batch.agents = new BatchAgent[](1);
        batch.agents[0] = BatchAgent(vm.addr(key), r, vs);
        return refusal;
    }

    /// @dev Members sign these; the rules refuse them.
    function _spoilOrder(Batch memory batch, Attack kind) private returns (bytes4 refusal) {
        BatchMember memory member = batch.members[1];
        BatchOrder memory given = member.orders[0];
        if (kind == Attack.BuysAboveLimit || kind == Attack.SellsBelowLimit) {
            uint32 price = batch.prices.clearing;
            if (kind == Attack.BuysAboveLimit) given.limitPrice = price - 1;
            else batch.members[0].orders[0].limitPrice = price + 1;
            refusal = IEnergyExchange.OrderLimitViolated.selector;
        } else if (kind == Attack.FeeAboveCap) {
            given.feeCap = batch.prices.fee - 1;
            refusal = IEnergyExchange.OrderFeeCapExceeded.selector;
        } else if (kind == Attack.Overfilled) {
            given.executions[0].energyWh = given.energyWh + 1;
            refusal = IEnergyExchange.OrderOverfilled.selector;
        } else if (kind == Attack.BuysExceedSells) {
            batch.members[0].orders[0].executions[0].energyWh -= 1;
            refusal = IEnergyExchange.BuysDifferFromSells.selector;
        } else if (kind == Attack.NonceTwice) {
            member.orders = new BatchOrder[](2);
            (member.orders[0], member.orders[1]) = (given, given);
            refusal = IEnergyExchange.OrderReplayed.selector;
        } else if (kind == Attack.Late) {
            vm.warp(batch.intervalStart);
            refusal = IEnergyExchange.LateBatchHasOrders.selector;
        } else if (kind == Attack.Expired) {
            given.expiry = uint40(block.timestamp - 1);
            refusal = IEnergyExchange.OrderExpired.selector;
        } else {
            _cancel(member.account, batch.intervalStart, given.k, kind == Attack.UnderTheFloor);
            refusal = IEnergyExchange.OrderCancelled.selector;
        }
        _complete(batch);
    }

    function _spoilMembers(Batch memory batch, Attack kind) private view returns (bytes4 refusal) {
        refusal = IEnergyExchange.SupplyMissing.selector;
        BatchOrder memory given = batch.members[1].orders[0];
        if (kind == Attack.RetailAboveAgreement) batch.prices.retailImport = 400_001;
        if (kind == Attack.FeedInBelowAgreement) batch.prices.feedIn = 49_999;
        if (kind == Attack.WithoutAgreement) _with(batch, BatchMember(bystander, 0, new BatchOrder[](0)));
        if (kind == Attack.AccountZero) {
            BatchOrder[] memory orders = new BatchOrder[](1);
            orders[0] = _order(OrderTypes.BUY, 0);
            _with(batch, BatchMember(address(0), 0, orders));
            (orders[0].r, orders[0].vs) = (0, 0); // recovers to the zero address
            return IEnergyExchange.MetersNotIncreasing.selector;
        }
        if (kind == Attack.MeterTwice) {
            _with(batch, batch.members[0]);
            refusal = IEnergyExchange.MetersNotIncreasing.selector;
        }
        if (kind == Attack.GenerationMeter) {
            batch.members[0].number = 0x4000;
            refusal = IEnergyExchange.NotAGridMeter.selector;
        }
        if (kind >= Attack.TradeAtTwoPrices) {
            for (uint256 i = 0; i < batch.members.length; ++i) {
                batch.members[i].orders[0].executions[0].trade = uint16(i / 2);
            }
            bool half = kind == Attack.HalfATrade;
            batch.trades = uint16(batch.members.length / 2 + (half ? 1 : 0));
            if (!half) given.executions[0].price += 1;
            refusal = half ? IEnergyExchange.TradeIncomplete.selector : IEnergyExchange.TradeMismatch.selector;
        }
        _complete(batch);
    }

    function _revoke(address owner) private {
        uint256 endsAt = block.timestamp + exchange.NOTICE();
        if (exchange.mandateOf(owner, agent).endsAt > endsAt) {
            vm.prank(owner);
            exchange.revokeMandate(agent);
        }
        vm.warp(endsAt);
    }

    /// @dev The owner cancels; when its notice is over the operator commits nevertheless.
    function _cancel(address owner, uint40 start, uint8 k, bool byFloor) private {
        if (byFloor) {
            vm.prank(owner);
            try exchange.cancelBefore(start + 1) {} catch {}
        }
        uint64 nonce = uint64(start) * 256 + k;
        if (exchange.cancelledSince(owner, nonce) == 0) {
            vm.prank(owner);
            exchange.cancelNonce(owner, nonce);
        }
        vm.warp(block.timestamp + exchange.NOTICE());
    }

    // Batches that keep every rule

    function _commitRightly() private returns (Interval storage interval) {
        Plan memory plan = _honest(_nextStart(1), 1, 5_000, block.timestamp);
        plan.parts = 2;
        _commitPlan(plan);
        return intervals[plan.start];
    }

    function _settleRightly(Interval storage interval) private {
        Batch memory batch = _build(interval.plan, interval.settled);
        _settleAndCheck(batch, _delivered(batch));
    }

    function _settleWrongly(Interval storage interval, Attack kind) private {
        Plan memory plan = interval.plan;
        if (kind == Attack.CommittedByAnother) return _commitByAnother(interval);
        if (kind == Attack.CommittedAgain || kind == Attack.CommittedOnceSettled) {
            return _commitAgain(interval, kind);
        }
        uint256 part = interval.settled;
        if (part == plan.parts) --part;
        if (kind == Attack.PartOutOfTurn) ++part;
        Batch memory batch = _build(plan, part);
        Registers[] memory registers = _delivered(batch);
        bytes32 next = interval.roots[part + 1];
        bytes4 refusal = IEnergyExchange.RootMismatch.selector;
        if (kind == Attack.OtherBatch) {
            batch.prices.clearing += 1;
        } else if (kind == Attack.BeforeDelivery) {
            refusal = IEnergyExchange.DeliveryNotEnded.selector;
        } else if (kind == Attack.SettledAgain) {
            // Once it is forgotten, or was released, there is nothing that could be settled.
            refusal = _isKnownToBeSettled(interval)
                ? IEnergyExchange.AlreadySettled.selector
                : IEnergyExchange.NotCommitted.selector;
        } else if (kind == Attack.AfterTheTerm) {
            refusal = IEnergyExchange.IntervalClosed.selector;
        } else if (kind == Attack.AlteredReadings) {
            return _settleWithAlteredReadings(batch, next, registers);
        }
        _mustFail(kind, batch, next, registers, refusal);
    }

    /// @dev Nobody but the operator commits, not even what it has committed or would.
    function _commitByAnother(Interval storage interval) private {
        attempts[Attack.CommittedByAnother] += 1;
        address caller = _settler();
        if (caller == operator) caller = stranger;
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        vm.prank(caller);
        exchange.commitBatch(interval.plan.start, interval.roots[0]);
    }

    /// @dev The same batch once more: while it is committed, or when it is settled and nothing of it is stored.
    function _commitAgain(Interval storage interval, Attack kind) private {
        attempts[kind] += 1;
        bytes4 refusal = IEnergyExchange.AlreadyCommitted.selector;
        if (interval.released || _isComplete(interval)) {
            refusal = block.timestamp > interval.plan.start + SETTLEMENT_TERM
                ? IEnergyExchange.IntervalClosed.selector
                : IEnergyExchange.AlreadySettled.selector;
        }
        vm.expectPartialRevert(refusal);
        _commitRoot(interval.plan.start, interval.roots[0]);
    }

    /// @dev What the meters signed, and a register that differs.
    function _settleWithAlteredReadings(Batch memory batch, bytes32 next, Registers[] memory registers)
        private
    {
        if (registers.length == 0) return;
        attempts[Attack.AlteredReadings] += 1;
        bytes memory proof = _signedProof(batch, registers);
        uint256 meter = attempts[Attack.AlteredReadings] % registers.length;
        if (meter % 2 == 0) registers[meter].exportWh += 1;
        else registers[meter].importWh += 1;
        vm.expectPartialRevert(IMeterOracle.InvalidReading.selector);
        _settlePart(batch, next, registers, proof);
    }

    function _mustFail(
        Attack kind,
        Batch memory batch,
        bytes32 next,
        Registers[] memory registers,
        bytes4 refusal
    ) private {
        attempts[kind] += 1;
        bytes memory proof = _signedProof(batch, registers);
        vm.expectPartialRevert(refusal);
        _settlePart(batch, next, registers, proof);
    }
}

/// @notice The same against the reference.
contract AdversaryOfTheReference is Adversary {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
