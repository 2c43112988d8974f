// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "./Vm.sol";

/// @notice Contracts as they are deployed on chains: built with the IR. By its name alone forge would deploy what it builds
/// for the tests, which is other code, with other gas.
library Built {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function deploy(string memory name, bytes memory arguments) internal returns (address) {
        return vm.deployCode(string.concat("out/", name, ".sol/", name, ".json"), arguments);
    }
}
