// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Order} from "../libraries/OrderTypes.sol";
import {Line, Prices} from "../libraries/Settlement.sol";

/// @notice An order with the signature of its owner, or of an agent under the owner's mandate.
struct SignedOrder {
    Order order;
    bytes signature;
}

/// @notice `energyWh` from the order at index `sell` to the order at index `buy`.
struct Fill {
    uint16 buy;
    uint16 sell;
    uint64 energyWh;
}

/// @notice One interval's clearing. `keccak256(abi.encode(batch))` is the root committed before delivery.
/// @dev `meterIds` increase strictly: every member's grid meter of the interval, each once.
struct Batch {
    uint64 intervalStart;
    uint32 intervalSeconds;
    Prices prices;
    SignedOrder[] orders;
    Fill[] fills;
    bytes32[] meterIds;
}

/// @notice A signed reading, aligned with `Batch.meterIds`; an empty signature says that none has come.
struct MeterInput {
    uint64 importWh;
    uint64 exportWh;
    bytes signature;
}

/// @title What the exchange tells and refuses
/// @dev An `index` is a position in the batch's orders, fills or meters, as the error's name says.
interface IEnergyExchange {
    // Custody
    event Deposited(address indexed account, address indexed payer, uint256 amount);
    event WithdrawalRequested(address indexed account, uint256 amount, uint64 availableAt);
    event Withdrawn(address indexed account, uint256 amount);

    // Agreements
    event MandateRegistered(
        address indexed owner,
        address indexed agent,
        uint64 maxBuyPrice,
        uint64 minSellPrice,
        uint64 maxWhPerDay,
        uint64 validUntil
    );
    event MandateRevoked(address indexed owner, address indexed agent, uint64 endsAt);
    event SupplyRegistered(
        address indexed owner,
        bytes32 indexed meterId,
        uint64 maxImportPrice,
        uint64 minFeedInPrice,
        uint64 validUntil
    );
    event SupplyEnded(address indexed owner, bytes32 indexed meterId, uint64 endsAt);
    event NonceCancelled(address indexed owner, uint64 nonce, uint64 effectiveAt);
    event OrderRecorded(address indexed owner, bytes32 indexed digest);

    // Intervals
    event BatchCommitted(uint64 indexed intervalStart, bytes32 root);
    event TradeSettled(
        uint64 indexed intervalStart,
        address indexed buyer,
        address indexed seller,
        bytes32 buyOrder,
        bytes32 sellOrder,
        uint64 energyWh,
        uint64 price
    );
    event MemberSettled(
        uint64 indexed intervalStart,
        address indexed account,
        bytes32 indexed meterId,
        Line line,
        bool estimated
    );
    event Unpaid(uint64 indexed intervalStart, address indexed account, uint256 amount);
    event BatchSettled(uint64 indexed intervalStart, Prices prices, int256 retailerDelta);

    // Custody
    error ZeroAddress(string field);
    error ZeroAmount();
    error InsufficientBalance(address account, uint256 balance, uint256 amount);
    error NoWithdrawalRequested(address account);
    error WithdrawalNotReady(address account, uint64 availableAt);
    error RetailerUnderfunded(uint256 balance, uint256 owed);

    // Agreements
    error InvalidMandateSignature(address owner, address agent);
    error InvalidSupplySignature(address owner, bytes32 meterId);
    error StaleNonce(address owner, uint64 nonce, uint64 nextNonce);
    error StillBinding(address owner, uint256 until);
    error NoMandate(address owner, address agent);
    error NoSupply(address owner, bytes32 meterId);
    error NonceUnavailable(address owner, uint64 nonce);
    error NotOwnerOrAgent(address owner, address caller);
    error InvalidOrderSignature(address owner, bytes32 digest);
    error MeterNotOwned(bytes32 meterId, address owner);

    // Commitment
    error InvalidInterval(uint64 intervalStart, uint32 intervalSeconds);
    error ZeroRoot(uint64 intervalStart);
    error DeliveryStarted(uint64 intervalStart);
    error AlreadyCommitted(uint64 intervalStart);
    error WindowExceedsWithdrawalDelay(uint64 intervalStart, uint256 closesAt);

    // Settlement
    error NotCommitted(uint64 intervalStart);
    error AlreadySettled(uint64 intervalStart);
    error RootMismatch(uint64 intervalStart, bytes32 committed, bytes32 given);
    error IntervalMismatch(uint64 intervalStart, uint32 intervalSeconds);
    error DeliveryNotEnded(uint64 intervalStart, uint256 endsAt);
    error BatchTooLarge(uint256 orders, uint256 fills, uint256 meters);
    error MeterInputsMismatch(uint256 meters, uint256 inputs);
    error MetersNotIncreasing(uint256 meterIndex);
    error UnknownMeter(uint256 meterIndex, bytes32 meterId);
    error InvalidReading(uint256 meterIndex, bytes32 meterId);
    error ReadingAwaited(uint256 meterIndex, bytes32 meterId, uint256 until);
    error SupplyMissing(uint256 meterIndex, address account);
    error SupplyPriceExceeded(uint256 meterIndex, address account);
    error InvalidFill(uint256 fillIndex);
    error OrderOverfilled(uint256 orderIndex, uint256 filledWh, uint64 energyWh);
    error OrderWrongInterval(uint256 orderIndex);
    error OrderExpired(uint256 orderIndex, uint64 expiry);
    error OrderCancelled(uint256 orderIndex);
    error OrderReplayed(uint256 orderIndex);
    error OrderMeterMissing(uint256 orderIndex, bytes32 meterId);
    error OrderMeterNotOwned(uint256 orderIndex, address owner);
    error OrderSideUnknown(uint256 orderIndex, uint8 side);
    error OrderLimitViolated(uint256 orderIndex, uint64 limitPrice, uint64 clearing);
    error OrderFeeCapExceeded(uint256 orderIndex, uint64 feeCap, uint64 fee);
    error OrderNotAuthorised(uint256 orderIndex, address signer);
    error MandateEnded(uint256 orderIndex, address agent);
    error MandateExpired(uint256 orderIndex, address agent);
    error MandatePriceExceeded(uint256 orderIndex, address agent);
    error MandateDailyCapExceeded(uint256 orderIndex, address agent, uint256 usedWh, uint64 maxWhPerDay);
}
