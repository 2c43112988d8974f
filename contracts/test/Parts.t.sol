// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchMember, Registers} from "./support/Batches.sol";

/// @notice Batches in parts, each a transaction of its own, on both paths.
contract PartsTest is Community {
    /// @dev Members 0 to 3 by account: the first two in part one, the others in part two.
    uint256[4] private order;

    function setUp() public override {
        super.setUp();
        vm.warp(GATE - 7 days);
        _addMember(2);
        _addMember(3);
        vm.warp(GATE);
        BatchMember[] memory members = _withoutOrders(4).members;
        for (uint256 i = 0; i < 4; ++i) {
            order[i] = _keyOf(members[i].account) - _ownerKey(0);
        }
    }

    function test_PartsSettleOneAfterTheOther() public {
        (Batch memory one, Batch memory two) = (_part(0), _part(2));
        bytes32 next = _commitParts(one, two);
        _settleHere(one, next);
        (bytes26 root, uint8 parts,) = exchange.commitments(START);
        vm.assertEq(bytes32(root), bytes32(bytes26(next)));
        vm.assertEq(parts, 1);
        vm.assertFalse(exchange.isSettled(START));
        _settleHere(two, 0);
        uint40 committedAt;
        (root, parts, committedAt) = exchange.commitments(START);
        vm.assertEq(bytes32(root), 0);
        vm.assertEq(parts, 0);
        vm.assertEq(committedAt, 0);
        vm.assertTrue(exchange.isSettled(START));
        for (uint256 i = 0; i < 4; ++i) {
            uint256 expected = i % 2 == 0 ? OPENING + 197_000 : OPENING - 203_000;
            vm.assertEq(_balance(order[i]), expected);
        }
        vm.assertEq(exchange.balanceOf(fund), 12_000);
    }

    function test_RevertWhen_PartsComeInAnotherOrder() public {
        (Batch memory one, Batch memory two) = (_part(0), _part(2));
        bytes32 next = _commitParts(one, two);
        bytes26 committed = _rootOf(one, next);
        _refusePart(two, 0, _mismatch(committed, _rootOf(two, 0)));
        _refusePart(two, next, _mismatch(committed, _rootOf(two, next)));
    }

    function test_RevertWhen_APartIsReplayedOrTheLastIsNot() public {
        (Batch memory one, Batch memory two) = (_part(0), _part(2));
        bytes32 next = _commitParts(one, two);
        _settleHere(one, next);
        bytes26 committed = bytes26(next);
        _refusePart(one, next, _mismatch(committed, _rootOf(one, next)));
        _settleHere(two, 0);
        _refusePart(two, 0, _one(IEnergyExchange.AlreadySettled.selector, START));
        _refusePart(one, next, _one(IEnergyExchange.AlreadySettled.selector, START));
    }

    function test_RevertWhen_APartsPricesAreNotTheCommittedOnes() public {
        (Batch memory one, Batch memory two) = (_part(0), _part(2));
        bytes32 next = _commitParts(one, two);
        _settleHere(one, next);
        two.prices.clearing += 1;
        _refusePart(two, 0, _mismatch(bytes26(next), _rootOf(two, 0)));
    }

    function test_RevertWhen_AMemberIsInTwoParts() public {
        (Batch memory one, Batch memory two) = (_part(0), _part(1));
        for (uint256 i = 0; i < 2; ++i) {
            two.members[i].orders[0].k = 1; // other nonces: it is the member that may not come again
        }
        _complete(two);
        bytes32 next = _commitParts(one, two);
        _settleHere(one, next);
        _refusePart(two, 0, _one(IEnergyExchange.MetersNotIncreasing.selector, 0));
    }

    function test_RevertWhen_PartsAreNotSorted() public {
        (Batch memory one, Batch memory two) = (_part(2), _part(0));
        bytes32 next = _commitParts(one, two);
        _settleHere(one, next);
        _refusePart(two, 0, _one(IEnergyExchange.MetersNotIncreasing.selector, 0));
    }

    function test_RevertWhen_TheThirdPartRepeatsTheSecond() public {
        Batch memory one = _part(0);
        Batch memory two = _part(2);
        Batch memory three = _part(2);
        three.members[0].orders[0].k = 1;
        three.members[1].orders[0].k = 1;
        _complete(three);
        bytes32 last = keccak256(abi.encodePacked(_hash(three), bytes32(0)));
        bytes32 next = _commitParts(one, two, last);
        _settleHere(one, next);
        _settleHere(two, last);
        _refusePart(three, 0, _one(IEnergyExchange.MetersNotIncreasing.selector, 0));
    }

    /// @dev Buys and sells are equal in each part.
    function test_RevertWhen_ATradeSpansTwoParts() public {
        Batch memory one = _unsigned(START, 1);
        Batch memory two = _unsigned(START, 1);
        one.members[0] = _memberOf(order[0], _order(OrderTypes.SELL, 1_000));
        two.members[0] = _memberOf(order[1], _order(OrderTypes.BUY, 1_000));
        _complete(one);
        _complete(two);
        bytes32 next = _commitParts(one, two);
        _refusePart(
            one, next, abi.encodeWithSelector(IEnergyExchange.BuysDifferFromSells.selector, int256(-1_000))
        );
    }

    function test_RevertWhen_APartComesAfterTheTerm() public {
        (Batch memory one, Batch memory two) = (_part(0), _part(2));
        bytes32 next = _commitParts(one, two);
        _settleHere(one, next);
        uint256 closesAt = START + SETTLEMENT_TERM;
        vm.warp(closesAt + 1);
        _refusePart(two, 0, abi.encodeWithSelector(IEnergyExchange.IntervalClosed.selector, START, closesAt));
        exchange.release(START);
        _refusePart(two, 0, _one(IEnergyExchange.NotCommitted.selector, START));
        vm.assertFalse(exchange.isSettled(START));
    }

    /// @dev Members `first` and the next by account: one sells, the other buys.
    function _part(uint256 first) private view returns (Batch memory batch) {
        batch = _unsigned(START, 2);
        batch.members[0] = _memberOf(order[first], _order(OrderTypes.SELL, 1_000));
        batch.members[1] = _memberOf(order[first + 1], _order(OrderTypes.BUY, 1_000));
        _complete(batch);
    }

    function _commitParts(Batch memory one, Batch memory two) private returns (bytes32) {
        return _commitParts(one, two, 0);
    }

    function _commitParts(Batch memory one, Batch memory two, bytes32 last) private returns (bytes32 next) {
        next = keccak256(abi.encodePacked(_hash(two), last));
        bytes32 root = keccak256(abi.encodePacked(_hash(one), next));
        vm.prank(operator);
        exchange.commitBatch(START, root);
        vm.warp(END);
    }

    function _settleHere(Batch memory batch, bytes32 next) private {
        Registers[] memory registers = _delivered(batch);
        _settlePart(batch, next, registers, _signedProof(batch, registers));
    }

    function _refusePart(Batch memory batch, bytes32 next, bytes memory refusal) private {
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.expectRevert(refusal);
        _settlePart(batch, next, registers, proof);
    }

    function _rootOf(Batch memory batch, bytes32 next) private pure returns (bytes26) {
        return bytes26(keccak256(abi.encodePacked(_hash(batch), next)));
    }

    function _mismatch(bytes26 committed, bytes26 given) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.RootMismatch.selector, START, committed, given);
    }
}

contract PartsOnReferenceTest is PartsTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
