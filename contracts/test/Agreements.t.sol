// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {Wallet} from "./support/Wallet.sol";
import {IEnergyExchange, MandateTerms, SupplyTerms} from "../src/interfaces/IEnergyExchange.sol";
import {Mandate, SupplyAgreement} from "../src/libraries/OrderTypes.sol";

/// @notice Mandates, supply agreements and cancellations as they are made; `StandingTest` has what they do.
contract AgreementsTest is Community {
    uint256 private constant NOTICE = 2 minutes;

    // Mandates

    function test_RegisterMandate() public {
        Mandate memory mandate = _mandate(1);
        bytes memory signature = _sign(_ownerKey(1), _digestOf(mandate));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MandateRegistered(_owner(1), agent, mandate, GATE);
        exchange.registerMandate(mandate, signature);
        _requireTerms(MandateTerms(300_000, 60_000, 5_000, 200_000, 5_000, FAR, GATE, type(uint32).max, 1));
    }

    function test_AMandatesReplacementTakesEffectAfterNotice() public {
        _registerMandate(1, _mandate(1));
        Mandate memory mandate = _mandate(1);
        (mandate.maxBuyPrice, mandate.nonce) = (200_000, 4);
        _registerMandate(1, mandate);
        _requireTerms(
            MandateTerms(200_000, 60_000, 5_000, 200_000, 5_000, FAR, GATE + NOTICE, type(uint32).max, 5)
        );
    }

    function test_RevertWhen_AMandateIsNotSignedByItsOwner() public {
        Mandate memory mandate = _mandate(1);
        bytes memory signature = _sign(AGENT_KEY, _digestOf(mandate));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InvalidMandateSignature.selector, _owner(1), agent)
        );
        exchange.registerMandate(mandate, signature);
        mandate.owner = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InvalidMandateSignature.selector, address(0), agent)
        );
        exchange.registerMandate(mandate, new bytes(65));
    }

    function test_RevertWhen_AMandateNamesNobody() public {
        Mandate memory mandate = _mandate(1);
        mandate.agent = address(0);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.ZeroAddress.selector, "agent"));
        exchange.registerMandate(mandate, "");
    }

    /// @dev Each term has 32 bits.
    function testFuzz_RevertWhen_AMandatesTermIsTooLarge(uint8 field, uint32 by) public {
        Mandate memory mandate = _mandate(1);
        uint64 large = uint64(type(uint32).max) + 1 + by;
        if (field % 6 == 0) mandate.maxBuyPrice = large;
        else if (field % 6 == 1) mandate.minSellPrice = large;
        else if (field % 6 == 2) mandate.feeCap = large;
        else if (field % 6 == 3) mandate.imbalanceCap = large;
        else if (field % 6 == 4) mandate.maxWhPerDay = large;
        else mandate.validUntil = large;
        bytes memory signature = _sign(_ownerKey(1), _digestOf(mandate));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.TermTooLarge.selector));
        exchange.registerMandate(mandate, signature);
    }

    function test_RevertWhen_AMandateIsReplayed() public {
        Mandate memory mandate = _mandate(1);
        _registerMandate(1, mandate);
        bytes memory signature = _sign(_ownerKey(1), _digestOf(mandate));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.StaleNonce.selector, _owner(1), 0, 1));
        exchange.registerMandate(mandate, signature);
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.warp(GATE + 30 days);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.StaleNonce.selector, _owner(1), 0, 1));
        exchange.registerMandate(mandate, signature);
    }

    /// @dev One earlier mandate is kept, while batches can still be judged by it.
    function test_RevertWhen_AMandateIsReplacedWhileTwoBind() public {
        Mandate memory mandate = _mandate(1);
        _registerMandate(1, mandate);
        mandate.nonce = 1;
        _registerMandate(1, mandate);
        mandate.nonce = 2;
        bytes memory signature = _sign(_ownerKey(1), _digestOf(mandate));
        uint256 until = GATE + NOTICE + WITHDRAWAL_DELAY;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.StillBinding.selector, _owner(1), until));
        exchange.registerMandate(mandate, signature);
        vm.warp(until);
        exchange.registerMandate(mandate, signature);
    }

    function test_RevokeMandate() public {
        _registerMandate(1, _mandate(1));
        uint64 endsAt = GATE + uint64(NOTICE);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MandateRevoked(_owner(1), agent, endsAt);
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.assertEq(exchange.mandateOf(_owner(1), agent).endsAt, endsAt);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoMandate.selector, _owner(1), agent));
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
    }

    function test_RevertWhen_AStrangerRevokes() public {
        _registerMandate(1, _mandate(1));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoMandate.selector, stranger, agent));
        vm.prank(stranger);
        exchange.revokeMandate(agent);
    }

    // Supply agreements

    function test_RegisterSupply() public {
        _addMeter(2, 0);
        SupplyAgreement memory agreement = _supply(2);
        (agreement.validFrom, agreement.nonce) = (START, 6);
        bytes memory signature = _sign(_ownerKey(2), _digestOf(agreement));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.SupplyRegistered(_owner(2), agreement, GATE);
        exchange.registerSupply(agreement, signature);
        SupplyTerms memory terms = exchange.supplyOf(_owner(2));
        SupplyTerms memory expected =
            SupplyTerms(400_000, 50_000, 400, START, FAR / 1 days, GATE, type(uint32).max, 7);
        vm.assertEq(abi.encode(terms), abi.encode(expected), "terms");
    }

    function test_RevertWhen_ASupplyAgreementIsOfNoParticipant() public {
        SupplyAgreement memory agreement = _supply(2);
        _refuseSupply(
            agreement, 2, abi.encodeWithSelector(IEnergyExchange.NotAParticipant.selector, _owner(2))
        );
        registry.register(retailer, 0, _keyOfMeter(2));
        agreement.owner = retailer;
        _refuseSupply(
            agreement, 2, abi.encodeWithSelector(IEnergyExchange.NotAParticipant.selector, retailer)
        );
        registry.register(fund, 0, _keyOfMeter(2));
        agreement.owner = fund;
        _refuseSupply(agreement, 2, abi.encodeWithSelector(IEnergyExchange.NotAParticipant.selector, fund));
    }

    function test_RevertWhen_ASupplyAgreementIsNotSignedByItsOwner() public {
        SupplyAgreement memory agreement = _supply(1);
        agreement.nonce = 1;
        bytes memory signature = _sign(STRANGER_KEY, _digestOf(agreement));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.InvalidSupplySignature.selector, _owner(1)));
        exchange.registerSupply(agreement, signature);
    }

    function testFuzz_RevertWhen_ASupplysTermIsTooLarge(uint8 field, uint32 by) public {
        SupplyAgreement memory agreement = _supply(1);
        uint64 large = uint64(type(uint32).max) + 1 + by;
        if (field % 6 == 0) agreement.maxImportPrice = large;
        else if (field % 6 == 1) agreement.minFeedInPrice = large;
        else if (field % 6 == 2) agreement.fallbackImportW = large;
        else if (field % 6 == 3) agreement.validFrom = large;
        else if (field % 6 == 4) agreement.validUntil = large;
        else agreement.nonce = large - 1; // the next one has to fit
        _refuseSupply(agreement, 1, abi.encodeWithSelector(IEnergyExchange.TermTooLarge.selector));
    }

    function test_RevertWhen_ASupplyAgreementIsReplayed() public {
        SupplyAgreement memory agreement = _supply(1);
        bytes memory refusal = abi.encodeWithSelector(IEnergyExchange.StaleNonce.selector, _owner(1), 0, 1);
        _refuseSupply(agreement, 1, refusal);
        vm.prank(_owner(1));
        exchange.endSupply();
        vm.warp(GATE + 30 days);
        _refuseSupply(agreement, 1, refusal);
    }

    function test_RevertWhen_ASupplyIsReplacedWhileTwoBind() public {
        SupplyAgreement memory agreement = _supply(1);
        agreement.nonce = 1;
        _registerSupply(1, agreement);
        agreement.nonce = 2;
        uint256 until = GATE + NOTICE + WITHDRAWAL_DELAY;
        vm.warp(until - 1);
        _refuseSupply(
            agreement, 1, abi.encodeWithSelector(IEnergyExchange.StillBinding.selector, _owner(1), until)
        );
        vm.warp(until);
        _registerSupply(1, agreement);
    }

    function test_EndSupply() public {
        uint64 endsAt = GATE + uint64(NOTICE);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.SupplyEnded(_owner(1), endsAt);
        vm.prank(_owner(1));
        exchange.endSupply();
        vm.assertEq(exchange.supplyOf(_owner(1)).endsAt, endsAt);
        bytes memory refusal = abi.encodeWithSelector(IEnergyExchange.NoSupply.selector, _owner(1));
        vm.expectRevert(refusal);
        vm.prank(_owner(1));
        exchange.endSupply();
    }

    function test_RevertWhen_AStrangerEndsASupply() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoSupply.selector, stranger));
        vm.prank(stranger);
        exchange.endSupply();
    }

    // Cancellation

    function test_CancelNonce() public {
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(7)), 0);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.NonceCancelled(_owner(1), _nonce(7), GATE + uint64(NOTICE));
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), _nonce(7));
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(7)), GATE + NOTICE);
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(6)), 0);
        vm.assertEq(exchange.cancelledSince(_owner(0), _nonce(7)), 0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.NonceUnavailable.selector, _owner(1), _nonce(7))
        );
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), _nonce(7));
    }

    function test_AnAgentMayCancelUntilItIsRevoked() public {
        _registerMandate(1, _mandate(1));
        vm.prank(agent);
        exchange.cancelNonce(_owner(1), _nonce(7));
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(7)), GATE + NOTICE);
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.warp(GATE + NOTICE);
        _refuseCancelling(agent);
    }

    function test_RevertWhen_AStrangerCancels() public {
        _refuseCancelling(stranger);
    }

    function test_CancelBefore() public {
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.FloorRaised(_owner(1), START, GATE + uint64(NOTICE));
        vm.prank(_owner(1));
        exchange.cancelBefore(START);
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(0)), 0);
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(0) - 1), GATE + NOTICE);
        vm.assertEq(exchange.cancelledSince(_owner(0), _nonce(0) - 1), 0);
    }

    /// @dev What was void since the first stays void since then.
    function test_TwoFloorsAreKept() public {
        vm.prank(_owner(1));
        exchange.cancelBefore(START);
        vm.warp(GATE + 10);
        vm.prank(_owner(1));
        exchange.cancelBefore(END);
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(0) - 1), GATE + NOTICE);
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(0)), GATE + 10 + NOTICE);
        uint256 until = GATE + 10 + NOTICE + WITHDRAWAL_DELAY;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.StillBinding.selector, _owner(1), until));
        vm.prank(_owner(1));
        exchange.cancelBefore(END + STEP);
        vm.warp(until);
        vm.prank(_owner(1));
        exchange.cancelBefore(END + STEP);
    }

    function test_TheEarlierOfCancellationAndFloorCounts() public {
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), _nonce(0));
        vm.warp(GATE + 10);
        vm.prank(_owner(1));
        exchange.cancelBefore(END);
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(0)), GATE + NOTICE);
        vm.assertEq(exchange.cancelledSince(_owner(1), _nonce(1)), GATE + 10 + NOTICE);
    }

    function test_RevertWhen_AFloorIsNotRaisedOrTooHigh() public {
        vm.prank(_owner(1));
        exchange.cancelBefore(START);
        uint64[3] memory given = [START, START - 1, uint64(type(uint32).max) + 1];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IEnergyExchange.FloorNotRaised.selector, _owner(1), START, given[i])
            );
            vm.prank(_owner(1));
            exchange.cancelBefore(given[i]);
        }
    }

    // Shorthands

    function _nonce(uint8 k) private pure returns (uint64) {
        return uint64(START) * 256 + k;
    }

    function _requireTerms(MandateTerms memory expected) private view {
        vm.assertEq(abi.encode(exchange.mandateOf(_owner(1), agent)), abi.encode(expected), "terms");
    }

    function _refuseSupply(SupplyAgreement memory agreement, uint256 member, bytes memory refusal) private {
        bytes memory signature = _sign(_ownerKey(member), _digestOf(agreement));
        vm.expectRevert(refusal);
        exchange.registerSupply(agreement, signature);
    }

    function _refuseCancelling(address caller) private {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NotOwnerOrAgent.selector, _owner(1), caller));
        vm.prank(caller);
        exchange.cancelNonce(_owner(1), _nonce(8));
    }
}
