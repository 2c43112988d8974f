// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Community, Fill, Short} from "./Community.sol";
import {Log} from "./Vm.sol";
import {MandateTerms, SupplyTerms} from "../../src/interfaces/IEnergyExchange.sol";
import {Mandate, Order, OrderTypes, SupplyAgreement} from "../../src/libraries/OrderTypes.sol";
import {Batch, BatchMember, BatchOrder, Registers} from "./Batches.sol";
import {BatchAgent} from "../../src/reference/BatchWords.sol";

/// @notice Members who come, trade and leave at random, an operator that commits, anybody who settles, and one who looks on
/// and signed nothing. It asserts at each act what that act must and must not do; `Adversary` adds an operator that cheats.
contract Handler is Community {
    uint256 internal constant MEMBERS = 4;
    /// @dev Wh a day that members let their second agent trade; the third may trade without end, and is never revoked.
    uint32 internal constant TIGHT = 1_000;

    /// @dev What a batch is made of, always the same. Bit i of `pairs`: the pair trades; of `byAgent`: the member's agent
    /// signs. A late one has no orders.
    struct Plan {
        uint40 start;
        uint32 energyWh;
        uint8 parts;
        uint8 pairs;
        uint8 byAgent;
        bool late;
        uint256 seed;
    }

    /// @dev `roots[i]` is what is committed of the parts from i on. A spoilt interval cannot be settled to its end.
    struct Interval {
        Plan plan;
        bytes32[3] roots;
        uint256 settled;
        bool spoilt;
        bool released;
    }

    address public immutable bystander = vm.addr(0xB57A);
    uint256 public deposited;
    uint256 public withdrawn;
    uint40[] public starts;
    mapping(uint256 start => Interval) internal intervals;
    /// @dev Start of the last interval that is settled, 0 when none is.
    uint256 private latestSettled;
    mapping(address owner => mapping(uint256 nonce => uint256)) private settledTimes;
    /// @notice Set when a nonce was settled twice.
    bool public nonceReused;
    uint256[MEMBERS] internal byAccount; // members in the order of batches

    constructor() {
        setUp();
        vm.warp(GATE - 7 days);
        _addMember(2);
        _addMember(3);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            for (uint256 j = 0; j < 3; ++j) {
                Mandate memory mandate = _mandate(i);
                mandate.agent = vm.addr(AGENT_KEY + j);
                mandate.maxWhPerDay = j == 1 ? TIGHT : type(uint32).max;
                _registerMandate(i, mandate);
            }
        }
        vm.warp(GATE);
        _fund(bystander, OPENING);
        deposited = (MEMBERS + 2) * OPENING;
        BatchMember[] memory members = _withoutOrders(MEMBERS).members;
        for (uint256 i = 0; i < MEMBERS; ++i) {
            byAccount[i] = _keyOf(members[i].account) - _ownerKey(0);
        }
    }

    // Custody

    function deposit(uint256 member, uint64 amount) external {
        if (exchange.paused()) return;
        uint256 value = uint256(amount) % OPENING + 1;
        _fund(_owner(member % MEMBERS), value);
        deposited += value;
    }

    /// @dev Of a member, the retailer or the fund; often all of it.
    function requestWithdrawal(uint256 who, uint256 amount) external {
        address account = _account(who);
        uint256 held = _heldBy(account);
        vm.prank(account);
        exchange.requestWithdrawal(amount % 2 == 0 ? held : amount % (held + 1));
    }

    /// @dev Whatever the state, paused or not: a due request is paid to the last micro-unit.
    function withdraw(uint256 who) external {
        address account = _account(who);
        (uint64 amount, uint64 availableAt) = exchange.withdrawalOf(account);
        if (amount == 0 || block.timestamp < availableAt) return;
        _withdraw(account);
    }

    /// @dev Pauses one time in eight.
    function setPaused(uint8 dice) external {
        bool paused = exchange.paused();
        if (paused == (dice % 8 == 0)) return;
        vm.prank(pauser);
        paused ? exchange.unpause() : exchange.pause();
    }

    function wait(uint16 time) external {
        vm.warp(block.timestamp + time % 2 hours);
    }

    // Agreements: what members end or cancel must stop no committed batch

    function cancel(uint256 member, uint8 k, uint8 ahead) external {
        address owner = _owner(member % MEMBERS);
        uint64 nonce = uint64(_nextStart(ahead % 4)) * 256 + k % 4;
        if (exchange.cancelledSince(owner, nonce) != 0) return;
        vm.prank(owner);
        exchange.cancelNonce(owner, nonce);
    }

    function raiseFloor(uint256 member, uint8 ahead) external {
        vm.prank(_owner(member % MEMBERS));
        try exchange.cancelBefore(_nextStart(ahead % 4)) {} catch {}
    }

    function revokeOrRenewMandate(uint256 member) external {
        uint256 i = member % MEMBERS;
        MandateTerms memory terms = exchange.mandateOf(_owner(i), agent);
        if (terms.endsAt > block.timestamp + exchange.NOTICE()) {
            vm.prank(_owner(i));
            return exchange.revokeMandate(agent);
        }
        Mandate memory mandate = _mandate(i);
        (mandate.maxWhPerDay, mandate.nonce) = (type(uint32).max, uint64(terms.nextNonce));
        bytes memory signature = _sign(_ownerKey(i), _digestOf(mandate));
        try exchange.registerMandate(mandate, signature) {} catch {}
    }

    function endOrRenewSupply(uint256 member, uint8 dice) external {
        uint256 i = member % MEMBERS;
        if (exchange.supplyOf(_owner(i)).endsAt <= block.timestamp + exchange.NOTICE()) {
            _renewSupply(i);
        } else if (dice % 4 == 0) {
            vm.prank(_owner(i));
            exchange.endSupply();
        }
    }

    // Intervals

    /// @dev Pairs of members by account trade, each pair a part or both in one, at one price or bilaterally.
    function commit(uint256 seed, uint32 energyWh, uint8 ahead) external {
        uint40 start = _nextStart(ahead % 3);
        if (exchange.paused() || _isTaken(start)) return;
        Plan memory plan = _honest(start, seed, energyWh % 100_000 + 1, block.timestamp);
        if (plan.pairs == 3) plan.parts = uint8(seed % 2 + 1); // a part must not be empty
        _commitPlan(plan);
    }

    /// @dev An interval that was not committed in time: only what the retailer sold and bought.
    function commitLate(uint256 seed, uint8 ago) external {
        uint40 start = _nextStart(0) - STEP * (1 + ago % 40);
        if (exchange.paused() || _isTaken(start)) return;
        Plan memory plan = _honest(start, seed, 1, block.timestamp);
        if (plan.pairs == 3) plan.parts = uint8(seed % 2 + 1);
        plan.late = true;
        _commitPlan(plan);
    }

    /// @dev Once delivered and inside the term, a committed batch settles, whatever its members did in the meantime.
    function settle(uint256 which, uint32[8] memory energies, uint8 dice) external {
        if (starts.length == 0 || exchange.paused()) return;
        uint40 start = starts[dice < 128 ? starts.length - 1 : which % starts.length];
        Interval storage interval = intervals[start];
        if (interval.spoilt || _isOver(interval)) return;
        bool gaps = dice % 8 == 0 && block.timestamp <= start + STEP + READING_DEADLINE;
        uint256 instant = start + STEP + (gaps ? READING_DEADLINE + 1 : 0);
        if (block.timestamp < instant) vm.warp(instant);
        Batch memory batch = _build(interval.plan, interval.settled);
        Registers[] memory registers = new Registers[](batch.members.length);
        for (uint256 i = 0; i < registers.length; ++i) {
            registers[i] = Registers(false, energies[2 * i] % 200_000, energies[2 * i + 1] % 200_000);
        }
        if (gaps && registers.length != 0) registers[which % registers.length] = Registers(true, 0, 0);
        _settleAndCheck(batch, registers);
    }

    function release(uint256 which) external {
        if (starts.length == 0) return;
        uint40 start = starts[which % starts.length];
        Interval storage interval = intervals[start];
        bool due = block.timestamp > start + SETTLEMENT_TERM && interval.settled < interval.plan.parts
            && !interval.released;
        try exchange.release(start) {
            vm.assertTrue(due, "released too early, or what was settled");
            interval.released = true;
        } catch {
            vm.assertFalse(due);
        }
    }

    // What the invariants ask

    function owed() external view returns (uint256) {
        return _owed(MEMBERS) + _heldBy(bystander);
    }

    function tokensHeld() external view returns (uint256) {
        return token.balanceOf(address(exchange));
    }

    function bystandersMoney() external view returns (uint256) {
        return _heldBy(bystander);
    }

    /// @dev What is left of each committed batch is the root of its parts that were not settled, and nothing once all are, or
    /// it was released. Which are settled is known, and no other one is taken for settled.
    function requireIntervalsKept() external view {
        for (uint256 i = 0; i < starts.length; ++i) {
            Interval storage interval = intervals[starts[i]];
            bool over = interval.released || _isComplete(interval);
            (bytes26 root, uint8 parts, uint40 committedAt) = exchange.commitments(starts[i]);
            vm.assertEq(parts, over ? 0 : interval.settled);
            vm.assertEq(bytes32(root), over ? bytes32(0) : bytes32(bytes26(interval.roots[interval.settled])));
            vm.assertEq(committedAt == 0 ? 1 : 0, over ? 1 : 0);
            vm.assertEq(exchange.isSettled(starts[i]) ? 1 : 0, _isKnownToBeSettled(interval) ? 1 : 0);
        }
        for (uint40 start = _nextStart(0); start > _nextStart(0) - 100 * STEP; start -= STEP) {
            if (!_isTaken(start)) vm.assertFalse(exchange.isSettled(start));
        }
    }

    /// @dev Paused for good, and the operator gone: everyone takes all it has, and nothing is left.
    function everyoneLeaves() external {
        if (!exchange.paused()) {
            vm.prank(pauser);
            exchange.pause();
        }
        for (uint256 i = 0; i < MEMBERS + 3; ++i) {
            address account = _leaver(i);
            uint256 held = _heldBy(account);
            vm.prank(account);
            exchange.requestWithdrawal(held);
        }
        vm.warp(block.timestamp + WITHDRAWAL_DELAY);
        for (uint256 i = 0; i < MEMBERS + 3; ++i) {
            if (_heldBy(_leaver(i)) != 0) _withdraw(_leaver(i));
        }
        vm.assertEq(token.balanceOf(address(exchange)), 0);
    }

    // Inside

    function _account(uint256 who) private view returns (address) {
        if (who % 8 == 7) return who % 16 == 7 ? retailer : fund;
        return _owner(who % MEMBERS);
    }

    function _leaver(uint256 i) private view returns (address) {
        if (i < MEMBERS) return _owner(i);
        return i == MEMBERS ? retailer : i == MEMBERS + 1 ? fund : bystander;
    }

    function _withdraw(address account) private {
        (uint64 amount,) = exchange.withdrawalOf(account);
        uint256 before = token.balanceOf(account);
        vm.prank(account);
        exchange.withdraw();
        vm.assertEq(token.balanceOf(account) - before, amount);
        withdrawn += amount;
    }

    function _renewSupply(uint256 member) internal {
        SupplyAgreement memory agreement = _supply(member);
        agreement.nonce = uint64(exchange.supplyOf(_owner(member)).nextNonce);
        bytes memory signature = _sign(_ownerKey(member), _digestOf(agreement));
        try exchange.registerSupply(agreement, signature) {} catch {}
    }

    function _isOver(Interval storage interval) internal view returns (bool) {
        return
            interval.released || _isComplete(interval)
                || block.timestamp > interval.plan.start + SETTLEMENT_TERM;
    }

    function _isComplete(Interval storage interval) internal view returns (bool) {
        return interval.settled == interval.plan.parts;
    }

    /// @dev The exchange remembers 96 intervals, counted from the latest that is settled.
    function _isKnownToBeSettled(Interval storage interval) internal view returns (bool) {
        return _isComplete(interval) && latestSettled - interval.plan.start < 96 * STEP;
    }

    /// @dev Whether something was committed for the interval, whatever became of it.
    function _isTaken(uint40 start) internal view returns (bool) {
        return intervals[start].plan.parts != 0;
    }

    /// @dev Who settles changes nothing, so it is now this one and now that one. No contract is called: a refusal may be
    /// expected of the next one.
    function _settler() internal view override returns (address) {
        uint256 dice = uint256(keccak256(abi.encode(block.timestamp, starts.length, deposited, withdrawn)));
        address[8] memory anybody = [operator, stranger, agent, admin, retailer, fund, bystander, pauser];
        return dice % 2 == 0 ? anybody[(dice >> 8) % 8] : _owner((dice >> 8) % MEMBERS);
    }

    /// @dev Keeps every rule if committed until `instant`: members who agreed to nothing, or cancelled, stay out.
    function _honest(uint40 start, uint256 seed, uint32 energyWh, uint256 instant)
        internal
        view
        returns (Plan memory plan)
    {
        (plan.start, plan.energyWh, plan.parts, plan.seed) = (start, energyWh, 1, seed);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            if (_hasMandate(byAccount[i])) plan.byAgent |= uint8(1 << i);
        }
        for (uint256 i = 0; i < 2; ++i) {
            bool both = _maySign(byAccount[2 * i], start, _kOf(seed), instant)
                && _maySign(byAccount[2 * i + 1], start, _kOf(seed), instant);
            if (both) plan.pairs |= uint8(1 << i);
        }
    }

    function _commitPlan(Plan memory plan) internal {
        Interval storage interval = intervals[plan.start];
        interval.plan = plan;
        for (uint256 i = plan.parts; i > 0; --i) {
            Batch memory batch = _build(plan, i - 1);
            _record(batch);
            interval.roots[i - 1] = keccak256(abi.encodePacked(_hash(batch), interval.roots[i]));
        }
        _commitRoot(plan.start, interval.roots[0]);
        starts.push(plan.start);
    }

    function _commitRoot(uint40 start, bytes32 root) internal {
        vm.prank(operator);
        exchange.commitBatch(start, root);
    }

    /// @dev Pairs of members by account, each a part of its own or both in one.
    function _build(Plan memory plan, uint256 part) internal view returns (Batch memory batch) {
        batch = _unsigned(plan.start, 0);
        batch.prices.clearing = uint32(150_000 + plan.seed % 100_001);
        batch.prices.fee = uint32(plan.seed % 3_001);
        // Bilateral only if all pairs trade.
        if (plan.seed % 3 == 0 && plan.pairs == 3 && !plan.late) batch.trades = 2 / plan.parts;
        if (plan.seed % 5 == 0) batch.agents = new BatchAgent[](1);
        for (uint256 i = 2 * part; i < MEMBERS; ++i) {
            if (plan.parts == 2 && i >= 2 * part + 2) break;
            if (plan.pairs >> (i / 2) & 1 != 0) _addMemberTo(batch, plan, i);
        }
        _complete(batch);
    }

    /// @dev The first of each pair sells to the second.
    function _addMemberTo(Batch memory batch, Plan memory plan, uint256 i) private view {
        BatchOrder memory given = _order(i % 2 == 0 ? OrderTypes.SELL : OrderTypes.BUY, plan.energyWh);
        (given.k, given.expiry) = (_kOf(plan.seed), plan.start);
        given.executions[0].price = batch.prices.clearing;
        if (plan.seed % 7 == 0) given.executions[0].energyWh /= 2;
        given.executions[0].trade = uint16(plan.parts == 1 ? i / 2 : 0);
        if (plan.seed % 11 == 0) given.authority = 1;
        if (batch.agents.length != 0 && plan.byAgent >> i & 1 != 0) given.authority = 2;
        BatchMember[] memory members = new BatchMember[](batch.members.length + 1);
        for (uint256 j = 0; j < batch.members.length; ++j) {
            members[j] = batch.members[j];
        }
        members[batch.members.length] = plan.late ? _idle(byAccount[i]) : _memberOf(byAccount[i], given);
        batch.members = members;
    }

    /// @dev Records what has to be.
    function _record(Batch memory batch) private {
        for (uint256 i = 0; i < batch.members.length; ++i) {
            BatchMember memory member = batch.members[i];
            if (member.orders.length == 0 || member.orders[0].authority != 1) continue;
            Order memory order = _signedOrder(batch, member, member.orders[0]);
            exchange.recordOrder(order, _sign(_keyOf(member.account), _digestOf(order)));
        }
    }

    function _kOf(uint256 seed) private pure returns (uint8) {
        return uint8(seed >> 8) % 4;
    }

    /// @dev Has a supply agreement for good, and has not cancelled; a late batch is judged by the start of delivery.
    function _maySign(uint256 member, uint40 start, uint8 k, uint256 instant) private view returns (bool) {
        SupplyTerms memory supply = exchange.supplyOf(_owner(member));
        if (supply.since > block.timestamp || supply.since > start) return false;
        if (supply.endsAt != type(uint32).max) return false;
        uint256 since = exchange.cancelledSince(_owner(member), uint256(start) * 256 + k);
        return since == 0 || since > instant;
    }

    function _hasMandate(uint256 member) private view returns (bool) {
        MandateTerms memory mandate = exchange.mandateOf(_owner(member), agent);
        return mandate.since <= block.timestamp && mandate.endsAt > block.timestamp;
    }

    /// @dev Settles the next part and looks at each member's money and at the event.
    function _settleAndCheck(Batch memory batch, Registers[] memory registers) internal {
        Interval storage interval = intervals[batch.intervalStart];
        uint256[MEMBERS] memory before;
        for (uint256 i = 0; i < MEMBERS; ++i) {
            before[i] = _heldBy(_owner(i));
        }
        bytes memory proof = _signedProof(batch, registers);
        vm.recordLogs();
        _settlePart(batch, interval.roots[interval.settled + 1], registers, proof);
        interval.settled += 1;
        if (_isComplete(interval) && batch.intervalStart > latestSettled) {
            latestSettled = batch.intervalStart;
        }
        Log[] memory logs = vm.getRecordedLogs();
        _checkFills(batch, _fillsIn(logs, batch.trades != 0, batch.prices.clearing));
        _checkShorts(batch, registers, _shortsIn(logs));
        for (uint256 i = 0; i < MEMBERS; ++i) {
            uint256 held = _heldBy(_owner(i));
            if (held < before[i]) vm.assertLe(before[i] - held, _signedFor(batch, registers, i));
        }
    }

    /// @dev Buys are sells, and no nonce is there that was settled before.
    function _checkFills(Batch memory batch, Fill[] memory fills) private {
        uint256[2] memory sums;
        for (uint256 i = 0; i < fills.length; ++i) {
            sums[fills[i].side] += fills[i].energyWh;
            address owner = batch.members[fills[i].member].account;
            uint256 nonce = uint256(batch.intervalStart) * 256 + fills[i].k;
            settledTimes[owner][nonce] += 1;
            if (settledTimes[owner][nonce] > 1) nonceReused = true;
        }
        vm.assertEq(sums[0], sums[1]);
    }

    /// @dev A meter's sales share its export in the order in which they stand; each that gets too little is there, with the cap
    /// that was signed.
    function _checkShorts(Batch memory batch, Registers[] memory registers, Short[] memory shorts)
        private
        pure
    {
        uint256 count;
        uint16 order;
        for (uint256 i = 0; i < batch.members.length; ++i) {
            uint32 left = registers[i].exportWh;
            for (uint256 j = 0; j < batch.members[i].orders.length; ++j) {
                BatchOrder memory given = batch.members[i].orders[j];
                for (uint256 k = 0; given.side == OrderTypes.SELL && k < given.executions.length; ++k) {
                    uint32 energyWh = given.executions[k].energyWh;
                    if (energyWh <= left) {
                        left -= energyWh;
                        continue;
                    }
                    left = 0;
                    vm.assertEq(shorts[count].number, batch.trades == 0 ? order : given.executions[k].trade);
                    vm.assertEq(shorts[count++].imbalanceCap, given.imbalanceCap);
                }
                ++order;
            }
        }
        vm.assertEq(shorts.length, count);
    }

    /// @dev Bids at their limits, fees at the caps, shortfalls at the caps, and the import (or the fallback) at the highest
    /// price of the supply agreement. Six roundings at most. Nothing for who is not in the batch.
    function _signedFor(Batch memory batch, Registers[] memory registers, uint256 member)
        private
        pure
        returns (uint256 micro)
    {
        for (uint256 i = 0; i < batch.members.length; ++i) {
            if (batch.members[i].account != _owner(member)) continue;
            uint256 importWh = registers[i].missing ? 100 : registers[i].importWh;
            micro += importWh * _supply(member).maxImportPrice / 1_000 + 6;
            for (uint256 j = 0; j < batch.members[i].orders.length; ++j) {
                BatchOrder memory given = batch.members[i].orders[j];
                uint256 price = given.side == OrderTypes.BUY ? given.limitPrice : given.imbalanceCap;
                micro += given.energyWh * (price + given.feeCap) / 1_000;
            }
        }
    }

    function _nextStart(uint256 ahead) internal view returns (uint40) {
        return uint40((block.timestamp / STEP + 1 + ahead) * STEP);
    }
}
