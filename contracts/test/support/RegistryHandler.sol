// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Key} from "../../src/interfaces/IParticipantRegistry.sol";
import {MeterIds} from "../../src/libraries/MeterIds.sol";
import {MeterScene} from "./MeterScene.sol";

/// @notice A registrar and two owners acting at random, and beside them a plain account of which key must count.
contract RegistryHandler is MeterScene {
    struct Model {
        Key key;
        Key scheduled;
        uint256 effectiveAt; // 0: nothing scheduled
        uint64 consents;
    }

    uint256 public constant METERS = 4;

    bytes32[] private ids;
    mapping(bytes32 meterId => Model) private models;

    constructor() {
        setUp();
        for (uint256 i = 0; i < METERS; ++i) {
            (uint256 member, uint16 number) = (i / 2, i % 2 == 0 ? GRID : GENERATION);
            ids.push(_meterId(member, number));
            models[ids[i]].key = _secp256k1(_meterKey(member, number));
        }
    }

    function wait(uint24 time) external {
        vm.warp(block.timestamp + uint256(time) % (2 * KEY_NOTICE));
    }

    function replace(uint256 meter, uint16 seed, bool p256) external {
        bytes32 id = ids[meter % METERS];
        Key memory key = _key(seed, p256);
        bytes32 digest = registry.hashMeterKey(id, key, models[id].consents);
        registry.replaceKey(id, key, _sign(_ownerKey(meter % METERS / 2), digest));
        models[id].key = key;
        models[id].effectiveAt = 0;
        ++models[id].consents;
    }

    function schedule(uint256 meter, uint16 seed, bool p256) external {
        bytes32 id = ids[meter % METERS];
        Key memory key = _key(seed, p256);
        registry.scheduleKey(id, key);
        models[id].key = expectedKey(meter);
        models[id].scheduled = key;
        models[id].effectiveAt = block.timestamp + KEY_NOTICE;
    }

    function veto(uint256 meter) external {
        bytes32 id = ids[meter % METERS];
        if (models[id].effectiveAt <= block.timestamp) return;
        vm.prank(_owner(meter % METERS / 2));
        registry.vetoKey(id);
        models[id].effectiveAt = 0;
    }

    /// @dev Registers a further meter, which must not touch the others.
    function register(uint16 number, uint16 seed, bool p256) external {
        address account = _owner(seed % 2);
        number = uint16(1 + number % (MeterIds.FIRST_GENERATION - 1));
        (address signer,, bytes32 y) = registry.keyOf(MeterIds.idOf(account, number));
        if (signer != address(0) || y != bytes32(0)) return;
        registry.register(account, number, _key(seed, p256));
    }

    function requireKey(uint256 meter) external view {
        Key memory expected = expectedKey(meter);
        (address signer, bytes32 x, bytes32 y) = registry.keyOf(ids[meter]);
        vm.assertEq(signer, expected.signer);
        vm.assertEq(x, expected.x);
        vm.assertEq(y, expected.y);
        vm.assertEq(uint256(registry.consentNonce(ids[meter])), models[ids[meter]].consents);
    }

    function expectedKey(uint256 meter) public view returns (Key memory) {
        Model storage model = models[ids[meter % METERS]];
        bool due = model.effectiveAt != 0 && block.timestamp >= model.effectiveAt;
        return due ? model.scheduled : model.key;
    }

    function _key(uint16 seed, bool p256) private pure returns (Key memory) {
        return p256 ? _p256(1 + uint256(seed)) : _secp256k1(1 + uint256(seed));
    }
}
