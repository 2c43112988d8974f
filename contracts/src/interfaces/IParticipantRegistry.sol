// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A meter's public key: either `signer`, the address of a secp256k1 key, or the point (`x`, `y`) of a
/// P-256 key. The other part is zero.
struct Key {
    address signer;
    bytes32 x;
    bytes32 y;
}

/// @title Who a meter belongs to and which key signs its readings
interface IParticipantRegistry {
    /// @notice The meter belongs to `account`, for good, and `key` signs its readings.
    event MeterRegistered(address indexed account, bytes32 indexed meterId, Key key);

    /// @notice From now on `key` signs the meter's readings, as its owner agreed. A scheduled key is dropped.
    event MeterKeyChanged(bytes32 indexed meterId, Key key);

    /// @notice `key` signs the meter's readings from `effectiveAt` on, unless the owner vetoes it before, or
    /// another key is scheduled or agreed on before. No other event is emitted when it takes effect.
    event MeterKeyScheduled(bytes32 indexed meterId, Key key, uint64 effectiveAt);

    /// @notice The owner refused the scheduled key.
    event MeterKeyVetoed(bytes32 indexed meterId);

    /// @notice `field` must not be zero.
    error ZeroValue(string field);

    /// @notice Meter numbers end at 0x7fff.
    error InvalidMeterNumber(uint16 number);

    /// @notice Neither an address alone nor a point on P-256 alone.
    error InvalidKey(Key key);

    /// @notice The meter is registered already.
    error MeterTaken(bytes32 meterId);

    /// @notice Nobody registered this meter.
    error UnknownMeter(bytes32 meterId);

    /// @notice The owner did not sign for this key and `nonce`.
    error InvalidConsent(bytes32 meterId, uint64 nonce);

    /// @notice Only the meter's account may do this.
    error NotMeterOwner(bytes32 meterId, address caller);

    /// @notice No key is scheduled, or it is in force already.
    error NothingScheduled(bytes32 meterId);

    /// @notice Registers meter `number` of `account`, for good. The registrar vouches that the device holds the
    /// key.
    function register(address account, uint16 number, Key calldata key) external returns (bytes32 meterId);

    /// @notice Replaces the key at once, with the owner's signature over
    /// `MeterKey(bytes32 meterId,address signer,bytes32 x,bytes32 y,uint64 nonce)`.
    function replaceKey(bytes32 meterId, Key calldata key, bytes calldata consent) external;

    /// @notice Replaces the key after `keyNotice`, without the owner. Drops what was scheduled and not due.
    function scheduleKey(bytes32 meterId, Key calldata key) external;

    /// @notice The owner refuses the scheduled key, while it is not in force.
    function vetoKey(bytes32 meterId) external;

    /// @notice The key that signs the meter's readings now; zeros when the meter is unknown.
    /// @dev No key has `signer` and `y` both zero: no point of P-256 has y = 0.
    function keyOf(bytes32 meterId) external view returns (address signer, bytes32 x, bytes32 y);

    /// @notice The key that is scheduled and not in force yet, and from when it will be; zeros without one.
    function scheduledKeyOf(bytes32 meterId) external view returns (Key memory key, uint64 effectiveAt);

    /// @notice The nonce of the consent that `replaceKey` takes next.
    function consentNonce(bytes32 meterId) external view returns (uint64);

    /// @notice The digest that an owner signs to agree to `key`.
    function hashMeterKey(bytes32 meterId, Key calldata key, uint64 nonce) external view returns (bytes32);

    /// @notice Whether the account has a meter.
    function isParticipant(address account) external view returns (bool);

    /// @notice Seconds from scheduling a key to its taking effect.
    function keyNotice() external view returns (uint32);
}
