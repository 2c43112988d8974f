// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Energy through one meter in one delivery interval, in Wh; both registers count upwards.
struct MeterReading {
    bytes32 meterId;
    uint64 intervalStart;
    uint32 intervalSeconds;
    uint64 importWh;
    uint64 exportWh;
}

/// @title EIP-712 types of what meters and attestors sign, and the packed list of readings
/// @notice A list has 30 bytes a reading: account (20) ‖ number (2) ‖ importWh (4) ‖ exportWh (4), strictly
/// increasing by account and number. Bit 15 of the number says that the reading is missing; then both
/// registers are 0.
/// @dev Every member is a static type, so `abi.encode` of the struct is its EIP-712 encoding.
library ReadingTypes {
    /// @notice Bytes of a reading in a list.
    uint256 internal constant ENTRY = 30;
    /// @notice Bytes of a signature: EIP-2098 `r ‖ vs` of secp256k1, `r ‖ s` of P-256.
    uint256 internal constant SIGNATURE = 64;

    bytes32 internal constant METER_READING_TYPEHASH = keccak256(
        "MeterReading(bytes32 meterId,uint64 intervalStart,uint32 intervalSeconds,uint64 importWh,uint64 exportWh)"
    );
    /// @dev A list in which no reading is missing.
    bytes32 internal constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(uint64 intervalStart,uint32 intervalSeconds,bytes32 readingsHash)");
    /// @dev A list in which readings are missing.
    bytes32 internal constant ATTESTATION_WITH_GAPS_TYPEHASH =
        keccak256("AttestationWithGaps(uint64 intervalStart,uint32 intervalSeconds,bytes32 readingsHash)");

    function hash(MeterReading memory reading) internal pure returns (bytes32) {
        return keccak256(abi.encode(METER_READING_TYPEHASH, reading));
    }

    /// @notice The word whose first 30 bytes are the list's entry at `offset`.
    /// @dev The caller keeps `offset` inside the list. The last two bytes are whatever follows.
    function entryAt(bytes calldata readings, uint256 offset) internal pure returns (uint256 entry) {
        assembly ("memory-safe") {
            entry := calldataload(add(readings.offset, offset))
        }
    }

    /// @notice Id of the entry's meter.
    function meterIdOf(uint256 entry) internal pure returns (bytes32) {
        return bytes32((entry >> 96 << 96) | (entry >> 80 & 0x7fff));
    }

    /// @notice Whether the entry says that there is no reading.
    function isMissing(uint256 entry) internal pure returns (bool) {
        return entry >> 95 & 1 != 0;
    }

    /// @notice Energy that the meter imported, in Wh.
    function importOf(uint256 entry) internal pure returns (uint32) {
        return uint32(entry >> 48);
    }

    /// @notice Energy that the meter exported, in Wh.
    function exportOf(uint256 entry) internal pure returns (uint32) {
        return uint32(entry >> 16);
    }
}
