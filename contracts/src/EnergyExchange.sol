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
    /// @dev What one settlement keeps in memory. `order` points to the EIP-712 encoding of an order, `digest` to
    /// 0x1901 ‖ domain ‖ struct hash; `readings` and `fills` to the next entry of the event's data. `agents` holds for
    /// each agent its address and the hash of its orders so far; `trades` what is known of each trade.
    struct Run {
        uint256 cursor;
        uint256 intervalStart;
        uint256 judgedAt;
        uint256 clearing;
        uint256 retailImport;
        uint256 feedIn;
        uint256 imbalance;
        uint256 fee;
        uint256 terms;
        uint256 order;
        uint256 digest;
        uint256 readings;
        uint256 fills;
        uint256 fillsEnd;
        uint256 orders;
        uint256 boughtWh;
        uint256 soldWh;
        uint256 paidIn;
        uint256 paidOut;
        uint256 fees;
        uint256 creditors;
        uint256[] credits;
        uint256[] trades;
        uint256[] agents;
    }

    /// @dev An account while its meters are added up (micro-units), and the present one of them while its orders are
    /// (Wh, and products of Wh and price). `slot` is that of the account's word, `nonces` a bitmap of its k.
    struct Member {
        uint256 index;
        uint256 meter;
        uint256 account;
        uint256 slot;
        AccountWord word;
        uint256 nonces;
        uint256 pays;
        uint256 isPaid;
        uint256 exportWh;
        uint256 boughtWh;
        uint256 soldWh;
        uint256 deliveredWh;
        uint256 purchase;
        uint256 sale;
        uint256 shortfall;
    }

    uint256 private constant HEADER = 33;
    uint256 private constant TERM = 13;
    uint256 private constant WH_PER_KWH = 1_000;
    uint256 private constant MISSING = type(uint64).max;
    uint256 private constant MISSING_FLAG = 0x8000;
    uint256 private constant FIRST_GENERATION_METER = 0x4000;
    uint256 private constant SETTLED_TRADE = type(uint256).max;
    uint256 private constant READING = 30;
    uint256 private constant FILL = 16;

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
        (uint256 members, uint256 fills) = _readHeader(run, batch);
        if (registers.length != members * 8) revert BatchMalformed();
        run.judgedAt = _open(run.intervalStart, keccak256(batch), next);
        bytes memory log = _layOutLog(run, members, fills);

        _settleMembers(run, members, registers, next);
        _requireAgentsSigned(run);
        if (run.cursor != _begin(batch) + batch.length || run.fills != run.fillsEnd) revert BatchMalformed();
        if (run.boughtWh != run.soldWh) revert BuysDifferFromSells(run.boughtWh, run.soldWh);
        if (run.orders != 0 && run.judgedAt == run.intervalStart) {
            revert LateBatchHasOrders(run.intervalStart);
        }
        for (uint256 i = 0; i < run.trades.length; ++i) {
            if (run.trades[i] != SETTLED_TRADE) revert TradeIncomplete();
        }
        oracle.requireReadings(
            uint64(run.intervalStart), uint32(intervalSeconds), _readingsOf(log, members), proof
        );
        (int256 retailerDelta, uint256 missing) =
            _settleRetailer(run.intervalStart, run.judgedAt, run.paidIn, run.paidOut, run.fees);
        if (missing != 0) _reduceCredits(run.intervalStart, _creditsOf(run), run.paidOut, missing);
        _emitLog(run, log, retailerDelta, members, fills);
    }

    /// @dev Reads what stands before the members.
    /// @return members Meters in the part.
    /// @return fills Entries that the event's list of fills will have.
    function _readHeader(Run memory run, bytes calldata batch)
        private
        pure
        returns (uint256 members, uint256 fills)
    {
        if (batch.length < HEADER) revert BatchMalformed();
        uint256 cursor = _begin(batch);
        uint256 header = _load(cursor);
        run.intervalStart = header >> 216;
        run.clearing = uint32(header >> 184);
        run.retailImport = uint32(header >> 152);
        run.feedIn = uint32(header >> 120);
        run.imbalance = uint32(header >> 88);
        run.fee = uint32(header >> 56);
        members = uint16(header >> 40);
        fills = uint16(header >> 24);
        run.trades = new uint256[](uint16(header >> 8));
        uint256 agents = uint8(_load(cursor + 1));
        run.agents = new uint256[](2 * agents);
        run.credits = new uint256[](members);
        unchecked {
            run.terms = cursor + HEADER;
            cursor = run.terms + uint8(header) * TERM;
            for (uint256 i = 0; i < agents; ++i) {
                run.agents[2 * i] = _load(cursor) >> 96;
                cursor += 20;
            }
        }
        run.cursor = cursor;
    }

    /// @dev Buffers that orders are hashed in, and the data of `BatchSettled` with room for its lists.
    /// @return log prices, retailerDelta, two offsets, readings, fills: as the ABI has them.
    function _layOutLog(Run memory run, uint256 members, uint256 fills)
        private
        view
        returns (bytes memory log)
    {
        (bytes32 typeHash, bytes32 domain) = (OrderTypes.ORDER_TYPEHASH, _domainSeparatorV4());
        (uint256 intervalStart, uint256 seconds_) = (run.intervalStart, intervalSeconds);
        uint256 order;
        assembly ("memory-safe") {
            order := mload(0x40)
            mstore(order, typeHash)
            mstore(add(order, 128), intervalStart)
            mstore(add(order, 160), seconds_)
            mstore(add(order, 384), shl(240, 0x1901))
            mstore(add(order, 386), domain)
            mstore(0x40, add(order, 480))
        }
        run.order = order;
        run.digest = order + 384;
        uint256 readingsSize = _padded(members * READING);
        uint256 fillsSize = _padded(fills * FILL);
        // One word more: an entry is written as a whole word.
        log = new bytes(192 + readingsSize + fillsSize + 32);
        assembly ("memory-safe") {
            mstore(log, add(192, add(readingsSize, fillsSize)))
        }
        uint256 data;
        assembly ("memory-safe") {
            data := add(log, 32)
        }
        run.readings = data + 160;
        run.fills = data + 192 + readingsSize;
        run.fillsEnd = run.fills + fills * FILL;
    }

    function _settleMembers(Run memory run, uint256 members, bytes calldata registers, bytes32 next) private {
        Member memory member;
        member.account = type(uint256).max;
        uint256 first;
        for (uint256 i = 0; i < members; ++i) {
            member.index = i;
            uint256 orders = _readMember(run, member);
            if (i == 0) first = member.meter;
            _settleMeter(run, member, orders, _registersOf(registers, i));
        }
        if (members != 0) _settleAccount(run, member);
        _requirePartsIncrease(run.intervalStart, next, first, member.meter);
    }

    /// @dev Reads a member's head; goes on to the next account when it is another one.
    function _readMember(Run memory run, Member memory member) private returns (uint256 orders) {
        uint256 head = _load(run.cursor);
        uint256 account = head << 8 >> 96;
        uint256 meter = account << 16;
        unchecked {
            run.cursor += 21;
            if (head >> 255 != 0) {
                meter |= uint16(head >> 72);
                run.cursor += 2;
            }
        }
        if (uint16(meter) >= FIRST_GENERATION_METER) revert NotAGridMeter(member.index, uint16(meter));
        if (member.index != 0 && meter <= member.meter) revert MetersNotIncreasing(member.index);
        member.meter = meter;
        if (account != member.account) {
            if (member.index != 0) _settleAccount(run, member);
            _openAccount(run, member, account);
        }
        return head >> 248 & 0x7f;
    }

    /// @dev Loads the account's word, and checks that it agreed to be billed at these prices.
    function _openAccount(Run memory run, Member memory member, uint256 account) private view {
        uint256 slot;
        AccountWord word;
        assembly ("memory-safe") {
            mstore(0x00, account)
            mstore(0x20, _accounts.slot)
            slot := keccak256(0x00, 0x40)
            word := sload(slot)
        }
        _requireSupply(
            word, address(uint160(account)), run.intervalStart, run.retailImport, run.feedIn, run.judgedAt
        );
        member.account = account;
        member.slot = slot;
        member.word = word;
        member.nonces = 0;
        member.pays = 0;
        member.isPaid = 0;
        uint256 order = run.order;
        assembly ("memory-safe") {
            mstore(add(order, 32), account)
        }
    }

    /// @dev One meter: its orders, and what follows from its reading.
    function _settleMeter(Run memory run, Member memory member, uint256 orders, uint256 registers) private {
        uint256 meter = member.meter;
        uint256 importWh = registers >> 32;
        uint256 exportWh = uint32(registers);
        uint256 entry = meter << 80 | registers << 16;
        if (registers == MISSING) {
            entry = (meter | MISSING_FLAG) << 80;
            exportWh = 0;
        }
        uint256 readings = run.readings;
        uint256 order = run.order;
        assembly ("memory-safe") {
            mstore(readings, entry)
            // account ‖ number as 20 and 12 bytes
            mstore(add(order, 64), or(shl(96, shr(16, meter)), and(meter, 0xffff)))
        }
        unchecked {
            run.readings = readings + READING;
        }
        member.exportWh = exportWh;
        member.boughtWh = 0;
        member.soldWh = 0;
        member.deliveredWh = 0;
        member.purchase = 0;
        member.sale = 0;
        member.shortfall = 0;
        for (uint256 i = 0; i < orders; ++i) {
            _settleOrder(run, member);
        }
        if (registers == MISSING) importWh = _missingImport(run, member);
        _addMeter(run, member, importWh);
    }

    /// @dev Adds to the account what one meter owes and is owed.
    function _addMeter(Run memory run, Member memory member, uint256 importWh) private pure {
        // All energy is below 2^32 Wh an order or register, prices below 2^32, orders below 2^7: no product of them
        // or sum comes near 2^256.
        unchecked {
            uint256 boughtWh = member.boughtWh;
            uint256 soldWh = member.soldWh;
            run.boughtWh += boughtWh;
            run.soldWh += soldWh;
            uint256 fee = _up(boughtWh * run.fee) + _up(member.deliveredWh * run.fee);
            uint256 pays = fee + _up(member.purchase) + _up(member.shortfall);
            uint256 feedInWh;
            if (importWh > boughtWh) pays += _up((importWh - boughtWh) * run.retailImport);
            // What was bought and not taken is fed in, as is what was exported beyond sales.
            else feedInWh = boughtWh - importWh;
            if (member.exportWh > soldWh) feedInWh += member.exportWh - soldWh;
            run.fees += fee;
            member.pays += pays;
            member.isPaid += member.sale / WH_PER_KWH + feedInWh * run.feedIn / WH_PER_KWH;
        }
    }

    /// @dev Moves what the account owes or is owed for all its meters. Who cannot pay must not stop the others.
    function _settleAccount(Run memory run, Member memory member) private {
        AccountWord word = member.word;
        uint256 balance = word.balance();
        unchecked {
            if (member.pays > member.isPaid) {
                uint256 owed = member.pays - member.isPaid;
                uint256 taken = owed;
                if (owed > balance) {
                    address account = address(uint160(member.account));
                    taken = balance + _debitWithdrawal(account, owed - balance, run.judgedAt);
                    if (taken < owed) emit Unpaid(uint64(run.intervalStart), account, owed - taken);
                    word = word.withBalance(0);
                } else {
                    word = AccountWord.wrap(AccountWord.unwrap(word) - owed);
                }
                run.paidIn += taken;
            } else {
                uint256 due = member.isPaid - member.pays;
                if (balance + due > type(uint64).max) {
                    revert BalanceTooLarge(address(uint160(member.account)), balance + due);
                }
                word = AccountWord.wrap(AccountWord.unwrap(word) + due);
                run.paidOut += due;
                run.credits[run.creditors++] = member.account << 96 | due;
            }
        }
        uint256 slot = member.slot;
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }

    /// @dev One order: read, hashed, authorised, executed.
    function _settleOrder(Run memory run, Member memory member) private {
        uint256 cursor = run.cursor;
        uint256 word = _load(cursor);
        uint256 index = run.orders;
        uint256 k = uint8(word >> 240);
        uint256 bit = 1 << k;
        if (member.nonces & bit != 0) revert OrderReplayed(index);
        member.nonces |= bit;

        // The terms are what was signed, wherever they are read from: an index out of range changes the digest.
        uint256 terms = _load(run.terms + uint8(word >> 232) * TERM);
        uint256 nonce = run.intervalStart << 8 | k;
        uint256 order = run.order;
        bytes32 structHash;
        assembly ("memory-safe") {
            mstore(add(order, 96), shr(255, word))
            mstore(add(order, 192), and(shr(200, word), 0xffffffff))
            mstore(add(order, 224), and(shr(168, word), 0xffffffff))
            mstore(add(order, 256), shr(224, terms))
            mstore(add(order, 288), and(shr(192, terms), 0xffffffff))
            mstore(add(order, 320), nonce)
            mstore(add(order, 352), and(shr(152, terms), 0xffffffffff))
            structHash := keccak256(order, 384)
        }
        if (terms >> 224 < run.fee) revert OrderFeeCapExceeded(index, terms >> 224, run.fee);
        if (uint40(terms >> 152) < run.judgedAt) revert OrderExpired(index, uint40(terms >> 152));
        if (run.intervalStart <= member.word.restrictedUntil()) {
            _requireUncancelled(index, address(uint160(member.account)), nonce, run.judgedAt);
        }
        unchecked {
            run.cursor = cursor + 11;
        }
        uint256 filledWh = run.trades.length == 0
            ? _executeUniform(run, member, word, uint32(terms >> 192))
            : _executeTrades(run, member, word, uint32(terms >> 192));
        if (filledWh > uint32(word >> 200)) revert OrderOverfilled(index, filledWh, uint32(word >> 200));

        uint256 authority = word >> 248 & 0x3f;
        if (authority == 0) _requireOwnerSigned(run, member, structHash);
        else if (authority == 1) _requireRecorded(index, address(uint160(member.account)), structHash);
        else _useMandate(run, member, authority - 2, word, terms, filledWh, structHash);
        unchecked {
            run.orders = index + 1;
        }
    }

    /// @dev At a uniform price an order executes once, at the clearing price.
    function _executeUniform(Run memory run, Member memory member, uint256 word, uint256 imbalanceCap)
        private
        pure
        returns (uint256 filledWh)
    {
        filledWh = uint32(word >> 200);
        if (word >> 254 & 1 != 0) {
            filledWh = uint32(word >> 136);
            unchecked {
                run.cursor += 4;
            }
        }
        _execute(run, member, word, filledWh, run.clearing, imbalanceCap);
    }

    /// @dev In a bilateral batch an order has a list of trades, each with its price; the first side of a trade that comes
    /// is kept, the second must say the same.
    function _executeTrades(Run memory run, Member memory member, uint256 word, uint256 imbalanceCap)
        private
        returns (uint256 filledWh)
    {
        uint256 cursor = run.cursor;
        uint256 count = _load(cursor) >> 248;
        unchecked {
            ++cursor;
            for (uint256 i = 0; i < count; ++i) {
                uint256 trade = _load(cursor);
                cursor += 10;
                uint256 energyWh = uint32(trade >> 208);
                filledWh += energyWh;
                _matchTrade(run, member.account, word >> 255, trade);
                _execute(run, member, word, energyWh, uint32(trade >> 176), imbalanceCap);
            }
        }
        run.cursor = cursor;
    }

    /// @dev `trade`, from the highest bit: number 16, Wh 32, price 32. Kept is side 1, Wh 32, price 32, account 160.
    function _matchTrade(Run memory run, uint256 account, uint256 side, uint256 trade) private {
        uint256 index = trade >> 240;
        if (index >= run.trades.length) revert TradeMismatch(run.orders, index);
        uint256 known = run.trades[index];
        uint256 terms = trade << 16 >> 192;
        if (known == 0) {
            run.trades[index] = side << 224 | terms << 160 | account;
            return;
        }
        if (known == SETTLED_TRADE || known >> 224 == side || uint64(known >> 160) != terms) {
            revert TradeMismatch(run.orders, index);
        }
        run.trades[index] = SETTLED_TRADE;
        (address one, address other) = (address(uint160(account)), address(uint160(known)));
        (address buyer, address seller) = side == OrderTypes.BUY ? (one, other) : (other, one);
        emit TradeSettled(buyer, seller, run.intervalStart << 64 | terms);
    }

    /// @dev Adds `energyWh` at `price` to the meter, and to the event.
    function _execute(
        Run memory run,
        Member memory member,
        uint256 word,
        uint256 energyWh,
        uint256 price,
        uint256 imbalanceCap
    ) private pure {
        uint256 limit = uint32(word >> 168);
        unchecked {
            if (word >> 255 == OrderTypes.BUY) {
                // filled <= energy and price <= limit, so the purchase <= energy x limit.
                if (price > limit) revert OrderLimitViolated(run.orders, limit, price);
                member.boughtWh += energyWh;
                member.purchase += energyWh * price;
            } else {
                // sale = delivered x price >= delivered x limit; shortfall <= (energy - delivered) x cap.
                if (price < limit) revert OrderLimitViolated(run.orders, limit, price);
                uint256 left = member.exportWh - member.deliveredWh; // delivered never exceeds the export
                uint256 delivered = energyWh < left ? energyWh : left;
                member.soldWh += energyWh;
                member.deliveredWh += delivered;
                member.sale += delivered * price;
                if (delivered < energyWh && run.imbalance > price) {
                    uint256 premium = run.imbalance - price;
                    member.shortfall +=
                        (energyWh - delivered) * (premium < imbalanceCap ? premium : imbalanceCap);
                }
            }
            uint256 fills = run.fills;
            if (fills == run.fillsEnd) revert BatchMalformed();
            uint256 entry = member.index << 240 | word >> 255 << 232 | uint256(uint8(word >> 240)) << 224
                | energyWh << 192 | imbalanceCap << 160 | price << 128;
            assembly ("memory-safe") {
                mstore(fills, entry)
            }
            run.fills = fills + FILL;
        }
    }

    /// @dev Reverts unless the owner's key signed the order. What follows it in the batch is r and vs.
    function _requireOwnerSigned(Run memory run, Member memory member, bytes32 structHash) private view {
        address signer = _recover(run, structHash);
        if (uint160(signer) != member.account) revert OrderNotAuthorised(run.orders, signer);
    }

    /// @dev Reverts unless a mandate allows the order; adds it to those that its agent must have signed.
    function _useMandate(
        Run memory run,
        Member memory member,
        uint256 agentIndex,
        uint256 word,
        uint256 terms,
        uint256 filledWh,
        bytes32 structHash
    ) private view {
        uint256 index = run.orders;
        if (2 * agentIndex >= run.agents.length) revert BatchMalformed();
        address agent = address(uint160(run.agents[2 * agentIndex]));
        MandateWord mandate = _standingMandate(address(uint160(member.account)), agent, run.judgedAt);
        if (MandateWord.unwrap(mandate) == 0 || run.intervalStart > mandate.validUntil()) {
            revert MandateMissing(index, agent);
        }
        uint256 limit = uint32(word >> 168);
        // What the order can cost is bounded by its limit and caps, so the mandate bounds those.
        if (
            (word >> 255 == OrderTypes.BUY ? limit > mandate.maxBuyPrice() : limit < mandate.minSellPrice())
                || terms >> 224 > mandate.feeCap() || uint32(terms >> 192) > mandate.imbalanceCap()
        ) revert MandateExceeded(index, agent);
        unchecked {
            uint256 day = run.intervalStart / 1 days;
            uint256 usedWh = member.word.usedWh(day) + filledWh;
            if (usedWh > mandate.maxWhPerDay()) {
                revert MandateDailyCapExceeded(index, agent, usedWh, mandate.maxWhPerDay());
            }
            member.word = member.word.withUsedWh(day, usedWh);
            uint256[] memory agents = run.agents;
            assembly ("memory-safe") {
                let chain := add(agents, add(64, mul(agentIndex, 64)))
                mstore(0x00, mload(chain))
                mstore(0x20, structHash)
                mstore(chain, keccak256(0x00, 0x40))
            }
        }
    }

    /// @dev After the members stand the agents' signatures, in the order of the agents.
    function _requireAgentsSigned(Run memory run) private view {
        for (uint256 i = 0; i < run.agents.length; i += 2) {
            bytes32 ordersHash = bytes32(run.agents[i + 1]);
            address signer = _recover(run, OrderTypes.hashAgentOrders(run.intervalStart, ordersHash));
            if (uint160(signer) != run.agents[i]) {
                revert AgentOrdersNotSigned(address(uint160(run.agents[i])), signer);
            }
        }
    }

    /// @dev Who signed `structHash` with the r and vs at the cursor; never the zero address.
    function _recover(Run memory run, bytes32 structHash) private view returns (address signer) {
        uint256 cursor = run.cursor;
        uint256 digest = run.digest;
        assembly ("memory-safe") {
            mstore(add(digest, 34), structHash)
            let input := mload(0x40)
            let vs := calldataload(add(cursor, 32))
            mstore(input, keccak256(digest, 66))
            mstore(add(input, 32), add(27, shr(255, vs)))
            mstore(add(input, 64), calldataload(cursor))
            mstore(add(input, 96), and(vs, shr(1, not(0))))
            mstore(0x00, 0)
            pop(staticcall(gas(), 1, input, 128, 0x00, 32))
            signer := mload(0x00)
        }
        unchecked {
            run.cursor = cursor + 64;
        }
        if (signer == address(0)) revert OrderNotAuthorised(run.orders, address(0));
    }

    /// @dev A meter without a reading is taken to have imported what its owner agreed to, and at least what it bought.
    function _missingImport(Run memory run, Member memory member) private returns (uint256 importWh) {
        address account = address(uint160(member.account));
        importWh = _fallbackImportWh(account, intervalSeconds, run.judgedAt);
        if (importWh < member.boughtWh) importWh = member.boughtWh;
        emit ReadingMissing(uint64(run.intervalStart), account, uint16(member.meter), importWh);
    }

    function _emitLog(
        Run memory run,
        bytes memory log,
        int256 retailerDelta,
        uint256 members,
        uint256 fills
    ) private {
        uint256 prices = run.clearing << 128 | run.retailImport << 96 | run.feedIn << 64
            | run.imbalance << 32 | run.fee;
        uint256 readingsSize = _padded(members * READING);
        bytes32 topic = BatchSettled.selector;
        uint256 intervalStart = run.intervalStart;
        assembly ("memory-safe") {
            let data := add(log, 32)
            mstore(data, prices)
            mstore(add(data, 32), retailerDelta)
            mstore(add(data, 64), 128)
            mstore(add(data, 96), add(160, readingsSize))
            mstore(add(data, 128), mul(members, READING))
            mstore(add(data, add(160, readingsSize)), mul(fills, FILL))
            log2(data, mload(log), topic, intervalStart)
        }
    }

    /// @dev The readings inside the event's data, as a value of their own.
    function _readingsOf(bytes memory log, uint256 members) private pure returns (bytes memory readings) {
        assembly ("memory-safe") {
            readings := add(log, 160)
            mstore(readings, mul(members, READING))
        }
    }

    function _creditsOf(Run memory run) private pure returns (uint256[] memory credits) {
        credits = run.credits;
        uint256 creditors = run.creditors;
        assembly ("memory-safe") {
            mstore(credits, creditors)
        }
    }

    function _registersOf(bytes calldata registers, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(registers.offset, mul(index, 8))))
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
}
