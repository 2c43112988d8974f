// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Who a meter belongs to and which key signs its readings
interface IParticipantRegistry {
    /// @notice A grid meter now belongs, for good, to `account`; `key` signs its readings.
    event MeterRegistered(address indexed account, bytes32 indexed meterId, address key);

    /// @notice The meter's readings are signed by `key` from now on.
    event MeterKeyChanged(bytes32 indexed meterId, address key);

    /// @notice `field` must not be zero.
    error ZeroValue(string field);

    /// @notice The meter already belongs to `account`.
    error MeterTaken(bytes32 meterId, address account);

    /// @notice No account has this meter.
    error UnknownMeter(bytes32 meterId);

    /// @notice Binds `meterId` to `account` for good. An account may have several meters.
    function register(address account, bytes32 meterId, address meterKey) external;

    /// @notice Replaces the key that signs the meter's readings.
    function setMeterKey(bytes32 meterId, address meterKey) external;

    /// @notice The meter's account and key; zero addresses when it is unknown.
    function meters(bytes32 meterId) external view returns (address account, address key);
}
