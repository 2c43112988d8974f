// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./support/Community.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Batch, Batches, Registers} from "./support/Batches.sol";
import {IReference} from "./support/IReference.sol";

/// @notice What only the reference must refuse: lists that are not, one after the other, all that was hashed. Suites for both
/// exchanges run on it, too.
contract ReferenceTest is Community {
    function _onReference() internal pure override returns (bool) {
        return true;
    }

    function test_RevertWhen_TheBatchReachesBeyondWhatWasCommitted() public {
        // Only the length of the first argument says that the rest of it does not count.
        bytes memory encoded = Batches.encode(_batch());
        bytes memory data = _call(encoded);
        assembly ("memory-safe") {
            mstore(encoded, 320)
            mstore(add(add(data, 36), mload(add(data, 36))), 320)
        }
        _refuse(encoded, data);
    }

    function test_RevertWhen_SomethingFollowsTheBatch() public {
        _refuse(bytes.concat(Batches.encode(_batch()), bytes32(0)));
    }

    function test_RevertWhen_AListStandsElsewhere() public {
        // The words of the lists' offsets follow the interval, five prices and the number of trades.
        for (uint256 list = 0; list < 4; ++list) {
            bytes memory encoded = Batches.encode(_batch());
            uint256 place = 32 + 32 + 32 * (7 + list);
            assembly ("memory-safe") {
                let offset := add(encoded, place)
                mstore(offset, add(mload(offset), 32))
            }
            uint256 snapshot = vm.snapshotState();
            _refuse(encoded);
            vm.revertToStateAndDelete(snapshot);
        }
    }

    function _call(bytes memory encoded) private view returns (bytes memory) {
        Batch memory batch = _batch();
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _signedProof(batch, registers);
        return abi.encodeCall(IReference.settleBatch, (encoded, Batches.words(registers), proof, bytes32(0)));
    }

    function _refuse(bytes memory encoded) private {
        _refuse(encoded, _call(encoded));
    }

    function _refuse(bytes memory encoded, bytes memory data) private {
        bytes32 root = keccak256(abi.encodePacked(keccak256(encoded), bytes32(0)));
        vm.prank(operator);
        exchange.commitBatch(START, root);
        vm.warp(END);
        // Some of these the decoder refuses, without a reason.
        (bool settled, bytes memory reason) = address(exchange).call(data);
        vm.assertFalse(settled);
        if (reason.length != 0) vm.assertEq(bytes4(reason), IEnergyExchange.BatchMalformed.selector);
    }
}
