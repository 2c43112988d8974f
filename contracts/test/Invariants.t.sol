// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Adversary} from "./support/Adversary.sol";
import {Handler} from "./support/Handler.sol";
import {Vm} from "./support/Vm.sol";

/// @notice What holds after any sequence of deposits, withdrawals, pauses, cancellations, revocations, commitments,
/// settlements and attacks. `Handler` and `Adversary` also assert, at each act, what that act must not do.
contract InvariantsTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    Adversary private handler;

    struct Target {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new Adversary();
    }

    /// @dev The only functions that forge calls; the commonest twice.
    function targetSelectors() public view returns (Target[] memory targets) {
        bytes4[17] memory acts = [
            Handler.deposit.selector,
            Handler.requestWithdrawal.selector,
            Handler.withdraw.selector,
            Handler.setPaused.selector,
            Handler.wait.selector,
            Handler.cancel.selector,
            Handler.raiseFloor.selector,
            Handler.revokeOrRenewMandate.selector,
            Handler.endOrRenewSupply.selector,
            Handler.commit.selector,
            Handler.commit.selector,
            Handler.settle.selector,
            Handler.settle.selector,
            Handler.release.selector,
            Adversary.attack.selector,
            Adversary.settleWrongly.selector,
            Adversary.settleWithWrongReadings.selector
        ];
        bytes4[] memory selectors = new bytes4[](acts.length);
        for (uint256 i = 0; i < acts.length; ++i) {
            selectors[i] = acts[i];
        }
        targets = new Target[](1);
        targets[0] = Target(address(handler), selectors);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Balances of members, the retailer and the fund (which has the fees) and requests: no rounding creates or
    /// loses a micro-unit.
    function invariant_TheExchangeHoldsWhatItOwes() public view {
        vm.assertEq(handler.tokensHeld(), handler.owed());
        vm.assertEq(handler.tokensHeld(), handler.deposited() - handler.withdrawn());
    }

    function invariant_WhoSignedNothingLosesNothing() public view {
        vm.assertEq(handler.bystandersMoney(), 100_000_000);
    }

    function invariant_ANonceIsUsedAtMostOnce() public view {
        vm.assertFalse(handler.nonceReused());
    }

    function invariant_AnIntervalIsSettledAtMostOnceAsCommitted() public view {
        handler.requireIntervalsKept();
    }

    /// @dev Every attack, each in a state that it finds.
    function test_EveryAttackIsTried() public {
        for (uint8 i = 0; i < handler.ATTACKS(); ++i) {
            handler.attack(i, 1_000);
            vm.assertEq(handler.attempts(i), 1);
        }
    }
}
