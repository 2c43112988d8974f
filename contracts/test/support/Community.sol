// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./Scene.sol";
import {Log} from "./Vm.sol";
import {IEnergyExchange} from "../../src/interfaces/IEnergyExchange.sol";
import {Key} from "../../src/interfaces/IParticipantRegistry.sol";
import {MeterOracle} from "../../src/MeterOracle.sol";
import {
    Batch,
    BatchAgent,
    BatchMember,
    BatchOrder,
    Registers
} from "../../src/reference/EnergyExchangeReference.sol";

/// @notice An executed order as the event tells it.
struct Fill {
    uint16 member;
    uint8 side;
    uint8 k;
    uint32 energyWh;
    uint32 imbalanceCap;
    uint32 price;
}

/// @notice What tests of a settlement do again and again.
abstract contract Community is Scene {
    /// @dev Bytes of an entry of `BatchSettled.fills`.
    uint256 internal constant UNIFORM_FILL = 16;
    uint256 internal constant BILATERAL_FILL = 16;

    // Batches

    /// @dev Place of the member's meter 0 in the batch; of its order, where each member has one.
    function _at(Batch memory batch, uint256 member) internal pure returns (uint256 index) {
        while (batch.members[index].account != _owner(member)) ++index;
    }

    function _orderOf(Batch memory batch, uint256 member) internal pure returns (BatchOrder memory) {
        return batch.members[_at(batch, member)].orders[0];
    }

    /// @dev Members and their meters only.
    function _withoutOrders(uint256 members) internal pure returns (Batch memory batch) {
        batch = _unsigned(START, members);
        for (uint256 i = 0; i < members; ++i) {
            batch.members[i] = _idle(i);
        }
        _sort(batch.members);
    }

    function _idle(uint256 member) internal pure returns (BatchMember memory) {
        return BatchMember({account: _owner(member), number: 0, orders: new BatchOrder[](0)});
    }

    function _memberOf(uint256 member, BatchOrder memory one, BatchOrder memory other)
        internal
        pure
        returns (BatchMember memory)
    {
        BatchOrder[] memory orders = new BatchOrder[](2);
        (orders[0], orders[1]) = (one, other);
        return BatchMember({account: _owner(member), number: 0, orders: orders});
    }

    /// @dev The batch with another member in it.
    function _with(Batch memory batch, BatchMember memory member) internal view returns (Batch memory) {
        BatchMember[] memory members = new BatchMember[](batch.members.length + 1);
        for (uint256 i = 0; i < batch.members.length; ++i) {
            members[i] = batch.members[i];
        }
        members[batch.members.length] = member;
        batch.members = members;
        _complete(batch);
        return batch;
    }

    /// @dev The batch with the member's order put under the agent's mandate.
    function _byAgent(Batch memory batch, uint256 member) internal view returns (Batch memory) {
        batch.agents = new BatchAgent[](1);
        _orderOf(batch, member).authority = 2;
        _complete(batch);
        return batch;
    }

    /// @dev Another meter of the member, with the same key.
    function _addMeter(uint256 member, uint16 number) internal {
        registry.register(_owner(member), number, _keyOfMeter(member));
    }

    function _keyOfMeter(uint256 member) internal pure returns (Key memory) {
        return Key(vm.addr(_meterKey(member)), 0, 0);
    }

    // Refusals

    /// @dev Signs the batch, and expects that nothing of it can be settled after delivery.
    function _refuse(Batch memory batch, bytes memory refusal) internal {
        _complete(batch);
        _refuseAsIs(batch, refusal);
    }

    function _refuseAsIs(Batch memory batch, bytes memory refusal) internal {
        _commitAndDeliver(batch);
        _refuseNow(batch, _delivered(batch), refusal);
    }

    function _refuseNow(Batch memory batch, Registers[] memory registers, bytes memory refusal) internal {
        bytes memory proof = _signedProof(batch, registers);
        vm.expectRevert(refusal);
        _settle(batch, registers, proof);
    }

    function _one(bytes4 selector, uint256 argument) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, argument);
    }

    // Money

    function _balance(uint256 member) internal view returns (uint256) {
        return exchange.balanceOf(_owner(member));
    }

    /// @dev Leaves `remainder` on the account, at the same instant as before.
    function _empty(address account, uint256 remainder) internal {
        uint256 excess = exchange.balanceOf(account) - remainder;
        uint256 instant = block.timestamp;
        vm.warp(instant - WITHDRAWAL_DELAY);
        vm.prank(account);
        exchange.requestWithdrawal(excess);
        vm.warp(instant);
        vm.prank(account);
        exchange.withdraw();
    }

    /// @dev What the exchange owes to the first `members`, the retailer and the fund, requests included.
    function _owed(uint256 members) internal view returns (uint256 sum) {
        sum = _heldBy(retailer) + _heldBy(fund);
        for (uint256 i = 0; i < members; ++i) {
            sum += _heldBy(_owner(i));
        }
    }

    function _heldBy(address account) internal view returns (uint256) {
        (uint64 requested,) = exchange.withdrawalOf(account);
        return exchange.balanceOf(account) + requested;
    }

    // Readings that are missing

    /// @dev Attested by two, with gaps.
    function _gapsProof(Batch memory batch, Registers[] memory registers)
        internal
        view
        returns (bytes memory)
    {
        bytes32 hash = keccak256(_readings(batch, registers));
        bytes32 digest = oracle.hashAttestation(batch.intervalStart, STEP, hash, true);
        (uint256 one, uint256 other) = (ATTESTOR_KEYS, ATTESTOR_KEYS + 1);
        if (vm.addr(one) > vm.addr(other)) (one, other) = (other, one);
        return bytes.concat(hex"03", _compact(one, digest), _compact(other, digest));
    }

    // Events

    /// @dev The data of the one `BatchSettled` among the logs.
    function _settled(Log[] memory logs)
        internal
        pure
        returns (uint256 prices, int256 retailerDelta, bytes memory readings, bytes memory fills)
    {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IEnergyExchange.BatchSettled.selector) {
                return abi.decode(logs[i].data, (uint256, int256, bytes, bytes));
            }
        }
        vm.assertTrue(false, "no BatchSettled");
    }

    /// @dev The one place where tests read `BatchSettled.fills`.
    function _decode(bytes memory fills, bool bilateral, uint32 clearing)
        internal
        pure
        returns (Fill[] memory list)
    {
        uint256 size = bilateral ? BILATERAL_FILL : UNIFORM_FILL;
        vm.assertEq(fills.length % size, 0);
        list = new Fill[](fills.length / size);
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 entry;
            assembly ("memory-safe") {
                entry := mload(add(add(fills, 32), mul(i, size)))
            }
            list[i] = Fill({
                member: uint16(entry >> 240),
                side: uint8(entry >> 232),
                k: uint8(entry >> 224),
                energyWh: uint32(entry >> 192),
                imbalanceCap: uint32(entry >> 160),
                price: size == 16 ? uint32(entry >> 128) : clearing
            });
        }
    }

    function _countLogs(Log[] memory logs, bytes32 topic) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) ++count;
        }
    }
}
