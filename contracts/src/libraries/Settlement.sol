// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice Prices of one delivery interval, micro-units per kWh, as committed before delivery.
struct Prices {
    uint32 clearing;
    uint32 retailImport;
    uint32 feedIn;
    uint32 imbalance;
    uint32 fee;
}

/// @notice A meter's interval while its orders are being added up. Energy in Wh; `purchase`, `sale` and `shortfall` are
/// sums of Wh x micro-units per kWh, so each is rounded once.
struct Position {
    uint256 importWh;
    uint256 exportWh;
    uint256 boughtWh;
    uint256 soldWh;
    uint256 deliveredWh;
    uint256 purchase;
    uint256 sale;
    uint256 shortfall;
}

/// @title The arithmetic of settlement
/// @notice Pure; the same as `pricing.settlement` and checked against it by `vectors/settlement.json`.
/// Rounding is named: `Up` is taken in from a member, `Down` is paid out to one, so no rounding creates value. Energies
/// and prices are below 2^32, executions of a meter below 2^16: no product of them and no sum comes near 2^256.
library Settlement {
    uint256 internal constant WH_PER_KWH = 1_000;

    /// @notice Micro-units of a product of Wh and price, rounded away from zero: what a member pays.
    function amountUp(uint256 product) internal pure returns (uint256) {
        unchecked {
            return (product + WH_PER_KWH - 1) / WH_PER_KWH;
        }
    }

    /// @notice Micro-units of a product of Wh and price, rounded towards zero: what a member is paid.
    function amountDown(uint256 product) internal pure returns (uint256) {
        return product / WH_PER_KWH;
    }

    /// @notice What a seller pays per kWh not delivered: (imbalance - price)+, at most the cap it signed.
    function shortfallPrice(uint256 imbalance, uint256 price, uint256 imbalanceCap)
        internal
        pure
        returns (uint256)
    {
        return Math.min(Math.saturatingSub(imbalance, price), imbalanceCap);
    }

    /// @notice Begins with a meter's reading.
    function open(Position memory position, uint256 importWh, uint256 exportWh) internal pure {
        (position.importWh, position.exportWh) = (importWh, exportWh);
        (position.boughtWh, position.soldWh, position.deliveredWh) = (0, 0, 0);
        (position.purchase, position.sale, position.shortfall) = (0, 0, 0);
    }

    /// @notice Adds `energyWh` bought at `price` to the meter's position.
    function addBought(Position memory position, uint256 energyWh, uint256 price) internal pure {
        unchecked {
            position.boughtWh += energyWh;
            position.purchase += energyWh * price;
        }
    }

    /// @notice Adds `energyWh` sold at `price` to the meter's position; sales take their share of the export as they are
    /// added.
    /// @dev Delivered so far never exceeds the export, hence in the end delivered = min(sold, exported):
    /// each sale takes min(its energy, exported - delivered so far).
    /// @return short Whether not all of it was delivered.
    function addSold(
        Position memory position,
        uint256 energyWh,
        uint256 price,
        uint256 imbalance,
        uint256 imbalanceCap
    ) internal pure returns (bool short) {
        unchecked {
            uint256 left = position.exportWh - position.deliveredWh;
            short = left < energyWh;
            uint256 delivered = short ? left : energyWh;
            position.soldWh += energyWh;
            position.deliveredWh += delivered;
            position.sale += delivered * price;
            if (short) {
                position.shortfall += (energyWh - delivered) * shortfallPrice(imbalance, price, imbalanceCap);
            }
        }
    }

    /// @notice What a meter pays and is paid whose orders have all been added, micro-units; `fee` is part of what it pays.
    function settle(Position memory position, Prices memory prices)
        internal
        pure
        returns (uint256 pays, uint256 isPaid, uint256 fee)
    {
        unchecked {
            (uint256 importWh, uint256 boughtWh) = (position.importWh, position.boughtWh);
            (uint256 exportWh, uint256 soldWh) = (position.exportWh, position.soldWh);
            fee = amountUp(boughtWh * prices.fee) + amountUp(position.deliveredWh * prices.fee);
            pays = fee + amountUp(position.purchase) + amountUp(position.shortfall);
            isPaid = amountDown(position.sale);
            // Fed in is what was exported beyond sales, and what was bought but not taken.
            uint256 feedInWh = exportWh > soldWh ? exportWh - soldWh : 0;
            if (importWh > boughtWh) pays += amountUp((importWh - boughtWh) * prices.retailImport);
            else feedInWh += boughtWh - importWh;
            isPaid += amountDown(feedInWh * prices.feedIn);
        }
    }
}
