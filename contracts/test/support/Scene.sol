// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "./Vm.sol";
import {Built} from "./Built.sol";
import {Packing} from "./Packing.sol";
import {IPacked} from "./IPacked.sol";
import {Intervals, Terms} from "../../src/Intervals.sol";
import {Key} from "../../src/interfaces/IParticipantRegistry.sol";
import {MeterIds} from "../../src/libraries/MeterIds.sol";
import {MeterOracle} from "../../src/MeterOracle.sol";
import {MeterReading} from "../../src/libraries/ReadingTypes.sol";
import {MockStablecoin} from "../../src/MockStablecoin.sol";
import {ParticipantRegistry} from "../../src/ParticipantRegistry.sol";
import {Mandate, Order, OrderTypes, SupplyAgreement} from "../../src/libraries/OrderTypes.sol";
import {Prices} from "../../src/libraries/Settlement.sol";
import {Batch, BatchMember, BatchOrder, Batches, Execution, Registers} from "./Batches.sol";
import {IReference} from "./IReference.sol";
import {BatchAgent} from "../../src/reference/BatchWords.sol";

/// @notice A community of members, each with a meter, a supply agreement and money; and one interval to trade.
/// Member 0 sells 1 kWh to member 1 unless a test says otherwise.
abstract contract Scene {
    using OrderTypes for Order;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint40 internal constant START = 1_750_000_500;
    uint32 internal constant STEP = 900;
    uint40 internal constant END = START + STEP;
    uint40 internal constant GATE = START - STEP;
    uint32 internal constant READING_DEADLINE = 30 minutes;
    uint32 internal constant SETTLEMENT_TERM = 12 hours;
    uint32 internal constant WITHDRAWAL_DELAY = 1 days;
    uint32 internal constant KEY_NOTICE = 2 days;
    uint64 internal constant FAR = START + 365 days;
    uint256 internal constant OPENING = 100_000_000;
    uint256 internal constant AGENT_KEY = 0xA6E47;
    uint256 internal constant STRANGER_KEY = 0xBAD;
    uint256 internal constant ATTESTOR_KEYS = 0xA77E57;
    uint8 internal constant THRESHOLD = 2;

    address internal immutable admin = vm.addr(0xAD);
    address internal immutable operator = vm.addr(0x09);
    address internal immutable pauser = vm.addr(0xFA);
    address internal immutable retailer = vm.addr(0x4E);
    address internal immutable fund = vm.addr(0xFE);
    address internal immutable agent = vm.addr(AGENT_KEY);
    address internal immutable stranger = vm.addr(STRANGER_KEY);

    MockStablecoin internal token;
    ParticipantRegistry internal registry;
    MeterOracle internal oracle;
    Intervals internal exchange;

    function setUp() public virtual {
        vm.warp(GATE - 7 days); // so that agreements have long been in force when the gate closes
        token = MockStablecoin(Built.deploy("MockStablecoin", ""));
        registry = ParticipantRegistry(Built.deploy("ParticipantRegistry", abi.encode(admin, KEY_NOTICE)));
        oracle = MeterOracle(
            Built.deploy("MeterOracle", abi.encode(registry, admin, THRESHOLD, READING_DEADLINE))
        );
        exchange = _newExchange(
            Terms(token, oracle, retailer, fund, admin, STEP, WITHDRAWAL_DELAY, SETTLEMENT_TERM)
        );
        vm.prank(admin);
        exchange.grantRole(keccak256("OPERATOR_ROLE"), operator);
        vm.prank(admin);
        exchange.grantRole(keccak256("PAUSER_ROLE"), pauser);
        vm.prank(admin);
        registry.grantRole(keccak256("REGISTRAR_ROLE"), address(this));
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(admin);
            oracle.grantRole(keccak256("ATTESTOR_ROLE"), vm.addr(ATTESTOR_KEYS + i));
        }
        _fund(retailer, OPENING);
        _addMember(0);
        _addMember(1);
        vm.warp(GATE);
    }

    /// @dev The production contract's path; suites for both are run again with the reference in its place.
    function _onReference() internal pure virtual returns (bool) {
        return false;
    }

    function _newExchange(Terms memory terms) internal returns (Intervals) {
        string memory name = _onReference() ? "EnergyExchangeReference" : "EnergyExchange";
        return Intervals(Built.deploy(name, abi.encode(terms)));
    }

    // Members

    function _ownerKey(uint256 member) internal pure returns (uint256) {
        return 0x1000 + member;
    }

    function _meterKey(uint256 member) internal pure returns (uint256) {
        return 0x2000_0000 + member;
    }

    function _owner(uint256 member) internal pure returns (address) {
        return vm.addr(_ownerKey(member));
    }

    function _meterId(uint256 member) internal pure returns (bytes32) {
        return MeterIds.idOf(_owner(member), 0);
    }

    function _addMember(uint256 member) internal {
        registry.register(_owner(member), 0, Key(vm.addr(_meterKey(member)), 0, 0));
        _registerSupply(member, _supply(member));
        _fund(_owner(member), OPENING);
    }

    function _fund(address account, uint256 amount) internal {
        token.mint(address(this), amount);
        token.approve(address(exchange), amount);
        exchange.depositFor(account, amount);
    }

    // Agreements

    function _supply(uint256 member) internal pure returns (SupplyAgreement memory) {
        return SupplyAgreement({
            owner: _owner(member),
            maxImportPrice: 400_000,
            minFeedInPrice: 50_000,
            fallbackImportW: 400,
            validFrom: 0,
            validUntil: FAR,
            nonce: 0
        });
    }

    function _registerSupply(uint256 member, SupplyAgreement memory agreement) internal {
        exchange.registerSupply(agreement, _sign(_ownerKey(member), _digestOf(agreement)));
    }

    function _mandate(uint256 member) internal view returns (Mandate memory) {
        return Mandate({
            owner: _owner(member),
            agent: agent,
            maxBuyPrice: 300_000,
            minSellPrice: 60_000,
            feeCap: 5_000,
            imbalanceCap: 200_000,
            maxWhPerDay: 5_000,
            validUntil: FAR,
            nonce: 0
        });
    }

    function _registerMandate(uint256 member, Mandate memory mandate) internal {
        exchange.registerMandate(mandate, _sign(_ownerKey(member), _digestOf(mandate)));
    }

    // Orders and batches

    function _prices() internal pure returns (Prices memory) {
        return
            Prices({clearing: 200_000, retailImport: 310_000, feedIn: 60_000, imbalance: 290_000, fee: 3_000});
    }

    /// @dev Executed as a whole, at the clearing price or in trade 0.
    function _order(uint8 side, uint32 energyWh) internal pure returns (BatchOrder memory order) {
        order = BatchOrder({
            side: side,
            k: 0,
            energyWh: energyWh,
            limitPrice: side == OrderTypes.BUY ? 250_000 : 150_000,
            feeCap: 3_000,
            imbalanceCap: 100_000,
            expiry: START,
            authority: 0,
            r: 0,
            vs: 0,
            executions: new Execution[](1)
        });
        order.executions[0] = Execution({trade: 0, energyWh: energyWh, price: 200_000});
    }

    function _memberOf(uint256 member, BatchOrder memory order) internal pure returns (BatchMember memory) {
        BatchOrder[] memory orders = new BatchOrder[](1);
        orders[0] = order;
        return BatchMember({account: _owner(member), number: 0, orders: orders});
    }

    /// @dev Member 0 sells 1 kWh to member 1. Sorted and signed.
    function _batch() internal view returns (Batch memory batch) {
        batch = _unsigned(START, 2);
        batch.members[0] = _memberOf(0, _order(OrderTypes.SELL, 1_000));
        batch.members[1] = _memberOf(1, _order(OrderTypes.BUY, 1_000));
        _complete(batch);
    }

    function _unsigned(uint40 start, uint256 members) internal pure returns (Batch memory batch) {
        batch.intervalStart = start;
        batch.prices = _prices();
        batch.members = new BatchMember[](members);
    }

    /// @dev Sorts the members and signs everything: orders of authority 0 by their owner's key, others by their agent's.
    function _complete(Batch memory batch) internal view {
        _sort(batch.members);
        bytes32[] memory hashes = new bytes32[](batch.agents.length);
        for (uint256 i = 0; i < batch.members.length; ++i) {
            BatchMember memory member = batch.members[i];
            for (uint256 j = 0; j < member.orders.length; ++j) {
                BatchOrder memory order = member.orders[j];
                bytes32 structHash = _signedOrder(batch, member, order).hash();
                if (order.authority == 0) {
                    (order.r, order.vs) = _halves(_keyOf(member.account), _digest(structHash));
                } else if (order.authority > 1 && order.authority < hashes.length + 2) {
                    uint256 index = order.authority - 2;
                    hashes[index] = keccak256(abi.encodePacked(hashes[index], structHash));
                }
            }
        }
        for (uint256 i = 0; i < hashes.length; ++i) {
            (bytes32 r, bytes32 vs) = _halves(AGENT_KEY + i, _agentsDigest(batch.intervalStart, hashes[i]));
            batch.agents[i] = BatchAgent(vm.addr(AGENT_KEY + i), r, vs);
        }
    }

    function _signedOrder(Batch memory batch, BatchMember memory member, BatchOrder memory order)
        internal
        pure
        returns (Order memory)
    {
        return Order({
            owner: member.account,
            meterId: MeterIds.idOf(member.account, member.number),
            side: order.side,
            intervalStart: batch.intervalStart,
            intervalSeconds: STEP,
            energyWh: order.energyWh,
            limitPrice: order.limitPrice,
            feeCap: order.feeCap,
            imbalanceCap: order.imbalanceCap,
            nonce: uint64(batch.intervalStart) << 8 | order.k,
            expiry: order.expiry
        });
    }

    // What is signed: by the exchange's own word for its domain

    function _digestOf(Order memory order) internal view returns (bytes32) {
        return _digest(order.hash());
    }

    function _digestOf(Mandate memory mandate) internal view returns (bytes32) {
        return _digest(keccak256(abi.encode(OrderTypes.MANDATE_TYPEHASH, mandate)));
    }

    function _digestOf(SupplyAgreement memory agreement) internal view returns (bytes32) {
        return _digest(keccak256(abi.encode(OrderTypes.SUPPLY_AGREEMENT_TYPEHASH, agreement)));
    }

    function _agentsDigest(uint256 intervalStart, bytes32 ordersHash) internal view returns (bytes32) {
        return _digest(OrderTypes.hashAgentOrders(intervalStart, ordersHash));
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return _digestAt(exchange, structHash);
    }

    function _digestAt(Intervals exchange_, bytes32 structHash) internal view returns (bytes32) {
        (, string memory name, string memory version, uint256 chainId, address contract_,,) =
            exchange_.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                contract_
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _keyOf(address account) internal pure returns (uint256) {
        for (uint256 member = 0; member < 256; ++member) {
            if (_owner(member) == account) return _ownerKey(member);
        }
        return STRANGER_KEY;
    }

    function _sort(BatchMember[] memory members) internal pure {
        for (uint256 i = 1; i < members.length; ++i) {
            for (uint256 j = i; j > 0 && _after(members[j - 1], members[j]); --j) {
                (members[j - 1], members[j]) = (members[j], members[j - 1]);
            }
        }
    }

    function _after(BatchMember memory one, BatchMember memory other) private pure returns (bool) {
        return one.account > other.account || one.account == other.account && one.number > other.number;
    }

    // Readings

    /// @dev Every meter did what its orders say.
    function _delivered(Batch memory batch) internal pure returns (Registers[] memory registers) {
        registers = new Registers[](batch.members.length);
        for (uint256 i = 0; i < registers.length; ++i) {
            BatchOrder[] memory orders = batch.members[i].orders;
            for (uint256 j = 0; j < orders.length; ++j) {
                for (uint256 k = 0; k < orders[j].executions.length; ++k) {
                    uint32 energyWh = orders[j].executions[k].energyWh;
                    if (orders[j].side == OrderTypes.BUY) registers[i].importWh += energyWh;
                    else registers[i].exportWh += energyWh;
                }
            }
        }
    }

    /// @dev Packed as the oracle and the event have them.
    function _readings(Batch memory batch, Registers[] memory registers)
        internal
        pure
        returns (bytes memory readings)
    {
        for (uint256 i = 0; i < registers.length; ++i) {
            uint16 number = batch.members[i].number | (registers[i].missing ? 0x8000 : 0);
            readings = bytes.concat(
                readings,
                abi.encodePacked(
                    batch.members[i].account, number, registers[i].importWh, registers[i].exportWh
                )
            );
        }
    }

    /// @dev Signed by each meter's key.
    function _signedProof(Batch memory batch, Registers[] memory registers)
        internal
        view
        returns (bytes memory proof)
    {
        proof = hex"02";
        for (uint256 i = 0; i < registers.length; ++i) {
            if (registers[i].missing) continue;
            address account = batch.members[i].account;
            MeterReading memory reading = MeterReading(
                MeterIds.idOf(account, batch.members[i].number),
                batch.intervalStart,
                STEP,
                registers[i].importWh,
                registers[i].exportWh
            );
            uint256 key = _keyOf(account) + _meterKey(0) - _ownerKey(0);
            proof = bytes.concat(proof, _compact(key, oracle.hashReading(reading)));
        }
    }

    /// @dev Signed by two of three attestors.
    function _attestedProof(Batch memory batch, Registers[] memory registers)
        internal
        view
        returns (bytes memory)
    {
        return bytes.concat(hex"01", _attestations(_attestationDigest(batch, registers, false), THRESHOLD));
    }

    function _attestationDigest(Batch memory batch, Registers[] memory registers, bool gaps)
        internal
        view
        returns (bytes32)
    {
        bytes32 hash = keccak256(_readings(batch, registers));
        return oracle.hashAttestation(batch.intervalStart, STEP, hash, gaps);
    }

    /// @dev All attestors, of whom the `count` with the lowest addresses sign.
    function _attestations(bytes32 digest, uint256 count) internal view returns (bytes memory list) {
        address[] memory all = oracle.attestors();
        for (uint256 i = 0; i < all.length; ++i) {
            uint256 key = ATTESTOR_KEYS;
            while (vm.addr(key) != all[i]) ++key;
            list = i < count
                ? bytes.concat(list, hex"01", _compact(key, digest))
                : bytes.concat(list, hex"00", bytes20(all[i]));
        }
    }

    // Commitment and settlement

    function _root(Batch memory batch) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(_hash(batch), bytes32(0)));
    }

    function _hash(Batch memory batch) internal pure returns (bytes32) {
        return keccak256(_onReference() ? Batches.encode(batch) : Packing.pack(batch));
    }

    function _commit(Batch memory batch) internal {
        bytes32 root = _root(batch);
        vm.prank(operator);
        exchange.commitBatch(batch.intervalStart, root);
    }

    function _settle(Batch memory batch, Registers[] memory registers) internal {
        _settle(batch, registers, _signedProof(batch, registers));
    }

    function _settle(Batch memory batch, Registers[] memory registers, bytes memory proof) internal {
        _settlePart(batch, 0, registers, proof);
    }

    function _settlePart(Batch memory batch, bytes32 next, Registers[] memory registers, bytes memory proof)
        internal
    {
        _settleAs(_isMissing(registers) ? operator : _settler(), batch, next, registers, proof);
    }

    function _settleAs(
        address settler,
        Batch memory batch,
        bytes32 next,
        Registers[] memory registers,
        bytes memory proof
    ) internal {
        if (_onReference()) {
            bytes memory encoded = Batches.encode(batch);
            vm.prank(settler);
            IReference(address(exchange)).settleBatch(encoded, Batches.words(registers), proof, next);
            return;
        }
        bytes memory packed = Packing.pack(batch);
        bytes memory evidence = Packing.evidence(registers, proof);
        vm.prank(settler);
        IPacked(address(exchange)).settleBatch(packed, evidence, next);
    }

    /// @dev Who settles: somebody without any role, unless a test says otherwise, or a reading is missing, which only the
    /// operator can claim without attestors.
    function _settler() internal view virtual returns (address) {
        return stranger;
    }

    function _isMissing(Registers[] memory registers) private pure returns (bool) {
        for (uint256 i = 0; i < registers.length; ++i) {
            if (registers[i].missing) return true;
        }
        return false;
    }

    function _commitAndDeliver(Batch memory batch) internal {
        _commit(batch);
        vm.warp(batch.intervalStart + STEP);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev EIP-2098.
    function _compact(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = _halves(key, digest);
        return abi.encodePacked(r, vs);
    }

    /// @dev EIP-2098.
    function _halves(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 vs) {
        uint8 v;
        (v, r, vs) = vm.sign(key, digest);
        vs |= bytes32(uint256(v - 27) << 255);
    }
}
