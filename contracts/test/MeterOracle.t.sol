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
            // Some other address comes out of each signature: not an attestor's, or not above the one before.
            bytes4 selector = bytes4(reason);
            vm.assertTrue(
                selector == IMeterOracle.NotAnAttestor.selector
                    || selector == IMeterOracle.InvalidAttestation.selector
            );
        }
    }

    function test_RevertWhen_AttestedForAnotherInterval() public {
        bytes memory proof = _attest(list);
        vm.expectPartialRevert(IMeterOracle.NotAnAttestor.selector);
        oracle.requireReadings(START + STEP, STEP, list, proof);
    }

    function test_RevertWhen_AttestorsAreTooFew() public {
        bytes memory one = abi.encodePacked(hex"01", _attestorsSign(_digest(list), 1));
        _refuse(list, one, abi.encodeWithSelector(IMeterOracle.TooFewAttestors.selector, 1, 2));
        _refuse(list, hex"01", abi.encodeWithSelector(IMeterOracle.TooFewAttestors.selector, 0, 2));
    }

    function test_RevertWhen_AnAttestorSignsTwice() public {
        bytes memory once = _attestorSigns(0, _digest(list));
        bytes memory proof = abi.encodePacked(hex"01", once, once);
        bytes memory refusal = _invalidAttestation(1, _attestor(0));
        _refuse(list, proof, refusal);
    }

    function test_RevertWhen_AttestorsAreOutOfOrder() public {
        bytes memory proof =
            abi.encodePacked(hex"01", _attestorSigns(1, _digest(list)), _attestorSigns(0, _digest(list)));
        _refuse(list, proof, _invalidAttestation(1, _attestor(0)));
    }

    function test_RevertWhen_ASignerIsNoAttestor() public {
        bytes memory signature = _sign64(STRANGER_KEY, _digest(list));
        bool below = stranger < _attestor(0);
        bytes memory attestation = _attestorSigns(0, _digest(list));
        bytes memory proof = below
            ? abi.encodePacked(hex"01", signature, attestation)
            : abi.encodePacked(hex"01", attestation, signature);
        uint256 index = below ? 0 : 1;
        _refuse(list, proof, abi.encodeWithSelector(IMeterOracle.NotAnAttestor.selector, index, stranger));
    }

    function test_RevertWhen_AnAttestorWasDismissed() public {
        bytes memory proof = _attest(list);
        bytes32 role = oracle.ATTESTOR_ROLE();
        address dismissed = _attestor(1);
        vm.prank(admin);
        oracle.revokeRole(role, dismissed);
        _refuse(list, proof, abi.encodeWithSelector(IMeterOracle.NotAnAttestor.selector, 1, dismissed));
    }

    function test_RevertWhen_ASignatureIsNone() public {
        bytes memory proof = abi.encodePacked(hex"01", new bytes(64), _attestorSigns(0, _digest(list)));
        _refuse(list, proof, _invalidAttestation(0, address(0)));
    }

    /// @dev The recovered account is an attestor, so that only the height of `s` is left to object to.
    function test_RevertWhen_SIsHigh() public {
        (bytes memory signature, address signer) = _highS(_digest(list));
        bytes32 role = oracle.ATTESTOR_ROLE();
        vm.prank(admin);
        oracle.grantRole(role, signer);
        bytes memory proof = abi.encodePacked(hex"01", signature, _attestorSigns(0, _digest(list)));
        _refuse(list, proof, _invalidAttestation(0, address(0)));
    }

    function test_RevertWhen_ASignatureIsCut() public {
        bytes memory proof = abi.encodePacked(_attest(list), hex"00");
        _refuse(list, proof, abi.encodeWithSelector(IMeterOracle.MalformedSignatures.selector, 129));
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
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.TooFewAttestors.selector, 1, 2));
        oracle.requireAttested(digest, one);
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
        vm.expectPartialRevert(IMeterOracle.NotAnAttestor.selector);
        oracle.requireReadings(START, STEP, list, proof);
        proof = _attest(list);
        proof[0] = 0x03;
        vm.expectPartialRevert(IMeterOracle.NotAnAttestor.selector);
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
        bytes32 digest = _digest(list);
        bytes memory proof = abi.encodePacked(hex"01", _attestorSigns(2, digest));
        address[] memory attestors = new address[](1);
        attestors[0] = _attestor(2);
        bytes memory signature = _signReading(1, GRID, 1_900, 0);
        vm.expectEmit(address(oracle));
        emit IMeterOracle.AttestationDisproved(START, _meterId(1, GRID), attestors);
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
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.TooFewAttestors.selector, 0, 1));
        oracle.disprove(list, hex"01", 1, reading, signature);
        bytes memory proof = abi.encodePacked(hex"01", _sign64(STRANGER_KEY, _digest(list)));
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.NotAnAttestor.selector, 0, stranger));
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

    function _invalidAttestation(uint256 index, address signer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMeterOracle.InvalidAttestation.selector, index, signer);
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
