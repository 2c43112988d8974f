// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {DisjointRoles} from "./DisjointRoles.sol";
import {IMeterOracle} from "./interfaces/IMeterOracle.sol";
import {IParticipantRegistry} from "./interfaces/IParticipantRegistry.sol";
import {MeterReading, ReadingTypes} from "./libraries/ReadingTypes.sol";

/// @title Proofs of meter readings
/// @notice A list of readings is proven by k of n attestors at once, or by the key of each meter. Whoever holds a
/// meter's signed reading can put it here, and can show that attestors signed something else.
/// @dev A reading is judged by the key that the registry names when it is judged. Meters with P-256 keys need the
/// precompile at 0x100 (EIP-7951); without it their readings are refused with `MissingPrecompile`, and
/// attestors can still vouch for them.
contract MeterOracle is IMeterOracle, DisjointRoles, EIP712 {
    using ReadingTypes for bytes;
    using ReadingTypes for uint256;
    using ReadingTypes for MeterReading;

    struct Submission {
        uint32 importWh;
        uint32 exportWh;
        uint64 submittedAt;
    }

    /// @notice May vouch for readings and baselines.
    bytes32 public constant ATTESTOR_ROLE = keccak256("ATTESTOR_ROLE");
    /// @notice First byte of a proof: attestors, no reading missing.
    uint256 public constant ATTESTED = 1;
    /// @notice First byte of a proof: the meters.
    uint256 public constant METER_SIGNED = 2;
    /// @notice First byte of a proof: attestors, readings missing.
    uint256 public constant ATTESTED_WITH_GAPS = 3;

    /// @inheritdoc IMeterOracle
    IParticipantRegistry public immutable registry;
    /// @inheritdoc IMeterOracle
    uint8 public immutable threshold;
    /// @inheritdoc IMeterOracle
    uint32 public immutable readingDeadline;

    mapping(bytes32 meterId => mapping(uint256 interval => Submission)) private _submissions;
    /// @dev All accounts with the attestors' role, ascending; and keccak256(abi.encodePacked()) of that, a word each.
    address[] private _attestors;
    bytes32 private _attestorsHash;

    /// @param registry_ Accounts, meters and meter keys.
    /// @param admin Grants and revokes the attestors' role; should be a timelock.
    /// @param threshold_ Attestors that must sign.
    /// @param readingDeadline_ Seconds after an interval's end.
    constructor(IParticipantRegistry registry_, address admin, uint8 threshold_, uint32 readingDeadline_)
        DisjointRoles(admin)
        EIP712("Commonwatt", "1")
    {
        if (address(registry_) == address(0)) revert ZeroValue("registry");
        if (threshold_ == 0) revert ZeroValue("threshold");
        registry = registry_;
        threshold = threshold_;
        readingDeadline = readingDeadline_;
    }

    /// @inheritdoc IMeterOracle
    function requireReadings(
        uint64 intervalStart,
        uint32 intervalSeconds,
        bytes calldata readings,
        bytes calldata proof
    ) external view {
        if (readings.length % ReadingTypes.ENTRY != 0) {
            revert MalformedReadings(readings.length);
        }
        uint256 kind = _kindOf(proof);
        if (kind == METER_SIGNED) {
            _requireMeters(intervalStart, intervalSeconds, readings, proof[1:]);
            return;
        }
        if (kind == ATTESTED_WITH_GAPS) _requireGaps(intervalStart, intervalSeconds, readings);
        else if (kind != ATTESTED) revert UnknownProof(kind);
        bytes32 readingsHash;
        assembly ("memory-safe") {
            let list := mload(0x40)
            calldatacopy(list, readings.offset, readings.length)
            readingsHash := keccak256(list, readings.length)
        }
        bytes32 digest =
            hashAttestation(intervalStart, intervalSeconds, readingsHash, kind == ATTESTED_WITH_GAPS);
        _requireAttestors(digest, proof[1:], threshold);
    }

    /// @inheritdoc IMeterOracle
    function requireAttested(bytes32 digest, bytes calldata attestations) external view {
        _requireAttestors(digest, attestations, threshold);
    }

    /// @inheritdoc IMeterOracle
    function submitReading(
        bytes32 meterId,
        uint64 intervalStart,
        uint32 intervalSeconds,
        uint64 importWh,
        uint64 exportWh,
        bytes calldata signature
    ) external {
        uint256 endsAt = uint256(intervalStart) + intervalSeconds;
        if (block.timestamp < endsAt) revert IntervalNotEnded(intervalStart, endsAt);
        // No list could carry it: it could neither be settled nor be missing.
        if ((importWh | exportWh) > type(uint32).max) revert ReadingTooLarge(meterId);
        _requireSigned(MeterReading(meterId, intervalStart, intervalSeconds, importWh, exportWh), signature);
        Submission storage submission = _submissions[meterId][_key(intervalStart, intervalSeconds)];
        if (submission.submittedAt == 0) {
            uint256 until = endsAt + readingDeadline;
            if (block.timestamp > until) revert SubmissionClosed(intervalStart, until);
            submission.importWh = uint32(importWh);
            submission.exportWh = uint32(exportWh);
            submission.submittedAt = uint64(block.timestamp);
            emit ReadingSubmitted(meterId, intervalStart, intervalSeconds, importWh, exportWh, signature);
        } else if (submission.importWh != importWh || submission.exportWh != exportWh) {
            emit MeterEquivocated(meterId, intervalStart, intervalSeconds, importWh, exportWh, signature);
        }
    }

    /// @inheritdoc IMeterOracle
    /// @dev Only accounts that are attestors now are named: evidence must come before their role is revoked.
    function disprove(
        bytes calldata readings,
        bytes calldata proof,
        uint256 index,
        MeterReading calldata reading,
        bytes calldata signature
    ) external {
        uint256 kind = _kindOf(proof);
        if (kind != ATTESTED && kind != ATTESTED_WITH_GAPS) revert UnknownProof(kind);
        if (index >= readings.length / ReadingTypes.ENTRY) revert NoSuchEntry(index);
        bytes32 digest = hashAttestation(
            reading.intervalStart, reading.intervalSeconds, keccak256(readings), kind == ATTESTED_WITH_GAPS
        );
        _requireAttestors(digest, proof[1:], 1);
        uint256 entry = readings.entryAt(index * ReadingTypes.ENTRY);
        bytes32 meterId = entry.meterIdOf();
        if (!_contradicts(entry, kind, reading, signature)) revert NotDisproved(meterId);
        emit AttestationDisproved(reading.intervalStart, meterId, _signers(digest, proof[1:]));
    }

    /// @inheritdoc IMeterOracle
    function submitted(bytes32 meterId, uint64 intervalStart, uint32 intervalSeconds)
        external
        view
        returns (uint64 importWh, uint64 exportWh, uint64 submittedAt)
    {
        Submission storage submission = _submissions[meterId][_key(intervalStart, intervalSeconds)];
        return (submission.importWh, submission.exportWh, submission.submittedAt);
    }

    /// @inheritdoc IMeterOracle
    function hashReading(MeterReading memory reading) public view returns (bytes32) {
        return _hashTypedDataV4(reading.hash());
    }

    /// @inheritdoc IMeterOracle
    function hashAttestation(uint64 intervalStart, uint32 intervalSeconds, bytes32 readingsHash, bool gaps)
        public
        view
        returns (bytes32)
    {
        bytes32 typehash =
            gaps ? ReadingTypes.ATTESTATION_WITH_GAPS_TYPEHASH : ReadingTypes.ATTESTATION_TYPEHASH;
        bytes32 structHash;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typehash)
            mstore(add(words, 32), intervalStart)
            mstore(add(words, 64), intervalSeconds)
            mstore(add(words, 96), readingsHash)
            structHash := keccak256(words, 128)
        }
        return _hashTypedDataV4(structHash);
    }

    /// @inheritdoc IMeterOracle
    function attestors() external view returns (address[] memory) {
        return _attestors;
    }

    /// @inheritdoc DisjointRoles
    function _grantRole(bytes32 role, address account) internal override returns (bool granted) {
        granted = super._grantRole(role, account);
        if (granted && role == ATTESTOR_ROLE) {
            // It would have signed whatever is no signature.
            if (account == address(0)) revert ZeroValue("attestor");
            address[] memory before = _attestors;
            address[] memory all = new address[](before.length + 1);
            for (uint256 i = 0; i < before.length; ++i) {
                all[i] = before[i];
            }
            all[before.length] = account;
            _setAttestors(Arrays.sort(all));
        }
    }

    /// @inheritdoc DisjointRoles
    function _revokeRole(bytes32 role, address account) internal override returns (bool revoked) {
        revoked = super._revokeRole(role, account);
        if (revoked && role == ATTESTOR_ROLE) {
            address[] memory before = _attestors;
            address[] memory all = new address[](before.length - 1);
            uint256 kept = 0;
            for (uint256 i = 0; i < before.length; ++i) {
                if (before[i] != account) all[kept++] = before[i];
            }
            _setAttestors(all);
        }
    }

    function _setAttestors(address[] memory all) private {
        _attestors = all;
        _attestorsHash = keccak256(abi.encodePacked(all));
    }

    /// @dev Reverts unless the list names exactly the attestors, and at least `needed` of them signed.
    function _requireAttestors(bytes32 digest, bytes calldata attestations, uint256 needed) private view {
        (address[] memory all, uint256 count) = _attestorsIn(digest, attestations);
        bytes32 hash;
        assembly ("memory-safe") {
            hash := keccak256(add(all, 32), shl(5, mload(all)))
        }
        if (hash != _attestorsHash) revert NotTheAttestors(all);
        if (count < needed) revert TooFewAttestors(count, needed);
    }

    /// @dev Reads a list of attestors, each of which is either 1 and its signature, or 0 and its address.
    /// @return all Who they are; zero for what is no signature.
    /// @return count How many have signed.
    function _attestorsIn(bytes32 digest, bytes calldata attestations)
        private
        view
        returns (address[] memory all, uint256 count)
    {
        bool malformed;
        assembly ("memory-safe") {
            // The input of ecrecover, then the array
            let input := mload(0x40)
            mstore(input, digest)
            all := add(input, 128)
            let last := all
            let cursor := attestations.offset
            let end := add(cursor, attestations.length)
            for {} lt(cursor, end) {} {
                last := add(last, 32)
                switch byte(0, calldataload(cursor))
                case 0 {
                    mstore(last, shr(96, calldataload(add(cursor, 1))))
                    cursor := add(cursor, 21)
                }
                default {
                    let vs := calldataload(add(cursor, 33))
                    mstore(add(input, 32), add(27, shr(255, vs)))
                    mstore(add(input, 64), calldataload(add(cursor, 1)))
                    mstore(add(input, 96), shr(1, shl(1, vs)))
                    mstore(last, 0)
                    pop(staticcall(gas(), 1, input, 128, last, 32))
                    count := add(count, 1)
                    cursor := add(cursor, 65)
                }
            }
            malformed := sub(cursor, end)
            mstore(all, shr(5, sub(last, all)))
            mstore(0x40, add(last, 32))
        }
        if (malformed) revert MalformedSignatures(attestations.length);
    }

    /// @dev Reverts unless each reading is signed by its meter, was submitted, or may be missing.
    function _requireMeters(
        uint64 intervalStart,
        uint32 intervalSeconds,
        bytes calldata readings,
        bytes calldata signatures
    ) private view {
        bytes32 domain = _domainSeparatorV4();
        // The struct as EIP-712 encodes it; the meter and its registers change from entry to entry.
        bytes32[6] memory words;
        words[0] = ReadingTypes.METER_READING_TYPEHASH;
        words[2] = bytes32(uint256(intervalStart));
        words[3] = bytes32(uint256(intervalSeconds));
        uint256 used = 0;
        for (uint256 offset = 0; offset < readings.length;) {
            uint256 entry = readings.entryAt(offset);
            unchecked {
                offset += ReadingTypes.ENTRY; // at most the length of calldata
            }
            if (entry.isMissing()) {
                _requireMissing(entry, intervalStart, intervalSeconds);
                continue;
            }
            // This may read beyond the end: then `used` exceeds the length, and the check after the loop refuses.
            (bytes32 r, bytes32 s) = _signatureAt(signatures, used);
            unchecked {
                used += ReadingTypes.SIGNATURE; // 64 bytes for every 30 of calldata
            }
            if (r | s == bytes32(0)) {
                _requireSubmitted(entry, intervalStart, intervalSeconds);
                continue;
            }
            _requireEntry(domain, words, entry, r, s);
        }
        if (used != signatures.length) revert MalformedSignatures(signatures.length);
    }

    /// @dev Reverts unless the entry is signed by its meter. Writes its part of `words`.
    function _requireEntry(bytes32 domain, bytes32[6] memory words, uint256 entry, bytes32 r, bytes32 s)
        private
        view
    {
        bytes32 meterId = entry.meterIdOf();
        words[1] = meterId;
        words[4] = bytes32(uint256(entry.importOf()));
        words[5] = bytes32(uint256(entry.exportOf()));
        bytes32 structHash;
        assembly ("memory-safe") {
            structHash := keccak256(words, 192)
        }
        _requireKey(meterId, MessageHashUtils.toTypedDataHash(domain, structHash), r, s);
    }

    /// @dev Reverts unless each reading that is missing may be.
    function _requireGaps(uint64 intervalStart, uint32 intervalSeconds, bytes calldata readings)
        private
        view
    {
        uint256 length = readings.length;
        for (uint256 offset = 0; offset < length;) {
            uint256 entry = readings.entryAt(offset);
            if (entry.isMissing()) _requireMissing(entry, intervalStart, intervalSeconds);
            unchecked {
                offset += ReadingTypes.ENTRY; // at most the length of calldata
            }
        }
    }

    /// @dev Reverts unless the deadline has passed and nothing was submitted. The meter must be known: else
    /// whoever makes the list could invent meters.
    function _requireMissing(uint256 entry, uint64 intervalStart, uint32 intervalSeconds) private view {
        bytes32 meterId = entry.meterIdOf();
        uint256 until = uint256(intervalStart) + intervalSeconds + readingDeadline;
        if (block.timestamp <= until) revert ReadingAwaited(meterId, until);
        if (entry.importOf() | entry.exportOf() != 0) revert MissingReadingHasEnergy(meterId);
        if (_submissions[meterId][_key(intervalStart, intervalSeconds)].submittedAt != 0) {
            revert ReadingNotMissing(meterId);
        }
        if (!_isKnown(meterId)) revert UnknownMeter(meterId);
    }

    function _requireSubmitted(uint256 entry, uint64 intervalStart, uint32 intervalSeconds) private view {
        bytes32 meterId = entry.meterIdOf();
        if (!_isSubmitted(meterId, intervalStart, intervalSeconds, entry.importOf(), entry.exportOf())) {
            revert NotAsSubmitted(meterId);
        }
    }

    function _requireSigned(MeterReading memory reading, bytes calldata signature) private view {
        if (signature.length != ReadingTypes.SIGNATURE) revert MalformedSignatures(signature.length);
        (bytes32 r, bytes32 s) = _signatureAt(signature, 0);
        _requireKey(reading.meterId, hashReading(reading), r, s);
    }

    /// @dev Reverts unless the meter's key signed the digest. Both checks refuse a high `s`.
    function _requireKey(bytes32 meterId, bytes32 digest, bytes32 r, bytes32 s) private view {
        (address key, bytes32 x, bytes32 y) = registry.keyOf(meterId);
        if (key != address(0)) {
            // A failed recovery gives zero.
            if (_recover(digest, r, s) != key) revert InvalidReading(meterId);
        } else {
            if (y == bytes32(0)) revert UnknownMeter(meterId);
            if (!P256.verifyNative(digest, r, s, x, y)) revert InvalidReading(meterId);
        }
    }

    /// @dev Whether the entry is wrong, by itself or by `reading`. A missing reading that the meter signed but nobody
    /// submitted does not tell: the meter may have signed it too late.
    function _contradicts(
        uint256 entry,
        uint256 kind,
        MeterReading calldata reading,
        bytes calldata signature
    ) private view returns (bool) {
        bytes32 meterId = entry.meterIdOf();
        if (!_isKnown(meterId)) return true;
        if (entry.isMissing()) {
            uint256 interval = _key(reading.intervalStart, reading.intervalSeconds);
            return kind == ATTESTED || _submissions[meterId][interval].submittedAt != 0;
        }
        bool same = reading.importWh == entry.importOf() && reading.exportWh == entry.exportOf();
        if (same || reading.meterId != meterId) return false;
        if (signature.length == 0) {
            return _isSubmitted(
                meterId, reading.intervalStart, reading.intervalSeconds, reading.importWh, reading.exportWh
            );
        }
        _requireSigned(reading, signature);
        return true;
    }

    function _isSubmitted(
        bytes32 meterId,
        uint64 intervalStart,
        uint32 intervalSeconds,
        uint64 importWh,
        uint64 exportWh
    ) private view returns (bool) {
        Submission storage submission = _submissions[meterId][_key(intervalStart, intervalSeconds)];
        return
            submission.submittedAt != 0 && submission.importWh == importWh && submission.exportWh == exportWh;
    }

    function _isKnown(bytes32 meterId) private view returns (bool) {
        (address key,, bytes32 y) = registry.keyOf(meterId);
        return key != address(0) || y != bytes32(0);
    }

    function _signers(bytes32 digest, bytes calldata attestations)
        private
        view
        returns (address[] memory signers)
    {
        uint256 count;
        (signers, count) = _attestorsIn(digest, attestations);
        uint256 cursor = 0;
        uint256 found = 0;
        for (uint256 i = 0; found < count; ++i) {
            bool signed = attestations[cursor] != 0;
            if (signed) signers[found++] = signers[i];
            cursor += signed ? 65 : 21;
        }
        assembly ("memory-safe") {
            mstore(signers, count)
        }
    }

    /// @dev Signer of an EIP-2098 signature with a low `s`; zero when it is none.
    function _recover(bytes32 digest, bytes32 r, bytes32 vs) private pure returns (address signer) {
        (signer,,) = ECDSA.tryRecover(digest, r, vs);
    }

    function _signatureAt(bytes calldata signatures, uint256 offset)
        private
        pure
        returns (bytes32 first, bytes32 second)
    {
        assembly ("memory-safe") {
            first := calldataload(add(signatures.offset, offset))
            second := calldataload(add(add(signatures.offset, offset), 32))
        }
    }

    /// @dev 0 for an empty proof.
    function _kindOf(bytes calldata proof) private pure returns (uint256) {
        return proof.length == 0 ? 0 : uint8(proof[0]);
    }

    /// @dev Readings of intervals of different lengths stand beside each other.
    function _key(uint64 intervalStart, uint32 intervalSeconds) private pure returns (uint256) {
        return uint256(intervalStart) << 32 | intervalSeconds;
    }
}
