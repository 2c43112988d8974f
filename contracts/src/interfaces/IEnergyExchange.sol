// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Mandate, SupplyAgreement} from "../libraries/OrderTypes.sol";

/// @notice A mandate as it stands: micro-units per kWh, Wh, Unix seconds. It judges batches committed from `since` on
/// and before `endsAt`.
struct MandateTerms {
    uint256 maxBuyPrice;
    uint256 minSellPrice;
    uint256 feeCap;
    uint256 imbalanceCap;
    uint256 maxWhPerDay;
    uint256 validUntil;
    uint256 since;
    uint256 endsAt;
    uint256 nextNonce;
}

/// @notice A supply agreement as it stands. It judges batches committed from `since` on and before `endsAt`, of intervals
/// that start at `validFrom` or later and on UTC days before `endDay`.
struct SupplyTerms {
    uint256 maxImportPrice;
    uint256 minFeedInPrice;
    uint256 fallbackImportW;
    uint256 validFrom;
    uint256 endDay;
    uint256 since;
    uint256 endsAt;
    uint256 nextNonce;
}

/// @title What the exchange tells and refuses
/// @dev `orderIndex` counts the orders of a batch in the order in which they stand there, from 0.
interface IEnergyExchange {
    // Custody
    event Deposited(address indexed account, address indexed payer, uint256 amount);
    event WithdrawalRequested(address indexed account, uint256 amount, uint64 availableAt);
    event WithdrawalReduced(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    // Agreements
    event MandateRegistered(address indexed owner, address indexed agent, Mandate mandate, uint64 since);
    event MandateRevoked(address indexed owner, address indexed agent, uint64 endsAt);
    event SupplyRegistered(address indexed owner, SupplyAgreement agreement, uint64 since);
    event SupplyEnded(address indexed owner, uint64 endsAt);
    event NonceCancelled(address indexed owner, uint64 nonce, uint64 since);
    event FloorRaised(address indexed owner, uint64 floor, uint64 since);
    event OrderRecorded(address indexed owner, bytes32 structHash);

    // Intervals
    event BatchCommitted(uint64 indexed intervalStart, bytes32 root);
    /// @notice A bilateral trade.
    /// @param trade From the lowest bit: price 32, Wh 32, interval start 40; k of the buyer's nonce 8, 0 8, position of its meter in
    /// `BatchSettled` 16; the same of the seller 32.
    event TradeSettled(address indexed buyer, address indexed seller, uint256 trade);
    /// @notice A meter had no reading; its import is taken to be `importWh`, its export 0.
    event ReadingMissing(
        uint64 indexed intervalStart, address indexed account, uint16 number, uint256 importWh
    );
    /// @notice Not all of a sale was delivered.
    /// @param number Of the order in `BatchSettled`, or of the trade among those of the transaction; from 0.
    /// @param imbalanceCap What the seller pays per kWh at most, as signed.
    event SaleShort(uint64 indexed intervalStart, uint16 number, uint32 imbalanceCap);
    event Unpaid(uint64 indexed intervalStart, address indexed account, uint256 amount);
    /// @notice The fund paid `amount` because members and the retailer could not.
    event FundPaid(uint64 indexed intervalStart, uint256 amount);
    /// @notice Neither could the fund: the account received `amount` less than it was due.
    event CreditReduced(uint64 indexed intervalStart, address indexed account, uint256 amount);
    /// @notice A batch was settled. Everything that a bill holds follows from it (docs/market-rules.md).
    /// @param summary From the lowest bit: prices 32 each, namely fee, imbalance, feed-in, retail import, clearing; what the
    /// retailer received 80 (two's complement: negative if it paid); meters 16.
    /// @param lines First for each meter 30 bytes, by account and number: account 20, number 2 (0x8000: no reading), import
    /// Wh 4, export Wh 4. Then 2 zero bytes. Then, at a uniform price, for each order 8 bytes, in batch order: position of its meter
    /// 2, side 1 (0x80: sold), k of the nonce 1, executed Wh 4.
    event BatchSettled(uint64 indexed intervalStart, uint256 summary, bytes lines);
    event IntervalReleased(uint64 indexed intervalStart);

    // Custody
    error ZeroAddress(string field);
    error InvalidTerm(string field);
    error ZeroAmount();
    error BalanceTooLarge(address account, uint256 balance);
    error InexactTransfer(uint256 amount, uint256 heldBefore, uint256 heldAfter);
    error InsufficientBalance(address account, uint256 balance, uint256 amount);
    error NoWithdrawalRequested(address account);
    error WithdrawalNotReady(address account, uint64 availableAt);

    // Agreements
    error TermTooLarge();
    error NotAParticipant(address account);
    error InvalidMandateSignature(address owner, address agent);
    error InvalidSupplySignature(address owner);
    error StaleNonce(address owner, uint256 nonce, uint256 nextNonce);
    error StillBinding(address owner, uint256 until);
    error NoMandate(address owner, address agent);
    error NoSupply(address owner);
    error NonceUnavailable(address owner, uint64 nonce);
    error FloorNotRaised(address owner, uint64 floor, uint64 given);
    error NotOwnerOrAgent(address owner, address caller);
    error InvalidOrderSignature(address owner, bytes32 structHash);

    // Commitment
    error InvalidInterval(uint64 intervalStart);
    error ZeroRoot(uint64 intervalStart);
    error AlreadyCommitted(uint64 intervalStart);
    error TermExceedsWithdrawalDelay(uint64 intervalStart, uint256 closesAt);
    error IntervalClosed(uint64 intervalStart, uint256 closesAt);
    error IntervalOpen(uint64 intervalStart, uint256 closesAt);

    // Settlement
    error NotCommitted(uint256 intervalStart);
    error AlreadySettled(uint256 intervalStart);
    error RootMismatch(uint256 intervalStart, bytes26 committed, bytes26 given);
    error DeliveryNotEnded(uint256 intervalStart, uint256 endsAt);
    error BatchMalformed();
    error LateBatchHasOrders(uint256 intervalStart);
    error MetersNotIncreasing(uint256 meterIndex);
    error NotAGridMeter(uint256 meterIndex, uint256 number);
    error SupplyMissing(address account, uint256 intervalStart);
    error TradeMismatch(uint256 trade);
    error TradeIncomplete();
    error BuysDifferFromSells(int256 boughtLessSoldWh);
    error OrderOverfilled(uint256 orderIndex, uint256 filledWh, uint256 energyWh);
    error OrderExpired(uint256 orderIndex, uint256 expiry);
    error OrderCancelled(uint256 orderIndex);
    error OrderReplayed(uint256 orderIndex);
    error OrderLimitViolated(uint256 orderIndex, uint256 limitPrice, uint256 price);
    error OrderFeeCapExceeded(uint256 orderIndex, uint256 feeCap, uint256 fee);
    error OrderNotAuthorised(uint256 orderIndex, address signer);
    error AgentOrdersNotSigned(address agent, address signer);
    error MandateMissing(uint256 orderIndex, address agent);
    error MandateExceeded(uint256 orderIndex, address agent);
    error MandateDailyCapExceeded(uint256 orderIndex, address agent, uint256 usedWh, uint256 maxWhPerDay);
}
