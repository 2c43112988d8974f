// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./support/Scene.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchAgent, BatchOrder, Registers} from "../src/reference/EnergyExchangeReference.sol";

/// @notice Execution gas of whole batches, in the snapshots that CI checks; `make bench-gas` has the receipts'.
contract GasTest is Scene {
    function test_Uniform10() external {
        _measure(10, false, false);
    }

    function test_Uniform100() external {
        _measure(100, false, false);
    }

    function test_UniformByAgent100() external {
        _measure(100, false, true);
    }

    function test_Bilateral10() external {
        _measure(20, true, false);
    }

    function test_Bilateral100() external {
        _measure(200, true, false);
    }

    function _measure(uint256 members, bool bilateral, bool byAgent) private {
        Batch memory batch = _unsigned(START, members);
        if (bilateral) batch.trades = uint16(members / 2);
        if (byAgent) batch.agents = new BatchAgent[](1);
        vm.warp(GATE - 7 days);
        for (uint256 i = 0; i < members; ++i) {
            if (i > 1) _addMember(i);
            BatchOrder memory order = _order(i % 2 == 0 ? OrderTypes.SELL : OrderTypes.BUY, 1_000);
            order.executions[0].trade = uint16(i / 2);
            if (byAgent) {
                _registerMandate(i, _mandate(i));
                order.authority = 2;
            }
            batch.members[i] = _memberOf(i, order);
        }
        vm.warp(GATE);
        _complete(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _attestedProof(batch, registers);
        _commitAndDeliver(batch);
        vm.cool(address(exchange));
        vm.cool(address(oracle));
        _settle(batch, registers, proof);
        vm.snapshotGasLastCall(
            "Gas",
            string.concat(
                bilateral ? "bilateral " : byAgent ? "agent " : "uniform ", members > 50 ? "100" : "10"
            )
        );
    }
}
