// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IEnergyExchange} from "./interfaces/IEnergyExchange.sol";

/// @title Custody: members' money in, between them, and out again
/// @notice The token balance of this contract is the sum of all ledger balances. Money leaves only by its
/// owner's request, after a delay that outlasts every settlement already committed, paused or not.
/// @dev The token must move exactly the amount asked (no fee on transfer, no rebasing).
abstract contract Ledger is IEnergyExchange, Pausable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Withdrawal {
        uint192 amount;
        uint64 availableAt;
    }

    /// @notice The settlement stablecoin, 6 decimals.
    IERC20 public immutable token;
    /// @notice Seconds from a withdrawal's request to its payment.
    uint64 public immutable withdrawalDelay;

    /// @notice Micro-units that the account has here; a requested withdrawal is part of it until it is paid.
    mapping(address account => uint256) public balanceOf;

    /// @notice What the account asked to withdraw, and from when it can.
    mapping(address account => Withdrawal) public withdrawalOf;

    constructor(IERC20 token_, uint64 withdrawalDelay_) {
        if (address(token_) == address(0)) revert ZeroAddress("token");
        token = token_;
        withdrawalDelay = withdrawalDelay_;
    }

    /// @notice Takes `amount` from the caller and adds it to the caller's balance.
    function deposit(uint256 amount) external {
        _deposit(msg.sender, amount);
    }

    /// @notice Takes `amount` from the caller and adds it to the balance of `account`.
    function depositFor(address account, uint256 amount) external {
        _deposit(account, amount);
    }

    /// @notice `deposit` with the caller's EIP-2612 approval.
    /// @dev Someone else may have used the permit already: then the allowance is there, and its failure is no harm.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        try IERC20Permit(address(token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {}
            catch {}
        _deposit(msg.sender, amount);
    }

    /// @notice Asks for `amount` to be paid out after `withdrawalDelay`; replaces an earlier request, 0 drops it.
    /// @dev Until then the money still covers what its owner signed for.
    function requestWithdrawal(uint256 amount) external {
        uint256 balance = balanceOf[msg.sender];
        if (amount > balance) revert InsufficientBalance(msg.sender, balance, amount);
        uint64 availableAt = uint64(block.timestamp) + withdrawalDelay;
        // The cast holds: the token's supply would have to exceed 2^192 micro-units.
        withdrawalOf[msg.sender] = Withdrawal({amount: uint192(amount), availableAt: availableAt});
        emit WithdrawalRequested(msg.sender, amount, availableAt);
    }

    /// @notice Pays the caller's request, or what settlements have left of it. Works while paused.
    function withdraw() external nonReentrant {
        Withdrawal memory withdrawal = withdrawalOf[msg.sender];
        if (withdrawal.amount == 0) revert NoWithdrawalRequested(msg.sender);
        if (block.timestamp < withdrawal.availableAt) {
            revert WithdrawalNotReady(msg.sender, withdrawal.availableAt);
        }
        delete withdrawalOf[msg.sender];
        uint256 paid = _debitUpTo(msg.sender, withdrawal.amount);
        emit Withdrawn(msg.sender, paid);
        token.safeTransfer(msg.sender, paid);
    }

    /// @dev Adds `amount` to the balance of `account`; the caller has taken it from elsewhere.
    function _credit(address account, uint256 amount) internal {
        balanceOf[account] += amount;
    }

    /// @dev Takes `amount` from the balance of `account`, or all there is when that is less.
    function _debitUpTo(address account, uint256 amount) internal returns (uint256 taken) {
        uint256 balance = balanceOf[account];
        // taken <= balance, so the balance cannot wrap; taken <= amount, so no more is taken than is owed.
        taken = Math.min(balance, amount);
        balanceOf[account] = balance - taken;
    }

    function _deposit(address account, uint256 amount) private nonReentrant whenNotPaused {
        if (account == address(0)) revert ZeroAddress("account");
        if (amount == 0) revert ZeroAmount();
        _credit(account, amount);
        emit Deposited(account, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }
}
