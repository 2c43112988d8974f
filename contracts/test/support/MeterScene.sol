// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Built} from "./Built.sol";
import {Key} from "../../src/interfaces/IParticipantRegistry.sol";
import {MeterIds} from "../../src/libraries/MeterIds.sol";
import {MeterOracle} from "../../src/MeterOracle.sol";
import {MeterReading} from "../../src/libraries/ReadingTypes.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ParticipantRegistry} from "../../src/ParticipantRegistry.sol";
import {Vm} from "./Vm.sol";

/// @notice Members with a grid meter (number 0) and a generation meter (0x4000), three attestors of whom two must
/// sign, and an interval. Members' accounts increase with their index, so lists made in that order are in order.
abstract contract MeterScene {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint64 internal constant START = 1_750_000_500;
    uint32 internal constant STEP = 900;
    uint64 internal constant END = START + STEP;
    uint32 internal constant READING_DEADLINE = 30 minutes;
    uint64 internal constant CLOSED = END + READING_DEADLINE;
    uint32 internal constant KEY_NOTICE = 3 days;
    uint16 internal constant GRID = 0;
    uint16 internal constant GENERATION = MeterIds.FIRST_GENERATION;
    uint16 internal constant MISSING = 0x8000;
    uint256 internal constant ATTESTORS = 3;
    uint256 internal constant STRANGER_KEY = 0xBAD;

    address internal immutable admin = vm.addr(0xAD);
    address internal immutable stranger = vm.addr(STRANGER_KEY);

    ParticipantRegistry internal registry;
    MeterOracle internal oracle;

    uint256[] private _ownerKeys;
    uint256[] private _attestorKeys;

    function setUp() public virtual {
        vm.warp(START - STEP);
        registry = ParticipantRegistry(Built.deploy("ParticipantRegistry", abi.encode(admin, KEY_NOTICE)));
        oracle = MeterOracle(Built.deploy("MeterOracle", abi.encode(registry, admin, 2, READING_DEADLINE)));
        bytes32 registrar = registry.REGISTRAR_ROLE();
        vm.prank(admin);
        registry.grantRole(registrar, address(this));
        for (uint256 i = 0; i < ATTESTORS; ++i) {
            _addAttestor(0xA77E5700 + i);
        }
        _addMembers(2);
    }

    // Members

    /// @dev Registers `count` more members; their indices are by account, so they may move those of earlier ones.
    function _addMembers(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 0x1000 + _ownerKeys.length;
            _insert(_ownerKeys, key);
            registry.register(vm.addr(key), GRID, _secp256k1(_deviceKey(key, GRID)));
            registry.register(vm.addr(key), GENERATION, _secp256k1(_deviceKey(key, GENERATION)));
        }
    }

    function _ownerKey(uint256 member) internal view returns (uint256) {
        return _ownerKeys[member];
    }

    function _owner(uint256 member) internal view returns (address) {
        return vm.addr(_ownerKeys[member]);
    }

    function _meterId(uint256 member, uint16 number) internal view returns (bytes32) {
        return MeterIds.idOf(_owner(member), number);
    }

    /// @dev The private key inside the device.
    function _meterKey(uint256 member, uint16 number) internal view returns (uint256) {
        return _deviceKey(_ownerKeys[member], number);
    }

    function _deviceKey(uint256 ownerKey, uint16 number) private pure returns (uint256) {
        return 0x2000_0000 + ownerKey * 0x10000 + number;
    }

    function _secp256k1(uint256 privateKey) internal pure returns (Key memory) {
        return Key(vm.addr(privateKey), 0, 0);
    }

    function _p256(uint256 privateKey) internal pure returns (Key memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(privateKey);
        return Key(address(0), bytes32(x), bytes32(y));
    }

    // Readings

    function _entry(uint256 member, uint16 number, uint32 importWh, uint32 exportWh)
        internal
        view
        returns (bytes memory)
    {
        return abi.encodePacked(_owner(member), number, importWh, exportWh);
    }

    function _missing(uint256 member, uint16 number) internal view returns (bytes memory) {
        return _entry(member, number | MISSING, 0, 0);
    }

    function _reading(uint256 member, uint16 number, uint64 importWh, uint64 exportWh)
        internal
        view
        returns (MeterReading memory)
    {
        return MeterReading(_meterId(member, number), START, STEP, importWh, exportWh);
    }

    function _signReading(uint256 member, uint16 number, uint64 importWh, uint64 exportWh)
        internal
        view
        returns (bytes memory)
    {
        return _signReadingAt(START, member, number, importWh, exportWh);
    }

    function _signReadingAt(uint64 start, uint256 member, uint16 number, uint64 importWh, uint64 exportWh)
        internal
        view
        returns (bytes memory)
    {
        MeterReading memory reading = MeterReading(_meterId(member, number), start, STEP, importWh, exportWh);
        return _sign64(_meterKey(member, number), oracle.hashReading(reading));
    }

    function _submit(uint256 member, uint16 number, uint64 importWh, uint64 exportWh) internal {
        _submitSigned(member, number, importWh, exportWh, _signReading(member, number, importWh, exportWh));
    }

    function _submitSigned(
        uint256 member,
        uint16 number,
        uint64 importWh,
        uint64 exportWh,
        bytes memory signature
    ) internal {
        oracle.submitReading(_meterId(member, number), START, STEP, importWh, exportWh, signature);
    }

    // Attestations

    function _attestor(uint256 index) internal view returns (address) {
        return vm.addr(_attestorKeys[index]);
    }

    /// @dev Proof of kind 1 by the two attestors that the threshold asks for.
    function _attest(bytes memory readings) internal view returns (bytes memory) {
        return _attestAt(START, readings, false);
    }

    function _attestAt(uint64 start, bytes memory readings, bool gaps) internal view returns (bytes memory) {
        bytes32 digest = oracle.hashAttestation(start, STEP, keccak256(readings), gaps);
        return abi.encodePacked(gaps ? bytes1(0x03) : bytes1(0x01), _attestorsSign(digest, 2));
    }

    /// @dev All attestors, of whom the first `count` sign, by account.
    function _attestorsSign(bytes32 digest, uint256 count) internal view returns (bytes memory) {
        return _theseSign(digest, (1 << count) - 1);
    }

    /// @dev All attestors; of them sign those whose bit is set, the lowest for the first by account.
    function _theseSign(bytes32 digest, uint256 which) internal view returns (bytes memory list) {
        for (uint256 i = 0; i < _attestorKeys.length; ++i) {
            bool signs = which >> i & 1 != 0;
            list = abi.encodePacked(list, signs ? _attestorSigns(i, digest) : _isSilent(_attestor(i)));
        }
    }

    /// @dev An attestor's place in the list, signed.
    function _attestorSigns(uint256 index, bytes32 digest) internal view returns (bytes memory) {
        return _signs(_attestorKeys[index], digest);
    }

    function _signs(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"01", _sign64(key, digest));
    }

    /// @dev An attestor's place in the list, not signed.
    function _isSilent(address attestor) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"00", attestor);
    }

    /// @dev Makes one more attestor; its index is by account.
    function _addAttestor(uint256 key) internal {
        bytes32 role = oracle.ATTESTOR_ROLE();
        vm.prank(admin);
        oracle.grantRole(role, vm.addr(key));
        _insert(_attestorKeys, key);
    }

    function _dismissAttestor(uint256 index) internal {
        bytes32 role = oracle.ATTESTOR_ROLE();
        address dismissed = _attestor(index);
        vm.prank(admin);
        oracle.revokeRole(role, dismissed);
        for (; index + 1 < _attestorKeys.length; ++index) {
            _attestorKeys[index] = _attestorKeys[index + 1];
        }
        _attestorKeys.pop();
    }

    /// @dev The oracle's list is of these attestors, ascending.
    function _requireAttestors() internal view {
        address[] memory all = oracle.attestors();
        vm.assertEq(all.length, _attestorKeys.length);
        for (uint256 i = 0; i < all.length; ++i) {
            vm.assertEq(all[i], _attestor(i));
            vm.assertTrue(oracle.hasRole(oracle.ATTESTOR_ROLE(), all[i]));
            if (i != 0) vm.assertTrue(all[i] > all[i - 1]);
        }
    }

    // Signatures

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev EIP-2098.
    function _sign64(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, uint256(s) | uint256(v - 27) << 255);
    }

    /// @dev With low `s`.
    function _signP256(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(key, digest);
        if (uint256(s) > P256.N / 2) s = bytes32(P256.N - uint256(s));
        return abi.encodePacked(r, s);
    }

    /// @dev Keeps the list in order of the keys' addresses.
    function _insert(uint256[] storage keys, uint256 key) private {
        keys.push(key);
        for (uint256 i = keys.length - 1; i > 0 && vm.addr(keys[i - 1]) > vm.addr(key); --i) {
            (keys[i - 1], keys[i]) = (keys[i], keys[i - 1]);
        }
    }
}

/// @notice What chains with EIP-7951 have at 0x100, in Solidity.
contract P256Precompile {
    fallback(bytes calldata input) external returns (bytes memory) {
        if (input.length != 160) return "";
        (bytes32 h, bytes32 r, bytes32 s, bytes32 x, bytes32 y) =
            abi.decode(input, (bytes32, bytes32, bytes32, bytes32, bytes32));
        return P256.verifySolidity(h, r, s, x, y) ? abi.encode(true) : bytes("");
    }
}
