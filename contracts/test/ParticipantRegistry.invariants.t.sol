// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RegistryHandler} from "./support/RegistryHandler.sol";

/// @notice Whatever a registrar and owners do: the key that counts is the one last agreed on, or one that waited for
/// its notice without a veto.
contract ParticipantRegistryInvariantsTest {
    struct Target {
        address addr;
        bytes4[] selectors;
    }

    RegistryHandler private handler;

    function setUp() public {
        handler = new RegistryHandler();
    }

    /// @dev The only functions that forge calls.
    function targetSelectors() public view returns (Target[] memory targets) {
        bytes4[] memory acts = new bytes4[](5);
        acts[0] = RegistryHandler.wait.selector;
        acts[1] = RegistryHandler.replace.selector;
        acts[2] = RegistryHandler.schedule.selector;
        acts[3] = RegistryHandler.veto.selector;
        acts[4] = RegistryHandler.register.selector;
        targets = new Target[](1);
        targets[0] = Target(address(handler), acts);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_OnlyAgreedOrNotifiedKeysCount() public view {
        for (uint256 i = 0; i < handler.METERS(); ++i) {
            handler.requireKey(i);
        }
    }
}
