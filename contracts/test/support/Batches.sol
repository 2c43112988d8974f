// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Prices} from "../../src/libraries/Settlement.sol";
import {
    Batch as Listed,
    BatchAgent,
    BatchOrder as ListedOrder,
    ExecutionWord,
    MemberWord,
    OrderWord,
    RegistersWord
} from "../../src/reference/BatchWords.sol";

/// @notice A part of an order that was executed; `trade` and `price` count in bilateral batches.
struct Execution {
    uint16 trade;
    uint32 energyWh;
    uint32 price;
}

/// @notice An order, what was executed of it, and by whose authority.
struct BatchOrder {
    uint8 side;
    uint8 k;
    uint32 energyWh;
    uint32 limitPrice;
    uint32 feeCap;
    uint32 imbalanceCap;
    uint40 expiry;
    uint8 authority;
    bytes32 r;
    bytes32 vs;
    Execution[] executions;
}

/// @notice A grid meter and its orders.
struct BatchMember {
    address account;
    uint16 number;
    BatchOrder[] orders;
}

/// @notice A batch as tests make it: nested. `Packing` and `Batches` turn it into what the exchanges take.
struct Batch {
    uint40 intervalStart;
    Prices prices;
    uint16 trades;
    BatchMember[] members;
    BatchAgent[] agents;
}

/// @notice A meter's reading.
struct Registers {
    bool missing;
    uint32 importWh;
    uint32 exportWh;
}

/// @notice Batches and readings as `EnergyExchangeReference` takes them.
library Batches {
    function encode(Batch memory batch) internal pure returns (bytes memory) {
        (uint256 orders, uint256 executions) = _count(batch);
        Listed memory listed;
        listed.intervalStart = batch.intervalStart;
        listed.prices = batch.prices;
        listed.trades = batch.trades;
        listed.agents = batch.agents;
        listed.members = new MemberWord[](batch.members.length);
        listed.orders = new ListedOrder[](orders);
        listed.executions = new ExecutionWord[](executions);
        (orders, executions) = (0, 0);
        for (uint256 i = 0; i < batch.members.length; ++i) {
            BatchMember memory member = batch.members[i];
            listed.members[i] = MemberWord.wrap(
                uint256(uint160(member.account)) | uint256(member.number) << 160 | member.orders.length << 176
            );
            for (uint256 j = 0; j < member.orders.length; ++j) {
                BatchOrder memory order = member.orders[j];
                listed.orders[orders++] = ListedOrder(_word(order), order.r, order.vs);
                for (uint256 e = 0; e < order.executions.length; ++e) {
                    listed.executions[executions++] = _word(order.executions[e]);
                }
            }
        }
        return abi.encode(listed);
    }

    function words(Registers[] memory registers) internal pure returns (RegistersWord[] memory found) {
        found = new RegistersWord[](registers.length);
        for (uint256 i = 0; i < registers.length; ++i) {
            Registers memory given = registers[i];
            uint256 missing = given.missing ? 1 : 0;
            found[i] = RegistersWord.wrap(given.exportWh | uint256(given.importWh) << 32 | missing << 64);
        }
    }

    function _count(Batch memory batch) private pure returns (uint256 orders, uint256 executions) {
        for (uint256 i = 0; i < batch.members.length; ++i) {
            orders += batch.members[i].orders.length;
            for (uint256 j = 0; j < batch.members[i].orders.length; ++j) {
                executions += batch.members[i].orders[j].executions.length;
            }
        }
    }

    function _word(BatchOrder memory order) private pure returns (OrderWord) {
        return OrderWord.wrap(
            order.side | uint256(order.k) << 8 | uint256(order.authority) << 16 | order.executions.length
                << 24 | uint256(order.energyWh) << 32 | uint256(order.limitPrice) << 64
                | uint256(order.feeCap) << 96 | uint256(order.imbalanceCap) << 128 | uint256(order.expiry)
                << 160
        );
    }

    function _word(Execution memory execution) private pure returns (ExecutionWord) {
        return ExecutionWord.wrap(
            execution.price | uint256(execution.energyWh) << 32 | uint256(execution.trade) << 64
        );
    }
}
