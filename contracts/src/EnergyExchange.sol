// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Agreements} from "./Agreements.sol";
import {IParticipantRegistry} from "./interfaces/IParticipantRegistry.sol";
import {Ledger} from "./Ledger.sol";
import {Batch, Fill, MeterInput} from "./interfaces/IEnergyExchange.sol";
import {Line, Position, Prices, Settlement} from "./libraries/Settlement.sol";
import {MeterReading, Order, OrderTypes} from "./libraries/OrderTypes.sol";

/// @title Custody, commitment and settlement of a community's energy trades
/// @notice The operator matches; it cannot take. Before delivery it commits the root of the matched batch; after
/// delivery it settles that very batch against signed meter readings. Every debit follows from a signature of
/// the member: an order, a mandate, or a supply agreement with the retailer.
contract EnergyExchange is Agreements, AccessControl {
    using Settlement for Position;
    using Settlement for Line;

    /// @notice A committed batch. `committedAt` is 0 when nothing is committed.
    struct Commitment {
        bytes32 root;
        uint64 committedAt;
        uint32 intervalSeconds;
        bool settled;
    }

    /// @notice May commit and settle batches.
    bytes32 public constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");
    /// @notice May pause and unpause deposits, commitments and settlements; never withdrawals.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    /// @notice Largest batch, so that its settlement fits one transaction (16.7 M gas).
    uint256 public constant MAX_ORDERS = 128;
    uint256 public constant MAX_FILLS = 128;
    uint256 public constant MAX_METERS = 48;

    /// @notice Sells what the community lacks, buys what it has left, bears what a member cannot pay.
    address public immutable retailer;
    /// @notice Receives the community's fee.
    address public immutable feeRecipient;
    /// @notice Seconds after an interval's end from which a missing reading falls back.
    uint64 public immutable readingDeadline;

    mapping(uint64 intervalStart => Commitment) private _commitments;

    /// @param token_ Settlement stablecoin.
    /// @param registry_ Accounts, meters and meter keys.
    /// @param retailer_ Account that takes the other side of what members owe in sum.
    /// @param feeRecipient_ Account that receives the fees.
    /// @param admin Grants and revokes roles; should be a timelock.
    /// @param withdrawalDelay_ Seconds; at least `readingDeadline_` plus an interval and its lead time.
    /// @param readingDeadline_ Seconds.
    constructor(
        IERC20 token_,
        IParticipantRegistry registry_,
        address retailer_,
        address feeRecipient_,
        address admin,
        uint64 withdrawalDelay_,
        uint64 readingDeadline_
    ) Ledger(token_, withdrawalDelay_) Agreements(registry_) {
        if (retailer_ == address(0)) revert ZeroAddress("retailer");
        if (feeRecipient_ == address(0)) revert ZeroAddress("feeRecipient");
        if (admin == address(0)) revert ZeroAddress("admin");
        retailer = retailer_;
        feeRecipient = feeRecipient_;
        readingDeadline = readingDeadline_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @notice Stops deposits, commitments and settlements. Withdrawals go on.
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @notice Ends a pause.
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @notice Fixes the matched batch of an interval before its delivery starts, once.
    /// @param root keccak256(abi.encode(batch)).
    function commitBatch(uint64 intervalStart, uint32 intervalSeconds, bytes32 root)
        external
        onlyRole(OPERATOR_ROLE)
        whenNotPaused
    {
        _requireInterval(intervalStart, intervalSeconds);
        if (root == bytes32(0)) revert ZeroRoot(intervalStart);
        if (block.timestamp >= intervalStart) revert DeliveryStarted(intervalStart);
        Commitment storage commitment = _commitments[intervalStart];
        if (commitment.committedAt != 0) revert AlreadyCommitted(intervalStart);
        // A withdrawal asked for after this instant must be payable only after the interval could be settled:
        // committedAt + withdrawalDelay >= intervalStart + intervalSeconds + readingDeadline.
        uint256 closesAt = uint256(intervalStart) + intervalSeconds + readingDeadline;
        if (block.timestamp + withdrawalDelay < closesAt) {
            revert WindowExceedsWithdrawalDelay(intervalStart, closesAt);
        }
        commitment.root = root;
        commitment.committedAt = uint64(block.timestamp);
        commitment.intervalSeconds = intervalSeconds;
        emit BatchCommitted(intervalStart, root);
    }

    /// @notice Settles a committed batch against the readings of its meters, once; or an interval that was never
    /// committed, when its batch has neither orders nor fills.
    /// @param meters Readings aligned with `batch.meterIds`.
    function settleBatch(Batch calldata batch, MeterInput[] calldata meters)
        external
        onlyRole(OPERATOR_ROLE)
        whenNotPaused
        nonReentrant
    {
        uint64 committedAt = _openCommitment(batch);
        _requireSize(batch, meters.length);
        (address[] memory accounts, Position[] memory positions) = _readMeters(batch, meters, committedAt);
        uint256[] memory filledWh = _addFills(batch);
        bytes32[] memory digests = _addOrders(batch, accounts, positions, filledWh, committedAt);
        _emitTrades(batch, digests);
        _settleMembers(batch, meters, accounts, positions);
    }

    /// @notice The committed root of an interval, when it was committed (0: never) and whether it is settled.
    function commitments(uint64 intervalStart)
        external
        view
        returns (bytes32 root, uint64 committedAt, bool settled)
    {
        Commitment storage commitment = _commitments[intervalStart];
        return (commitment.root, commitment.committedAt, commitment.settled);
    }

    /// @notice The root that `commitBatch` takes.
    function hashBatch(Batch calldata batch) public pure returns (bytes32) {
        return keccak256(abi.encode(batch));
    }

    /// @dev Marks the batch settled; reverts unless it is the committed one, delivered, and not settled yet.
    /// An interval that was never committed settles with the retailer alone, by what stood when delivery began.
    function _openCommitment(Batch calldata batch) private returns (uint64 committedAt) {
        Commitment storage commitment = _commitments[batch.intervalStart];
        if (commitment.settled) revert AlreadySettled(batch.intervalStart);
        committedAt = commitment.committedAt;
        if (committedAt == 0) {
            if (batch.orders.length != 0 || batch.fills.length != 0) {
                revert NotCommitted(batch.intervalStart);
            }
            _requireInterval(batch.intervalStart, batch.intervalSeconds);
            committedAt = batch.intervalStart;
        } else {
            bytes32 root = hashBatch(batch);
            if (root != commitment.root) revert RootMismatch(batch.intervalStart, commitment.root, root);
            if (batch.intervalSeconds != commitment.intervalSeconds) {
                revert IntervalMismatch(batch.intervalStart, batch.intervalSeconds);
            }
        }
        uint256 endsAt = uint256(batch.intervalStart) + batch.intervalSeconds;
        if (block.timestamp < endsAt) revert DeliveryNotEnded(batch.intervalStart, endsAt);
        commitment.settled = true;
    }

    function _requireInterval(uint64 intervalStart, uint32 intervalSeconds) private pure {
        if (intervalSeconds == 0 || intervalStart % intervalSeconds != 0) {
            revert InvalidInterval(intervalStart, intervalSeconds);
        }
    }

    function _requireSize(Batch calldata batch, uint256 inputs) private pure {
        (uint256 orders, uint256 fills, uint256 meters) =
            (batch.orders.length, batch.fills.length, batch.meterIds.length);
        if (orders > MAX_ORDERS || fills > MAX_FILLS || meters > MAX_METERS) {
            revert BatchTooLarge(orders, fills, meters);
        }
        if (meters != inputs) revert MeterInputsMismatch(meters, inputs);
    }

    /// @dev The account of each meter and its position before trades: the reading, or zeros where it is missing.
    function _readMeters(Batch calldata batch, MeterInput[] calldata meters, uint64 committedAt)
        private
        view
        returns (address[] memory accounts, Position[] memory positions)
    {
        accounts = new address[](meters.length);
        positions = new Position[](meters.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            bytes32 meterId = batch.meterIds[i];
            // Strictly increasing, so that no meter is billed twice and orders find theirs.
            if (i > 0 && meterId <= batch.meterIds[i - 1]) revert MetersNotIncreasing(i);
            (address account, address key) = registry.meters(meterId);
            if (account == address(0)) revert UnknownMeter(i, meterId);
            _requireSupply(i, batch, account, committedAt);
            _requireReading(i, batch, meterId, key, meters[i]);
            accounts[i] = account;
            if (meters[i].signature.length == 0) continue;
            positions[i].importWh = meters[i].importWh;
            positions[i].exportWh = meters[i].exportWh;
        }
    }

    /// @dev Reverts unless the reading is signed by the meter's key, or missing beyond the deadline.
    function _requireReading(
        uint256 index,
        Batch calldata batch,
        bytes32 meterId,
        address key,
        MeterInput calldata input
    ) private view {
        if (input.signature.length == 0) {
            uint256 until = uint256(batch.intervalStart) + batch.intervalSeconds + readingDeadline;
            if (block.timestamp <= until) revert ReadingAwaited(index, meterId, until);
            return;
        }
        bytes32 digest = hashReading(
            MeterReading(meterId, batch.intervalStart, batch.intervalSeconds, input.importWh, input.exportWh)
        );
        // A failed recovery gives the zero address, which is no meter's key (ParticipantRegistry).
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, input.signature);
        if (signer == address(0) || signer != key) revert InvalidReading(index, meterId);
    }

    /// @dev Wh executed of each order: the sum of its fills, never more than was signed.
    function _addFills(Batch calldata batch) private pure returns (uint256[] memory filledWh) {
        filledWh = new uint256[](batch.orders.length);
        for (uint256 i = 0; i < batch.fills.length; ++i) {
            Fill calldata fill = batch.fills[i];
            uint256 orders = filledWh.length;
            if (
                fill.buy >= orders || fill.sell >= orders
                    || batch.orders[fill.buy].order.side != OrderTypes.BUY
                    || batch.orders[fill.sell].order.side != OrderTypes.SELL
            ) revert InvalidFill(i);
            filledWh[fill.buy] += fill.energyWh;
            filledWh[fill.sell] += fill.energyWh;
        }
        for (uint256 i = 0; i < filledWh.length; ++i) {
            uint64 energyWh = batch.orders[i].order.energyWh;
            if (filledWh[i] > energyWh) revert OrderOverfilled(i, filledWh[i], energyWh);
        }
    }

    /// @dev Checks each order and adds what was executed of it to its meter's position, in batch order.
    function _addOrders(
        Batch calldata batch,
        address[] memory accounts,
        Position[] memory positions,
        uint256[] memory filledWh,
        uint64 committedAt
    ) private returns (bytes32[] memory digests) {
        digests = new bytes32[](filledWh.length);
        Prices memory prices = batch.prices;
        for (uint256 i = 0; i < filledWh.length; ++i) {
            Order calldata order = batch.orders[i].order;
            digests[i] = hashOrder(order);
            _requireTerms(i, batch, committedAt);
            _useNonce(i, order, committedAt);
            _authorise(i, order, batch.orders[i].signature, digests[i], committedAt, filledWh[i]);
            uint256 meter = _meterIndex(i, batch.meterIds, order.meterId);
            if (accounts[meter] != order.owner) revert OrderMeterNotOwned(i, order.owner);
            if (order.side == OrderTypes.BUY) positions[meter].addBought(filledWh[i]);
            else positions[meter].addSold(filledWh[i], order.imbalanceCap, prices);
        }
    }

    /// @dev Reverts unless the order is for this interval, in time, and content with the prices.
    function _requireTerms(uint256 index, Batch calldata batch, uint64 committedAt) private pure {
        Order calldata order = batch.orders[index].order;
        (uint64 clearing, uint64 fee) = (batch.prices.clearing, batch.prices.fee);
        if (order.intervalStart != batch.intervalStart || order.intervalSeconds != batch.intervalSeconds) {
            revert OrderWrongInterval(index);
        }
        if (order.expiry < committedAt) revert OrderExpired(index, order.expiry);
        if (order.side > OrderTypes.SELL) revert OrderSideUnknown(index, order.side);
        // Buyer: filled <= energy and clearing <= limit, so purchase = filled x clearing <= energy x limit.
        // Seller: clearing >= limit, so sale = delivered x clearing >= delivered x limit.
        bool content =
            order.side == OrderTypes.BUY ? clearing <= order.limitPrice : clearing >= order.limitPrice;
        if (!content) revert OrderLimitViolated(index, order.limitPrice, clearing);
        // fee <= feeCap, so what is charged on it is at most filled x feeCap <= energy x feeCap.
        if (fee > order.feeCap) revert OrderFeeCapExceeded(index, order.feeCap, fee);
    }

    /// @dev Position of `meterId` in the increasing `meterIds`.
    function _meterIndex(uint256 orderIndex, bytes32[] calldata meterIds, bytes32 meterId)
        private
        pure
        returns (uint256 low)
    {
        uint256 high = meterIds.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (meterIds[middle] < meterId) low = middle + 1;
            else high = middle;
        }
        if (low == meterIds.length || meterIds[low] != meterId) {
            revert OrderMeterMissing(orderIndex, meterId);
        }
    }

    function _emitTrades(Batch calldata batch, bytes32[] memory digests) private {
        for (uint256 i = 0; i < batch.fills.length; ++i) {
            Fill calldata fill = batch.fills[i];
            emit TradeSettled(
                batch.intervalStart,
                batch.orders[fill.buy].order.owner,
                batch.orders[fill.sell].order.owner,
                digests[fill.buy],
                digests[fill.sell],
                fill.energyWh,
                batch.prices.clearing
            );
        }
    }

    /// @dev Moves each member's net, then gives the fees and the remainder to their accounts.
    /// collected - paidOut = fees + retailerDelta, hence the sum of all balances stays what it was.
    function _settleMembers(
        Batch calldata batch,
        MeterInput[] calldata meters,
        address[] memory accounts,
        Position[] memory positions
    ) private {
        Prices memory prices = batch.prices;
        int256 received = 0; // collected - paidOut
        uint256 fees = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            bool estimated = meters[i].signature.length == 0;
            // Fallback for a missing reading: what was bought was taken, nothing was exported.
            if (estimated) positions[i].importWh = positions[i].boughtWh;
            Line memory line = positions[i].settle(prices);
            fees += line.fee;
            received += _moveNet(batch.intervalStart, accounts[i], line.net());
            emit MemberSettled(batch.intervalStart, accounts[i], batch.meterIds[i], line, estimated);
        }
        _credit(feeRecipient, fees);
        int256 retailerDelta = received - int256(fees);
        _moveRetailer(retailerDelta);
        emit BatchSettled(batch.intervalStart, prices, retailerDelta);
    }

    /// @dev Takes `net` from the member, or pays it when negative; `received` is what the others have of it.
    function _moveNet(uint64 intervalStart, address account, int256 net) private returns (int256 received) {
        if (net <= 0) {
            _credit(account, uint256(-net));
            return net;
        }
        uint256 taken = _debitUpTo(account, uint256(net));
        // A member that cannot pay must not stop the others: it pays what it has, the retailer bears the rest.
        if (taken < uint256(net)) emit Unpaid(intervalStart, account, uint256(net) - taken);
        return int256(taken);
    }

    function _moveRetailer(int256 delta) private {
        if (delta >= 0) return _credit(retailer, uint256(delta));
        uint256 owed = uint256(-delta);
        uint256 balance = balanceOf[retailer];
        if (balance < owed) revert RetailerUnderfunded(balance, owed);
        _debitUpTo(retailer, owed);
    }
}
