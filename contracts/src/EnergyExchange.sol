// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Intervals, Terms} from "./Intervals.sol";
import {OrderTypes} from "./libraries/OrderTypes.sol";
import {AccountWord, MandateWord} from "./libraries/Words.sol";

/// @title The exchange of a community's energy: custody, commitment, settlement
/// @notice Every debit follows from a signature of the member: an order, a mandate, or a supply agreement with the
/// retailer. `EnergyExchangeReference` does the same with structs, to be read; here each byte is counted.
///
/// A batch, or a part of one, is packed bytes, all integers big-endian:
///
///     header   intervalStart 5, clearing 4, retailImport 4, feedIn 4, imbalance 4, fee 4,
///              members 2, fills 2, trades 2 (0: uniform price), terms 1, agents 1
///     terms    feeCap 4, imbalanceCap 4, expiry 5           each
///     agents   address 20                                   each
///     members  head 1: bit 7 numbered, bits 0-6 orders; account 20; [number 2, if numbered, else it is 0]; orders
///     order    head 1: bit 7 sells, bit 6 partial, bits 0-5 authority (0 the owner's signature, 1 recorded,
///              2 + i agent i); k of the nonce 1; terms 1; energy 4; limit 4;
///              uniform, partial: filled 4;  bilateral: fills 1, each trade 2, energy 4, price 4;
///              authority 0: signature 64 (EIP-2098)
///     at last  agents' signatures over AgentOrders 64       each
///
/// Members increase strictly by account and number. `fills` counts orders at a uniform price, or fills of orders in a
/// bilateral batch: as many entries has the event.
contract EnergyExchange is Intervals {
    /// @dev What one settlement keeps in memory. `order` points to a workspace: the EIP-712 encoding of an order (384 bytes),
    /// 0x1901 ‖ domain ‖ struct hash (66), the input of ecrecover (128, at 480). `readings` and `fills` point to the next
    /// entry of the event's data. `agents` holds for each agent its address and the hash of its orders so far; `trades`
    /// what is known of each trade.
    struct Run {
        uint256 prices; // as in the event
        uint256 cursor;
        uint256 intervalStart;
        uint256 judgedAt;
        uint256 members;
        uint256 terms;
        uint256 order;
        uint256 readings;
        uint256 fills;
        uint256 fillsEnd;
        uint256 paidIn;
        uint256 paidOut;
        uint256 fees;
        uint256[] credits;
        uint256[] trades;
        uint256[] agents;
    }

    uint256 private constant HEADER = 33;
    uint256 private constant TERM = 13;
    uint256 private constant WH_PER_KWH = 1_000;
    uint256 private constant MISSING = type(uint64).max;
    uint256 private constant MISSING_FLAG = 0x8000;
    uint256 private constant FIRST_GENERATION_METER = 0x4000;
    uint256 private constant SETTLED_TRADE = type(uint256).max;
    uint256 private constant READING = 30;
    uint256 private constant UNIFORM_FILL = 12;
    uint256 private constant BILATERAL_FILL = 16;
    uint256 private constant WORKSPACE = 608;

    constructor(Terms memory terms) Intervals(terms) {}

    /// @notice Settles the next part of a committed batch against its meters' readings.
    /// @param batch The part, packed as described above.
    /// @param next Root of the parts that follow; 0 when this is the last one.
    /// @param registers For each member import Wh 4, export Wh 4; all bits set when there is no reading.
    /// @param proof For `MeterOracle.requireReadings`.
    function settleBatch(bytes calldata batch, bytes32 next, bytes calldata registers, bytes calldata proof)
        external
        onlyRole(OPERATOR_ROLE)
        whenNotPaused
    {
        Run memory run;
        _readHeader(run, batch);
        if (registers.length != run.members * 8) revert BatchMalformed();
        run.judgedAt = _open(run.intervalStart, keccak256(batch), next);
        if (run.fillsEnd != 0 && run.judgedAt == run.intervalStart) {
            revert LateBatchHasOrders(run.intervalStart);
        }
        uint256 data = _layOutEvent(run);
        _settleMembers(run, _begin(registers), next);
        _requireAgentsSigned(run);
        if (run.cursor != _begin(batch) + batch.length || run.fills != run.fillsEnd) revert BatchMalformed();
        for (uint256 i = 0; i < run.trades.length; ++i) {
            if (run.trades[i] != SETTLED_TRADE) revert TradeIncomplete();
        }
        _requireReadings(run, data, proof);
        (int256 retailerDelta, uint256 missing) =
            _settleRetailer(run.intervalStart, run.judgedAt, run.paidIn, run.paidOut, run.fees);
        if (missing != 0) _reduceCredits(run.intervalStart, run.credits, run.paidOut, missing);
        _emitBatchSettled(run, data, retailerDelta);
    }

    /// @dev Reads what stands before the members. `fillsEnd` is the number of fills for now.
    function _readHeader(Run memory run, bytes calldata batch) private pure {
        if (batch.length < HEADER) revert BatchMalformed();
        uint256 cursor = _begin(batch);
        uint256 header = _load(cursor);
        run.intervalStart = header >> 216;
        run.prices = header << 40 >> 96;
        run.members = uint16(header >> 40);
        run.fillsEnd = uint16(header >> 24);
        run.trades = new uint256[](uint16(header >> 8));
        run.credits = new uint256[](run.members);
        uint256 agents = uint8(_load(cursor + 1));
        run.agents = new uint256[](2 * agents);
        unchecked {
            cursor += HEADER;
            run.terms = cursor;
            cursor += uint8(header) * TERM;
            for (uint256 i = 0; i < agents; ++i) {
                run.agents[2 * i] = _load(cursor) >> 96;
                cursor += 20;
            }
        }
        run.cursor = cursor;
    }

    /// @dev Makes room for the workspace and, behind it, the data of `BatchSettled`: prices, retailerDelta, two offsets,
    /// readings, fills, as the ABI has them.
    function _layOutEvent(Run memory run) private view returns (uint256 data) {
        (bytes32 typeHash, bytes32 domain) = (OrderTypes.ORDER_TYPEHASH, _domainSeparatorV4());
        (uint256 intervalStart, uint256 seconds_) = (run.intervalStart, intervalSeconds);
        unchecked {
            uint256 readingsSize = _padded(run.members * READING);
            uint256 fillsLength = run.fillsEnd * (run.trades.length == 0 ? UNIFORM_FILL : BILATERAL_FILL);
            // One word more, since an entry is written as a whole word. All of it is zero at first.
            bytes memory buffer = new bytes(WORKSPACE + 192 + readingsSize + fillsLength + 64);
            uint256 order;
            assembly ("memory-safe") {
                order := add(buffer, 32)
                mstore(order, typeHash)
                mstore(add(order, 128), intervalStart)
                mstore(add(order, 160), seconds_)
                mstore(add(order, 384), shl(240, 0x1901))
                mstore(add(order, 386), domain)
            }
            data = order + WORKSPACE;
            run.order = order;
            run.readings = data + 160;
            run.fills = data + 192 + readingsSize;
            run.fillsEnd = run.fills + fillsLength;
        }
    }

    /// @dev Meter after meter: its orders, then what follows from its reading; account after account: its money.
    /// All energy is below 2^32 Wh an order or register, prices below 2^32, orders below 2^7 a meter: no product of them
    /// and no sum comes near 2^256.
    function _settleMembers(Run memory run, uint256 registers, bytes32 next) private {
        unchecked {
            uint256 cursor = run.cursor;
            uint256 orders; // so far
            uint256 lastTerms = type(uint256).max;
            int256 boughtLessSold;
            // Of the present account
            uint256 account = type(uint256).max;
            uint256 slot;
            AccountWord word;
            uint256 nonces;
            uint256 pays;
            uint256 isPaid;
            uint256 meter;
            uint256 credits = _pointer(run.credits);
            for (uint256 i = 0; i < run.members; ++i) {
                uint256 head = _load(cursor);
                {
                    uint256 previous = meter;
                    meter = head << 8 >> 96 << 16;
                    cursor += 21;
                    if (head >> 255 != 0) {
                        meter |= uint16(head >> 72);
                        cursor += 2;
                        if (uint16(meter) >= FIRST_GENERATION_METER) revert NotAGridMeter(i, uint16(meter));
                    }
                    if (i == 0) _requireBeyondLastPart(run.intervalStart, meter);
                    else if (meter <= previous) revert MetersNotIncreasing(i);
                }
                if (meter >> 16 != account) {
                    account = meter >> 16;
                    (slot, word) = _openAccount(run, account);
                    nonces = 0;
                    pays = 0;
                    isPaid = 0;
                }
                uint256 importWh;
                uint256 exportWh;
                {
                    uint256 registered = _load(registers) >> 192;
                    registers += 8;
                    uint256 entry = meter << 80;
                    if (registered == MISSING) {
                        entry |= MISSING_FLAG << 80;
                        importWh = MISSING;
                    } else {
                        importWh = registered >> 32;
                        exportWh = uint32(registered);
                        entry |= registered << 16;
                    }
                    (uint256 readings, uint256 order) = (run.readings, run.order);
                    assembly ("memory-safe") {
                        mstore(readings, entry)
                        // account ‖ number as 20 and 12 bytes
                        mstore(add(order, 64), or(shl(96, account), and(meter, 0xffff)))
                    }
                    run.readings = readings + READING;
                }
                // Of the present meter
                uint256 boughtWh;
                uint256 soldWh;
                uint256 deliveredWh;
                uint256 purchase;
                uint256 sale;
                uint256 shortfall;
                for (uint256 left = head >> 248 & 0x7f; left != 0; --left) {
                    head = _load(cursor);
                    cursor += 11;
                    {
                        uint256 bit = 1 << uint8(head >> 240);
                        if (nonces & bit != 0) revert OrderReplayed(orders);
                        nonces |= bit;
                    }
                    uint256 order = run.order;
                    if (uint8(head >> 232) != lastTerms) {
                        lastTerms = uint8(head >> 232);
                        _readTerms(run, lastTerms, orders);
                    }
                    uint256 nonce = run.intervalStart << 8 | uint8(head >> 240);
                    if (run.intervalStart <= word.restrictedUntil()) {
                        _requireUncancelled(orders, address(uint160(account)), nonce, run.judgedAt);
                    }
                    assembly ("memory-safe") {
                        mstore(add(order, 96), shr(255, head))
                        mstore(add(order, 192), and(shr(200, head), 0xffffffff))
                        mstore(add(order, 224), and(shr(168, head), 0xffffffff))
                        mstore(add(order, 320), nonce)
                    }
                    uint256 filledWh;
                    {
                        // Of the present trade; at a uniform price there is but one, without a number
                        uint256 trades = 1;
                        uint256 energyWh;
                        uint256 price;
                        uint256 bilateral = run.trades.length;
                        if (bilateral != 0) {
                            trades = _load(cursor) >> 248;
                            if (trades == 0) revert BatchMalformed();
                            ++cursor;
                        } else {
                            price = run.prices >> 128;
                            energyWh = uint32(head >> 200);
                            if (head >> 254 & 1 != 0) {
                                energyWh = uint32(head >> 136);
                                cursor += 4;
                            }
                        }
                        uint256 fills = run.fills;
                        do {
                            if (bilateral != 0) {
                                uint256 trade = _load(cursor);
                                cursor += 10;
                                energyWh = uint32(trade >> 208);
                                price = uint32(trade >> 176);
                                _matchTrade(run, account, head >> 255, trade, orders);
                            }
                            filledWh += energyWh;
                            uint256 imbalanceCap;
                            assembly ("memory-safe") {
                                imbalanceCap := mload(add(order, 288))
                            }
                            if (head >> 255 == OrderTypes.BUY) {
                                // filled <= energy and price <= limit, so the purchase <= energy x limit.
                                if (price > uint32(head >> 168)) {
                                    revert OrderLimitViolated(orders, uint32(head >> 168), price);
                                }
                                boughtWh += energyWh;
                                purchase += energyWh * price;
                            } else {
                                // sale = delivered x price >= delivered x limit; shortfall <= short x cap.
                                if (price < uint32(head >> 168)) {
                                    revert OrderLimitViolated(orders, uint32(head >> 168), price);
                                }
                                soldWh += energyWh;
                                uint256 deliverable = exportWh - deliveredWh; // never more than the export
                                if (energyWh > deliverable) {
                                    uint256 imbalance = uint32(run.prices >> 32);
                                    uint256 premium = imbalance > price ? imbalance - price : 0;
                                    if (premium > imbalanceCap) premium = imbalanceCap;
                                    shortfall += (energyWh - deliverable) * premium;
                                    deliveredWh = exportWh;
                                    sale += deliverable * price;
                                } else {
                                    deliveredWh += energyWh;
                                    sale += energyWh * price;
                                }
                            }
                            uint256 entry = i << 240 | head >> 255 << 232 | (head >> 240 & 0xff) << 224
                                | energyWh << 192 | imbalanceCap << 160 | price << 128;
                            assembly ("memory-safe") {
                                mstore(fills, entry)
                            }
                            fills += bilateral == 0 ? UNIFORM_FILL : BILATERAL_FILL;
                        } while (--trades != 0);
                        run.fills = fills;
                        if (filledWh > uint32(head >> 200)) {
                            revert OrderOverfilled(orders, filledWh, uint32(head >> 200));
                        }
                    }
                    bytes32 structHash;
                    assembly ("memory-safe") {
                        structHash := keccak256(order, 384)
                    }
                    if (head >> 248 & 0x3f == 0) {
                        address signer = _recover(order, structHash, cursor);
                        if (uint160(signer) != account) revert OrderNotAuthorised(orders, signer);
                        cursor += 64;
                    } else if (head >> 248 & 0x3f == 1) {
                        _requireRecorded(orders, address(uint160(account)), structHash);
                    } else {
                        word = _useMandate(run, word, account, head, filledWh, structHash, orders);
                    }
                    ++orders;
                }
                if (importWh == MISSING) importWh = _missingImport(run, meter, boughtWh);
                {
                    uint256 prices = run.prices;
                    uint256 fee;
                    if (boughtWh != 0) {
                        fee = _up(boughtWh * uint32(prices));
                        pays += _up(purchase);
                        boughtLessSold += int256(boughtWh);
                    }
                    if (soldWh != 0) {
                        fee += _up(deliveredWh * uint32(prices));
                        pays += _up(shortfall);
                        isPaid += sale / WH_PER_KWH;
                        boughtLessSold -= int256(soldWh);
                    }
                    pays += fee;
                    run.fees += fee;
                    uint256 feedInWh;
                    if (importWh > boughtWh) pays += _up((importWh - boughtWh) * uint32(prices >> 96));
                    // What was bought and not taken is fed in, as is what was exported beyond sales.
                    else feedInWh = boughtWh - importWh;
                    if (exportWh > soldWh) feedInWh += exportWh - soldWh;
                    if (feedInWh != 0) isPaid += feedInWh * uint32(prices >> 64) / WH_PER_KWH;
                }
                // An account's meters are settled together.
                if (_load(cursor) << 8 >> 96 == account && i + 1 < run.members) continue;
                if (pays > isPaid) {
                    word = _debit(run, word, account, pays - isPaid);
                } else {
                    uint256 due = isPaid - pays;
                    if (word.balance() + due > type(uint64).max) {
                        revert BalanceTooLarge(address(uint160(account)), due);
                    }
                    word = AccountWord.wrap(AccountWord.unwrap(word) + due);
                    run.paidOut += due;
                    assembly ("memory-safe") {
                        mstore(credits, or(shl(96, account), due))
                        credits := add(credits, 32)
                    }
                }
                assembly ("memory-safe") {
                    sstore(slot, word)
                }
            }
            if (boughtLessSold != 0) revert BuysDifferFromSells(boughtLessSold);
            if (next != 0) _keepLastMeter(run.intervalStart, meter);
            run.cursor = cursor;
            _truncate(run.credits, credits);
        }
    }

    /// @dev Loads the account's word, and checks that it agreed to be billed at these prices.
    function _openAccount(Run memory run, uint256 account)
        private
        view
        returns (uint256 slot, AccountWord word)
    {
        uint256 order = run.order;
        assembly ("memory-safe") {
            mstore(add(order, 32), account)
            mstore(0x00, account)
            mstore(0x20, _accounts.slot)
            slot := keccak256(0x00, 0x40)
            word := sload(slot)
        }
        uint256 prices = run.prices;
        _requireSupply(
            word,
            address(uint160(account)),
            run.intervalStart,
            uint32(prices >> 96),
            uint32(prices >> 64),
            run.judgedAt
        );
    }

    /// @dev Puts the terms at `index` into the order's encoding. They are what was signed, wherever they are read from:
    /// an index out of range changes the digest.
    function _readTerms(Run memory run, uint256 index, uint256 orderIndex) private pure {
        unchecked {
            uint256 terms = _load(run.terms + index * TERM);
            uint256 order = run.order;
            (uint256 feeCap, uint256 expiry) = (terms >> 224, uint40(terms >> 152));
            if (feeCap < uint32(run.prices)) revert OrderFeeCapExceeded(orderIndex, feeCap, uint32(run.prices));
            if (expiry < run.judgedAt) revert OrderExpired(orderIndex, expiry);
            assembly ("memory-safe") {
                mstore(add(order, 256), feeCap)
                mstore(add(order, 288), and(shr(192, terms), 0xffffffff))
                mstore(add(order, 352), expiry)
            }
        }
    }

    /// @dev Takes what the account owes, or all it has: who cannot pay must not stop the others.
    function _debit(Run memory run, AccountWord word, uint256 account, uint256 owed)
        private
        returns (AccountWord)
    {
        unchecked {
            uint256 balance = word.balance();
            if (owed <= balance) {
                run.paidIn += owed;
                return AccountWord.wrap(AccountWord.unwrap(word) - owed);
            }
            address owner = address(uint160(account));
            uint256 taken = balance + _debitWithdrawal(owner, owed - balance, run.judgedAt);
            if (taken < owed) emit Unpaid(uint64(run.intervalStart), owner, owed - taken);
            run.paidIn += taken;
            return word.withBalance(0);
        }
    }

    /// @dev The first side of a trade is kept, as side 1, Wh 32, price 32, account 160; the second one must be the other
    /// side, and say the same. `trade`, from the highest bit: number 16, Wh 32, price 32.
    function _matchTrade(Run memory run, uint256 account, uint256 side, uint256 trade, uint256 orderIndex)
        private
    {
        uint256 index = trade >> 240;
        if (index >= run.trades.length) revert TradeMismatch(orderIndex, index);
        uint256 known = run.trades[index];
        uint256 terms = trade << 16 >> 192;
        if (known == 0) {
            run.trades[index] = side << 224 | terms << 160 | account;
            return;
        }
        if (known == SETTLED_TRADE || known >> 224 == side || uint64(known >> 160) != terms) {
            revert TradeMismatch(orderIndex, index);
        }
        run.trades[index] = SETTLED_TRADE;
        (address one, address other) = (address(uint160(account)), address(uint160(known)));
        (address buyer, address seller) = side == OrderTypes.BUY ? (one, other) : (other, one);
        emit TradeSettled(buyer, seller, run.intervalStart << 64 | terms);
    }

    /// @dev Reverts unless a mandate allows the order; adds it to those that its agent must have signed.
    function _useMandate(
        Run memory run,
        AccountWord word,
        uint256 account,
        uint256 head,
        uint256 filledWh,
        bytes32 structHash,
        uint256 orderIndex
    ) private view returns (AccountWord) {
        unchecked {
            uint256 at = 2 * ((head >> 248 & 0x3f) - 2);
            if (at >= run.agents.length) revert BatchMalformed();
            address agent = address(uint160(run.agents[at]));
            run.agents[at + 1] = uint256(keccak256(abi.encodePacked(run.agents[at + 1], structHash)));
            MandateWord mandate = _standingMandate(address(uint160(account)), agent, run.judgedAt);
            if (MandateWord.unwrap(mandate) == 0 || run.intervalStart > mandate.validUntil()) {
                revert MandateMissing(orderIndex, agent);
            }
            uint256 limit = uint32(head >> 168);
            uint256 order = run.order;
            (uint256 feeCap, uint256 imbalanceCap) = (_loadMemory(order + 256), _loadMemory(order + 288));
            // What the order can cost is bounded by its limit and caps, so the mandate bounds those.
            if (
                (head >> 255 == OrderTypes.BUY ? limit > mandate.maxBuyPrice() : limit < mandate.minSellPrice())
                    || feeCap > mandate.feeCap() || imbalanceCap > mandate.imbalanceCap()
            ) revert MandateExceeded(orderIndex, agent);
            uint256 day = run.intervalStart / 1 days;
            uint256 usedWh = word.usedWh(day) + filledWh;
            if (usedWh > mandate.maxWhPerDay()) {
                revert MandateDailyCapExceeded(orderIndex, agent, usedWh, mandate.maxWhPerDay());
            }
            return word.withUsedWh(day, usedWh);
        }
    }

    /// @dev After the members stand the agents' signatures, in the order of the agents.
    function _requireAgentsSigned(Run memory run) private view {
        for (uint256 i = 0; i < run.agents.length; i += 2) {
            bytes32 ordersHash = bytes32(run.agents[i + 1]);
            bytes32 structHash = OrderTypes.hashAgentOrders(run.intervalStart, ordersHash);
            address signer = _recover(run.order, structHash, run.cursor);
            if (uint160(signer) != run.agents[i] || signer == address(0)) {
                revert AgentOrdersNotSigned(address(uint160(run.agents[i])), signer);
            }
            run.cursor += 64;
        }
    }

    /// @dev Who signed `structHash` with the r and vs at the cursor; zero when nobody did.
    function _recover(uint256 order, bytes32 structHash, uint256 cursor) private view returns (address signer) {
        assembly ("memory-safe") {
            mstore(add(order, 418), structHash)
            let input := add(order, 480)
            let vs := calldataload(add(cursor, 32))
            mstore(input, keccak256(add(order, 384), 66))
            mstore(add(input, 32), add(27, shr(255, vs)))
            mstore(add(input, 64), calldataload(cursor))
            mstore(add(input, 96), shr(1, shl(1, vs)))
            mstore(0x00, 0)
            pop(staticcall(gas(), 1, input, 128, 0x00, 32))
            signer := mload(0x00)
        }
    }

    /// @dev A meter without a reading is taken to have imported what its owner agreed to, and at least what it bought.
    function _missingImport(Run memory run, uint256 meter, uint256 boughtWh) private returns (uint256 importWh) {
        address account = address(uint160(meter >> 16));
        importWh = _fallbackImportWh(account, intervalSeconds, run.judgedAt);
        if (importWh < boughtWh) importWh = boughtWh;
        emit ReadingMissing(uint64(run.intervalStart), account, uint16(meter), importWh);
    }

    function _requireReadings(Run memory run, uint256 data, bytes calldata proof) private view {
        bytes memory readings;
        uint256 length = run.members * READING;
        assembly ("memory-safe") {
            readings := add(data, 128)
            mstore(readings, length)
        }
        oracle.requireReadings(uint64(run.intervalStart), uint32(intervalSeconds), readings, proof);
    }

    function _emitBatchSettled(Run memory run, uint256 data, int256 retailerDelta) private {
        unchecked {
            uint256 readingsSize = _padded(run.members * READING);
            uint256 fills = data + 160 + readingsSize;
            uint256 fillsLength = run.fillsEnd - fills - 32;
            uint256 size = fills + 32 + _padded(fillsLength) - data;
            (uint256 prices, uint256 intervalStart) = (run.prices, run.intervalStart);
            bytes32 topic = BatchSettled.selector;
            assembly ("memory-safe") {
                mstore(data, prices)
                mstore(add(data, 32), retailerDelta)
                mstore(add(data, 64), 128)
                mstore(add(data, 96), add(160, readingsSize))
                mstore(fills, fillsLength)
                log2(data, size, topic, intervalStart)
            }
        }
    }

    /// @dev Micro-units of a product of Wh and micro-units per kWh, rounded up: what a member pays.
    function _up(uint256 product) private pure returns (uint256) {
        unchecked {
            return (product + WH_PER_KWH - 1) / WH_PER_KWH;
        }
    }

    function _padded(uint256 size) private pure returns (uint256) {
        unchecked {
            return (size + 31) / 32 * 32;
        }
    }

    function _begin(bytes calldata data) private pure returns (uint256 cursor) {
        assembly ("memory-safe") {
            cursor := data.offset
        }
    }

    function _load(uint256 cursor) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(cursor)
        }
    }

    function _loadMemory(uint256 pointer) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(pointer)
        }
    }

    /// @dev Where the list's first element is.
    function _pointer(uint256[] memory list) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(list, 32)
        }
    }

    /// @dev Ends the list before `end`.
    function _truncate(uint256[] memory list, uint256 end) private pure {
        assembly ("memory-safe") {
            mstore(list, shr(5, sub(sub(end, list), 32)))
        }
    }
}
