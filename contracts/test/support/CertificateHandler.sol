// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EnergyCertificate} from "../../src/EnergyCertificate.sol";
import {MeterScene} from "./MeterScene.sol";

/// @notice An issuer and members acting at random over a few intervals. Attestors may sign more than one reading of a
/// meter and interval, and the issuer tries them all.
contract CertificateHandler is MeterScene {
    uint256 public constant METERS = 3;
    uint256 private constant INTERVALS = 3;

    EnergyCertificate public certificate;
    uint256 public issuances;
    uint256[] private ids;
    mapping(uint256 id => bool) private known;
    mapping(uint256 id => uint256) private firstWh;
    mapping(uint256 id => uint256) private mintedWh;
    mapping(uint256 id => uint256) private claimedWh;

    constructor() {
        setUp();
        _addMembers(METERS - 2);
        certificate = new EnergyCertificate(oracle, admin, STEP, "");
        bytes32 role = certificate.ISSUER_ROLE();
        vm.prank(admin);
        certificate.grantRole(role, address(this));
        vm.warp(START + INTERVALS * STEP);
    }

    /// @dev All meters in one list; picks any two of them, perhaps the same one twice.
    function issue(uint256 interval, uint8 first, uint8 second, uint32[3] calldata exportWh, bool signed)
        external
    {
        uint64 start = START + uint64(interval % INTERVALS) * STEP;
        bytes memory list;
        bytes memory signatures;
        for (uint256 i = 0; i < METERS; ++i) {
            list = abi.encodePacked(list, _entry(i, GENERATION, 0, exportWh[i]));
            if (signed) {
                signatures =
                    abi.encodePacked(signatures, _signReadingAt(start, i, GENERATION, 0, exportWh[i]));
            }
        }
        uint256[] memory picks = new uint256[](2);
        (picks[0], picks[1]) = (first % METERS, second % METERS);
        uint256[2] memory before;
        for (uint256 i = 0; i < 2; ++i) {
            uint256 id = _note(picks[i], start, exportWh[picks[i]]);
            before[i] = certificate.balanceOf(_owner(picks[i]), id);
        }
        bytes memory proof = signed ? abi.encodePacked(hex"02", signatures) : _attestAt(start, list, false);
        uint256 issuedWh = certificate.issue(start, picks, list, proof);
        uint256 sum;
        for (uint256 i = 0; i < (picks[0] == picks[1] ? 1 : 2); ++i) {
            uint256 id = certificate.idOf(_meterId(picks[i], GENERATION), start);
            uint256 gain = certificate.balanceOf(_owner(picks[i]), id) - before[i];
            mintedWh[id] += gain;
            sum += gain;
        }
        vm.assertEq(issuedWh, sum);
        if (sum > 0) ++issuances;
    }

    function transfer(uint256 from, uint256 to, uint256 token, uint256 amount) external {
        if (ids.length == 0) return;
        uint256 id = ids[token % ids.length];
        address account = _owner(from % METERS);
        amount %= certificate.balanceOf(account, id) + 1;
        vm.prank(account);
        certificate.safeTransferFrom(account, _owner(to % METERS), id, amount, "");
    }

    function claim(uint256 from, uint256 token, uint256 amount) external {
        if (ids.length == 0) return;
        uint256 id = ids[token % ids.length];
        address account = _owner(from % METERS);
        uint256 balance = certificate.balanceOf(account, id);
        if (balance == 0) return;
        amount = 1 + amount % balance;
        vm.prank(account);
        certificate.claim(id, amount, account, "");
        claimedWh[id] += amount;
    }

    function requireSupplyKept() external view {
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 id = ids[i];
            uint256 supply = claimedWh[id];
            for (uint256 j = 0; j < METERS; ++j) {
                supply += certificate.balanceOf(_owner(j), id);
            }
            vm.assertEq(supply, mintedWh[id]);
            // Once, by the first reading that was more than nothing; never the sum of two, nor a later one.
            vm.assertEq(mintedWh[id], firstWh[id]);
        }
    }

    function _note(uint256 member, uint64 start, uint256 exportWh) private returns (uint256 id) {
        id = certificate.idOf(_meterId(member, GENERATION), start);
        if (!known[id]) ids.push(id);
        known[id] = true;
        if (firstWh[id] == 0) firstWh[id] = exportWh;
    }
}
