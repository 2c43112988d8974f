// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IEnergyExchange} from "./interfaces/IEnergyExchange.sol";
import {AccountWord, AccountWords} from "./libraries/Words.sol";

/// @title Custody: members' money in, between them, and out again
/// @notice The tokens held are at least the sum of all balances and requested withdrawals. Money leaves only by its
/// owner's request, after a delay that outlasts every settlement already committed, paused or not.
/// @dev No function here or below needs a lock against re-entrance: a deposit reverts unless the tokens held
/// rise by exactly its amount, and a withdrawal calls the token last.
abstract contract Ledger is IEnergyExchange, Pausable {
    using SafeERC20 for IERC20;

    /// @notice What an account asked to withdraw. It has left the balance, and covers only batches that were
    /// committed before it was asked for.
    struct Withdrawal {
        uint64 amount;
        uint64 availableAt;
    }

    /// @notice The settlement stablecoin, 6 decimals.
    IERC20 public immutable token;
    /// @notice Sells what the community lacks, buys what it has left, bears what a member cannot pay.
    address public immutable retailer;
    /// @notice The community's fund: receives the fees, bears what the retailer cannot pay.
    address public immutable fund;
    /// @notice Seconds from a withdrawal's request to its payment.
    uint256 public immutable withdrawalDelay;

    // These share the slot of `Pausable`, which every settlement reads.
    uint56 internal _retailerBalance;
    uint56 internal _fundBalance;
    /// @dev Which intervals are settled (`Intervals`).
    uint136 internal _settled;

    /// @notice What the account asked to withdraw, and from when it can.
    mapping(address account => Withdrawal) public withdrawalOf;

    constructor(IERC20 token_, address retailer_, address fund_, uint256 withdrawalDelay_) {
        if (address(token_) == address(0)) revert ZeroAddress("token");
        if (retailer_ == address(0)) revert ZeroAddress("retailer");
        if (fund_ == address(0)) revert ZeroAddress("fund");
        if (retailer_ == fund_) revert InvalidTerm("fund");
        token = token_;
        retailer = retailer_;
        fund = fund_;
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
    /// @dev The amount leaves the balance at once, so no batch committed from now on counts on it.
    function requestWithdrawal(uint256 amount) external {
        uint256 held = balanceOf(msg.sender) + withdrawalOf[msg.sender].amount;
        if (amount > held) revert InsufficientBalance(msg.sender, held, amount);
        if (amount > type(uint64).max) revert BalanceTooLarge(msg.sender, amount);
        uint256 availableAt = block.timestamp + withdrawalDelay;
        withdrawalOf[msg.sender] = Withdrawal(uint64(amount), uint64(availableAt));
        _setBalance(msg.sender, held - amount);
        emit WithdrawalRequested(msg.sender, amount, uint64(availableAt));
    }

    /// @notice Pays the caller's request, or what settlements have left of it. Works while paused.
    function withdraw() external {
        Withdrawal memory withdrawal = withdrawalOf[msg.sender];
        if (withdrawal.amount == 0) revert NoWithdrawalRequested(msg.sender);
        if (block.timestamp < withdrawal.availableAt) {
            revert WithdrawalNotReady(msg.sender, withdrawal.availableAt);
        }
        delete withdrawalOf[msg.sender];
        emit Withdrawn(msg.sender, withdrawal.amount);
        token.safeTransfer(msg.sender, withdrawal.amount);
    }

    /// @notice Micro-units that the account can spend; what it asked to withdraw is no longer part of it.
    function balanceOf(address account) public view returns (uint256) {
        if (account == retailer) return _retailerBalance;
        if (account == fund) return _fundBalance;
        return _wordOf(account).balance();
    }

    /// @dev Adds `amount` to the balance of `account`; the caller has taken it from elsewhere.
    function _credit(address account, uint256 amount) internal {
        _setBalance(account, balanceOf(account) + amount);
    }

    /// @dev Sets all of the slot but the pause.
    function _setHouse(uint256 retailerBalance, uint256 fundBalance, uint256 settled) internal {
        if (retailerBalance > type(uint56).max) revert BalanceTooLarge(retailer, retailerBalance);
        if (fundBalance > type(uint56).max) revert BalanceTooLarge(fund, fundBalance);
        (_retailerBalance, _fundBalance, _settled) =
        (uint56(retailerBalance), uint56(fundBalance), uint136(settled));
    }

    /// @dev Takes `amount` from the account, or all there is when that is less: first from the balance, then from a
    /// withdrawal that was asked for at `committedAt` or later, when the money was still promised.
    function _debitUpTo(address account, uint256 amount, uint256 committedAt)
        internal
        returns (uint256 taken)
    {
        uint256 balance = balanceOf(account);
        taken = Math.min(balance, amount);
        if (taken != 0) _setBalance(account, balance - taken);
        if (taken < amount) taken += _debitWithdrawal(account, amount - taken, committedAt);
    }

    /// @dev Takes up to `amount` from a withdrawal that was asked for at `committedAt` or later.
    function _debitWithdrawal(address account, uint256 amount, uint256 committedAt)
        internal
        returns (uint256 taken)
    {
        Withdrawal storage withdrawal = withdrawalOf[account];
        if (withdrawal.availableAt < committedAt + withdrawalDelay) return 0;
        taken = Math.min(withdrawal.amount, amount);
        withdrawal.amount -= uint64(taken);
        if (taken != 0) emit WithdrawalReduced(account, taken);
    }

    /// @dev An account's word has the slot `account << 96`: nothing is hashed to find it. No other slot is like it: those
    /// of variables are small numbers, those in mappings are hashes.
    function _wordOf(address account) internal view returns (AccountWord word) {
        assembly ("memory-safe") {
            word := sload(shl(96, account))
        }
    }

    function _setWord(address account, AccountWord word) internal {
        assembly ("memory-safe") {
            sstore(shl(96, account), word)
        }
    }

    function _setBalance(address account, uint256 balance) internal {
        bool isMember = account != retailer && account != fund;
        uint256 most = isMember ? AccountWords.BALANCE_MAX : type(uint56).max;
        if (balance > most) revert BalanceTooLarge(account, balance);
        if (isMember) _setWord(account, _wordOf(account).withBalance(balance));
        else if (account == retailer) _retailerBalance = uint56(balance);
        else _fundBalance = uint56(balance);
    }

    function _deposit(address account, uint256 amount) private whenNotPaused {
        if (account == address(0)) revert ZeroAddress("account");
        if (amount == 0) revert ZeroAmount();
        uint256 heldBefore = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 held = token.balanceOf(address(this));
        if (held != heldBefore + amount) revert InexactTransfer(amount, heldBefore, held);
        _credit(account, amount);
        emit Deposited(account, msg.sender, amount);
    }
}
