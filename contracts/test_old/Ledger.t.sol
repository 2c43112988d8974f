// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Scene} from "./support/Scene.sol";
import {EnergyExchange} from "../src/EnergyExchange.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {IParticipantRegistry} from "../src/interfaces/IParticipantRegistry.sol";

/// @notice Money in and out, and what the constructor refuses.
contract LedgerTest is Scene {
    uint256 private constant KEY = 0xC0FFEE;

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
        vm.expectRevert(IEnergyExchange.ZeroAmount.selector);
        exchange.deposit(0);
        _expectZero("account");
        exchange.depositFor(address(0), 1);
        vm.prank(pauser);
        exchange.pause();
        vm.expectRevert(Pausable.EnforcedPause.selector);
        exchange.deposit(1);
    }

    function test_WithdrawAfterTheDelay() public {
        address account = _owner(0);
        uint64 availableAt = GATE + WITHDRAWAL_DELAY;
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.WithdrawalRequested(account, 7_000, availableAt);
        vm.prank(account);
        exchange.requestWithdrawal(7_000);
        (uint192 amount, uint64 from) = exchange.withdrawalOf(account);
        vm.assertEq(amount, 7_000);
        vm.assertEq(from, availableAt);
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
        vm.assertEq(exchange.balanceOf(account), OPENING - 7_000);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoWithdrawalRequested.selector, account));
        vm.prank(account);
        exchange.withdraw();
    }

    function test_PauseNeverBlocksWithdrawal() public {
        vm.prank(pauser);
        exchange.pause();
        vm.prank(_owner(0));
        exchange.requestWithdrawal(OPENING);
        vm.warp(GATE + WITHDRAWAL_DELAY);
        vm.prank(_owner(0));
        exchange.withdraw();
        vm.assertEq(token.balanceOf(_owner(0)), OPENING);
    }

    function test_ANewRequestReplacesTheOld() public {
        vm.prank(_owner(0));
        exchange.requestWithdrawal(7_000);
        vm.warp(GATE + 1);
        vm.prank(_owner(0));
        exchange.requestWithdrawal(8_000);
        (uint192 amount, uint64 availableAt) = exchange.withdrawalOf(_owner(0));
        vm.assertEq(amount, 8_000);
        vm.assertEq(availableAt, GATE + 1 + WITHDRAWAL_DELAY);
        vm.prank(_owner(0));
        exchange.requestWithdrawal(0);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.NoWithdrawalRequested.selector, _owner(0)));
        vm.prank(_owner(0));
        exchange.withdraw();
    }

    function test_RevertWhen_AskingForMoreThanThereIs() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEnergyExchange.InsufficientBalance.selector, _owner(0), OPENING, OPENING + 1
            )
        );
        vm.prank(_owner(0));
        exchange.requestWithdrawal(OPENING + 1);
    }

    function test_RevertWhen_TheConstructorMissesAnAddress() public {
        _expectZero("token");
        new EnergyExchange(IERC20(address(0)), registry, retailer, feeRecipient, admin, 1, 1);
        _expectZero("registry");
        new EnergyExchange(token, IParticipantRegistry(address(0)), retailer, feeRecipient, admin, 1, 1);
        _expectZero("retailer");
        new EnergyExchange(token, registry, address(0), feeRecipient, admin, 1, 1);
        _expectZero("feeRecipient");
        new EnergyExchange(token, registry, retailer, address(0), admin, 1, 1);
        _expectZero("admin");
        new EnergyExchange(token, registry, retailer, feeRecipient, address(0), 1, 1);
    }

    function test_ConstructorSetsWhatItIsGiven() public view {
        vm.assertEq(address(exchange.token()), address(token));
        vm.assertEq(address(exchange.registry()), address(registry));
        vm.assertEq(exchange.retailer(), retailer);
        vm.assertEq(exchange.feeRecipient(), feeRecipient);
        vm.assertEq(exchange.withdrawalDelay(), WITHDRAWAL_DELAY);
        vm.assertEq(exchange.readingDeadline(), READING_DEADLINE);
        vm.assertTrue(exchange.hasRole(exchange.DEFAULT_ADMIN_ROLE(), admin));
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

    function _expectZero(string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.ZeroAddress.selector, field));
    }
}
