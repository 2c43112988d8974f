// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scene} from "./Scene.sol";
import {IEnergyExchange} from "../../src/interfaces/IEnergyExchange.sol";
import {Batch, Fill, MeterInput, SignedOrder} from "../../src/interfaces/IEnergyExchange.sol";
import {Order, OrderTypes} from "../../src/libraries/OrderTypes.sol";
import {Settlement} from "../../src/libraries/Settlement.sol";

/// @notice A community acting at random: four members who trade, one bystander who signed nothing.
/// It remembers what the exchange must not have done; `InvariantsTest` looks at that and at the exchange.
contract Handler is Scene {
    uint256 internal constant MEMBERS = 4;
    uint64 internal constant NONCES = 12; // few, so that they collide

    struct Interval {
        bytes batch; // encoded
        uint256 settlements;
    }

    address public immutable bystander = vm.addr(0xB57A);
    uint256 public deposited;
    uint256 public withdrawn;
    uint64[] public starts;
    mapping(uint64 start => Interval) private intervals;
    mapping(address owner => mapping(uint64 nonce => uint256)) public settledTimes;

    constructor() {
        setUp();
        _addMember(2);
        _addMember(3);
        _fund(bystander, OPENING);
        deposited = (MEMBERS + 2) * OPENING;
    }

    // Custody

    function deposit(uint256 member, uint64 amount) external {
        if (exchange.paused()) return;
        uint256 value = uint256(amount) % OPENING + 1;
        _fund(_owner(member % MEMBERS), value);
        deposited += value;
    }

    function requestWithdrawal(uint256 member, uint256 amount) external {
        address account = _owner(member % MEMBERS);
        uint256 balance = exchange.balanceOf(account);
        vm.prank(account);
        exchange.requestWithdrawal(amount % (balance + 1));
    }

    /// @dev Whatever the state, paused or not: a due request is paid in full or to the last micro-unit.
    function withdraw(uint256 member) external {
        address account = _owner(member % MEMBERS);
        (uint256 amount, uint64 availableAt) = exchange.withdrawalOf(account);
        if (amount == 0 || block.timestamp < availableAt) return;
        uint256 balance = exchange.balanceOf(account);
        uint256 due = amount < balance ? amount : balance;
        uint256 before = token.balanceOf(account);
        vm.prank(account);
        exchange.withdraw();
        vm.assertEq(token.balanceOf(account) - before, due);
        withdrawn += due;
    }

    /// @dev Pauses one time in four.
    function setPaused(uint8 dice) external {
        bool paused = exchange.paused();
        if (paused == (dice % 4 == 0)) return;
        vm.prank(pauser);
        paused ? exchange.unpause() : exchange.pause();
    }

    // Time

    function wait(uint16 time) external {
        vm.warp(block.timestamp + time);
    }

    function cancel(uint256 member, uint64 nonce) external {
        address owner = _owner(member % MEMBERS);
        if (exchange.isNonceUsed(owner, nonce % NONCES)) return;
        vm.prank(owner);
        exchange.cancelNonce(owner, nonce % NONCES);
    }

    // Intervals

    /// @dev Member 0 or 2 sells to member 1 or 3, in the next interval that has not begun.
    function commit(uint64 energyWh, uint64 fillWh, uint64 nonce, uint64 clearing) external {
        uint64 start = _nextStart();
        (, uint64 committedAt,) = exchange.commitments(start);
        if (exchange.paused() || committedAt != 0) return;
        energyWh = energyWh % 100_000 + 1;
        Batch memory batch = _batch();
        batch.intervalStart = start;
        batch.prices.clearing = 150_000 + clearing % 100_001;
        batch.orders[0] = _orderOf(energyWh % 2 * 2, OrderTypes.SELL, start, energyWh, nonce % NONCES);
        batch.orders[1] = _orderOf(nonce % 2 * 2 + 1, OrderTypes.BUY, start, energyWh, nonce / 7 % NONCES);
        batch.fills[0] = Fill({buy: 1, sell: 0, energyWh: fillWh % (energyWh + 1)});
        batch.meterIds = new bytes32[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            batch.meterIds[i] = _meterId(i);
        }
        _commit(batch);
        intervals[start].batch = abi.encode(batch);
        starts.push(start);
    }

    /// @dev Settles an interval, often the newest, perhaps again; one time in eight too early, one with prices
    /// that were not committed, one with a reading missing.
    function settle(uint256 which, uint32[8] memory registers, uint8 dice) external {
        if (starts.length == 0 || exchange.paused()) return;
        uint64 start = starts[dice < 128 ? starts.length - 1 : which % starts.length];
        bool tampered = dice % 8 == 1;
        Batch memory batch = abi.decode(intervals[start].batch, (Batch));
        MeterInput[] memory readings = new MeterInput[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            readings[i] = _readingAt(i, start, registers[2 * i] % 200_000, registers[2 * i + 1] % 200_000);
        }
        if (dice % 8 == 2) readings[which % MEMBERS].signature = "";
        if (tampered) batch.prices.clearing += 1;
        if (dice % 8 != 0) _waitUntil(start + STEP + (dice % 16 == 2 ? READING_DEADLINE + 1 : 0));
        uint256[] memory before = _balances();
        vm.prank(operator);
        try exchange.settleBatch(batch, readings) {
            vm.assertFalse(tampered);
            vm.assertGe(block.timestamp, start + STEP);
            intervals[start].settlements += 1;
            for (uint256 i = 0; i < batch.orders.length; ++i) {
                settledTimes[batch.orders[i].order.owner][batch.orders[i].order.nonce] += 1;
            }
            _requireDebitsSigned(batch, readings, before);
        } catch (bytes memory reason) {
            _requireKnownReason(bytes4(reason), tampered, intervals[start].settlements > 0, start);
        }
    }

    function balances() external view returns (uint256 sum) {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            sum += exchange.balanceOf(_owner(i));
        }
        sum += exchange.balanceOf(retailer) + exchange.balanceOf(feeRecipient) + exchange.balanceOf(bystander);
    }

    function tokensHeld() external view returns (uint256) {
        return token.balanceOf(address(exchange));
    }

    function bystandersBalance() external view returns (uint256) {
        return exchange.balanceOf(bystander);
    }

    function requireIntervalsKept() external view {
        for (uint256 i = 0; i < starts.length; ++i) {
            (bytes32 root,, bool settled) = exchange.commitments(starts[i]);
            vm.assertEq(root, keccak256(intervals[starts[i]].batch));
            vm.assertLe(intervals[starts[i]].settlements, 1);
            vm.assertEq(settled ? 1 : 0, intervals[starts[i]].settlements);
        }
    }

    function requireNoncesUsedOnce() external view {
        for (uint256 member = 0; member < MEMBERS; ++member) {
            for (uint64 nonce = 0; nonce < NONCES; ++nonce) {
                vm.assertLe(settledTimes[_owner(member)][nonce], 1);
            }
        }
    }

    /// @dev Each member's debit <= its bid at the limit + fees at the cap + imbalance at the cap + its import at the
    /// supply agreement's highest price. Four roundings at most.
    function _requireDebitsSigned(Batch memory batch, MeterInput[] memory readings, uint256[] memory before)
        private
        view
    {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            uint256 signed = Settlement.amountUp(readings[i].importWh, _supply(i).maxImportPrice) + 4;
            for (uint256 j = 0; j < batch.orders.length; ++j) {
                Order memory order = batch.orders[j].order;
                if (order.owner != _owner(i)) continue;
                uint256 price = order.side == OrderTypes.BUY ? order.limitPrice : order.imbalanceCap;
                signed += Settlement.amountUp(order.energyWh, price + order.feeCap);
            }
            uint256 balance = exchange.balanceOf(_owner(i));
            if (balance < before[i]) vm.assertLe(before[i] - balance, signed);
        }
    }

    function _requireKnownReason(bytes4 reason, bool tampered, bool settled, uint64 start) private view {
        if (settled) return vm.assertTrue(reason == IEnergyExchange.AlreadySettled.selector);
        if (tampered) return vm.assertTrue(reason == IEnergyExchange.RootMismatch.selector);
        if (block.timestamp < start + STEP) {
            return vm.assertTrue(reason == IEnergyExchange.DeliveryNotEnded.selector);
        }
        vm.assertTrue(
            reason == IEnergyExchange.ReadingAwaited.selector
                || reason == IEnergyExchange.OrderReplayed.selector
                || reason == IEnergyExchange.OrderCancelled.selector
                || reason == IEnergyExchange.RetailerUnderfunded.selector
        );
    }

    function _waitUntil(uint256 instant) private {
        if (block.timestamp < instant) vm.warp(instant);
    }

    function _orderOf(uint256 member, uint8 side, uint64 start, uint64 energyWh, uint64 nonce)
        private
        view
        returns (SignedOrder memory)
    {
        Order memory order = _order(member, side, energyWh, nonce);
        (order.intervalStart, order.expiry) = (start, start);
        return _signed(order, _ownerKey(member));
    }

    function _nextStart() private view returns (uint64) {
        return uint64(block.timestamp) / STEP * STEP + STEP;
    }

    function _balances() private view returns (uint256[] memory held) {
        held = new uint256[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            held[i] = exchange.balanceOf(_owner(i));
        }
    }
}
