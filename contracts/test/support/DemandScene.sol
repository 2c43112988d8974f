// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DemandResponse} from "../../src/DemandResponse.sol";
import {Enrolment, EventTerms, ProvenReadings} from "../../src/interfaces/IDemandResponse.sol";
import {MeterScene} from "./MeterScene.sol";
import {MockStablecoin} from "../../src/MockStablecoin.sol";

/// @notice A sponsor with money, and events of three intervals from `START` at half a unit of money per kWh.
abstract contract DemandScene is MeterScene {
    uint256 internal constant COUNT = 3;
    uint64 internal constant EVENT_END = START + uint64(COUNT) * STEP;
    uint64 internal constant ENROL_BY = START - 1;
    uint32 internal constant TERM = 7 days;
    uint64 internal constant RATE = 500_000;
    uint64 internal constant MAX_WH = 10_000;
    uint256 internal constant BUDGET = 5_000_000; // pays 10 kWh
    bytes32 internal constant METHOD = keccak256("high 5 of 10, inputs of the ten days before");

    address internal immutable sponsor = vm.addr(0x590);
    address internal immutable pauser = vm.addr(0xFA);

    MockStablecoin internal token;
    DemandResponse internal demand;

    function setUp() public virtual override {
        super.setUp();
        token = new MockStablecoin();
        demand = new DemandResponse(token, oracle, admin, STEP, TERM);
        _grant(demand.SPONSOR_ROLE(), sponsor);
        _grant(demand.PAUSER_ROLE(), pauser);
    }

    function _grant(bytes32 role, address account) internal {
        vm.prank(admin);
        demand.grantRole(role, account);
    }

    // Events

    function _terms() internal pure returns (EventTerms memory) {
        return _termsAt(START, COUNT);
    }

    function _termsAt(uint64 start, uint256 count) internal pure returns (EventTerms memory) {
        return EventTerms(RATE, start, start + uint64(count) * STEP, start - 1, MAX_WH, METHOD);
    }

    function _open(EventTerms memory terms, uint256 budget) internal returns (uint256) {
        token.mint(sponsor, budget);
        vm.prank(sponsor);
        token.approve(address(demand), budget);
        vm.prank(sponsor);
        return demand.openEvent(terms, budget);
    }

    // Enrolments

    function _enrolment(uint256 eventId, uint256 member, uint64 enrolledWh)
        internal
        view
        returns (Enrolment memory)
    {
        return Enrolment(_owner(member), _meterId(member, GRID), eventId, enrolledWh, RATE, type(uint64).max);
    }

    function _signed(Enrolment memory enrolment, uint256 member) internal view returns (bytes memory) {
        return _sign(_ownerKey(member), demand.hashEnrolment(enrolment));
    }

    function _enrol(uint256 eventId, uint256 member, uint64 enrolledWh) internal {
        Enrolment memory enrolment = _enrolment(eventId, member, enrolledWh);
        demand.enrol(enrolment, _signed(enrolment, member));
    }

    // Settlement: members 0, 1, ... with one baseline and one import each, the same in every interval

    function _two(uint32 first, uint32 second) internal pure returns (uint32[] memory pair) {
        pair = new uint32[](2);
        (pair[0], pair[1]) = (first, second);
    }

    function _picks(uint256 count) internal pure returns (uint256[] memory picks) {
        picks = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            picks[i] = i;
        }
    }

    function _baselines(uint32[] memory baselineWh, uint256 count) internal view returns (bytes memory list) {
        for (uint256 i = 0; i < baselineWh.length; ++i) {
            list = abi.encodePacked(list, _owner(i), GRID);
            for (uint256 j = 0; j < count; ++j) {
                list = abi.encodePacked(list, baselineWh[i]);
            }
        }
    }

    function _attestBaselines(uint256 eventId, bytes memory list) internal view returns (bytes memory) {
        return _attestorsSign(demand.hashBaselines(eventId, keccak256(list)), 2);
    }

    function _intervals(uint64 start, uint256 count, uint32[] memory importWh)
        internal
        view
        returns (ProvenReadings[] memory intervals)
    {
        bytes memory list;
        for (uint256 i = 0; i < importWh.length; ++i) {
            list = abi.encodePacked(list, _entry(i, GRID, importWh[i], 0));
        }
        intervals = new ProvenReadings[](count);
        for (uint256 j = 0; j < count; ++j) {
            intervals[j] = ProvenReadings(list, _attestAt(start + uint64(j) * STEP, list, false));
        }
    }

    function _settle(uint256 eventId, uint32[] memory baselineWh, uint32[] memory importWh) internal {
        EventTerms memory terms = demand.eventOf(eventId).terms;
        uint256 count = (terms.end - terms.start) / STEP;
        bytes memory baselines = _baselines(baselineWh, count);
        demand.settle(
            eventId,
            _picks(baselineWh.length),
            baselines,
            _attestBaselines(eventId, baselines),
            _intervals(terms.start, count, importWh)
        );
    }
}
