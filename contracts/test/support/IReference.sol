// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RegistersWord} from "../../src/reference/BatchWords.sol";

/// @notice How the reference is called. Its source needs the IR, which tests are compiled without.
interface IReference {
    function settleBatch(
        bytes calldata encoded,
        RegistersWord[] calldata registers,
        bytes calldata proof,
        bytes32 next
    ) external;
}
