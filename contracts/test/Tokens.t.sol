// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {BadToken, Fault} from "./support/BadToken.sol";
import {Community} from "./support/Community.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Ledger} from "../src/Ledger.sol";
import {Terms} from "../src/Intervals.sol";

/// @notice Tokens that misbehave: nobody's balance may exceed what came in, or be paid twice.
contract TokensTest is Community {
    BadToken private bad;

    function setUp() public override {
        super.setUp();
        bad = new BadToken();
        exchange =
            _newExchange(Terms(bad, oracle, retailer, fund, admin, STEP, WITHDRAWAL_DELAY, SETTLEMENT_TERM));
        bad.mint(address(this), 1_000_000);
        bad.mint(address(bad), 1_000_000);
        bad.approve(address(exchange), type(uint256).max);
        bad.act(address(bad), abi.encodeCall(bad.approve, (address(exchange), type(uint256).max)));
        exchange.deposit(100_000);
        bad.act(address(exchange), abi.encodeCall(Ledger.deposit, (100_000)));
    }

    function test_RevertWhen_TheTokenTakesAFee() public {
        bad.turn(Fault.FeeOnTransfer);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InexactTransfer.selector, 1_000, 200_000, 200_989)
        );
        exchange.deposit(1_000);
        vm.assertEq(exchange.balanceOf(address(this)), 100_000);
    }

    function test_RevertWhen_TheTokenGivesMoreThanAsked() public {
        bad.turn(Fault.MintsOnTransfer);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InexactTransfer.selector, 1_000, 200_000, 201_001)
        );
        exchange.deposit(1_000);
    }

    function test_RevertWhen_TheTokenReturnsFalse() public {
        bad.turn(Fault.ReturnsFalse);
        bytes memory refusal =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(bad));
        vm.expectRevert(refusal);
        exchange.deposit(1_000);
        bad.turn(Fault.None);
        exchange.requestWithdrawal(1_000);
        vm.warp(GATE + WITHDRAWAL_DELAY);
        bad.turn(Fault.ReturnsFalse);
        vm.expectRevert(refusal);
        exchange.withdraw();
        (uint64 amount,) = exchange.withdrawalOf(address(this));
        vm.assertEq(amount, 1_000); // it can be paid once the token pays
        bad.turn(Fault.None);
        exchange.withdraw();
    }

    function test_ATokenThatReturnsNothingWorks() public {
        bad.turn(Fault.ReturnsNothing);
        exchange.deposit(1_000);
        exchange.requestWithdrawal(101_000);
        vm.warp(GATE + WITHDRAWAL_DELAY);
        exchange.withdraw();
        vm.assertEq(bad.balanceOf(address(this)), 1_000_000);
    }

    /// @dev Else the amount that came in once would be counted twice.
    function test_RevertWhen_ADepositReentersADeposit() public {
        bad.reenter(address(exchange), abi.encodeCall(Ledger.deposit, (500)));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InexactTransfer.selector, 1_000, 200_000, 201_500)
        );
        exchange.deposit(1_000);
    }

    function test_RevertWhen_ADepositReentersAWithdrawal() public {
        bad.act(address(exchange), abi.encodeCall(Ledger.requestWithdrawal, (500)));
        vm.warp(GATE + WITHDRAWAL_DELAY);
        bad.reenter(address(exchange), abi.encodeCall(Ledger.withdraw, ()));
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.InexactTransfer.selector, 1_000, 200_000, 200_500)
        );
        exchange.deposit(1_000);
    }

    /// @dev The request is gone before the token is called.
    function test_RevertWhen_AWithdrawalReentersItself() public {
        bad.act(address(exchange), abi.encodeCall(Ledger.requestWithdrawal, (500)));
        vm.warp(GATE + WITHDRAWAL_DELAY);
        bad.reenter(address(exchange), abi.encodeCall(Ledger.withdraw, ()));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoWithdrawalRequested.selector, address(bad)));
        bad.act(address(exchange), abi.encodeCall(Ledger.withdraw, ()));
    }

    /// @dev What a withdrawal re-enters is done as if it came after.
    function test_AWithdrawalThatReentersARequestPaysOnce() public {
        bad.act(address(exchange), abi.encodeCall(Ledger.requestWithdrawal, (500)));
        vm.warp(GATE + WITHDRAWAL_DELAY);
        bad.reenter(address(exchange), abi.encodeCall(Ledger.requestWithdrawal, (99_500)));
        bad.act(address(exchange), abi.encodeCall(Ledger.withdraw, ()));
        vm.assertTrue(bad.entered(), "not entered");
        vm.assertEq(exchange.balanceOf(address(bad)), 0);
        vm.assertEq(bad.balanceOf(address(exchange)), 200_000 - 500);
        vm.assertEq(_heldBy(address(bad)) + _heldBy(address(this)), 200_000 - 500);
    }
}
