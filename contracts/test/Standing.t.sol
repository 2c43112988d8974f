// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {Wallet} from "./support/Wallet.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Mandate, Order, OrderTypes, SupplyAgreement} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchMember, BatchOrder, Registers} from "./support/Batches.sol";

/// @notice A batch is judged by the agreements that stood when it was committed: on both paths.
contract StandingTest is Community {
    using OrderTypes for Order;

    uint256 private constant NOTICE = 2 minutes;

    // Mandates

    function test_AgentTradesInsideItsMandate() public {
        _registerMandate(1, _mandate(1));
        _settleWhole(_byAgent(_batch(), 1));
        vm.assertEq(exchange.mandateUsage(_owner(1), START / 1 days), 1_000);
        vm.assertEq(_balance(1), OPENING - 203_000);
    }

    /// @dev Limits, caps and the last interval are inclusive.
    function test_AMandatesBoundsAreInclusive() public {
        Mandate memory mandate = _mandate(1);
        mandate.maxBuyPrice = 250_000;
        mandate.feeCap = 3_000;
        mandate.imbalanceCap = 100_000;
        mandate.maxWhPerDay = 1_000;
        mandate.validUntil = START;
        _registerMandate(1, mandate);
        _settleWhole(_byAgent(_batch(), 1));
    }

    function test_RevertWhen_AMandateExpiresBeforeDelivery() public {
        Mandate memory mandate = _mandate(1);
        mandate.validUntil = START - 1;
        _refuseUnder(mandate, 1, IEnergyExchange.MandateMissing.selector);
    }

    function test_RevertWhen_ABidExceedsTheMandate() public {
        Mandate memory mandate = _mandate(1);
        mandate.maxBuyPrice = 249_999;
        _refuseUnder(mandate, 1, IEnergyExchange.MandateExceeded.selector);
    }

    function test_RevertWhen_AnOfferIsBelowTheMandate() public {
        Mandate memory mandate = _mandate(0);
        mandate.minSellPrice = 150_001;
        _refuseUnder(mandate, 0, IEnergyExchange.MandateExceeded.selector);
    }

    function test_RevertWhen_AFeeCapExceedsTheMandate() public {
        Mandate memory mandate = _mandate(1);
        mandate.feeCap = 2_999;
        _refuseUnder(mandate, 1, IEnergyExchange.MandateExceeded.selector);
    }

    function test_RevertWhen_AnImbalanceCapExceedsTheMandate() public {
        Mandate memory mandate = _mandate(0);
        mandate.imbalanceCap = 99_999;
        _refuseUnder(mandate, 0, IEnergyExchange.MandateExceeded.selector);
    }

    function test_RevertWhen_TheDaysEnergyExceedsTheMandate() public {
        Mandate memory mandate = _mandate(1);
        mandate.maxWhPerDay = 999;
        _registerMandate(1, mandate);
        Batch memory batch = _byAgent(_batch(), 1);
        _refuseAsIs(batch, _dailyCap(_at(batch, 1), 1_000, 999));
    }

    /// @dev Executed energy counts, that of earlier intervals and of other orders of this one.
    function test_ADaysEnergyAddsUp() public {
        Mandate memory mandate = _mandate(1);
        mandate.maxWhPerDay = 2_000;
        _registerMandate(1, mandate);
        for (uint40 i = 0; i < 2; ++i) {
            vm.warp(GATE + i * STEP);
            _settleWhole(_agentsBatchAt(START + i * STEP));
            vm.assertEq(exchange.mandateUsage(_owner(1), START / 1 days), 1_000 * (i + 1));
        }
        vm.warp(GATE + 2 * STEP);
        Batch memory batch = _agentsBatchAt(START + 2 * STEP);
        _refuseAsIs(batch, _dailyCap(_at(batch, 1), 3_000, 2_000));
    }

    /// @dev Two days are kept, in whatever order their intervals are settled.
    function test_ADayEndsAtMidnight() public {
        Mandate memory mandate = _mandate(1);
        mandate.maxWhPerDay = 1_000;
        _registerMandate(1, mandate);
        uint40 midnight = (START / 1 days + 1) * 1 days;
        Batch memory last = _agentsBatchAt(midnight - STEP);
        Batch memory first = _agentsBatchAt(midnight);
        vm.warp(midnight - 2 * STEP);
        _commit(last);
        _commit(first);
        vm.warp(midnight + STEP);
        _settle(first, _delivered(first));
        _settle(last, _delivered(last));
        vm.assertEq(exchange.mandateUsage(_owner(1), midnight / 1 days), 1_000);
        vm.assertEq(exchange.mandateUsage(_owner(1), midnight / 1 days - 1), 1_000);
        vm.assertEq(exchange.mandateUsage(_owner(1), midnight / 1 days - 2), 0);
        vm.warp(midnight + STEP);
        Batch memory more = _agentsBatchAt(midnight + 2 * STEP);
        _refuseAsIs(more, _dailyCap(_at(more, 1), 2_000, 1_000));
        Batch memory next = _agentsBatchAt(midnight + 1 days);
        vm.warp(midnight + 1 days - STEP);
        _settleWhole(next);
        vm.assertEq(exchange.mandateUsage(_owner(1), midnight / 1 days), 1_000);
        vm.assertEq(exchange.mandateUsage(_owner(1), midnight / 1 days - 1), 0);
    }

    function test_RevocationAfterCommitmentComesTooLate() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _byAgent(_batch(), 1);
        _commit(batch);
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.warp(END);
        _settle(batch, _delivered(batch));
    }

    function test_RevertWhen_AMandateWasRevokedBeforeCommitment() public {
        _registerMandate(1, _mandate(1));
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        Batch memory batch = _byAgent(_batch(), 1);
        vm.warp(GATE + NOTICE);
        _refuseAsIs(
            batch, abi.encodeWithSelector(IEnergyExchange.MandateMissing.selector, _at(batch, 1), agent)
        );
    }

    function test_ARevokedMandateJudgesUntilItsNoticeIsOver() public {
        _registerMandate(1, _mandate(1));
        vm.prank(_owner(1));
        exchange.revokeMandate(agent);
        vm.warp(GATE + NOTICE - 1);
        _settleWhole(_byAgent(_batch(), 1));
    }

    function test_RevertWhen_AMandateIsYoungerThanTheCommitment() public {
        Batch memory batch = _byAgent(_batch(), 1);
        _commit(batch);
        vm.warp(GATE + 1);
        _registerMandate(1, _mandate(1));
        vm.warp(END);
        bytes memory refusal =
            abi.encodeWithSelector(IEnergyExchange.MandateMissing.selector, _at(batch, 1), agent);
        _refuseNow(batch, _delivered(batch), refusal);
    }

    function test_AReplacedMandateJudgesWhatWasCommittedUnderIt() public {
        _registerMandate(1, _mandate(1));
        Mandate memory mandate = _mandate(1);
        (mandate.maxBuyPrice, mandate.nonce) = (1, 1);
        _registerMandate(1, mandate);
        Batch memory batch = _byAgent(_batch(), 1);
        uint256 snapshot = vm.snapshotState();
        vm.warp(GATE + NOTICE - 1);
        _settleWhole(batch);
        vm.revertToStateAndDelete(snapshot);
        vm.warp(GATE + NOTICE);
        _refuseAsIs(
            batch, abi.encodeWithSelector(IEnergyExchange.MandateExceeded.selector, _at(batch, 1), agent)
        );
    }

    // Supply agreements

    function test_EndingSupplyAfterCommitmentComesTooLate() public {
        Batch memory batch = _batch();
        _commit(batch);
        vm.prank(_owner(1));
        exchange.endSupply();
        vm.warp(END);
        _settle(batch, _delivered(batch));
    }

    function test_RevertWhen_SupplyHadEndedBeforeCommitment() public {
        vm.prank(_owner(1));
        exchange.endSupply();
        vm.warp(GATE + NOTICE);
        _refuse(_batch(), _supplyMissing(START));
    }

    /// @dev Long after, when nothing is restricted any more.
    function test_RevertWhen_SupplyEndedLongAgo() public {
        vm.prank(_owner(1));
        exchange.endSupply();
        uint40 start = START + 30 days;
        vm.warp(start - STEP);
        Batch memory batch = _batchAt(start);
        _refuse(batch, _supplyMissing(start));
    }

    function test_RevertWhen_SupplyWasAgreedAfterCommitment() public {
        _addMeter(2, 0);
        Batch memory batch = _with(_batch(), _idle(2));
        _commit(batch);
        vm.warp(GATE + 1);
        _registerSupply(2, _supply(2));
        vm.warp(END);
        bytes memory refusal =
            abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, _owner(2), START);
        _refuseNow(batch, _delivered(batch), refusal);
    }

    function test_AReplacedSupplyJudgesWhatWasCommittedUnderIt() public {
        SupplyAgreement memory agreement = _supply(1);
        (agreement.maxImportPrice, agreement.fallbackImportW, agreement.nonce) = (1, 0, 1);
        _registerSupply(1, agreement);
        Batch memory batch = _withoutOrders(2);
        Registers[] memory registers = new Registers[](2);
        registers[_at(batch, 1)].missing = true;
        uint256 snapshot = vm.snapshotState();
        vm.warp(GATE + NOTICE - 1);
        _commit(batch);
        vm.warp(END + READING_DEADLINE + 1);
        _settle(batch, registers);
        vm.assertEq(_balance(1), OPENING - 31_000); // 100 Wh, as the earlier agreement has it
        vm.revertToStateAndDelete(snapshot);
        vm.warp(GATE + NOTICE);
        _refuseAsIs(batch, _supplyMissing(START));
    }

    /// @dev From the first interval on, and for whole days only.
    function test_ASupplyCoversItsDays() public {
        uint40 midnight = (START / 1 days + 1) * 1 days;
        _addMeter(2, 0);
        SupplyAgreement memory agreement = _supply(2);
        (agreement.validFrom, agreement.validUntil) = (START, midnight + STEP);
        vm.warp(GATE - 7 days);
        _registerSupply(2, agreement);
        Batch memory batch = _unsigned(START, 1);
        batch.members[0] = _idle(2);
        for (uint256 i = 0; i < 2; ++i) {
            batch.intervalStart = i == 0 ? START : midnight - STEP;
            vm.warp(batch.intervalStart - STEP);
            _settleWhole(batch);
        }
        batch.intervalStart = midnight;
        vm.warp(midnight);
        _refuseAsIs(
            batch, abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, _owner(2), midnight)
        );
    }

    // Cancellation

    function test_RevertWhen_AnOrderWasCancelledBeforeCommitment() public {
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), uint64(START) * 256);
        vm.warp(GATE + NOTICE);
        Batch memory batch = _batch();
        _refuse(batch, _one(IEnergyExchange.OrderCancelled.selector, _at(batch, 1)));
    }

    function test_CancellationWithoutNoticeCannotBlockABatch() public {
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), uint64(START) * 256);
        vm.warp(GATE + NOTICE - 1);
        _settleWhole(_batch());
    }

    function test_CancellingOneOrderLeavesTheOthers() public {
        vm.prank(_owner(1));
        exchange.cancelNonce(_owner(1), uint64(START) * 256 + 1);
        vm.warp(GATE + NOTICE);
        _settleWhole(_batch());
    }

    function test_RevertWhen_AnOrderIsUnderTheFloor() public {
        vm.prank(_owner(1));
        exchange.cancelBefore(START + 1);
        vm.warp(GATE + NOTICE);
        Batch memory batch = _batch();
        _refuse(batch, _one(IEnergyExchange.OrderCancelled.selector, _at(batch, 1)));
    }

    function test_OrdersAtTheFloorStand() public {
        vm.prank(_owner(1));
        exchange.cancelBefore(START);
        vm.warp(GATE + NOTICE);
        _settleWhole(_batch());
    }

    // Contract wallets and recorded orders

    function test_ARecordedOrderStandsWhateverTheWalletSaysLater() public {
        (Wallet wallet, Batch memory batch, Order memory order) = _walletBatch();
        bytes memory signature = _sign(_ownerKey(2), _digestOf(order));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.OrderRecorded(address(wallet), order.hash());
        exchange.recordOrder(order, signature);
        _commitAndDeliver(batch);
        wallet.turnHostile();
        Registers[] memory registers = _delivered(batch);
        _settle(batch, registers, _attestedProof(batch, registers));
        vm.assertEq(exchange.balanceOf(address(wallet)), OPENING - 203_000);
    }

    function test_RevertWhen_AContractWalletsOrderIsNotRecorded() public {
        (Wallet wallet, Batch memory batch,) = _walletBatch();
        uint256 index = batch.members[0].account == address(wallet) ? 0 : 1;
        _refuseAsIs(
            batch, abi.encodeWithSelector(IEnergyExchange.OrderNotAuthorised.selector, index, address(wallet))
        );
    }

    function test_RevertWhen_RecordingAnUnsignedOrder() public {
        (Wallet wallet,, Order memory order) = _walletBatch();
        bytes memory signature = _sign(STRANGER_KEY, _digestOf(order));
        bytes memory refusal = abi.encodeWithSelector(
            IEnergyExchange.InvalidOrderSignature.selector, address(wallet), order.hash()
        );
        vm.expectRevert(refusal);
        exchange.recordOrder(order, signature);
        order.owner = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InvalidOrderSignature.selector, address(0), order.hash())
        );
        exchange.recordOrder(order, new bytes(65));
    }

    /// @dev As EIP-7702 allows: an account that signed with its key turns into a contract that consents to nothing.
    function test_CodePutOnTheOwnersAccountLaterChangesNothing() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        vm.etch(_owner(1), hex"fe");
        _settle(batch, _delivered(batch));
    }

    // Shorthands

    function _settleWhole(Batch memory batch) private {
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
    }

    function _batchAt(uint40 start) private view returns (Batch memory batch) {
        batch = _batch();
        batch.intervalStart = start;
        for (uint256 i = 0; i < 2; ++i) {
            batch.members[i].orders[0].expiry = start;
        }
        _complete(batch);
    }

    function _agentsBatchAt(uint40 start) private view returns (Batch memory) {
        return _byAgent(_batchAt(start), 1);
    }

    function _refuseUnder(Mandate memory mandate, uint256 member, bytes4 selector) private {
        _registerMandate(member, mandate);
        Batch memory batch = _byAgent(_batch(), member);
        _refuseAsIs(batch, abi.encodeWithSelector(selector, _at(batch, member), agent));
    }

    function _dailyCap(uint256 index, uint256 usedWh, uint256 maxWh) private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IEnergyExchange.MandateDailyCapExceeded.selector, index, agent, usedWh, maxWh
            );
    }

    function _supplyMissing(uint256 start) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, _owner(1), start);
    }

    /// @dev The buyer is a contract wallet with the key of member 2.
    function _walletBatch() private returns (Wallet wallet, Batch memory batch, Order memory order) {
        wallet = new Wallet(_owner(2));
        registry.register(address(wallet), 0, _keyOfMeter(2));
        SupplyAgreement memory agreement = _supply(2);
        agreement.owner = address(wallet);
        _registerSupply(2, agreement);
        _fund(address(wallet), OPENING);
        batch = _batch();
        BatchMember memory member = batch.members[_at(batch, 1)];
        member.account = address(wallet);
        member.orders[0].authority = 1;
        _complete(batch);
        order = _signedOrder(batch, member, member.orders[0]);
    }
}

contract StandingOnReferenceTest is StandingTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
