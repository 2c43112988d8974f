// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "./Vm.sol";
import {EnergyExchange} from "../../src/EnergyExchange.sol";
import {Batch, Fill, MeterInput, SignedOrder} from "../../src/interfaces/IEnergyExchange.sol";
import {MockStablecoin} from "../../src/MockStablecoin.sol";
import {ParticipantRegistry} from "../../src/ParticipantRegistry.sol";
import {Mandate, MeterReading, Order, OrderTypes, SupplyAgreement} from "../../src/libraries/OrderTypes.sol";
import {Prices} from "../../src/libraries/Settlement.sol";

/// @notice A community of members, each with a meter, a supply agreement and money; and one interval to trade.
/// Member 0 sells 1 kWh to member 1 unless a test says otherwise.
abstract contract Scene {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint64 internal constant START = 1_750_000_500;
    uint32 internal constant STEP = 900;
    uint64 internal constant END = START + STEP;
    uint64 internal constant GATE = START - STEP;
    uint64 internal constant WITHDRAWAL_DELAY = 1 days;
    uint64 internal constant READING_DEADLINE = 30 minutes;
    uint64 internal constant FAR = START + 365 days;
    uint256 internal constant OPENING = 100_000_000;
    uint256 internal constant AGENT_KEY = 0xA6E47;
    uint256 internal constant STRANGER_KEY = 0xBAD;

    address internal immutable admin = vm.addr(0xAD);
    address internal immutable operator = vm.addr(0x09);
    address internal immutable pauser = vm.addr(0xFA);
    address internal immutable retailer = vm.addr(0x4E);
    address internal immutable feeRecipient = vm.addr(0xFE);
    address internal immutable agent = vm.addr(AGENT_KEY);
    address internal immutable stranger = vm.addr(STRANGER_KEY);

    MockStablecoin internal token;
    ParticipantRegistry internal registry;
    EnergyExchange internal exchange;

    function setUp() public virtual {
        vm.warp(GATE);
        token = new MockStablecoin();
        registry = new ParticipantRegistry(admin);
        exchange = new EnergyExchange(
            token, registry, retailer, feeRecipient, admin, WITHDRAWAL_DELAY, READING_DEADLINE
        );
        _grant(exchange.OPERATOR_ROLE(), operator);
        _grant(exchange.PAUSER_ROLE(), pauser);
        bytes32 registrarRole = registry.REGISTRAR_ROLE();
        vm.prank(admin);
        registry.grantRole(registrarRole, address(this));
        _fund(retailer, OPENING);
        _addMember(0);
        _addMember(1);
    }

    // Members

    function _ownerKey(uint256 member) internal pure returns (uint256) {
        return 0x1000 + member;
    }

    function _meterKey(uint256 member) internal pure returns (uint256) {
        return 0x2000 + member;
    }

    function _owner(uint256 member) internal pure returns (address) {
        return vm.addr(_ownerKey(member));
    }

    function _meterId(uint256 member) internal pure returns (bytes32) {
        return bytes32(0x3000 + member);
    }

    function _addMember(uint256 member) internal {
        registry.register(_owner(member), _meterId(member), vm.addr(_meterKey(member)));
        _registerSupply(member, _supply(member));
        _fund(_owner(member), OPENING);
    }

    function _fund(address account, uint256 amount) internal {
        token.mint(address(this), amount);
        token.approve(address(exchange), amount);
        exchange.depositFor(account, amount);
    }

    function _grant(bytes32 role, address account) internal {
        vm.prank(admin);
        exchange.grantRole(role, account);
    }

    // Agreements

    function _supply(uint256 member) internal pure returns (SupplyAgreement memory) {
        return SupplyAgreement(_owner(member), _meterId(member), 400_000, 50_000, FAR, 0);
    }

    function _registerSupply(uint256 member, SupplyAgreement memory agreement) internal {
        bytes memory signature = _sign(_ownerKey(member), exchange.hashSupplyAgreement(agreement));
        exchange.registerSupply(agreement, signature);
    }

    function _mandate(uint256 member) internal view returns (Mandate memory) {
        return Mandate(_owner(member), agent, 300_000, 60_000, 5_000, FAR, 0);
    }

    function _registerMandate(uint256 member, Mandate memory mandate) internal {
        exchange.registerMandate(mandate, _sign(_ownerKey(member), exchange.hashMandate(mandate)));
    }

    // Orders and batches

    function _prices() internal pure returns (Prices memory) {
        return
            Prices({clearing: 200_000, retailImport: 310_000, feedIn: 60_000, imbalance: 290_000, fee: 3_000});
    }

    function _order(uint256 member, uint8 side, uint64 energyWh, uint64 nonce)
        internal
        pure
        returns (Order memory)
    {
        return Order({
            owner: _owner(member),
            meterId: _meterId(member),
            side: side,
            intervalStart: START,
            intervalSeconds: STEP,
            energyWh: energyWh,
            limitPrice: side == OrderTypes.BUY ? 250_000 : 150_000,
            feeCap: 3_000,
            imbalanceCap: 100_000,
            nonce: nonce,
            expiry: START
        });
    }

    function _signed(Order memory order, uint256 key) internal view returns (SignedOrder memory) {
        return SignedOrder(order, _sign(key, exchange.hashOrder(order)));
    }

    /// @dev Order 0: member 0 sells 1 kWh; order 1: member 1 buys it.
    function _batch() internal view returns (Batch memory batch) {
        batch.intervalStart = START;
        batch.intervalSeconds = STEP;
        batch.prices = _prices();
        batch.orders = new SignedOrder[](2);
        batch.orders[0] = _signed(_order(0, OrderTypes.SELL, 1_000, 0), _ownerKey(0));
        batch.orders[1] = _signed(_order(1, OrderTypes.BUY, 1_000, 0), _ownerKey(1));
        batch.fills = new Fill[](1);
        batch.fills[0] = Fill({buy: 1, sell: 0, energyWh: 1_000});
        batch.meterIds = new bytes32[](2);
        batch.meterIds[0] = _meterId(0);
        batch.meterIds[1] = _meterId(1);
    }

    // Readings

    function _reading(uint256 member, uint64 importWh, uint64 exportWh)
        internal
        view
        returns (MeterInput memory)
    {
        return _readingAt(member, START, importWh, exportWh);
    }

    function _readingAt(uint256 member, uint64 start, uint64 importWh, uint64 exportWh)
        internal
        view
        returns (MeterInput memory)
    {
        MeterReading memory reading = MeterReading(_meterId(member), start, STEP, importWh, exportWh);
        return MeterInput(importWh, exportWh, _sign(_meterKey(member), exchange.hashReading(reading)));
    }

    /// @dev Member 0 exported 1 kWh and member 1 imported it.
    function _readings() internal view returns (MeterInput[] memory readings) {
        readings = new MeterInput[](2);
        readings[0] = _reading(0, 0, 1_000);
        readings[1] = _reading(1, 1_000, 0);
    }

    // The operator's acts

    function _commit(Batch memory batch) internal {
        bytes32 root = keccak256(abi.encode(batch));
        vm.prank(operator);
        exchange.commitBatch(batch.intervalStart, batch.intervalSeconds, root);
    }

    function _settle(Batch memory batch, MeterInput[] memory readings) internal {
        vm.prank(operator);
        exchange.settleBatch(batch, readings);
    }

    function _commitAndDeliver(Batch memory batch) internal {
        _commit(batch);
        vm.warp(END);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
