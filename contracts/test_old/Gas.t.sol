// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./support/Scene.sol";
import {Batch, Fill, MeterInput, SignedOrder} from "../src/interfaces/IEnergyExchange.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";

/// @notice Gas of whole intervals, kept in `snapshots/`. Members 0, 2, 4, ... sell to members 1, 3, 5, ...
contract GasTest is Scene {
    /// @dev EIP-7825: no transaction may use more.
    uint256 private constant TRANSACTION_LIMIT = 16_777_216;

    function test_Commit() public {
        _commit(_batchOf(2, 2, 1));
        vm.snapshotGasLastCall("GasTest", "commit");
    }

    function test_SettleOneTradeOfTwoMembers() public {
        _settleOf("settle: 2 members, 2 orders, 1 fill", 2, 2, 1);
    }

    function test_SettleElevenMembersTwentyOrders() public {
        _settleOf("settle: 11 members, 20 orders, 20 fills", 11, 20, 20);
    }

    function test_SettleSixteenMembersFiveOrdersEach() public {
        vm.assertLe(_settleOf("settle: 16 members, 80 orders, 80 fills", 16, 80, 80), TRANSACTION_LIMIT / 2);
    }

    function test_TheLargestBatchFitsOneTransaction() public {
        uint256 gas = _settleOf(
            "settle: largest batch", exchange.MAX_METERS(), exchange.MAX_ORDERS(), exchange.MAX_FILLS()
        );
        vm.assertLe(gas, TRANSACTION_LIMIT * 9 / 10); // calldata costs extra
    }

    function _settleOf(string memory name, uint256 members, uint256 orders, uint256 fills)
        private
        returns (uint256)
    {
        Batch memory batch = _batchOf(members, orders, fills);
        MeterInput[] memory readings = new MeterInput[](members);
        for (uint256 i = 0; i < members; ++i) {
            // Half a kWh off what was traded, so that everyone deals with the retailer too.
            readings[i] = i % 2 == 0 ? _reading(i, 500, 3_500) : _reading(i, 7_500, 0);
        }
        _commitAndDeliver(batch);
        _settle(batch, readings);
        return vm.snapshotGasLastCall("GasTest", name);
    }

    /// @dev Even orders sell, odd ones buy; fill i trades the i-th pair, around and around.
    function _batchOf(uint256 members, uint256 orders, uint256 fills) private returns (Batch memory batch) {
        for (uint256 i = 2; i < members; ++i) {
            _addMember(i);
        }
        batch = _batch();
        batch.meterIds = new bytes32[](members);
        for (uint256 i = 0; i < members; ++i) {
            batch.meterIds[i] = _meterId(i);
        }
        batch.orders = new SignedOrder[](orders);
        for (uint256 i = 0; i < orders; ++i) {
            // Members in turn, each on its side; with an odd number of members the last one only watches.
            uint256 member = i % (members - members % 2);
            uint8 side = i % 2 == 0 ? OrderTypes.SELL : OrderTypes.BUY;
            batch.orders[i] = _signed(_order(member, side, 3_000, uint64(i)), _ownerKey(member));
        }
        batch.fills = new Fill[](fills);
        for (uint256 i = 0; i < fills; ++i) {
            uint16 pair = uint16(i % (orders / 2));
            batch.fills[i] = Fill({buy: 2 * pair + 1, sell: 2 * pair, energyWh: 1_000});
        }
    }
}
