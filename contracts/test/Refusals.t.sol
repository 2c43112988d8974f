// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Community} from "./support/Community.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {IMeterOracle} from "../src/interfaces/IMeterOracle.sol";
import {Intervals, Terms} from "../src/Intervals.sol";
import {OrderTypes, SupplyAgreement} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchMember, BatchOrder, Registers} from "./support/Batches.sol";

/// @notice Every way in which a commitment or a settlement is refused, on both paths.
contract RefusalsTest is Community {
    bytes32 private constant ROOT = bytes32(bytes26("root"));

    // Commitment

    function test_Commit() public {
        Batch memory batch = _batch();
        bytes32 root = _root(batch);
        vm.expectEmit(address(exchange));
        emit IEnergyExchange.BatchCommitted(START, root);
        _commit(batch);
        (bytes26 committed, uint8 parts, uint40 committedAt) = exchange.commitments(START);
        vm.assertEq(bytes32(committed), bytes32(bytes26(root)));
        vm.assertEq(parts, 0);
        vm.assertEq(committedAt, GATE);
    }

    function test_RevertWhen_CommitTwice() public {
        _commitRoot(START, ROOT);
        vm.expectRevert(_one(IEnergyExchange.AlreadyCommitted.selector, START));
        _commitRoot(START, "another");
    }

    function test_RevertWhen_CommitNothing() public {
        vm.expectRevert(_one(IEnergyExchange.ZeroRoot.selector, START));
        _commitRoot(START, 0);
        vm.expectRevert(_one(IEnergyExchange.ZeroRoot.selector, START));
        _commitRoot(START, bytes32(uint256(type(uint48).max))); // nothing in the bytes that are kept
    }

    function test_RevertWhen_IntervalIsNoInterval() public {
        vm.expectRevert(_one(IEnergyExchange.InvalidInterval.selector, START + 1));
        _commitRoot(START + 1, ROOT);
    }

    function test_RevertWhen_SettlementWouldOutlastTheWithdrawalDelay() public {
        uint256 closesAt = START + SETTLEMENT_TERM;
        vm.warp(closesAt - WITHDRAWAL_DELAY - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEnergyExchange.TermExceedsWithdrawalDelay.selector, START, closesAt)
        );
        _commitRoot(START, ROOT);
        vm.warp(closesAt - WITHDRAWAL_DELAY);
        _commitRoot(START, ROOT);
    }

    function test_RevertWhen_CommittedAfterTheTerm() public {
        uint256 closesAt = START + SETTLEMENT_TERM;
        vm.warp(closesAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.IntervalClosed.selector, START, closesAt));
        _commitRoot(START, ROOT);
        vm.warp(closesAt);
        _commitRoot(START, ROOT);
    }

    /// @dev Settling needs no role (`SettleTest`); committing does.
    function test_RevertWhen_CallerIsNotTheOperator() public {
        Batch memory batch = _batch();
        bytes32 root = _root(batch);
        bytes32 role = exchange.OPERATOR_ROLE();
        address[4] memory others = [stranger, admin, pauser, _owner(0)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], role
                )
            );
            vm.prank(others[i]);
            exchange.commitBatch(START, root);
        }
        vm.prank(admin);
        exchange.revokeRole(role, operator);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, operator, role)
        );
        _commit(batch);
    }

    function test_RevertWhen_Paused() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _commitAndDeliver(batch);
        vm.prank(pauser);
        exchange.pause();
        _refuseNow(batch, registers, _bare(Pausable.EnforcedPause.selector));
        vm.expectRevert(_bare(Pausable.EnforcedPause.selector));
        _commitRoot(END + STEP, ROOT);
        vm.prank(pauser);
        exchange.unpause();
        _settle(batch, registers);
    }

    function test_RevertWhen_PauserIsNone() public {
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, operator, exchange.PAUSER_ROLE()
        );
        vm.expectRevert(refusal);
        vm.prank(operator);
        exchange.pause();
        vm.expectRevert(refusal);
        vm.prank(operator);
        exchange.unpause();
    }

    // The batch as a whole

    function test_RevertWhen_NotCommitted() public {
        Batch memory batch = _batch();
        vm.warp(END);
        _refuseNow(batch, _delivered(batch), _one(IEnergyExchange.NotCommitted.selector, START));
    }

    function test_RevertWhen_Replayed() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _commitAndDeliver(batch);
        _settle(batch, registers);
        _refuseNow(batch, registers, _one(IEnergyExchange.AlreadySettled.selector, START));
    }

    function test_RevertWhen_NotTheCommittedBatch() public {
        Batch memory batch = _batch();
        bytes26 root = bytes26(_root(batch));
        _commitAndDeliver(batch);
        batch.prices.clearing += 1;
        bytes memory refusal =
            abi.encodeWithSelector(IEnergyExchange.RootMismatch.selector, START, root, bytes26(_root(batch)));
        _refuseNow(batch, _delivered(batch), refusal);
    }

    function test_RevertWhen_ABatchIsSettledAsAPart() public {
        Batch memory batch = _batch();
        bytes26 root = bytes26(_root(batch));
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        bytes26 given = bytes26(keccak256(abi.encodePacked(_hash(batch), ROOT)));
        vm.expectRevert(abi.encodeWithSelector(IEnergyExchange.RootMismatch.selector, START, root, given));
        _settlePart(batch, ROOT, registers, proof);
    }

    function test_RevertWhen_DeliveryHasNotEnded() public {
        Batch memory batch = _batch();
        _commit(batch);
        vm.warp(END - 1);
        bytes memory refusal = abi.encodeWithSelector(IEnergyExchange.DeliveryNotEnded.selector, START, END);
        _refuseNow(batch, _delivered(batch), refusal);
    }

    function test_RevertWhen_TheTermIsOver() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        _commit(batch);
        uint256 closesAt = START + SETTLEMENT_TERM;
        vm.warp(closesAt + 1);
        bytes memory refusal =
            abi.encodeWithSelector(IEnergyExchange.IntervalClosed.selector, START, closesAt);
        _refuseNow(batch, registers, refusal);
        vm.warp(closesAt);
        _settle(batch, registers);
    }

    function test_RevertWhen_ALateBatchHasOrders() public {
        Batch memory batch = _batch();
        vm.warp(START);
        _commitAndDeliver(batch);
        _refuseNow(batch, _delivered(batch), _one(IEnergyExchange.LateBatchHasOrders.selector, START));
    }

    function test_RevertWhen_BuysDifferFromSells() public {
        Batch memory batch = _batch();
        _orderOf(batch, 1).executions[0].energyWh = 999;
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.BuysDifferFromSells.selector, int256(-1)));
    }

    // Meters

    function test_RevertWhen_RegistersDoNotMatchMeters() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        vm.expectRevert(_bare(IEnergyExchange.BatchMalformed.selector));
        _settle(batch, new Registers[](1), "");
        // In packed evidence, what is not of the registers is of the proof.
        bytes memory refusal = _onReference()
            ? _bare(IEnergyExchange.BatchMalformed.selector)
            : abi.encodeWithSelector(IMeterOracle.UnknownProof.selector, 0);
        vm.expectRevert(refusal);
        _settle(batch, new Registers[](3), "");
    }

    function test_RevertWhen_AMeterIsListedTwice() public {
        Batch memory batch = _batch();
        batch.members[1] = batch.members[0];
        _refuseAsIs(batch, _one(IEnergyExchange.MetersNotIncreasing.selector, 1));
    }

    function test_RevertWhen_MetersAreNotSorted() public {
        Batch memory batch = _batch();
        (batch.members[0], batch.members[1]) = (batch.members[1], batch.members[0]);
        _refuseAsIs(batch, _one(IEnergyExchange.MetersNotIncreasing.selector, 1));
    }

    function test_RevertWhen_AMeterIsNoGridMeter() public {
        Batch memory batch = _batch();
        batch.members[1].number = 0x4000;
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.NotAGridMeter.selector, 1, 0x4000));
    }

    function test_RevertWhen_AMeterIsUnknown() public {
        Batch memory batch = _batch();
        batch.members[0].number = 7;
        bytes32 meter = bytes32(bytes20(batch.members[0].account)) | bytes32(uint256(7));
        _refuse(batch, abi.encodeWithSelector(IMeterOracle.UnknownMeter.selector, meter));
    }

    function test_RevertWhen_AReadingIsForged() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        bytes memory refusal = abi.encodeWithSelector(IMeterOracle.InvalidReading.selector, _meterId(1));
        registers[_at(batch, 1)].importWh -= 1;
        vm.expectRevert(refusal);
        _settle(batch, registers, proof);
    }

    function test_RevertWhen_RegistersAreSwapped() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        (registers[0], registers[1]) = (registers[1], registers[0]);
        vm.expectPartialRevert(IMeterOracle.InvalidReading.selector);
        _settle(batch, registers, proof);
    }

    function test_RevertWhen_ReadingsAreOfAnotherInterval() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        batch.intervalStart = END;
        bytes memory proof = _signedProof(batch, registers);
        batch.intervalStart = START;
        vm.expectPartialRevert(IMeterOracle.InvalidReading.selector);
        _settle(batch, registers, proof);
    }

    function test_RevertWhen_TooFewAttestorsSigned() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof =
            bytes.concat(hex"01", _attestations(_attestationDigest(batch, registers, false), 1));
        vm.expectRevert(abi.encodeWithSelector(IMeterOracle.TooFewAttestors.selector, 1, THRESHOLD));
        _settle(batch, registers, proof);
    }

    function test_RevertWhen_AMissingReadingMayStillCome() public {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 1)] = Registers(true, 0, 0);
        _commit(batch);
        uint256 until = END + READING_DEADLINE;
        vm.warp(until);
        bytes memory refusal =
            abi.encodeWithSelector(IMeterOracle.ReadingAwaited.selector, _meterId(1), until);
        _refuseNow(batch, registers, refusal);
        vm.warp(until + 1);
        _settle(batch, registers);
    }

    // Supply agreements

    function test_RevertWhen_AMemberHasNoSupplyAgreement() public {
        Batch memory batch = _with(_batch(), _idle(2));
        _refuse(batch, _supplyMissing(2));
    }

    function test_RevertWhen_TheRetailerOrTheFundIsAMember() public {
        Batch memory batch = _batch();
        uint256 last = batch.members.length - 1;
        batch.members[last].account = retailer;
        batch.members[last].orders = new BatchOrder[](0);
        batch.members[0].orders = new BatchOrder[](0);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, retailer, START));
    }

    function test_RevertWhen_ASupplyAgreementIsOver() public {
        SupplyAgreement memory agreement = _supply(2);
        agreement.validUntil = START; // not a whole day
        _registerSupplyOfNew(2, agreement);
        _refuse(_with(_batch(), _idle(2)), _supplyMissing(2));
    }

    function test_RevertWhen_ASupplyAgreementHasNotBegun() public {
        SupplyAgreement memory agreement = _supply(2);
        agreement.validFrom = START + 1;
        _registerSupplyOfNew(2, agreement);
        _refuse(_with(_batch(), _idle(2)), _supplyMissing(2));
    }

    function test_RevertWhen_TheRetailersPricesExceedAnAgreement() public {
        Batch memory batch = _batch();
        batch.prices.retailImport = 400_001;
        _refuse(batch, _supplyMissingAt(batch, 0));
    }

    function test_RevertWhen_TheFeedInPriceIsBelowAnAgreement() public {
        Batch memory batch = _batch();
        batch.prices.feedIn = 49_999;
        _refuse(batch, _supplyMissingAt(batch, 0));
    }

    /// @dev The same, where the agreement is so young that its history is looked up.
    function test_RevertWhen_PricesExceedAYoungAgreement() public {
        _registerSupplyOfNew(2, _supply(2));
        Batch memory batch = _unsigned(START, 1);
        batch.members[0] = _idle(2);
        uint256 snapshot = vm.snapshotState();
        batch.prices.retailImport = 400_001;
        _refuse(batch, _supplyMissing(2));
        vm.revertToStateAndDelete(snapshot);
        batch.prices.retailImport = 400_000;
        batch.prices.feedIn = 49_999;
        _refuse(batch, _supplyMissing(2));
    }

    // Shorthands

    function _commitRoot(uint64 start, bytes32 root) private {
        vm.prank(operator);
        exchange.commitBatch(start, root);
    }

    function _registerSupplyOfNew(uint256 member, SupplyAgreement memory agreement) private {
        _addMeter(member, 0);
        _registerSupply(member, agreement);
    }

    function _supplyMissing(uint256 member) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, _owner(member), START);
    }

    function _supplyMissingAt(Batch memory batch, uint256 index) private pure returns (bytes memory) {
        address account = batch.members[index].account;
        return abi.encodeWithSelector(IEnergyExchange.SupplyMissing.selector, account, START);
    }

    function _bare(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }
}

contract RefusalsOfTheReferenceTest is RefusalsTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
