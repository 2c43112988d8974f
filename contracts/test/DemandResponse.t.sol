// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DemandResponse} from "../src/DemandResponse.sol";
import {DemandScene} from "./support/DemandScene.sol";
import {
    Enrolment,
    EventState,
    EventTerms,
    IDemandResponse,
    ProvenReadings
} from "../src/interfaces/IDemandResponse.sol";
import {CallbackToken, FalseToken, FeeToken, ICallback} from "./support/Tokens.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IMeterOracle} from "../src/interfaces/IMeterOracle.sol";
import {MeterIds} from "../src/libraries/MeterIds.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Wallet} from "./support/Wallet.sol";

/// @notice Events of three intervals: opening, enrolling, settling, getting the money out.
contract DemandResponseTest is DemandScene {
    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = _open(_terms(), BUDGET);
    }

    // Opening

    function test_OpenTakesTheBudget() public {
        token.mint(sponsor, BUDGET);
        vm.prank(sponsor);
        token.approve(address(demand), BUDGET);
        vm.expectEmit(address(demand));
        emit IDemandResponse.EventOpened(2, sponsor, BUDGET, _terms());
        vm.prank(sponsor);
        vm.assertEq(demand.openEvent(_terms(), BUDGET), 2);
        vm.assertEq(token.balanceOf(address(demand)), 2 * BUDGET);
        EventState memory state = demand.eventOf(2);
        vm.assertEq(uint256(state.escrow), BUDGET);
        vm.assertEq(state.sponsor, sponsor);
        vm.assertEq(state.terms.baselineMethod, METHOD);
    }

    function test_RevertWhen_TermsAreIncomplete() public {
        EventTerms memory terms = _terms();
        terms.rate = 0;
        _refuseTerms(terms, _zero("rate"));
        terms = _terms();
        terms.maxEnrolledWh = 0;
        _refuseTerms(terms, _zero("maxEnrolledWh"));
        terms = _terms();
        terms.baselineMethod = 0;
        _refuseTerms(terms, _zero("baselineMethod"));
        vm.expectRevert(_zero("budget"));
        vm.prank(sponsor);
        demand.openEvent(_terms(), 0);
    }

    function test_RevertWhen_ThePeriodIsNotOfIntervals() public {
        _refusePeriod(START, START);
        _refusePeriod(START + 1, EVENT_END);
        _refusePeriod(START, EVENT_END + 1);
        _refusePeriod(EVENT_END, START);
        _refusePeriod(START, START + 97 * STEP);
        _open(_termsAt(START, 96), 1);
    }

    function test_RevertWhen_EnrolmentWouldNotEndInTime() public {
        EventTerms memory terms = _terms();
        terms.enrolBy = uint64(block.timestamp) - 1;
        _refuseTerms(
            terms, abi.encodeWithSelector(IDemandResponse.InvalidEnrolmentDeadline.selector, terms.enrolBy)
        );
        terms.enrolBy = START;
        _refuseTerms(terms, abi.encodeWithSelector(IDemandResponse.InvalidEnrolmentDeadline.selector, START));
    }

    function test_RevertWhen_ARoleIsMissing() public {
        _refuseCaller(demand.SPONSOR_ROLE());
        demand.openEvent(_terms(), BUDGET);
        _refuseCaller(demand.PAUSER_ROLE());
        demand.pause();
        _refuseCaller(demand.PAUSER_ROLE());
        demand.unpause();
    }

    function test_RevertWhen_ConstructedWrongly() public {
        vm.expectRevert(_zero("token"));
        new DemandResponse(IERC20(address(0)), oracle, admin, STEP, TERM);
        vm.expectRevert(_zero("oracle"));
        new DemandResponse(token, IMeterOracle(address(0)), admin, STEP, TERM);
        vm.expectRevert(_zero("intervalSeconds"));
        new DemandResponse(token, oracle, admin, 0, TERM);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDemandResponse.SettlementTermTooShort.selector, READING_DEADLINE, READING_DEADLINE
            )
        );
        new DemandResponse(token, oracle, admin, STEP, READING_DEADLINE);
    }

    // Enrolling

    function test_AnybodySubmitsASignedEnrolment() public {
        Enrolment memory enrolment = _enrolment(id, 0, 1_500);
        bytes memory signature = _signed(enrolment, 0);
        vm.expectEmit(address(demand));
        emit IDemandResponse.Enrolled(id, _meterId(0, GRID), _owner(0), 1_500, 750_000);
        vm.prank(stranger);
        demand.enrol(enrolment, signature);
        (uint64 enrolledWh, IDemandResponse.Status status) = demand.enrolmentOf(id, _meterId(0, GRID));
        vm.assertEq(uint256(enrolledWh), 1_500);
        vm.assertTrue(status == IDemandResponse.Status.Enrolled);
        vm.assertEq(uint256(demand.eventOf(id).reserved), 750_000);
        vm.assertEq(uint256(demand.eventOf(id).openEnrolments), 1);
    }

    function test_AContractWalletEnrols() public {
        Wallet wallet = new Wallet(stranger);
        bytes32 meterId = registry.register(address(wallet), GRID, _secp256k1(0x7E3));
        Enrolment memory enrolment = Enrolment(address(wallet), meterId, id, 1_000, 0, type(uint64).max);
        demand.enrol(enrolment, _sign(STRANGER_KEY, demand.hashEnrolment(enrolment)));
        vm.assertEq(uint256(demand.eventOf(id).openEnrolments), 1);
    }

    function test_RevertWhen_TheOwnerDidNotSignThis() public {
        Enrolment memory enrolment = _enrolment(id, 0, 1_500);
        bytes memory refusal = abi.encodeWithSelector(
            IDemandResponse.InvalidEnrolmentSignature.selector, _owner(0), _meterId(0, GRID)
        );
        _refuse(enrolment, _signed(enrolment, 1), refusal);
        bytes memory signature = _signed(enrolment, 0);
        enrolment.enrolledWh = 1_501;
        _refuse(enrolment, signature, refusal);
        // Nor for another event, though the terms are the same.
        enrolment = _enrolment(id, 0, 1_500);
        enrolment.eventId = _open(_terms(), BUDGET);
        _refuse(enrolment, signature, refusal);
    }

    function test_TheEnrolmentIsTypedData() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Commonwatt"),
                keccak256("1"),
                block.chainid,
                address(demand)
            )
        );
        bytes32 typehash = keccak256(
            "Enrolment(address owner,bytes32 meterId,uint256 eventId,uint64 enrolledWh,uint64 minRate,uint64 deadline)"
        );
        bytes32 structHash =
            keccak256(abi.encode(typehash, _owner(0), _meterId(0, GRID), id, 7, RATE, type(uint64).max));
        vm.assertEq(
            demand.hashEnrolment(_enrolment(id, 0, 7)),
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
        typehash = keccak256("Baselines(uint256 eventId,bytes32 baselineMethod,bytes32 baselinesHash)");
        structHash = keccak256(abi.encode(typehash, id, METHOD, keccak256("list")));
        vm.assertEq(
            demand.hashBaselines(id, keccak256("list")),
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
    }

    function test_RevertWhen_EnrolmentIsClosed() public {
        Enrolment memory enrolment = _enrolment(id, 0, 1_500);
        enrolment.deadline = uint64(block.timestamp);
        bytes memory signature = _signed(enrolment, 0);
        vm.warp(block.timestamp + 1);
        _refuse(
            enrolment,
            signature,
            abi.encodeWithSelector(IDemandResponse.EnrolmentClosed.selector, id, enrolment.deadline)
        );
        vm.warp(ENROL_BY + 1);
        enrolment = _enrolment(id, 0, 1_500);
        signature = _signed(enrolment, 0);
        _refuse(
            enrolment,
            signature,
            abi.encodeWithSelector(IDemandResponse.EnrolmentClosed.selector, id, ENROL_BY)
        );
        vm.warp(ENROL_BY);
        demand.enrol(enrolment, signature);
    }

    function test_RevertWhen_TheRateIsTooLow() public {
        Enrolment memory enrolment = _enrolment(id, 0, 1_500);
        enrolment.minRate = RATE + 1;
        _refuse(
            enrolment,
            _signed(enrolment, 0),
            abi.encodeWithSelector(IDemandResponse.RateTooLow.selector, id, RATE, RATE + 1)
        );
    }

    function test_RevertWhen_EnergyIsNoneOrTooMuch() public {
        for (uint256 i = 0; i < 2; ++i) {
            Enrolment memory enrolment = _enrolment(id, 0, i == 0 ? 0 : MAX_WH + 1);
            _refuse(
                enrolment,
                _signed(enrolment, 0),
                abi.encodeWithSelector(IDemandResponse.InvalidEnergy.selector, id, enrolment.enrolledWh)
            );
        }
    }

    function test_RevertWhen_TheMeterIsNotTheOwnersGridMeter() public {
        bytes32[3] memory meters = [_meterId(1, GRID), _meterId(0, GENERATION), MeterIds.idOf(_owner(0), 5)];
        for (uint256 i = 0; i < meters.length; ++i) {
            Enrolment memory enrolment = _enrolment(id, 0, 1_500);
            enrolment.meterId = meters[i];
            _refuse(
                enrolment,
                _signed(enrolment, 0),
                abi.encodeWithSelector(IDemandResponse.InvalidMeter.selector, meters[i], _owner(0))
            );
        }
    }

    function test_RevertWhen_EnrolledTwice() public {
        _enrol(id, 0, 1_500);
        _refuseAgain(0);
    }

    function test_RevertWhen_TheMeterIsInAnotherEventThen() public {
        _enrol(id, 0, 1_500);
        uint256 other = _open(_termsAt(START + 2 * STEP, 2), BUDGET);
        Enrolment memory enrolment = _enrolment(other, 0, 1_500);
        _refuse(
            enrolment,
            _signed(enrolment, 0),
            abi.encodeWithSelector(
                IDemandResponse.IntervalTaken.selector, _meterId(0, GRID), START + 2 * STEP
            )
        );
        _enrol(other, 1, 1_500); // another meter may
        _enrol(_open(_termsAt(EVENT_END, 2), BUDGET), 0, 1_500); // and this one later
    }

    function test_RevertWhen_TheBudgetIsUsedUp() public {
        _enrol(id, 0, 6_000);
        Enrolment memory enrolment = _enrolment(id, 1, 4_001);
        _refuse(
            enrolment,
            _signed(enrolment, 1),
            abi.encodeWithSelector(IDemandResponse.BudgetExceeded.selector, id, 2_000_000, 2_000_500)
        );
        _enrol(id, 1, 4_000);
    }

    function test_RevertWhen_TheEventIsUnknown() public {
        Enrolment memory enrolment = _enrolment(9, 0, 1_500);
        bytes memory refusal = abi.encodeWithSelector(IDemandResponse.UnknownEvent.selector, 9);
        _refuse(enrolment, _signed(enrolment, 0), refusal);
        vm.expectRevert(refusal);
        demand.release(9);
        vm.expectRevert(refusal);
        demand.withdraw(9, _meterId(0, GRID));
        vm.expectRevert(refusal);
        demand.eventOf(9);
    }

    // Withdrawing

    function test_WithdrawingMakesRoom() public {
        _enrol(id, 0, MAX_WH);
        vm.warp(START - 1);
        vm.expectEmit(address(demand));
        emit IDemandResponse.EnrolmentWithdrawn(id, _meterId(0, GRID));
        vm.prank(_owner(0));
        demand.withdraw(id, _meterId(0, GRID));
        vm.assertEq(uint256(demand.eventOf(id).reserved), 0);
        _enrol(id, 1, MAX_WH);
        _refuseAgain(0); // anybody could submit the old signature
        vm.warp(START - STEP);
        _enrol(_open(_terms(), BUDGET), 0, MAX_WH); // its intervals are free again
    }

    function test_RevertWhen_WithdrawingIsNotDue() public {
        bytes32 meterId = _meterId(0, GRID);
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.NotEnrolled.selector, id, meterId));
        vm.prank(_owner(0));
        demand.withdraw(id, meterId);
        _enrol(id, 0, 1_500);
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.NotMeterOwner.selector, meterId, stranger));
        vm.prank(stranger);
        demand.withdraw(id, meterId);
        vm.warp(START);
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.EventStarted.selector, id));
        vm.prank(_owner(0));
        demand.withdraw(id, meterId);
    }

    // Settling

    function test_SettleAndPay() public {
        _enrol(id, 0, 2_000);
        _enrol(id, 1, 2_000);
        vm.warp(EVENT_END);
        // Member 0 saved 3 x 500 Wh; member 1 saved 3 x 700 Wh and is paid for the 2,000 it enrolled.
        vm.expectEmit(address(demand));
        emit IDemandResponse.MeterSettled(id, _meterId(0, GRID), _owner(0), 3_000, 1_500, 750_000);
        vm.expectEmit(address(demand));
        emit IDemandResponse.MeterSettled(id, _meterId(1, GRID), _owner(1), 3_000, 900, 1_000_000);
        vm.expectEmit(address(demand));
        emit IDemandResponse.EventReleased(id, sponsor, 3_250_000);
        _settle(id, _two(1_000, 1_000), _two(500, 300));
        vm.assertEq(demand.owed(_owner(0)), 750_000);
        vm.assertEq(demand.owed(_owner(1)), 1_000_000);
        vm.assertEq(demand.owed(sponsor), 3_250_000);
        _claim(_owner(0), 750_000);
        _claim(_owner(1), 1_000_000);
        _claim(sponsor, 3_250_000);
        vm.assertEq(token.balanceOf(address(demand)), 0);
    }

    function test_WhoImportedMoreIsOwedNothing() public {
        _enrol(id, 0, 2_000);
        _enrol(id, 1, 2_000);
        vm.warp(EVENT_END);
        _settle(id, _two(1_000, 1_000), _two(1_001, 1_000));
        vm.assertEq(demand.owed(_owner(0)), 0);
        vm.assertEq(demand.owed(_owner(1)), 0);
        vm.assertEq(demand.owed(sponsor), BUDGET);
    }

    function testFuzz_ThePayoutIsTheFormula(uint64 rate, uint32 baselineWh, uint32 importWh, uint64 enrolled)
        public
    {
        EventTerms memory terms = _termsAt(START, 2);
        terms.rate = uint64(1 + rate % 10_000_000);
        terms.maxEnrolledWh = 1 << 40;
        uint64 enrolledWh = uint64(1 + enrolled % terms.maxEnrolledWh);
        uint256 reserve = uint256(enrolledWh) * terms.rate / 1_000;
        uint256 eventId = _open(terms, reserve + 1);
        Enrolment memory enrolment = _enrolment(eventId, 0, enrolledWh);
        enrolment.minRate = 0;
        demand.enrol(enrolment, _signed(enrolment, 0));
        vm.warp(EVENT_END);
        uint32[] memory baselines = new uint32[](1);
        uint32[] memory imports = new uint32[](1);
        (baselines[0], imports[0]) = (baselineWh, importWh);
        _settle(eventId, baselines, imports);
        uint256 savedWh = baselineWh > importWh ? 2 * (uint256(baselineWh) - importWh) : 0;
        if (savedWh > enrolledWh) savedWh = enrolledWh;
        uint256 payout = savedWh * terms.rate / 1_000;
        vm.assertEq(demand.owed(_owner(0)), payout);
        vm.assertLe(payout, reserve);
        vm.assertEq(demand.owed(sponsor), reserve + 1 - payout);
    }

    function test_AMeterIsSettledOnce() public {
        _enrol(id, 0, 2_000);
        _enrol(id, 1, 2_000);
        vm.warp(EVENT_END);
        uint32[] memory one = new uint32[](1);
        one[0] = 1_000;
        uint32[] memory saved = new uint32[](1);
        saved[0] = 500;
        _settle(id, one, saved);
        vm.assertEq(demand.owed(_owner(0)), 750_000);
        vm.assertEq(uint256(demand.eventOf(id).escrow), BUDGET - 750_000);
        vm.assertEq(uint256(demand.eventOf(id).reserved), 1_000_000); // what member 1 may earn
        vm.assertEq(uint256(demand.eventOf(id).openEnrolments), 1);
        // Settling all passes over the first one, even with readings that would give it more.
        _settle(id, _two(1_000, 1_000), _two(0, 300));
        vm.assertEq(demand.owed(_owner(0)), 750_000);
        vm.assertEq(demand.owed(_owner(1)), 1_000_000);
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.AlreadyReleased.selector, id));
        demand.release(id);
    }

    function test_AMeterPickedTwiceIsSettledOnce() public {
        _enrol(id, 0, 2_000);
        vm.warp(EVENT_END);
        bytes memory list = _baselines(_two(1_000, 1_000), COUNT);
        uint256[] memory picks = new uint256[](3); // thrice entry 0
        demand.settle(id, picks, list, _attestBaselines(id, list), _intervals(START, COUNT, _two(500, 500)));
        vm.assertEq(demand.owed(_owner(0)), 750_000);
    }

    function test_WhoIsNotEnrolledIsPassedOver() public {
        _enrol(id, 0, 2_000);
        _enrol(id, 1, 2_000);
        vm.prank(_owner(0));
        demand.withdraw(id, _meterId(0, GRID));
        vm.warp(EVENT_END);
        _settle(id, _two(1_000, 1_000), _two(0, 300));
        vm.assertEq(demand.owed(_owner(0)), 0);
        vm.assertEq(demand.owed(_owner(1)), 1_000_000);
    }

    function test_TheMetersOwnSignaturesDo() public {
        _enrol(id, 0, 2_000);
        vm.warp(EVENT_END);
        bytes memory list = _baselines(_two(1_000, 1_000), COUNT);
        ProvenReadings[] memory intervals = new ProvenReadings[](COUNT);
        for (uint256 i = 0; i < COUNT; ++i) {
            bytes memory signature = _signReadingAt(START + uint64(i) * STEP, 0, GRID, 500, 0);
            intervals[i] = ProvenReadings(_entry(0, GRID, 500, 0), abi.encodePacked(hex"02", signature));
        }
        demand.settle(id, _picks(1), list, _attestBaselines(id, list), intervals);
        vm.assertEq(demand.owed(_owner(0)), 750_000);
    }

    function test_AnAttestedGapCountsAsNoReduction() public {
        _enrol(id, 0, 2_000);
        vm.warp(EVENT_END + READING_DEADLINE + 1);
        bytes memory list = _baselines(_two(1_000, 1_000), COUNT);
        bytes memory signatures = _attestBaselines(id, list);
        ProvenReadings[] memory intervals = _intervals(START, COUNT, _two(500, 500));
        bytes memory gap = _missing(0, GRID);
        intervals[1] = ProvenReadings(gap, hex"02");
        vm.expectRevert(
            abi.encodeWithSelector(IDemandResponse.GapNotAttested.selector, _meterId(0, GRID), START + STEP)
        );
        demand.settle(id, _picks(1), list, signatures, intervals);
        intervals[1].proof = _attestAt(START + STEP, gap, true);
        demand.settle(id, _picks(1), list, signatures, intervals);
        vm.assertEq(demand.owed(_owner(0)), 500_000);
    }

    function test_RevertWhen_TheEventIsNotOver() public {
        _enrol(id, 0, 2_000);
        vm.warp(EVENT_END - 1);
        _refuseSettlement(
            _two(1_000, 1_000), abi.encodeWithSelector(IDemandResponse.EventNotEnded.selector, id, EVENT_END)
        );
    }

    function test_RevertWhen_BaselinesAreNotAttestedForThisEvent() public {
        _enrol(id, 0, 2_000);
        uint256 other = _open(_terms(), BUDGET);
        vm.warp(EVENT_END);
        bytes memory list = _baselines(_two(1_000, 1_000), COUNT);
        bytes memory signatures = _attestBaselines(other, list);
        ProvenReadings[] memory intervals = _intervals(START, COUNT, _two(500, 500));
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        demand.settle(id, _picks(1), list, signatures, intervals);
        signatures = _attestBaselines(id, list);
        list[25] = 0xff; // a higher baseline
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        demand.settle(id, _picks(1), list, signatures, intervals);
    }

    function test_RevertWhen_ReadingsAreNotProven() public {
        _enrol(id, 0, 2_000);
        vm.warp(EVENT_END);
        bytes memory list = _baselines(_two(1_000, 1_000), COUNT);
        bytes memory signatures = _attestBaselines(id, list);
        ProvenReadings[] memory intervals = _intervals(START, COUNT, _two(500, 500));
        intervals[2].readings[25] = 0x00;
        intervals[2].readings[24] = 0x00;
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        demand.settle(id, _picks(1), list, signatures, intervals);
        // An interval's readings do not stand for another's.
        intervals = _intervals(START, COUNT, _two(500, 500));
        intervals[1] = intervals[0];
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        demand.settle(id, _picks(1), list, signatures, intervals);
        intervals = _intervals(START, COUNT - 1, _two(500, 500));
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.ReadingsMismatch.selector, COUNT - 1, COUNT));
        demand.settle(id, _picks(1), list, signatures, intervals);
    }

    function test_RevertWhen_ListsDoNotFit() public {
        _enrol(id, 0, 2_000);
        _enrol(id, 1, 2_000);
        vm.warp(EVENT_END);
        bytes memory list = _baselines(_two(1_000, 1_000), COUNT);
        bytes memory signatures = _attestBaselines(id, list);
        ProvenReadings[] memory intervals = _intervals(START, COUNT, _two(500, 500));
        uint256[] memory picks = new uint256[](2);
        (picks[0], picks[1]) = (1, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IDemandResponse.ReadingNotFound.selector, _meterId(0, GRID), START)
        );
        demand.settle(id, picks, list, signatures, intervals);
        picks[0] = 2;
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.NoSuchBaseline.selector, 2));
        demand.settle(id, picks, list, signatures, intervals);
        list = abi.encodePacked(list, hex"00");
        signatures = _attestBaselines(id, list);
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.MalformedBaselines.selector, list.length, 34));
        demand.settle(id, _picks(2), list, signatures, intervals);
    }

    // Releasing

    function test_ReleaseWhenNobodyEnrolled() public {
        vm.warp(ENROL_BY);
        _refuseRelease();
        vm.warp(ENROL_BY + 1);
        vm.expectEmit(address(demand));
        emit IDemandResponse.EventReleased(id, sponsor, BUDGET);
        vm.prank(stranger);
        demand.release(id);
        vm.assertEq(uint256(demand.eventOf(id).escrow), 0);
        _claim(sponsor, BUDGET);
    }

    function test_ReleaseWhenTheOperatorStalls() public {
        _enrol(id, 0, 2_000);
        vm.warp(EVENT_END + TERM);
        _refuseRelease();
        vm.warp(EVENT_END + TERM + 1);
        vm.prank(stranger);
        demand.release(id);
        _claim(sponsor, BUDGET);
        _refuseSettlement(
            _two(1_000, 1_000), abi.encodeWithSelector(IDemandResponse.AlreadyReleased.selector, id)
        );
    }

    function test_ALateSettlementStillPaysUntilTheRelease() public {
        _enrol(id, 0, 2_000);
        vm.warp(EVENT_END + TERM + 1);
        _settle(id, _two(1_000, 1_000), _two(500, 500));
        _claim(_owner(0), 750_000);
    }

    // Pausing

    function test_APauseStopsWhatIsNewAndNothingElse() public {
        _enrol(id, 0, 2_000);
        Enrolment memory enrolment = _enrolment(id, 1, 2_000);
        bytes memory signature = _signed(enrolment, 1);
        vm.prank(pauser);
        demand.pause();
        _refuse(enrolment, signature, abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        _refuseTerms(_terms(), abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        vm.warp(EVENT_END);
        _settle(id, _two(1_000, 1_000), _two(500, 500));
        _claim(_owner(0), 750_000);
        _claim(sponsor, BUDGET - 750_000);
        vm.prank(pauser);
        demand.unpause();
        vm.assertFalse(demand.paused());
    }

    function test_RevertWhen_NothingIsOwed() public {
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.NothingOwed.selector, stranger));
        vm.prank(stranger);
        demand.claim();
    }

    // Tokens that misbehave

    function test_RevertWhen_TheTokenTakesAFee() public {
        FeeToken fee = new FeeToken();
        DemandResponse other = _demandIn(fee);
        fee.mint(sponsor, 10_000);
        vm.prank(sponsor);
        fee.approve(address(other), 10_000);
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.UnexpectedTransfer.selector, 10_000, 9_900));
        vm.prank(sponsor);
        other.openEvent(_terms(), 10_000);
    }

    function test_RevertWhen_TheTokenReturnsFalse() public {
        FalseToken broken = new FalseToken();
        DemandResponse other = _demandIn(broken);
        broken.mint(sponsor, 10_000);
        vm.prank(sponsor);
        broken.approve(address(other), 10_000);
        bytes memory refusal =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(broken));
        broken.setBroken(true);
        vm.expectRevert(refusal);
        vm.prank(sponsor);
        other.openEvent(_terms(), 10_000);
        broken.setBroken(false);
        vm.prank(sponsor);
        other.openEvent(_terms(), 10_000);
        vm.warp(ENROL_BY + 1);
        other.release(1);
        broken.setBroken(true);
        vm.expectRevert(refusal);
        vm.prank(sponsor);
        other.claim();
        vm.assertEq(other.owed(sponsor), 10_000); // nothing is lost
    }

    function test_ReentrantClaimsAndEventsAreRefused() public {
        CallbackToken callback = new CallbackToken();
        DemandResponse other = _demandIn(callback);
        Reentrant attacker = new Reentrant(other, callback);
        bytes32 role = other.SPONSOR_ROLE();
        vm.prank(admin);
        other.grantRole(role, address(attacker));
        callback.mint(address(attacker), 20_000);
        attacker.open(_terms(), 10_000);
        vm.assertEq(attacker.refusals(), 1);
        vm.assertEq(other.eventCount(), 1);
        vm.warp(ENROL_BY + 1);
        other.release(1);
        attacker.claim();
        vm.assertEq(attacker.refusals(), 2);
        vm.assertEq(callback.balanceOf(address(attacker)), 20_000);
        vm.assertEq(callback.balanceOf(address(other)), 0);
    }

    function _demandIn(IERC20 other) private returns (DemandResponse created) {
        created = new DemandResponse(other, oracle, admin, STEP, TERM);
        bytes32 role = created.SPONSOR_ROLE();
        vm.prank(admin);
        created.grantRole(role, sponsor);
    }

    function _claim(address account, uint256 amount) private {
        uint256 before = token.balanceOf(account);
        vm.expectEmit(address(demand));
        emit IDemandResponse.Claimed(account, amount);
        vm.prank(account);
        vm.assertEq(demand.claim(), amount);
        vm.assertEq(token.balanceOf(account) - before, amount);
        vm.assertEq(demand.owed(account), 0);
    }

    function _refuse(Enrolment memory enrolment, bytes memory signature, bytes memory refusal) private {
        vm.expectRevert(refusal);
        demand.enrol(enrolment, signature);
    }

    function _refuseAgain(uint256 member) private {
        Enrolment memory enrolment = _enrolment(id, member, 1_500);
        _refuse(
            enrolment,
            _signed(enrolment, member),
            abi.encodeWithSelector(IDemandResponse.AlreadyEnrolled.selector, id, _meterId(member, GRID))
        );
    }

    function _refuseTerms(EventTerms memory terms, bytes memory refusal) private {
        vm.expectRevert(refusal);
        vm.prank(sponsor);
        demand.openEvent(terms, BUDGET);
    }

    function _refusePeriod(uint64 start, uint64 end) private {
        EventTerms memory terms = _terms();
        (terms.start, terms.end) = (start, end);
        _refuseTerms(terms, abi.encodeWithSelector(IDemandResponse.InvalidPeriod.selector, start, end));
    }

    function _refuseSettlement(uint32[] memory baselineWh, bytes memory refusal) private {
        bytes memory list = _baselines(baselineWh, COUNT);
        bytes memory signatures = _attestBaselines(id, list);
        ProvenReadings[] memory intervals = _intervals(START, COUNT, baselineWh);
        vm.expectRevert(refusal);
        demand.settle(id, _picks(baselineWh.length), list, signatures, intervals);
    }

    function _refuseRelease() private {
        vm.expectRevert(abi.encodeWithSelector(IDemandResponse.ReleaseNotDue.selector, id));
        demand.release(id);
    }

    function _refuseCaller(bytes32 role) private {
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, role)
        );
        vm.prank(stranger);
    }

    function _zero(string memory field) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDemandResponse.ZeroValue.selector, field);
    }
}

/// @notice A sponsor that opens another event while one is opened, and claims while it is paid.
contract Reentrant is ICallback {
    DemandResponse private immutable demand;
    EventTerms private terms;
    uint256 public refusals;
    bool private opening;

    constructor(DemandResponse demand_, IERC20 token) {
        demand = demand_;
        token.approve(address(demand_), type(uint256).max);
    }

    function open(EventTerms memory terms_, uint256 budget) external {
        terms = terms_;
        opening = true;
        demand.openEvent(terms_, budget);
        opening = false;
    }

    function claim() external {
        demand.claim();
    }

    function onTransfer() external {
        try this.again() {}
        catch (bytes memory reason) {
            require(
                bytes4(reason) == ReentrancyGuard.ReentrancyGuardReentrantCall.selector, "refused otherwise"
            );
            ++refusals;
        }
    }

    function again() external {
        if (opening) demand.openEvent(terms, 10_000);
        else demand.claim();
    }
}
