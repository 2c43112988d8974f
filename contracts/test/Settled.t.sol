// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Terms} from "../src/Intervals.sol";
import {Batch, Registers} from "./support/Batches.sol";

/// @notice Of a settled interval nothing is kept but one bit, for 96 intervals, on both paths: enough, as long as none can be
/// settled twice. The settlement term is the longest there may be, a day of 96 intervals.
contract SettledTest is Community {
    uint256 private constant REMEMBERED = 96;
    /// @dev The instant at which the interval at START closes, and the one 95 intervals later has ended.
    uint40 private constant LAST = START + 1 days;

    function setUp() public override {
        super.setUp();
        exchange = _newExchange(Terms(token, oracle, retailer, fund, admin, STEP, 2 days, 1 days));
        bytes32 role = exchange.OPERATOR_ROLE();
        vm.prank(admin);
        exchange.grantRole(role, operator);
        role = exchange.PAUSER_ROLE();
        vm.prank(admin);
        exchange.grantRole(role, pauser);
        vm.warp(LAST);
    }

    function test_NothingIsSettledAtFirst() public view {
        for (uint40 i = 0; i < 2 * REMEMBERED; ++i) {
            vm.assertFalse(exchange.isSettled(i * STEP));
            vm.assertFalse(exchange.isSettled(START + i * STEP));
        }
        vm.assertFalse(exchange.isSettled(type(uint64).max));
    }

    function test_RevertWhen_ASettledIntervalIsCommittedAgain() public {
        Batch memory batch = _commitAt(0);
        vm.assertFalse(exchange.isSettled(START));
        vm.expectRevert(_one(IEnergyExchange.AlreadyCommitted.selector, START));
        _commit(batch);
        _settleNow(batch);
        vm.assertTrue(exchange.isSettled(START));
        (bytes26 root, uint8 parts, uint40 committedAt) = exchange.commitments(START);
        vm.assertEq(bytes32(root), 0);
        vm.assertEq(parts, 0);
        vm.assertEq(committedAt, 0);
        vm.expectRevert(_one(IEnergyExchange.AlreadySettled.selector, START));
        _commit(batch);
        vm.expectRevert(_one(IEnergyExchange.AlreadySettled.selector, START));
        _settleNow(batch);
        vm.warp(LAST + 1);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.IntervalClosed.selector, START, LAST));
        _commit(batch);
        vm.expectRevert(_one(IEnergyExchange.NotCommitted.selector, START));
        exchange.release(START);
    }

    /// @dev All that can be open at once, settled in any order: each is known, none can be had again, and no other one is
    /// taken for settled.
    function testFuzz_AnyOrderOfTheIntervalsThatAreOpen(uint256 seed, uint96 which) public {
        uint40[] memory order = _shuffled(seed);
        for (uint256 i = 0; i < REMEMBERED; ++i) {
            if (which >> order[i] & 1 != 0) _settleNow(_commitAt(order[i]));
        }
        for (uint40 i = 0; i < REMEMBERED; ++i) {
            uint40 start = START + i * STEP;
            bool settled = which >> i & 1 != 0;
            vm.assertEq(exchange.isSettled(start) ? 1 : 0, settled ? 1 : 0);
            if (settled) {
                vm.expectRevert(_one(IEnergyExchange.AlreadySettled.selector, start));
                _commitRoot(start, "root");
            } else {
                _commitRoot(start, "root");
            }
        }
        vm.assertFalse(exchange.isSettled(START - STEP));
        vm.assertFalse(exchange.isSettled(START + uint40(REMEMBERED) * STEP));
    }

    /// @dev The earliest that is open, after the latest.
    function test_TheFirstAndTheLastOfTheWindow() public {
        _settleNow(_commitAt(95));
        vm.assertTrue(exchange.isSettled(START + 95 * STEP));
        vm.assertFalse(exchange.isSettled(START));
        _settleNow(_commitAt(0));
        vm.assertTrue(exchange.isSettled(START));
        vm.assertTrue(exchange.isSettled(START + 95 * STEP));
        for (uint40 i = 1; i < 95; ++i) {
            vm.assertFalse(exchange.isSettled(START + i * STEP));
        }
    }

    /// @dev It is closed when it is forgotten.
    function test_RevertWhen_AForgottenIntervalIsCommittedAgain() public {
        _settleNow(_commitAt(0));
        _settleNow(_commitAt(1));
        vm.warp(LAST + STEP);
        _settleNow(_commitAt(96));
        vm.assertFalse(exchange.isSettled(START));
        vm.assertTrue(exchange.isSettled(END));
        Batch memory first = _unsigned(START, 0);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.IntervalClosed.selector, START, LAST));
        _commit(first);
        vm.expectRevert(_one(IEnergyExchange.NotCommitted.selector, START));
        _settleNow(first);
        vm.expectRevert(_one(IEnergyExchange.AlreadySettled.selector, END));
        _commitRoot(END, "root");
    }

    /// @dev After a pause of any length no bit of before stands for another interval.
    function testFuzz_TheRecordMovesOn(uint16 ahead, uint96 which) public {
        for (uint40 i = 0; i < 95; i += 5) {
            if (which >> i & 1 != 0) _settleNow(_commitAt(i));
        }
        _settleNow(_commitAt(95));
        uint40 next = 96 + ahead % 600;
        vm.warp(START + (next + 1) * STEP);
        _settleNow(_commitAt(next));
        for (uint40 i = 0; i <= next; ++i) {
            bool settled = i == next || i == 95 || i < 95 && i % 5 == 0 && which >> i & 1 != 0;
            bool known = settled && next - i < REMEMBERED;
            vm.assertEq(exchange.isSettled(START + i * STEP) ? 1 : 0, known ? 1 : 0);
        }
    }

    /// @dev It is one interval's; an instant inside it is no interval of its own.
    function test_ACommittedIntervalAheadIsNotTakenForSettled() public {
        _settleNow(_commitAt(95));
        _commitRoot(LAST, "root");
        vm.assertFalse(exchange.isSettled(LAST));
        vm.expectRevert(_one(IEnergyExchange.AlreadyCommitted.selector, LAST));
        _commitRoot(LAST, "root");
    }

    /// @dev Released is not settled, and both leave nothing behind.
    function test_AReleasedIntervalIsNotSettled() public {
        _commitRoot(START, "root");
        _settleNow(_commitAt(1));
        vm.warp(LAST + 1);
        exchange.release(START);
        vm.assertFalse(exchange.isSettled(START));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.IntervalClosed.selector, START, LAST));
        _commitRoot(START, "root");
    }

    /// @dev The record shares its slot with the pause and with the retailer's and the fund's balances.
    function test_TheRecordLeavesItsNeighboursAlone() public {
        _fund(retailer, (1 << 56) - 1);
        _fund(fund, (1 << 56) - 1);
        _settleNow(_commitAt(3));
        _settleNow(_commitAt(95));
        vm.assertEq(exchange.balanceOf(retailer), (1 << 56) - 1);
        vm.assertEq(exchange.balanceOf(fund), (1 << 56) - 1);
        vm.assertFalse(exchange.paused());
        vm.prank(pauser);
        exchange.pause();
        vm.prank(retailer);
        exchange.requestWithdrawal((1 << 56) - 1);
        vm.prank(pauser);
        exchange.unpause();
        for (uint40 i = 0; i < REMEMBERED; ++i) {
            vm.assertEq(exchange.isSettled(START + i * STEP) ? 1 : 0, i == 3 || i == 95 ? 1 : 0);
        }
    }

    /// @dev An empty batch for the interval of this number, counted from START.
    function _commitAt(uint40 number) private returns (Batch memory batch) {
        batch = _unsigned(START + number * STEP, 0);
        _commit(batch);
    }

    function _commitRoot(uint64 start, bytes32 root) private {
        vm.prank(operator);
        exchange.commitBatch(start, root);
    }

    function _settleNow(Batch memory batch) private {
        _settle(batch, new Registers[](0), hex"02");
    }

    function _shuffled(uint256 seed) private pure returns (uint40[] memory order) {
        order = new uint40[](REMEMBERED);
        for (uint40 i = 0; i < REMEMBERED; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 j = seed % (i + 1);
            order[i] = order[j];
            order[j] = i;
        }
    }
}

contract SettledOnReferenceTest is SettledTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
