// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Community} from "./support/Community.sol";
import {DisjointRoles} from "../src/DisjointRoles.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {IMeterOracle} from "../src/interfaces/IMeterOracle.sol";
import {Terms} from "../src/Intervals.sol";

/// @notice Money in and out, and what the constructor refuses.
contract LedgerTest is Community {
    uint256 private constant KEY = 0xC0FFEE;
    /// @dev The largest balances, of a member and of the retailer or the fund.
    uint256 private constant MOST = (1 << 60) - 1;
    uint256 private constant HOUSE_MOST = (1 << 56) - 1;

    // In

    function test_Deposit() public {
        address account = _payer(5_000);
        vm.prank(account);
        token.approve(address(exchange), 5_000);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.Deposited(account, account, 5_000);
        vm.prank(account);
        exchange.deposit(5_000);
        vm.assertEq(exchange.balanceOf(account), 5_000);
        vm.assertEq(token.balanceOf(account), 0);
    }

    function test_DepositForAnother() public {
        address account = _payer(5_000);
        vm.prank(account);
        token.approve(address(exchange), 5_000);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.Deposited(stranger, account, 5_000);
        vm.prank(account);
        exchange.depositFor(stranger, 5_000);
        vm.assertEq(exchange.balanceOf(stranger), 5_000);
        vm.assertEq(exchange.balanceOf(account), 0);
    }

    function test_DepositWithPermit() public {
        address account = _payer(5_000);
        (uint8 v, bytes32 r, bytes32 s) = _permit(account, 5_000);
        vm.prank(account);
        exchange.depositWithPermit(5_000, FAR, v, r, s);
        vm.assertEq(exchange.balanceOf(account), 5_000);
    }

    function test_DepositWithAPermitThatSomeoneUsedFirst() public {
        address account = _payer(5_000);
        (uint8 v, bytes32 r, bytes32 s) = _permit(account, 5_000);
        token.permit(account, address(exchange), 5_000, FAR, v, r, s);
        vm.prank(account);
        exchange.depositWithPermit(5_000, FAR, v, r, s);
        vm.assertEq(exchange.balanceOf(account), 5_000);
    }

    function test_RevertWhen_DepositIsNothingOrForNobodyOrPaused() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.ZeroAmount.selector));
        exchange.deposit(0);
        _expectZero("account");
        exchange.depositFor(address(0), 1);
        vm.prank(pauser);
        exchange.pause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        exchange.deposit(1);
    }

    /// @dev A member's balance has 60 bits, those of the retailer and the fund, which share a slot, have 56.
    function test_RevertWhen_ADepositDoesNotFit() public {
        _fillUp(_owner(0), MOST);
        _fillUp(retailer, HOUSE_MOST);
        _fillUp(fund, HOUSE_MOST);
        vm.assertFalse(exchange.paused());
        vm.assertFalse(exchange.isSettled(START));
        vm.assertEq(exchange.supplyOf(_owner(0)).maxImportPrice, 400_000);
    }

    function _fillUp(address account, uint256 most) private {
        uint256 amount = most - exchange.balanceOf(account) + 1;
        token.mint(address(this), amount);
        token.approve(address(exchange), amount);
        vm.expectRevert(_tooLarge(account, most + 1));
        exchange.depositFor(account, amount);
        exchange.depositFor(account, amount - 1);
        vm.assertEq(exchange.balanceOf(account), most);
    }

    /// @dev The two balances that share a slot with the pause.
    function test_RetailerAndFundHaveBalancesOfTheirOwn() public {
        _fund(fund, 5);
        _fund(retailer, 7);
        vm.prank(pauser);
        exchange.pause();
        vm.assertEq(exchange.balanceOf(fund), 5);
        vm.assertEq(exchange.balanceOf(retailer), OPENING + 7);
        vm.assertTrue(exchange.paused());
    }

    // Out

    function test_WithdrawAfterTheDelay() public {
        address account = _owner(0);
        uint64 availableAt = GATE + WITHDRAWAL_DELAY;
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.WithdrawalRequested(account, 7_000, availableAt);
        vm.prank(account);
        exchange.requestWithdrawal(7_000);
        (uint64 amount, uint64 from) = exchange.withdrawalOf(account);
        vm.assertEq(amount, 7_000);
        vm.assertEq(from, availableAt);
        vm.assertEq(_balance(0), OPENING - 7_000);
        vm.warp(availableAt - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.WithdrawalNotReady.selector, account, availableAt)
        );
        vm.prank(account);
        exchange.withdraw();
        vm.warp(availableAt);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.Withdrawn(account, 7_000);
        vm.prank(account);
        exchange.withdraw();
        vm.assertEq(token.balanceOf(account), 7_000);
        vm.assertEq(_balance(0), OPENING - 7_000);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoWithdrawalRequested.selector, account));
        vm.prank(account);
        exchange.withdraw();
    }

    function test_PauseNeverBlocksWithdrawal() public {
        address[3] memory accounts = [_owner(0), retailer, fund];
        _fund(fund, OPENING);
        vm.prank(pauser);
        exchange.pause();
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(accounts[i]);
            exchange.requestWithdrawal(OPENING);
        }
        vm.warp(GATE + WITHDRAWAL_DELAY);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(accounts[i]);
            exchange.withdraw();
            vm.assertEq(token.balanceOf(accounts[i]), OPENING);
        }
    }

    function test_ANewRequestReplacesTheOld() public {
        vm.prank(_owner(0));
        exchange.requestWithdrawal(7_000);
        vm.warp(GATE + 1);
        vm.prank(_owner(0));
        exchange.requestWithdrawal(8_000);
        (uint64 amount, uint64 availableAt) = exchange.withdrawalOf(_owner(0));
        vm.assertEq(amount, 8_000);
        vm.assertEq(availableAt, GATE + 1 + WITHDRAWAL_DELAY);
        vm.assertEq(_balance(0), OPENING - 8_000);
        vm.prank(_owner(0));
        exchange.requestWithdrawal(0);
        vm.assertEq(_balance(0), OPENING);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoWithdrawalRequested.selector, _owner(0)));
        vm.prank(_owner(0));
        exchange.withdraw();
    }

    function test_RevertWhen_AskingForMoreThanThereIs() public {
        vm.prank(_owner(0));
        exchange.requestWithdrawal(OPENING / 2);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyExchange.InsufficientBalance.selector, _owner(0), OPENING, OPENING + 1
            )
        );
        vm.prank(_owner(0));
        exchange.requestWithdrawal(OPENING + 1);
        vm.prank(_owner(0));
        exchange.requestWithdrawal(OPENING);
    }

    /// @dev What is requested and what was deposited since can exceed a balance's bits together, and a request's 64.
    function test_RevertWhen_ARequestOrWhatIsLeftDoesNotFit() public {
        address account = _owner(0);
        _fund(account, MOST - OPENING);
        for (uint256 i = 1; i < 17; ++i) {
            vm.prank(account);
            exchange.requestWithdrawal(i * MOST);
            _fund(account, MOST);
        }
        vm.assertEq(_heldBy(account), 17 * MOST);
        vm.expectRevert(_tooLarge(account, 17 * MOST));
        vm.prank(account);
        exchange.requestWithdrawal(17 * MOST);
        vm.expectRevert(_tooLarge(account, 17 * MOST));
        vm.prank(account);
        exchange.requestWithdrawal(0);
        vm.expectRevert(_tooLarge(account, MOST + 1));
        vm.prank(account);
        exchange.requestWithdrawal(16 * MOST - 1);
        vm.assertEq(_heldBy(account), 17 * MOST);
        vm.prank(account);
        exchange.requestWithdrawal(16 * MOST);
        vm.assertEq(_balance(0), MOST);
    }

    /// @dev Dropping a request puts it back into the balance, of 56 bits here.
    function test_RevertWhen_WhatTheRetailerDropsDoesNotFit() public {
        _fund(retailer, HOUSE_MOST - OPENING);
        vm.prank(retailer);
        exchange.requestWithdrawal(1);
        _fund(retailer, 1);
        vm.expectRevert(_tooLarge(retailer, HOUSE_MOST + 1));
        vm.prank(retailer);
        exchange.requestWithdrawal(0);
        vm.assertEq(_heldBy(retailer), HOUSE_MOST + 1);
    }

    // Roles and terms

    function test_RevertWhen_AnAccountHasTwoRoles() public {
        bytes32 role = exchange.PAUSER_ROLE();
        vm.expectRevert(abi.encodeWithSelector(DisjointRoles.RoleConflict.selector, operator, role));
        vm.prank(admin);
        exchange.grantRole(role, operator);
    }

    function test_RevertWhen_TheConstructorMissesAnAddress() public {
        Terms memory terms = _terms();
        terms.token = IERC20(address(0));
        _expectZero("token");
        this.deploy(terms);
        terms = _terms();
        terms.retailer = address(0);
        _expectZero("retailer");
        this.deploy(terms);
        terms = _terms();
        terms.fund = address(0);
        _expectZero("fund");
        this.deploy(terms);
        terms = _terms();
        terms.oracle = IMeterOracle(address(0));
        _expectZero("oracle");
        this.deploy(terms);
        terms = _terms();
        terms.admin = address(0);
        vm.expectRevert(abi.encodeWithSelector(DisjointRoles.AdminMissing.selector));
        this.deploy(terms);
    }

    function test_RevertWhen_RetailerAndFundAreOne() public {
        Terms memory terms = _terms();
        terms.fund = retailer;
        _refuseTerm(terms, "fund");
    }

    function test_RevertWhen_TermsDoNotFitTogether() public {
        Terms memory terms = _terms();
        terms.intervalSeconds = 0;
        _refuseTerm(terms, "intervalSeconds");
        terms.intervalSeconds = 901;
        _refuseTerm(terms, "intervalSeconds");
        terms = _terms();
        terms.settlementTerm = STEP + READING_DEADLINE;
        _refuseTerm(terms, "settlementTerm");
        (terms.settlementTerm, terms.withdrawalDelay) = (1 days + 1, 3 days);
        _refuseTerm(terms, "settlementTerm");
        terms.settlementTerm = 1 days;
        this.deploy(terms);
        terms.intervalSeconds = 1 hours; // 96 of them are four days
        terms.settlementTerm = 1 days + 1;
        _refuseTerm(terms, "settlementTerm");
        terms = _terms();
        terms = _terms();
        terms.withdrawalDelay = SETTLEMENT_TERM;
        _refuseTerm(terms, "withdrawalDelay");
        terms.withdrawalDelay = SETTLEMENT_TERM + 1;
        this.deploy(terms);
    }

    /// @dev So many settled intervals are remembered: else one could be committed and settled again.
    function test_RevertWhen_TheTermHasMoreThan96Intervals() public {
        Terms memory terms = _terms();
        terms.intervalSeconds = 5 minutes;
        terms.settlementTerm = 96 * 5 minutes + 1;
        _refuseTerm(terms, "settlementTerm");
        terms.settlementTerm = 96 * 5 minutes;
        this.deploy(terms);
    }

    function test_ConstructorSetsWhatItIsGiven() public view {
        vm.assertEq(address(exchange.token()), address(token));
        vm.assertEq(address(exchange.oracle()), address(oracle));
        vm.assertEq(exchange.retailer(), retailer);
        vm.assertEq(exchange.fund(), fund);
        vm.assertEq(exchange.withdrawalDelay(), WITHDRAWAL_DELAY);
        vm.assertEq(exchange.settlementTerm(), SETTLEMENT_TERM);
        vm.assertEq(exchange.intervalSeconds(), STEP);
        vm.assertTrue(exchange.hasRole(exchange.DEFAULT_ADMIN_ROLE(), admin));
    }

    // Shorthands

    /// @dev A call of its own, so that a refusal can be expected; its reason comes through.
    function deploy(Terms memory terms) external {
        _newExchange(terms);
    }

    function _terms() private view returns (Terms memory) {
        return Terms(token, oracle, retailer, fund, admin, STEP, WITHDRAWAL_DELAY, SETTLEMENT_TERM);
    }

    function _refuseTerm(Terms memory terms, string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.InvalidTerm.selector, field));
        this.deploy(terms);
    }

    function _payer(uint256 amount) private returns (address account) {
        account = vm.addr(KEY);
        token.mint(account, amount);
    }

    function _permit(address account, uint256 amount) private view returns (uint8, bytes32, bytes32) {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 hash = keccak256(
            abi.encode(typehash, account, address(exchange), amount, token.nonces(account), uint256(FAR))
        );
        return vm.sign(KEY, keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), hash)));
    }

    function _tooLarge(address account, uint256 balance) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.BalanceTooLarge.selector, account, balance);
    }

    function _expectZero(string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.ZeroAddress.selector, field));
    }
}
