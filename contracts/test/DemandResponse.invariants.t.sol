// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DemandHandler} from "./support/DemandHandler.sol";

/// @notice What holds after any sequence of events, enrolments, withdrawals, settlements, releases, claims and pauses.
contract DemandResponseInvariantsTest {
    struct Target {
        address addr;
        bytes4[] selectors;
    }

    DemandHandler private handler;

    function setUp() public {
        handler = new DemandHandler();
    }

    /// @dev The only functions that forge calls.
    function targetSelectors() public view returns (Target[] memory targets) {
        bytes4[] memory acts = new bytes4[](12);
        acts[0] = DemandHandler.wait.selector;
        acts[1] = DemandHandler.waitLong.selector;
        acts[2] = DemandHandler.setPaused.selector;
        acts[3] = DemandHandler.open.selector;
        acts[4] = DemandHandler.withdraw.selector;
        acts[5] = DemandHandler.release.selector;
        acts[6] = DemandHandler.claim.selector;
        // More often: enrolling before the event, and settling after it.
        acts[7] = DemandHandler.enrol.selector;
        acts[8] = DemandHandler.enrol.selector;
        acts[9] = DemandHandler.enrol.selector;
        acts[10] = DemandHandler.settle.selector;
        acts[11] = DemandHandler.settle.selector;
        targets = new Target[](1);
        targets[0] = Target(address(handler), acts);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_TheContractHoldsEscrowsAndWhatIsOwed() public view {
        handler.requireFundsKept();
    }

    function invariant_PayoutsStayInTheBudget() public view {
        handler.requireBudgetsKept();
    }

    function invariant_NoMeterIsPaidTwiceForAnInterval() public view {
        handler.requireSettledOnce();
    }
}
