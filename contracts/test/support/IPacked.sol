// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice How the packed exchange is called. Its source needs the IR, which tests are compiled without.
interface IPacked {
    function settleBatch(bytes calldata batch, bytes calldata evidence, bytes32 next) external;
}
