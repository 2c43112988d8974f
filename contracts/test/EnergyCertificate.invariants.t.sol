// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CertificateHandler} from "./support/CertificateHandler.sol";

/// @notice Whatever is issued, transferred and claimed: of each id there is what was metered, once.
contract EnergyCertificateInvariantsTest {
    struct Target {
        address addr;
        bytes4[] selectors;
    }

    CertificateHandler private handler;

    function setUp() public {
        handler = new CertificateHandler();
    }

    /// @dev The only functions that forge calls.
    function targetSelectors() public view returns (Target[] memory targets) {
        bytes4[] memory acts = new bytes4[](3);
        acts[0] = CertificateHandler.issue.selector;
        acts[1] = CertificateHandler.transfer.selector;
        acts[2] = CertificateHandler.claim.selector;
        targets = new Target[](1);
        targets[0] = Target(address(handler), acts);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_NoMoreIsCertifiedThanMetered() public view {
        handler.requireSupplyKept();
    }
}
