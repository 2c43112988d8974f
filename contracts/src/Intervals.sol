// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
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
    /// followed by zero. Stored are its first 26 bytes: a collision costs 2^104 tries. Of an interval whose settlement is
    /// complete, or that was released, nothing is stored.
    struct Commitment {
        bytes26 root;
        uint8 settledParts;
        uint40 committedAt;
    }

    /// @notice May commit batches. Anybody may settle what was committed.
    bytes32 public constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");
    /// @notice May pause and unpause deposits, commitments and settlements; never withdrawals.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @notice Seconds of a delivery interval; they start at multiples of it.
    uint256 public immutable intervalSeconds;
    /// @notice Seconds after an interval's start in which it can be settled, at most a day.
    uint256 public immutable settlementTerm;

    /// @dev What `_settled` says: number of the latest settled interval 40, then of it and of each of the 95 before it
    /// whether it is settled, from the lowest bit. Older ones are closed.
    uint256 private constant REMEMBERED = 96;

    mapping(uint256 intervalStart => Commitment) private _commitments;
    /// @dev Of batches in parts: the last account of the part settled last.
    mapping(uint256 intervalStart => address) private _lastAccounts;

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
        uint256 most = Math.min(1 days, REMEMBERED * terms.intervalSeconds);
        if (terms.settlementTerm <= least || terms.settlementTerm > most) {
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
        if (_commitments[intervalStart].committedAt != 0) revert AlreadyCommitted(intervalStart);
        uint256 closesAt = intervalStart + settlementTerm;
        if (block.timestamp > closesAt) revert IntervalClosed(intervalStart, closesAt);
        // A withdrawal that is asked for from now on must be payable only when the interval is closed.
        if (block.timestamp + withdrawalDelay < closesAt) {
            revert TermExceedsWithdrawalDelay(intervalStart, closesAt);
        }
        if (isSettled(intervalStart)) revert AlreadySettled(intervalStart);
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
        if (_commitments[intervalStart].committedAt == 0) revert NotCommitted(intervalStart);
        delete _commitments[intervalStart];
        emit IntervalReleased(intervalStart);
    }

    /// @notice Whether all of an interval's batch is settled; known as long as the interval is not closed.
    function isSettled(uint64 intervalStart) public view returns (bool) {
        (uint256 number, uint256 latest) = (intervalStart / intervalSeconds, _settled >> REMEMBERED);
        return number <= latest && latest - number < REMEMBERED && _settled >> latest - number & 1 != 0;
    }

    /// @notice What of an interval's batch is still to be settled, how many parts are, and when it was committed; all zero
    /// when there is nothing to be settled.
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
    /// @return lastAccount The last one of the part before, 0 when there was none. Parts of a batch have disjoint,
    /// increasing accounts: nobody is billed, and no nonce used, in two of them.
    function _open(uint256 intervalStart, bytes32 partHash, bytes32 next)
        internal
        returns (uint256 judgedAt, uint256 lastAccount)
    {
        Commitment storage commitment = _commitments[intervalStart];
        (bytes26 root, uint8 parts, uint40 committedAt) =
            (commitment.root, commitment.settledParts, commitment.committedAt);
        if (committedAt == 0) {
            if (isSettled(uint64(intervalStart))) revert AlreadySettled(intervalStart);
            revert NotCommitted(intervalStart);
        }
        bytes26 given = bytes26(Hashes.efficientKeccak256(partHash, next));
        if (given != root) revert RootMismatch(intervalStart, root, given);
        unchecked {
            // What was committed is far below 2^64.
            uint256 endsAt = intervalStart + intervalSeconds;
            if (block.timestamp < endsAt) revert DeliveryNotEnded(intervalStart, endsAt);
            uint256 closesAt = intervalStart + settlementTerm;
            if (block.timestamp > closesAt) revert IntervalClosed(uint64(intervalStart), closesAt);
        }
        if (parts != 0) lastAccount = uint256(uint160(_lastAccounts[intervalStart]));
        judgedAt = Math.min(committedAt, intervalStart);
        if (next == 0) delete _commitments[intervalStart];
        else _commitments[intervalStart] = Commitment(bytes26(next), parts + 1, committedAt);
    }

    /// @dev For the part that follows.
    function _keepLastAccount(uint256 intervalStart, address lastAccount) internal {
        _lastAccounts[intervalStart] = lastAccount;
    }

    /// @dev Moves the retailer's and the fund's part of a batch.
    /// @param complete Whether this was the last part: the interval cannot be committed again.
    /// @param paid Micro-units taken from members, less those credited to members.
    /// @return retailerDelta What the retailer receives; negative when it pays.
    /// @return missing What was credited and nobody has paid.
    function _settleHouse(uint256 intervalStart, uint256 judgedAt, bool complete, int256 paid, uint256 fees)
        internal
        returns (int256 retailerDelta, uint256 missing)
    {
        unchecked {
            retailerDelta = paid - int256(fees); // sums over a batch, far below 2^255
        }
        uint256 settled = _settled;
        if (complete) settled = _withSettled(settled, intervalStart / intervalSeconds);
        _setHouse(
            _retailerBalance + (retailerDelta > 0 ? uint256(retailerDelta) : 0), _fundBalance + fees, settled
        );
        if (retailerDelta >= 0) return (retailerDelta, 0);
        uint256 owed = uint256(-retailerDelta);
        missing = owed - _debitUpTo(retailer, owed, judgedAt);
        if (missing == 0) return (retailerDelta, 0);
        retailerDelta += int256(missing);
        uint256 fundPaid = _debitUpTo(fund, missing, judgedAt);
        if (fundPaid != 0) emit FundPaid(uint64(intervalStart), fundPaid);
        missing -= fundPaid;
    }

    /// @dev `settled` with the interval of this number. It is at most 95 before the latest: neither is closed, and no term is
    /// longer.
    function _withSettled(uint256 settled, uint256 number) private pure returns (uint256) {
        unchecked {
            (uint256 latest, uint256 record) = (settled >> REMEMBERED, uint96(settled));
            if (number > latest) {
                record = uint96(record << number - latest);
                latest = number;
            }
            return latest << REMEMBERED | record | 1 << latest - number;
        }
    }

    /// @dev Takes `missing` back from those who were credited, in proportion, rounded against them; what rounding takes
    /// too much goes to the fund. Each still has what it was credited.
    /// @param credits account ‖ 96-bit amount, each account once.
    function _reduceCredits(uint256 intervalStart, uint256[] memory credits, uint256 missing) internal {
        uint256 paidOut;
        for (uint256 i = 0; i < credits.length; ++i) {
            paidOut += uint96(credits[i]);
        }
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
