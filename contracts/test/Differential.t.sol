// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Built} from "./support/Built.sol";
import {Packing} from "./support/Packing.sol";
import {RandomCommunity} from "./support/RandomCommunity.sol";
import {Log} from "./support/Vm.sol";
import {IPacked} from "./support/IPacked.sol";
import {IEnergyExchange} from "../src/interfaces/IEnergyExchange.sol";
import {Terms} from "../src/Intervals.sol";
import {SupplyAgreement} from "../src/libraries/OrderTypes.sol";
import {AccountWords} from "../src/libraries/Words.sol";
import {Batch, BatchMember, BatchOrder, Batches, Execution, Registers} from "./support/Batches.sol";
import {IReference} from "./support/IReference.sol";
import {BatchAgent} from "../src/reference/BatchWords.sol";

/// @notice The packed exchange and the reference, at the same address and in the same state, are given the same batches:
/// they end with the same words in storage and the same logs, or refuse for the same reason.
contract DifferentialTest is RandomCommunity {
    /// @dev Slot of `Ledger.withdrawalOf`.
    uint256 private constant WITHDRAWALS = 1;

    /// @dev An interval: its batch in parts, what was metered, and when it was committed.
    struct Course {
        Batch[] parts;
        Registers[][] registers;
        bool gaps;
        uint256 committedAt;
    }

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
        referenceCode = Built.deploy("EnergyExchangeReference", abi.encode(terms)).code;
    }

    function testFuzz_BothSettleAlike(uint256 seed_) public {
        seed = seed_;
        bool ending = _chance(3);
        _randomState(ending);
        _bothSettle(START, ending);
        // Another interval, perhaps of the next day: what agents used adds up.
        uint40 next = _chance(2) ? START + 2 * STEP : (START / 1 days + 1) * 1 days;
        vm.warp(next - STEP);
        _bothSettle(next, ending);
    }

    function testFuzz_BothRefuseAlike(uint256 seed_) public {
        seed = seed_;
        Course memory course = _courseOf(_randomBatch(START));
        while (_ordersOf(course.parts[0].members).length == 0) {
            course = _courseOf(_randomBatch(START));
        }
        _spoil(course.parts[0]);
        Outcome memory readable = _outcome(course, true);
        vm.assertFalse(readable.settled);
        _requireSame(_outcome(course, false), readable);
    }

    /// @dev Runs of members about whom there is nothing particular, which the packed exchange settles in a loop of their own,
    /// and what interrupts them: figures at the ends of their fields, a Wh or a micro-unit too little, other terms.
    function testFuzz_BothSettleRunsAlike(uint256 seed_) public {
        seed = seed_;
        for (uint256 i = 0; i < MEMBERS; ++i) {
            if (!_chance(4)) _fund(accounts[i], _random(1 << 57) + 1);
        }
        if (_chance(2)) _fund(retailer, _random(1 << 55) + 1);
        bool anyPrice = _chance(2);
        if (anyPrice) _agreeToAnyPrice();
        uint40 start = START;
        if (_chance(2)) {
            // Agents have traded for some of them, on this day or on the one before.
            _requireSettled(_randomRun(start, true, true, anyPrice));
            start = _chance(3) ? (START / 1 days + 1) * 1 days : START + 2 * STEP;
            vm.warp(start - STEP);
        }
        Course memory course = _randomRun(start, _chance(2), false, anyPrice);
        bool spoilt = _chance(2);
        if (spoilt) _spoilRun(course);
        else _leaveLittle(course);
        uint256 snapshot = vm.snapshotState();
        Outcome memory readable = _outcome(course, true);
        vm.revertToStateAndDelete(snapshot);
        bool dayIsOver = bytes4(readable.reason) == IEnergyExchange.MandateDailyCapExceeded.selector;
        vm.assertTrue(readable.settled || spoilt || dayIsOver, string(readable.reason));
        _requireSame(_outcome(course, false), readable);
        _requireWhole();
    }

    function _requireSettled(Course memory course) private {
        Outcome memory packed = _outcome(course, false);
        vm.assertTrue(packed.settled, string(packed.reason));
    }

    /// @dev To one who pays, what it owes exactly, or just not.
    function _leaveLittle(Course memory course) private {
        uint256 which = _random(MEMBERS);
        uint256 before = exchange.balanceOf(accounts[which]);
        uint256 snapshot = vm.snapshotState();
        _outcome(course, true);
        uint256 held = exchange.balanceOf(accounts[which]);
        vm.revertToStateAndDelete(snapshot);
        uint256 owed = held < before ? before - held - _random(2) : before;
        if (owed < before) _empty(accounts[which], owed);
    }

    /// @dev Makes one thing wrong about one member, wherever in a run it stands.
    function _spoilRun(Course memory course) private {
        Batch memory batch = course.parts[0];
        uint256 i = _random(batch.members.length);
        BatchMember memory member = batch.members[i];
        BatchOrder memory order = member.orders[0];
        uint256 fault = _random(9);
        if (fault == 0) {
            (order.r, order.vs) = _flipped(order.r, order.vs);
        } else if (fault == 1) {
            if (batch.prices.clearing == 0) order.side = 1; // nothing is too dear
            order.limitPrice = order.side == 0 ? batch.prices.clearing - 1 : batch.prices.clearing + 1;
            _complete(batch);
        } else if (fault == 2 && i != 0) {
            (batch.members[i], batch.members[i - 1]) = (batch.members[i - 1], member);
        } else if (fault == 3) {
            uint256 most = AccountWords.BALANCE_MAX - exchange.balanceOf(member.account);
            _fund(member.account, most - _random(2) * _random(5_000_000));
        } else if (fault == 4) {
            uint256 most = batch.prices.retailImport;
            _agreeTo(member.account, most == 0 ? 0 : most - _random(2), batch.prices.feedIn, FAR);
        } else if (fault == 5) {
            _agreeTo(member.account, batch.prices.retailImport, batch.prices.feedIn + _random(2), FAR);
        } else if (fault == 6) {
            // Until the end of the day before, or of this one.
            uint256 day = batch.intervalStart / 1 days + _random(2);
            _agreeTo(member.account, type(uint32).max, 0, uint64(day * 1 days));
        } else if (fault == 7 && i != 0) {
            order.executions[0].trade = batch.members[i - 1].orders[0].executions[0].trade;
        } else {
            vm.prank(member.account);
            exchange.cancelBefore(uint64(batch.intervalStart) + uint64(_random(2)));
            vm.warp(block.timestamp + exchange.NOTICE());
            course.committedAt = block.timestamp;
        }
    }

    /// @dev Else the tests above would say little: what can happen does, in the first few seeds.
    function test_RandomBatchesReachEveryEvent() public {
        bytes32[8] memory topics = [
            IEnergyExchange.TradeSettled.selector,
            IEnergyExchange.SaleShort.selector,
            IEnergyExchange.ReadingMissing.selector,
            IEnergyExchange.Unpaid.selector,
            IEnergyExchange.WithdrawalReduced.selector,
            IEnergyExchange.FundPaid.selector,
            IEnergyExchange.CreditReduced.selector,
            IEnergyExchange.BatchSettled.selector
        ];
        uint256[8] memory counts;
        uint256 inParts;
        uint256 late;
        for (uint256 i = 0; i < 40; ++i) {
            uint256 snapshot = vm.snapshotState();
            seed = i;
            _randomState(_chance(3));
            Course memory course = _randomCourse(START);
            if (course.parts.length > 1) ++inParts;
            if (course.committedAt >= START) ++late;
            Log[] memory logs = _outcome(course, false).logs;
            vm.revertToStateAndDelete(snapshot);
            for (uint256 j = 0; j < 8; ++j) {
                counts[j] += _countLogs(logs, topics[j]);
            }
        }
        for (uint256 j = 0; j < 8; ++j) {
            vm.assertGe(counts[j], 3);
        }
        vm.assertGe(inParts, 3);
        vm.assertGe(late, 3);
    }

    /// @dev What is ended at `GATE` counts in batches that are committed later.
    function _bothSettle(uint40 start, bool ending) private {
        Course memory course = _randomCourse(start);
        uint256 snapshot = vm.snapshotState();
        Outcome memory readable = _outcome(course, true);
        vm.revertToStateAndDelete(snapshot);
        Outcome memory packed = _outcome(course, false);
        if (!ending || course.committedAt == GATE) vm.assertTrue(readable.settled, string(readable.reason));
        _requireSame(packed, readable);
        _requireWhole();
    }

    /// @dev In one part, or in two that share no account. Late ones have no orders.
    function _randomCourse(uint40 start) private returns (Course memory course) {
        withoutOrders = _chance(6);
        course.committedAt = withoutOrders ? start + _random(2 * STEP) : block.timestamp;
        course.gaps = _chance(3);
        uint256 count = _chance(3) ? 2 : 1;
        uint256 first = count == 2 ? 1 + _random(MEMBERS - 1) : MEMBERS; // accounts of the first part
        course.parts = new Batch[](count);
        course.registers = new Registers[][](count);
        for (uint256 i = 0; i < count; ++i) {
            absent = 0;
            for (uint256 j = 0; j < MEMBERS; ++j) {
                if ((_rankOf(j) < first) != (i == 0)) absent |= 1 << j;
            }
            course.parts[i] = _randomBatch(start);
            while (count == 2 && course.parts[i].members.length == 0) {
                course.parts[i] = _randomBatch(start);
            }
            course.registers[i] = _randomRegisters(course.parts[i].members.length, course.gaps);
        }
        (absent, withoutOrders) = (0, false);
    }

    function _agreeToAnyPrice() private {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            _agreeTo(accounts[i], type(uint32).max, 0, FAR);
        }
    }

    /// @dev So long before that nothing of it is looked up any more, once for each account.
    function _agreeTo(address account, uint256 most, uint256 least, uint64 until) private {
        uint256 instant = block.timestamp;
        uint256 member;
        while (accounts[member] != account) ++member;
        SupplyAgreement memory agreement = _supply(member);
        agreement.owner = account;
        agreement.nonce = uint64(exchange.supplyOf(account).nextNonce);
        // A second replacement comes when the first one binds no more.
        vm.warp(GATE - (agreement.nonce == 1 ? 5 days : 3 days));
        (agreement.maxImportPrice, agreement.minFeedInPrice) = (uint32(most), uint32(least));
        agreement.validUntil = until;
        _registerSupply(member, agreement);
        vm.warp(instant);
    }

    /// @dev Each account has one meter with one order, signed by its key (wallets have none), or all by one agent.
    function _randomRun(uint40 start, bool byAgent, bool small, bool anyPrice)
        private
        returns (Course memory course)
    {
        uint256 first = _random(3);
        Batch memory batch = _unsigned(start, (byAgent ? MEMBERS : MEMBERS - 1) - first);
        if (byAgent) batch.agents = new BatchAgent[](1);
        batch.prices.clearing = uint32(_random(byAgent ? 300_001 : 1 << 32));
        batch.prices.fee = uint32(_random(byAgent ? 5_001 : 1 << 20));
        batch.prices.imbalance = uint32(_random(1 << 32));
        (batch.prices.retailImport, batch.prices.feedIn) = (400_000, 50_000);
        if (anyPrice) {
            batch.prices.retailImport = uint32(_chance(2) ? 0 : _random(1 << 30));
            batch.prices.feedIn = uint32(_chance(2) ? 0 : _random(1 << 32));
        }
        bool bilateral = _chance(3);
        for (uint256 i = 0; i < batch.members.length; ++i) {
            uint256 most = !small && _chance(2) ? 1 << 32 : 5_000;
            BatchOrder memory given = _order(uint8(_random(2)), uint32(_random(most)));
            // Of a bilateral batch each second member trades with the one before.
            BatchOrder memory last = i == 0 ? given : batch.members[i - 1].orders[0];
            if (bilateral && i % 2 == 1) (given.side, given.energyWh) = (1 - last.side, last.energyWh);
            given.k = _chance(8) ? 255 : 7;
            given.authority = byAgent ? 2 : 0;
            given.feeCap = byAgent ? 5_000 : uint32(1 << 20);
            given.imbalanceCap = _chance(8) ? 0 : byAgent ? 200_000 : type(uint32).max;
            given.expiry = start;
            given.limitPrice = _randomLimit(given.side, batch.prices.clearing, byAgent);
            given.executions[0] = Execution(uint16(i / 2), given.energyWh, batch.prices.clearing);
            batch.members[i] = _memberOf(i + first, given);
            batch.members[i].account = accounts[i + first];
        }
        BatchOrder[] memory orders = _ordersOf(batch.members);
        if (bilateral) _leaveOutTheOdd(batch);
        else _balance(orders);
        for (uint256 i = 0; i < orders.length; ++i) {
            if (!_chance(8)) orders[i].energyWh = orders[i].executions[0].energyWh;
        }
        _complete(batch);
        course = _courseOf(batch);
        course.gaps = _chance(4);
        for (uint256 i = 0; i < batch.members.length; ++i) {
            course.registers[0][i] = _closeTo(batch.members[i].orders[0], course.gaps && _chance(4));
        }
    }

    /// @dev The price itself, or far from it; what a mandate allows at most is 300,000.
    function _randomLimit(uint8 side, uint32 price, bool byAgent) private returns (uint32) {
        if (_chance(2)) return price;
        if (side == 1) return uint32(_random(uint256(price) + 1));
        uint256 most = byAgent ? 300_000 : type(uint32).max;
        return uint32(price + _random(most - price + 1));
    }

    function _leaveOutTheOdd(Batch memory batch) private pure {
        BatchMember[] memory members = batch.members;
        batch.trades = uint16(members.length / 2);
        assembly ("memory-safe") {
            mstore(members, and(mload(members), not(1)))
        }
    }

    /// @dev A meter that did what its order says, or nearly so, or more.
    function _closeTo(BatchOrder memory order, bool missing) private returns (Registers memory registers) {
        if (missing) return Registers(true, 0, 0);
        uint32 energyWh = order.executions[0].energyWh;
        uint256 way = _random(4);
        if (way == 0 && energyWh != 0) --energyWh;
        if (way == 1 && energyWh < type(uint32).max - 1) ++energyWh;
        if (way == 2) energyWh = type(uint32).max;
        registers.importWh = uint32(_chance(2) ? 0 : _random(5_000));
        registers.exportWh = uint32(_chance(2) ? 0 : _random(5_000));
        if (order.side == 0) registers.importWh = energyWh;
        else registers.exportWh = energyWh;
    }

    function _courseOf(Batch memory batch) private returns (Course memory course) {
        (course.parts, course.registers) = (new Batch[](1), new Registers[][](1));
        course.parts[0] = batch;
        course.registers[0] = _randomRegisters(batch.members.length, false);
        course.committedAt = block.timestamp;
    }

    /// @dev How many accounts stand before the member's in a batch.
    function _rankOf(uint256 member) private view returns (uint256 rank) {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            if (accounts[i] < accounts[member]) ++rank;
        }
    }

    /// @dev Commits, lets one member withdraw, delivers and settles.
    function _outcome(Course memory course, bool readable) private returns (Outcome memory outcome) {
        bytes memory code = address(exchange).code;
        if (readable) vm.etch(address(exchange), referenceCode);
        bytes32[] memory roots = new bytes32[](course.parts.length + 1);
        for (uint256 i = course.parts.length; i > 0; --i) {
            Batch memory part = course.parts[i - 1];
            bytes32 hash = keccak256(readable ? Batches.encode(part) : Packing.pack(part));
            roots[i - 1] = keccak256(abi.encodePacked(hash, roots[i]));
        }
        uint256 snapshot = vm.snapshotState();
        vm.warp(course.committedAt);
        uint40 start = course.parts[0].intervalStart;
        vm.prank(operator);
        exchange.commitBatch(start, roots[0]);
        address leaver = accounts[seed % MEMBERS];
        uint256 all = exchange.balanceOf(leaver);
        vm.prank(leaver);
        exchange.requestWithdrawal(all / 2);
        uint256 instant = start + STEP + (course.gaps ? READING_DEADLINE + 1 : 0);
        if (block.timestamp < instant) vm.warp(instant);
        vm.recordLogs();
        for (uint256 i = 0; i < course.parts.length; ++i) {
            bytes memory call = _callFor(course, i, roots[i + 1], readable);
            vm.prank(stranger);
            (outcome.settled, outcome.reason) = address(exchange).call(call);
            if (!outcome.settled) break;
        }
        outcome.logs = vm.getRecordedLogs();
        outcome.words = _words(start);
        if (!outcome.settled) vm.revertToStateAndDelete(snapshot);
        vm.etch(address(exchange), code);
    }

    function _callFor(Course memory course, uint256 index, bytes32 next, bool readable)
        private
        view
        returns (bytes memory)
    {
        (Batch memory part, Registers[] memory registers) = (course.parts[index], course.registers[index]);
        bytes memory proof = course.gaps ? _gapsProof(part, registers) : _attestedProof(part, registers);
        if (readable) {
            return abi.encodeCall(
                IReference.settleBatch, (Batches.encode(part), Batches.words(registers), proof, next)
            );
        }
        return
            abi.encodeCall(
                IPacked.settleBatch, (Packing.pack(part), Packing.evidence(registers, proof), next)
            );
    }

    function _words(uint40 start) private view returns (bytes32[] memory words) {
        words = new bytes32[](2 * MEMBERS + 5);
        words[0] = vm.load(address(exchange), 0); // retailer's and fund's balances, settled intervals
        words[1] = vm.load(address(exchange), keccak256(abi.encode(retailer, WITHDRAWALS)));
        words[2] = vm.load(address(exchange), keccak256(abi.encode(fund, WITHDRAWALS)));
        (, uint8 parts, uint40 committedAt) = exchange.commitments(start); // roots of other bytes differ
        words[3] = bytes32(uint256(parts) << 40 | committedAt);
        words[4] = bytes32(uint256(exchange.isSettled(start) ? 1 : 0));
        for (uint256 i = 0; i < MEMBERS; ++i) {
            bytes32 word = vm.load(address(exchange), bytes32(bytes20(accounts[i])));
            uint256 balance = uint256(word) & AccountWords.BALANCE_MAX;
            vm.assertEq(balance, exchange.balanceOf(accounts[i]), "not the account's slot");
            words[5 + 2 * i] = word;
            words[6 + 2 * i] = vm.load(address(exchange), keccak256(abi.encode(accounts[i], WITHDRAWALS)));
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
            // Both sides of a trade share theirs in memory.
            Execution memory shared = orders[i].executions[0];
            orders[i].executions[0] = Execution(shared.trade, shared.energyWh, shared.price);
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
                (orders[i].r, orders[i].vs) = _flipped(orders[i].r, orders[i].vs);
                return;
            }
        }
        if (batch.agents.length != 0) {
            (batch.agents[0].r, batch.agents[0].vs) = _flipped(batch.agents[0].r, batch.agents[0].vs);
        } else {
            orders[0].imbalanceCap ^= 1; // not what was recorded
        }
    }

    /// @dev A signature with one bit changed.
    function _flipped(bytes32 r, bytes32 vs) private returns (bytes32, bytes32) {
        bytes32 bit = bytes32(1 << _random(256));
        return _chance(2) ? (r ^ bit, vs) : (r, vs ^ bit);
    }
}
