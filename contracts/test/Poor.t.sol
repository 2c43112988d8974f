// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {Log} from "./support/Vm.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, Registers} from "./support/Batches.sol";

/// @notice Who cannot pay, and who bears it, on both paths: never a revert.
contract PoorTest is Community {
    function test_PoorMemberPaysWhatItHasAndTheRetailerBearsTheRest() public {
        _empty(_owner(1), 50_000);
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, _delivered(batch));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.Unpaid(START, _owner(1), 153_000);
        _settle(batch, _delivered(batch), proof);
        vm.assertEq(_balance(0), OPENING + 197_000);
        vm.assertEq(_balance(1), 0);
        vm.assertEq(exchange.balanceOf(retailer), OPENING - 153_000);
        vm.assertEq(exchange.balanceOf(fund), 6_000);
    }

    function test_TheFundBearsWhatTheRetailerCannot() public {
        _fund(fund, 200_000);
        _empty(_owner(1), 0);
        _empty(retailer, 50_000);
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, _delivered(batch));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.FundPaid(START, 153_000);
        _settle(batch, _delivered(batch), proof);
        vm.assertEq(_balance(0), OPENING + 197_000);
        vm.assertEq(exchange.balanceOf(retailer), 0);
        vm.assertEq(exchange.balanceOf(fund), 200_000 + 6_000 - 153_000);
    }

    /// @dev 197_000 and 120_000 are due; 100_000 there are, of the retailer. Fees are the fund's first, and pay too.
    function test_CreditorsBearTheRestInProportion() public {
        vm.warp(GATE - 7 days);
        _addMember(2);
        vm.warp(GATE);
        _empty(_owner(1), 0);
        _empty(retailer, 100_000);
        Batch memory batch = _with(_batch(), _idle(2));
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 2)].exportWh = 2_000;
        uint256 owed = _owed(3);
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.recordLogs();
        _settle(batch, registers, proof);
        uint256 missing = uint256(317_000) + 6_000 - 100_000 - 6_000;
        uint256 one = _share(197_000, missing);
        uint256 other = _share(120_000, missing);
        vm.assertEq(_balance(0), OPENING + 197_000 - one);
        vm.assertEq(_balance(2), OPENING + 120_000 - other);
        vm.assertEq(exchange.balanceOf(retailer), 0);
        vm.assertEq(exchange.balanceOf(fund), one + other - missing); // what rounding took too much
        vm.assertEq(_owed(3), owed);
        Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(_countLogs(logs, IEnergyExchange.CreditReduced.selector), 2);
        vm.assertEq(_countLogs(logs, IEnergyExchange.FundPaid.selector), 1);
    }

    function test_CreditReducedSaysHowMuch() public {
        _empty(_owner(1), 0);
        _empty(retailer, 0);
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, _delivered(batch));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.CreditReduced(START, _owner(0), 197_000);
        _settle(batch, _delivered(batch), proof);
        vm.assertEq(_balance(0), OPENING);
        vm.assertEq(exchange.balanceOf(fund), 0);
    }

    /// @dev Whatever is there, and whatever is due: money neither appears nor disappears, and no creditor loses what it
    /// had before.
    function testFuzz_NothingIsLostWhoeverIsPoor(
        uint64[4] memory held,
        uint32[3] memory exported,
        uint32 importWh
    ) public {
        vm.warp(GATE - 7 days);
        _addMember(2);
        vm.warp(GATE);
        for (uint256 i = 0; i < 3; ++i) {
            _empty(_owner(i), held[i] % 1_000_000);
        }
        _empty(retailer, held[3] % 1_000_000);
        Batch memory batch = _with(_batch(), _idle(2));
        Registers[] memory registers = new Registers[](3);
        for (uint256 i = 0; i < 3; ++i) {
            registers[_at(batch, i)].exportWh = exported[i] % 100_000;
        }
        registers[_at(batch, 1)].importWh = importWh % 100_000;
        uint256 owed = _owed(3);
        _commitAndDeliver(batch);
        _settle(batch, registers);
        vm.assertEq(_owed(3), owed);
        vm.assertEq(owed, token.balanceOf(address(exchange)));
        vm.assertGe(_balance(2), held[2] % 1_000_000);
    }

    // Withdrawals

    function test_WithdrawalAskedForAfterCommitmentStillCoversTheBatch() public {
        Batch memory batch = _batch();
        _commit(batch); // at the same instant, and before the request
        vm.prank(_owner(1));
        exchange.requestWithdrawal(OPENING);
        vm.warp(END);
        bytes memory proof = _signedProof(batch, _delivered(batch));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.WithdrawalReduced(_owner(1), 203_000);
        _settle(batch, _delivered(batch), proof);
        vm.warp(GATE + WITHDRAWAL_DELAY);
        vm.prank(_owner(1));
        exchange.withdraw();
        vm.assertEq(token.balanceOf(_owner(1)), OPENING - 203_000);
        vm.assertEq(exchange.balanceOf(retailer), OPENING);
    }

    function test_BalanceIsTakenBeforeTheWithdrawal() public {
        Batch memory batch = _batch();
        _commit(batch);
        vm.warp(GATE + 1);
        vm.prank(_owner(1));
        exchange.requestWithdrawal(OPENING - 3_000);
        vm.warp(END);
        _settle(batch, _delivered(batch));
        (uint64 left,) = exchange.withdrawalOf(_owner(1));
        vm.assertEq(_balance(1), 0);
        vm.assertEq(left, OPENING - 203_000);
    }

    function test_WithdrawalAskedForBeforeCommitmentCoversItNoMore() public {
        vm.warp(GATE - 1);
        vm.prank(_owner(1));
        exchange.requestWithdrawal(OPENING);
        vm.warp(GATE);
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, _delivered(batch));
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.Unpaid(START, _owner(1), 203_000);
        _settle(batch, _delivered(batch), proof);
        (uint64 left,) = exchange.withdrawalOf(_owner(1));
        vm.assertEq(left, OPENING);
    }

    /// @dev It cannot be asked for early and paid out just before a settlement.
    function test_ACoveringWithdrawalIsPaidOnlyAfterTheTerm() public {
        Batch memory batch = _batch();
        _commit(batch);
        vm.prank(_owner(1));
        exchange.requestWithdrawal(OPENING);
        uint256 closesAt = START + SETTLEMENT_TERM;
        (, uint64 availableAt) = exchange.withdrawalOf(_owner(1));
        vm.assertGe(availableAt, closesAt);
        vm.warp(closesAt);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.WithdrawalNotReady.selector, _owner(1), availableAt)
        );
        vm.prank(_owner(1));
        exchange.withdraw();
    }

    /// @dev The retailer's withdrawal covers likewise.
    function test_TheRetailersWithdrawalCoversTheBatch() public {
        _empty(_owner(1), 0);
        Batch memory batch = _batch();
        _commit(batch);
        vm.prank(retailer);
        exchange.requestWithdrawal(OPENING);
        vm.warp(END);
        _settle(batch, _delivered(batch));
        (uint64 left,) = exchange.withdrawalOf(retailer);
        vm.assertEq(left, OPENING - 203_000);
        vm.assertEq(_balance(0), OPENING + 197_000);
    }

    function test_RevertWhen_ABalanceWouldNotFit() public {
        Batch memory batch = _batch();
        uint256 most = (1 << 60) - 1;
        _fund(_owner(0), most - OPENING - 196_999);
        uint256 snapshot = vm.snapshotState();
        _refuse(batch, _tooLarge(_owner(0), most + 1));
        vm.revertToStateAndDelete(snapshot);
        _empty(_owner(0), most - 197_000);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(0), most);
    }

    /// @dev The retailer is owed 310_000 for 1 kWh, the fund 6_000 of fees.
    function test_RevertWhen_TheHousesBalanceWouldNotFit() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 1)].importWh = 2_000;
        uint256 most = (1 << 56) - 1;
        _fund(fund, most);
        _fund(retailer, most - OPENING);
        _commitAndDeliver(batch);
        _refuseNow(batch, registers, _tooLarge(retailer, most + 310_000));
        _empty(retailer, most - 310_000);
        _refuseNow(batch, registers, _tooLarge(fund, most + 6_000));
        _empty(fund, most - 6_000);
        _settle(batch, registers);
        vm.assertEq(exchange.balanceOf(retailer), most);
        vm.assertEq(exchange.balanceOf(fund), most);
        vm.assertTrue(exchange.isSettled(START));
        vm.assertFalse(exchange.paused());
    }

    function _tooLarge(address account, uint256 balance) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.BalanceTooLarge.selector, account, balance);
    }

    function _share(uint256 credit, uint256 missing) private pure returns (uint256) {
        return (credit * missing + 317_000 - 1) / 317_000;
    }
}

contract PoorOnReferenceTest is PoorTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
