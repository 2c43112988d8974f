// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community, Fill} from "./support/Community.sol";
import {Log} from "./support/Vm.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchOrder, Execution} from "../src/reference/EnergyExchangeReference.sol";

/// @notice Bilateral batches: each trade has two sides that say the same, and its own price.
contract TradesTest is Community {
    function setUp() public override {
        super.setUp();
        vm.warp(GATE - 7 days);
        _addMember(2);
        vm.warp(GATE);
    }

    /// @dev 600 Wh from member 0 at 180,000 and 400 Wh from member 2 at 210,000; the fee is 3,000 on each side.
    function test_EachTradeHasItsPrice() public {
        Batch memory batch = _twoTrades();
        _complete(batch);
        _commitAndDeliver(batch);
        _settle(batch, _delivered(batch));
        vm.assertEq(_balance(1), OPENING - 108_000 - 84_000 - 3_000);
        vm.assertEq(_balance(0), OPENING + 108_000 - 1_800);
        vm.assertEq(_balance(2), OPENING + 84_000 - 1_200);
    }

    function test_EventsNameBothSidesOfATrade() public {
        Batch memory batch = _twoTrades();
        _complete(batch);
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, _delivered(batch));
        vm.recordLogs();
        _settle(batch, _delivered(batch), proof);
        Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(_countTrades(logs, 0, 600, 180_000), 1);
        vm.assertEq(_countTrades(logs, 2, 400, 210_000), 1);
        vm.assertEq(_countLogs(logs, IEnergyExchange.TradeSettled.selector), 2);
        (,,, bytes memory data) = _settled(logs);
        Fill[] memory fills = _decode(data, true, batch.prices.clearing);
        vm.assertEq(fills.length, 4);
        for (uint256 i = 0; i < 4; ++i) {
            bool bought = batch.members[fills[i].member].account == _owner(1);
            vm.assertEq(fills[i].side, bought ? OrderTypes.BUY : OrderTypes.SELL);
            vm.assertEq(fills[i].price, fills[i].energyWh == 600 ? 180_000 : 210_000);
        }
    }

    function test_RevertWhen_TheSidesOfATradeDisagreeOnItsPrice() public {
        Batch memory batch = _oneTrade();
        _orderOf(batch, 1).executions[0].price += 1;
        _refuse(batch, _mismatch(1, 0));
    }

    function test_RevertWhen_TheSidesOfATradeDisagreeOnItsEnergy() public {
        Batch memory batch = _oneTrade();
        _orderOf(batch, 1).executions[0].energyWh -= 1;
        _refuse(batch, _mismatch(1, 0));
    }

    function test_RevertWhen_ATradeHasTwoBuyers() public {
        Batch memory batch = _oneTrade();
        BatchOrder memory seller = _orderOf(batch, 0);
        (seller.side, seller.limitPrice) = (OrderTypes.BUY, 250_000);
        _refuse(batch, _mismatch(1, 0));
    }

    function test_RevertWhen_ATradeHasAThirdSide() public {
        Batch memory batch = _with(_oneTrade(), _memberOf(2, _order(OrderTypes.BUY, 1_000)));
        if (batch.members[0].orders[0].side == batch.members[1].orders[0].side) {
            // So that the first two in the batch are a whole trade.
            BatchOrder memory third = _orderOf(batch, 2);
            (third.side, third.limitPrice) = (OrderTypes.SELL, 150_000);
        }
        _refuse(batch, _mismatch(2, 0));
    }

    function test_RevertWhen_ATradeIsOutOfTheList() public {
        Batch memory batch = _oneTrade();
        batch.members[1].orders[0].executions[0].trade = 1;
        _refuse(batch, _mismatch(1, 1));
    }

    /// @dev As many Wh are bought as sold, but nobody sold them to the buyer.
    function test_RevertWhen_TwoTradesHaveOneSideEach() public {
        Batch memory batch = _oneTrade();
        batch.trades = 2;
        batch.members[1].orders[0].executions[0].trade = 1;
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.TradeIncomplete.selector));
    }

    function test_RevertWhen_ATradeIsAnnouncedOnly() public {
        Batch memory batch = _oneTrade();
        batch.trades = 2;
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.TradeIncomplete.selector));
    }

    /// @dev Each is inside the order, both together are not.
    function test_RevertWhen_TradesExceedTheirOrder() public {
        Batch memory batch = _twoTrades();
        _orderOf(batch, 1).energyWh = 999;
        uint256 place = _at(batch, 1);
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.OrderOverfilled.selector, place, 1_000, 999));
    }

    function test_RevertWhen_OneTradeIsBeyondALimit() public {
        Batch memory batch = _twoTrades();
        _orderOf(batch, 1).limitPrice = 209_999;
        uint256 place = _at(batch, 1);
        _refuse(
            batch,
            abi.encodeWithSelector(IEnergyExchange.OrderLimitViolated.selector, place, 209_999, 210_000)
        );
    }

    function _oneTrade() private view returns (Batch memory batch) {
        batch = _batch();
        batch.trades = 1;
    }

    /// @dev Member 1 buys from members 0 and 2.
    function _twoTrades() private view returns (Batch memory batch) {
        batch = _with(_batch(), _memberOf(2, _order(OrderTypes.SELL, 400)));
        batch.trades = 2;
        (Execution memory first, Execution memory second) =
            (Execution(0, 600, 180_000), Execution(1, 400, 210_000));
        _orderOf(batch, 0).executions[0] = first;
        _orderOf(batch, 2).executions[0] = second;
        BatchOrder memory buy = _orderOf(batch, 1);
        buy.executions = new Execution[](2);
        (buy.executions[0], buy.executions[1]) = (first, second);
    }

    /// @dev Trades that member 1 bought of the seller.
    function _countTrades(Log[] memory logs, uint256 seller, uint256 energyWh, uint256 price)
        private
        pure
        returns (uint256 count)
    {
        bytes32 trade = bytes32(uint256(START) << 64 | energyWh << 32 | price);
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEnergyExchange.TradeSettled.selector) continue;
            if (address(uint160(uint256(logs[i].topics[1]))) != _owner(1)) continue;
            if (address(uint160(uint256(logs[i].topics[2]))) != _owner(seller)) continue;
            if (abi.decode(logs[i].data, (bytes32)) == trade) ++count;
        }
    }

    function _mismatch(uint256 order, uint256 trade) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.TradeMismatch.selector, order, trade);
    }
}

contract TradesOnReferenceTest is TradesTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
