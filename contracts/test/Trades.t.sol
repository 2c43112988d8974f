// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community, Fill, Short} from "./support/Community.sol";
import {Log} from "./support/Vm.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchOrder, Execution, Registers} from "./support/Batches.sol";

/// @notice Bilateral batches: each trade has two sides that say the same, and its own price.
contract TradesTest is Community {
    function setUp() public override {
        super.setUp();
        vm.warp(GATE - 7 days);
        _addMember(2);
        _addMember(3);
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
        vm.assertEq(_countTrades(logs, _tradeWord(batch, 0, 600, 180_000), 0), 1);
        vm.assertEq(_countTrades(logs, _tradeWord(batch, 2, 400, 210_000), 2), 1);
        vm.assertEq(_countLogs(logs, IEnergyExchange.TradeSettled.selector), 2);
        Fill[] memory fills = _fillsIn(logs, true, 0);
        vm.assertEq(fills.length, 4);
        for (uint256 i = 0; i < 4; ++i) {
            bool bought = batch.members[fills[i].member].account == _owner(1);
            BatchOrder memory order = batch.members[fills[i].member].orders[0];
            vm.assertEq(fills[i].side, bought ? OrderTypes.BUY : OrderTypes.SELL);
            vm.assertEq(fills[i].k, order.k);
            vm.assertEq(fills[i].price, fills[i].energyWh == 600 ? 180_000 : 210_000);
        }
    }

    /// @dev The buyer is named as the buyer, whether it stands before the seller in the batch or after it.
    function test_EventsNameTheBuyerFirstWhereverItStands() public {
        for (uint256 i = 0; i < 2; ++i) {
            uint256 snapshot = vm.snapshotState();
            Batch memory batch = _withoutOrders(2);
            for (uint256 j = 0; j < 2; ++j) {
                batch.members[j].orders = new BatchOrder[](1);
                batch.members[j].orders[0] = _order(j == i ? OrderTypes.BUY : OrderTypes.SELL, 1_000);
                batch.members[j].orders[0].k = uint8(7 + j);
            }
            batch.trades = 1;
            _complete(batch);
            _commitAndDeliver(batch);
            bytes memory proof = _signedProof(batch, _delivered(batch));
            uint256 buyerAndK = i << 16 | 7 + i;
            uint256 sellerAndK = (1 - i) << 16 | 8 - i;
            uint256 trade =
                sellerAndK << 136 | buyerAndK << 104 | uint256(START) << 64 | 1_000 << 32 | 200_000;
            vm.expectEmit(address(exchange));
            emit IEnergyExchange.TradeSettled(batch.members[i].account, batch.members[1 - i].account, trade);
            _settle(batch, _delivered(batch), proof);
            vm.revertToStateAndDelete(snapshot);
        }
    }

    /// @dev By number, whatever the order in which the batch has them, once all its members are done.
    function test_TradesAreToldByTheirNumberAfterTheMembers() public {
        for (uint16 first = 0; first < 2; ++first) {
            uint256 snapshot = vm.snapshotState();
            Batch memory batch = _twoTrades();
            BatchOrder memory buy = _orderOf(batch, 1);
            buy.executions[0].trade = _orderOf(batch, 0).executions[0].trade = first;
            buy.executions[1].trade = _orderOf(batch, 2).executions[0].trade = 1 - first;
            _complete(batch);
            Registers[] memory registers = _delivered(batch);
            registers[2].missing = true; // the last member, of whom something is told
            (registers[2].importWh, registers[2].exportWh) = (0, 0);
            _commit(batch);
            vm.warp(END + READING_DEADLINE + 1);
            bytes memory proof = _gapsProof(batch, registers);
            vm.recordLogs();
            _settle(batch, registers, proof);
            Log[] memory logs = vm.getRecordedLogs();
            uint256 place = 0;
            while (logs[place].topics[0] != IEnergyExchange.TradeSettled.selector) ++place;
            bool told = false;
            for (uint256 i = 0; i < place; ++i) {
                if (logs[i].topics[0] == IEnergyExchange.ReadingMissing.selector) told = true;
            }
            vm.assertTrue(told);
            uint256 early = _tradeWord(batch, 0, 600, 180_000);
            uint256 late = _tradeWord(batch, 2, 400, 210_000);
            if (first == 1) (early, late) = (late, early);
            vm.assertEq(abi.decode(logs[place].data, (uint256)), early);
            vm.assertEq(abi.decode(logs[place + 1].data, (uint256)), late);
            vm.revertToStateAndDelete(snapshot);
        }
    }

    /// @dev Member 0 delivers 500 of 600 Wh, member 2 all: told by the number of the trade, not of the order.
    function test_ASaleThatFellShortIsToldByItsTrade() public {
        Batch memory batch = _twoTrades();
        BatchOrder memory buy = _orderOf(batch, 1);
        buy.executions[0].trade = _orderOf(batch, 0).executions[0].trade = 1;
        buy.executions[1].trade = _orderOf(batch, 2).executions[0].trade = 0;
        _complete(batch);
        Registers[] memory registers = _delivered(batch);
        registers[_at(batch, 0)].exportWh = 500;
        _commitAndDeliver(batch);
        bytes memory proof = _signedProof(batch, registers);
        vm.recordLogs();
        _settle(batch, registers, proof);
        Short[] memory shorts = _shortsIn(vm.getRecordedLogs());
        vm.assertEq(shorts.length, 1);
        vm.assertEq(shorts[0].number, 1);
        vm.assertEq(shorts[0].imbalanceCap, 100_000);
        // 500 Wh at 0.18, less 100 Wh at the cap of 0.1, less 500 Wh at the fee
        vm.assertEq(_balance(0), OPENING + 90_000 - 10_000 - 1_500);
    }

    function test_RevertWhen_TheSidesOfATradeDisagreeOnItsPrice() public {
        Batch memory batch = _oneTrade();
        _orderOf(batch, 1).executions[0].price += 1;
        _refuse(batch, _mismatch(0));
    }

    function test_RevertWhen_TheSidesOfATradeDisagreeOnItsEnergy() public {
        Batch memory batch = _oneTrade();
        _orderOf(batch, 1).executions[0].energyWh -= 1;
        _refuse(batch, abi.encodeWithSelector(IEnergyExchange.BuysDifferFromSells.selector, int256(-1)));
    }

    /// @dev As many Wh are bought as sold, and no trade's sides say the same.
    function test_RevertWhen_TwoTradesSwapTheirEnergy() public {
        Batch memory batch = _twoTrades();
        _orderOf(batch, 0).executions[0].energyWh = 400;
        _orderOf(batch, 2).executions[0].energyWh = 600;
        _orderOf(batch, 2).energyWh = 600;
        _refuse(batch, _mismatch(0));
    }

    /// @dev As many Wh are bought as sold: trade 0 has two buyers, trade 1 two sellers; or the other way round.
    function test_RevertWhen_ATradesSidesAreOfTheSameKind() public {
        for (uint16 sellers = 0; sellers < 2; ++sellers) {
            uint256 snapshot = vm.snapshotState();
            Batch memory batch = _batch();
            batch = _with(batch, _memberOf(2, _order(OrderTypes.SELL, 1_000)));
            batch = _with(batch, _memberOf(3, _order(OrderTypes.BUY, 1_000)));
            batch.trades = 2;
            for (uint256 i = 0; i < 4; ++i) {
                bool sells = _orderOf(batch, i).side == OrderTypes.SELL;
                _orderOf(batch, i).executions[0].trade = sells ? sellers : 1 - sellers;
            }
            _refuse(batch, _mismatch(0));
            vm.revertToStateAndDelete(snapshot);
        }
    }

    function test_RevertWhen_ATradeHasAThirdSide() public {
        Batch memory batch = _with(_oneTrade(), _memberOf(2, _order(OrderTypes.BUY, 1_000)));
        if (batch.members[0].orders[0].side == batch.members[1].orders[0].side) {
            // So that the first two in the batch are a whole trade.
            BatchOrder memory third = _orderOf(batch, 2);
            (third.side, third.limitPrice) = (OrderTypes.SELL, 150_000);
        }
        _refuse(batch, _mismatch(0));
    }

    function test_RevertWhen_ATradeIsOutOfTheList() public {
        Batch memory batch = _oneTrade();
        batch.members[1].orders[0].executions[0].trade = 1;
        _refuse(batch, _mismatch(1));
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
        _orderOf(batch, 0).executions[0] = Execution(0, 600, 180_000);
        _orderOf(batch, 2).executions[0] = Execution(1, 400, 210_000);
        (_orderOf(batch, 0).k, _orderOf(batch, 2).k) = (255, 3);
        BatchOrder memory buy = _orderOf(batch, 1);
        buy.k = 128;
        buy.executions = new Execution[](2);
        (buy.executions[0], buy.executions[1]) = (first, second);
    }

    /// @dev Trades that member 1 bought of the seller.
    function _countTrades(Log[] memory logs, uint256 trade, uint256 seller)
        private
        pure
        returns (uint256 count)
    {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEnergyExchange.TradeSettled.selector) continue;
            if (address(uint160(uint256(logs[i].topics[1]))) != _owner(1)) continue;
            if (address(uint160(uint256(logs[i].topics[2]))) != _owner(seller)) continue;
            if (abi.decode(logs[i].data, (uint256)) == trade) ++count;
        }
    }

    /// @dev What is told of a trade that member 1 made with the seller.
    function _tradeWord(Batch memory batch, uint256 seller, uint256 energyWh, uint256 price)
        private
        pure
        returns (uint256)
    {
        uint256 buyerAndK = _at(batch, 1) << 16 | _orderOf(batch, 1).k;
        uint256 sellerAndK = _at(batch, seller) << 16 | _orderOf(batch, seller).k;
        return sellerAndK << 136 | buyerAndK << 104 | uint256(START) << 64 | energyWh << 32 | price;
    }

    function _mismatch(uint256 trade) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IEnergyExchange.TradeMismatch.selector, trade);
    }
}

contract TradesOnReferenceTest is TradesTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
