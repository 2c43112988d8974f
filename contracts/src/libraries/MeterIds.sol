// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What a meter's id says
/// @notice `meterId` = account (20 bytes) ‖ number (12 bytes). Numbers below 0x4000 are grid meters, whose import
/// and export are settled; from 0x4000 to 0x7fff generation meters, whose export is certified. Bit 15 marks a
/// missing reading in packed lists, so no number has it.
library MeterIds {
    /// @notice First number of a generation meter.
    uint16 internal constant FIRST_GENERATION = 0x4000;
    /// @notice One more than the last number.
    uint16 internal constant END = 0x8000;

    /// @notice Id of the account's meter `number`.
    function idOf(address account, uint16 number) internal pure returns (bytes32) {
        return bytes32(bytes20(account)) | bytes32(uint256(number));
    }

    /// @notice The account that the meter belongs to, by its id alone.
    function accountOf(bytes32 meterId) internal pure returns (address) {
        return address(bytes20(meterId));
    }

    /// @notice The meter's number; `END` or more in an id that no meter has.
    function numberOf(bytes32 meterId) internal pure returns (uint96) {
        return uint96(uint256(meterId));
    }

    /// @notice Whether the id is one of a grid meter.
    function isGrid(bytes32 meterId) internal pure returns (bool) {
        return numberOf(meterId) < FIRST_GENERATION;
    }

    /// @notice Whether the id is one of a generation meter.
    function isGeneration(bytes32 meterId) internal pure returns (bool) {
        uint96 number = numberOf(meterId);
        return number >= FIRST_GENERATION && number < END;
    }
}
