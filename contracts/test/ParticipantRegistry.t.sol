// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {DisjointRoles} from "../src/DisjointRoles.sol";
import {IParticipantRegistry, Key} from "../src/interfaces/IParticipantRegistry.sol";
import {MeterIds} from "../src/libraries/MeterIds.sol";
import {MeterScene} from "./support/MeterScene.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {ParticipantRegistry} from "../src/ParticipantRegistry.sol";
import {Wallet} from "./support/Wallet.sol";

/// @notice Registration, the ways a key changes, and the ways it must not.
contract ParticipantRegistryTest is MeterScene {
    uint256 private constant NEW_KEY = 0x7E3;

    bytes32 private meter;
    Key private first;
    Key private second;

    function setUp() public override {
        super.setUp();
        meter = _meterId(0, GRID);
        first = _secp256k1(_meterKey(0, GRID));
        second = _secp256k1(NEW_KEY);
    }

    // Registration

    function test_RegisterMeters() public {
        Key memory key = _p256(NEW_KEY);
        vm.assertFalse(registry.isParticipant(stranger));
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.MeterRegistered(stranger, MeterIds.idOf(stranger, 7), key);
        vm.assertEq(registry.register(stranger, 7, key), MeterIds.idOf(stranger, 7));
        vm.assertTrue(registry.isParticipant(stranger));
        _requireKey(MeterIds.idOf(stranger, 7), key);
        registry.register(stranger, 0x7fff, second);
        _requireKey(MeterIds.idOf(stranger, 0x7fff), second);
        _requireKey(MeterIds.idOf(stranger, 7), key);
    }

    function test_UnknownMetersHaveNoKey() public view {
        _requireKey(MeterIds.idOf(stranger, 0), Key(address(0), 0, 0));
        _requireKey(bytes32(uint256(meter) | 1 << 95), Key(address(0), 0, 0));
    }

    function test_RevertWhen_TheMeterIsTaken() public {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.MeterTaken.selector, meter));
        registry.register(_owner(0), GRID, second);
    }

    function test_RevertWhen_TheNumberIsNoMeters() public {
        vm.expectRevert(
            abi.encodeWithSelector(IParticipantRegistry.InvalidMeterNumber.selector, uint16(0x8000))
        );
        registry.register(stranger, 0x8000, second);
    }

    function test_RevertWhen_SomethingIsZero() public {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.ZeroValue.selector, "account"));
        registry.register(address(0), 0, second);
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.ZeroValue.selector, "keyNotice"));
        new ParticipantRegistry(admin, 0);
        vm.expectRevert(DisjointRoles.AdminMissing.selector);
        new ParticipantRegistry(address(0), KEY_NOTICE);
    }

    function test_RevertWhen_TheKeyIsNone() public {
        _refuseKey(Key(address(0), 0, 0));
        Key memory key = _p256(NEW_KEY);
        _refuseKey(Key(stranger, key.x, 0));
        _refuseKey(Key(stranger, 0, key.y));
        _refuseKey(Key(address(0), key.x, bytes32(uint256(key.y) ^ 1)));
        // A coordinate is below the field's prime: beyond it the same point would have another name.
        _refuseKey(Key(address(0), bytes32(P256.P), key.y));
    }

    function testFuzz_OnlyPointsOnTheCurveAreKeys(bytes32 x, bytes32 y) public {
        _refuseKey(Key(address(0), x, y));
    }

    function test_RevertWhen_CallerIsNotTheRegistrar() public {
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, _owner(0), registry.REGISTRAR_ROLE()
        );
        bytes memory consent = _consent(second, 0);
        vm.expectRevert(refusal);
        vm.prank(_owner(0));
        registry.register(_owner(0), 1, second);
        // An owner that could exchange the key alone could sign its own readings.
        vm.expectRevert(refusal);
        vm.prank(_owner(0));
        registry.replaceKey(meter, second, consent);
        vm.expectRevert(refusal);
        vm.prank(_owner(0));
        registry.scheduleKey(meter, second);
    }

    // With the owner's consent

    function test_ReplaceWithConsent() public {
        bytes memory consent = _consent(second, 0);
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.MeterKeyChanged(meter, second);
        registry.replaceKey(meter, second, consent);
        _requireKey(meter, second);
        vm.assertEq(uint256(registry.consentNonce(meter)), 1);
    }

    function test_ReplaceByBothKindsOfKeyAndBack() public {
        Key memory point = _p256(NEW_KEY);
        registry.replaceKey(meter, point, _consent(point, 0));
        _requireKey(meter, point);
        registry.replaceKey(meter, second, _consent(second, 1));
        _requireKey(meter, second);
    }

    function test_ConsentOfAContractWallet() public {
        Wallet wallet = new Wallet(stranger);
        bytes32 id = registry.register(address(wallet), 0, first);
        bytes memory consent = _sign(STRANGER_KEY, registry.hashMeterKey(id, second, 0));
        registry.replaceKey(id, second, consent);
        _requireKey(id, second);
        bytes memory refused = _sign(NEW_KEY, registry.hashMeterKey(id, first, 1));
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.InvalidConsent.selector, id, uint64(1)));
        registry.replaceKey(id, first, refused);
    }

    function test_RevertWhen_ConsentIsUsedAgain() public {
        bytes memory consent = _consent(second, 0);
        registry.replaceKey(meter, second, consent);
        registry.replaceKey(meter, first, _consent(first, 1));
        _refuseConsent(second, consent, 2);
    }

    function test_RevertWhen_ConsentIsOfAnotherOrForAnother() public {
        _refuseConsent(second, _sign(STRANGER_KEY, registry.hashMeterKey(meter, second, 0)), 0);
        _refuseConsent(second, _sign(_meterKey(0, GRID), registry.hashMeterKey(meter, second, 0)), 0);
        _refuseConsent(second, _consent(first, 0), 0);
        _refuseConsent(second, _consent(second, 1), 0);
        bytes memory other = _sign(_ownerKey(0), registry.hashMeterKey(_meterId(0, GENERATION), second, 0));
        _refuseConsent(second, other, 0);
    }

    /// @dev The digest as EIP-712 says, written out.
    function test_ConsentIsTypedData() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Commonwatt"),
                keccak256("1"),
                block.chainid,
                address(registry)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("MeterKey(bytes32 meterId,address signer,bytes32 x,bytes32 y,uint64 nonce)"),
                meter,
                second.signer,
                second.x,
                second.y,
                uint64(5)
            )
        );
        vm.assertEq(
            registry.hashMeterKey(meter, second, 5),
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
    }

    // With notice

    function test_AScheduledKeyCountsAfterTheNoticeByItself() public {
        uint64 due = uint64(block.timestamp) + KEY_NOTICE;
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.MeterKeyScheduled(meter, second, due);
        registry.scheduleKey(meter, second);
        vm.warp(due - 1);
        _requireKey(meter, first);
        (Key memory scheduled, uint64 effectiveAt) = registry.scheduledKeyOf(meter);
        vm.assertEq(scheduled.signer, second.signer);
        vm.assertEq(uint256(effectiveAt), due);
        vm.warp(due);
        _requireKey(meter, second);
        (scheduled, effectiveAt) = registry.scheduledKeyOf(meter);
        vm.assertEq(scheduled.signer, address(0));
        vm.assertEq(uint256(effectiveAt), 0);
    }

    function test_AScheduledPointCountsToo() public {
        registry.scheduleKey(meter, _p256(NEW_KEY));
        vm.warp(block.timestamp + KEY_NOTICE);
        _requireKey(meter, _p256(NEW_KEY));
    }

    function test_SchedulingAgainStartsTheNoticeAgain() public {
        uint256 begin = block.timestamp;
        registry.scheduleKey(meter, second);
        vm.warp(begin + 1);
        registry.scheduleKey(meter, _p256(NEW_KEY));
        vm.warp(begin + KEY_NOTICE);
        _requireKey(meter, first);
        vm.warp(begin + KEY_NOTICE + 1);
        _requireKey(meter, _p256(NEW_KEY));
    }

    function test_ADueKeyStaysWhenAnotherIsScheduledOrVetoed() public {
        registry.scheduleKey(meter, _p256(NEW_KEY));
        vm.warp(block.timestamp + KEY_NOTICE);
        registry.scheduleKey(meter, second);
        _requireKey(meter, _p256(NEW_KEY));
        vm.prank(_owner(0));
        registry.vetoKey(meter);
        _requireKey(meter, _p256(NEW_KEY));
    }

    function test_TheOwnerVetoes() public {
        registry.scheduleKey(meter, second);
        vm.warp(block.timestamp + KEY_NOTICE - 1);
        vm.expectEmit(address(registry));
        emit IParticipantRegistry.MeterKeyVetoed(meter);
        vm.prank(_owner(0));
        registry.vetoKey(meter);
        vm.warp(block.timestamp + 1);
        _requireKey(meter, first);
    }

    function test_ConsentDropsWhatIsScheduled() public {
        registry.scheduleKey(meter, _p256(NEW_KEY));
        registry.replaceKey(meter, second, _consent(second, 0));
        vm.warp(block.timestamp + KEY_NOTICE);
        _requireKey(meter, second);
    }

    function test_RevertWhen_AnotherVetoes() public {
        registry.scheduleKey(meter, second);
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.NotMeterOwner.selector, meter, _owner(1)));
        vm.prank(_owner(1));
        registry.vetoKey(meter);
    }

    function test_RevertWhen_NothingIsLeftToVeto() public {
        bytes memory refusal = abi.encodeWithSelector(IParticipantRegistry.NothingScheduled.selector, meter);
        vm.expectRevert(refusal);
        vm.prank(_owner(0));
        registry.vetoKey(meter);
        registry.scheduleKey(meter, second);
        vm.warp(block.timestamp + KEY_NOTICE);
        vm.expectRevert(refusal);
        vm.prank(_owner(0));
        registry.vetoKey(meter);
    }

    function test_RevertWhen_TheMeterIsUnknown() public {
        bytes32 unknown = MeterIds.idOf(_owner(0), 5);
        bytes memory refusal = abi.encodeWithSelector(IParticipantRegistry.UnknownMeter.selector, unknown);
        bytes memory consent = _sign(_ownerKey(0), registry.hashMeterKey(unknown, second, 0));
        vm.expectRevert(refusal);
        registry.replaceKey(unknown, second, consent);
        vm.expectRevert(refusal);
        registry.scheduleKey(unknown, second);
    }

    function test_RevertWhen_TheNewKeyIsNone() public {
        Key memory none = Key(address(0), 0, 0);
        bytes memory refusal = abi.encodeWithSelector(IParticipantRegistry.InvalidKey.selector, none);
        vm.expectRevert(refusal);
        registry.scheduleKey(meter, none);
        bytes memory consent = _consent(none, 0);
        vm.expectRevert(refusal);
        registry.replaceKey(meter, none, consent);
    }

    // Meter ids

    function testFuzz_AMeterIdIsItsAccountAndNumber(address account, uint16 number) public pure {
        number %= MeterIds.END;
        bytes32 id = MeterIds.idOf(account, number);
        vm.assertEq(id, bytes32(abi.encodePacked(account, uint96(number))));
        vm.assertEq(MeterIds.accountOf(id), account);
        vm.assertEq(uint256(MeterIds.numberOf(id)), number);
        vm.assertTrue(MeterIds.isGrid(id) == (number < 0x4000));
        vm.assertTrue(MeterIds.isGeneration(id) != MeterIds.isGrid(id));
    }

    // Roles

    function test_RevertWhen_AnAccountWouldHoldTwoRoles() public {
        bytes32 registrar = registry.REGISTRAR_ROLE();
        _refuseRole(registrar, admin);
        _refuseRole(bytes32(0), address(this));
        // Granting what is held changes nothing, and giving it up makes room for another.
        vm.prank(admin);
        registry.grantRole(registrar, address(this));
        registry.renounceRole(registrar, address(this));
        vm.prank(admin);
        registry.grantRole(bytes32(0), address(this));
        vm.assertTrue(registry.hasRole(bytes32(0), address(this)));
        vm.prank(admin);
        registry.revokeRole(registrar, address(this)); // does not hold it: no room is made
        _refuseRole(registrar, address(this));
    }

    function _refuseRole(bytes32 role, address account) private {
        vm.expectRevert(abi.encodeWithSelector(DisjointRoles.RoleConflict.selector, account, role));
        vm.prank(admin);
        registry.grantRole(role, account);
    }

    function _refuseKey(Key memory key) private {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.InvalidKey.selector, key));
        registry.register(stranger, 0, key);
    }

    function _refuseConsent(Key memory key, bytes memory consent, uint64 nonce) private {
        vm.expectRevert(abi.encodeWithSelector(IParticipantRegistry.InvalidConsent.selector, meter, nonce));
        registry.replaceKey(meter, key, consent);
    }

    function _consent(Key memory key, uint64 nonce) private view returns (bytes memory) {
        return _sign(_ownerKey(0), registry.hashMeterKey(meter, key, nonce));
    }

    function _requireKey(bytes32 meterId, Key memory key) private view {
        (address signer, bytes32 x, bytes32 y) = registry.keyOf(meterId);
        vm.assertEq(signer, key.signer);
        vm.assertEq(x, key.x);
        vm.assertEq(y, key.y);
    }
}
