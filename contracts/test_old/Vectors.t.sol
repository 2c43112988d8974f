// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Scene} from "./support/Scene.sol";
import {Vm} from "./support/Vm.sol";
import {EnergyExchange} from "../src/EnergyExchange.sol";
import {Mandate, MeterReading, Order, SupplyAgreement} from "../src/libraries/OrderTypes.sol";
import {Line, Position, Prices, Settlement} from "../src/libraries/Settlement.sol";

/// @dev A place in a JSON document.
struct Json {
    string document;
    string path;
}

library JsonPlace {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function under(Json memory json, string memory key) internal pure returns (Json memory) {
        return Json(json.document, string.concat(json.path, key));
    }

    function item(Json memory json, string memory list, uint256 index) internal pure returns (Json memory) {
        return under(json, string.concat(list, "[", Strings.toString(index), "]"));
    }

    function exists(Json memory json) internal view returns (bool) {
        return vm.keyExistsJson(json.document, json.path);
    }

    function number(Json memory json, string memory key) internal pure returns (uint64) {
        return uint64(vm.parseJsonUint(json.document, string.concat(json.path, key)));
    }

    function account(Json memory json, string memory key) internal pure returns (address) {
        return vm.parseJsonAddress(json.document, string.concat(json.path, key));
    }

    function word(Json memory json, string memory key) internal pure returns (bytes32) {
        return vm.parseJsonBytes32(json.document, string.concat(json.path, key));
    }

    function text(Json memory json, string memory key) internal pure returns (string memory) {
        return vm.parseJsonString(json.document, string.concat(json.path, key));
    }
}

/// @notice The vectors that Python wrote, computed again here.
contract VectorsTest is Scene {
    using JsonPlace for Json;
    using Settlement for Position;
    using Settlement for Line;

    function test_Eip712() public {
        Json memory json = Json(vm.readFile("vectors/eip712.json"), "");
        vm.chainId(json.number(".domain.chainId"));
        // The domain separator follows the address, so the same code at the vectors' address gives their digests.
        address verifier = json.account(".domain.verifyingContract");
        vm.etch(verifier, address(exchange).code);
        uint256 i = 0;
        for (; json.item(".cases", i).exists(); ++i) {
            Json memory entry = json.item(".cases", i);
            string memory name = entry.text(".name");
            bytes32 digest =
                _digest(EnergyExchange(verifier), entry.text(".primary_type"), entry.under(".message"));
            vm.assertEq(digest, entry.word(".digest"), name);
            bytes memory signature =
                vm.parseJsonBytes(entry.document, string.concat(entry.path, ".signature"));
            vm.assertEq(ECDSA.recover(digest, signature), entry.account(".signer"), name);
            vm.assertEq(_sign(uint256(entry.word(".private_key")), digest), signature, name);
        }
        vm.assertGe(i, 8);
    }

    function test_Settlement() public view {
        Json memory json = Json(vm.readFile("vectors/settlement.json"), "");
        uint256 i = 0;
        for (; json.item(".cases", i).exists(); ++i) {
            Json memory entry = json.item(".cases", i);
            Line memory line = _settled(entry);
            string memory name = entry.text(".name");
            vm.assertEq(abi.encode(line), abi.encode(_line(entry.under(".line"))), name);
            int256 net = vm.parseJsonInt(entry.document, string.concat(entry.path, ".net_micro"));
            vm.assertEq(line.net(), net, name);
        }
        vm.assertGe(i, 12);
    }

    function _digest(EnergyExchange verifier, string memory primaryType, Json memory m)
        private
        view
        returns (bytes32)
    {
        if (Strings.equal(primaryType, "Order")) return verifier.hashOrder(_order(m));
        if (Strings.equal(primaryType, "Mandate")) {
            return verifier.hashMandate(
                Mandate(
                    m.account(".owner"),
                    m.account(".agent"),
                    m.number(".maxBuyPrice"),
                    m.number(".minSellPrice"),
                    m.number(".maxWhPerDay"),
                    m.number(".validUntil"),
                    m.number(".nonce")
                )
            );
        }
        if (Strings.equal(primaryType, "SupplyAgreement")) {
            return verifier.hashSupplyAgreement(
                SupplyAgreement(
                    m.account(".owner"),
                    m.word(".meterId"),
                    m.number(".maxImportPrice"),
                    m.number(".minFeedInPrice"),
                    m.number(".validUntil"),
                    m.number(".nonce")
                )
            );
        }
        return verifier.hashReading(
            MeterReading(
                m.word(".meterId"),
                m.number(".intervalStart"),
                uint32(m.number(".intervalSeconds")),
                m.number(".importWh"),
                m.number(".exportWh")
            )
        );
    }

    function _order(Json memory m) private pure returns (Order memory order) {
        order.owner = m.account(".owner");
        order.meterId = m.word(".meterId");
        order.side = uint8(m.number(".side"));
        order.intervalStart = m.number(".intervalStart");
        order.intervalSeconds = uint32(m.number(".intervalSeconds"));
        order.energyWh = m.number(".energyWh");
        order.limitPrice = m.number(".limitPrice");
        order.feeCap = m.number(".feeCap");
        order.imbalanceCap = m.number(".imbalanceCap");
        order.nonce = m.number(".nonce");
        order.expiry = m.number(".expiry");
    }

    function _settled(Json memory entry) private view returns (Line memory) {
        Json memory p = entry.under(".prices");
        Prices memory prices = Prices(
            p.number(".clearing"),
            p.number(".retail_import"),
            p.number(".feed_in"),
            p.number(".imbalance"),
            p.number(".fee")
        );
        Position memory position;
        bool estimated = vm.parseJsonBool(entry.document, string.concat(entry.path, ".estimated"));
        if (!estimated) {
            position.importWh = entry.number(".reading.imported_wh");
            position.exportWh = entry.number(".reading.exported_wh");
        }
        position.addBought(entry.number(".bought_wh"));
        for (uint256 i = 0; entry.item(".sold", i).exists(); ++i) {
            Json memory sale = entry.item(".sold", i);
            position.addSold(sale.number(".energy_wh"), sale.number(".imbalance_cap"), prices);
        }
        if (estimated) position.importWh = position.boughtWh;
        return position.settle(prices);
    }

    function _line(Json memory l) private pure returns (Line memory line) {
        line.importedWh = l.number(".imported_wh");
        line.exportedWh = l.number(".exported_wh");
        line.boughtWh = l.number(".bought_wh");
        line.soldWh = l.number(".sold_wh");
        line.deliveredWh = l.number(".delivered_wh");
        line.retailImportWh = l.number(".retail_import_wh");
        line.feedInWh = l.number(".feed_in_wh");
        line.purchase = l.number(".purchase_micro");
        line.sale = l.number(".sale_micro");
        line.shortfall = l.number(".shortfall_micro");
        line.fee = l.number(".fee_micro");
        line.retail = l.number(".retail_micro");
        line.feedIn = l.number(".feed_in_micro");
    }
}
