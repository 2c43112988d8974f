// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Scene} from "./support/Scene.sol";
import {Vm} from "./support/Vm.sol";
import {Intervals} from "../src/Intervals.sol";
import {Key} from "../src/interfaces/IParticipantRegistry.sol";
import {MeterOracle} from "../src/MeterOracle.sol";
import {MockStablecoin} from "../src/MockStablecoin.sol";
import {Mandate, Order, OrderTypes, SupplyAgreement} from "../src/libraries/OrderTypes.sol";
import {MeterReading} from "../src/libraries/ReadingTypes.sol";
import {Position, Prices, Settlement} from "../src/libraries/Settlement.sol";

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

    function signed(Json memory json, string memory key) internal pure returns (int256) {
        return vm.parseJsonInt(json.document, string.concat(json.path, key));
    }

    function flag(Json memory json, string memory key) internal pure returns (bool) {
        return vm.parseJsonBool(json.document, string.concat(json.path, key));
    }

    function account(Json memory json, string memory key) internal pure returns (address) {
        return vm.parseJsonAddress(json.document, string.concat(json.path, key));
    }

    function word(Json memory json, string memory key) internal pure returns (bytes32) {
        return vm.parseJsonBytes32(json.document, string.concat(json.path, key));
    }

    function data(Json memory json, string memory key) internal pure returns (bytes memory) {
        return vm.parseJsonBytes(json.document, string.concat(json.path, key));
    }

    function text(Json memory json, string memory key) internal pure returns (string memory) {
        return vm.parseJsonString(json.document, string.concat(json.path, key));
    }
}

/// @notice The vectors that Python wrote, computed again by the contracts.
contract VectorsTest is Scene {
    using JsonPlace for Json;
    using OrderTypes for Order;
    using Settlement for Position;

    uint256 private registered;

    function test_Eip712() public {
        Json memory json = Json(vm.readFile("vectors/eip712.json"), "");
        vm.chainId(json.number(".domains.exchange.chainId"));
        // A domain separator follows the address, so the same code at the vectors' addresses gives their digests.
        Intervals exchange_ = Intervals(_moved(json, ".domains.exchange", address(exchange)));
        MeterOracle oracle_ = MeterOracle(_moved(json, ".domains.oracle", address(oracle)));
        MockStablecoin token_ = MockStablecoin(_moved(json, ".domains.token", address(token)));
        uint256 i = 0;
        for (; json.item(".cases", i).exists(); ++i) {
            Json memory entry = json.item(".cases", i);
            string memory name = entry.text(".name");
            bytes32 digest = entry.word(".digest");
            bytes memory signature = entry.data(".signature");
            if (Strings.equal(entry.text(".domain"), "exchange")) {
                vm.assertEq(_digestAt(exchange_, _structHash(entry)), digest, name);
                _register(exchange_, entry, signature);
            } else if (Strings.equal(entry.text(".domain"), "oracle")) {
                vm.assertEq(_oracleDigest(oracle_, entry), digest, name);
            } else {
                _permit(token_, entry.under(".message"), signature, name);
            }
            vm.assertEq(ECDSA.recover(digest, signature), entry.account(".signer"), name);
            vm.assertEq(_sign(uint256(entry.word(".private_key")), digest), signature, name);
        }
        vm.assertGe(i, 19);
        vm.assertGe(registered, 5);
    }

    function test_Settlement() public view {
        Json memory json = Json(vm.readFile("vectors/settlement.json"), "");
        uint256 i = 0;
        for (; json.item(".cases", i).exists(); ++i) {
            Json memory entry = json.item(".cases", i);
            _checkLine(entry, entry.under(".line"), entry.text(".name"));
        }
        vm.assertGe(i, 25);
    }

    /// @dev The vectors' address of a contract, which has the code of `deployed` from now on.
    function _moved(Json memory json, string memory domain, address deployed)
        private
        returns (address moved)
    {
        moved = json.under(domain).account(".verifyingContract");
        vm.etch(moved, deployed.code);
    }

    function _structHash(Json memory entry) private view returns (bytes32) {
        string memory primaryType = entry.text(".primary_type");
        Json memory m = entry.under(".message");
        if (Strings.equal(primaryType, "Order")) return _orderAt(m).hash();
        if (Strings.equal(primaryType, "Mandate")) {
            return keccak256(abi.encode(OrderTypes.MANDATE_TYPEHASH, _mandateAt(m)));
        }
        if (Strings.equal(primaryType, "SupplyAgreement")) {
            return keccak256(abi.encode(OrderTypes.SUPPLY_AGREEMENT_TYPEHASH, _supplyAt(m)));
        }
        vm.assertEq(primaryType, "AgentOrders");
        bytes32 ordersHash = 0;
        for (uint256 i = 0; entry.item(".orders", i).exists(); ++i) {
            ordersHash = keccak256(abi.encodePacked(ordersHash, _orderAt(entry.item(".orders", i)).hash()));
        }
        vm.assertEq(ordersHash, m.word(".ordersHash"), entry.text(".name"));
        return OrderTypes.hashAgentOrders(m.number(".intervalStart"), ordersHash);
    }

    /// @dev The exchange keeps its hashes to itself, and takes what owners signed only if they are these ones.
    function _register(Intervals exchange_, Json memory entry, bytes memory signature) private {
        string memory primaryType = entry.text(".primary_type");
        Json memory m = entry.under(".message");
        if (Strings.equal(primaryType, "AgentOrders")) return; // settled batches have them
        if (m.account(".owner") != entry.account(".signer")) return;
        if (Strings.equal(primaryType, "Order")) {
            exchange_.recordOrder(_orderAt(m), signature);
        } else if (Strings.equal(primaryType, "Mandate")) {
            Mandate memory mandate = _mandateAt(m);
            if (mandate.minSellPrice > type(uint32).max) return; // more than the exchange takes
            exchange_.registerMandate(mandate, signature);
        } else {
            registry.register(m.account(".owner"), 0, Key(stranger, 0, 0));
            exchange_.registerSupply(_supplyAt(m), signature);
        }
        ++registered;
    }

    function _oracleDigest(MeterOracle oracle_, Json memory entry) private view returns (bytes32) {
        string memory primaryType = entry.text(".primary_type");
        Json memory m = entry.under(".message");
        uint64 intervalStart = m.number(".intervalStart");
        uint32 intervalSeconds = uint32(m.number(".intervalSeconds"));
        if (Strings.equal(primaryType, "MeterReading")) {
            return oracle_.hashReading(
                MeterReading(
                    m.word(".meterId"),
                    intervalStart,
                    intervalSeconds,
                    m.number(".importWh"),
                    m.number(".exportWh")
                )
            );
        }
        bool gaps = Strings.equal(primaryType, "AttestationWithGaps");
        if (!gaps) vm.assertEq(primaryType, "Attestation");
        bytes32 readingsHash = keccak256(entry.data(".readings"));
        vm.assertEq(readingsHash, m.word(".readingsHash"), entry.text(".name"));
        return oracle_.hashAttestation(intervalStart, intervalSeconds, readingsHash, gaps);
    }

    /// @dev The token keeps its hash to itself, and says by its allowance whether it is this one.
    function _permit(MockStablecoin token_, Json memory m, bytes memory signature, string memory name)
        private
    {
        (address owner, address spender, uint256 value) =
            (m.account(".owner"), m.account(".spender"), m.number(".value"));
        vm.assertEq(token_.nonces(owner), m.number(".nonce"), name);
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        token_.permit(owner, spender, value, m.number(".deadline"), uint8(signature[64]), r, s);
        vm.assertEq(token_.allowance(owner, spender), value, name);
    }

    function _orderAt(Json memory m) private pure returns (Order memory order) {
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

    function _mandateAt(Json memory m) private pure returns (Mandate memory mandate) {
        mandate.owner = m.account(".owner");
        mandate.agent = m.account(".agent");
        mandate.maxBuyPrice = m.number(".maxBuyPrice");
        mandate.minSellPrice = m.number(".minSellPrice");
        mandate.feeCap = m.number(".feeCap");
        mandate.imbalanceCap = m.number(".imbalanceCap");
        mandate.maxWhPerDay = m.number(".maxWhPerDay");
        mandate.validUntil = m.number(".validUntil");
        mandate.nonce = m.number(".nonce");
    }

    function _supplyAt(Json memory m) private pure returns (SupplyAgreement memory agreement) {
        agreement.owner = m.account(".owner");
        agreement.maxImportPrice = m.number(".maxImportPrice");
        agreement.minFeedInPrice = m.number(".minFeedInPrice");
        agreement.fallbackImportW = m.number(".fallbackImportW");
        agreement.validFrom = m.number(".validFrom");
        agreement.validUntil = m.number(".validUntil");
        agreement.nonce = m.number(".nonce");
    }

    function _checkLine(Json memory entry, Json memory line, string memory name) private view {
        Prices memory prices = _pricesAt(entry.under(".prices"));
        Position memory position = _positionAt(entry, prices.imbalance);
        (uint256 pays, uint256 isPaid, uint256 fee) = position.settle(prices);
        uint256 purchase = Settlement.amountUp(position.purchase);
        uint256 sale = Settlement.amountDown(position.sale);
        uint256 shortfall = Settlement.amountUp(position.shortfall);
        vm.assertEq(position.boughtWh, line.number(".bought_wh"), name);
        vm.assertEq(position.soldWh, line.number(".sold_wh"), name);
        vm.assertEq(position.deliveredWh, line.number(".delivered_wh"), name);
        vm.assertEq(purchase, line.number(".purchase_micro"), name);
        vm.assertEq(sale, line.number(".sale_micro"), name);
        vm.assertEq(shortfall, line.number(".shortfall_micro"), name);
        vm.assertEq(fee, line.number(".fee_micro"), name);
        vm.assertEq(pays - purchase - shortfall - fee, line.number(".retail_micro"), name);
        vm.assertEq(isPaid - sale, line.number(".feed_in_micro"), name);
        vm.assertEq(int256(pays) - int256(isPaid), entry.signed(".net_micro"), name);
    }

    function _positionAt(Json memory entry, uint256 imbalance)
        private
        view
        returns (Position memory position)
    {
        bool missing = entry.flag(".estimated");
        if (!missing) {
            position.importWh = entry.number(".reading.imported_wh");
            position.exportWh = entry.number(".reading.exported_wh");
        }
        for (uint256 i = 0; entry.item(".bought", i).exists(); ++i) {
            Json memory purchase = entry.item(".bought", i);
            position.addBought(purchase.number(".energy_wh"), purchase.number(".price"));
        }
        for (uint256 i = 0; entry.item(".sold", i).exists(); ++i) {
            Json memory sale = entry.item(".sold", i);
            position.addSold(
                sale.number(".energy_wh"), sale.number(".price"), imbalance, sale.number(".imbalance_cap")
            );
        }
        if (missing) position.importWh = Math.max(position.boughtWh, entry.number(".fallback_import_wh"));
    }

    function _pricesAt(Json memory p) private pure returns (Prices memory prices) {
        prices.clearing = uint32(p.number(".clearing"));
        prices.retailImport = uint32(p.number(".retail_import"));
        prices.feedIn = uint32(p.number(".feed_in"));
        prices.imbalance = uint32(p.number(".imbalance"));
        prices.fee = uint32(p.number(".fee"));
    }
}
