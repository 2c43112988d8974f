// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @notice An ERC-1271 wallet with one key, which can turn hostile: it then spends all gas it is given.
contract Wallet is IERC1271 {
    address private immutable key;
    bool private hostile;

    constructor(address key_) {
        key = key_;
    }

    function turnHostile() external {
        hostile = true;
    }

    function isValidSignature(bytes32 digest, bytes memory signature) external view returns (bytes4) {
        if (hostile) {
            assembly {
                invalid()
            }
        }
        (address signer,,) = ECDSA.tryRecover(digest, signature);
        return signer == key ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
