// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MeterScene} from "./support/MeterScene.sol";

/// @notice Gas of one call of `requireReadings`, without its calldata, kept in `snapshots/`.
contract MeterOracleGasTest is MeterScene {
    event GasUsed(string name, uint256 gas);

    function test_Attested10() public {
        vm.assertLe(_attested(10, false), 25_000);
    }

    function test_Attested100() public {
        vm.assertLe(_attested(100, false), 30_000);
    }

    function test_AttestedWithGaps100() public {
        _attested(100, true);
    }

    function test_SignedByMeters10() public {
        vm.assertLe(_signedByMeters(10), 10 * 8_000);
    }

    function test_SignedByMeters100() public {
        vm.assertLe(_signedByMeters(100), 100 * 8_000);
    }

    function test_Submitted10() public {
        _addMembers(8);
        vm.warp(END);
        bytes memory readings;
        for (uint256 i = 0; i < 10; ++i) {
            readings = abi.encodePacked(readings, _entry(i, GRID, 500, 0));
            _submit(i, GRID, 500, 0);
        }
        _measure("submitted on chain: 10", readings, abi.encodePacked(hex"02", new bytes(640)));
    }

    function test_SubmitAReading() public {
        vm.warp(END);
        _submit(0, GRID, 500, 0);
        vm.snapshotGasLastCall("MeterOracleGasTest", "submit one reading");
    }

    function _attested(uint256 meters, bool gaps) private returns (uint256) {
        bytes memory readings = _list(meters);
        vm.warp(CLOSED + 1);
        string memory name =
            gaps ? "attested with gaps by 2: 100" : meters == 10 ? "attested by 2: 10" : "attested by 2: 100";
        return _measure(name, readings, _attestAt(START, readings, gaps));
    }

    function _signedByMeters(uint256 meters) private returns (uint256) {
        bytes memory readings = _list(meters);
        bytes memory proof = hex"02";
        for (uint256 i = 0; i < meters; ++i) {
            proof = abi.encodePacked(proof, _signReading(i, GRID, 500, 0));
        }
        vm.warp(END);
        return
            _measure(meters == 10 ? "signed by the meters: 10" : "signed by the meters: 100", readings, proof);
    }

    function _list(uint256 meters) private returns (bytes memory readings) {
        _addMembers(meters - 2);
        for (uint256 i = 0; i < meters; ++i) {
            readings = abi.encodePacked(readings, _entry(i, GRID, 500, 0));
        }
    }

    function _measure(string memory name, bytes memory readings, bytes memory proof)
        private
        returns (uint256 gas)
    {
        vm.cool(address(oracle));
        vm.cool(address(registry));
        oracle.requireReadings(START, STEP, readings, proof);
        gas = vm.snapshotGasLastCall("MeterOracleGasTest", name);
        emit GasUsed(name, gas);
    }
}
