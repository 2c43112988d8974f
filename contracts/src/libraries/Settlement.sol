// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice Prices of one delivery interval, micro-units per kWh, as committed before delivery.
struct Prices {
    uint32 clearing;
    uint32 retailImport;
    uint32 feedIn;
    uint32 imbalance;
    uint32 fee;
}

/// @notice What one member owes and is owed for one interval: energy in Wh, amounts in micro-units.
/// @dev The member pays `purchase + shortfall + fee + retail - sale - feedIn`.
struct Line {
    uint64 importedWh;
    uint64 exportedWh;
    uint64 boughtWh;
    uint64 soldWh;
    uint64 deliveredWh;
    uint64 retailImportWh;
    uint64 feedInWh;
    uint128 purchase;
    uint128 sale;
    uint128 shortfall;
    uint128 fee;
    uint128 retail;
    uint128 feedIn;
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
/// Rounding is named: `Up` is taken in from a member, `Down` is paid out to one, so no rounding creates value.
library Settlement {
    using SafeCast for uint256;

    uint256 internal constant WH_PER_KWH = 1_000;

    /// @notice Micro-units of a product of Wh and price, rounded away from zero: what a member pays.
    function amountUp(uint256 product) internal pure returns (uint256) {
        return Math.ceilDiv(product, WH_PER_KWH);
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

    /// @notice Adds `energyWh` bought at `price` to the meter's position.
    function addBought(Position memory position, uint256 energyWh, uint256 price) internal pure {
        position.boughtWh += energyWh;
        position.purchase += energyWh * price;
    }

    /// @notice Adds `energyWh` sold at `price` to the meter's position; sales take their share of the export as they are
    /// added.
    /// @dev Delivered so far never exceeds the export, hence in the end delivered = min(sold, exported):
    /// each sale takes min(its energy, exported - delivered so far).
    function addSold(
        Position memory position,
        uint256 energyWh,
        uint256 price,
        uint256 imbalance,
        uint256 imbalanceCap
    ) internal pure {
        uint256 delivered = Math.min(energyWh, position.exportWh - position.deliveredWh);
        position.soldWh += energyWh;
        position.deliveredWh += delivered;
        position.sale += delivered * price;
        position.shortfall += (energyWh - delivered) * shortfallPrice(imbalance, price, imbalanceCap);
    }

    /// @notice The settlement line of a meter whose orders have all been added.
    function settle(Position memory position, Prices memory prices) internal pure returns (Line memory line) {
        uint256 retailImportWh = Math.saturatingSub(position.importWh, position.boughtWh);
        // Fed in is what was exported beyond sales, and what was bought but not taken.
        uint256 feedInWh = Math.saturatingSub(position.exportWh, position.soldWh)
            + Math.saturatingSub(position.boughtWh, position.importWh);

        line.importedWh = position.importWh.toUint64();
        line.exportedWh = position.exportWh.toUint64();
        line.boughtWh = position.boughtWh.toUint64();
        line.soldWh = position.soldWh.toUint64();
        line.deliveredWh = position.deliveredWh.toUint64();
        line.retailImportWh = retailImportWh.toUint64();
        line.feedInWh = feedInWh.toUint64();
        line.purchase = amountUp(position.purchase).toUint128();
        line.sale = amountDown(position.sale).toUint128();
        line.shortfall = amountUp(position.shortfall).toUint128();
        line.fee = (amountUp(position.boughtWh * prices.fee) + amountUp(position.deliveredWh * prices.fee))
        .toUint128();
        line.retail = amountUp(retailImportWh * prices.retailImport).toUint128();
        line.feedIn = amountDown(feedInWh * prices.feedIn).toUint128();
    }

    /// @notice Micro-units that the member pays; negative when it is paid.
    function net(Line memory line) internal pure returns (int256) {
        uint256 pays = uint256(line.purchase) + line.shortfall + line.fee + line.retail;
        uint256 isPaid = uint256(line.sale) + line.feedIn;
        return SafeCast.toInt256(pays) - SafeCast.toInt256(isPaid);
    }
}
