// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IParticipantRegistry} from "./IParticipantRegistry.sol";
import {MeterReading} from "../libraries/ReadingTypes.sol";

/// @title Whether a list of readings is proven
/// @notice Lists of readings are packed as `ReadingTypes` says. The first byte of a proof says what it is; signatures have
/// 64 bytes.
/// - 1, attested: all attestors, ascending by address; each is either a byte 1 (any but 0) and its signature over `Attestation`,
///   or a byte 0 and its address (20). At least `threshold` must sign. They vouch that the list is right, in order and without
///   gaps.
/// - 2, signed by the meters: signatures of each reading that is not missing, in order, by the meter's key over
///   `MeterReading`. 64 zero bytes: as submitted with `submitReading`.
/// - 3, attested with gaps: as 1, over `AttestationWithGaps`.
/// With 2 and 3 a reading may be missing only after the interval's end and `readingDeadline`, and only if it was not
/// submitted before.
interface IMeterOracle {
    /// @notice Anybody brought the meter's signed reading, past the operator. Energy in Wh.
    event ReadingSubmitted(
        bytes32 indexed meterId,
        uint64 indexed intervalStart,
        uint32 intervalSeconds,
        uint64 importWh,
        uint64 exportWh,
        bytes signature
    );

    /// @notice The meter signed this reading too, though another one stands. Evidence; nothing else follows.
    event MeterEquivocated(
        bytes32 indexed meterId,
        uint64 indexed intervalStart,
        uint32 intervalSeconds,
        uint64 importWh,
        uint64 exportWh,
        bytes signature
    );

    /// @notice The attestors signed a list that says of this meter what its own signature contradicts, or names a
    /// meter that nobody registered. Evidence; nothing else follows, for a meter may sign two readings.
    event AttestationDisproved(uint64 indexed intervalStart, bytes32 indexed meterId, address[] attestors);

    /// @notice `field` must not be zero.
    error ZeroValue(string field);

    /// @notice A list of readings has 30 bytes for each of them.
    error MalformedReadings(uint256 length);

    /// @notice Proofs are of the kinds 1 to 3, and only those of attestors can be disproved.
    error UnknownProof(uint256 kind);

    /// @notice There are more or fewer signatures than needed, or a part of one.
    error MalformedSignatures(uint256 length);

    /// @notice `given` signatures; `threshold` needed.
    error TooFewAttestors(uint256 given, uint256 threshold);

    /// @notice These are not all attestors in ascending order; zero stands for what is no signature.
    error NotTheAttestors(address[] given);

    /// @notice Nobody registered this meter.
    error UnknownMeter(bytes32 meterId);

    /// @notice The reading is not signed by the meter's key.
    error InvalidReading(bytes32 meterId);

    /// @notice The reading counts as awaited until `until`.
    error ReadingAwaited(bytes32 meterId, uint256 until);

    /// @notice The reading said to be missing was submitted.
    error ReadingNotMissing(bytes32 meterId);

    /// @notice A missing reading has no energy.
    error MissingReadingHasEnergy(bytes32 meterId);

    /// @notice This is not what was submitted for the meter and interval; maybe nothing was.
    error NotAsSubmitted(bytes32 meterId);

    /// @notice Delivery ends at `endsAt`; there is no reading before.
    error IntervalNotEnded(uint64 intervalStart, uint256 endsAt);

    /// @notice Submissions for the interval closed at `until`.
    error SubmissionClosed(uint64 intervalStart, uint256 until);

    /// @notice Readings are below 2^32 Wh.
    error ReadingTooLarge(bytes32 meterId);

    /// @notice The list has no entry `index`.
    error NoSuchEntry(uint256 index);

    /// @notice Nothing contradicts what the list says of the meter.
    error NotDisproved(bytes32 meterId);

    /// @notice Reverts unless the list of readings is proven for the interval.
    /// @dev The caller checks the list's order, and that the interval is over.
    function requireReadings(
        uint64 intervalStart,
        uint32 intervalSeconds,
        bytes calldata readings,
        bytes calldata proof
    ) external view;

    /// @notice Reverts unless at least `threshold` attestors signed the digest.
    /// @param attestations As in a proof of kind 1, without its first byte.
    function requireAttested(bytes32 digest, bytes calldata attestations) external view;

    /// @notice All accounts with the attestors' role, ascending.
    function attestors() external view returns (address[] memory);

    /// @notice Keeps a meter's signed reading, so that nobody can withhold it. For anybody, from the interval's end
    /// to `readingDeadline` after it. The first one stands; another one is evidence against the meter.
    function submitReading(
        bytes32 meterId,
        uint64 intervalStart,
        uint32 intervalSeconds,
        uint64 importWh,
        uint64 exportWh,
        bytes calldata signature
    ) external;

    /// @notice Shows that attestors, at least one, signed a wrong entry `index` of a list: of a meter that nobody
    /// registered; missing from a list without gaps; missing although it was submitted; or not `reading`, which is
    /// signed by the meter's key (empty `signature`: which was submitted).
    /// @param proof Of kind 1 or 3.
    /// @param reading Names the interval in any case.
    function disprove(
        bytes calldata readings,
        bytes calldata proof,
        uint256 index,
        MeterReading calldata reading,
        bytes calldata signature
    ) external;

    /// @notice What was submitted for the meter and interval, and when (0: nothing was).
    function submitted(bytes32 meterId, uint64 intervalStart, uint32 intervalSeconds)
        external
        view
        returns (uint64 importWh, uint64 exportWh, uint64 submittedAt);

    /// @notice The digest that a meter signs.
    function hashReading(MeterReading calldata reading) external view returns (bytes32);

    /// @notice The digest that attestors sign.
    /// @param gaps Whether readings are missing from the list.
    function hashAttestation(uint64 intervalStart, uint32 intervalSeconds, bytes32 readingsHash, bool gaps)
        external
        view
        returns (bytes32);

    /// @notice Seconds after an interval's end until which a reading counts as awaited.
    function readingDeadline() external view returns (uint32);

    /// @notice Attestors that must sign.
    function threshold() external view returns (uint8);

    /// @notice Accounts, meters and meter keys.
    function registry() external view returns (IParticipantRegistry);
}
