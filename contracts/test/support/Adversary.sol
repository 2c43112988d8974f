// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Handler} from "./Handler.sol";
import {Intervals, Terms} from "../../src/Intervals.sol";
import {IEnergyExchange} from "../../src/interfaces/IEnergyExchange.sol";
import {IMeterOracle} from "../../src/interfaces/IMeterOracle.sol";
import {Order, OrderTypes} from "../../src/libraries/OrderTypes.sol";
import {
    Batch,
    BatchAgent,
    BatchMember,
    BatchOrder,
    Registers
} from "../../src/reference/EnergyExchangeReference.sol";

/// @notice An operator that commits and settles what it must not. Each attack comes through only if every check fails.
contract Adversary is Handler {
    using OrderTypes for Order;

    uint256 public constant ATTACKS = 18;

    /// @notice How often each attack was tried.
    uint256[ATTACKS] public attempts;

    Intervals private immutable other;

    constructor() {
        other = _newExchange(
            Terms(token, oracle, retailer, fund, admin, STEP, WITHDRAWAL_DELAY, SETTLEMENT_TERM)
        );
    }

    /// @dev Commits a batch that breaks a rule, waits for delivery, and cannot settle it.
    function attack(uint8 dice, uint32 energyWh) external {
        uint40 start = _nextStart(dice % 3);
        (,, uint40 committedAt) = exchange.commitments(start);
        if (exchange.paused() || committedAt != 0) return;
        Batch memory batch = _build(_honest(start, 1, energyWh % 100_000 + 2), 0);
        if (batch.members.length != MEMBERS) return;
        uint256 kind = dice % ATTACKS;
        attempts[kind] += 1;
        bytes4 refusal = _spoil(batch, kind);
        vm.prank(operator);
        exchange.commitBatch(start, _root(batch));
        if (block.timestamp < start + STEP) vm.warp(start + STEP);
        _mustFail(batch, 0, _delivered(batch), refusal);
    }

    /// @dev A batch of somebody else's making, a part out of turn, swapped registers, too early, again.
    function settleWrongly(uint256 which, uint8 dice) external {
        if (starts.length == 0 || exchange.paused()) return;
        uint40 start = starts[which % starts.length];
        Interval storage interval = intervals[start];
        uint256 part = dice % interval.plan.parts;
        Batch memory batch = _build(interval.plan, part);
        bytes32 next = _rootFrom(interval.plan, part + 1);
        bytes4 refusal = IEnergyExchange.RootMismatch.selector;
        if (dice % 2 == 0) batch.prices.clearing += 1;
        else if (dice % 4 == 1) next = keccak256(abi.encode(next));
        else if (block.timestamp >= start + STEP && part == interval.settled) return; // that would be right
        else refusal = IEnergyExchange.DeliveryNotEnded.selector;
        if (interval.released || interval.settled == interval.plan.parts) {
            refusal = IEnergyExchange.AlreadySettled.selector;
        } else if (part != interval.settled) {
            refusal = IEnergyExchange.RootMismatch.selector;
        }
        _mustFail(batch, next, _delivered(batch), refusal);
    }

    /// @dev Readings that the meters did not sign.
    function settleWithWrongReadings(uint256 which, uint8 dice) external {
        if (starts.length == 0 || exchange.paused()) return;
        uint40 start = starts[which % starts.length];
        Interval storage interval = intervals[start];
        if (interval.settled != 0 || interval.released || interval.plan.parts != 1) return;
        if (block.timestamp > start + SETTLEMENT_TERM) return;
        if (block.timestamp < start + STEP) vm.warp(start + STEP);
        Batch memory batch = _build(interval.plan, 0);
        if (batch.members.length < 2) return;
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        if (dice % 2 == 0) (registers[0], registers[1]) = (registers[1], registers[0]);
        else registers[dice % registers.length].importWh += 1;
        vm.expectPartialRevert(IMeterOracle.InvalidReading.selector);
        _settlePart(batch, 0, registers, proof);
    }

    function _mustFail(Batch memory batch, bytes32 next, Registers[] memory registers, bytes4 refusal)
        private
    {
        bytes memory proof = _signedProof(batch, registers);
        vm.expectPartialRevert(refusal);
        _settlePart(batch, next, registers, proof);
    }

    /// @dev Breaks one rule, and signs whatever its signer would sign.
    function _spoil(Batch memory batch, uint256 kind) private returns (bytes4) {
        BatchMember memory member = batch.members[1]; // buys
        BatchOrder memory given = member.orders[0];
        if (kind < 8) return _spoilSignature(batch, member, given, kind);
        if (kind == 8) (batch.prices.clearing, given.limitPrice) = (200_000, 199_999);
        if (kind == 9) given.feeCap = batch.prices.fee - 1;
        if (kind == 10) batch.prices.retailImport = 400_001;
        if (kind == 11) batch.prices.feedIn = 49_999;
        if (kind == 12) given.executions[0].energyWh = given.energyWh + 1;
        if (kind == 13) given.executions[0].energyWh -= 1;
        if (kind == 14) {
            member.orders = new BatchOrder[](2);
            (member.orders[0], member.orders[1]) = (given, given);
        }
        if (kind == 15) vm.warp(batch.intervalStart); // too late for orders
        if (kind == 16) _cancel(member.account, batch.intervalStart, given.k);
        if (kind == 17) given.expiry = uint40(block.timestamp - 1);
        _complete(batch);
        return [
            IEnergyExchange.OrderLimitViolated.selector,
            IEnergyExchange.OrderFeeCapExceeded.selector,
            IEnergyExchange.SupplyMissing.selector,
            IEnergyExchange.SupplyMissing.selector,
            IEnergyExchange.OrderOverfilled.selector,
            IEnergyExchange.BuysDifferFromSells.selector,
            IEnergyExchange.OrderReplayed.selector,
            IEnergyExchange.LateBatchHasOrders.selector,
            IEnergyExchange.OrderCancelled.selector,
            IEnergyExchange.OrderExpired.selector
        ][kind - 8];
    }

    function _spoilSignature(
        Batch memory batch,
        BatchMember memory member,
        BatchOrder memory given,
        uint256 kind
    ) private returns (bytes4) {
        if (kind == 0) _signAsStranger(batch, member, given);
        if (kind == 1) {
            Order memory elsewhen = _signedOrder(batch, member, given);
            elsewhen.intervalStart += STEP;
            given.signature = _compact(_keyOf(member.account), _digest(elsewhen.hash()));
        }
        bytes32 structHash = _signedOrder(batch, member, given).hash();
        if (kind == 2) {
            uint256 here = block.chainid;
            vm.chainId(here + 1);
            given.signature = _compact(_keyOf(member.account), _digest(structHash));
            vm.chainId(here);
        }
        if (kind == 3) {
            Order memory elsewhere = _signedOrder(batch, member, given);
            given.signature = _compact(_keyOf(member.account), other.hashOrder(elsewhere));
        }
        if (kind == 4) given.signature = new bytes(64);
        if (kind == 5) given.authority = 1; // nothing was recorded
        if (kind < 6) return IEnergyExchange.OrderNotAuthorised.selector;
        // An agent: not the owner's, or not signing.
        given.authority = 2;
        bytes32 list = keccak256(abi.encodePacked(bytes32(0), structHash));
        bytes32 digest = exchange.hashAgentOrders(batch.intervalStart, list);
        batch.agents = new BatchAgent[](1);
        batch.agents[0] = BatchAgent(kind == 6 ? stranger : agent, _compact(STRANGER_KEY, digest));
        bool mandated = exchange.mandateOf(member.account, batch.agents[0].agent).endsAt > block.timestamp
            && exchange.mandateOf(member.account, agent).since <= block.timestamp && kind == 7;
        return
            mandated ? IEnergyExchange.AgentOrdersNotSigned.selector : IEnergyExchange.MandateMissing.selector;
    }

    function _signAsStranger(Batch memory batch, BatchMember memory member, BatchOrder memory given)
        private
        view
    {
        bytes32 structHash = _signedOrder(batch, member, given).hash();
        given.signature = _compact(STRANGER_KEY, _digest(structHash));
    }

    /// @dev The owner cancels; when its notice is over the operator commits nevertheless, at the last moment.
    function _cancel(address owner, uint40 start, uint8 k) private {
        if (exchange.cancelledSince(owner, uint256(start) * 256 + k) == 0) {
            vm.prank(owner);
            exchange.cancelNonce(owner, uint64(start) * 256 + k);
        }
        vm.warp(block.timestamp + exchange.NOTICE());
    }
}
