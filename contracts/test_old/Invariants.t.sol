// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Handler} from "./support/Handler.sol";
import {Vm} from "./support/Vm.sol";

/// @notice What holds after any sequence of deposits, withdrawals, pauses, cancellations, commitments and
/// settlements. The handler also asserts, at each act, what that act must not do.
contract InvariantsTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    /// @dev The only functions that forge calls.
    function targetSelectors() public view returns (Target[] memory targets) {
        bytes4[] memory acts = new bytes4[](9);
        acts[0] = Handler.deposit.selector;
        acts[1] = Handler.requestWithdrawal.selector;
        acts[2] = Handler.withdraw.selector;
        acts[3] = Handler.setPaused.selector;
        acts[4] = Handler.wait.selector;
        acts[5] = Handler.cancel.selector;
        acts[6] = Handler.commit.selector;
        // Settling twice as often finds more intervals due.
        acts[7] = Handler.settle.selector;
        acts[8] = Handler.settle.selector;
        targets = new Target[](1);
        targets[0] = Target(address(handler), acts);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct Target {
        address addr;
        bytes4[] selectors;
    }

    function invariant_TheExchangeHoldsWhatItOwes() public view {
        vm.assertEq(handler.tokensHeld(), handler.balances());
        vm.assertEq(handler.tokensHeld(), handler.deposited() - handler.withdrawn());
    }

    function invariant_WhoSignedNothingLosesNothing() public view {
        vm.assertEq(handler.bystandersBalance(), 100_000_000);
    }

    function invariant_ANonceIsUsedAtMostOnce() public view {
        handler.requireNoncesUsedOnce();
    }

    function invariant_AnIntervalIsSettledAtMostOnceAsCommitted() public view {
        handler.requireIntervalsKept();
    }
}
