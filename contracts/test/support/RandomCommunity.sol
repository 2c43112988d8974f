// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community} from "./Community.sol";
import {Wallet} from "./Wallet.sol";
import {Mandate, Order, OrderTypes, SupplyAgreement} from "../../src/libraries/OrderTypes.sol";
import {Prices} from "../../src/libraries/Settlement.sol";
import {Batch, BatchMember, BatchOrder, Execution, Registers} from "./Batches.sol";
import {BatchAgent} from "../../src/reference/BatchWords.sol";

/// @notice Six members, one of them a contract wallet, with two meters each and mandates for two agents; and batches of
/// them at random that are right in every respect.
abstract contract RandomCommunity is Community {
    uint256 internal constant MEMBERS = 6;
    uint256 internal constant WALLET = 5; // the member that is a contract

    uint256 internal seed;
    address[MEMBERS] internal accounts;
    /// @dev Of the next random batch. Bit i: member i stays out of it.
    uint256 internal absent;
    bool internal withoutOrders;

    function setUp() public virtual override {
        super.setUp();
        vm.warp(GATE - 7 days);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            accounts[i] = i == WALLET ? address(new Wallet(_owner(i))) : _owner(i);
            if (i > 1) _join(i);
            registry.register(accounts[i], 5, _keyOfMeter(i));
            for (uint256 j = 0; j < 2; ++j) {
                Mandate memory mandate = _mandate(i);
                (mandate.owner, mandate.agent) = (accounts[i], vm.addr(AGENT_KEY + j));
                (mandate.maxWhPerDay, mandate.minSellPrice) = (type(uint32).max, 0);
                _registerMandate(i, mandate);
            }
        }
        vm.warp(GATE);
    }

    function _join(uint256 member) private {
        registry.register(accounts[member], 0, _keyOfMeter(member));
        SupplyAgreement memory agreement = _supply(member);
        agreement.owner = accounts[member];
        _registerSupply(member, agreement);
        _fund(accounts[member], OPENING);
    }

    /// @dev Below `bound`.
    function _random(uint256 bound) internal returns (uint256) {
        seed = uint256(keccak256(abi.encode(seed)));
        return seed % bound;
    }

    function _chance(uint256 oneIn) internal returns (bool) {
        return _random(oneIn) == 0;
    }

    // Before commitment

    /// @dev Some have little, some cancelled something, some are about to withdraw; and if `ending`, some end or replace
    /// what they signed, so that a batch committed now is judged by what they had before.
    function _randomState(bool ending) internal {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            if (_chance(3)) _empty(accounts[i], _random(200_000));
            if (_chance(4)) {
                vm.prank(accounts[i]);
                exchange.cancelBefore(uint64(START - _random(2)));
            }
            if (_chance(4)) _request(accounts[i]);
            if (ending) _endSomething(i);
        }
        if (_chance(2)) _empty(retailer, _random(300_000));
        if (_chance(4)) _fund(fund, _random(100_000) + 1);
    }

    function _endSomething(uint256 member) private {
        uint256 what = _random(8);
        if (what == 0) {
            vm.prank(accounts[member]);
            exchange.endSupply();
        } else if (what == 1) {
            vm.prank(accounts[member]);
            exchange.revokeMandate(agent);
        } else if (what == 2) {
            vm.prank(accounts[member]);
            exchange.cancelNonce(accounts[member], uint64(START) * 256 + 85);
        } else if (what == 3) {
            SupplyAgreement memory agreement = _supply(member);
            (agreement.owner, agreement.maxImportPrice) = (accounts[member], uint64(_random(400_000)));
            (agreement.fallbackImportW, agreement.nonce) = (uint64(_random(2_000)), 1);
            _registerSupply(member, agreement);
        } else if (what == 4) {
            Mandate memory mandate = _mandate(member);
            (mandate.owner, mandate.maxBuyPrice, mandate.nonce) =
            (accounts[member], uint64(_random(300_000)), 1);
            _registerMandate(member, mandate);
        }
    }

    /// @dev Asks for some of what the account has.
    function _request(address account) internal {
        uint256 amount = _random(exchange.balanceOf(account) + 1);
        vm.prank(account);
        exchange.requestWithdrawal(amount);
    }

    // Batches

    function _randomBatch(uint40 start) internal returns (Batch memory batch) {
        batch = _unsigned(start, 0);
        batch.prices = Prices({
            clearing: uint32(180_000 + _random(40_001)),
            retailImport: uint32(_random(400_001)),
            feedIn: uint32(50_000 + _random(50_000)),
            imbalance: uint32(_random(400_000)),
            fee: uint32(_random(3_001))
        });
        batch.agents = new BatchAgent[](_random(3));
        bool bilateral = _chance(2);
        uint256[MEMBERS] memory used; // nonces
        BatchMember[] memory members = new BatchMember[](2 * MEMBERS);
        uint256 count;
        for (uint256 i = 0; i < 2 * MEMBERS; ++i) {
            if (_chance(3) || absent >> (i / 2) & 1 != 0) continue;
            BatchOrder[] memory orders = new BatchOrder[](withoutOrders ? 0 : _random(4));
            for (uint256 j = 0; j < orders.length; ++j) {
                orders[j] = _randomOrder(batch, i / 2 == WALLET, uint8(used[i / 2]++ * 85));
            }
            members[count++] = BatchMember(accounts[i / 2], i % 2 == 0 ? 0 : 5, orders);
        }
        assembly ("memory-safe") {
            mstore(members, count)
        }
        batch.members = members;
        BatchOrder[] memory list = _ordersOf(members);
        if (bilateral) _randomTrades(batch, list);
        else _balance(list);
        _complete(batch);
        _record(batch);
    }

    function _randomOrder(Batch memory batch, bool wallet, uint8 k)
        private
        returns (BatchOrder memory order)
    {
        bool sells = _chance(2);
        order.side = sells ? 1 : 0;
        order.k = k;
        order.limitPrice = uint32(sells ? 100_000 + _random(80_001) : 220_000 + _random(80_001));
        order.feeCap = uint32(3_000 + _random(2));
        order.imbalanceCap = uint32(_random(2) * 100_000);
        order.expiry = batch.intervalStart;
        order.energyWh = uint32(_random(5_000));
        order.executions = new Execution[](1);
        order.executions[0].energyWh = uint32(_chance(2) ? order.energyWh : _random(order.energyWh + 1));
        uint256 authority = _random(2 + batch.agents.length);
        order.authority = uint8(wallet && authority == 0 ? 1 : authority);
    }

    /// @dev Takes from the side that has more until both are equal.
    function _balance(BatchOrder[] memory orders) internal pure {
        uint256[2] memory sums;
        for (uint256 i = 0; i < orders.length; ++i) {
            sums[orders[i].side] += orders[i].executions[0].energyWh;
        }
        uint8 larger = sums[0] > sums[1] ? 0 : 1;
        uint256 excess = sums[larger] - sums[1 - larger];
        for (uint256 i = 0; i < orders.length; ++i) {
            if (orders[i].side != larger) continue;
            Execution memory execution = orders[i].executions[0];
            uint32 less = uint32(excess < execution.energyWh ? excess : execution.energyWh);
            execution.energyWh -= less;
            excess -= less;
        }
    }

    /// @dev Each trade is of any buying and any selling order, at a price between their limits.
    function _randomTrades(Batch memory batch, BatchOrder[] memory orders) private {
        for (uint256 i = 0; i < orders.length; ++i) {
            orders[i].executions = new Execution[](0);
        }
        uint256 trades = 1 + _random(6);
        for (uint256 i = 0; i < trades; ++i) {
            (bool found, uint256 buy, uint256 sell) = _randomPair(orders);
            if (!found) {
                batch.trades = 0;
                for (uint256 j = 0; j < orders.length; ++j) {
                    orders[j].executions = new Execution[](1);
                }
                return;
            }
            uint32 low = orders[sell].limitPrice;
            uint32 price = uint32(low + _random(orders[buy].limitPrice - low + 1));
            Execution memory execution = Execution(uint16(i), uint32(_random(2_000)), price);
            _append(orders[buy], execution);
            _append(orders[sell], execution);
            batch.trades += 1;
        }
        for (uint256 i = 0; i < orders.length; ++i) {
            uint256 filledWh;
            for (uint256 j = 0; j < orders[i].executions.length; ++j) {
                filledWh += orders[i].executions[j].energyWh;
            }
            orders[i].energyWh = uint32(filledWh + (_chance(2) ? 0 : _random(100)));
        }
    }

    function _randomPair(BatchOrder[] memory orders) private returns (bool found, uint256 buy, uint256 sell) {
        (bool buys, bool sells) = (false, false);
        if (orders.length == 0) return (false, 0, 0);
        uint256 offset = _random(orders.length);
        for (uint256 j = 0; j < orders.length; ++j) {
            uint256 i = (j + offset) % orders.length;
            if (orders[i].side == OrderTypes.BUY && (!buys || _chance(2))) (buys, buy) = (true, i);
            if (orders[i].side == OrderTypes.SELL && (!sells || _chance(2))) (sells, sell) = (true, i);
        }
        return (buys && sells, buy, sell);
    }

    function _append(BatchOrder memory order, Execution memory execution) private pure {
        Execution[] memory list = new Execution[](order.executions.length + 1);
        for (uint256 i = 0; i < order.executions.length; ++i) {
            list[i] = order.executions[i];
        }
        // A copy, so that one side can be spoilt without the other.
        list[order.executions.length] = Execution(execution.trade, execution.energyWh, execution.price);
        order.executions = list;
    }

    function _ordersOf(BatchMember[] memory members) internal pure returns (BatchOrder[] memory list) {
        uint256 count;
        for (uint256 i = 0; i < members.length; ++i) {
            count += members[i].orders.length;
        }
        list = new BatchOrder[](count);
        count = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            for (uint256 j = 0; j < members[i].orders.length; ++j) {
                list[count++] = members[i].orders[j];
            }
        }
    }

    /// @dev Records what has to be.
    function _record(Batch memory batch) private {
        for (uint256 i = 0; i < batch.members.length; ++i) {
            BatchMember memory member = batch.members[i];
            for (uint256 j = 0; j < member.orders.length; ++j) {
                if (member.orders[j].authority != 1) continue;
                Order memory order = _signedOrder(batch, member, member.orders[j]);
                uint256 key = member.account == accounts[WALLET] ? _ownerKey(WALLET) : _keyOf(member.account);
                exchange.recordOrder(order, _sign(key, _digestOf(order)));
            }
        }
    }

    // After delivery

    function _randomRegisters(uint256 meters, bool gaps) internal returns (Registers[] memory registers) {
        registers = new Registers[](meters);
        for (uint256 i = 0; i < meters; ++i) {
            registers[i].missing = gaps && _chance(3);
            if (registers[i].missing) continue;
            if (!_chance(3)) registers[i].importWh = uint32(_random(6_000));
            if (!_chance(3)) registers[i].exportWh = uint32(_random(6_000));
        }
    }
}
