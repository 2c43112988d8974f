// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DisjointRoles} from "../src/DisjointRoles.sol";
import {EnergyCertificate} from "../src/EnergyCertificate.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC1155Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {IEnergyCertificate} from "../src/interfaces/IEnergyCertificate.sol";
import {IMeterOracle} from "../src/interfaces/IMeterOracle.sol";
import {MeterIds} from "../src/libraries/MeterIds.sol";
import {MeterScene} from "./support/MeterScene.sol";

/// @notice Issuing from proven readings, and claiming. The list has both members' grid and generation meters.
contract EnergyCertificateTest is MeterScene {
    address private immutable issuer = vm.addr(0x155);
    address private immutable buyer = vm.addr(0xB07);

    EnergyCertificate private certificate;
    bytes private list;

    function setUp() public override {
        super.setUp();
        certificate = new EnergyCertificate(oracle, admin, STEP, "https://example.org/{id}.json");
        bytes32 role = certificate.ISSUER_ROLE();
        vm.prank(admin);
        certificate.grantRole(role, issuer);
        list = abi.encodePacked(
            _entry(0, GRID, 0, 600),
            _entry(0, GENERATION, 2, 1_000),
            _entry(1, GRID, 900, 0),
            _entry(1, GENERATION, 0, 250)
        );
        vm.warp(END);
    }

    // Issuing

    function test_IssueToTheMetersAccounts() public {
        bytes memory proof = _attest(list);
        uint256 id = certificate.idOf(_meterId(0, GENERATION), START);
        vm.expectEmit(address(certificate));
        emit IEnergyCertificate.CertificateIssued(id, _meterId(0, GENERATION), START, 1_000);
        vm.prank(issuer);
        vm.assertEq(certificate.issue(START, _pair(1, 3), list, proof), 1_250);
        vm.assertEq(certificate.balanceOf(_owner(0), id), 1_000);
        id = certificate.idOf(_meterId(1, GENERATION), START);
        vm.assertEq(certificate.balanceOf(_owner(1), id), 250);
        vm.assertTrue(certificate.isIssued(_meterId(0, GENERATION), START));
        vm.assertFalse(certificate.isIssued(_meterId(0, GENERATION), START + STEP));
    }

    function test_TheMetersOwnSignatureDoes() public {
        bytes memory entry = _entry(0, GENERATION, 2, 1_000);
        bytes memory proof = abi.encodePacked(hex"02", _signReading(0, GENERATION, 2, 1_000));
        vm.assertEq(_issue(entry, proof), 1_000);
    }

    function test_AMeterAndIntervalIsCertifiedOnce() public {
        _issue(_entry(0, GENERATION, 0, 1_000), _attest(_entry(0, GENERATION, 0, 1_000)));
        // Again, picked twice, and with a larger reading that attestors signed later.
        bytes memory proof = _attest(list);
        vm.prank(issuer);
        vm.assertEq(certificate.issue(START, _pair(1, 1), list, proof), 0);
        bytes memory larger = _entry(0, GENERATION, 0, 5_000);
        vm.assertEq(_issue(larger, _attest(larger)), 0);
        uint256 id = certificate.idOf(_meterId(0, GENERATION), START);
        vm.assertEq(certificate.balanceOf(_owner(0), id), 1_000);
    }

    function test_ClaimedEnergyIsNotCertifiedAgain() public {
        _issue(_entry(0, GENERATION, 0, 1_000), _attest(_entry(0, GENERATION, 0, 1_000)));
        uint256 id = certificate.idOf(_meterId(0, GENERATION), START);
        vm.prank(_owner(0));
        certificate.claim(id, 1_000, buyer, "2025");
        vm.assertEq(_issue(_entry(0, GENERATION, 0, 1_000), _attest(_entry(0, GENERATION, 0, 1_000))), 0);
    }

    function test_NothingGeneratedIsNotCertifiedAndStaysOpen() public {
        bytes memory none = _entry(0, GENERATION, 5, 0);
        vm.assertEq(_issue(none, _attest(none)), 0);
        vm.assertFalse(certificate.isIssued(_meterId(0, GENERATION), START));
    }

    function test_RevertWhen_TheMeterIsNotOneOfGeneration() public {
        bytes memory grid = _entry(0, GRID, 0, 600);
        _refuse(grid, _notGeneration(_meterId(0, GRID)));
        // Attestors alone do not make a meter.
        bytes memory unknown = _entry(0, GENERATION + 1, 0, 600);
        _refuse(unknown, _notGeneration(_meterId(0, GENERATION + 1)));
    }

    function test_RevertWhen_TheReadingIsMissing() public {
        bytes memory gap = _missing(0, GENERATION);
        bytes memory proof = _attestAt(START, gap, true);
        vm.warp(CLOSED + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyCertificate.ReadingMissing.selector, _meterId(0, GENERATION))
        );
        vm.prank(issuer);
        certificate.issue(START, new uint256[](1), gap, proof);
    }

    function test_RevertWhen_ReadingsAreNotProven() public {
        bytes memory proof = _attest(list);
        list[59] = 0xff;
        vm.expectPartialRevert(IMeterOracle.NotTheAttestors.selector);
        vm.prank(issuer);
        certificate.issue(START, _pair(1, 3), list, proof);
    }

    function test_RevertWhen_TheIntervalIsNone() public {
        bytes memory proof = _attest(list);
        vm.expectRevert(abi.encodeWithSelector(IEnergyCertificate.InvalidInterval.selector, START + 1));
        vm.prank(issuer);
        certificate.issue(START + 1, _pair(1, 3), list, proof);
        vm.warp(END - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyCertificate.IntervalNotEnded.selector, START, uint256(END))
        );
        vm.prank(issuer);
        certificate.issue(START, _pair(1, 3), list, proof);
    }

    function test_RevertWhen_TheListHasNoSuchEntry() public {
        bytes memory proof = _attest(list);
        vm.expectRevert(abi.encodeWithSelector(IEnergyCertificate.NoSuchEntry.selector, 4));
        vm.prank(issuer);
        certificate.issue(START, _pair(3, 4), list, proof);
    }

    function test_RevertWhen_CallerIsNotTheIssuer() public {
        bytes memory proof = _attest(list);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, _owner(0), certificate.ISSUER_ROLE()
            )
        );
        vm.prank(_owner(0));
        certificate.issue(START, _pair(1, 3), list, proof);
    }

    function test_RevertWhen_ConstructedWrongly() public {
        vm.expectRevert(abi.encodeWithSelector(IEnergyCertificate.ZeroValue.selector, "oracle"));
        new EnergyCertificate(IMeterOracle(address(0)), admin, STEP, "");
        vm.expectRevert(abi.encodeWithSelector(IEnergyCertificate.ZeroValue.selector, "intervalSeconds"));
        new EnergyCertificate(oracle, admin, 0, "");
        vm.expectRevert(DisjointRoles.AdminMissing.selector);
        new EnergyCertificate(oracle, address(0), STEP, "");
    }

    function test_AnAccountThatRefusesTokensIsLeftOut() public {
        Receiver receiver = new Receiver(certificate);
        registry.register(address(receiver), GENERATION, _secp256k1(0x7E3));
        bytes memory both = abi.encodePacked(
            address(receiver), GENERATION, uint32(0), uint32(70), _entry(0, GENERATION, 0, 1_000)
        );
        bytes memory proof = _attest(both);
        receiver.refuse();
        vm.expectRevert(
            abi.encodeWithSelector(IERC1155Errors.ERC1155InvalidReceiver.selector, address(receiver))
        );
        vm.prank(issuer);
        certificate.issue(START, _pair(0, 1), both, proof);
        uint256[] memory second = new uint256[](1);
        second[0] = 1;
        vm.prank(issuer);
        vm.assertEq(certificate.issue(START, second, both, proof), 1_000);
    }

    /// @dev The receiver is the issuer itself and issues again while it receives: the meter is marked by then.
    function test_AReentrantReceiverGetsNoMore() public {
        Receiver receiver = new Receiver(certificate);
        registry.register(address(receiver), GENERATION, _secp256k1(0x7E3));
        bytes32 role = certificate.ISSUER_ROLE();
        vm.prank(admin);
        certificate.grantRole(role, address(receiver));
        bytes memory entry = abi.encodePacked(address(receiver), GENERATION, uint32(0), uint32(70));
        receiver.issue(START, entry, _attest(entry));
        uint256 id = certificate.idOf(MeterIds.idOf(address(receiver), GENERATION), START);
        vm.assertEq(receiver.received(), 1);
        vm.assertEq(certificate.balanceOf(address(receiver), id), 70);
    }

    // Ids

    function testFuzz_AnIdSaysWhereTheEnergyIsFrom(address account, uint16 number, uint64 start) public view {
        number = MeterIds.FIRST_GENERATION + number % MeterIds.FIRST_GENERATION;
        uint256 id = certificate.idOf(MeterIds.idOf(account, number), start);
        vm.assertEq(bytes32(id), bytes32(abi.encodePacked(account, number, start)));
        (bytes32 meterId, uint64 intervalStart) = certificate.provenanceOf(id);
        vm.assertEq(meterId, MeterIds.idOf(account, number));
        vm.assertEq(uint256(intervalStart), start);
    }

    function test_RevertWhen_AnIdIsAskedOfAnotherKindOfMeter() public {
        bytes32[3] memory meters = [
            _meterId(0, GRID),
            bytes32(uint256(_meterId(0, 0)) | 0x8000),
            bytes32(uint256(_meterId(0, GENERATION)) | 1 << 95)
        ];
        for (uint256 i = 0; i < meters.length; ++i) {
            vm.expectRevert(_notGeneration(meters[i]));
            certificate.idOf(meters[i], START);
        }
    }

    // Claiming

    function test_ClaimingBurns() public {
        uint256 id = certificate.idOf(_meterId(0, GENERATION), START);
        _issue(_entry(0, GENERATION, 0, 1_000), _attest(_entry(0, GENERATION, 0, 1_000)));
        vm.prank(_owner(0));
        certificate.safeTransferFrom(_owner(0), buyer, id, 400, "");
        vm.expectEmit(address(certificate));
        emit IEnergyCertificate.CertificateClaimed(buyer, id, stranger, 300, "Heat of winter 2025");
        vm.prank(buyer);
        certificate.claim(id, 300, stranger, "Heat of winter 2025");
        vm.assertEq(certificate.balanceOf(buyer, id), 100);
        vm.assertEq(certificate.balanceOf(_owner(0), id), 600);
    }

    function test_RevertWhen_ClaimingMoreThanOneHasOrNothing() public {
        uint256 id = certificate.idOf(_meterId(0, GENERATION), START);
        _issue(_entry(0, GENERATION, 0, 1_000), _attest(_entry(0, GENERATION, 0, 1_000)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC1155Errors.ERC1155InsufficientBalance.selector, _owner(0), 1_000, 1_001, id
            )
        );
        vm.prank(_owner(0));
        certificate.claim(id, 1_001, buyer, "");
        vm.expectRevert(abi.encodeWithSelector(IEnergyCertificate.ZeroValue.selector, "amountWh"));
        vm.prank(_owner(0));
        certificate.claim(id, 0, buyer, "");
        vm.expectRevert(abi.encodeWithSelector(IEnergyCertificate.ZeroValue.selector, "beneficiary"));
        vm.prank(_owner(0));
        certificate.claim(id, 1, address(0), "");
    }

    function test_SaysWhatItIs() public view {
        vm.assertTrue(certificate.supportsInterface(type(IERC1155).interfaceId));
        vm.assertTrue(certificate.supportsInterface(type(IAccessControl).interfaceId));
        vm.assertFalse(certificate.supportsInterface(0xffffffff));
        vm.assertEq(certificate.uri(1), "https://example.org/{id}.json");
    }

    function _issue(bytes memory readings, bytes memory proof) private returns (uint256) {
        vm.prank(issuer);
        return certificate.issue(START, new uint256[](1), readings, proof);
    }

    function _refuse(bytes memory readings, bytes memory refusal) private {
        bytes memory proof = _attest(readings);
        vm.expectRevert(refusal);
        vm.prank(issuer);
        certificate.issue(START, new uint256[](1), readings, proof);
    }

    function _notGeneration(bytes32 meterId) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyCertificate.NotAGenerationMeter.selector, meterId);
    }

    function _pair(uint256 first, uint256 second) private pure returns (uint256[] memory picks) {
        picks = new uint256[](2);
        (picks[0], picks[1]) = (first, second);
    }
}

/// @notice A member's contract that may refuse tokens, and issues again while it receives them.
contract Receiver is IERC1155Receiver {
    EnergyCertificate private immutable certificate;
    uint64 private intervalStart;
    bytes private readings;
    bytes private proof;
    bool private refuses;
    uint256 public received;

    constructor(EnergyCertificate certificate_) {
        certificate = certificate_;
    }

    function refuse() external {
        refuses = true;
    }

    function issue(uint64 intervalStart_, bytes memory readings_, bytes memory proof_) external {
        (intervalStart, readings, proof) = (intervalStart_, readings_, proof_);
        certificate.issue(intervalStart_, new uint256[](1), readings_, proof_);
    }

    function onERC1155Received(address, address, uint256, uint256, bytes calldata) external returns (bytes4) {
        ++received;
        if (refuses) return bytes4(0);
        certificate.issue(intervalStart, new uint256[](1), readings, proof);
        return this.onERC1155Received.selector;
    }

    function onERC1155BatchReceived(address, address, uint256[] calldata, uint256[] calldata, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return 0;
    }

    function supportsInterface(bytes4) external pure returns (bool) {
        return true;
    }
}
