// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "./Vm.sol";

/// @notice Figures of gas in `snapshots/`, which change only on purpose: `npm run gas` writes them anew.
abstract contract GasFigures {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev One part in so many may be added before a test fails.
    uint256 private constant TOLERANCE = 200;

    /// @dev Fails if the last call used more gas than the figure kept for it, or if there is none.
    function _keepGas(string memory group, string memory name) internal returns (uint256 gas) {
        gas = vm.snapshotGasLastCall(group, name);
        if (vm.envOr("FORGE_SNAPSHOT_EMIT", false)) return gas;
        string memory figures = vm.readFile(string.concat("snapshots/", group, ".json"));
        uint256 kept = vm.parseJsonUint(figures, string.concat("$['", name, "']"));
        vm.assertLe(gas, kept + kept / TOLERANCE, string.concat(name, ": more gas than before (npm run gas)"));
    }
}
