// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./support/Scene.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Batch, Fill, MeterInput, SignedOrder} from "../src/interfaces/IEnergyExchange.sol";

/// @notice An interval that nobody committed in time: the trades are void, the retailer's supply is not.
contract RetailOnlyTest is Scene {
    function test_UncommittedIntervalSettlesWithTheRetailer() public {
        vm.warp(END);
        _settle(_retailOnly(), _readings());
        vm.assertEq(exchange.balanceOf(_owner(0)), OPENING + 60_000);
        vm.assertEq(exchange.balanceOf(_owner(1)), OPENING - 310_000);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 250_000);
        (bytes32 root, uint64 committedAt, bool settled) = exchange.commitments(START);
        vm.assertEq(root, bytes32(0));
        vm.assertEq(uint256(committedAt), 0);
        vm.assertTrue(settled);
    }

    function test_RevertWhen_SettledTwice() public {
        vm.warp(END);
        _settle(_retailOnly(), _readings());
        _refuse(_retailOnly(), abi.encodeWithSelector(IEnergyExchange.AlreadySettled.selector, START));
    }

    function test_RevertWhen_TradesWereNeverCommitted() public {
        vm.warp(END);
        bytes memory refusal = abi.encodeWithSelector(IEnergyExchange.NotCommitted.selector, START);
        Batch memory withOrders = _batch();
        withOrders.fills = new Fill[](0);
        _refuse(withOrders, refusal);
        Batch memory withFills = _batch();
        withFills.orders = new SignedOrder[](0);
        _refuse(withFills, refusal);
    }

    function test_RevertWhen_ACommittedIntervalIsSettledWithoutItsTrades() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        bytes memory refusal = abi.encodeWithSelector(
            IEnergyExchange.RootMismatch.selector,
            START,
            keccak256(abi.encode(batch)),
            keccak256(abi.encode(_retailOnly()))
        );
        _refuse(_retailOnly(), refusal);
    }

    function test_RevertWhen_DeliveryHasNotEnded() public {
        vm.warp(END - 1);
        _refuse(
            _retailOnly(),
            abi.encodeWithSelector(IEnergyExchange.DeliveryNotEnded.selector, START, uint256(END))
        );
    }

    function test_RevertWhen_IntervalIsOffTheGrid() public {
        Batch memory batch = _retailOnly();
        vm.warp(END + 1);
        batch.intervalStart += 1;
        _refuse(
            batch, abi.encodeWithSelector(IEnergyExchange.InvalidInterval.selector, batch.intervalStart, STEP)
        );
        batch.intervalSeconds = 0;
        _refuse(
            batch,
            abi.encodeWithSelector(IEnergyExchange.InvalidInterval.selector, batch.intervalStart, uint32(0))
        );
    }

    function test_RevertWhen_SupplyHadEndedBeforeDelivery() public {
        vm.prank(_owner(1));
        exchange.endSupply(_meterId(1));
        vm.warp(END);
        _refuse(
            _retailOnly(),
            abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, uint256(1), _owner(1))
        );
    }

    function _retailOnly() private view returns (Batch memory batch) {
        batch = _batch();
        batch.orders = new SignedOrder[](0);
        batch.fills = new Fill[](0);
    }

    function _refuse(Batch memory batch, bytes memory refusal) private {
        MeterInput[] memory readings = _readings();
        vm.expectRevert(refusal);
        vm.prank(operator);
        exchange.settleBatch(batch, readings);
    }
}
