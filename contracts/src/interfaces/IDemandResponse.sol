// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a sponsor offers. Energy in Wh, the rate in micro-units per kWh not imported.
struct EventTerms {
    uint64 rate;
    uint64 start;
    uint64 end; // exclusive
    uint64 enrolBy; // last instant of enrolment; before `start`
    uint64 maxEnrolledWh; // most that one meter may enrol
    bytes32 baselineMethod; // hash of the published method and of the inputs that it takes
}

/// @notice What a member signs: to reduce the meter's import during the event by up to `enrolledWh`.
struct Enrolment {
    address owner;
    bytes32 meterId;
    uint256 eventId;
    uint64 enrolledWh;
    uint64 minRate; // least rate that the member works for
    uint64 deadline; // last instant at which this may be submitted
}

/// @notice A list of readings of one interval and its proof, as `IMeterOracle` says.
struct ProvenReadings {
    bytes readings;
    bytes proof;
}

/// @notice An event as it stands.
struct EventState {
    EventTerms terms;
    address sponsor;
    uint128 escrow; // micro-units not yet credited to anyone
    uint128 reserved; // part of `escrow` that open enrolments may earn
    uint32 openEnrolments; // enrolled, not withdrawn, not settled
    bool released;
}

/// @title Demand response: events, enrolments, payouts
interface IDemandResponse {
    /// @notice Where an enrolment stands.
    enum Status {
        None,
        Enrolled,
        Withdrawn,
        Settled
    }

    /// @notice The sponsor's budget is in escrow, and members may enrol.
    event EventOpened(uint256 indexed eventId, address indexed sponsor, uint256 budget, EventTerms terms);

    /// @notice The meter is in; `reserve` micro-units are set aside for it.
    event Enrolled(
        uint256 indexed eventId,
        bytes32 indexed meterId,
        address indexed owner,
        uint64 enrolledWh,
        uint256 reserve
    );

    /// @notice The owner withdrew, for good.
    event EnrolmentWithdrawn(uint256 indexed eventId, bytes32 indexed meterId);

    /// @notice The meter's owner is owed `payout`. Energy is the sum over the intervals that have a reading.
    event MeterSettled(
        uint256 indexed eventId,
        bytes32 indexed meterId,
        address indexed owner,
        uint256 baselineWh,
        uint256 importWh,
        uint256 payout
    );

    /// @notice What the event did not pay out is owed to its sponsor.
    event EventReleased(uint256 indexed eventId, address indexed sponsor, uint256 amount);

    /// @notice The account took what it was owed.
    event Claimed(address indexed account, uint256 amount);

    /// @notice `field` must not be zero.
    error ZeroValue(string field);

    /// @notice The settlement term must outlast the oracle's deadline for readings.
    error SettlementTermTooShort(uint256 settlementTerm, uint256 readingDeadline);

    /// @notice Events consist of whole intervals, at least one and at most `MAX_INTERVALS`.
    error InvalidPeriod(uint64 start, uint64 end);

    /// @notice Enrolment must end at or after now and before the event starts.
    error InvalidEnrolmentDeadline(uint64 enrolBy);

    /// @notice The token does not move exactly the amount asked.
    error UnexpectedTransfer(uint256 asked, uint256 received);

    /// @notice There is no such event.
    error UnknownEvent(uint256 eventId);

    /// @notice Enrolment, or this signed one, ended at `until`.
    error EnrolmentClosed(uint256 eventId, uint64 until);

    /// @notice The event pays less than the member asks.
    error RateTooLow(uint256 eventId, uint64 rate, uint64 minRate);

    /// @notice Enrolled energy is above zero and at most the event's `maxEnrolledWh`.
    error InvalidEnergy(uint256 eventId, uint64 enrolledWh);

    /// @notice Not a registered grid meter of `owner`.
    error InvalidMeter(bytes32 meterId, address owner);

    /// @notice The meter is or was enrolled in this event.
    error AlreadyEnrolled(uint256 eventId, bytes32 meterId);

    /// @notice The meter is enrolled in another event that has this interval.
    error IntervalTaken(bytes32 meterId, uint64 intervalStart);

    /// @notice What is left of the budget does not cover the enrolment.
    error BudgetExceeded(uint256 eventId, uint256 available, uint256 reserve);

    /// @notice The owner did not sign the enrolment.
    error InvalidEnrolmentSignature(address owner, bytes32 meterId);

    /// @notice The meter is not enrolled in the event (any more).
    error NotEnrolled(uint256 eventId, bytes32 meterId);

    /// @notice Only the meter's account may do this.
    error NotMeterOwner(bytes32 meterId, address caller);

    /// @notice The event has started.
    error EventStarted(uint256 eventId);

    /// @notice The event ends at `endsAt`.
    error EventNotEnded(uint256 eventId, uint64 endsAt);

    /// @notice What was left went back to the sponsor.
    error AlreadyReleased(uint256 eventId);

    /// @notice Members may still enrol, or still be paid.
    error ReleaseNotDue(uint256 eventId);

    /// @notice One list of readings is needed for each of the event's intervals.
    error ReadingsMismatch(uint256 given, uint256 needed);

    /// @notice A list of baselines has `stride` bytes a meter.
    error MalformedBaselines(uint256 length, uint256 stride);

    /// @notice The list of baselines has no entry `index`.
    error NoSuchBaseline(uint256 index);

    /// @notice The list of readings of this interval has no entry of the meter, or the picks are out of order.
    error ReadingNotFound(bytes32 meterId, uint64 intervalStart);

    /// @notice The reading is missing, and attestors do not vouch for that.
    error GapNotAttested(bytes32 meterId, uint64 intervalStart);

    /// @notice The account is owed nothing.
    error NothingOwed(address account);
}
