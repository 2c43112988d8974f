// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IParticipantRegistry} from "./interfaces/IParticipantRegistry.sol";

/// @title Registry of accounts, meters and meter keys
/// @notice The registrar vouches for the meter in the cellar: that it belongs to the account and holds the key.
contract ParticipantRegistry is IParticipantRegistry, AccessControl {
    /// @notice May register meters and replace their keys.
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");

    struct Meter {
        address account;
        address key;
    }

    /// @inheritdoc IParticipantRegistry
    mapping(bytes32 meterId => Meter) public meters;

    /// @param admin Grants and revokes the registrar's role.
    constructor(address admin) {
        if (admin == address(0)) revert ZeroValue("admin");
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IParticipantRegistry
    function register(address account, bytes32 meterId, address meterKey) external onlyRole(REGISTRAR_ROLE) {
        if (account == address(0)) revert ZeroValue("account");
        if (meterId == bytes32(0)) revert ZeroValue("meterId");
        if (meterKey == address(0)) revert ZeroValue("meterKey");
        Meter storage meter = meters[meterId];
        if (meter.account != address(0)) revert MeterTaken(meterId, meter.account);
        meter.account = account;
        meter.key = meterKey;
        emit MeterRegistered(account, meterId, meterKey);
    }

    /// @inheritdoc IParticipantRegistry
    function setMeterKey(bytes32 meterId, address meterKey) external onlyRole(REGISTRAR_ROLE) {
        if (meterKey == address(0)) revert ZeroValue("meterKey");
        Meter storage meter = meters[meterId];
        if (meter.account == address(0)) revert UnknownMeter(meterId);
        meter.key = meterKey;
        emit MeterKeyChanged(meterId, meterKey);
    }
}
