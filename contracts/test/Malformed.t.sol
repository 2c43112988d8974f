// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {Packing} from "./support/Packing.sol";
import {IPacked} from "./support/IPacked.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchOrder, Registers} from "./support/Batches.sol";

/// @notice Packed bytes that are no batch. Committing is the operator's: it commits whatever it likes.
contract MalformedTest is Community {
    bytes private constant MALFORMED = abi.encodePacked(IEnergyExchange.BatchMalformed.selector);

    // Places in the header
    uint256 private constant MEMBERS = 25;
    uint256 private constant FILLS = 27;
    uint256 private constant TRADES = 29;
    uint256 private constant TERMS = 31;
    uint256 private constant AGENTS = 32;

    function test_ThePackedFormIsAsDocumented() public {
        bytes memory packed = Packing.pack(_batch());
        // header, a term, two members of 21 bytes with orders of 11 + 64
        vm.assertEq(packed.length, 33 + 13 + 2 * (21 + 75));
        vm.assertEq(uint8(packed[FILLS + 1]), 2);
        _settlePacked(packed, "");
    }

    function test_RevertWhen_TheHeaderIsCut() public {
        bytes memory packed = abi.encodePacked(START, new bytes(27));
        _refusePacked(packed, MALFORMED);
    }

    function test_RevertWhen_BytesFollow() public {
        _refusePacked(bytes.concat(Packing.pack(_batch()), hex"00"), MALFORMED);
    }

    /// @dev Zero bytes follow in calldata, so that a recovery can fail first.
    function test_RevertWhen_BytesLack() public {
        bytes memory packed = Packing.pack(_batch());
        assembly ("memory-safe") {
            mstore(packed, sub(mload(packed), 1))
        }
        _refusePacked(packed, "");
    }

    function test_RevertWhen_TheHeaderCountsTooFewFills() public {
        _refusePacked(_patched(FILLS + 1, 1), MALFORMED);
    }

    function test_RevertWhen_TheHeaderCountsTooManyFills() public {
        _refusePacked(_patched(FILLS + 1, 3), MALFORMED);
    }

    function test_RevertWhen_TheHeaderCountsOtherMembers() public {
        bool sellsFirst = _batch().members[0].account == _owner(0);
        int256 unmatchedWh = sellsFirst ? -1_000 : int256(1_000);
        _refusePacked(
            _patched(MEMBERS + 1, 1),
            abi.encodeWithSelector(IEnergyExchange.BuysDifferFromSells.selector, unmatchedWh)
        );
        // Beyond the batch there are zeros, which are no account.
        _refusePacked(_patched(MEMBERS + 1, 3), _one(IEnergyExchange.MetersNotIncreasing.selector, 2));
        _refusePacked(_patched(MEMBERS, 1), "");
    }

    /// @dev One member less without orders: nothing is unmatched, and yet bytes are left.
    function test_RevertWhen_TheHeaderOmitsAMember() public {
        bytes memory packed = Packing.pack(_withoutOrders(2));
        packed[MEMBERS + 1] = 0x01;
        _refusePacked(packed, MALFORMED);
    }

    function test_RevertWhen_TheHeaderCountsOtherTerms() public {
        _refusePacked(_patched(TERMS, 0), "");
        _refusePacked(_patched(TERMS, 2), "");
    }

    function test_RevertWhen_TheHeaderCountsAnAgent() public {
        _refusePacked(_patched(AGENTS, 1), "");
    }

    function test_RevertWhen_AUniformBatchIsSaidToBeBilateral() public {
        _refusePacked(_patched(TRADES + 1, 1), "");
    }

    /// @dev A bilateral batch has trades, and no fills.
    function test_RevertWhen_ABilateralBatchCountsFills() public {
        Batch memory batch = _batch();
        batch.trades = 1;
        bytes memory packed = Packing.pack(batch);
        vm.assertEq(uint8(packed[FILLS + 1]), 0);
        for (uint8 i = 1; i < 5; ++i) {
            packed[FILLS + 1] = bytes1(i);
            _refusePacked(packed, MALFORMED);
        }
        packed[FILLS + 1] = 0x00;
        _settlePacked(packed, "");
    }

    /// @dev Bit 7 of an order's head is its side, and no other bit is.
    function test_RevertWhen_AnyBitOfAnOrderIsFlipped() public {
        bytes memory packed = Packing.pack(_batch());
        uint256 order = 33 + 13 + 21;
        for (uint256 i = 0; i < 11 * 8; ++i) {
            bytes memory flipped = bytes.concat(packed);
            flipped[order + i / 8] ^= bytes1(uint8(1 << (i % 8)));
            _refusePacked(flipped, "");
        }
    }

    /// @dev Whatever one byte is changed: nothing but the prices of the header, within what was signed, can be settled.
    function testFuzz_RevertWhen_AnyByteOfTheMembersIsChanged(uint256 place, uint8 by) public {
        bytes memory packed = Packing.pack(_batch());
        place = 33 + place % (packed.length - 33);
        vm.assume(by != 0);
        packed[place] ^= bytes1(by);
        _refusePacked(packed, "");
    }

    function test_RevertWhen_TheIntervalIsAnother() public {
        bytes memory packed = Packing.pack(_batch());
        packed[4] = bytes1(uint8(packed[4]) ^ 1);
        _commitPacked(packed);
        vm.expectRevert(_one(IEnergyExchange.NotCommitted.selector, uint256(START) ^ 1));
        _settlePackedNow(packed);
    }

    /// @dev Numbered with number 0, and partial with the whole energy: another way to say the same.
    function test_LongFormsMeanTheSame() public {
        Batch memory batch = _batch();
        bytes memory packed = Packing.pack(batch);
        uint256 member = 33 + 13;
        bytes memory long = bytes.concat(
            _slice(packed, 0, member),
            bytes1(uint8(packed[member]) | 0x80),
            _slice(packed, member + 1, member + 21),
            hex"0000",
            packed[member + 21],
            bytes1(uint8(packed[member + 22]) | 0x40),
            _slice(packed, member + 23, member + 32),
            abi.encodePacked(uint32(1_000)),
            _slice(packed, member + 32, packed.length)
        );
        _settlePacked(long, "");
        vm.assertEq(_balance(0), OPENING + 197_000);
        vm.assertEq(_balance(1), OPENING - 203_000);
    }

    function test_RevertWhen_RegistersAreCut() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        bytes memory packed = Packing.pack(batch);
        vm.expectRevert(MALFORMED);
        IPacked(address(exchange)).settleBatch(packed, new bytes(15), 0);
        vm.expectRevert(MALFORMED);
        IPacked(address(exchange)).settleBatch(packed, "", 0);
    }

    /// @dev What is not of the registers is of the proof: one byte more or less, and it is another one.
    function test_RevertWhen_TheEvidenceIsShifted() public {
        Batch memory batch = _batch();
        _commitAndDeliver(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory evidence = Packing.evidence(registers, _attestedProof(batch, registers));
        bytes memory packed = Packing.pack(batch);
        vm.expectRevert();
        IPacked(address(exchange)).settleBatch(packed, bytes.concat(evidence, hex"00"), 0);
        vm.expectRevert();
        IPacked(address(exchange)).settleBatch(packed, bytes.concat(hex"00", evidence), 0);
        vm.expectRevert();
        IPacked(address(exchange)).settleBatch(packed, _slice(evidence, 0, evidence.length - 1), 0);
        vm.expectRevert();
        IPacked(address(exchange)).settleBatch(packed, _slice(evidence, 1, evidence.length), 0);
        IPacked(address(exchange)).settleBatch(packed, evidence, 0);
    }

    function test_RevertWhen_AnOrderNamesAnAgentBeyondTheList() public {
        _registerMandate(1, _mandate(1));
        Batch memory batch = _batch();
        _orderOf(batch, 1).authority = 63; // agent 61
        _refuseAsIs(batch, MALFORMED);
    }

    /// @dev 63 orders of one meter are the most that its head can count.
    function test_AMeterMayHave63Orders() public {
        Batch memory batch = _batch();
        BatchOrder[] memory orders = new BatchOrder[](63);
        for (uint256 i = 0; i < 63; ++i) {
            orders[i] = _order(OrderTypes.BUY, 1);
            orders[i].k = uint8(2 * i);
        }
        batch.members[_at(batch, 1)].orders = orders;
        _orderOf(batch, 0).executions[0].energyWh = 63;
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(1), OPENING - 12_600 - 189);
    }

    // Shorthands

    function _patched(uint256 place, uint8 value) private view returns (bytes memory packed) {
        packed = Packing.pack(_batch());
        packed[place] = bytes1(value);
    }

    /// @dev Committed as it is; with no refusal given any will do.
    function _refusePacked(bytes memory packed, bytes memory refusal) private {
        uint256 snapshot = vm.snapshotState();
        _commitPacked(packed);
        if (refusal.length == 0) vm.expectRevert();
        else vm.expectRevert(refusal);
        _settlePackedNow(packed);
        vm.revertToStateAndDelete(snapshot);
    }

    function _settlePacked(bytes memory packed, bytes memory) private {
        _commitPacked(packed);
        _settlePackedNow(packed);
    }

    function _commitPacked(bytes memory packed) private {
        bytes32 root = keccak256(abi.encodePacked(keccak256(packed), bytes32(0)));
        vm.warp(GATE);
        vm.prank(operator);
        exchange.commitBatch(START, root);
        vm.warp(END);
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        evidenceOfBatch = Packing.evidence(registers, _attestedProof(batch, registers));
    }

    bytes private evidenceOfBatch;

    function _settlePackedNow(bytes memory packed) private {
        bytes memory evidence = evidenceOfBatch;
        IPacked(address(exchange)).settleBatch(packed, evidence, 0);
    }
}
