// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Community, Fill, Short} from "./support/Community.sol";
import {Log} from "./support/Vm.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {IMeterOracle} from "../src/interfaces/IMeterOracle.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {MeterReading} from "../src/libraries/ReadingTypes.sol";
import {Batch, BatchMember, BatchOrder, Registers} from "./support/Batches.sol";

/// @notice What a settlement does when it goes through, on both paths. Clearing 0.20, retail 0.31, feed-in 0.06,
/// imbalance 0.29, fee 0.003; member 0 sells 1 kWh to member 1.
contract SettleTest is Community {
    address private settler = stranger;

    function _settler() internal view override returns (address) {
        return settler;
    }

    /// @dev All that was told, what was stored of the interval, and everybody's money.
    function _outcome(address[9] memory accounts) private returns (bytes32 outcome) {
        outcome = keccak256(abi.encode(vm.getRecordedLogs(), exchange.isSettled(START)));
        for (uint256 i = 0; i < 9; ++i) {
            uint256 held = _heldBy(accounts[i]);
            outcome = keccak256(abi.encode(outcome, held, token.balanceOf(accounts[i])));
        }
    }

    function _shortsOf(Batch memory batch, Registers[] memory registers) private returns (Short[] memory) {
        bytes memory proof = _signedProof(batch, registers);
        vm.recordLogs();
        _settle(batch, registers, proof);
        return _shortsIn(vm.getRecordedLogs());
    }

    // Trades and what is left of them

    function test_TradeMovesMoneyFromBuyerToSellerAndFees() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(0), OPENING + 200_000 - 3_000);
        vm.assertEq(_balance(1), OPENING - 200_000 - 3_000);
        vm.assertEq(exchange.balanceOf(fund), 6_000);
        vm.assertEq(exchange.balanceOf(retailer), OPENING);
        (bytes26 root, uint8 parts, uint40 committedAt) = exchange.commitments(START);
        vm.assertEq(bytes32(root), 0);
        vm.assertEq(parts, 0);
        vm.assertEq(committedAt, 0);
        vm.assertTrue(exchange.isSettled(START));
    }

    /// @dev One event holds what a bill needs, but for sales that fell short.
    function test_EmitsPricesReadingsAndFills() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 1)].importWh = 1_500;
        _orderOf(batch, 1).energyWh = 2_000; // half of it executes
        _orderOf(batch, 1).k = 7;
        _complete(batch);
        _commitAndDeliver(batch);
        bytes memory proof = _attestedProof(batch, registers);
        vm.recordLogs();
        _settle(batch, registers, proof);
        Log[] memory logs = vm.getRecordedLogs();
        (uint256 prices, int256 delta, bytes memory readings,) = _settled(logs);
        vm.assertEq(
            prices,
            uint256(200_000) << 128 | uint256(310_000) << 96 | uint256(60_000) << 64 | uint256(290_000) << 32
                | 3_000
        );
        vm.assertEq(delta, 155_000);
        vm.assertEq(readings, _readings(batch, registers), "readings");
        Fill[] memory list = _fillsIn(logs, false, 200_000);
        vm.assertEq(list.length, 2);
        Fill memory sold = list[_at(batch, 0)];
        Fill memory bought = list[_at(batch, 1)];
        vm.assertEq(abi.encode(sold), abi.encode(Fill(uint16(_at(batch, 0)), 1, 0, 1_000, 200_000)), "sold");
        vm.assertEq(
            abi.encode(bought), abi.encode(Fill(uint16(_at(batch, 1)), 0, 7, 1_000, 200_000)), "bought"
        );
        vm.assertEq(_shortsIn(logs).length, 0);
    }

    function test_ShortSellerPaysThePremiumAndTheRetailerDeliversTheRest() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 0)].exportWh = 400;
        _commitAndDeliver(batch);
        _settle(batch, registers);
        // sale 400 Wh x 0.20, shortfall 600 Wh x (0.29 - 0.20), fee 400 Wh x 0.003
        vm.assertEq(_balance(0), OPENING + 80_000 - 54_000 - 1_200);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 200_000 - 80_000 + 54_000);
    }

    function test_ThePremiumIsCapped() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _orderOf(batch, 0).imbalanceCap = 50_000;
        registers[_at(batch, 0)].exportWh = 0;
        _complete(batch);
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.SaleShort(START, uint16(_at(batch, 0)), 50_000);
        _settle(batch, registers, proof);
        vm.assertEq(_balance(0), OPENING - 50_000);
    }

    /// @dev ... but the bill must say that the sale fell short.
    function test_ThereIsNoPremiumWhenImbalanceIsCheap() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        batch.prices.imbalance = 200_000;
        registers[_at(batch, 0)].exportWh = 0;
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.SaleShort(START, uint16(_at(batch, 0)), 100_000);
        _settle(batch, registers, proof);
        vm.assertEq(_balance(0), OPENING);
    }

    /// @dev Of four sales of one meter the first is delivered, the second in part, the third executed nothing, and so lacks
    /// nothing, the fourth not at all. One Wh less is short, none is not.
    function test_EachSaleThatFellShortIsTold() public {
        Batch memory batch = _batch();
        BatchOrder[] memory orders = new BatchOrder[](4);
        for (uint8 i = 0; i < 4; ++i) {
            orders[i] = _order(OrderTypes.SELL, 250);
            (orders[i].k, orders[i].imbalanceCap) = (i, uint32(10_000) * i);
        }
        orders[2].executions[0].energyWh = 0;
        (orders[3].energyWh, orders[3].executions[0].energyWh) = (500, 500);
        uint256 seller = _at(batch, 0);
        batch.members[seller].orders = orders;
        _complete(batch);
        Registers[] memory registers = _delivered(batch);
        _commitAndDeliver(batch);
        uint256 snapshot = vm.snapshotState();
        vm.assertEq(_shortsOf(batch, registers).length, 0);
        vm.revertToStateAndDelete(snapshot);
        snapshot = vm.snapshotState();
        registers[seller].exportWh = 999;
        Short[] memory shorts = _shortsOf(batch, registers);
        vm.assertEq(shorts.length, 1);
        vm.assertEq(shorts[0].number, seller + 3); // the only order before is the buyer's, if it stands first
        vm.revertToStateAndDelete(snapshot);
        registers[seller].exportWh = 300;
        shorts = _shortsOf(batch, registers);
        vm.assertEq(shorts.length, 2);
        vm.assertEq(shorts[0].number, seller + 1);
        vm.assertEq(shorts[0].imbalanceCap, 10_000);
        vm.assertEq(shorts[1].number, seller + 3);
        vm.assertEq(shorts[1].imbalanceCap, 30_000);
    }

    function test_ResidualsAreTheRetailers() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 0)] = Registers(false, 100, 1_050);
        registers[_at(batch, 1)] = Registers(false, 700, 0); // 300 Wh bought and not taken are fed in
        _commitAndDeliver(batch);
        _settle(batch, registers);
        vm.assertEq(_balance(0), OPENING + 197_000 - 31_000 + 3_000);
        vm.assertEq(_balance(1), OPENING - 203_000 + 18_000);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 31_000 - 21_000);
    }

    function test_MemberWithoutTradesIsBilledByTheRetailer() public {
        Batch memory batch = _withoutOrders(2);
        Registers[] memory registers = new Registers[](2);
        registers[_at(batch, 1)] = Registers(false, 100, 50);
        _commitAndDeliver(batch);
        _settle(batch, registers);
        vm.assertEq(_balance(0), OPENING);
        vm.assertEq(_balance(1), OPENING - 31_000 + 3_000);
    }

    /// @dev Each amount is rounded once, against who receives it: 1 Wh at 0.0005 costs 1 micro-unit, and pays 0.
    function test_RoundingIsAgainstTheMember() public {
        Batch memory batch = _batch();
        batch.prices.clearing = 200_001;
        batch.prices.fee = 1;
        _orderOf(batch, 0).energyWh = 1;
        _orderOf(batch, 1).energyWh = 1;
        _orderOf(batch, 0).executions[0].energyWh = 1;
        _orderOf(batch, 1).executions[0].energyWh = 1;
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(0), OPENING + 200 - 1);
        vm.assertEq(_balance(1), OPENING - 201 - 1);
        vm.assertEq(exchange.balanceOf(fund), 2);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 1);
    }

    /// @dev 1 Wh at 0.310001 costs 311 micro-units; 1 Wh at 0.060999 pays 60.
    function test_TheRetailersPartIsRoundedAgainstTheMember() public {
        Batch memory batch = _withoutOrders(2);
        (batch.prices.retailImport, batch.prices.feedIn) = (310_001, 60_999);
        Registers[] memory registers = new Registers[](2);
        registers[_at(batch, 0)] = Registers(false, 0, 1);
        registers[_at(batch, 1)] = Registers(false, 1, 0);
        _commitAndDeliver(batch);
        _settle(batch, registers);
        vm.assertEq(_balance(0), OPENING + 60);
        vm.assertEq(_balance(1), OPENING - 311);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 311 - 60);
    }

    function test_OrdersShareTheExportInBatchOrderEachWithItsOwnCap() public {
        Batch memory batch = _batch();
        BatchOrder memory first = _order(OrderTypes.SELL, 400);
        BatchOrder memory capless = _order(OrderTypes.SELL, 600);
        (capless.k, capless.imbalanceCap) = (1, 0);
        batch.members[_at(batch, 0)] = _memberOf(0, first, capless);
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 0)].exportWh = 300;
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, registers);
        // The first lacks 100 Wh at 0.09; the other 600 Wh at its cap, 0.
        vm.assertEq(_balance(0), OPENING + 60_000 - 9_000 - 900);
    }

    function test_PartialFillSettlesOnlyWhatWasExecuted() public {
        Batch memory batch = _batch();
        _orderOf(batch, 0).executions[0].energyWh = 250;
        _orderOf(batch, 1).executions[0].energyWh = 250;
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 1)].importWh = 1_000;
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, registers);
        vm.assertEq(_balance(1), OPENING - 50_000 - 750 - 232_500);
    }

    function test_AnOrderMayExecuteNothing() public {
        Batch memory batch = _batch();
        _orderOf(batch, 0).executions[0].energyWh = 0;
        _orderOf(batch, 1).executions[0].energyWh = 0;
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(1), OPENING);
    }

    /// @dev k from 0 to 255, and several of them.
    function test_OrdersOfOneMemberInOneInterval() public {
        Batch memory batch = _batch();
        BatchOrder memory one = _order(OrderTypes.BUY, 600);
        BatchOrder memory other = _order(OrderTypes.BUY, 400);
        (one.k, other.k) = (255, 0);
        batch.members[_at(batch, 1)] = _memberOf(1, one, other);
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(1), OPENING - 203_000);
    }

    function test_EmptyBatchSettles() public {
        Batch memory batch = _unsigned(START, 0);
        _commitAndDeliver(batch);
        _settle(batch, new Registers[](0));
        vm.assertEq(exchange.balanceOf(retailer), OPENING);
    }

    function test_SeveralMetersOfOneAccountAreOneBill() public {
        _addMeter(1, 0x3fff);
        _addMeter(1, 2);
        Batch memory batch = _withoutOrders(2);
        (BatchMember memory second, BatchMember memory third) = (_idle(1), _idle(1));
        (second.number, third.number) = (2, 0x3fff);
        third.orders = new BatchOrder[](1);
        third.orders[0] = _order(OrderTypes.BUY, 1_000);
        batch = _with(_with(batch, second), third);
        batch.members[_at(batch, 0)].orders = new BatchOrder[](1);
        batch.members[_at(batch, 0)].orders[0] = _order(OrderTypes.SELL, 1_000);
        _complete(batch);
        uint256 first = _at(batch, 1);
        Registers[] memory registers = _delivered(batch);
        registers[first] = Registers(false, 100, 0); // 31_000
        registers[first + 1] = Registers(false, 0, 7_000); // -420_000: pays for the rest, although it is read before
        _empty(_owner(1), 0);
        _commitAndDeliver(batch);
        _settle(batch, registers);
        vm.assertEq(_balance(1), 420_000 - 31_000 - 203_000);
    }

    // Who settles

    /// @dev What was committed, whoever it is: the same money moves, and the same is told.
    function test_AnybodySettlesWhatWasCommittedAndNothingElse() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 0)] = Registers(false, 100, 400);
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, registers);
        bytes32 outcome;
        address[9] memory callers =
            [operator, stranger, agent, admin, pauser, retailer, fund, _owner(0), _owner(1)];
        for (uint256 i = 0; i < 9; ++i) {
            uint256 snapshot = vm.snapshotState();
            settler = callers[i];
            vm.recordLogs();
            _settle(batch, registers, proof);
            bytes32 here = _outcome(callers);
            if (i == 0) outcome = here;
            vm.assertEq(here, outcome);
            vm.revertToStateAndDelete(snapshot);
        }
    }

    /// @dev An operator that is gone, or will not settle, cannot keep back what it committed.
    function test_ACommittedBatchSettlesWithoutItsOperator() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        bytes32 role = exchange.OPERATOR_ROLE();
        vm.prank(admin);
        exchange.revokeRole(role, operator);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(1), OPENING - 203_000);
    }

    /// @dev Who settles chooses the proof, and cannot leave out what a meter has shown.
    function test_RevertWhen_WhoSettlesLeavesOutASubmittedReading() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _commitAndDeliver(batch);
        MeterReading memory reading = MeterReading(_meterId(0), START, STEP, 0, 1_000);
        oracle.submitReading(
            _meterId(0), START, STEP, 0, 1_000, _compact(_meterKey(0), oracle.hashReading(reading))
        );
        vm.warp(END + READING_DEADLINE + 1);
        registers[_at(batch, 0)] = Registers(true, 0, 0);
        _refuseNow(
            batch, registers, abi.encodeWithSelector(IMeterOracle.ReadingNotMissing.selector, _meterId(0))
        );
    }

    /// @dev Readings are there, but nobody has brought them to the oracle.
    function test_RevertWhen_AStrangerLeavesOutReadings() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _commitAndDeliver(batch);
        vm.warp(END + READING_DEADLINE + 1);
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, exchange.OPERATOR_ROLE()
        );
        registers[_at(batch, 0)] = Registers(true, 0, 0);
        bytes memory proof = _signedProof(batch, registers);
        vm.expectRevert(refusal);
        _settleAs(stranger, batch, 0, registers, proof);
        registers[_at(batch, 1)] = Registers(true, 0, 0);
        vm.expectRevert(refusal);
        _settleAs(stranger, batch, 0, registers, hex"02");
        vm.expectRevert(refusal);
        _settleAs(stranger, batch, 0, registers, "");
        // Attestors may say so to anybody.
        proof = bytes.concat(hex"03", _attestations(_attestationDigest(batch, registers, true), THRESHOLD));
        _settleAs(stranger, batch, 0, registers, proof);
        vm.assertTrue(exchange.isSettled(START));
    }

    // Readings

    function test_AttestedReadingsSettle() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _commitAndDeliver(batch);
        _settle(batch, registers, _attestedProof(batch, registers));
        vm.assertEq(_balance(1), OPENING - 203_000);
    }

    /// @dev 400 W for a quarter of an hour are 100 Wh; a buyer took at least what it bought.
    function test_MissingReadingFallsBackAfterTheDeadline() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        (registers[0], registers[1]) = (Registers(true, 0, 0), Registers(true, 0, 0));
        _commit(batch);
        vm.warp(END + READING_DEADLINE + 1);
        bytes memory proof = _gapsProof(batch, registers);
        for (uint256 i = 0; i < 2; ++i) {
            bool sells = batch.members[i].account == _owner(0);
            vm.expectEmit(address(exchange));
            emit IEnergyExchange.ReadingMissing(START, batch.members[i].account, 0, sells ? 100 : 1_000);
        }
        _settle(batch, registers, proof);
        vm.assertEq(_balance(0), OPENING - 31_000 - 90_000);
        vm.assertEq(_balance(1), OPENING - 203_000);
    }

    function test_OneMissingReadingStopsNobody() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 0)] = Registers(true, 0, 0);
        _commit(batch);
        vm.warp(END + READING_DEADLINE + 1);
        _settle(batch, registers);
        vm.assertEq(_balance(1), OPENING - 203_000);
    }

    // Late

    function test_ALateBatchWithoutOrdersSettlesWithTheRetailer() public {
        Batch memory batch = _withoutOrders(2);
        Registers[] memory registers = new Registers[](2);
        registers[_at(batch, 0)].exportWh = 1_000;
        registers[_at(batch, 1)].importWh = 1_000;
        vm.warp(END + 3 hours);
        _commit(batch);
        _settle(batch, registers);
        vm.assertEq(_balance(0), OPENING + 60_000);
        vm.assertEq(_balance(1), OPENING - 310_000);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 250_000);
    }

    /// @dev Judged by what stood when delivery began.
    function test_ALateBatchIsCoveredByWithdrawalsAskedForAfterDeliveryBegan() public {
        Batch memory batch = _withoutOrders(2);
        Registers[] memory registers = new Registers[](2);
        registers[_at(batch, 1)].importWh = 1_000;
        vm.warp(START);
        vm.prank(_owner(1));
        exchange.requestWithdrawal(OPENING);
        vm.warp(END);
        _commit(batch);
        _settle(batch, registers);
        (uint64 left,) = exchange.withdrawalOf(_owner(1));
        vm.assertEq(left, OPENING - 310_000);
    }

    // Release

    function test_ReleaseAfterTheTerm() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _commit(batch);
        uint256 closesAt = START + SETTLEMENT_TERM;
        vm.warp(closesAt);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.IntervalOpen.selector, START, closesAt));
        exchange.release(START);
        vm.warp(closesAt + 1);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.IntervalReleased(START);
        vm.prank(stranger);
        exchange.release(START);
        (bytes26 root, uint8 parts, uint40 committedAt) = exchange.commitments(START);
        vm.assertEq(bytes32(root), 0);
        vm.assertEq(parts, 0);
        vm.assertEq(committedAt, 0);
        vm.assertFalse(exchange.isSettled(START));
        _refuseNow(batch, registers, _one(IEnergyExchange.NotCommitted.selector, START));
        vm.expectRevert(_one(IEnergyExchange.NotCommitted.selector, START));
        exchange.release(START);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.IntervalClosed.selector, START, closesAt));
        _commit(batch);
    }

    function test_RevertWhen_ReleasingWhatWasSettledOrNeverCommitted() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.warp(START + 2 * SETTLEMENT_TERM);
        vm.expectRevert(_one(IEnergyExchange.NotCommitted.selector, START));
        exchange.release(START);
        vm.expectRevert(_one(IEnergyExchange.NotCommitted.selector, END));
        exchange.release(END);
    }
}

contract SettleOnReferenceTest is SettleTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
