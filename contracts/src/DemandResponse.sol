// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {DisjointRoles} from "./DisjointRoles.sol";
import {
    Enrolment,
    EventState,
    EventTerms,
    IDemandResponse,
    ProvenReadings
} from "./interfaces/IDemandResponse.sol";
import {IMeterOracle} from "./interfaces/IMeterOracle.sol";
import {IParticipantRegistry} from "./interfaces/IParticipantRegistry.sol";
import {MeterIds} from "./libraries/MeterIds.sol";
import {ReadingTypes} from "./libraries/ReadingTypes.sol";

/// @title Demand response with escrowed budgets and capped payouts
/// @notice A sponsor locks a budget and offers a rate; members sign how much less they will import; after the event
/// each is paid for what its meter imported less than the attested baseline, at most what it enrolled.
///
/// Payouts never exceed the escrow. With `reserve(Wh) = floor(Wh × rate / 1000)`:
///   enrolling keeps `Σ reserve(enrolled) <= escrow`, and `payout = reserve(min(reduction, enrolled)) <=
///   reserve(enrolled)`, because the floor is monotone.
///
/// No kWh is paid twice.
/// - What is paid is import that did not happen. A sale is export that did: `importWh` and `exportWh` are separate
///   registers of a reading, and only the first is looked at here.
/// - A meter is enrolled in at most one event an interval, and settled at most once an event.
/// - Only grid meters enrol: a reduction counts where the member's energy meets the grid, not again behind it.
/// - A member that buys energy on the exchange, and then takes less than it bought, is credited the surplus there.
///   That surplus is sold. No contract sees both: the baseline method must take it off the baseline of
///   the interval, and attestors must not sign a baseline that does not.
/// @dev Pausing stops new events and enrolments only. Settlement has a deadline after which the sponsor gets the rest,
/// so a pause of settlement would take from members; claims pay what is owed already.
contract DemandResponse is IDemandResponse, DisjointRoles, EIP712, Pausable, ReentrancyGuard {
    using BitMaps for BitMaps.BitMap;
    using MeterIds for bytes32;
    using ReadingTypes for bytes;
    using ReadingTypes for uint256;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev What the settlement of one call knows of its event.
    struct Run {
        uint256 eventId;
        uint256 rate;
        uint64 start;
        uint256 count; // intervals
        uint256 stride; // bytes of a meter's baselines
        uint256[] cursors; // offset in each interval's list; lists and picks increase alike
    }

    /// @dev Wh enrolled, and where the enrolment stands.
    struct Place {
        uint64 enrolledWh;
        Status status;
    }

    /// @notice May open events.
    bytes32 public constant SPONSOR_ROLE = keccak256("SPONSOR_ROLE");
    /// @notice May pause and unpause new events and enrolments; never settlement, release or claims.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    /// @notice Most intervals of an event, so that its settlement fits a transaction.
    uint256 public constant MAX_INTERVALS = 96;
    /// @notice EIP-712 type of an enrolment.
    bytes32 public constant ENROLMENT_TYPEHASH = keccak256(
        "Enrolment(address owner,bytes32 meterId,uint256 eventId,uint64 enrolledWh,uint64 minRate,uint64 deadline)"
    );
    /// @notice EIP-712 type of attested baselines.
    bytes32 public constant BASELINES_TYPEHASH =
        keccak256("Baselines(uint256 eventId,bytes32 baselineMethod,bytes32 baselinesHash)");

    uint256 private constant WH_PER_KWH = 1_000;
    /// @dev Bytes of account and number before a meter's baselines.
    uint256 private constant BASELINE_HEAD = 22;
    uint256 private constant BASELINE_WORD = 4;
    uint8 private constant ATTESTED_WITH_GAPS = 3;

    /// @notice The stablecoin of budgets and payouts, 6 decimals.
    IERC20 public immutable token;
    /// @notice Accounts, meters and meter keys.
    IParticipantRegistry public immutable registry;
    /// @notice Proves readings; its attestors vouch for baselines.
    IMeterOracle public immutable oracle;
    /// @notice Seconds of an interval.
    uint32 public immutable intervalSeconds;
    /// @notice Seconds after an event's end from which what is not settled goes back to the sponsor.
    uint32 public immutable settlementTerm;

    /// @notice Events opened so far; their ids count from 1.
    uint256 public eventCount;
    /// @notice Micro-units that the account can claim.
    mapping(address account => uint256) public owed;

    mapping(uint256 eventId => EventState) private _events;
    mapping(uint256 eventId => mapping(bytes32 meterId => Place)) private _places;
    mapping(bytes32 meterId => BitMaps.BitMap) private _taken;

    /// @param token_ Stablecoin; events are refused if it takes a fee on transfers.
    /// @param oracle_ Proves readings and names the registry.
    /// @param admin Grants and revokes roles; should be a timelock.
    /// @param intervalSeconds_ Seconds of an interval, those of the readings.
    /// @param settlementTerm_ Seconds; longer than the oracle's deadline for readings.
    constructor(
        IERC20 token_,
        IMeterOracle oracle_,
        address admin,
        uint32 intervalSeconds_,
        uint32 settlementTerm_
    ) DisjointRoles(admin) EIP712("Commonwatt", "1") {
        if (address(token_) == address(0)) revert ZeroValue("token");
        if (address(oracle_) == address(0)) revert ZeroValue("oracle");
        if (intervalSeconds_ == 0) revert ZeroValue("intervalSeconds");
        uint256 readingDeadline = oracle_.readingDeadline();
        if (settlementTerm_ <= readingDeadline) {
            revert SettlementTermTooShort(settlementTerm_, readingDeadline);
        }
        token = token_;
        oracle = oracle_;
        registry = oracle_.registry();
        intervalSeconds = intervalSeconds_;
        settlementTerm = settlementTerm_;
    }

    /// @notice Stops new events and enrolments.
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @notice Ends a pause.
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @notice Opens an event and takes its budget from the sponsor. Nothing of the terms can change later.
    /// @param budget Micro-units; the most that the event pays.
    function openEvent(EventTerms calldata terms, uint256 budget)
        external
        onlyRole(SPONSOR_ROLE)
        whenNotPaused
        nonReentrant
        returns (uint256 eventId)
    {
        _requireTerms(terms);
        if (budget == 0) revert ZeroValue("budget");
        eventId = ++eventCount;
        EventState storage state = _events[eventId];
        state.terms = terms;
        state.sponsor = msg.sender;
        state.escrow = budget.toUint128();
        emit EventOpened(eventId, msg.sender, budget, terms);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), budget);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != budget) revert UnexpectedTransfer(budget, received);
    }

    /// @notice Enrols a meter, as its owner signed. For anybody to submit.
    function enrol(Enrolment calldata enrolment, bytes calldata signature) external whenNotPaused {
        (uint256 eventId, bytes32 meterId) = (enrolment.eventId, enrolment.meterId);
        EventState storage state = _eventOf(eventId);
        EventTerms memory terms = state.terms;
        uint256 until = Math.min(terms.enrolBy, enrolment.deadline);
        if (block.timestamp > until) revert EnrolmentClosed(eventId, uint64(until));
        if (terms.rate < enrolment.minRate) revert RateTooLow(eventId, terms.rate, enrolment.minRate);
        if (enrolment.enrolledWh == 0 || enrolment.enrolledWh > terms.maxEnrolledWh) {
            revert InvalidEnergy(eventId, enrolment.enrolledWh);
        }
        _requireMeter(meterId, enrolment.owner);
        Place storage place = _places[eventId][meterId];
        // One that was withdrawn does not come back: its signature is public, and anybody could submit it again.
        if (place.status != Status.None) revert AlreadyEnrolled(eventId, meterId);
        if (!SignatureChecker.isValidSignatureNowCalldata(
                enrolment.owner, hashEnrolment(enrolment), signature
            )) revert InvalidEnrolmentSignature(enrolment.owner, meterId);
        uint256 reserve = _valueDown(enrolment.enrolledWh, terms.rate);
        uint256 available = state.escrow - state.reserved;
        if (reserve > available) revert BudgetExceeded(eventId, available, reserve);
        _take(meterId, terms);
        state.reserved += uint128(reserve); // at most escrow
        ++state.openEnrolments;
        place.enrolledWh = enrolment.enrolledWh;
        place.status = Status.Enrolled;
        emit Enrolled(eventId, meterId, enrolment.owner, enrolment.enrolledWh, reserve);
    }

    /// @notice Takes the caller's meter out of an event that has not started, for good.
    function withdraw(uint256 eventId, bytes32 meterId) external {
        EventState storage state = _eventOf(eventId);
        if (msg.sender != meterId.accountOf()) revert NotMeterOwner(meterId, msg.sender);
        if (block.timestamp >= state.terms.start) revert EventStarted(eventId);
        Place storage place = _places[eventId][meterId];
        if (place.status != Status.Enrolled) revert NotEnrolled(eventId, meterId);
        place.status = Status.Withdrawn;
        state.reserved -= uint128(_valueDown(place.enrolledWh, state.terms.rate));
        --state.openEnrolments;
        for (uint256 time = state.terms.start; time < state.terms.end; time += intervalSeconds) {
            _taken[meterId].unset(time / intervalSeconds);
        }
        emit EnrolmentWithdrawn(eventId, meterId);
    }

    /// @notice Credits the enrolled meters among `picks` with
    /// `floor(min(max(Σ baseline − Σ import, 0), enrolled) × rate / 1000)`. For anybody who has the proofs.
    /// @dev A missing reading counts neither in the baseline nor in the import, and only when attestors vouch for the
    /// gap: else whoever settles could leave out what it does not like.
    /// @param picks Entries of `baselines` to settle, in order. Those not enrolled, withdrawn or settled already
    /// are passed over, so that nobody can stop a settlement by settling one meter first.
    /// @param baselines For each meter account (20 bytes) ‖ number (2), then a baseline in Wh (4) for each interval,
    /// strictly increasing by account and number.
    /// @param signatures Of the oracle's attestors over `Baselines`, as `IMeterOracle.requireAttested` says.
    /// @param intervals One list for each interval of the event, in order; other meters may be in it.
    function settle(
        uint256 eventId,
        uint256[] calldata picks,
        bytes calldata baselines,
        bytes calldata signatures,
        ProvenReadings[] calldata intervals
    ) external {
        EventState storage state = _eventOf(eventId);
        if (state.released) revert AlreadyReleased(eventId);
        if (block.timestamp < state.terms.end) revert EventNotEnded(eventId, state.terms.end);
        oracle.requireAttested(hashBaselines(eventId, keccak256(baselines)), signatures);
        Run memory run = _run(eventId, state.terms, baselines.length, intervals);
        for (uint256 i = 0; i < picks.length; ++i) {
            if (picks[i] >= baselines.length / run.stride) revert NoSuchBaseline(picks[i]);
            uint256 offset = picks[i] * run.stride;
            _settleMeter(state, run, baselines[offset:offset + run.stride], intervals);
        }
        if (state.openEnrolments == 0) _release(eventId, state);
    }

    /// @notice Gives what is left to the sponsor: once nobody is enrolled any more, or when the settlement term is
    /// over. For anybody.
    function release(uint256 eventId) external {
        EventState storage state = _eventOf(eventId);
        if (state.released) revert AlreadyReleased(eventId);
        bool nobodyLeft = state.openEnrolments == 0 && block.timestamp > state.terms.enrolBy;
        bool overdue = block.timestamp > uint256(state.terms.end) + settlementTerm;
        if (!nobodyLeft && !overdue) revert ReleaseNotDue(eventId);
        _release(eventId, state);
    }

    /// @notice Pays the caller what it is owed. Works while paused.
    function claim() external nonReentrant returns (uint256 amount) {
        amount = owed[msg.sender];
        if (amount == 0) revert NothingOwed(msg.sender);
        owed[msg.sender] = 0;
        emit Claimed(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice An event as it stands.
    function eventOf(uint256 eventId) external view returns (EventState memory) {
        return _eventOf(eventId);
    }

    /// @notice What the meter enrolled in the event, and where that stands.
    function enrolmentOf(uint256 eventId, bytes32 meterId)
        external
        view
        returns (uint64 enrolledWh, Status status)
    {
        Place storage place = _places[eventId][meterId];
        return (place.enrolledWh, place.status);
    }

    /// @notice The digest that a member signs.
    function hashEnrolment(Enrolment calldata enrolment) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ENROLMENT_TYPEHASH, enrolment)));
    }

    /// @notice The digest that attestors sign: these baselines follow from the event's method.
    function hashBaselines(uint256 eventId, bytes32 baselinesHash) public view returns (bytes32) {
        bytes32 method = _eventOf(eventId).terms.baselineMethod;
        return _hashTypedDataV4(keccak256(abi.encode(BASELINES_TYPEHASH, eventId, method, baselinesHash)));
    }

    /// @dev Proves the readings of each interval.
    function _run(
        uint256 eventId,
        EventTerms memory terms,
        uint256 baselinesLength,
        ProvenReadings[] calldata intervals
    ) private view returns (Run memory run) {
        run.eventId = eventId;
        run.rate = terms.rate;
        run.start = terms.start;
        run.count = (terms.end - terms.start) / intervalSeconds;
        run.stride = BASELINE_HEAD + BASELINE_WORD * run.count;
        run.cursors = new uint256[](run.count);
        if (intervals.length != run.count) revert ReadingsMismatch(intervals.length, run.count);
        if (baselinesLength % run.stride != 0) revert MalformedBaselines(baselinesLength, run.stride);
        for (uint256 i = 0; i < run.count; ++i) {
            oracle.requireReadings(
                _startOf(run, i), intervalSeconds, intervals[i].readings, intervals[i].proof
            );
        }
    }

    /// @dev `baselines` are those of one meter.
    function _settleMeter(
        EventState storage state,
        Run memory run,
        bytes calldata baselines,
        ProvenReadings[] calldata intervals
    ) private {
        bytes32 meterId = baselines.entryAt(0).meterIdOf();
        Place storage place = _places[run.eventId][meterId];
        if (place.status != Status.Enrolled) return;
        place.status = Status.Settled;
        (uint256 baselineWh, uint256 importWh) = _sum(run, meterId, baselines, intervals);
        uint256 reductionWh = Math.min(Math.saturatingSub(baselineWh, importWh), place.enrolledWh);
        uint256 payout = _valueDown(reductionWh, run.rate);
        // payout <= reserve <= reserved <= escrow: see the contract's notice. So the casts hold as well.
        state.reserved -= uint128(_valueDown(place.enrolledWh, run.rate));
        state.escrow -= uint128(payout);
        --state.openEnrolments;
        address owner = meterId.accountOf();
        owed[owner] += payout;
        emit MeterSettled(run.eventId, meterId, owner, baselineWh, importWh, payout);
    }

    /// @dev Sums over the intervals that have a reading of the meter. Moves the cursors.
    function _sum(
        Run memory run,
        bytes32 meterId,
        bytes calldata baselines,
        ProvenReadings[] calldata intervals
    ) private view returns (uint256 baselineWh, uint256 importWh) {
        for (uint256 i = 0; i < run.count; ++i) {
            uint256 entry = _find(run, i, meterId, intervals[i].readings);
            if (entry.isMissing()) {
                if (uint8(intervals[i].proof[0]) != ATTESTED_WITH_GAPS) {
                    revert GapNotAttested(meterId, _startOf(run, i));
                }
                continue;
            }
            uint256 offset = BASELINE_HEAD + BASELINE_WORD * i;
            baselineWh += uint32(bytes4(baselines[offset:offset + BASELINE_WORD]));
            importWh += entry.importOf();
        }
    }

    /// @dev The meter's entry in the list of interval `index`, from the cursor on.
    function _find(Run memory run, uint256 index, bytes32 meterId, bytes calldata readings)
        private
        view
        returns (uint256 entry)
    {
        uint256 cursor = run.cursors[index];
        for (; cursor < readings.length; cursor += ReadingTypes.ENTRY) {
            entry = readings.entryAt(cursor);
            if (entry.meterIdOf() == meterId) {
                run.cursors[index] = cursor;
                return entry;
            }
        }
        revert ReadingNotFound(meterId, _startOf(run, index));
    }

    function _release(uint256 eventId, EventState storage state) private {
        uint256 amount = state.escrow;
        state.released = true;
        state.escrow = 0;
        state.reserved = 0;
        owed[state.sponsor] += amount;
        emit EventReleased(eventId, state.sponsor, amount);
    }

    /// @dev Reverts if the meter is taken for one of the event's intervals; takes it for all of them.
    function _take(bytes32 meterId, EventTerms memory terms) private {
        BitMaps.BitMap storage taken = _taken[meterId];
        for (uint256 time = terms.start; time < terms.end; time += intervalSeconds) {
            uint256 interval = time / intervalSeconds;
            if (taken.get(interval)) revert IntervalTaken(meterId, uint64(time));
            taken.set(interval);
        }
    }

    function _requireTerms(EventTerms calldata terms) private view {
        if (terms.rate == 0) revert ZeroValue("rate");
        if (terms.maxEnrolledWh == 0) revert ZeroValue("maxEnrolledWh");
        if (terms.baselineMethod == bytes32(0)) revert ZeroValue("baselineMethod");
        if (
            terms.start >= terms.end || terms.start % intervalSeconds != 0 || terms.end % intervalSeconds != 0
                || (terms.end - terms.start) / intervalSeconds > MAX_INTERVALS
        ) revert InvalidPeriod(terms.start, terms.end);
        if (terms.enrolBy < block.timestamp || terms.enrolBy >= terms.start) {
            revert InvalidEnrolmentDeadline(terms.enrolBy);
        }
    }

    function _requireMeter(bytes32 meterId, address owner) private view {
        (address signer,, bytes32 y) = registry.keyOf(meterId);
        bool known = signer != address(0) || y != bytes32(0);
        if (!known || !meterId.isGrid() || meterId.accountOf() != owner) {
            revert InvalidMeter(meterId, owner);
        }
    }

    function _eventOf(uint256 eventId) private view returns (EventState storage state) {
        state = _events[eventId];
        if (state.sponsor == address(0)) revert UnknownEvent(eventId);
    }

    function _startOf(Run memory run, uint256 index) private view returns (uint64) {
        return run.start + uint64(index) * intervalSeconds;
    }

    /// @dev Micro-units for energy at a rate, rounded down. Both factors are below 2^64.
    function _valueDown(uint256 energyWh, uint256 rate) private pure returns (uint256) {
        return energyWh * rate / WH_PER_KWH;
    }
}
