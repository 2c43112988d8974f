// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Adversary, AdversaryOfTheReference} from "./support/Adversary.sol";
import {Handler} from "./support/Handler.sol";
import {Vm} from "./support/Vm.sol";

/// @notice What holds after any sequence of deposits, withdrawals, pauses, cancellations, revocations, commitments,
/// settlements and attacks. `Handler` and `Adversary` also assert, at each act, what that act must not do: take more
/// than was signed for, settle an order that is void, refuse what is right.
contract InvariantsTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    Adversary internal handler;

    struct Target {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public virtual {
        handler = new Adversary();
    }

    /// @dev The only functions that forge calls; the commonest twice.
    function targetSelectors() public view returns (Target[] memory targets) {
        bytes4[18] memory acts = [
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
            Handler.commitLate.selector,
            Handler.settle.selector,
            Handler.settle.selector,
            Handler.release.selector,
            Adversary.attack.selector,
            Adversary.attack.selector,
            Adversary.settleWrongly.selector
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

    /// @dev Who signed nothing loses nothing; no nonce is used twice; and of an interval is settled what was committed,
    /// once.
    function invariant_OnlyWhatWasSignedAndCommittedIsSettled() public view {
        vm.assertEq(handler.bystandersMoney(), 100_000_000);
        vm.assertFalse(handler.nonceReused());
        handler.requireIntervalsKept();
    }

    /// @dev After each sequence: every attack has been tried, and a pause keeps nobody's money in.
    function afterInvariant() public {
        handler.tryWhatIsLeft();
        invariant_TheExchangeHoldsWhatItOwes();
        invariant_OnlyWhatWasSignedAndCommittedIsSettled();
        handler.everyoneLeaves();
    }

    /// @dev Every attack, against a community that has done nothing yet.
    function test_EveryAttackIsRefused() public {
        afterInvariant();
    }
}

contract InvariantsOfTheReferenceTest is InvariantsTest {
    function setUp() public override {
        handler = new AdversaryOfTheReference();
    }
}
