// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Intervals, Terms} from "../Intervals.sol";
import {MeterIds} from "../libraries/MeterIds.sol";
import {Order, OrderTypes} from "../libraries/OrderTypes.sol";
import {Line, Position, Prices, Settlement} from "../libraries/Settlement.sol";
import {AccountWord, MandateWord} from "../libraries/Words.sol";

/// @notice A part of an order that was executed; `price` is the trade's, in bilateral batches.
struct Execution {
    uint16 trade;
    uint32 energyWh;
    uint32 price;
}

/// @notice An order as a batch holds it: what is signed, less what the batch says already, and what was executed.
struct BatchOrder {
    uint8 side;
    uint8 k; // of the nonce: intervalStart * 256 + k
    uint32 energyWh;
    uint32 limitPrice;
    uint32 feeCap;
    uint32 imbalanceCap;
    uint40 expiry;
    uint8 authority; // 0: `signature` is the owner's; 1: recorded; 2 + i: agent i of the batch
    bytes signature; // r, vs
    Execution[] executions;
}

/// @notice A grid meter and its orders.
struct BatchMember {
    address account;
    uint16 number;
    BatchOrder[] orders;
}

/// @notice An agent and its signature over `AgentOrders`.
struct BatchAgent {
    address agent;
    bytes signature;
}

/// @notice A batch, or a part of one. `trades` is 0 when all energy has the clearing price.
struct Batch {
    uint40 intervalStart;
    Prices prices;
    uint16 trades;
    BatchMember[] members;
    BatchAgent[] agents;
}

/// @notice A meter's reading.
struct Registers {
    bool missing;
    uint32 importWh;
    uint32 exportWh;
}

/// @title The exchange, written to be read
/// @notice What `EnergyExchange` does with packed bytes, done with structs: same rules, same events, same balances
/// (`test/Differential.t.sol`). In use on no chain but where someone prefers this one.
contract EnergyExchangeReference is Intervals {
    using OrderTypes for Order;
    using Settlement for Position;
    using Settlement for Line;

    /// @dev What the members of a batch have come to so far.
    struct Totals {
        uint256 judgedAt;
        uint256 orders;
        uint256 boughtWh;
        uint256 soldWh;
        int256 paid; // in less out
        uint256 fees;
        uint256 lastAccount; // so far, the part before included
        uint256 creditors;
        uint256[] credits;
        bytes32[] ordersHashes; // of each agent
        Match[] matches; // of each trade
        bytes readings;
        bytes fills;
    }

    /// @dev A trade, once its first side was seen.
    struct Match {
        uint8 sides; // 1 buy, 2 sell, 3 both
        address account;
        uint32 energyWh;
        uint32 price;
    }

    uint16 private constant MISSING = 0x8000;

    constructor(Terms memory terms) Intervals(terms) {}

    /// @notice Settles the next part of a committed batch against its meters' readings.
    /// @param next Root of the parts that follow; 0 when this is the last one.
    /// @param registers Aligned with `batch.members`.
    /// @param proof For `MeterOracle.requireReadings`.
    function settleBatch(
        Batch calldata batch,
        bytes32 next,
        Registers[] calldata registers,
        bytes calldata proof
    ) external onlyRole(OPERATOR_ROLE) whenNotPaused {
        if (registers.length != batch.members.length) revert BatchMalformed();
        Totals memory totals;
        (totals.judgedAt, totals.lastAccount) = _open(batch.intervalStart, keccak256(abi.encode(batch)), next);
        totals.ordersHashes = new bytes32[](batch.agents.length);
        totals.matches = new Match[](batch.trades);
        totals.credits = new uint256[](batch.members.length);
        _settleMembers(batch, registers, totals);
        if (next != 0) _keepLastAccount(batch.intervalStart, address(uint160(totals.lastAccount)));
        _requireAgentsSigned(batch, totals);
        if (totals.boughtWh != totals.soldWh) {
            revert BuysDifferFromSells(int256(totals.boughtWh) - int256(totals.soldWh));
        }
        if (totals.orders != 0 && totals.judgedAt == batch.intervalStart) {
            revert LateBatchHasOrders(batch.intervalStart);
        }
        for (uint256 i = 0; i < totals.matches.length; ++i) {
            if (totals.matches[i].sides != 3) revert TradeIncomplete();
        }
        oracle.requireReadings(batch.intervalStart, uint32(intervalSeconds), totals.readings, proof);
        _finish(batch, totals);
    }

    /// @notice keccak256(abi.encode(batch)).
    function hashBatch(Batch calldata batch) external pure returns (bytes32) {
        return keccak256(abi.encode(batch));
    }

    /// @dev Meter after meter; what an account's meters owe and are owed is moved together.
    function _settleMembers(Batch calldata batch, Registers[] calldata registers, Totals memory totals)
        private
    {
        uint256 pays;
        uint256 isPaid;
        uint256 nonces;
        for (uint256 i = 0; i < batch.members.length; ++i) {
            BatchMember calldata member = batch.members[i];
            bool another = i != 0 && member.account == batch.members[i - 1].account; // meter of the account
            if (another
                    ? member.number <= batch.members[i - 1].number
                    : uint160(member.account) <= totals.lastAccount) revert MetersNotIncreasing(i);
            if (!another) {
                totals.lastAccount = uint160(member.account);
                _requireSupply(
                    _wordOf(member.account),
                    member.account,
                    batch.intervalStart,
                    batch.prices.retailImport,
                    batch.prices.feedIn,
                    totals.judgedAt
                );
                (pays, isPaid, nonces) = (0, 0, 0);
            }
            if (!MeterIds.isGrid(MeterIds.idOf(member.account, member.number))) {
                revert NotAGridMeter(i, member.number);
            }
            Line memory line;
            (line, nonces) = _settleMeter(batch, i, registers[i], nonces, totals);
            pays += uint256(line.purchase) + line.shortfall + line.fee + line.retail;
            isPaid += uint256(line.sale) + line.feedIn;
            totals.fees += line.fee;
            bool last = i + 1 == batch.members.length;
            if (last || batch.members[i + 1].account != member.account) {
                _settleAccount(batch.intervalStart, member.account, pays, isPaid, totals);
            }
        }
    }

    /// @dev The line of a meter, all its orders included.
    function _settleMeter(
        Batch calldata batch,
        uint256 index,
        Registers calldata registers,
        uint256 nonces,
        Totals memory totals
    ) private returns (Line memory line, uint256) {
        BatchMember calldata member = batch.members[index];
        Position memory position;
        if (!registers.missing) {
            (position.importWh, position.exportWh) = (registers.importWh, registers.exportWh);
        }
        uint16 number = registers.missing ? member.number | MISSING : member.number;
        totals.readings = bytes.concat(
            totals.readings,
            abi.encodePacked(member.account, number, uint32(position.importWh), uint32(position.exportWh))
        );
        for (uint256 i = 0; i < member.orders.length; ++i) {
            uint256 bit = 1 << member.orders[i].k;
            if (nonces & bit != 0) revert OrderReplayed(totals.orders);
            nonces |= bit;
            _settleOrder(batch, index, member.orders[i], position, totals);
            totals.orders += 1;
        }
        totals.boughtWh += position.boughtWh;
        totals.soldWh += position.soldWh;
        if (registers.missing) {
            // Taken to have imported what the owner agreed to, and at least what it bought.
            uint256 importWh = _fallbackImportWh(member.account, intervalSeconds, totals.judgedAt);
            position.importWh = importWh < position.boughtWh ? position.boughtWh : importWh;
            emit ReadingMissing(batch.intervalStart, member.account, member.number, position.importWh);
        }
        return (position.settle(batch.prices), nonces);
    }

    function _settleOrder(
        Batch calldata batch,
        uint256 memberIndex,
        BatchOrder calldata given,
        Position memory position,
        Totals memory totals
    ) private {
        Order memory order = _orderOf(batch, memberIndex, given);
        bytes32 structHash = order.hash();
        if (order.feeCap < batch.prices.fee) {
            revert OrderFeeCapExceeded(totals.orders, order.feeCap, batch.prices.fee);
        }
        if (order.expiry < totals.judgedAt) revert OrderExpired(totals.orders, order.expiry);
        if (order.intervalStart <= _wordOf(order.owner).restrictedUntil()) {
            _requireUncancelled(totals.orders, order.owner, order.nonce, totals.judgedAt);
        }
        uint256 filledWh = _execute(batch, memberIndex, given, order, position, totals);
        if (filledWh > order.energyWh) revert OrderOverfilled(totals.orders, filledWh, order.energyWh);

        if (given.authority == 0) {
            address signer = _recover(structHash, given.signature);
            if (signer != order.owner) revert OrderNotAuthorised(totals.orders, signer);
        } else if (given.authority == 1) {
            _requireRecorded(totals.orders, order.owner, structHash);
        } else {
            uint256 agentIndex = given.authority - 2;
            if (agentIndex >= batch.agents.length) revert BatchMalformed();
            _useMandate(order, batch.agents[agentIndex].agent, filledWh, totals);
            totals.ordersHashes[agentIndex] =
                keccak256(abi.encodePacked(totals.ordersHashes[agentIndex], structHash));
        }
    }

    /// @dev Adds what was executed of an order to its meter's position, and to the event.
    function _execute(
        Batch calldata batch,
        uint256 memberIndex,
        BatchOrder calldata given,
        Order memory order,
        Position memory position,
        Totals memory totals
    ) private returns (uint256 filledWh) {
        if (batch.trades == 0 && given.executions.length != 1) revert BatchMalformed();
        for (uint256 i = 0; i < given.executions.length; ++i) {
            Execution calldata execution = given.executions[i];
            uint256 price = batch.trades == 0 ? batch.prices.clearing : execution.price;
            if (batch.trades != 0) _matchTrade(batch.intervalStart, order, execution, totals);
            bool content =
                order.side == OrderTypes.BUY ? price <= order.limitPrice : price >= order.limitPrice;
            if (!content) revert OrderLimitViolated(totals.orders, order.limitPrice, price);
            filledWh += execution.energyWh;
            if (order.side == OrderTypes.BUY) {
                position.addBought(execution.energyWh, price);
            } else {
                position.addSold(execution.energyWh, price, batch.prices.imbalance, order.imbalanceCap);
            }
            totals.fills = bytes.concat(
                totals.fills,
                abi.encodePacked(
                    uint16(memberIndex), order.side << 7, given.k, execution.energyWh, given.imbalanceCap
                ),
                batch.trades == 0 ? bytes("") : abi.encodePacked(uint32(price))
            );
        }
    }

    /// @dev The first side of a trade is kept; the second one must be the other side, and say the same.
    function _matchTrade(
        uint256 intervalStart,
        Order memory order,
        Execution calldata execution,
        Totals memory totals
    ) private {
        if (execution.trade >= totals.matches.length) {
            revert TradeMismatch(totals.orders, execution.trade);
        }
        Match memory known = totals.matches[execution.trade];
        uint8 side = order.side == OrderTypes.BUY ? 1 : 2;
        if (known.sides == 0) {
            totals.matches[execution.trade] = Match(side, order.owner, execution.energyWh, execution.price);
            return;
        }
        bool same = known.energyWh == execution.energyWh && known.price == execution.price;
        if (known.sides & side != 0 || !same) revert TradeMismatch(totals.orders, execution.trade);
        known.sides = 3;
        (address buyer, address seller) =
            side == 1 ? (order.owner, known.account) : (known.account, order.owner);
        emit TradeSettled(
            buyer, seller, intervalStart << 64 | uint256(execution.energyWh) << 32 | execution.price
        );
    }

    /// @dev Reverts unless a mandate that stood at the commitment allows the order.
    function _useMandate(Order memory order, address agent, uint256 filledWh, Totals memory totals) private {
        MandateWord mandate = _standingMandate(order.owner, agent, totals.judgedAt);
        if (MandateWord.unwrap(mandate) == 0 || order.intervalStart > mandate.validUntil()) {
            revert MandateMissing(totals.orders, agent);
        }
        bool inside = order.side == OrderTypes.BUY
            ? order.limitPrice <= mandate.maxBuyPrice()
            : order.limitPrice >= mandate.minSellPrice();
        inside = inside && order.feeCap <= mandate.feeCap() && order.imbalanceCap <= mandate.imbalanceCap();
        if (!inside) revert MandateExceeded(totals.orders, agent);
        AccountWord word = _wordOf(order.owner);
        uint256 day = order.intervalStart / 1 days;
        uint256 usedWh = word.usedWh(day) + filledWh;
        if (usedWh > mandate.maxWhPerDay()) {
            revert MandateDailyCapExceeded(totals.orders, agent, usedWh, mandate.maxWhPerDay());
        }
        _setWord(order.owner, word.withUsedWh(day, usedWh));
    }

    /// @dev Moves what an account owes or is owed. Who cannot pay must not stop the others.
    function _settleAccount(
        uint64 intervalStart,
        address account,
        uint256 pays,
        uint256 isPaid,
        Totals memory totals
    ) private {
        if (pays > isPaid) {
            uint256 owed = pays - isPaid;
            uint256 taken = _debitUpTo(account, owed, totals.judgedAt);
            if (taken < owed) emit Unpaid(intervalStart, account, owed - taken);
            totals.paid += int256(taken);
        } else {
            uint256 due = isPaid - pays;
            _credit(account, due);
            totals.paid -= int256(due);
            if (due != 0) totals.credits[totals.creditors++] = uint256(uint160(account)) << 96 | due;
        }
    }

    function _requireAgentsSigned(Batch calldata batch, Totals memory totals) private view {
        for (uint256 i = 0; i < batch.agents.length; ++i) {
            bytes32 structHash = OrderTypes.hashAgentOrders(batch.intervalStart, totals.ordersHashes[i]);
            address signer = _recover(structHash, batch.agents[i].signature);
            if (signer != batch.agents[i].agent || signer == address(0)) {
                revert AgentOrdersNotSigned(batch.agents[i].agent, signer);
            }
        }
    }

    /// @dev The retailer's and the fund's part, and the event.
    function _finish(Batch calldata batch, Totals memory totals) private {
        (int256 retailerDelta, uint256 missing) =
            _settleRetailer(batch.intervalStart, totals.judgedAt, totals.paid, totals.fees);
        if (missing != 0) {
            uint256[] memory credits = new uint256[](totals.creditors);
            for (uint256 i = 0; i < credits.length; ++i) {
                credits[i] = totals.credits[i];
            }
            _reduceCredits(batch.intervalStart, credits, missing);
        }
        Prices calldata prices = batch.prices;
        uint256 packed = uint256(prices.clearing) << 128 | uint256(prices.retailImport) << 96
            | uint256(prices.feedIn) << 64 | uint256(prices.imbalance) << 32 | prices.fee;
        emit BatchSettled(batch.intervalStart, packed, retailerDelta, totals.readings, totals.fills);
    }

    /// @dev The order as it was signed.
    function _orderOf(Batch calldata batch, uint256 memberIndex, BatchOrder calldata given)
        private
        view
        returns (Order memory)
    {
        BatchMember calldata member = batch.members[memberIndex];
        return Order({
            owner: member.account,
            meterId: MeterIds.idOf(member.account, member.number),
            side: given.side,
            intervalStart: batch.intervalStart,
            intervalSeconds: uint32(intervalSeconds),
            energyWh: given.energyWh,
            limitPrice: given.limitPrice,
            feeCap: given.feeCap,
            imbalanceCap: given.imbalanceCap,
            nonce: uint64(batch.intervalStart) << 8 | given.k,
            expiry: given.expiry
        });
    }

    /// @dev Who signed; zero when nobody did.
    function _recover(bytes32 structHash, bytes calldata signature) private view returns (address) {
        if (signature.length != 64) revert BatchMalformed();
        bytes32 digest = _hashTypedDataV4(structHash);
        (bytes32 r, uint256 vs) = (bytes32(signature[:32]), uint256(bytes32(signature[32:])));
        return ecrecover(digest, uint8(27 + (vs >> 255)), r, bytes32(vs << 1 >> 1));
    }
}
