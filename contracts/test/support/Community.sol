// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./Scene.sol";
import {Log} from "./Vm.sol";
import {IEnergyExchange} from "../../src/interfaces/IEnergyExchange.sol";
import {Key} from "../../src/interfaces/IParticipantRegistry.sol";
import {MeterOracle} from "../../src/MeterOracle.sol";
import {Batch, BatchMember, BatchOrder, Registers} from "./Batches.sol";
import {BatchAgent} from "../../src/reference/BatchWords.sol";

/// @notice What was executed of an order, as the events tell it.
struct Fill {
    uint16 member;
    uint8 side;
    uint8 k;
    uint32 energyWh;
    uint32 price;
}

/// @notice A sale that was not delivered in full, as its event tells it.
struct Short {
    uint16 number;
    uint32 imbalanceCap;
}

/// @notice What tests of a settlement do again and again.
abstract contract Community is Scene {
    /// @dev Bytes of a meter and of an order in `BatchSettled.lines`, and between them.
    uint256 internal constant READING = 30;
    uint256 internal constant FILL = 8;
    uint256 internal constant GAP = 2;

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
        return bytes.concat(hex"03", _attestations(_attestationDigest(batch, registers, true), THRESHOLD));
    }

    // Events

    /// @dev What the one `BatchSettled` among the logs says.
    function _settled(Log[] memory logs)
        internal
        pure
        returns (uint256 prices, int256 retailerDelta, bytes memory readings, bytes memory fills)
    {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEnergyExchange.BatchSettled.selector) continue;
            (uint256 summary, bytes memory lines) = abi.decode(logs[i].data, (uint256, bytes));
            uint256 meters = summary >> 240;
            vm.assertEq(bytes32(_slice(lines, meters * READING, meters * READING + GAP)), 0, "gap");
            return (
                uint160(summary),
                int80(uint80(summary >> 160)),
                _slice(lines, 0, meters * READING),
                _slice(lines, meters * READING + GAP, lines.length)
            );
        }
        vm.assertTrue(false, "no BatchSettled");
    }

    /// @dev The one place where tests read what was executed: at a uniform price order by order from `BatchSettled`, else
    /// trade by trade, the buyer first, from the `TradeSettled` of one transaction.
    function _fillsIn(Log[] memory logs, bool bilateral, uint32 clearing)
        internal
        pure
        returns (Fill[] memory)
    {
        (,,, bytes memory fills) = _settled(logs);
        if (!bilateral) return _decode(fills, clearing);
        vm.assertEq(fills.length, 0, "a bilateral batch has its trades");
        return _tradesIn(logs);
    }

    function _decode(bytes memory fills, uint32 clearing) private pure returns (Fill[] memory list) {
        vm.assertEq(fills.length % FILL, 0);
        list = new Fill[](fills.length / FILL);
        for (uint256 i = 0; i < list.length; ++i) {
            uint64 entry = uint64(bytes8(_slice(fills, i * FILL, (i + 1) * FILL)));
            vm.assertEq(entry >> 40 & 0x7f, 0, "a side has one bit");
            list[i] = Fill({
                member: uint16(entry >> 48),
                side: uint8(entry >> 47 & 1),
                k: uint8(entry >> 32),
                energyWh: uint32(entry),
                price: clearing
            });
        }
    }

    function _tradesIn(Log[] memory logs) private pure returns (Fill[] memory list) {
        list = new Fill[](2 * _countLogs(logs, IEnergyExchange.TradeSettled.selector));
        uint256 count;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEnergyExchange.TradeSettled.selector) continue;
            uint256 trade = abi.decode(logs[i].data, (uint256));
            for (uint8 side = 0; side < 2; ++side) {
                uint256 meterAndK = uint32(trade >> 104 + 32 * side);
                list[count++] = Fill({
                    member: uint16(meterAndK >> 16),
                    side: side,
                    k: uint8(meterAndK),
                    energyWh: uint32(trade >> 32),
                    price: uint32(trade)
                });
            }
        }
    }

    /// @dev All `SaleShort` among the logs.
    function _shortsIn(Log[] memory logs) internal pure returns (Short[] memory list) {
        list = new Short[](_countLogs(logs, IEnergyExchange.SaleShort.selector));
        uint256 count;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEnergyExchange.SaleShort.selector) continue;
            list[count++] = abi.decode(logs[i].data, (Short));
        }
    }

    function _slice(bytes memory data, uint256 from, uint256 to) internal pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = 0; i < part.length; ++i) {
            part[i] = data[from + i];
        }
    }

    function _countLogs(Log[] memory logs, bytes32 topic) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) ++count;
        }
    }
}
