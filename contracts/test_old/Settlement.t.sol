// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "./support/Vm.sol";
import {Line, Position, Prices, Settlement} from "../src/libraries/Settlement.sol";

/// @notice What must hold of the arithmetic for any figures. Energy is any 32-bit, a price any 64-bit number.
contract SettlementTest {
    using Settlement for Position;
    using Settlement for Line;

    struct Flow {
        uint32 importWh;
        uint32 exportWh;
        uint32 boughtWh;
    }

    struct Sale {
        uint32 energyWh;
        uint64 imbalanceCap;
    }

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function testFuzz_RoundingUpAndDownEncloseTheExactAmount(uint64 energyWh, uint64 price) public pure {
        uint256 exact = uint256(energyWh) * price; // thousandths of a micro-unit
        uint256 up = Settlement.amountUp(energyWh, price);
        uint256 down = Settlement.amountDown(energyWh, price);
        vm.assertTrue(down * 1_000 <= exact && exact <= up * 1_000);
        vm.assertLe(up - down, 1);
        if (exact % 1_000 == 0) vm.assertEq(up, down);
    }

    /// @dev Splitting energy over several payments never pays out more, nor takes in less, than one payment.
    function testFuzz_SplittingGainsAMemberNothing(uint64 one, uint64 two, uint64 price) public pure {
        uint256 whole = uint256(one) + two;
        vm.assertGe(
            Settlement.amountUp(one, price) + Settlement.amountUp(two, price),
            Settlement.amountUp(whole, price)
        );
        vm.assertLe(
            Settlement.amountDown(one, price) + Settlement.amountDown(two, price),
            Settlement.amountDown(whole, price)
        );
    }

    function testFuzz_ShortfallPriceIsWithinTheCapAndThePremium(Prices memory prices, uint64 cap)
        public
        pure
    {
        uint256 price = Settlement.shortfallPrice(prices, cap);
        vm.assertLe(price, cap);
        if (prices.imbalance <= prices.clearing) vm.assertEq(price, 0);
        else vm.assertLe(price, prices.imbalance - prices.clearing);
    }

    /// @dev Every Wh through the meter is accounted for once.
    function testFuzz_EnergyIsConserved(Flow memory flow, Sale[3] memory sales, Prices memory prices)
        public
        pure
    {
        Line memory line = _line(flow, sales, prices);
        vm.assertEq(line.deliveredWh, line.soldWh < flow.exportWh ? line.soldWh : flow.exportWh);
        // exported + bought + from retailer = delivered + imported + fed in
        vm.assertEq(
            uint256(flow.exportWh) + flow.boughtWh + line.retailImportWh,
            uint256(line.deliveredWh) + flow.importWh + line.feedInWh
        );
    }

    /// @dev A seller and a buyer of the same energy: what is left to the retailer, after the fees, is worth at
    /// least what it supplied, and exceeds that by less than a micro-unit for each rounding: no value is created.
    function testFuzz_MoneyIsConserved(uint32 soldWh, uint32 exportWh, uint32 importWh, Prices memory prices)
        public
        pure
    {
        Sale[3] memory sales;
        Line memory buyer = _line(Flow(importWh, 0, soldWh), sales, prices);
        sales[0] = Sale(soldWh, 0);
        Line memory seller = _line(Flow(0, exportWh, 0), sales, prices);
        int256 retailer = seller.net() + buyer.net() - int256(uint256(seller.fee) + buyer.fee);
        // In thousandths of a micro-unit: it delivers at the clearing price what the seller did not, sells the
        // residual import, and buys what is fed in.
        int256 exact = _worth(soldWh - seller.deliveredWh, prices.clearing)
            + _worth(buyer.retailImportWh, prices.retailImport) - _worth(seller.feedInWh, prices.feedIn)
            - _worth(buyer.feedInWh, prices.feedIn);
        vm.assertGe(retailer * 1_000, exact);
        vm.assertLe(retailer * 1_000 - exact, 5 * 999);
    }

    /// @dev What trading can cost a member is bounded by what it signed: bids at their limits, the fee cap on
    /// all it traded, the imbalance cap on all it sold. What is left of the net is the retailer's, at its prices.
    function testFuzz_DebitIsWithinWhatWasSigned(
        Flow memory flow,
        uint64 limitPrice,
        Sale[3] memory sales,
        Prices memory prices
    ) public pure {
        prices.clearing = uint64(prices.clearing % (uint256(limitPrice) + 1)); // the contract refuses more
        Line memory line = _line(flow, sales, prices);
        uint256 signed = Settlement.amountUp(flow.boughtWh, limitPrice)
            + Settlement.amountUp(flow.boughtWh, prices.fee) + Settlement.amountUp(line.soldWh, prices.fee);
        for (uint256 i = 0; i < sales.length; ++i) {
            signed += Settlement.amountUp(sales[i].energyWh, sales[i].imbalanceCap);
        }
        vm.assertLe(uint256(line.purchase) + line.shortfall + line.fee, signed);
        vm.assertLe(line.net(), int256(signed + line.retail));
        vm.assertLe(line.retail, Settlement.amountUp(flow.importWh, prices.retailImport));
    }

    /// @dev While the fee is at most the price, a seller that delivers less is never better off by the sale.
    function testFuzz_DeliveringLessNeverPaysMore(
        uint32 soldWh,
        uint32 exportWh,
        uint32 lessWh,
        Prices memory prices
    ) public pure {
        prices.fee = uint64(prices.fee % (uint256(prices.clearing) + 1));
        prices.feedIn = 0;
        Sale[3] memory sales;
        sales[0] = Sale(soldWh, type(uint64).max);
        Line memory more = _line(Flow(0, exportWh, 0), sales, prices);
        Line memory less = _line(Flow(0, uint32(lessWh % (uint256(exportWh) + 1)), 0), sales, prices);
        vm.assertLe(more.net(), less.net() + 1); // the fee rounds up
    }

    function _worth(uint256 energyWh, uint256 price) private pure returns (int256) {
        return int256(energyWh * price);
    }

    function _line(Flow memory flow, Sale[3] memory sales, Prices memory prices)
        private
        pure
        returns (Line memory)
    {
        Position memory position;
        (position.importWh, position.exportWh) = (flow.importWh, flow.exportWh);
        position.addBought(flow.boughtWh);
        for (uint256 i = 0; i < sales.length; ++i) {
            position.addSold(sales[i].energyWh, sales[i].imbalanceCap, prices);
        }
        return position.settle(prices);
    }
}
