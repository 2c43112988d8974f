// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Packing} from "./support/Packing.sol";
import {RandomCommunity} from "./support/RandomCommunity.sol";
import {Log} from "./support/Vm.sol";
import {EnergyExchange} from "../src/EnergyExchange.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Terms} from "../src/Intervals.sol";
import {
    Batch,
    BatchOrder,
    EnergyExchangeReference,
    Registers
} from "../src/reference/EnergyExchangeReference.sol";

/// @notice The packed exchange and the reference, at the same address and in the same state, are given the same batches:
/// they end with the same words in storage and the same logs, or refuse for the same reason.
contract DifferentialTest is RandomCommunity {
    /// @dev Slot of `Ledger._accounts`, and of `withdrawalOf`.
    uint256 private constant ACCOUNTS = 1;
    uint256 private constant WITHDRAWALS = 2;

    struct Outcome {
        bool settled;
        bytes reason;
        bytes32[] words;
        Log[] logs;
    }

    bytes private referenceCode;

    function setUp() public override {
        super.setUp();
        Terms memory terms =
            Terms(token, oracle, retailer, fund, admin, STEP, WITHDRAWAL_DELAY, SETTLEMENT_TERM);
        referenceCode =
        vm.deployCode("EnergyExchangeReference.sol:EnergyExchangeReference", abi.encode(terms)).code;
    }

    function testFuzz_BothSettleAlike(uint256 seed_) public {
        seed = seed_;
        _randomState();
        _bothSettle(START);
        // Another interval, perhaps of the next day: what agents used adds up.
        uint40 next = _chance(2) ? START + 2 * STEP : (START / 1 days + 1) * 1 days;
        vm.warp(next - STEP);
        _bothSettle(next);
    }

    function testFuzz_BothRefuseAlike(uint256 seed_) public {
        seed = seed_;
        Batch memory batch = _randomBatch(START);
        while (_ordersOf(batch.members).length == 0) {
            batch = _randomBatch(START);
        }
        _spoil(batch);
        Registers[] memory registers = _randomRegisters(batch.members.length, false);
        Outcome memory readable = _outcome(batch, registers, false, true);
        vm.assertFalse(readable.settled);
        _requireSame(_outcome(batch, registers, false, false), readable);
    }

    /// @dev Else the test above would say little: what can happen does, in the first few seeds.
    function test_RandomBatchesReachEveryEvent() public {
        bytes32[7] memory topics = [
            IEnergyExchange.TradeSettled.selector,
            IEnergyExchange.ReadingMissing.selector,
            IEnergyExchange.Unpaid.selector,
            IEnergyExchange.WithdrawalReduced.selector,
            IEnergyExchange.FundPaid.selector,
            IEnergyExchange.CreditReduced.selector,
            IEnergyExchange.BatchSettled.selector
        ];
        uint256[7] memory counts;
        for (uint256 i = 0; i < 40; ++i) {
            uint256 snapshot = vm.snapshotState();
            seed = i;
            _randomState();
            Batch memory batch = _randomBatch(START);
            bool gaps = _chance(3);
            Registers[] memory registers = _randomRegisters(batch.members.length, gaps);
            Log[] memory logs = _outcome(batch, registers, gaps, false).logs;
            vm.revertToStateAndDelete(snapshot);
            for (uint256 j = 0; j < 7; ++j) {
                counts[j] += _countLogs(logs, topics[j]);
            }
        }
        for (uint256 j = 0; j < 7; ++j) {
            vm.assertGe(counts[j], 3);
        }
    }

    /// @dev Both must settle: the batch is right.
    function _bothSettle(uint40 start) private {
        Batch memory batch = _randomBatch(start);
        bool gaps = _chance(3);
        Registers[] memory registers = _randomRegisters(batch.members.length, gaps);
        uint256 snapshot = vm.snapshotState();
        Outcome memory readable = _outcome(batch, registers, gaps, true);
        vm.revertToStateAndDelete(snapshot);
        Outcome memory packed = _outcome(batch, registers, gaps, false);
        vm.assertTrue(readable.settled, string(readable.reason));
        _requireSame(packed, readable);
        _requireWhole();
    }

    /// @dev Commits, lets one member withdraw, delivers and settles.
    function _outcome(Batch memory batch, Registers[] memory registers, bool gaps, bool readable)
        private
        returns (Outcome memory outcome)
    {
        bytes memory code = address(exchange).code;
        bytes memory proof = gaps ? _gapsProof(batch, registers) : _attestedProof(batch, registers);
        bytes memory call;
        bytes32 hash;
        if (readable) {
            vm.etch(address(exchange), referenceCode);
            call = abi.encodeCall(EnergyExchangeReference.settleBatch, (batch, 0, registers, proof));
            hash = keccak256(abi.encode(batch));
        } else {
            bytes memory packed = Packing.pack(batch);
            call = abi.encodeCall(EnergyExchange.settleBatch, (packed, 0, Packing.pack(registers), proof));
            hash = keccak256(packed);
        }
        uint256 snapshot = vm.snapshotState();
        vm.prank(operator);
        exchange.commitBatch(batch.intervalStart, keccak256(abi.encodePacked(hash, bytes32(0))));
        address leaver = accounts[seed % MEMBERS];
        uint256 all = exchange.balanceOf(leaver);
        vm.prank(leaver);
        exchange.requestWithdrawal(all / 2);
        vm.warp(batch.intervalStart + STEP + (gaps ? READING_DEADLINE + 1 : 0));
        vm.recordLogs();
        vm.prank(operator);
        (outcome.settled, outcome.reason) = address(exchange).call(call);
        outcome.logs = vm.getRecordedLogs();
        outcome.words = _words();
        if (!outcome.settled) vm.revertToStateAndDelete(snapshot);
        vm.etch(address(exchange), code);
    }

    function _words() private view returns (bytes32[] memory words) {
        words = new bytes32[](2 * MEMBERS + 3);
        words[0] = vm.load(address(exchange), 0); // retailer's and fund's balances
        words[1] = vm.load(address(exchange), keccak256(abi.encode(retailer, WITHDRAWALS)));
        words[2] = vm.load(address(exchange), keccak256(abi.encode(fund, WITHDRAWALS)));
        for (uint256 i = 0; i < MEMBERS; ++i) {
            bytes32 word = vm.load(address(exchange), keccak256(abi.encode(accounts[i], ACCOUNTS)));
            vm.assertEq(uint64(uint256(word)), exchange.balanceOf(accounts[i]), "not the account's slot");
            words[3 + 2 * i] = word;
            words[4 + 2 * i] = vm.load(address(exchange), keccak256(abi.encode(accounts[i], WITHDRAWALS)));
        }
    }

    function _requireSame(Outcome memory packed, Outcome memory readable) private pure {
        vm.assertEq(packed.reason, readable.reason, "reasons");
        vm.assertEq(packed.settled ? 1 : 0, readable.settled ? 1 : 0);
        for (uint256 i = 0; i < readable.words.length; ++i) {
            vm.assertEq(packed.words[i], readable.words[i], "words");
        }
        vm.assertEq(abi.encode(packed.logs), abi.encode(readable.logs), "logs");
    }

    /// @dev Rounding and poverty create and lose nothing.
    function _requireWhole() private view {
        uint256 sum = _heldBy(retailer) + _heldBy(fund);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            sum += _heldBy(accounts[i]);
        }
        vm.assertEq(sum, token.balanceOf(address(exchange)));
    }

    /// @dev Makes one thing wrong, and signs the rest.
    function _spoil(Batch memory batch) private {
        BatchOrder[] memory orders = _ordersOf(batch.members);
        BatchOrder memory order = orders[_random(orders.length)];
        uint256 fault = _random(12);
        if (fault == 0) order.feeCap = batch.prices.fee > 0 ? batch.prices.fee - 1 : 0;
        if (fault == 0 && batch.prices.fee == 0) order.expiry = GATE - 1;
        if (fault == 1) order.expiry = GATE - 1;
        if (fault == 2) batch.prices.retailImport = 400_001;
        if (fault == 3) batch.prices.feedIn = 49_999;
        if (fault == 4) _addOrder(batch, order);
        if (fault == 5) batch.members[_random(batch.members.length)].number = 0x4000;
        if (fault == 6) _spoilFill(batch, orders);
        if (fault > 6) _complete(batch);
        if (fault < 7 && fault != 5) _complete(batch);
        if (fault == 7) _spoilSignature(batch, orders);
        if (fault == 8) batch.members[0].account = address(uint160(stranger) >> 8);
        if (fault == 9) batch.members[batch.members.length - 1].account = batch.members[0].account;
        if (fault == 9 && batch.members.length == 1) batch.prices.retailImport = 400_001;
        if (fault == 9) batch.members[batch.members.length - 1].number = batch.members[0].number;
        if (fault == 10) order.energyWh += 1;
        if (fault == 11) order.k ^= 1;
    }

    /// @dev The same order again, in its member's list.
    function _addOrder(Batch memory batch, BatchOrder memory order) private pure {
        for (uint256 i = 0; i < batch.members.length; ++i) {
            BatchOrder[] memory orders = batch.members[i].orders;
            for (uint256 j = 0; j < orders.length; ++j) {
                if (orders[j].k != order.k || orders[j].authority != order.authority) continue;
                BatchOrder[] memory more = new BatchOrder[](orders.length + 1);
                for (uint256 k = 0; k < orders.length; ++k) {
                    more[k] = orders[k];
                }
                more[orders.length] = orders[j];
                batch.members[i].orders = more;
                return;
            }
        }
    }

    /// @dev One side more, at another price, or in a trade that is not there.
    function _spoilFill(Batch memory batch, BatchOrder[] memory orders) private {
        for (uint256 i = 0; i < orders.length; ++i) {
            if (orders[i].executions.length == 0) continue;
            uint256 way = _random(3);
            if (way == 0 || batch.trades == 0) {
                orders[i].executions[0].energyWh += 1;
                orders[i].energyWh += uint32(_random(2));
            } else if (way == 1) {
                orders[i].executions[0].price = orders[i].executions[0].price == 0 ? 1 : 0;
            } else {
                orders[i].executions[0].trade += uint16(1 + _random(2));
            }
            return;
        }
    }

    function _spoilSignature(Batch memory batch, BatchOrder[] memory orders) private {
        for (uint256 i = 0; i < orders.length; ++i) {
            if (orders[i].authority == 0) {
                orders[i].signature[_random(64)] ^= 0x01;
                return;
            }
        }
        if (batch.agents.length != 0) batch.agents[0].signature[_random(64)] ^= 0x01;
        else orders[0].imbalanceCap ^= 1; // not what was recorded
    }
}
