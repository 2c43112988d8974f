// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {
    Batch,
    BatchAgent,
    BatchOrder,
    BatchWords,
    ExecutionWord,
    FillWord,
    MemberWord,
    OrderWord,
    RegistersWord
} from "./BatchWords.sol";
import {Intervals, Terms} from "../Intervals.sol";
import {MeterIds} from "../libraries/MeterIds.sol";
import {Order, OrderTypes} from "../libraries/OrderTypes.sol";
import {Position, Prices, Settlement} from "../libraries/Settlement.sol";
import {AccountWord, AccountWords, MandateWord} from "../libraries/Words.sol";

/// @title The exchange, written to be read
/// @notice What `EnergyExchange` does with packed bytes, done with named fields: same rules, same events, same balances
/// (`test/Differential.t.sol`). In use on no chain but where someone prefers this one.
contract EnergyExchangeReference is Intervals {
    using OrderTypes for Order;
    using Settlement for Position;

    /// @dev What the members of a batch have come to so far.
    struct Totals {
        uint64 intervalStart;
        Prices prices;
        uint256 agreement; // AccountWords.agreement of the batch
        bool gapsAttested; // or else the operator must settle what has any
        uint256 judgedAt;
        uint256 orders;
        uint256 executions;
        uint256 boughtWh;
        uint256 soldWh;
        int256 paid; // in less out
        uint256 fees;
        uint256 creditors;
        uint256[] credits;
        bytes32[] ordersHashes; // of each agent
        uint256[] trades; // of each its sides so far: two fills of 128 bits each
        bytes lines; // as in the event
        uint256 fillsAt; // where the next fill goes
    }

    /// @dev The account at hand, and its order at hand as it was signed.
    struct Account {
        AccountWord word; // its balance changes in the end
        bool restricted; // orders may be cancelled
        uint256 pays;
        uint256 isPaid;
        uint256 nonces; // bitmap of k
        Order order;
        Position position; // of the meter at hand
    }

    uint16 private constant MISSING = 0x8000;
    uint8 private constant ATTESTED_WITH_GAPS = 3; // IMeterOracle
    uint256 private constant READING = 30;
    uint256 private constant FILL = 8;
    uint256 private constant GAP = 2;
    uint256 private constant NOTED = 1 << 96; // beside a fill: that it is there

    constructor(Terms memory terms) Intervals(terms) {}

    /// @notice Settles the next part of a committed batch against its meters' readings. For anybody.
    /// @param encoded abi.encode(batch), of which keccak256 is the hash of the batch.
    /// @param registers Aligned with the batch's members.
    /// @param proof For `MeterOracle.requireReadings`.
    /// @param next Root of the parts that follow; 0 when this is the last one.
    function settleBatch(
        bytes calldata encoded,
        RegistersWord[] calldata registers,
        bytes calldata proof,
        bytes32 next
    ) external whenNotPaused {
        Batch calldata batch = _batchIn(encoded);
        if (registers.length != batch.members.length) revert BatchMalformed();
        Totals memory totals;
        totals.intervalStart = batch.intervalStart;
        totals.prices = batch.prices;
        totals.agreement =
            AccountWords.agreement(totals.prices.retailImport, totals.prices.feedIn, batch.intervalStart);
        totals.gapsAttested = proof.length != 0 && uint8(proof[0]) == ATTESTED_WITH_GAPS;
        uint256 lastAccount;
        (totals.judgedAt, lastAccount) = _open(batch.intervalStart, keccak256(encoded), next);
        totals.ordersHashes = new bytes32[](batch.agents.length);
        totals.trades = new uint256[](batch.trades);
        totals.credits = new uint256[](batch.members.length);
        totals.fillsAt = batch.members.length * READING + GAP;
        totals.lines = _newLines(totals.fillsAt + (batch.trades == 0 ? batch.orders.length * FILL : 0));
        lastAccount = _settleMembers(batch, registers, lastAccount, totals);
        if (next != 0) _keepLastAccount(batch.intervalStart, address(uint160(lastAccount)));
        _requireAgentsSigned(batch, totals);
        if (totals.boughtWh != totals.soldWh) {
            revert BuysDifferFromSells(int256(totals.boughtWh) - int256(totals.soldWh));
        }
        if (totals.orders != 0 && totals.judgedAt == batch.intervalStart) {
            revert LateBatchHasOrders(batch.intervalStart);
        }
        if (totals.orders != batch.orders.length || totals.executions != batch.executions.length) {
            revert BatchMalformed();
        }
        _settleTrades(batch, totals.trades);
        _requireReadings(batch, totals.lines, proof);
        _finish(batch, next == 0, totals);
    }

    /// @dev The lists must stand one after the other and end with `encoded`: what is settled is what was hashed.
    function _batchIn(bytes calldata encoded) private pure returns (Batch calldata batch) {
        assembly ("memory-safe") {
            batch := add(encoded.offset, 32) // after the offset of the only argument
        }
        MemberWord[] calldata members = batch.members;
        BatchOrder[] calldata orders = batch.orders;
        ExecutionWord[] calldata executions = batch.executions;
        BatchAgent[] calldata agents = batch.agents;
        bool whole;
        assembly ("memory-safe") {
            let next := add(encoded.offset, 416) // that offset, eleven words of the batch, the first list's length
            whole := eq(members.offset, next)
            next := add(add(next, 32), mul(members.length, 32))
            whole := and(whole, eq(orders.offset, next))
            next := add(add(next, 32), mul(orders.length, 96))
            whole := and(whole, eq(executions.offset, next))
            next := add(add(next, 32), mul(executions.length, 32))
            whole := and(whole, eq(agents.offset, next))
            whole := and(whole, eq(add(next, mul(agents.length, 96)), add(encoded.offset, encoded.length)))
        }
        if (!whole) revert BatchMalformed();
    }

    /// @dev Meter after meter; what an account's meters owe and are owed is moved together.
    /// @param owner The last account of the part before; in the end, of this part.
    function _settleMembers(
        Batch calldata batch,
        RegistersWord[] calldata registers,
        uint256 owner,
        Totals memory totals
    ) private returns (uint256) {
        Account memory account;
        account.order.intervalStart = totals.intervalStart;
        account.order.intervalSeconds = uint32(intervalSeconds);
        MemberWord[] calldata members = batch.members;
        BatchOrder[] calldata orders = batch.orders;
        ExecutionWord[] calldata executions = batch.executions;
        for (uint256 i = 0; i < members.length;) {
            MemberWord member = members[i];
            uint16 number = member.number();
            if (i != 0 && uint160(member.account()) == owner) {
                if (number <= MeterIds.numberOf(account.order.meterId)) revert MetersNotIncreasing(i);
            } else {
                if (i != 0) _moveBalance(account, totals);
                if (uint160(member.account()) <= owner) revert MetersNotIncreasing(i);
                owner = uint160(member.account());
                _openAccount(account, member.account(), totals);
            }
            if (number >= MeterIds.FIRST_GENERATION) revert NotAGridMeter(i, number);
            account.order.meterId = MeterIds.idOf(member.account(), number);
            RegistersWord reading = registers[i];
            _openMeter(i, reading, account, totals);
            unchecked {
                for (uint256 left = member.orders(); left != 0; --left) {
                    _settleOrder(batch, orders[totals.orders], executions, i, account, totals);
                }
                ++i;
            }
            _closeMeter(reading, account, totals);
        }
        if (members.length != 0) _moveBalance(account, totals);
        return owner;
    }

    function _openAccount(Account memory account, address owner, Totals memory totals) private view {
        account.order.owner = owner;
        account.word = _wordOf(owner);
        account.pays = 0;
        account.isPaid = 0;
        account.nonces = 0;
        account.restricted = !account.word.carries(totals.agreement);
        if (account.restricted) {
            _requireSupply(
                account.word,
                owner,
                totals.intervalStart,
                totals.prices.retailImport,
                totals.prices.feedIn,
                totals.judgedAt
            );
        }
    }

    function _openMeter(uint256 index, RegistersWord reading, Account memory account, Totals memory totals)
        private
        pure
    {
        uint256 entry = uint256(account.order.meterId);
        uint256 number = uint16(entry);
        if (reading.missing()) {
            number |= MISSING;
            account.position.open(0, 0);
        } else {
            account.position.open(reading.importWh(), reading.exportWh());
        }
        unchecked {
            entry = entry >> 96 << 96 | number << 80 | account.position.importWh << 48
                | account.position.exportWh << 16;
            _put(totals.lines, index * READING, entry);
        }
    }

    /// @dev What a meter owes and is owed.
    function _closeMeter(RegistersWord reading, Account memory account, Totals memory totals) private {
        Position memory position = account.position;
        if (reading.missing()) {
            if (!totals.gapsAttested) _checkRole(OPERATOR_ROLE);
            // Taken to have imported what the owner agreed to, and at least what it bought.
            address owner = account.order.owner;
            uint256 importWh = _fallbackImportWh(owner, intervalSeconds, totals.judgedAt);
            position.importWh = Math.max(importWh, position.boughtWh);
            uint16 number = uint16(MeterIds.numberOf(account.order.meterId));
            emit ReadingMissing(totals.intervalStart, owner, number, position.importWh);
        }
        (uint256 pays, uint256 isPaid, uint256 fee) = position.settle(totals.prices);
        unchecked {
            account.pays += pays;
            account.isPaid += isPaid;
            totals.fees += fee;
            totals.boughtWh += position.boughtWh;
            totals.soldWh += position.soldWh;
        }
    }

    /// @dev The next order in the list.
    function _settleOrder(
        Batch calldata batch,
        BatchOrder calldata given,
        ExecutionWord[] calldata executions,
        uint256 memberIndex,
        Account memory account,
        Totals memory totals
    ) private {
        uint256 index = totals.orders;
        OrderWord word = given.word;
        if (account.nonces & 1 << word.k() != 0) revert OrderReplayed(index);
        account.nonces |= 1 << word.k();
        Order memory order = account.order;
        order.side = word.side();
        order.energyWh = word.energyWh();
        order.limitPrice = word.limitPrice();
        order.feeCap = word.feeCap();
        order.imbalanceCap = word.imbalanceCap();
        order.nonce = totals.intervalStart << 8 | word.k();
        order.expiry = word.expiry();
        if (word.feeCap() < totals.prices.fee) {
            revert OrderFeeCapExceeded(index, word.feeCap(), totals.prices.fee);
        }
        if (word.expiry() < totals.judgedAt) revert OrderExpired(index, word.expiry());
        if (account.restricted) _requireUncancelled(index, order.owner, order.nonce, totals.judgedAt);
        uint256 filledWh = _execute(executions, memberIndex, word, account.position, totals);
        if (filledWh > word.energyWh()) revert OrderOverfilled(index, filledWh, word.energyWh());

        bytes32 structHash = order.hash();
        uint256 authority = word.authority();
        if (authority == 0) {
            address signer = _recover(structHash, given.r, given.vs);
            if (signer != order.owner) revert OrderNotAuthorised(index, signer);
        } else if (authority == 1) {
            _requireRecorded(index, order.owner, structHash);
        } else {
            uint256 agentIndex = authority - 2;
            if (agentIndex >= batch.agents.length) revert BatchMalformed();
            _useMandate(index, account, batch.agents[agentIndex].agent, filledWh, totals.judgedAt);
            totals.ordersHashes[agentIndex] =
                Hashes.efficientKeccak256(totals.ordersHashes[agentIndex], structHash);
        }
        unchecked {
            totals.orders = index + 1;
        }
    }

    /// @dev Adds the next executions in the list to their meter's position, and to the event or to the trades.
    function _execute(
        ExecutionWord[] calldata executions,
        uint256 memberIndex,
        OrderWord order,
        Position memory position,
        Totals memory totals
    ) private returns (uint256 filledWh) {
        bool uniform = totals.trades.length == 0;
        if (uniform && order.executions() != 1) revert BatchMalformed();
        uint256 limit = order.limitPrice();
        for (uint256 left = order.executions(); left != 0;) {
            ExecutionWord execution = executions[totals.executions];
            uint256 price = uniform ? totals.prices.clearing : execution.price();
            uint256 energyWh = execution.energyWh();
            if (order.side() == OrderTypes.BUY) {
                if (price > limit) revert OrderLimitViolated(totals.orders, limit, price);
                position.addBought(energyWh, price);
            } else {
                if (price < limit) revert OrderLimitViolated(totals.orders, limit, price);
                uint256 cap = order.imbalanceCap();
                if (position.addSold(energyWh, price, totals.prices.imbalance, cap)) {
                    uint256 number = uniform ? totals.orders : execution.trade();
                    emit SaleShort(totals.intervalStart, uint16(number), uint32(cap));
                }
            }
            FillWord fill = BatchWords.pack(memberIndex, order, energyWh, price);
            if (!uniform) _noteTrade(execution.trade(), fill, totals.trades);
            unchecked {
                if (uniform) {
                    _put(totals.lines, totals.fillsAt, FillWord.unwrap(fill) >> 32 << 192);
                    totals.fillsAt += FILL;
                }
                totals.executions += 1;
                filledWh += energyWh;
                --left;
            }
        }
    }

    function _noteTrade(uint256 trade, FillWord fill, uint256[] memory trades) private pure {
        if (trade >= trades.length || trades[trade] >> 128 != 0) revert TradeMismatch(trade);
        trades[trade] = trades[trade] << 128 | NOTED | FillWord.unwrap(fill);
    }

    /// @dev Each trade must have two sides, of which one buys what the other sells, at the same price.
    function _settleTrades(Batch calldata batch, uint256[] memory trades) private {
        MemberWord[] calldata members = batch.members;
        uint256 start = uint256(batch.intervalStart) << 64;
        for (uint256 i = 0; i < trades.length; ++i) {
            if (trades[i] >> 128 == 0) revert TradeIncomplete();
            (FillWord buy, FillWord sell) = (FillWord.wrap(trades[i] >> 128), FillWord.wrap(trades[i]));
            if (buy.sells()) (buy, sell) = (sell, buy);
            if (buy.sells() == sell.sells() || buy.terms() != sell.terms()) revert TradeMismatch(i);
            uint256 trade = sell.position() << 152 | sell.k() << 136 | buy.position() << 120 | buy.k() << 104
                | start | buy.terms();
            emit TradeSettled(members[buy.position()].account(), members[sell.position()].account(), trade);
        }
    }

    /// @dev Reverts unless a mandate that stood at the commitment allows the order.
    function _useMandate(
        uint256 index,
        Account memory account,
        address agent,
        uint256 filledWh,
        uint256 judgedAt
    ) private view {
        Order memory order = account.order;
        MandateWord mandate = _standingMandate(order.owner, agent, judgedAt);
        if (MandateWord.unwrap(mandate) == 0 || order.intervalStart > mandate.validUntil()) {
            revert MandateMissing(index, agent);
        }
        bool inside = order.side == OrderTypes.BUY
            ? order.limitPrice <= mandate.maxBuyPrice()
            : order.limitPrice >= mandate.minSellPrice();
        inside = inside && order.feeCap <= mandate.feeCap() && order.imbalanceCap <= mandate.imbalanceCap();
        if (!inside) revert MandateExceeded(index, agent);
        uint256 day = order.intervalStart / 1 days;
        uint256 usedWh = account.word.usedWh(day) + filledWh;
        if (usedWh > mandate.maxWhPerDay()) {
            revert MandateDailyCapExceeded(index, agent, usedWh, mandate.maxWhPerDay());
        }
        account.word = account.word.withUsedWh(day, usedWh);
    }

    /// @dev Moves what an account owes or is owed. Who cannot pay must not stop the others.
    function _moveBalance(Account memory account, Totals memory totals) private {
        address owner = account.order.owner;
        uint256 balance = account.word.balance();
        unchecked {
            if (account.pays > account.isPaid) {
                uint256 owed = account.pays - account.isPaid;
                uint256 taken = owed;
                if (owed > balance) {
                    taken = balance + _debitWithdrawal(owner, owed - balance, totals.judgedAt);
                    if (taken < owed) emit Unpaid(account.order.intervalStart, owner, owed - taken);
                    balance = 0;
                } else {
                    balance -= owed;
                }
                totals.paid += int256(taken);
            } else {
                uint256 due = account.isPaid - account.pays;
                totals.paid -= int256(due);
                if (due != 0) totals.credits[totals.creditors++] = uint256(uint160(owner)) << 96 | due;
                balance += due;
                if (balance > AccountWords.BALANCE_MAX) revert BalanceTooLarge(owner, balance);
            }
        }
        _setWord(owner, account.word.withBalance(balance));
    }

    function _requireAgentsSigned(Batch calldata batch, Totals memory totals) private view {
        for (uint256 i = 0; i < batch.agents.length; ++i) {
            BatchAgent calldata given = batch.agents[i];
            bytes32 structHash = OrderTypes.hashAgentOrders(batch.intervalStart, totals.ordersHashes[i]);
            address signer = _recover(structHash, given.r, given.vs);
            if (signer != given.agent || signer == address(0)) {
                revert AgentOrdersNotSigned(given.agent, signer);
            }
        }
    }

    /// @dev The readings are the beginning of `lines`, which is as short as they are while the oracle is asked.
    function _requireReadings(Batch calldata batch, bytes memory lines, bytes calldata proof) private view {
        uint256 length = lines.length;
        uint256 readings = batch.members.length * READING;
        assembly ("memory-safe") {
            mstore(lines, readings)
        }
        oracle.requireReadings(batch.intervalStart, uint32(intervalSeconds), lines, proof);
        assembly ("memory-safe") {
            mstore(lines, length)
        }
    }

    /// @dev The retailer's and the fund's part, and the event.
    function _finish(Batch calldata batch, bool complete, Totals memory totals) private {
        (int256 retailerDelta, uint256 missing) =
            _settleHouse(batch.intervalStart, totals.judgedAt, complete, totals.paid, totals.fees);
        if (missing != 0) {
            uint256[] memory credits = totals.credits;
            uint256 creditors = totals.creditors;
            assembly ("memory-safe") {
                mstore(credits, creditors)
            }
            _reduceCredits(batch.intervalStart, credits, missing);
        }
        Prices memory prices = totals.prices;
        uint256 summary = batch.members.length << 240 | uint256(uint80(uint256(retailerDelta))) << 160
            | uint256(prices.clearing) << 128 | uint256(prices.retailImport) << 96 | uint256(prices.feedIn)
            << 64 | uint256(prices.imbalance) << 32 | prices.fee;
        emit BatchSettled(batch.intervalStart, summary, totals.lines);
    }

    /// @dev Behind it a word is free, for the end of the last `_put`.
    function _newLines(uint256 length) private pure returns (bytes memory lines) {
        lines = new bytes(length + 32);
        assembly ("memory-safe") {
            mstore(lines, length)
        }
    }

    /// @dev Writes the highest bytes of `entry`; what follows them is written later, or nobody's.
    function _put(bytes memory lines, uint256 place, uint256 entry) private pure {
        assembly ("memory-safe") {
            mstore(add(add(lines, 32), place), entry)
        }
    }

    /// @dev Who signed; zero when nobody did.
    function _recover(bytes32 structHash, bytes32 r, bytes32 vs) private view returns (address) {
        uint8 v = uint8(27 + (uint256(vs) >> 255));
        return ecrecover(_hashTypedDataV4(structHash), v, r, bytes32(uint256(vs) << 1 >> 1));
    }
}
