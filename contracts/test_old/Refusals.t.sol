// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Scene} from "./support/Scene.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Batch, Fill, MeterInput, SignedOrder} from "../src/interfaces/IEnergyExchange.sol";
import {EnergyExchange} from "../src/EnergyExchange.sol";
import {MeterReading, Order, OrderTypes, SupplyAgreement} from "../src/libraries/OrderTypes.sol";

/// @notice Every way in which a commitment or a settlement is refused.
contract RefusalsTest is Scene {
    // Commitment

    function test_Commit() public {
        Batch memory batch = _batch();
        bytes32 root = exchange.hashBatch(batch);
        vm.assertEq(root, keccak256(abi.encode(batch)));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.BatchCommitted(START, root);
        _commit(batch);
        (bytes32 committed, uint64 committedAt, bool settled) = exchange.commitments(START);
        vm.assertEq(committed, root);
        vm.assertEq(committedAt, block.timestamp);
        vm.assertFalse(settled);
    }

    function test_RevertWhen_CommitAfterDeliveryStart() public {
        vm.warp(START);
        _expect(IEnergyExchange.DeliveryStarted.selector, START);
        _commit(_emptyBatch());
    }

    function test_RevertWhen_CommitTwice() public {
        _commit(_emptyBatch());
        _expect(IEnergyExchange.AlreadyCommitted.selector, START);
        _commit(_emptyBatch());
    }

    function test_RevertWhen_CommitNothing() public {
        _expect(IEnergyExchange.ZeroRoot.selector, START);
        vm.prank(operator);
        exchange.commitBatch(START, STEP, 0);
    }

    function test_RevertWhen_IntervalIsNoInterval() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.InvalidInterval.selector, START + 1, STEP));
        vm.prank(operator);
        exchange.commitBatch(START + 1, STEP, "root");
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.InvalidInterval.selector, START, 0));
        vm.prank(operator);
        exchange.commitBatch(START, 0, "root");
    }

    function test_RevertWhen_SettlementWouldOutlastTheWithdrawalDelay() public {
        uint64 closesAt = END + READING_DEADLINE;
        vm.warp(closesAt - WITHDRAWAL_DELAY - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.WindowExceedsWithdrawalDelay.selector, START, closesAt)
        );
        _commit(_emptyBatch());
        vm.warp(closesAt - WITHDRAWAL_DELAY);
        _commit(_emptyBatch());
    }

    function test_RevertWhen_CallerIsNotTheOperator() public {
        bytes32 role = exchange.OPERATOR_ROLE();
        bytes memory refusal =
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, role);
        vm.expectRevert(refusal);
        vm.prank(stranger);
        exchange.commitBatch(START, STEP, "root");
        Batch memory batch = _emptyBatch();
        vm.expectRevert(refusal);
        vm.prank(stranger);
        exchange.settleBatch(batch, new MeterInput[](0));
    }

    function test_RevertWhen_Paused() public {
        Batch memory batch = _batch();
        MeterInput[] memory readings = _readings();
        _commitAndDeliver(batch);
        vm.prank(pauser);
        exchange.pause();
        vm.expectRevert(Pausable.EnforcedPause.selector);
        _settle(batch, readings);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        vm.prank(operator);
        exchange.commitBatch(END + STEP, STEP, "root");
        vm.prank(pauser);
        exchange.unpause();
        _settle(batch, readings);
    }

    function test_RevertWhen_PauserIsNone() public {
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, operator, exchange.PAUSER_ROLE()
        );
        vm.expectRevert(refusal);
        vm.prank(operator);
        exchange.pause();
        vm.expectRevert(refusal);
        vm.prank(operator);
        exchange.unpause();
    }

    // The batch as a whole

    function test_RevertWhen_NotCommitted() public {
        vm.warp(END);
        _refuse(_batch(), _one(IEnergyExchange.NotCommitted.selector, START));
    }

    function test_RevertWhen_Replayed() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        _settle(batch, _readings());
        _refuse(batch, _one(IEnergyExchange.AlreadySettled.selector, START));
    }

    function test_RevertWhen_NotTheCommittedBatch() public {
        Batch memory batch = _batch();
        bytes32 root = exchange.hashBatch(batch);
        _commitAndDeliver(batch);
        batch.prices.clearing += 1;
        _refuse(
            batch,
            abi.encodeWithSelector(
                IEnergyExchange.RootMismatch.selector, START, root, exchange.hashBatch(batch)
            )
        );
    }

    function test_RevertWhen_CommittedForAnotherLength() public {
        Batch memory batch = _batch();
        bytes32 root = exchange.hashBatch(batch);
        vm.prank(operator);
        exchange.commitBatch(START, 300, root);
        vm.warp(END);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.IntervalMismatch.selector, START, STEP));
    }

    function test_RevertWhen_DeliveryHasNotEnded() public {
        Batch memory batch = _batch();
        _commit(batch);
        vm.warp(END - 1);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.DeliveryNotEnded.selector, START, END));
    }

    function test_RevertWhen_TooLarge() public {
        Batch memory batch = _emptyBatch();
        (uint256 orders, uint256 fills, uint256 meters) =
            (exchange.MAX_ORDERS(), exchange.MAX_FILLS(), exchange.MAX_METERS());
        batch.orders = new SignedOrder[](orders + 1);
        _refuseLarge(batch, 300);
        (batch.orders, batch.fills) = (new SignedOrder[](0), new Fill[](fills + 1));
        _refuseLarge(batch, 600);
        (batch.fills, batch.meterIds) = (new Fill[](0), new bytes32[](meters + 1));
        _refuseLarge(batch, STEP);
    }

    // Meters

    function test_RevertWhen_InputsDoNotMatchMeters() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.MeterInputsMismatch.selector, 2, 1));
        _settle(batch, new MeterInput[](1));
    }

    function test_RevertWhen_AMeterIsListedTwice() public {
        Batch memory batch = _batch();
        batch.meterIds[1] = _meterId(0);
        MeterInput[] memory readings = _readings();
        readings[1] = readings[0];
        _commitAndDeliver(batch);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.MetersNotIncreasing.selector, 1));
        _settle(batch, readings);
    }

    function test_RevertWhen_AMeterIsUnknown() public {
        Batch memory batch = _batch();
        batch.meterIds[1] = _meterId(7);
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.UnknownMeter.selector, 1, _meterId(7)));
    }

    function test_RevertWhen_AReadingIsForged() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        MeterInput[] memory readings = _readings();
        readings[1].importWh -= 1;
        _refuseReadings(batch, readings);
        readings = _readings();
        MeterReading memory reading = MeterReading(_meterId(1), START, STEP, 1_000, 0);
        readings[1].signature = _sign(STRANGER_KEY, exchange.hashReading(reading));
        _refuseReadings(batch, readings);
        readings[1] = _readingAt(1, END, 1_000, 0);
        _refuseReadings(batch, readings);
        readings[1].signature = new bytes(65); // recovers to nobody
        _refuseReadings(batch, readings);
        readings[1].signature = "short";
        _refuseReadings(batch, readings);
    }

    function test_RevertWhen_AReadingIsSignedByAReplacedKey() public {
        Batch memory batch = _batch();
        MeterInput[] memory readings = _readings();
        _commitAndDeliver(batch);
        registry.setMeterKey(_meterId(1), stranger);
        _refuseReadings(batch, readings);
    }

    function test_RevertWhen_AMissingReadingMayStillCome() public {
        Batch memory batch = _batch();
        MeterInput[] memory readings = _readings();
        readings[1] = MeterInput(0, 0, "");
        _commit(batch);
        vm.warp(END + READING_DEADLINE);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyExchange.ReadingAwaited.selector, 1, _meterId(1), END + READING_DEADLINE
            )
        );
        _settle(batch, readings);
    }

    function test_RevertWhen_AMemberHasNoSupplyAgreement() public {
        registry.register(stranger, _meterId(2), vm.addr(_meterKey(2)));
        Batch memory batch = _batch();
        batch.meterIds[1] = _meterId(2);
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, 1, stranger));
    }

    function test_RevertWhen_ASupplyAgreementIsOver() public {
        SupplyAgreement memory agreement = _supply(2);
        agreement.validUntil = START - 1;
        registry.register(_owner(2), _meterId(2), vm.addr(_meterKey(2)));
        _registerSupply(2, agreement);
        Batch memory batch = _batch();
        batch.meterIds[1] = _meterId(2);
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, 1, _owner(2)));
    }

    function test_RevertWhen_TheRetailersPricesExceedAnAgreement() public {
        Batch memory batch = _batch();
        batch.prices.retailImport = 400_001;
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.SupplyPriceExceeded.selector, 0, _owner(0)));
    }

    function test_RevertWhen_TheFeedInPriceIsBelowAnAgreement() public {
        Batch memory batch = _batch();
        batch.prices.feedIn = 49_999;
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.SupplyPriceExceeded.selector, 0, _owner(0)));
    }

    // Fills

    function test_RevertWhen_AFillRunsTheWrongWay() public {
        Batch memory batch = _batch();
        batch.fills[0] = Fill({buy: 0, sell: 1, energyWh: 1_000});
        _commitAndDeliver(batch);
        _refuse(batch, _one(IEnergyExchange.InvalidFill.selector, 0));
    }

    function test_RevertWhen_AFillNamesNoOrder() public {
        Batch memory batch = _batch();
        batch.fills[0].sell = 2;
        _commitAndDeliver(batch);
        _refuse(batch, _one(IEnergyExchange.InvalidFill.selector, 0));
    }

    function test_RevertWhen_AnOrderIsOverfilled() public {
        Batch memory batch = _batch();
        batch.fills = new Fill[](2);
        (batch.fills[0], batch.fills[1]) = (Fill(1, 0, 1_000), Fill(1, 0, 1));
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.OrderOverfilled.selector, 0, 1_001, 1_000));
    }

    // Orders

    function test_RevertWhen_AnOrderIsForAnotherInterval() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.intervalStart = END;
        _refuseOrder(order, _one(IEnergyExchange.OrderWrongInterval.selector, 1));
    }

    function test_RevertWhen_AnOrderIsForAnotherLength() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.intervalSeconds = 300;
        _refuseOrder(order, _one(IEnergyExchange.OrderWrongInterval.selector, 1));
    }

    function test_RevertWhen_AnOrderHasExpired() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.expiry = GATE - 1;
        _refuseOrder(order, abi.encodeWithSelector(IEnergyExchange.OrderExpired.selector, 1, GATE - 1));
    }

    function test_RevertWhen_AnOrderHasNoSide() public {
        Order memory order = _order(1, 2, 1_000, 0);
        Batch memory batch = _batch();
        batch.orders[1] = _signed(order, _ownerKey(1));
        batch.fills = new Fill[](0);
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.OrderSideUnknown.selector, 1, 2));
    }

    function test_RevertWhen_ClearingIsAboveABid() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.limitPrice = 199_999;
        _refuseOrder(
            order, abi.encodeWithSelector(IEnergyExchange.OrderLimitViolated.selector, 1, 199_999, 200_000)
        );
    }

    function test_RevertWhen_ClearingIsBelowAnOffer() public {
        Batch memory batch = _batch();
        Order memory order = _order(0, OrderTypes.SELL, 1_000, 0);
        order.limitPrice = 200_001;
        batch.orders[0] = _signed(order, _ownerKey(0));
        _commitAndDeliver(batch);
        _refuse(
            batch, abi.encodeWithSelector(IEnergyExchange.OrderLimitViolated.selector, 0, 200_001, 200_000)
        );
    }

    function test_RevertWhen_TheFeeExceedsItsCap() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.feeCap = 2_999;
        _refuseOrder(
            order, abi.encodeWithSelector(IEnergyExchange.OrderFeeCapExceeded.selector, 1, 2_999, 3_000)
        );
    }

    function test_RevertWhen_AnOrdersMeterIsNotInTheBatch() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.meterId = _meterId(9);
        _refuseOrder(
            order, abi.encodeWithSelector(IEnergyExchange.OrderMeterMissing.selector, 1, _meterId(9))
        );
    }

    function test_RevertWhen_AnOrdersMeterIsAnothers() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.meterId = _meterId(0);
        _refuseOrder(order, abi.encodeWithSelector(IEnergyExchange.OrderMeterNotOwned.selector, 1, _owner(1)));
    }

    function test_RevertWhen_ANonceIsUsedTwiceInABatch() public {
        Batch memory batch = _batch();
        SignedOrder[] memory orders = new SignedOrder[](3);
        (orders[0], orders[1]) = (batch.orders[0], batch.orders[1]);
        orders[2] = _signed(_order(1, OrderTypes.BUY, 5, 0), _ownerKey(1));
        batch.orders = orders;
        _commitAndDeliver(batch);
        _refuse(batch, _one(IEnergyExchange.OrderReplayed.selector, 2));
    }

    function test_RevertWhen_ANonceWasSettledInAnotherInterval() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        _settle(batch, _readings());
        vm.assertTrue(exchange.isNonceUsed(_owner(1), 0));
        vm.assertFalse(exchange.isNonceUsed(_owner(1), 1));

        Batch memory next = _emptyBatch();
        next.intervalStart = END + STEP;
        next.meterIds = batch.meterIds;
        next.orders = new SignedOrder[](1);
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        (order.intervalStart, order.expiry) = (END + STEP, END + STEP);
        next.orders[0] = _signed(order, _ownerKey(1));
        _commit(next);
        vm.warp(END + 2 * STEP);
        MeterInput[] memory readings = new MeterInput[](2);
        (readings[0], readings[1]) = (_readingAt(0, END + STEP, 0, 0), _readingAt(1, END + STEP, 0, 0));
        vm.expectRevert(_one(IEnergyExchange.OrderReplayed.selector, 0));
        _settle(next, readings);
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherContract() public {
        EnergyExchange other = new EnergyExchange(
            token, registry, retailer, feeRecipient, admin, WITHDRAWAL_DELAY, READING_DEADLINE
        );
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        _refuseSignature(order, _sign(_ownerKey(1), other.hashOrder(order)));
    }

    function test_RevertWhen_AnOrderWasSignedForAnotherChain() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        uint256 here = block.chainid;
        vm.chainId(1);
        bytes memory signature = _sign(_ownerKey(1), exchange.hashOrder(order));
        vm.chainId(here);
        _refuseSignature(order, signature);
    }

    function test_RevertWhen_AnOrderIsSignedByAStranger() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        _refuseSignature(order, _sign(STRANGER_KEY, exchange.hashOrder(order)));
    }

    function test_RevertWhen_ASignatureRecoversToNobody() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        Batch memory batch = _batch();
        batch.orders[1] = SignedOrder(order, new bytes(65));
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.OrderNotAuthorised.selector, 1, address(0)));
    }

    /// @dev Nobody owns the zero address, and a failed recovery must not stand for its consent.
    function test_RevertWhen_TheOwnerIsNobody() public {
        Order memory order = _order(1, OrderTypes.BUY, 1_000, 0);
        order.owner = address(0);
        Batch memory batch = _batch();
        batch.orders[1] = SignedOrder(order, new bytes(65));
        _commitAndDeliver(batch);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.OrderNotAuthorised.selector, 1, address(0)));
    }

    // Shorthands

    function _one(bytes4 selector, uint256 argument) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, argument);
    }

    function _expect(bytes4 selector, uint256 argument) private {
        vm.expectRevert(_one(selector, argument));
    }

    function _emptyBatch() private pure returns (Batch memory batch) {
        (batch.intervalStart, batch.intervalSeconds, batch.prices) = (START, STEP, _prices());
    }

    function _refuse(Batch memory batch, bytes memory refusal) private {
        MeterInput[] memory readings = _readings();
        vm.expectRevert(refusal);
        _settle(batch, readings);
    }

    function _refuseReadings(Batch memory batch, MeterInput[] memory readings) private {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.InvalidReading.selector, 1, _meterId(1)));
        _settle(batch, readings);
    }

    /// @dev Replaces member 1's order, correctly signed.
    function _refuseOrder(Order memory order, bytes memory refusal) private {
        Batch memory batch = _batch();
        batch.orders[1] = _signed(order, _ownerKey(1));
        _commitAndDeliver(batch);
        _refuse(batch, refusal);
    }

    /// @dev The signature recovers to some address, which is neither the owner nor an agent.
    function _refuseSignature(Order memory order, bytes memory signature) private {
        Batch memory batch = _batch();
        batch.orders[1] = SignedOrder(order, signature);
        _commitAndDeliver(batch);
        MeterInput[] memory readings = _readings();
        vm.expectPartialRevert(IEnergyExchange.OrderNotAuthorised.selector);
        _settle(batch, readings);
    }

    function _refuseLarge(Batch memory batch, uint32 intervalSeconds) private {
        batch.intervalStart += intervalSeconds * 9;
        batch.intervalStart -= batch.intervalStart % intervalSeconds;
        batch.intervalSeconds = intervalSeconds;
        vm.warp(GATE);
        _commit(batch);
        vm.warp(batch.intervalStart + intervalSeconds);
        bytes memory refusal = abi.encodeWithSelector(
            IEnergyExchange.BatchTooLarge.selector,
            batch.orders.length,
            batch.fills.length,
            batch.meterIds.length
        );
        MeterInput[] memory none = new MeterInput[](0);
        vm.expectRevert(refusal);
        _settle(batch, none);
    }
}
