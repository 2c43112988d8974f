// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {DisjointRoles} from "./DisjointRoles.sol";
import {IParticipantRegistry, Key} from "./interfaces/IParticipantRegistry.sol";
import {MeterIds} from "./libraries/MeterIds.sol";

/// @title Registry of accounts, meters and meter keys
/// @notice The registrar vouches for the device in the cellar: that it is the account's and holds the key. It
/// cannot move a meter to another account, nor exchange a key unseen: either the owner agrees, or the
/// new key waits for `keyNotice`, in which the owner can refuse it.
/// @dev An owner alone cannot exchange a key: it could sign its own readings with it. A reading is judged by the key
/// in force when it is judged, not when it was signed.
contract ParticipantRegistry is IParticipantRegistry, DisjointRoles, EIP712 {
    using MeterIds for bytes32;

    /// @dev One word. The P-256 point of a meter without `signer` lies in `_points`.
    struct Meter {
        address signer;
        bool known;
        uint40 consents;
        uint48 scheduledFrom; // 0: nothing scheduled; else `_scheduled` counts from then on
    }

    struct Point {
        bytes32 x;
        bytes32 y;
    }

    /// @notice May register meters and replace their keys.
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");
    /// @notice EIP-712 type of an owner's consent to a key.
    bytes32 public constant METER_KEY_TYPEHASH =
        keccak256("MeterKey(bytes32 meterId,address signer,bytes32 x,bytes32 y,uint64 nonce)");

    /// @inheritdoc IParticipantRegistry
    uint32 public immutable keyNotice;

    /// @inheritdoc IParticipantRegistry
    mapping(address account => bool) public isParticipant;

    mapping(bytes32 meterId => Meter) private _meters;
    mapping(bytes32 meterId => Point) private _points;
    mapping(bytes32 meterId => Key) private _scheduled;

    /// @param admin Grants and revokes the registrar's role; should be a timelock.
    /// @param keyNotice_ Seconds; long enough for an owner to notice and to refuse.
    constructor(address admin, uint32 keyNotice_) DisjointRoles(admin) EIP712("Commonwatt", "1") {
        if (keyNotice_ == 0) revert ZeroValue("keyNotice");
        keyNotice = keyNotice_;
    }

    /// @inheritdoc IParticipantRegistry
    function register(address account, uint16 number, Key calldata key)
        external
        onlyRole(REGISTRAR_ROLE)
        returns (bytes32 meterId)
    {
        if (account == address(0)) revert ZeroValue("account");
        if (number >= MeterIds.END) revert InvalidMeterNumber(number);
        _requireValid(key);
        meterId = MeterIds.idOf(account, number);
        if (_meters[meterId].known) revert MeterTaken(meterId);
        _meters[meterId].known = true;
        isParticipant[account] = true;
        _setKey(meterId, key);
        emit MeterRegistered(account, meterId, key);
    }

    /// @inheritdoc IParticipantRegistry
    function replaceKey(bytes32 meterId, Key calldata key, bytes calldata consent)
        external
        onlyRole(REGISTRAR_ROLE)
    {
        _requireKnown(meterId);
        _requireValid(key);
        uint40 nonce = _meters[meterId].consents;
        bytes32 digest = hashMeterKey(meterId, key, nonce);
        if (!SignatureChecker.isValidSignatureNowCalldata(meterId.accountOf(), digest, consent)) {
            revert InvalidConsent(meterId, nonce);
        }
        _meters[meterId].consents = nonce + 1;
        _unschedule(meterId);
        _setKey(meterId, key);
        emit MeterKeyChanged(meterId, key);
    }

    /// @inheritdoc IParticipantRegistry
    function scheduleKey(bytes32 meterId, Key calldata key) external onlyRole(REGISTRAR_ROLE) {
        _requireKnown(meterId);
        _requireValid(key);
        Meter storage meter = _meters[meterId];
        // What is due is in force already; only what is not may be dropped.
        if (_isDue(meter.scheduledFrom)) _setKey(meterId, _scheduled[meterId]);
        uint48 effectiveAt = uint48(block.timestamp + keyNotice);
        meter.scheduledFrom = effectiveAt;
        _scheduled[meterId] = key;
        emit MeterKeyScheduled(meterId, key, effectiveAt);
    }

    /// @inheritdoc IParticipantRegistry
    function vetoKey(bytes32 meterId) external {
        if (msg.sender != meterId.accountOf()) revert NotMeterOwner(meterId, msg.sender);
        uint48 scheduledFrom = _meters[meterId].scheduledFrom;
        if (scheduledFrom == 0 || _isDue(scheduledFrom)) revert NothingScheduled(meterId);
        _unschedule(meterId);
        emit MeterKeyVetoed(meterId);
    }

    /// @inheritdoc IParticipantRegistry
    function keyOf(bytes32 meterId) external view returns (address signer, bytes32 x, bytes32 y) {
        Meter storage meter = _meters[meterId];
        (address current, bool known, uint48 scheduledFrom) = (meter.signer, meter.known, meter.scheduledFrom);
        if (_isDue(scheduledFrom)) {
            Key storage key = _scheduled[meterId];
            return (key.signer, key.x, key.y);
        }
        if (current == address(0) && known) {
            Point storage point = _points[meterId];
            return (address(0), point.x, point.y);
        }
        return (current, 0, 0);
    }

    /// @inheritdoc IParticipantRegistry
    function scheduledKeyOf(bytes32 meterId) external view returns (Key memory key, uint64 effectiveAt) {
        uint48 scheduledFrom = _meters[meterId].scheduledFrom;
        if (scheduledFrom == 0 || _isDue(scheduledFrom)) return (key, 0);
        return (_scheduled[meterId], scheduledFrom);
    }

    /// @inheritdoc IParticipantRegistry
    function consentNonce(bytes32 meterId) external view returns (uint64) {
        return _meters[meterId].consents;
    }

    /// @inheritdoc IParticipantRegistry
    function hashMeterKey(bytes32 meterId, Key calldata key, uint64 nonce) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(abi.encode(METER_KEY_TYPEHASH, meterId, key.signer, key.x, key.y, nonce))
            );
    }

    function _setKey(bytes32 meterId, Key memory key) private {
        _meters[meterId].signer = key.signer;
        if (key.signer == address(0)) _points[meterId] = Point(key.x, key.y);
    }

    function _unschedule(bytes32 meterId) private {
        _meters[meterId].scheduledFrom = 0;
        delete _scheduled[meterId];
    }

    function _isDue(uint48 scheduledFrom) private view returns (bool) {
        return scheduledFrom != 0 && block.timestamp >= scheduledFrom;
    }

    function _requireKnown(bytes32 meterId) private view {
        if (!_meters[meterId].known) revert UnknownMeter(meterId);
    }

    function _requireValid(Key calldata key) private pure {
        bool valid = key.signer == address(0)
            ? P256.isValidPublicKey(key.x, key.y)
            : key.x == bytes32(0) && key.y == bytes32(0);
        if (!valid) revert InvalidKey(key);
    }
}
