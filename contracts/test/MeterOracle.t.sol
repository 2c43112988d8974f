// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DisjointRoles} from "../src/DisjointRoles.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {IMeterOracle} from "../src/interfaces/IMeterOracle.sol";
import {IParticipantRegistry, Key} from "../src/interfaces/IParticipantRegistry.sol";
import {MeterIds} from "../src/libraries/MeterIds.sol";
import {MeterOracle} from "../src/MeterOracle.sol";
import {MeterReading} from "../src/libraries/ReadingTypes.sol";
import {MeterScene, P256Precompile} from "./support/MeterScene.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @notice What proves a list of readings, and what does not. The list is of both members' grid meters.
contract MeterOracleTest is MeterScene {
    uint256 private constant SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant P256_KEY = 0x256;

    bytes private list;

    function setUp() public override {
        super.setUp();
        list = abi.encodePacked(_entry(0, GRID, 0, 1_000), _entry(1, GRID, 900, 0));
        vm.warp(END);
    }

    // Attested

    function test_AttestedByTheThreshold() public view {
        _prove(list, _attest(list));
    }

    function test_AttestedByMoreThanTheThreshold() public view {
        _prove(list, abi.encodePacked(hex"01", _attestorsSign(_digest(list), 3)));
    }

    /// @dev Whichever of them sign: it is their number that counts.
    function test_AttestedByAnyTwo() public {
        for (uint256 which = 0; which < 1 << ATTESTORS; ++which) {
            uint256 count = (which & 1) + (which >> 1 & 1) + (which >> 2);
            bytes memory proof = abi.encodePacked(hex"01", _theseSign(_digest(list), which));
            if (count < 2) _refuse(list, proof, _tooFew(count));
            else _prove(list, proof);
        }
    }

    function test_AttestorsVouchForMetersThatTheRegistryDoesNotKnow() public view {
        bytes memory strange = abi.encodePacked(stranger, uint16(9), uint32(5), uint32(0));
        _prove(strange, _attest(strange));
    }

    function testFuzz_AnyChangeOfAnAttestedListIsRefused(uint256 index, uint8 change) public view {
        vm.assume(change != 0);
        bytes memory proof = _attest(list);
        bytes memory changed = list;
        index %= changed.length;
        changed[index] = changed[index] ^ bytes1(change);
        try this.prove(changed, proof) {
            vm.assertTrue(false, "proven");
        } catch (bytes memory reason) {
            // Some other address comes out of each signature.
            vm.assertTrue(bytes4(reason) == IMeterOracle.NotTheAttestors.selector);
        }
    }

    function test_RevertWhen_AttestedForAnotherInterval() public {
        bytes memory proof = _attest(list);
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        oracle.requireReadings(START + STEP, STEP, list, proof);
    }

    function test_RevertWhen_AttestorsAreTooFew() public {
        _refuse(list, abi.encodePacked(hex"01", _attestorsSign(_digest(list), 1)), _tooFew(1));
        _refuse(list, abi.encodePacked(hex"01", _attestorsSign(_digest(list), 0)), _tooFew(0));
        _refuse(list, hex"01", _notThese());
    }

    /// @dev Not even if enough others signed: the list is of all of them.
    function test_RevertWhen_AnAttestorIsLeftOut() public {
        bytes32 digest = _digest(list);
        bytes memory proof = abi.encodePacked(hex"01", _attestorSigns(0, digest), _attestorSigns(1, digest));
        _refuse(list, proof, _notThese(_attestor(0), _attestor(1)));
        proof = abi.encodePacked(hex"01", _attestorSigns(1, digest), _attestorSigns(2, digest));
        _refuse(list, proof, _notThese(_attestor(1), _attestor(2)));
    }

    function test_RevertWhen_AnAttestorSignsTwice() public {
        bytes memory once = _attestorSigns(0, _digest(list));
        _refuse(list, abi.encodePacked(hex"01", once, once), _notThese(_attestor(0), _attestor(0)));
        // ... nor in the place of another one, or beside its own name.
        _refuse(
            list,
            abi.encodePacked(hex"01", once, once, _isSilent(_attestor(2))),
            _notThese(_attestor(0), _attestor(0), _attestor(2))
        );
        _refuse(
            list,
            abi.encodePacked(hex"01", once, _isSilent(_attestor(0)), _attestorSigns(1, _digest(list))),
            _notThese(_attestor(0), _attestor(0), _attestor(1))
        );
    }

    function test_RevertWhen_AttestorsAreOutOfOrder() public {
        bytes32 digest = _digest(list);
        bytes memory proof = abi.encodePacked(
            hex"01", _attestorSigns(1, digest), _attestorSigns(0, digest), _isSilent(_attestor(2))
        );
        _refuse(list, proof, _notThese(_attestor(1), _attestor(0), _attestor(2)));
        proof = abi.encodePacked(
            hex"01", _attestorSigns(0, digest), _isSilent(_attestor(2)), _attestorSigns(1, digest)
        );
        _refuse(list, proof, _notThese(_attestor(0), _attestor(2), _attestor(1)));
    }

    function test_RevertWhen_ASignerIsNoAttestor() public {
        bytes32 digest = _digest(list);
        bytes memory two = abi.encodePacked(_attestorSigns(0, digest), _attestorSigns(1, digest));
        _refuse(
            list,
            abi.encodePacked(hex"01", two, _signs(STRANGER_KEY, digest)),
            _notThese(_attestor(0), _attestor(1), stranger)
        );
        address[] memory given = new address[](4);
        (given[0], given[1], given[2], given[3]) = (_attestor(0), _attestor(1), _attestor(2), stranger);
        _refuse(
            list,
            abi.encodePacked(hex"01", two, _isSilent(_attestor(2)), _signs(STRANGER_KEY, digest)),
            abi.encodeWithSelector(IMeterOracle.NotTheAttestors.selector, given)
        );
        // Nor does it help to name one.
        _refuse(
            list,
            abi.encodePacked(hex"01", two, _isSilent(stranger)),
            _notThese(_attestor(0), _attestor(1), stranger)
        );
    }

    function test_RevertWhen_AnAttestorWasDismissed() public {
        bytes memory proof = _attest(list);
        (address first, address dismissed, address last) = (_attestor(0), _attestor(1), _attestor(2));
        _dismissAttestor(1);
        _refuse(list, proof, _notThese(first, dismissed, last));
        // What the others signed stands.
        _prove(list, _attest(list));
    }

    /// @dev Zero stands for it in the error, and is no attestor.
    function test_RevertWhen_ASignatureIsNone() public {
        bytes32 digest = _digest(list);
        bytes[4] memory none = [
            abi.encodePacked(bytes32(0), bytes32(0)),
            abi.encodePacked(type(uint256).max, uint256(1)), // r beyond the group
            abi.encodePacked(uint256(1), uint256(0)),
            abi.encodePacked(uint256(5), uint256(1)) // no point of the curve
        ];
        for (uint256 i = 0; i < 4; ++i) {
            bytes memory proof = abi.encodePacked(
                hex"01", hex"01", none[i], _attestorSigns(1, digest), _attestorSigns(2, digest)
            );
            _refuse(list, proof, _notThese(address(0), _attestor(1), _attestor(2)));
        }
        // The one before it leaves nobody in its place.
        _refuse(
            list,
            abi.encodePacked(hex"01", _attestorSigns(0, digest), hex"01", none[1], _attestorSigns(2, digest)),
            _notThese(_attestor(0), address(0), _attestor(2))
        );
        // Nor does silence in the name of nobody.
        _refuse(
            list,
            abi.encodePacked(
                hex"01", _isSilent(address(0)), _attestorSigns(1, digest), _attestorSigns(2, digest)
            ),
            _notThese(address(0), _attestor(1), _attestor(2))
        );
    }

    /// @dev A signature has a twin with a high `s`. It is the same attestor's, who counts once however it signed.
    function test_AHighSCountsOnceLikeAnyOther() public {
        (bytes memory signature, address signer) = _highS(_digest(list));
        bytes32 role = oracle.ATTESTOR_ROLE();
        vm.prank(admin);
        oracle.grantRole(role, signer);
        address[] memory all = oracle.attestors();
        bytes memory proof = hex"01";
        bytes memory twice = hex"01";
        for (uint256 i = 0; i < all.length; ++i) {
            bytes memory signed = abi.encodePacked(hex"01", signature);
            bytes memory silent = _isSilent(all[i]);
            proof = abi.encodePacked(proof, all[i] == signer ? signed : silent);
            twice = abi.encodePacked(twice, all[i] == signer ? abi.encodePacked(signed, signed) : silent);
        }
        _refuse(list, proof, _tooFew(1));
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        oracle.requireReadings(START, STEP, list, twice);
    }

    // All attestors

    function test_AttestorsAreListedByAddress() public {
        _requireAttestors();
        for (uint256 i = 0; i < 8; ++i) {
            _addAttestor(0xA77E5800 + i);
            _requireAttestors();
            _prove(list, _attest(list));
        }
        while (oracle.attestors().length > 2) {
            uint256 count = oracle.attestors().length;
            _dismissAttestor(count / 2);
            _requireAttestors();
            _prove(list, _attest(list));
        }
    }

    /// @dev Whatever happens to the role, by whomever: the list, the role and the proofs stay in step.
    function testFuzz_TheListFollowsTheRole(uint256 seed) public {
        uint256 next = 0xA77E5800;
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 count = oracle.attestors().length;
            uint256 before = _theirHash();
            bytes memory proof = _attest(list);
            if (count == 0 || seed % 2 == 0) _addAttestor(next++);
            else _dismissAttestor((seed >> 8) % count);
            _requireAttestors();
            vm.assertTrue(_theirHash() != before);
            // What named the others is no proof any more, and has to name these.
            vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
            oracle.requireReadings(START, STEP, list, proof);
            if (oracle.attestors().length < 2) {
                _refuse(list, _attest(list), _tooFew(oracle.attestors().length));
            } else {
                _prove(list, _attest(list));
            }
        }
    }

    function test_AnAttestorMayRenounce() public {
        bytes32 role = oracle.ATTESTOR_ROLE();
        address[] memory before = oracle.attestors();
        vm.prank(before[0]);
        oracle.renounceRole(role, before[0]);
        address[] memory all = oracle.attestors();
        vm.assertEq(all.length, 2);
        vm.assertEq(all[0], before[1]);
        vm.assertEq(all[1], before[2]);
        bytes memory proof =
            abi.encodePacked(hex"01", _attestorSigns(1, _digest(list)), _attestorSigns(2, _digest(list)));
        _prove(list, proof);
    }

    /// @dev What changes nothing leaves the list as it is; other roles are not on it.
    function test_TheListIsOfThatRoleOnly() public {
        bytes32 role = oracle.ATTESTOR_ROLE();
        address first = _attestor(0);
        vm.prank(admin);
        oracle.grantRole(role, first);
        _requireAttestors();
        vm.prank(admin);
        oracle.revokeRole(role, stranger);
        _requireAttestors();
        vm.prank(admin);
        oracle.grantRole("other", stranger);
        _requireAttestors();
        vm.expectRevert(abi.encodeWithSelector(DisjointRoles.RoleConflict.selector, stranger, role));
        vm.prank(admin);
        oracle.grantRole(role, stranger);
        _requireAttestors();
        vm.prank(admin);
        oracle.revokeRole("other", stranger);
        _requireAttestors();
    }

    /// @dev Whatever is no signature would be its.
    function test_RevertWhen_NobodyIsToAttest() public {
        bytes32 role = oracle.ATTESTOR_ROLE();
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.ZeroValue.selector, "attestor"));
        vm.prank(admin);
        oracle.grantRole(role, address(0));
    }

    function test_RevertWhen_ThereAreNoAttestors() public {
        MeterOracle empty = new MeterOracle(registry, admin, 1, 0);
        vm.assertEq(empty.attestors().length, 0);
        vm.expectRevert(_notThese());
        empty.requireReadings(START, STEP, "", hex"01");
        vm.expectRevert(_notThese());
        empty.requireAttested("digest", "");
        bytes memory stranger_ = _signs(STRANGER_KEY, "digest");
        vm.expectRevert(_notThese(stranger));
        empty.requireAttested("digest", stranger_);
        // Nor once the last one is gone.
        while (oracle.attestors().length != 0) {
            _dismissAttestor(0);
        }
        _refuse(list, hex"01", _tooFew(0));
        _refuse(list, hex"03", _tooFew(0));
        vm.expectRevert(_tooFew(0));
        oracle.requireAttested("digest", "");
        vm.expectRevert(_notThese(stranger));
        oracle.requireAttested("digest", stranger_);
    }

    function test_RevertWhen_ASignatureIsCut() public {
        bytes memory proof = _attest(list); // two signatures and a name: 2 x 65 + 21
        for (uint256 length = 2 * 65 + 22; length > 1; --length) {
            assembly ("memory-safe") {
                mstore(proof, length)
            }
            if (length == 66 || length == 131) {
                vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
                oracle.requireReadings(START, STEP, list, proof);
            } else if (length != 152) {
                bytes memory refusal =
                    abi.encodeWithSelector(IMeterOracle.MalformedSignatures.selector, length - 1);
                _refuse(list, proof, refusal);
            }
        }
        proof = abi.encodePacked(_attest(list), hex"00");
        _refuse(list, proof, abi.encodeWithSelector(IMeterOracle.MalformedSignatures.selector, 152));
    }

    function test_RevertWhen_TheListIsCut() public {
        bytes memory cut = abi.encodePacked(list, hex"00");
        _refuse(cut, _attest(cut), abi.encodeWithSelector(IMeterOracle.MalformedReadings.selector, 61));
    }

    function test_RevertWhen_TheProofIsOfNoKind() public {
        bytes memory proof = _attest(list);
        proof[0] = 0x04;
        _refuse(list, proof, abi.encodeWithSelector(IMeterOracle.UnknownProof.selector, 4));
        _refuse(list, "", abi.encodeWithSelector(IMeterOracle.UnknownProof.selector, 0));
    }

    function test_TheDigestIsTypedData() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Commonwatt"),
                keccak256("1"),
                block.chainid,
                address(oracle)
            )
        );
        bytes32 typehash =
            keccak256("Attestation(uint64 intervalStart,uint32 intervalSeconds,bytes32 readingsHash)");
        bytes32 attestation = keccak256(abi.encode(typehash, START, STEP, keccak256(list)));
        vm.assertEq(_digest(list), keccak256(abi.encodePacked(hex"1901", domain, attestation)));
        typehash = keccak256(
            "MeterReading(bytes32 meterId,uint64 intervalStart,uint32 intervalSeconds,uint64 importWh,uint64 exportWh)"
        );
        bytes32 reading = keccak256(abi.encode(typehash, _meterId(0, GRID), START, STEP, 5, 6));
        vm.assertEq(
            oracle.hashReading(_reading(0, GRID, 5, 6)),
            keccak256(abi.encodePacked(hex"1901", domain, reading))
        );
    }

    function test_AttestorsVouchForAnyDigest() public {
        bytes32 digest = keccak256("baselines");
        oracle.requireAttested(digest, _attestorsSign(digest, 2));
        bytes memory one = _attestorsSign(digest, 1);
        vm.expectRevert(_tooFew(1));
        oracle.requireAttested(digest, one);
        bytes memory other = _attestorsSign("other", 2);
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        oracle.requireAttested(digest, other);
    }

    // Attested with gaps

    function test_AttestedGapsAfterTheDeadline() public {
        bytes memory gaps = abi.encodePacked(_entry(0, GRID, 0, 1_000), _missing(1, GRID));
        bytes memory proof = _attestAt(START, gaps, true);
        vm.warp(CLOSED);
        _refuse(gaps, proof, _awaited(1));
        vm.warp(CLOSED + 1);
        _prove(gaps, proof);
    }

    function test_RevertWhen_AnAttestedGapWasSubmitted() public {
        _submit(1, GRID, 900, 0);
        bytes memory gaps = abi.encodePacked(_entry(0, GRID, 0, 1_000), _missing(1, GRID));
        bytes memory proof = _attestAt(START, gaps, true);
        vm.warp(CLOSED + 1);
        _refuse(
            gaps, proof, abi.encodeWithSelector(IMeterOracle.ReadingNotMissing.selector, _meterId(1, GRID))
        );
    }

    function test_RevertWhen_OneKindOfAttestationStandsForTheOther() public {
        bytes memory proof = _attestAt(START, list, true);
        proof[0] = 0x01;
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        oracle.requireReadings(START, STEP, list, proof);
        proof = _attest(list);
        proof[0] = 0x03;
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        oracle.requireReadings(START, STEP, list, proof);
    }

    // Signed by the meters

    function test_SignedByTheMeters() public view {
        _prove(list, _signedByMeters());
    }

    function testFuzz_SignedByTheMeters(uint32 importWh, uint32 exportWh, uint16 number) public {
        number = 1 + number % (MeterIds.FIRST_GENERATION - 1);
        registry.register(_owner(0), number, _secp256k1(_meterKey(0, number)));
        bytes memory readings = _entry(0, number, importWh, exportWh);
        bytes memory proof = abi.encodePacked(hex"02", _signReading(0, number, importWh, exportWh));
        _prove(readings, proof);
        readings = _entry(0, number, importWh, exportWh ^ 1);
        vm.expectRevert(_invalidReading(_meterId(0, number)));
        oracle.requireReadings(START, STEP, readings, proof);
    }

    function test_AnEmptyListIsProvenByNothing() public view {
        _prove("", hex"02");
    }

    function test_RevertWhen_AMeterSignedAnotherReadingOrInterval() public {
        bytes memory other =
            abi.encodePacked(hex"02", _signReading(0, GRID, 0, 1_000), _signReading(1, GRID, 901, 0));
        _refuse(list, other, _invalidReading(_meterId(1, GRID)));
        other = abi.encodePacked(
            hex"02", _signReadingAt(START + STEP, 0, GRID, 0, 1_000), _signReading(1, GRID, 900, 0)
        );
        _refuse(list, other, _invalidReading(_meterId(0, GRID)));
        bytes memory proof = _signedByMeters();
        vm.expectRevert(_invalidReading(_meterId(0, GRID)));
        oracle.requireReadings(START, STEP - 1, list, proof);
    }

    function test_RevertWhen_AnotherMeterSigned() public {
        bytes memory swapped =
            abi.encodePacked(hex"02", _signReading(1, GRID, 900, 0), _signReading(0, GRID, 0, 1_000));
        _refuse(list, swapped, _invalidReading(_meterId(0, GRID)));
    }

    function test_RevertWhen_AMetersSIsHigh() public {
        bytes32 id = MeterIds.idOf(stranger, 1);
        bytes32 digest = oracle.hashReading(MeterReading(id, START, STEP, 5, 0));
        (bytes memory signature, address signer) = _highS(digest);
        registry.register(stranger, 1, Key(signer, 0, 0));
        bytes memory readings = abi.encodePacked(stranger, uint16(1), uint32(5), uint32(0));
        _refuse(readings, abi.encodePacked(hex"02", signature), _invalidReading(id));
    }

    function test_RevertWhen_MetersSignaturesAreTooManyOrTooFew() public {
        bytes memory proof = _signedByMeters();
        _refuse(
            list,
            abi.encodePacked(proof, new bytes(64)),
            abi.encodeWithSelector(IMeterOracle.MalformedSignatures.selector, 192)
        );
        _refuse(
            list,
            abi.encodePacked(proof, hex"00"),
            abi.encodeWithSelector(IMeterOracle.MalformedSignatures.selector, 129)
        );
        bytes memory one = abi.encodePacked(hex"02", _signReading(0, GRID, 0, 1_000));
        vm.expectRevert();
        oracle.requireReadings(START, STEP, list, one);
    }

    /// @dev What follows the proof in calldata must not count as a part of it.
    function test_RevertWhen_TheLastSignatureLiesBeyondTheProof() public view {
        bytes memory proof = _signedByMeters();
        bytes memory data = abi.encodeCall(oracle.requireReadings, (START, STEP, list, proof));
        (bool proven,) = address(oracle).staticcall(data);
        vm.assertTrue(proven);
        // Selector, four heads, the list (length and two words), then the proof's length: 128 + 1 less a signature.
        uint256 lengthAt = 4 + 4 * 32 + 3 * 32 + 31;
        vm.assertEq(uint256(uint8(data[lengthAt])), 129);
        data[lengthAt] = bytes1(uint8(65));
        bytes memory reason;
        (proven, reason) = address(oracle).staticcall(data);
        vm.assertFalse(proven);
        vm.assertEq(reason, abi.encodeWithSelector(IMeterOracle.MalformedSignatures.selector, 64), "reason");
    }

    function test_RevertWhen_TheMeterIsUnknown() public {
        bytes memory readings = abi.encodePacked(stranger, GRID, uint32(1), uint32(1));
        bytes memory proof = abi.encodePacked(hex"02", _signReading(0, GRID, 1, 1));
        bytes memory refusal =
            abi.encodeWithSelector(IMeterOracle.UnknownMeter.selector, MeterIds.idOf(stranger, GRID));
        _refuse(readings, proof, refusal);
        // Nor does its absence count.
        vm.warp(CLOSED + 1);
        _refuse(abi.encodePacked(stranger, MISSING, uint64(0)), hex"02", refusal);
    }

    function test_AMissingReadingAfterTheDeadline() public {
        bytes memory gaps = abi.encodePacked(_entry(0, GRID, 0, 1_000), _missing(1, GRID));
        bytes memory proof = abi.encodePacked(hex"02", _signReading(0, GRID, 0, 1_000));
        vm.warp(CLOSED);
        _refuse(gaps, proof, _awaited(1));
        vm.warp(CLOSED + 1);
        _prove(gaps, proof);
    }

    function test_RevertWhen_AMissingReadingHasEnergy() public {
        vm.warp(CLOSED + 1);
        bytes memory refusal =
            abi.encodeWithSelector(IMeterOracle.MissingReadingHasEnergy.selector, _meterId(0, GRID));
        _refuse(_entry(0, MISSING, 0, 1), hex"02", refusal);
        _refuse(_entry(0, MISSING, 1, 0), hex"02", refusal);
    }

    function test_AReplacedKeyCountsFromItsInstant() public {
        registry.scheduleKey(_meterId(0, GRID), _secp256k1(0x7E3));
        bytes memory old = _signedByMeters();
        bytes32 digest = oracle.hashReading(_reading(0, GRID, 0, 1_000));
        bytes memory young = abi.encodePacked(hex"02", _sign64(0x7E3, digest), _signReading(1, GRID, 900, 0));
        _prove(list, old);
        _refuse(list, young, _invalidReading(_meterId(0, GRID)));
        vm.warp(END + KEY_NOTICE);
        _prove(list, young);
        _refuse(list, old, _invalidReading(_meterId(0, GRID)));
    }

    // P-256

    function test_SignedByAP256Meter() public {
        (bytes memory readings, bytes memory proof) = _p256Reading();
        vm.etch(address(0x100), address(new P256Precompile()).code);
        _prove(readings, proof);
        readings[29] ^= 0x01;
        _refuse(readings, proof, _invalidReading(MeterIds.idOf(stranger, 1)));
    }

    function test_RevertWhen_AP256MetersSIsHigh() public {
        (bytes memory readings, bytes memory proof) = _p256Reading();
        vm.etch(address(0x100), address(new P256Precompile()).code);
        uint256 s;
        assembly {
            s := mload(add(proof, 65))
        }
        s = P256.N - s;
        assembly {
            mstore(add(proof, 65), s)
        }
        _refuse(readings, proof, _invalidReading(MeterIds.idOf(stranger, 1)));
    }

    /// @dev Cancun has nothing at 0x100.
    function test_RevertWhen_TheChainHasNoP256() public {
        (bytes memory readings, bytes memory proof) = _p256Reading();
        _refuse(readings, proof, abi.encodeWithSelector(Errors.MissingPrecompile.selector, address(0x100)));
        _prove(readings, _attest(readings));
    }

    function test_SubmitAP256Reading() public {
        (bytes memory readings, bytes memory proof) = _p256Reading();
        vm.etch(address(0x100), address(new P256Precompile()).code);
        bytes memory signature = new bytes(64);
        for (uint256 i = 0; i < 64; ++i) {
            signature[i] = proof[i + 1];
        }
        oracle.submitReading(MeterIds.idOf(stranger, 1), START, STEP, 0, 1_000, signature);
        _prove(readings, abi.encodePacked(hex"02", new bytes(64)));
    }

    // Submitted

    function test_SubmitAndSettleWithIt() public {
        bytes memory signature = _signReading(0, GRID, 0, 1_000);
        vm.warp(CLOSED);
        vm.expectEmit(address(oracle));
        emit IMeterOracle.ReadingSubmitted(_meterId(0, GRID), START, STEP, 0, 1_000, signature);
        vm.prank(stranger);
        oracle.submitReading(_meterId(0, GRID), START, STEP, 0, 1_000, signature);
        (uint64 importWh, uint64 exportWh, uint64 time) = oracle.submitted(_meterId(0, GRID), START, STEP);
        vm.assertEq(uint256(importWh), 0);
        vm.assertEq(uint256(exportWh), 1_000);
        vm.assertEq(uint256(time), CLOSED);
        _prove(list, abi.encodePacked(hex"02", new bytes(64), _signReading(1, GRID, 900, 0)));
    }

    function test_RevertWhen_NotAsSubmitted() public {
        bytes memory proof = abi.encodePacked(hex"02", new bytes(64), _signReading(1, GRID, 900, 0));
        bytes memory refusal = abi.encodeWithSelector(IMeterOracle.NotAsSubmitted.selector, _meterId(0, GRID));
        _refuse(list, proof, refusal);
        // Nor are zeros, as long as nothing was submitted.
        _refuse(_entry(0, GRID, 0, 0), abi.encodePacked(hex"02", new bytes(64)), refusal);
        _submit(0, GRID, 0, 1_001);
        _refuse(list, proof, refusal);
        _submit(1, GRID, 901, 0);
        refusal = abi.encodeWithSelector(IMeterOracle.NotAsSubmitted.selector, _meterId(1, GRID));
        _refuse(_entry(1, GRID, 900, 0), abi.encodePacked(hex"02", new bytes(64)), refusal);
    }

    function test_RevertWhen_ASubmittedReadingIsSaidToBeMissing() public {
        _submit(0, GRID, 0, 1_000);
        vm.warp(CLOSED + 1);
        _refuse(
            _missing(0, GRID),
            hex"02",
            abi.encodeWithSelector(IMeterOracle.ReadingNotMissing.selector, _meterId(0, GRID))
        );
    }

    function test_TheFirstSubmittedStandsAndAnotherIsEvidence() public {
        _submit(0, GRID, 0, 1_000);
        bytes memory signature = _signReading(0, GRID, 3, 1_000);
        vm.warp(CLOSED + 30 days); // evidence has no deadline
        vm.expectEmit(address(oracle));
        emit IMeterOracle.MeterEquivocated(_meterId(0, GRID), START, STEP, 3, 1_000, signature);
        _submitSigned(0, GRID, 3, 1_000, signature);
        _submit(0, GRID, 0, 1_000); // again the same: nothing happens
        (uint64 importWh, uint64 exportWh, uint64 time) = oracle.submitted(_meterId(0, GRID), START, STEP);
        vm.assertEq(uint256(importWh), 0);
        vm.assertEq(uint256(exportWh), 1_000);
        vm.assertEq(uint256(time), END);
    }

    function test_IntervalsOfOtherLengthsStandBeside() public {
        _submit(0, GRID, 0, 1_000);
        MeterReading memory short = MeterReading(_meterId(0, GRID), START, STEP / 3, 0, 400);
        oracle.submitReading(
            short.meterId, START, STEP / 3, 0, 400, _sign64(_meterKey(0, GRID), oracle.hashReading(short))
        );
        (, uint64 exportWh,) = oracle.submitted(_meterId(0, GRID), START, STEP / 3);
        vm.assertEq(uint256(exportWh), 400);
        (, exportWh,) = oracle.submitted(_meterId(0, GRID), START, STEP);
        vm.assertEq(uint256(exportWh), 1_000);
    }

    function test_RevertWhen_SubmittedTooEarlyOrTooLate() public {
        bytes memory signature = _signReading(0, GRID, 0, 1_000);
        vm.warp(END - 1);
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.IntervalNotEnded.selector, START, END));
        _submitSigned(0, GRID, 0, 1_000, signature);
        vm.warp(CLOSED + 1);
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.SubmissionClosed.selector, START, CLOSED));
        _submitSigned(0, GRID, 0, 1_000, signature);
    }

    function test_RevertWhen_WhatIsSubmittedIsNotSigned() public {
        bytes memory signature = _signReading(0, GRID, 0, 1_000);
        vm.expectRevert(_invalidReading(_meterId(0, GRID)));
        _submitSigned(0, GRID, 0, 1_001, signature);
        vm.expectRevert(_invalidReading(_meterId(0, GRID)));
        _submitSigned(0, GRID, 0, 1_000, new bytes(64));
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.MalformedSignatures.selector, 65));
        _submitSigned(0, GRID, 0, 1_000, abi.encodePacked(signature, hex"00"));
        vm.expectRevert(
            abi.encodeWithSelector(IMeterOracle.UnknownMeter.selector, MeterIds.idOf(stranger, GRID))
        );
        oracle.submitReading(MeterIds.idOf(stranger, GRID), START, STEP, 0, 1_000, signature);
    }

    function test_RevertWhen_WhatIsSubmittedFitsNoList() public {
        uint64 large = 1 << 32;
        bytes memory refusal =
            abi.encodeWithSelector(IMeterOracle.ReadingTooLarge.selector, _meterId(0, GRID));
        bytes memory signature = _signReading(0, GRID, large, 0);
        vm.expectRevert(refusal);
        _submitSigned(0, GRID, large, 0, signature);
        signature = _signReading(0, GRID, 0, large);
        vm.expectRevert(refusal);
        _submitSigned(0, GRID, 0, large, signature);
        _submit(0, GRID, large - 1, large - 1);
    }

    // Disproved

    function test_DisproveByTheMetersSignature() public {
        bytes memory proof = _attest(list);
        MeterReading memory reading = _reading(1, GRID, 1_900, 0);
        bytes memory signature = _signReading(1, GRID, 1_900, 0);
        _expectDisproved(_meterId(1, GRID));
        vm.prank(stranger);
        oracle.disprove(list, proof, 1, reading, signature);
    }

    function test_DisproveByWhatWasSubmitted() public {
        _submit(0, GRID, 0, 2_000);
        bytes memory proof = _attest(list);
        _expectDisproved(_meterId(0, GRID));
        oracle.disprove(list, proof, 0, _reading(0, GRID, 0, 2_000), "");
    }

    function test_DisproveAMeterThatNobodyRegistered() public {
        bytes memory strange = abi.encodePacked(stranger, uint16(9), uint32(5), uint32(0));
        bytes memory proof = _attest(strange);
        _expectDisproved(MeterIds.idOf(stranger, 9));
        oracle.disprove(strange, proof, 0, _reading(0, GRID, 0, 0), "");
    }

    function test_DisproveAGapInAListWithoutGaps() public {
        bytes memory gaps = _missing(0, GRID);
        bytes memory proof = _attest(gaps);
        _expectDisproved(_meterId(0, GRID));
        oracle.disprove(gaps, proof, 0, _reading(0, GRID, 0, 0), "");
    }

    function test_DisproveAGapThatWasSubmitted() public {
        bytes memory gaps = _missing(0, GRID);
        bytes memory proof = _attestAt(START, gaps, true);
        // A signature that nobody submitted does not tell when the meter made it.
        bytes memory signature = _signReading(0, GRID, 0, 1);
        _refuseDisproof(gaps, proof, 0, _reading(0, GRID, 0, 1), signature);
        _submit(0, GRID, 0, 1);
        _expectDisproved(_meterId(0, GRID));
        oracle.disprove(gaps, proof, 0, _reading(0, GRID, 0, 1), "");
    }

    function test_OneAttestorCanBeDisprovedAlone() public {
        bytes memory proof = abi.encodePacked(hex"01", _theseSign(_digest(list), 4));
        address[] memory attestors = new address[](1);
        attestors[0] = _attestor(2);
        bytes memory signature = _signReading(1, GRID, 1_900, 0);
        vm.expectEmit(address(oracle));
        emit IMeterOracle.AttestationDisproved(START, _meterId(1, GRID), attestors);
        oracle.disprove(list, proof, 1, _reading(1, GRID, 1_900, 0), signature);
    }

    /// @dev Those who signed are named, wherever they stand on the list.
    function test_DisproveNamesThoseWhoSigned() public {
        bytes memory proof = abi.encodePacked(hex"01", _theseSign(_digest(list), 5));
        address[] memory attestors = new address[](2);
        (attestors[0], attestors[1]) = (_attestor(0), _attestor(2));
        bytes memory signature = _signReading(1, GRID, 1_900, 0);
        vm.expectEmit(address(oracle));
        emit IMeterOracle.AttestationDisproved(START, _meterId(1, GRID), attestors);
        oracle.disprove(list, proof, 1, _reading(1, GRID, 1_900, 0), signature);
    }

    /// @dev Evidence is the signatures; the names beside them are public, and can be put right by anybody.
    function test_DisproveAfterAnotherAttestorWasDismissedOrAdded() public {
        bytes memory proof = _attest(list); // 0 and 1 signed
        bytes memory signature = _signReading(1, GRID, 1_900, 0);
        bytes32 digest = _digest(list);
        bytes memory first = _attestorSigns(0, digest);
        bytes memory second = _attestorSigns(1, digest);
        (address one, address two) = (_attestor(0), _attestor(1));
        _dismissAttestor(2);
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        oracle.disprove(list, proof, 1, _reading(1, GRID, 1_900, 0), signature);
        address[] memory both = new address[](2);
        (both[0], both[1]) = (one, two);
        proof = abi.encodePacked(hex"01", first, second);
        vm.expectEmit(address(oracle));
        emit IMeterOracle.AttestationDisproved(START, _meterId(1, GRID), both);
        oracle.disprove(list, proof, 1, _reading(1, GRID, 1_900, 0), signature);
        _addAttestor(0xA77E5800);
        proof = hex"01";
        address[] memory all = oracle.attestors();
        for (uint256 i = 0; i < all.length; ++i) {
            bytes memory signed = all[i] == one ? first : second;
            proof = abi.encodePacked(proof, all[i] == one || all[i] == two ? signed : _isSilent(all[i]));
        }
        vm.expectEmit(address(oracle));
        emit IMeterOracle.AttestationDisproved(START, _meterId(1, GRID), both);
        oracle.disprove(list, proof, 1, _reading(1, GRID, 1_900, 0), signature);
    }

    /// @dev Evidence must come before the role is revoked; what a colleague signed with it still counts against that one.
    function test_DisproveWhatADismissedAttestorSignedWithAnother() public {
        bytes32 digest = _digest(list);
        bytes memory second = _attestorSigns(1, digest);
        address[] memory left = new address[](1);
        left[0] = _attestor(1);
        address last = _attestor(2);
        _dismissAttestor(0);
        bytes memory proof = abi.encodePacked(hex"01", second, _isSilent(last));
        bytes memory signature = _signReading(1, GRID, 1_900, 0);
        vm.expectEmit(address(oracle));
        emit IMeterOracle.AttestationDisproved(START, _meterId(1, GRID), left);
        oracle.disprove(list, proof, 1, _reading(1, GRID, 1_900, 0), signature);
    }

    function test_RevertWhen_NothingContradicts() public {
        bytes memory proof = _attest(list);
        bytes memory signature = _signReading(1, GRID, 900, 0);
        _refuseDisproof(list, proof, 1, _reading(1, GRID, 900, 0), signature);
        // Another meter's reading says nothing, and what was not submitted neither.
        signature = _signReading(0, GRID, 0, 2_000);
        _refuseDisproof(list, proof, 1, _reading(0, GRID, 0, 2_000), signature);
        _refuseDisproof(list, proof, 1, _reading(1, GRID, 1_900, 0), "");
    }

    function test_RevertWhen_TheContradictionIsNotSigned() public {
        bytes memory proof = _attest(list);
        bytes memory signature = _signReading(1, GRID, 1_901, 0);
        vm.expectRevert(_invalidReading(_meterId(1, GRID)));
        oracle.disprove(list, proof, 1, _reading(1, GRID, 1_900, 0), signature);
    }

    function test_RevertWhen_NobodyAttested() public {
        MeterReading memory reading = _reading(1, GRID, 1_900, 0);
        bytes memory signature = _signReading(1, GRID, 1_900, 0);
        bytes memory proof = abi.encodePacked(hex"01", _attestorsSign(_digest(list), 0));
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.TooFewAttestors.selector, 0, 1));
        oracle.disprove(list, proof, 1, reading, signature);
        vm.expectRevert(_notThese());
        oracle.disprove(list, hex"01", 1, reading, signature);
        proof = abi.encodePacked(hex"01", _signs(STRANGER_KEY, _digest(list)));
        vm.expectRevert(_notThese(stranger));
        oracle.disprove(list, proof, 1, reading, signature);
        proof = _signedByMeters();
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.UnknownProof.selector, 2));
        oracle.disprove(list, proof, 1, reading, signature);
    }

    function test_RevertWhen_TheListHasNoSuchEntry() public {
        bytes memory proof = _attest(list);
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.NoSuchEntry.selector, 2));
        oracle.disprove(list, proof, 2, _reading(1, GRID, 1_900, 0), "");
    }

    // Construction

    function test_RevertWhen_SomethingIsZero() public {
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.ZeroValue.selector, "registry"));
        new MeterOracle(IParticipantRegistry(address(0)), admin, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.ZeroValue.selector, "threshold"));
        new MeterOracle(registry, admin, 0, 0);
        vm.expectRevert(DisjointRoles.AdminMissing.selector);
        new MeterOracle(registry, address(0), 1, 0);
    }

    function prove(bytes calldata readings, bytes calldata proof) external view {
        oracle.requireReadings(START, STEP, readings, proof);
    }

    function _prove(bytes memory readings, bytes memory proof) private view {
        oracle.requireReadings(START, STEP, readings, proof);
    }

    function _refuse(bytes memory readings, bytes memory proof, bytes memory refusal) private {
        vm.expectRevert(refusal);
        oracle.requireReadings(START, STEP, readings, proof);
    }

    function _refuseDisproof(
        bytes memory readings,
        bytes memory proof,
        uint256 index,
        MeterReading memory reading,
        bytes memory signature
    ) private {
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.NotDisproved.selector, _meterId(index, GRID)));
        oracle.disprove(readings, proof, index, reading, signature);
    }

    function _expectDisproved(bytes32 meterId) private {
        address[] memory attestors = new address[](2);
        attestors[0] = _attestor(0);
        attestors[1] = _attestor(1);
        vm.expectEmit(address(oracle));
        emit IMeterOracle.AttestationDisproved(START, meterId, attestors);
    }

    function _signedByMeters() private view returns (bytes memory) {
        return abi.encodePacked(hex"02", _signReading(0, GRID, 0, 1_000), _signReading(1, GRID, 900, 0));
    }

    /// @dev The stranger's meter 1 has a P-256 key and exported 1 kWh.
    function _p256Reading() private returns (bytes memory readings, bytes memory proof) {
        bytes32 id = registry.register(stranger, 1, _p256(P256_KEY));
        bytes32 digest = oracle.hashReading(MeterReading(id, START, STEP, 0, 1_000));
        readings = abi.encodePacked(stranger, uint16(1), uint32(0), uint32(1_000));
        proof = abi.encodePacked(hex"02", _signP256(P256_KEY, digest));
    }

    function _digest(bytes memory readings) private view returns (bytes32) {
        return oracle.hashAttestation(START, STEP, keccak256(readings), false);
    }

    /// @dev A signature whose `s` is the least that is high, and whose it is: EIP-2098 can just carry it.
    function _highS(bytes32 digest) private pure returns (bytes memory signature, address signer) {
        bytes32 s = bytes32(SECP256K1_N / 2 + 1);
        (, bytes32 r,) = vm.sign(STRANGER_KEY, digest);
        signer = ecrecover(digest, 27, r, s);
        vm.assertTrue(signer != address(0), "a signature");
        signature = abi.encodePacked(r, s);
    }

    function _theirHash() private view returns (uint256) {
        return uint256(keccak256(abi.encode(oracle.attestors())));
    }

    function _tooFew(uint256 given) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMeterOracle.TooFewAttestors.selector, given, 2);
    }

    function _notThese() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMeterOracle.NotTheAttestors.selector, new address[](0));
    }

    function _notThese(address one) private pure returns (bytes memory) {
        address[] memory given = new address[](1);
        given[0] = one;
        return abi.encodeWithSelector(IMeterOracle.NotTheAttestors.selector, given);
    }

    function _notThese(address one, address two) private pure returns (bytes memory) {
        address[] memory given = new address[](2);
        (given[0], given[1]) = (one, two);
        return abi.encodeWithSelector(IMeterOracle.NotTheAttestors.selector, given);
    }

    function _notThese(address one, address two, address three) private pure returns (bytes memory) {
        address[] memory given = new address[](3);
        (given[0], given[1], given[2]) = (one, two, three);
        return abi.encodeWithSelector(IMeterOracle.NotTheAttestors.selector, given);
    }

    function _invalidReading(bytes32 meterId) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMeterOracle.InvalidReading.selector, meterId);
    }

    function _awaited(uint256 member) private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IMeterOracle.ReadingAwaited.selector, _meterId(member, GRID), uint256(CLOSED)
            );
    }
}
