// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DemandScene} from "./DemandScene.sol";
import {Enrolment, EventState, EventTerms, IDemandResponse} from "../../src/interfaces/IDemandResponse.sol";

/// @notice A sponsor and four members acting at random, over events that may overlap. It counts what was paid for
/// which meter and interval, apart from the contract.
contract DemandHandler is DemandScene {
    uint256 public constant MEMBERS = 4;
    uint256 private constant EVENTS = 12;

    uint256 public budgets;
    uint256 public claimed;
    uint256 public settlements;
    mapping(uint256 eventId => uint256) public budgetOf;
    mapping(uint256 eventId => uint256) public creditedOf;
    mapping(uint256 eventId => mapping(uint256 member => uint256)) public settledTimes;
    /// @dev Events in which the meter is or was settled, by interval.
    mapping(uint256 member => mapping(uint64 time => uint256)) public paidTimes;
    bool public paidTwice;

    constructor() {
        setUp();
        _addMembers(MEMBERS - 2);
    }

    function wait(uint16 time) external {
        vm.warp(block.timestamp + uint256(time) % (2 * STEP));
    }

    /// @dev Now and then all settlement terms run out.
    function waitLong(uint8 dice) external {
        if (dice % 16 == 0) vm.warp(block.timestamp + TERM);
    }

    function setPaused(uint8 dice) external {
        bool paused = demand.paused();
        if (paused == (dice % 4 == 0)) return;
        vm.prank(pauser);
        paused ? demand.unpause() : demand.pause();
    }

    function open(uint8 ahead, uint8 count, uint64 budget, uint64 rate) external {
        if (demand.paused() || demand.eventCount() == EVENTS) return;
        uint64 next = (uint64(block.timestamp) / STEP + 1) * STEP;
        EventTerms memory terms = _termsAt(next + (1 + ahead % 4) * STEP, 1 + count % 3);
        terms.rate = 1 + rate % 1_000_000;
        uint256 amount = 1_000_000 + uint256(budget) % 20_000_000;
        uint256 eventId = _open(terms, amount);
        budgets += amount;
        budgetOf[eventId] = amount;
    }

    function enrol(uint256 eventId, uint256 member, uint64 enrolledWh) external {
        if (demand.paused() || demand.eventCount() == 0) return;
        // The last two events: older ones are mostly closed.
        eventId = demand.eventCount() - (demand.eventCount() > 1 ? eventId % 2 : 0);
        member %= MEMBERS;
        Enrolment memory enrolment = _enrolment(eventId, member, 1 + enrolledWh % MAX_WH);
        enrolment.minRate = 0;
        try demand.enrol(enrolment, _signed(enrolment, member)) {}
        catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            vm.assertTrue(
                selector == IDemandResponse.EnrolmentClosed.selector
                    || selector == IDemandResponse.AlreadyEnrolled.selector
                    || selector == IDemandResponse.IntervalTaken.selector
                    || selector == IDemandResponse.BudgetExceeded.selector,
                "refused for another reason"
            );
        }
    }

    function withdraw(uint256 eventId, uint256 member) external {
        if (demand.eventCount() == 0) return;
        eventId = _event(eventId);
        bytes32 meterId = _meterId(member % MEMBERS, GRID);
        (, IDemandResponse.Status status) = demand.enrolmentOf(eventId, meterId);
        if (status != IDemandResponse.Status.Enrolled) return;
        if (block.timestamp >= demand.eventOf(eventId).terms.start) return;
        vm.prank(_owner(member % MEMBERS));
        demand.withdraw(eventId, meterId);
    }

    /// @dev Settles the first members, some of them perhaps again; waits for the event's end if need be.
    function settle(
        uint256 eventId,
        uint256 members,
        uint32[4] calldata baselines,
        uint32[4] calldata imports
    ) external {
        if (demand.eventCount() == 0) return;
        eventId = _event(eventId);
        EventState memory state = demand.eventOf(eventId);
        if (state.released || state.openEnrolments == 0) return;
        if (block.timestamp < state.terms.end) vm.warp(state.terms.end);
        members = 1 + members % MEMBERS;
        uint32[] memory baselineWh = new uint32[](members);
        uint32[] memory importWh = new uint32[](members);
        bool[] memory open_ = new bool[](members);
        uint256 owedBefore;
        for (uint256 i = 0; i < members; ++i) {
            (baselineWh[i], importWh[i]) = (baselines[i] % 8_000, imports[i] % 8_000);
            open_[i] = _isEnrolled(eventId, i);
            owedBefore += demand.owed(_owner(i));
        }
        _settle(eventId, baselineWh, importWh);
        uint256 owedAfter;
        for (uint256 i = 0; i < members; ++i) {
            owedAfter += demand.owed(_owner(i));
            if (open_[i] && !_isEnrolled(eventId, i)) _note(eventId, i, state.terms);
        }
        creditedOf[eventId] += owedAfter - owedBefore;
    }

    function release(uint256 eventId) external {
        if (demand.eventCount() == 0) return;
        eventId = _event(eventId);
        EventState memory state = demand.eventOf(eventId);
        bool nobodyLeft = state.openEnrolments == 0 && block.timestamp > state.terms.enrolBy;
        if (state.released || !(nobodyLeft || block.timestamp > state.terms.end + TERM)) return;
        demand.release(eventId);
    }

    /// @dev Whatever the state, paused or not.
    function claim(uint256 member) external {
        address account = member % (MEMBERS + 1) == MEMBERS ? sponsor : _owner(member % (MEMBERS + 1));
        if (demand.owed(account) == 0) return;
        vm.prank(account);
        claimed += demand.claim();
    }

    // What must hold

    function requireFundsKept() external view {
        uint256 owed = demand.owed(sponsor);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            owed += demand.owed(_owner(i));
        }
        uint256 escrow;
        for (uint256 eventId = 1; eventId <= demand.eventCount(); ++eventId) {
            escrow += demand.eventOf(eventId).escrow;
        }
        vm.assertEq(token.balanceOf(address(demand)), owed + escrow);
        vm.assertEq(token.balanceOf(address(demand)), budgets - claimed);
    }

    function requireBudgetsKept() external view {
        for (uint256 eventId = 1; eventId <= demand.eventCount(); ++eventId) {
            EventState memory state = demand.eventOf(eventId);
            vm.assertLe(creditedOf[eventId], budgetOf[eventId]);
            vm.assertLe(uint256(state.reserved), uint256(state.escrow));
            if (!state.released) {
                vm.assertEq(uint256(state.escrow), budgetOf[eventId] - creditedOf[eventId]);
            }
            uint256 enrolled;
            uint256 reserves;
            for (uint256 i = 0; i < MEMBERS; ++i) {
                if (!_isEnrolled(eventId, i)) continue;
                (uint64 enrolledWh,) = demand.enrolmentOf(eventId, _meterId(i, GRID));
                reserves += uint256(enrolledWh) * state.terms.rate / 1_000;
                ++enrolled;
            }
            vm.assertEq(uint256(state.openEnrolments), enrolled);
            if (!state.released) vm.assertEq(uint256(state.reserved), reserves);
        }
    }

    function requireSettledOnce() external view {
        vm.assertFalse(paidTwice);
        for (uint256 eventId = 1; eventId <= demand.eventCount(); ++eventId) {
            for (uint256 i = 0; i < MEMBERS; ++i) {
                vm.assertLe(settledTimes[eventId][i], 1);
            }
        }
    }

    function _note(uint256 eventId, uint256 member, EventTerms memory terms) private {
        ++settlements;
        ++settledTimes[eventId][member];
        for (uint64 time = terms.start; time < terms.end; time += STEP) {
            if (++paidTimes[member][time] > 1) paidTwice = true;
        }
    }

    function _isEnrolled(uint256 eventId, uint256 member) private view returns (bool) {
        (, IDemandResponse.Status status) = demand.enrolmentOf(eventId, _meterId(member, GRID));
        return status == IDemandResponse.Status.Enrolled;
    }

    function _event(uint256 seed) private view returns (uint256) {
        return 1 + seed % demand.eventCount();
    }
}
