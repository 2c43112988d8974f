// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Batch, BatchMember, BatchOrder, Execution, Registers} from "./Batches.sol";

/// @notice A batch as `EnergyExchange` takes it, from the structs of the reference.
library Packing {
    function pack(Batch memory batch) internal pure returns (bytes memory packed) {
        (bytes memory terms, bytes memory members) = _members(batch);
        packed = abi.encodePacked(
            batch.intervalStart,
            batch.prices.clearing,
            batch.prices.retailImport,
            batch.prices.feedIn,
            batch.prices.imbalance,
            batch.prices.fee
        );
        packed = bytes.concat(
            packed,
            abi.encodePacked(
                uint16(batch.members.length),
                uint16(_fills(batch)),
                batch.trades,
                uint8(terms.length / 13),
                uint8(batch.agents.length)
            ),
            terms
        );
        for (uint256 i = 0; i < batch.agents.length; ++i) {
            packed = bytes.concat(packed, abi.encodePacked(batch.agents[i].agent));
        }
        packed = bytes.concat(packed, members);
        for (uint256 i = 0; i < batch.agents.length; ++i) {
            packed = bytes.concat(packed, batch.agents[i].r, batch.agents[i].vs);
        }
    }

    /// @dev What the batch is settled against: the registers, then their proof.
    function evidence(Registers[] memory registers, bytes memory proof) internal pure returns (bytes memory) {
        return bytes.concat(pack(registers), proof);
    }

    function pack(Registers[] memory registers) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < registers.length; ++i) {
            packed = bytes.concat(
                packed,
                registers[i].missing
                    ? abi.encodePacked(type(uint64).max)
                    : abi.encodePacked(registers[i].importWh, registers[i].exportWh)
            );
        }
    }

    function _members(Batch memory batch) private pure returns (bytes memory terms, bytes memory members) {
        for (uint256 i = 0; i < batch.members.length; ++i) {
            BatchMember memory member = batch.members[i];
            uint8 head = uint8(member.orders.length);
            if (i + 1 < batch.members.length && batch.members[i + 1].account == member.account) head |= 0x40;
            members = bytes.concat(
                members,
                member.number == 0
                    ? abi.encodePacked(head, member.account)
                    : abi.encodePacked(head | 0x80, member.account, member.number)
            );
            for (uint256 j = 0; j < member.orders.length; ++j) {
                uint8 index;
                (terms, index) = _termsOf(terms, member.orders[j]);
                members = bytes.concat(members, _order(member.orders[j], index, batch.trades != 0));
            }
        }
    }

    function _order(BatchOrder memory order, uint8 terms, bool bilateral)
        private
        pure
        returns (bytes memory)
    {
        bool partially = !bilateral && order.executions[0].energyWh != order.energyWh;
        uint8 head = order.authority | (order.side == 1 ? 0x80 : 0) | (partially ? 0x40 : 0);
        bytes memory packed = abi.encodePacked(terms, head, order.k, order.energyWh, order.limitPrice);
        if (bilateral) {
            packed = bytes.concat(packed, bytes1(uint8(order.executions.length)));
            for (uint256 i = 0; i < order.executions.length; ++i) {
                Execution memory fill = order.executions[i];
                packed = bytes.concat(packed, abi.encodePacked(fill.trade, fill.energyWh, fill.price));
            }
        } else if (partially) {
            packed = bytes.concat(packed, abi.encodePacked(order.executions[0].energyWh));
        }
        return order.authority == 0 ? bytes.concat(packed, order.r, order.vs) : packed;
    }

    function _termsOf(bytes memory terms, BatchOrder memory order)
        private
        pure
        returns (bytes memory, uint8 index)
    {
        bytes memory wanted = abi.encodePacked(order.feeCap, order.imbalanceCap, order.expiry);
        for (uint256 start = 0; start < terms.length; start += 13) {
            bytes memory found = new bytes(13);
            for (uint256 i = 0; i < 13; ++i) {
                found[i] = terms[start + i];
            }
            if (keccak256(found) == keccak256(wanted)) return (terms, uint8(start / 13));
        }
        return (bytes.concat(terms, wanted), uint8(terms.length / 13));
    }

    /// @dev One for each order at a uniform price. Of a bilateral batch the trades are counted.
    function _fills(Batch memory batch) private pure returns (uint256 count) {
        if (batch.trades != 0) return 0;
        for (uint256 i = 0; i < batch.members.length; ++i) {
            count += batch.members[i].orders.length;
        }
    }
}
