// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./support/Scene.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Batch, Fill, MeterInput, SignedOrder} from "../src/interfaces/IEnergyExchange.sol";
import {Order, OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Line, Prices} from "../src/libraries/Settlement.sol";

/// @notice What a settlement does when it goes through.
contract SettleTest is Scene {
    function test_TradeMovesMoneyFromBuyerToSellerAndFees() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        _settle(batch, _readings());
        vm.assertEq(exchange.balanceOf(_owner(0)), OPENING + 200_000 - 3_000);
        vm.assertEq(exchange.balanceOf(_owner(1)), OPENING - 200_000 - 3_000);
        vm.assertEq(exchange.balanceOf(feeRecipient), 6_000);
        vm.assertEq(exchange.balanceOf(retailer), OPENING);
    }

    function test_EmitsTradeLinesAndTotals() public {
        Batch memory batch = _batch();
        bytes32 buyOrder = exchange.hashOrder(batch.orders[1].order);
        bytes32 sellOrder = exchange.hashOrder(batch.orders[0].order);
        MeterInput[] memory readings = _readings();
        readings[1] = _reading(1, 1_500, 0);
        _commitAndDeliver(batch);
        Line memory sold = Line(0, 1_000, 0, 1_000, 1_000, 0, 0, 0, 200_000, 0, 3_000, 0, 0);
        Line memory bought = Line(1_500, 0, 1_000, 0, 0, 500, 0, 200_000, 0, 0, 3_000, 155_000, 0);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.TradeSettled(START, _owner(1), _owner(0), buyOrder, sellOrder, 1_000, 200_000);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MemberSettled(START, _owner(0), _meterId(0), sold, false);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MemberSettled(START, _owner(1), _meterId(1), bought, false);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.BatchSettled(START, _prices(), 155_000);
        _settle(batch, readings);
        (,, bool settled) = exchange.commitments(START);
        vm.assertTrue(settled);
    }

    function test_ShortSellerPaysTheCappedPremiumAndTheRetailerDeliversTheRest() public {
        Batch memory batch = _batch();
        MeterInput[] memory readings = _readings();
        readings[0] = _reading(0, 0, 400);
        _commitAndDeliver(batch);
        _settle(batch, readings);
        // sale 400 Wh x 0.20, shortfall 600 Wh x (0.29 - 0.20), fee 400 Wh x 0.003
        vm.assertEq(exchange.balanceOf(_owner(0)), OPENING + 80_000 - 54_000 - 1_200);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 200_000 - 80_000 + 54_000);
    }

    function test_MemberWithoutTradesIsBilledByTheRetailer() public {
        _addMember(2);
        Batch memory batch = _withThirdMeter(_batch());
        MeterInput[] memory readings = new MeterInput[](3);
        (readings[0], readings[1], readings[2]) =
        (_reading(0, 0, 1_000), _reading(1, 1_000, 0), _reading(2, 100, 50));
        _commitAndDeliver(batch);
        _settle(batch, readings);
        vm.assertEq(exchange.balanceOf(_owner(2)), OPENING - 31_000 + 3_000);
    }

    function test_MissingReadingFallsBackAfterTheDeadline() public {
        Batch memory batch = _batch();
        MeterInput[] memory readings = _readings();
        (readings[0], readings[1]) = (MeterInput(9, 9, ""), MeterInput(9, 9, ""));
        _commit(batch);
        vm.warp(END + READING_DEADLINE + 1);
        Line memory sold = Line(0, 0, 0, 1_000, 0, 0, 0, 0, 0, 90_000, 0, 0, 0);
        Line memory bought = Line(1_000, 0, 1_000, 0, 0, 0, 0, 200_000, 0, 0, 3_000, 0, 0);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MemberSettled(START, _owner(0), _meterId(0), sold, true);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.MemberSettled(START, _owner(1), _meterId(1), bought, true);
        _settle(batch, readings);
    }

    function test_PoorMemberPaysWhatItHasAndTheRetailerBearsTheRest() public {
        _empty(_owner(1), 50_000);
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.Unpaid(START, _owner(1), 153_000);
        _settle(batch, _readings());
        vm.assertEq(exchange.balanceOf(_owner(0)), OPENING + 197_000);
        vm.assertEq(exchange.balanceOf(_owner(1)), 0);
        vm.assertEq(exchange.balanceOf(retailer), OPENING - 153_000);
        vm.assertEq(exchange.balanceOf(feeRecipient), 6_000);
    }

    function test_RequestedWithdrawalStillCoversWhatWasSigned() public {
        vm.prank(_owner(1));
        exchange.requestWithdrawal(OPENING);
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        _settle(batch, _readings());
        vm.warp(GATE + WITHDRAWAL_DELAY);
        vm.prank(_owner(1));
        exchange.withdraw();
        vm.assertEq(token.balanceOf(_owner(1)), OPENING - 203_000);
    }

    function test_OrdersShareTheExportInBatchOrderEachWithItsOwnCap() public {
        Batch memory batch = _batch();
        SignedOrder[] memory orders = new SignedOrder[](3);
        Order memory capless = _order(0, OrderTypes.SELL, 600, 1);
        capless.imbalanceCap = 0;
        orders[0] = _signed(_order(0, OrderTypes.SELL, 400, 0), _ownerKey(0));
        orders[1] = batch.orders[1];
        orders[2] = _signed(capless, _ownerKey(0));
        batch.orders = orders;
        batch.fills = new Fill[](2);
        (batch.fills[0], batch.fills[1]) = (Fill(1, 2, 600), Fill(1, 0, 400));
        MeterInput[] memory readings = _readings();
        readings[0] = _reading(0, 0, 300);
        _commitAndDeliver(batch);
        _settle(batch, readings);
        // Order 0 lacks 100 Wh at 0.09; order 2 lacks 600 Wh at its cap, 0.
        vm.assertEq(exchange.balanceOf(_owner(0)), OPENING + 60_000 - 9_000 - 900);
    }

    function test_PartialFillSettlesOnlyWhatWasExecuted() public {
        Batch memory batch = _batch();
        batch.fills[0].energyWh = 250;
        _commitAndDeliver(batch);
        _settle(batch, _readings());
        vm.assertEq(exchange.balanceOf(_owner(1)), OPENING - 50_000 - 750 - 232_500);
    }

    function test_EmptyBatchSettles() public {
        Batch memory batch = _batch();
        (batch.orders, batch.fills) = (new SignedOrder[](0), new Fill[](0));
        batch.prices.clearing = 0;
        _commitAndDeliver(batch);
        _settle(batch, _readings());
        vm.assertEq(exchange.balanceOf(_owner(0)), OPENING + 60_000);
    }

    function test_RevertWhen_RetailerCannotPay() public {
        _empty(retailer, 50_000);
        Batch memory batch = _batch();
        MeterInput[] memory readings = _readings();
        readings[0] = _reading(0, 0, 2_000);
        _commitAndDeliver(batch);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.RetailerUnderfunded.selector, 50_000, 60_000));
        _settle(batch, readings);
    }

    /// @dev Leaves `remainder` on the account, at the same instant as before.
    function _empty(address account, uint256 remainder) private {
        vm.warp(GATE - WITHDRAWAL_DELAY);
        vm.prank(account);
        exchange.requestWithdrawal(OPENING - remainder);
        vm.warp(GATE);
        vm.prank(account);
        exchange.withdraw();
    }

    function _withThirdMeter(Batch memory batch) private pure returns (Batch memory) {
        batch.meterIds = new bytes32[](3);
        (batch.meterIds[0], batch.meterIds[1], batch.meterIds[2]) = (_meterId(0), _meterId(1), _meterId(2));
        return batch;
    }
}
