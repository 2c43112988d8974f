// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Agreements} from "./Agreements.sol";
import {DisjointRoles} from "./DisjointRoles.sol";
import {IMeterOracle} from "./interfaces/IMeterOracle.sol";
import {Ledger} from "./Ledger.sol";

/// @notice What an exchange is built with, for good. Times in seconds.
struct Terms {
    IERC20 token;
    IMeterOracle oracle;
    address retailer;
    address fund;
    address admin;
    uint32 intervalSeconds;
    uint32 withdrawalDelay;
    uint32 settlementTerm;
}

/// @title The life of a delivery interval: committed, settled part by part, or released
/// @notice The operator matches; it cannot take. Before delivery it commits the root of the matched batch; after
/// delivery it settles that very batch against proven readings, until the settlement term is over.
abstract contract Intervals is Agreements, DisjointRoles {
    /// @dev The root of a batch in parts is r(0), where r(i) = keccak256(hash of part i ‖ r(i + 1)) and the last part is
    /// followed by zero. Stored are its first 26 bytes: a collision costs 2^104 tries. Settled: committedAt is not zero
    /// and root is.
    struct Commitment {
        bytes26 root;
        uint8 settledParts;
        uint40 committedAt;
    }

    /// @notice May commit and settle batches.
    bytes32 public constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");
    /// @notice May pause and unpause deposits, commitments and settlements; never withdrawals.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @notice Seconds of a delivery interval; they start at multiples of it.
    uint256 public immutable intervalSeconds;
    /// @notice Seconds after an interval's start in which it can be settled, at most a day.
    uint256 public immutable settlementTerm;

    mapping(uint256 intervalStart => Commitment) private _commitments;
    /// @dev Of batches in parts: the last meter of the part settled last, as account ‖ number.
    mapping(uint256 intervalStart => uint256) private _lastMeters;

    constructor(Terms memory terms)
        Ledger(terms.token, terms.retailer, terms.fund, terms.withdrawalDelay)
        Agreements(terms.oracle)
        DisjointRoles(terms.admin)
    {
        if (terms.intervalSeconds == 0 || 1 days % terms.intervalSeconds != 0) {
            revert InvalidTerm("intervalSeconds");
        }
        // Mandates' use of energy is kept for two days (AccountWords), so that a term must not exceed one.
        uint256 least = uint256(terms.intervalSeconds) + terms.oracle.readingDeadline();
        if (terms.settlementTerm <= least || terms.settlementTerm > 1 days) {
            revert InvalidTerm("settlementTerm");
        }
        if (terms.withdrawalDelay <= terms.settlementTerm) revert InvalidTerm("withdrawalDelay");
        intervalSeconds = terms.intervalSeconds;
        settlementTerm = terms.settlementTerm;
    }

    /// @notice Stops deposits, commitments and settlements. Withdrawals go on.
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @notice Ends a pause.
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @notice Fixes the matched batch of an interval, once. After the start of delivery only a batch without orders can
    /// still be committed (and then settled): the retailer's part.
    /// @param root Of a batch in one part: keccak256(abi.encodePacked(hash of the batch, bytes32(0))).
    function commitBatch(uint64 intervalStart, bytes32 root) external onlyRole(OPERATOR_ROLE) whenNotPaused {
        if (intervalStart % intervalSeconds != 0) revert InvalidInterval(intervalStart);
        if (bytes26(root) == 0) revert ZeroRoot(intervalStart);
        Commitment storage commitment = _commitments[intervalStart];
        if (commitment.committedAt != 0) revert AlreadyCommitted(intervalStart);
        uint256 closesAt = intervalStart + settlementTerm;
        if (block.timestamp > closesAt) revert IntervalClosed(intervalStart, closesAt);
        // A withdrawal that is asked for from now on must be payable only when the interval is closed.
        if (block.timestamp + withdrawalDelay < closesAt) {
            revert TermExceedsWithdrawalDelay(intervalStart, closesAt);
        }
        _commitments[intervalStart] = Commitment(bytes26(root), 0, uint40(block.timestamp));
        emit BatchCommitted(intervalStart, root);
    }

    /// @notice Says that an interval can no longer be settled: nobody will be billed or paid for it. For anybody, once
    /// its settlement term is over.
    /// @dev Nothing is held that would have to be freed: withdrawals asked for in the meantime cover closed intervals no
    /// more. The event lets books be closed.
    function release(uint64 intervalStart) external {
        uint256 closesAt = intervalStart + settlementTerm;
        if (block.timestamp <= closesAt) revert IntervalOpen(intervalStart, closesAt);
        Commitment storage commitment = _commitments[intervalStart];
        if (commitment.committedAt == 0) revert NotCommitted(intervalStart);
        if (commitment.root == 0) revert AlreadySettled(intervalStart);
        commitment.root = 0;
        emit IntervalReleased(intervalStart);
    }

    /// @notice What of an interval's batch is still to be settled (0: nothing), how many parts are, and when it was
    /// committed (0: never).
    function commitments(uint64 intervalStart)
        external
        view
        returns (bytes26 root, uint8 settledParts, uint40 committedAt)
    {
        Commitment storage commitment = _commitments[intervalStart];
        return (commitment.root, commitment.settledParts, commitment.committedAt);
    }

    /// @dev Uses up a part of the committed batch; reverts unless it is the next one, and its time is now.
    /// @return judgedAt The instant by which signatures are judged: that of the commitment, or of the start of delivery.
    function _open(uint256 intervalStart, bytes32 partHash, bytes32 next) internal returns (uint256 judgedAt) {
        Commitment memory commitment = _commitments[intervalStart];
        uint256 committedAt = commitment.committedAt;
        if (committedAt == 0) revert NotCommitted(intervalStart);
        if (commitment.root == 0) revert AlreadySettled(intervalStart);
        bytes26 root = bytes26(keccak256(abi.encodePacked(partHash, next)));
        if (root != commitment.root) revert RootMismatch(intervalStart, commitment.root, root);
        uint256 endsAt = intervalStart + intervalSeconds;
        if (block.timestamp < endsAt) revert DeliveryNotEnded(intervalStart, endsAt);
        uint256 closesAt = intervalStart + settlementTerm;
        if (block.timestamp > closesAt) revert IntervalClosed(uint64(intervalStart), closesAt);
        _commitments[intervalStart] =
            Commitment(bytes26(next), commitment.settledParts + 1, uint40(committedAt));
        return Math.min(committedAt, intervalStart);
    }

    /// @dev Parts of a batch have disjoint, increasing accounts: nobody is billed, and no nonce used, in two of them.
    /// @param firstMeter account ‖ number of the part's first meter.
    function _requirePartsIncrease(uint256 intervalStart, bytes32 next, uint256 firstMeter, uint256 lastMeter)
        internal
    {
        if (_commitments[intervalStart].settledParts > 1 && firstMeter >> 16 <= _lastMeters[intervalStart] >> 16) {
            revert MetersNotIncreasing(0);
        }
        if (next != 0) _lastMeters[intervalStart] = lastMeter;
    }

    /// @dev Moves the retailer's and the fund's part of a batch.
    /// @param paidIn Micro-units taken from members.
    /// @param paidOut Micro-units credited to members.
    /// @return retailerDelta What the retailer receives; negative when it pays.
    /// @return missing What was credited and nobody has paid.
    function _settleRetailer(
        uint256 intervalStart,
        uint256 judgedAt,
        uint256 paidIn,
        uint256 paidOut,
        uint256 fees
    ) internal returns (int256 retailerDelta, uint256 missing) {
        if (fees != 0) _credit(fund, fees);
        uint256 owed = paidOut + fees;
        if (paidIn >= owed) {
            if (paidIn > owed) _credit(retailer, paidIn - owed);
            return (int256(paidIn - owed), 0);
        }
        owed -= paidIn;
        uint256 paid = _debitUpTo(retailer, owed, judgedAt);
        retailerDelta = -int256(paid);
        if (paid == owed) return (retailerDelta, 0);
        uint256 fundPaid = _debitUpTo(fund, owed - paid, judgedAt);
        if (fundPaid != 0) emit FundPaid(uint64(intervalStart), fundPaid);
        missing = owed - paid - fundPaid;
    }

    /// @dev Takes `missing` back from those who were credited, in proportion, rounded against them; what rounding takes
    /// too much goes to the fund. Each still has what it was credited.
    /// @param credits account ‖ 96-bit amount, each account once.
    function _reduceCredits(uint256 intervalStart, uint256[] memory credits, uint256 paidOut, uint256 missing)
        internal
    {
        uint256 taken;
        for (uint256 i = 0; i < credits.length; ++i) {
            address account = address(uint160(credits[i] >> 96));
            uint256 loss = Math.ceilDiv(uint96(credits[i]) * missing, paidOut);
            taken += _debitUpTo(account, loss, block.timestamp);
            emit CreditReduced(uint64(intervalStart), account, loss);
        }
        if (taken > missing) _credit(fund, taken - missing);
    }
}
