// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Intervals, Terms} from "../src/Intervals.sol";
import {Order, OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchOrder, Registers} from "./support/Batches.sol";
import {BatchAgent} from "../src/reference/BatchWords.sol";

/// @notice Orders that must not execute, on both paths. Member 1 buys, member 0 sells.
contract OrdersTest is Community {
    using OrderTypes for Order;

    // What was signed

    function test_RevertWhen_AnOrderIsOverfilled() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).energyWh = 999;
        _refuse(
            batch, abi.encodeWithSelector(IEnergyExchange.OrderOverfilled.selector, _at(batch, 1), 1_000, 999)
        );
    }

    function test_RevertWhen_AnOrderHasExpired() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).expiry = GATE - 1;
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.OrderExpired.selector, _at(batch, 1), GATE - 1));
    }

    function test_AnOrderMayExpireAtItsCommitment() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).expiry = GATE;
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
    }

    function test_RevertWhen_ClearingIsAboveABid() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).limitPrice = 199_999;
        _refuse(
            batch,
            abi.encodeWithSelector(
                IEnergyExchange.OrderLimitViolated.selector, _at(batch, 1), 199_999, 200_000
            )
        );
    }

    function test_RevertWhen_ClearingIsBelowAnOffer() public {
        Batch memory batch = _batch();
        _orderOf(batch, 0).limitPrice = 200_001;
        _refuse(
            batch,
            abi.encodeWithSelector(
                IEnergyExchange.OrderLimitViolated.selector, _at(batch, 0), 200_001, 200_000
            )
        );
    }

    function test_LimitsAreInclusive() public {
        Batch memory batch = _batch();
        _orderOf(batch, 0).limitPrice = 200_000;
        _orderOf(batch, 1).limitPrice = 200_000;
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
    }

    function test_RevertWhen_TheFeeExceedsItsCap() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).feeCap = 2_999;
        _refuse(
            batch,
            abi.encodeWithSelector(IEnergyExchange.OrderFeeCapExceeded.selector, _at(batch, 1), 2_999, 3_000)
        );
    }

    function test_RevertWhen_ANonceIsUsedTwiceInABatch() public {
        Batch memory batch = _batch();
        BatchOrder memory again = _order(OrderTypes.BUY, 5);
        batch.members[_at(batch, 1)] = _memberOf(1, _orderOf(batch, 1), again);
        _refuse(batch, _one(IEnergyExchange.OrderReplayed.selector, _at(batch, 1) + 1));
    }

    /// @dev Meters of one owner share its nonces.
    function test_RevertWhen_ANonceIsUsedForTwoMeters() public {
        _addMeter(1, 3);
        Batch memory batch = _with(_batch(), _memberOf(1, _order(OrderTypes.BUY, 5)));
        batch.members[_at(batch, 1) + 1].number = 3;
        _refuse(batch, _one(IEnergyExchange.OrderReplayed.selector, _at(batch, 1) + 1));
    }

    /// @dev ... in all parts of a batch: else an order and the one that should replace it, for another meter, both
    /// executed.
    function test_RevertWhen_ANonceIsUsedInTwoParts() public {
        (Batch memory one, Batch memory two) = _partsWithOneNonce();
        bytes32 next = keccak256(abi.encodePacked(_hash(two), bytes32(0)));
        bytes32 root = keccak256(abi.encodePacked(_hash(one), next));
        vm.prank(operator);
        exchange.commitBatch(START, root);
        vm.warp(END);
        Registers[] memory registers = _delivered(one);
        _settlePart(one, next, registers, _signedProof(one, registers));
        _refuseNow(two, _delivered(two), _one(IEnergyExchange.MetersNotIncreasing.selector, 0));
    }

    // Signatures

    function test_RevertWhen_AnOrderIsSignedByAStranger() public {
        _refuseSignature(STRANGER_KEY, _digestOf(_batch(), 1), stranger);
    }

    function test_RevertWhen_ASignatureRecoversToNobody() public {
        Batch memory batch = _batch();
        (_orderOf(batch, 1).r, _orderOf(batch, 1).vs) = (0, 0);
        _refuseAsIs(batch, _notAuthorised(_at(batch, 1), address(0)));
    }

    /// @dev A failed recovery must not leave the signer of the order before.
    function test_RevertWhen_OnlyTheLastSignatureRecoversToNobody() public {
        Batch memory batch = _batch();
        BatchOrder memory last = batch.members[1].orders[0];
        (last.r, last.vs) = (bytes32(type(uint256).max), bytes32(uint256(1)));
        _refuseAsIs(batch, _notAuthorised(1, address(0)));
    }

    /// @dev Nobody owns the zero address, and a failed recovery must not stand for its consent. Even its supply
    /// agreement cannot exist.
    function test_RevertWhen_TheOwnerIsNobody() public {
        Batch memory batch = _batch();
        batch.members[0].account = address(0);
        (batch.members[0].orders[0].r, batch.members[0].orders[0].vs) = (0, 0);
        _refuseAsIs(batch, _one(IEnergyExchange.MetersNotIncreasing.selector, 0));
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherInterval() public {
        Batch memory batch = _batch();
        batch.intervalStart = END;
        bytes32 digest = _digestOf(batch, 1);
        _refuseSignature(_ownerKey(1), digest, address(1));
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherLength() public {
        Batch memory batch = _batch();
        Order memory order = _signedOrder(batch, batch.members[_at(batch, 1)], _orderOf(batch, 1));
        order.intervalSeconds = 300;
        _refuseSignature(_ownerKey(1), _digest(order.hash()), address(1));
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherMeter() public {
        Batch memory batch = _batch();
        batch.members[_at(batch, 1)].number = 1;
        _refuseSignature(_ownerKey(1), _digestOf(batch, 1), address(1));
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherNonce() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).k = 1;
        _refuseSignature(_ownerKey(1), _digestOf(batch, 1), address(1));
    }

    function test_RevertWhen_AnOrderWasSignedForTheOtherSide() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).side = OrderTypes.SELL;
        _refuseSignature(_ownerKey(1), _digestOf(batch, 1), address(1));
    }

    /// @dev Each figure that an order bounds itself by is part of what is signed.
    function testFuzz_RevertWhen_AFigureWasNotSigned(uint8 field, uint32 by) public {
        Batch memory batch = _batch();
        BatchOrder memory order = _orderOf(batch, 1);
        by = by % 100_000 + 1;
        if (field % 5 == 0) order.energyWh += by;
        else if (field % 5 == 1) order.limitPrice += by;
        else if (field % 5 == 2) order.feeCap += by;
        else if (field % 5 == 3) order.imbalanceCap += by;
        else order.expiry += by;
        _refuseSignature(_ownerKey(1), _digestOf(batch, 1), address(1));
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherContract() public {
        Batch memory batch = _batch();
        Intervals here = exchange;
        exchange = _newExchange(
            Terms(token, oracle, retailer, fund, admin, STEP, WITHDRAWAL_DELAY, SETTLEMENT_TERM)
        );
        bytes32 digest = _digestOf(batch, 1);
        exchange = here;
        _refuseSignature(_ownerKey(1), digest, address(1));
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherChain() public {
        Batch memory batch = _batch();
        uint256 here = block.chainid;
        vm.chainId(5);
        bytes32 digest = _digestOf(batch, 1);
        vm.chainId(here);
        _refuseSignature(_ownerKey(1), digest, address(1));
    }

    /// @dev ... also when the chain splits under a contract that remembers its domain.
    function test_RevertWhen_TheChainSplits() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.chainId(5);
        vm.expectPartialRevert(IEnergyExchange.OrderNotAuthorised.selector);
        _settle(batch, registers, proof);
    }

    // Agents

    function test_RevertWhen_ThereIsNoMandate() public {
        _refuseByAgent(_batch(), 1, IEnergyExchange.MandateMissing.selector);
    }

    function test_RevertWhen_AnAgentDidNotSign() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _byAgent(_batch(), 1);
        bytes32 digest = _agentsDigest(START, _ordersHashOf(batch, 1));
        (batch.agents[0].r, batch.agents[0].vs) = _halves(STRANGER_KEY, digest);
        _refuseAsIs(
            batch, abi.encodeWithSelector(IEnergyExchange.AgentOrdersNotSigned.selector, agent, stranger)
        );
    }

    function test_RevertWhen_AnAgentSignedNothing() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _byAgent(_batch(), 1);
        (batch.agents[0].r, batch.agents[0].vs) = (0, 0);
        _refuseAsIs(
            batch, abi.encodeWithSelector(IEnergyExchange.AgentOrdersNotSigned.selector, agent, address(0))
        );
    }

    function test_RevertWhen_AnAgentSignedOtherOrders() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _byAgent(_batch(), 1);
        (bytes32 r, bytes32 vs) = (batch.agents[0].r, batch.agents[0].vs);
        _orderOf(batch, 1).energyWh = 1_001;
        batch = _byAgent(batch, 1);
        (batch.agents[0].r, batch.agents[0].vs) = (r, vs);
        _refuseAgentsList(batch);
    }

    function test_RevertWhen_AnAgentSignedForAnotherInterval() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _byAgent(_batch(), 1);
        bytes32 digest = _agentsDigest(END, _ordersHashOf(batch, 1));
        (batch.agents[0].r, batch.agents[0].vs) = _halves(AGENT_KEY, digest);
        _refuseAgentsList(batch);
    }

    /// @dev A stranger cannot be listed as the agent of who gave it no mandate.
    function test_RevertWhen_AStrangerActsAsAgent() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _byAgent(_batch(), 1);
        bytes32 digest = _agentsDigest(START, _ordersHashOf(batch, 1));
        (bytes32 r, bytes32 vs) = _halves(STRANGER_KEY, digest);
        batch.agents[0] = BatchAgent(stranger, r, vs);
        _refuseAsIs(
            batch, abi.encodeWithSelector(IEnergyExchange.MandateMissing.selector, _at(batch, 1), stranger)
        );
    }

    function test_RevertWhen_TheBatchHasNoSuchAgent() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _byAgent(_batch(), 1);
        _orderOf(batch, 1).authority = 3;
        _refuseAsIs(batch, abi.encodeWithSelector(IEnergyExchange.BatchMalformed.selector));
    }

    function test_RevertWhen_AnOrderWasNeverRecorded() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).authority = 1;
        _refuseAsIs(batch, _notAuthorised(_at(batch, 1), _owner(1)));
    }

    // Shorthands

    function _partsWithOneNonce() private returns (Batch memory one, Batch memory two) {
        // The account with the higher address has a meter in each part, and an order of nonce 0 for each.
        Batch memory whole = _batch();
        uint256 last = whole.members[1].account == _owner(1) ? 1 : 0;
        uint256 first = 1 - last;
        _addMeter(last, 3);
        one = _unsigned(START, 2);
        one.members[0] = _memberOf(first, _order(OrderTypes.SELL, 1_000));
        one.members[1] = _memberOf(last, _order(OrderTypes.BUY, 1_000));
        _complete(one);
        two = _unsigned(START, 1);
        two.members[0] = _memberOf(last, _order(OrderTypes.BUY, 5));
        two.members[0].number = 3;
        two.members[0].orders[0].executions[0].energyWh = 0;
        _complete(two);
    }

    function _digestOf(Batch memory batch, uint256 member) private view returns (bytes32) {
        Order memory order = _signedOrder(batch, batch.members[_at(batch, member)], _orderOf(batch, member));
        return _digest(order.hash());
    }

    function _ordersHashOf(Batch memory batch, uint256 member) private pure returns (bytes32) {
        Order memory order = _signedOrder(batch, batch.members[_at(batch, member)], _orderOf(batch, member));
        return keccak256(abi.encodePacked(bytes32(0), order.hash()));
    }

    function _notAuthorised(uint256 index, address signer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.OrderNotAuthorised.selector, index, signer);
    }

    /// @dev Member 1's order carries a signature by `key` over something else: it recovers to `signer`, or to whomever
    /// when that is address(1).
    function _refuseSignature(uint256 key, bytes32 digest, address signer) private {
        Batch memory batch = _batch();
        uint256 index = _at(batch, 1);
        (_orderOf(batch, 1).r, _orderOf(batch, 1).vs) = _halves(key, digest);
        if (signer != address(1)) return _refuseAsIs(batch, _notAuthorised(index, signer));
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.expectPartialRevert(IEnergyExchange.OrderNotAuthorised.selector);
        _settle(batch, registers, proof);
    }

    function _refuseByAgent(Batch memory batch, uint256 member, bytes4 selector) private {
        batch = _byAgent(batch, member);
        _refuseAsIs(batch, abi.encodeWithSelector(selector, _at(batch, member), agent));
    }

    /// @dev The agent's signature recovers to somebody else.
    function _refuseAgentsList(Batch memory batch) private {
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.expectPartialRevert(IEnergyExchange.AgentOrdersNotSigned.selector);
        _settle(batch, registers, proof);
    }
}

contract OrdersOfTheReferenceTest is OrdersTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
