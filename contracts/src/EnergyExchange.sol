// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMeterOracle} from "./interfaces/IMeterOracle.sol";
import {Intervals, Terms} from "./Intervals.sol";
import {OrderTypes} from "./libraries/OrderTypes.sol";
import {AccountWord, AccountWords, MandateWord} from "./libraries/Words.sol";

/// @title The exchange of a community's energy: custody, commitment, settlement
/// @notice Every debit follows from a signature of the member: an order, a mandate, or a supply agreement with the
/// retailer. `EnergyExchangeReference` does the same with named fields, to be read; here each byte is counted.
///
/// A batch, or a part of one, is packed bytes, all integers big-endian:
///
///     header   intervalStart 5, clearing 4, retailImport 4, feedIn 4, imbalance 4, fee 4,
///              members 2, fills 2, trades 2 (0: uniform price), terms 1, agents 1
///     terms    feeCap 4, imbalanceCap 4, expiry 5           each
///     agents   address 20                                   each
///     members  head 1: bit 7 numbered, bit 6 another meter of the account follows, bits 0-5 orders; account 20;
///              [number 2, if numbered, else it is 0]; orders
///     order    terms 1; head 1: bit 7 sells, bit 6 partial, bits 0-5 authority (0 the owner's signature, 1 recorded,
///              2 + i agent i); k of the nonce 1; energy 4; limit 4;
///              uniform, partial: filled 4;  bilateral: fills 1, each trade 2, energy 4, price 4;
///              authority 0: signature 64 (EIP-2098)
///     at last  agents' signatures over AgentOrders 64       each
///
/// Members increase strictly by account and number. `fills` counts the orders at a uniform price, and is 0 in a bilateral
/// batch.
contract EnergyExchange is Intervals {
    // A settlement keeps what it works with at fixed places in memory, the frame: to read a word there costs 6 gas.

    // The EIP-712 encoding of the order at hand, word by word
    uint256 private constant ORDER = 0x80;
    uint256 private constant ORDER_OWNER = 0xa0;
    uint256 private constant ORDER_METER = 0xc0;
    uint256 private constant ORDER_SIDE = 0xe0;
    uint256 private constant START = 0x100;
    uint256 private constant ORDER_SECONDS = 0x120;
    uint256 private constant ORDER_ENERGY = 0x140;
    uint256 private constant ORDER_LIMIT = 0x160;
    uint256 private constant ORDER_FEE_CAP = 0x180;
    uint256 private constant ORDER_IMBALANCE_CAP = 0x1a0;
    uint256 private constant ORDER_NONCE = 0x1c0;
    uint256 private constant ORDER_EXPIRY = 0x1e0;
    uint256 private constant ORDER_SIZE = 0x180;
    // 0x1901 ‖ domain ‖ struct hash
    uint256 private constant MESSAGE = 0x200;
    uint256 private constant MESSAGE_DOMAIN = 0x202;
    uint256 private constant MESSAGE_HASH = 0x222;
    uint256 private constant MESSAGE_SIZE = 0x42;
    // The input of ecrecover; its output overwrites the digest
    uint256 private constant DIGEST = 0x260;
    uint256 private constant SIGNATURE_V = 0x280;
    uint256 private constant SIGNATURE_R = 0x2a0;
    uint256 private constant SIGNATURE_S = 0x2c0;
    uint256 private constant RECOVER_SIZE = 0x80;
    // The batch
    uint256 private constant CLEARING = 0x2e0;
    uint256 private constant RETAIL_IMPORT = 0x300;
    uint256 private constant FEED_IN = 0x320;
    uint256 private constant IMBALANCE = 0x340;
    uint256 private constant FEE = 0x360;
    uint256 private constant PRICES = 0x380; // as in the event
    uint256 private constant JUDGED_AT = 0x3a0;
    uint256 private constant MEMBERS = 0x3c0;
    uint256 private constant REGISTERS = 0x3e0; // where they begin in calldata
    uint256 private constant TERMS = 0x400; // where they begin in calldata
    uint256 private constant KEPT = 0x420; // of the last order: k and terms, which still stand in the encoding, and its agent
    uint256 private constant AGENTS = 0x440; // uint256[]: of each its address, and the hash of its orders so far
    uint256 private constant TRADES = 0x460; // uint256[]: what is known of each trade; none at a uniform price
    uint256 private constant AGREEMENT = 0x480; // AccountWords.agreement of the batch
    // The call of the oracle, and the event's data, which overwrites its beginning: the readings end both. Next entries.
    uint256 private constant CALL = 0x4a0;
    uint256 private constant READINGS_BEGIN = 0x4c0;
    uint256 private constant READINGS = 0x4e0;
    uint256 private constant FILLS_BEGIN = 0x500;
    uint256 private constant FILLS = 0x520;
    uint256 private constant FILLS_END = 0x540;
    // Sums over accounts
    uint256 private constant TOTALS = 0x580; // paid in less paid out 96, Wh bought less sold 80, fees 80
    // The account at hand
    uint256 private constant WORD = 0x5a0;
    uint256 private constant NONCES = 0x5c0; // bitmap of the k of its orders so far
    uint256 private constant RESTRICTED = 0x5e0; // the last account whose orders are to be looked up
    // The meter at hand: products of Wh and price
    uint256 private constant PURCHASE = 0x600;
    uint256 private constant SALE = 0x620;
    uint256 private constant SHORTFALL = 0x640;
    // Orders so far in a bilateral batch
    uint256 private constant LISTED = 0x660;
    // A run of plain members: of each head, terms, k and authority; where their agent stands in memory (0: they signed
    // themselves); the hash of its orders before the one at hand; bytes of a member; masks, which would cost more as literals
    uint256 private constant PLAIN = 0x680;
    uint256 private constant AGENT = 0x6a0;
    uint256 private constant ORDERS_HASH = 0x6c0;
    uint256 private constant STRIDE = 0x6e0;
    uint256 private constant END = 0x700; // its members, in words
    uint256 private constant ADDRESS_MASK = 0x720;
    uint256 private constant S_MASK = 0x740;
    uint256 private constant SIDE_K_ENERGY = 0x760;
    uint256 private constant CARRY = 0x780;
    uint256 private constant FRAME_END = 0x7a0;
    uint256 private constant OWED = 0x7a0; // of each meter, what its account owed, noted with its last meter

    uint256 private constant HEADER = 33;
    uint256 private constant TERM = 13;
    uint256 private constant WH_PER_KWH = 1_000;
    uint256 private constant MISSING = 0xffffffffffffffff;
    uint256 private constant MISSING_FLAG = 0x8000;
    uint256 private constant FIRST_GENERATION_METER = 0x4000;
    // A trade's sides stand in its word, 128 bits each, as fills with the price 32 below: that there is one; which; and what
    // must be the same of both, but for the side
    uint256 private constant ENTERED = 0x1000000000000000000;
    uint256 private constant SIDE_OF_FILL = 0x80000000000000000000;
    uint256 private constant METER_AND_K = 0xffff00ff;
    uint256 private constant SIDE_AND_TERMS = 0x8000ffffffffffffffff;
    uint256 private constant READING = 30;
    uint256 private constant ATTESTED_WITH_GAPS = 3; // IMeterOracle
    uint256 private constant FILL = 8;
    uint256 private constant GAP = 2; // between readings and fills: writing the last reading overwrites it
    uint256 private constant SINGLE_TRADE = 11; // bytes of a trade that is an order's only one, its number included

    uint256 private constant NO_ORDER = 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff;
    // Of an order, in its highest bytes: terms and k; the authority, too
    uint256 private constant KEPT_MASK = 0xff00ff0000000000000000000000000000000000000000000000000000000000;
    uint256 private constant KEPT_BY_AGENT_MASK =
        0xff3fff0000000000000000000000000000000000000000000000000000000000;
    // Of a plain member: its head, and of its order terms, k, authority and what makes it partial
    uint256 private constant PLAIN_MASK = 0xff0000000000000000000000000000000000000000ff7fff0000000000000000;
    // ... and side, k and Wh of its order, which a fill has 160 bits higher
    uint256 private constant FILL_MASK = 0x80ffffffffff00000000;
    uint256 private constant CARRIES = 0x80000000400020000000100000000000000000000000; // AccountWords
    uint256 private constant BALANCE_MASK = 0xfffffffffffffff; // AccountWords
    constructor(Terms memory terms) Intervals(terms) {}

    /// @notice Settles the next part of a committed batch against its meters' readings. For anybody: what is settled was
    /// committed and signed, and the readings are proven. That a reading is missing must be vouched for by attestors, or the
    /// operator settles.
    /// @param batch The part, packed as described above.
    /// @param evidence For each member import Wh 4, export Wh 4, all bits set when there is no reading; then the proof for
    /// `MeterOracle.requireReadings`.
    /// @param next Root of the parts that follow; 0 when this is the last one.
    function settleBatch(bytes calldata batch, bytes calldata evidence, bytes32 next) external whenNotPaused {
        if (batch.length < HEADER) revert BatchMalformed();
        (uint256 cursor, bytes32 hash) = _readHeader(batch);
        uint256 start = _get(START);
        unchecked {
            if (evidence.length < _get(MEMBERS) * 8) revert BatchMalformed();
        }
        (uint256 judgedAt, uint256 lastAccount) = _open(start, hash, next);
        _set(JUDGED_AT, judgedAt);
        cursor = _layOutMemory(cursor, uint8(_load(_begin(batch) + 1)), evidence);
        (cursor, lastAccount) = _settleMembers(cursor, lastAccount);
        cursor = _requireAgentsSigned(cursor);
        (int256 paid, int256 unmatchedWh, uint256 fees) = _totals();
        if (unmatchedWh != 0) revert BuysDifferFromSells(unmatchedWh);
        if (judgedAt == start && (_get(FILLS) != _get(FILLS_BEGIN) || _get(LISTED) != 0)) {
            revert LateBatchHasOrders(start);
        }
        unchecked {
            if (cursor != _begin(batch) + batch.length || _get(FILLS) != _get(FILLS_END)) {
                revert BatchMalformed();
            }
        }
        _settleTrades();
        _requireReadings(evidence);
        if (next != 0) _keepLastAccount(start, address(uint160(lastAccount)));
        (int256 retailerDelta, uint256 missing) = _settleHouse(start, judgedAt, next == 0, paid, fees);
        if (missing != 0) _reduceCredits(start, _credits(), missing);
        _emitBatchSettled(retailerDelta);
    }

    /// @dev Reads what stands before the terms. FILLS_END is the number of fills for now, TRADES that of trades.
    /// @return cursor Where the terms begin.
    /// @return hash Of the batch.
    function _readHeader(bytes calldata batch) private pure returns (uint256 cursor, bytes32 hash) {
        assembly ("memory-safe") {
            // Nothing has used the frame's memory yet; the batch is there for a moment only.
            if gt(mload(0x40), ORDER) { invalid() }
            cursor := batch.offset
            calldatacopy(FRAME_END, cursor, batch.length)
            hash := keccak256(FRAME_END, batch.length)
            let header := calldataload(cursor)
            mstore(START, shr(216, header))
            mstore(PRICES, shr(96, shl(40, header)))
            mstore(CLEARING, and(shr(184, header), 0xffffffff))
            mstore(RETAIL_IMPORT, and(shr(152, header), 0xffffffff))
            mstore(FEED_IN, and(shr(120, header), 0xffffffff))
            mstore(IMBALANCE, and(shr(88, header), 0xffffffff))
            mstore(FEE, and(shr(56, header), 0xffffffff))
            mstore(MEMBERS, and(shr(40, header), 0xffff))
            mstore(FILLS_END, and(shr(24, header), 0xffff))
            mstore(TRADES, and(shr(8, header), 0xffff))
            cursor := add(cursor, HEADER)
            mstore(TERMS, cursor)
            cursor := add(cursor, mul(and(header, 0xff), TERM))
        }
    }

    /// @dev Fills in what is the same for all members, and makes room for lists, the call of the oracle and the event.
    /// @return Where the members begin.
    function _layOutMemory(uint256 cursor, uint256 agents, bytes calldata evidence)
        private
        view
        returns (uint256)
    {
        uint256 domain = uint256(_domainSeparatorV4());
        uint256 seconds_ = intervalSeconds;
        uint256 agreement = AccountWords.agreement(_get(RETAIL_IMPORT), _get(FEED_IN), _get(START));
        bytes32 typehash = OrderTypes.ORDER_TYPEHASH;
        assembly ("memory-safe") {
            mstore(ORDER, typehash)
            mstore(ORDER_SECONDS, seconds_)
            mstore(MESSAGE, shl(240, 0x1901))
            mstore(MESSAGE_DOMAIN, domain)
            mstore(AGREEMENT, agreement)
            mstore(REGISTERS, evidence.offset)

            let members := mload(MEMBERS)
            let place := add(OWED, shl(5, members))
            let count := mload(TRADES)
            mstore(TRADES, place)
            mstore(place, count)
            place := add(place, 32)
            calldatacopy(place, calldatasize(), shl(5, count))
            place := add(place, shl(5, count))

            mstore(AGENTS, place)
            mstore(place, shl(1, agents))
            place := add(place, 32)
            for {} agents { agents := sub(agents, 1) } {
                mstore(place, shr(96, calldataload(cursor)))
                mstore(add(place, 32), 0)
                cursor := add(cursor, 20)
                place := add(place, 64)
            }

            mstore(CALL, place)
            // selector, four words, the proof with its length, the length of the readings
            let proof := and(add(sub(evidence.length, shl(3, members)), 31), not(31))
            place := add(add(place, proof), 196)
            mstore(READINGS_BEGIN, place)
            mstore(READINGS, place)
            place := add(place, mul(members, READING))
            mstore(place, 0)
            place := add(place, GAP)
            mstore(FILLS_BEGIN, place)
            mstore(FILLS, place)
            let fills := mload(FILLS_END)
            place := add(place, shl(3, fills))
            mstore(FILLS_END, place)
            mstore(0x40, and(add(place, 95), not(31)))
            mstore(KEPT, NO_ORDER)
        }
        if (_get(TERMS) != cursor) _keepTerms(0); // most orders have these
        return cursor;
    }

    /// @dev Account after account. All energy is below 2^32 Wh an order or register, prices below 2^32, orders below 2^6 a
    /// meter: no product of them and no sum comes near its field's end.
    /// @param cursor Where the members begin in the batch.
    /// @param account The last account of the part before.
    /// @return Where the members end.
    /// @return The last account.
    function _settleMembers(uint256 cursor, uint256 account) private returns (uint256, uint256) {
        uint256 i;
        while (true) {
            if (_looksPlain(cursor)) (cursor, account, i) = _settlePlain(cursor, account, i);
            // To return from here keeps the compiler from copying this function into its caller.
            if (i == _get(MEMBERS)) return (cursor, account);
            (cursor, account, i) = _settleAccount(cursor, account, i);
        }
        revert();
    }

    /// @dev Settles members as long as there is nothing particular about them: an account with one meter, not numbered,
    /// which has a reading; nothing to be looked up; one order, executed whole and at once, with terms, k and authority of the
    /// order before, which are the owner's signature or an agent who has traded for it on that day; all sold is delivered,
    /// all owed can be paid. `_settleAccount` does the same for any account; where something is wrong, it says what.
    function _settlePlain(uint256 cursor, uint256 account, uint256 i)
        private
        returns (uint256, uint256, uint256)
    {
        // In the loop the account stands in the highest bits, and is its slot; i counts in words.
        assembly ("memory-safe") {
            // The account's word with the order's energy as used by the agent; particular, unless the mandate plainly allows
            // the order. `_useMandate` says what is wrong. (With `leave` in it, it is not copied into the loop.)
            function byAgent(before) -> refused, used {
                mstore(0x00, mload(ORDER_OWNER))
                mstore(0x20, _mandates.slot)
                mstore(0x20, keccak256(0x00, 0x40))
                mstore(0x00, mload(mload(AGENT)))
                let mandate := sload(keccak256(0x00, 0x40))
                refused := or(
                    or(
                        gt(and(shr(192, mandate), 0xffffffff), mload(JUDGED_AT)),
                        iszero(gt(shr(224, mandate), mload(JUDGED_AT)))
                    ),
                    gt(mload(START), and(shr(160, mandate), 0xffffffff))
                )
                refused := or(
                    refused,
                    or(
                        gt(mload(ORDER_FEE_CAP), and(shr(64, mandate), 0xffffffff)),
                        gt(mload(ORDER_IMBALANCE_CAP), and(shr(96, mandate), 0xffffffff))
                    )
                )
                switch mload(ORDER_SIDE)
                case 0 { refused := or(refused, gt(mload(ORDER_LIMIT), and(mandate, 0xffffffff))) }
                default {
                    refused := or(refused, lt(mload(ORDER_LIMIT), and(shr(32, mandate), 0xffffffff)))
                }
                // AccountWords: the day of use, and Wh used on it
                refused := or(
                    refused,
                    or(
                        xor(and(shr(176, before), 0xffff), div(mload(START), 86400)),
                        gt(
                            add(and(shr(192, before), 0xffffffff), mload(ORDER_ENERGY)),
                            and(shr(128, mandate), 0xffffffff)
                        )
                    )
                )
                used := add(before, shl(192, mload(ORDER_ENERGY)))
                let place := add(mload(AGENT), 32)
                mstore(ORDERS_HASH, mload(place))
                if refused { leave }
                mstore(0x00, mload(place))
                mstore(0x20, mload(MESSAGE_HASH))
                mstore(place, keccak256(0x00, 0x40))
            }
            // `simple` is a literal: two loops are compiled, of which the simple one is for owners' signatures and one price.
            function run(simple, cursor_, account_, i_) -> cursorAfter, accountAfter, iAfter {
                cursorAfter := cursor_
                accountAfter := account_
                iAfter := i_
                let readings := mload(READINGS)
                let fills := mload(FILLS)
                let totals := mload(TOTALS)
                for {} iszero(eq(iAfter, mload(END))) {} {
                    // What is written here counts only when the pointers move.
                    let slot := calldataload(cursorAfter)
                    let particular := and(xor(slot, mload(PLAIN)), PLAIN_MASK)
                    mstore(fills, or(shl(235, iAfter), shl(160, and(slot, mload(SIDE_K_ENERGY)))))
                    mstore(ORDER_ENERGY, and(shr(32, slot), 0xffffffff))
                    mstore(ORDER_LIMIT, and(slot, 0xffffffff))
                    mstore(ORDER_SIDE, and(shr(79, slot), 1))
                    slot := and(shr(88, slot), mload(ADDRESS_MASK))
                    mstore(ORDER_OWNER, slot)
                    slot := shl(96, slot)
                    mstore(ORDER_METER, slot)
                    particular := or(particular, iszero(gt(slot, accountAfter)))
                    let word := sload(slot)
                    particular := or(particular, and(not(add(word, mload(AGREEMENT))), mload(CARRY)))
                    mstore(MESSAGE_HASH, keccak256(ORDER, ORDER_SIZE))
                    let signed := add(cursorAfter, 32)
                    let price := mload(CLEARING)
                    let trade // the place of its sides
                    if iszero(simple) {
                        if mload(mload(TRADES)) {
                            // Number 16, Wh 32, price 32 after their count
                            trade := calldataload(signed)
                            signed := add(signed, SINGLE_TRADE)
                            price := and(shr(168, trade), 0xffffffff)
                            let which := and(shr(232, trade), 0xffff)
                            // One trade, of all the energy
                            let whole := or(0x1000000000000, mload(ORDER_ENERGY))
                            particular := or(
                                or(particular, iszero(lt(which, mload(mload(TRADES))))),
                                and(xor(shr(200, trade), whole), 0xff0000ffffffff)
                            )
                            trade := add(mload(TRADES), shl(5, add(which, 1)))
                            particular := or(particular, shr(128, mload(trade)))
                        }
                    }
                    let agent
                    if iszero(simple) { agent := mload(AGENT) }
                    switch agent
                    case 0 {
                        let vs := calldataload(add(signed, 32))
                        mstore(DIGEST, keccak256(MESSAGE, MESSAGE_SIZE))
                        mstore(SIGNATURE_V, add(27, shr(255, vs)))
                        mstore(SIGNATURE_R, calldataload(signed))
                        mstore(SIGNATURE_S, and(vs, mload(S_MASK)))
                        // When it fails, the digest stays, which is nobody.
                        pop(staticcall(gas(), 1, DIGEST, RECOVER_SIZE, DIGEST, 32))
                        particular := or(particular, xor(mload(DIGEST), mload(ORDER_OWNER)))
                    }
                    default {
                        let refused
                        refused, word := byAgent(word)
                        particular := or(particular, refused)
                    }
                    let energy := mload(ORDER_ENERGY)
                    let fedIn := shr(192, calldataload(add(mload(REGISTERS), shr(2, iAfter))))
                    particular := or(particular, shr(64, add(fedIn, 1))) // MISSING
                    mstore(readings, or(slot, shl(16, fedIn)))
                    let registered := shr(32, fedIn)
                    fedIn := and(fedIn, 0xffffffff)
                    let owed := div(add(mul(energy, mload(FEE)), 999), 1000)
                    let sums := owed // the fee
                    switch mload(ORDER_SIDE)
                    case 0 {
                        particular := or(particular, gt(price, mload(ORDER_LIMIT)))
                        sums := add(sums, shl(80, energy))
                        owed := add(owed, div(add(mul(energy, price), 999), 1000))
                        registered := sub(registered, energy)
                        if shr(255, registered) {
                            fedIn := sub(fedIn, registered)
                            registered := 0
                        }
                    }
                    default {
                        particular := or(particular, or(lt(price, mload(ORDER_LIMIT)), gt(energy, fedIn)))
                        sums := sub(sums, shl(80, energy))
                        owed := sub(owed, div(mul(energy, price), 1000))
                        fedIn := sub(fedIn, energy)
                    }
                    if registered {
                        owed := add(owed, div(add(mul(registered, mload(RETAIL_IMPORT)), 999), 1000))
                    }
                    if fedIn { owed := sub(owed, div(mul(fedIn, mload(FEED_IN)), 1000)) }
                    if or(particular, shr(60, sub(and(word, BALANCE_MASK), owed))) {
                        if iszero(simple) {
                            // The order at hand is not among its agent's yet.
                            if mload(AGENT) { mstore(add(mload(AGENT), 32), mload(ORDERS_HASH)) }
                        }
                        break
                    }

                    accountAfter := mload(ORDER_METER)
                    sstore(accountAfter, sub(word, owed))
                    totals := add(add(totals, sums), shl(160, owed))
                    mstore(add(OWED, iAfter), owed)
                    switch trade
                    case 0 { fills := add(fills, FILL) }
                    default {
                        mstore(
                            trade,
                            or(shl(128, mload(trade)), or(or(shr(160, mload(fills)), price), ENTERED))
                        )
                    }
                    readings := add(readings, READING)
                    switch simple
                    case 0 { cursorAfter := add(cursorAfter, mload(STRIDE)) }
                    default { cursorAfter := add(cursorAfter, 96) }
                    iAfter := add(iAfter, 32)
                }
                mstore(FILLS, fills)
                mstore(READINGS, readings)
                mstore(TOTALS, totals)
                if iszero(simple) { mstore(LISTED, add(mload(LISTED), shr(5, sub(iAfter, i_)))) }
            }

            let kept := mload(KEPT)
            mstore(PLAIN, or(shl(248, 1), shr(168, kept)))
            mstore(END, shl(5, mload(MEMBERS)))
            mstore(ADDRESS_MASK, shr(96, not(0)))
            mstore(S_MASK, shr(1, not(0)))
            mstore(SIDE_K_ENERGY, FILL_MASK)
            mstore(CARRY, CARRIES)
            let authority := and(shr(240, kept), 0x3f)
            let bilateral := mload(mload(TRADES))
            switch or(authority, bilateral)
            case 0 { cursor, account, i := run(1, cursor, shl(96, account), shl(5, i)) }
            default {
                mstore(AGENT, 0)
                if authority { mstore(AGENT, add(mload(AGENTS), sub(shl(6, authority), 96))) }
                if bilateral { bilateral := SINGLE_TRADE }
                mstore(STRIDE, add(add(32, bilateral), shl(6, iszero(authority))))
                cursor, account, i := run(0, cursor, shl(96, account), shl(5, i))
            }
            account := shr(96, account)
            i := shr(5, i)
        }
        return (cursor, account, i);
    }

    /// @dev Whether the member at the cursor, and its order, may be of the kind that `_settlePlain` settles.
    function _looksPlain(uint256 cursor) private view returns (bool) {
        unchecked {
            uint256 head = _load(cursor);
            if ((head ^ (1 << 248 | _get(KEPT) >> 168)) & PLAIN_MASK != 0) return false;
            if (head >> 72 & 0x3f == 0) return true;
            return _wordOf(address(uint160(head >> 88))).dayOfUse() == _get(START) / 1 days;
        }
    }

    /// @dev Settles the next account: meter after meter; of each, order after order, then what follows from its reading.
    function _settleAccount(uint256 cursor, uint256 account, uint256 i)
        private
        returns (uint256, uint256, uint256)
    {
        unchecked {
            uint256 head = _load(cursor);
            if (head << 8 >> 96 <= account) revert MetersNotIncreasing(i);
            account = head << 8 >> 96;
            if (!_agreed(account)) _lookClosely(account);
            _set(NONCES, 0);
            uint256 owed; // two's complement
            while (true) {
                cursor += 21;
                _set(ORDER_METER, account << 96);
                if (head >> 255 != 0) {
                    _set(ORDER_METER, account << 96 | _readNumber(head, i));
                    cursor += 2;
                }
                uint256 registered = _readRegisters(i);
                uint256 exportWh = uint32(registered);
                uint256 boughtWh;
                uint256 soldWh;
                _set(PURCHASE, 0);
                _set(SALE, 0);
                for (uint256 left = head >> 248 & 0x3f; left != 0; --left) {
                    uint256 filledWh;
                    uint256 side = _load(cursor) >> 247 & 1;
                    (cursor, filledWh) = _settleOrder(cursor, i, exportWh, soldWh);
                    if (side == OrderTypes.BUY) boughtWh += filledWh;
                    else soldWh += filledWh;
                }
                registered >>= 32; // import
                if (registered == MISSING) registered = _missingImport(account, boughtWh);
                uint256 sums;
                if (boughtWh != 0) {
                    sums = _up(boughtWh * _get(FEE));
                    owed += _up(_get(PURCHASE)) + sums;
                    sums += boughtWh << 80;
                }
                if (soldWh != 0) {
                    sums -= soldWh << 80;
                    if (soldWh > exportWh) {
                        soldWh = exportWh;
                        owed += _up(_get(SHORTFALL));
                        _set(SHORTFALL, 0);
                    }
                    uint256 fee = _up(soldWh * _get(FEE));
                    sums += fee;
                    owed += fee - _get(SALE) / WH_PER_KWH;
                    exportWh -= soldWh;
                }
                _set(TOTALS, _get(TOTALS) + sums);
                // What was bought and not taken is fed in, as is what was exported beyond sales.
                if (registered > boughtWh) owed += _up((registered - boughtWh) * _get(RETAIL_IMPORT));
                else exportWh += boughtWh - registered;
                owed -= exportWh * _get(FEED_IN) / WH_PER_KWH;
                ++i;
                if (head >> 254 & 1 == 0) break;
                _set(OWED + (i - 1 << 5), 0);
                head = _load(cursor);
                if (head << 8 >> 96 != account || i == _get(MEMBERS)) revert BatchMalformed();
                uint256 number = head >> 255 == 0 ? 0 : uint16(head >> 72);
                if (number <= uint16(_get(ORDER_METER))) revert MetersNotIncreasing(i);
            }
            _moveBalance(account, owed, i);
        }
        return (cursor, account, i);
    }

    /// @dev Changes the account's balance by what it owes, for all its meters.
    function _moveBalance(uint256 account, uint256 owed, uint256 i) private {
        unchecked {
            uint256 word = _get(WORD);
            uint256 balance = word & BALANCE_MASK;
            if (balance - owed >> 60 == 0) {
                word -= owed;
            } else {
                // Who cannot pay must not stop the others: it pays all it has.
                address owner = address(uint160(account));
                if (int256(owed) < 0) revert BalanceTooLarge(owner, balance - owed);
                uint256 taken = balance + _debitWithdrawal(owner, owed - balance, _get(JUDGED_AT));
                if (taken < owed) emit Unpaid(uint64(_get(START)), owner, owed - taken);
                owed = taken;
                word -= balance;
            }
            _set(TOTALS, _get(TOTALS) + (owed << 160));
            _set(OWED + (i - 1 << 5), owed);
            assembly ("memory-safe") {
                sstore(shl(96, account), word)
            }
        }
    }

    /// @dev Takes the registers of meter `i` into the event.
    /// @return registered import Wh above 32 bits of export Wh; import is MISSING when there is no reading.
    function _readRegisters(uint256 i) private pure returns (uint256 registered) {
        unchecked {
            uint256 meter = _get(ORDER_METER);
            registered = _load(_get(REGISTERS) + 8 * i) >> 192;
            uint256 entry = meter >> 96 << 96 | meter << 240 >> 160 | registered << 16;
            if (registered == MISSING) {
                entry = meter >> 96 << 96 | (uint16(meter) | MISSING_FLAG) << 80;
                registered = MISSING << 32;
            }
            uint256 readings = _get(READINGS);
            _set(readings, entry);
            _set(READINGS, readings + READING);
        }
    }

    /// @dev One order: read, hashed, executed, authorised. At a uniform price it executes once; in a bilateral batch it has
    /// a list of trades, each with its price.
    /// @param soldWh What the meter sold before.
    /// @return What follows in the batch.
    /// @return filledWh Wh executed.
    function _settleOrder(uint256 cursor, uint256 i, uint256 exportWh, uint256 soldWh)
        private
        returns (uint256, uint256 filledWh)
    {
        unchecked {
            uint256 order = _load(cursor);
            cursor += 11;
            _useNonce(order);
            if ((order ^ _get(KEPT)) & KEPT_MASK != 0) _readTerms(order);
            assembly ("memory-safe") {
                mstore(ORDER_SIDE, and(shr(247, order), 1))
                mstore(ORDER_ENERGY, and(shr(200, order), 0xffffffff))
                mstore(ORDER_LIMIT, and(shr(168, order), 0xffffffff))
                mstore(MESSAGE_HASH, keccak256(ORDER, ORDER_SIZE))
            }
            if (_isUniform()) {
                filledWh = _get(ORDER_ENERGY);
                if (order >> 246 & 1 != 0) {
                    filledWh = uint32(order >> 136);
                    cursor += 4;
                }
                _execute(_fillIndex(), filledWh, _get(CLEARING), exportWh, soldWh + filledWh);
                _set(_get(FILLS), _fill(order, i, filledWh));
                _set(FILLS, _get(FILLS) + FILL);
            } else {
                uint256 left = _load(cursor) >> 248;
                ++cursor;
                for (; left != 0; --left) {
                    uint256 trade = _load(cursor);
                    cursor += 10;
                    uint256 energyWh = uint32(trade >> 208);
                    filledWh += energyWh;
                    uint256 price = uint32(trade >> 176);
                    _execute(trade >> 240, energyWh, price, exportWh, soldWh + filledWh);
                    _noteTrade(trade >> 240, _fill(order, i, energyWh) >> 160 | price);
                }
                _set(LISTED, _get(LISTED) + 1);
            }
            if (filledWh > _get(ORDER_ENERGY)) {
                revert OrderOverfilled(_lastIndex(), filledWh, _get(ORDER_ENERGY));
            }
            uint256 authority = order >> 240 & 0x3f;
            if (authority == 0) {
                uint256 signer = _recover(cursor);
                if (signer != _get(ORDER_OWNER)) {
                    revert OrderNotAuthorised(_lastIndex(), address(uint160(signer)));
                }
                cursor += 64;
            } else if (authority == 1) {
                _requireRecorded(_lastIndex(), _owner(), bytes32(_get(MESSAGE_HASH)));
            } else {
                _useMandate(authority - 2, filledWh);
            }
            // What is partial is particular.
            _set(KEPT, order & (order >> 246 & 1 == 0 && authority != 1 ? KEPT_BY_AGENT_MASK : KEPT_MASK));
        }
        return (cursor, filledWh);
    }

    /// @dev Adds `energyWh` at `price` to the meter.
    /// @param number Of the fill or trade, for the event.
    /// @param soldWh Sold so far, if the order sells, with this.
    function _execute(uint256 number, uint256 energyWh, uint256 price, uint256 exportWh, uint256 soldWh)
        private
    {
        unchecked {
            uint256 limit = _get(ORDER_LIMIT);
            if (_get(ORDER_SIDE) == OrderTypes.BUY) {
                // filled <= energy and price <= limit, so the purchase <= energy x limit.
                if (price > limit) revert OrderLimitViolated(_index(), limit, price);
                _set(PURCHASE, _get(PURCHASE) + energyWh * price);
            } else {
                if (price < limit) revert OrderLimitViolated(_index(), limit, price);
                uint256 deliveredWh = energyWh;
                if (soldWh > exportWh && energyWh != 0) {
                    // sale = delivered x price >= delivered x limit; shortfall <= short x cap.
                    uint256 shortWh = soldWh - exportWh;
                    if (shortWh > energyWh) shortWh = energyWh;
                    deliveredWh -= shortWh;
                    emit SaleShort(uint64(_get(START)), uint16(number), uint32(_get(ORDER_IMBALANCE_CAP)));
                    uint256 imbalance = _get(IMBALANCE);
                    uint256 premium = imbalance > price ? imbalance - price : 0;
                    if (premium > _get(ORDER_IMBALANCE_CAP)) premium = _get(ORDER_IMBALANCE_CAP);
                    _set(SHORTFALL, _get(SHORTFALL) + shortWh * premium);
                }
                _set(SALE, _get(SALE) + deliveredWh * price);
            }
        }
    }

    /// @dev Position of the meter 16, side 1 ‖ 0, k 8, Wh 32; from the highest bit.
    function _fill(uint256 order, uint256 i, uint256 energyWh) private pure returns (uint256) {
        return i << 240 | _get(ORDER_SIDE) << 239 | (order >> 232 & 0xff) << 224 | energyWh << 192;
    }

    /// @dev Loads the account's word.
    /// @return agreed Whether it says that the owner agreed to the batch's prices, and that nothing restricts it.
    function _agreed(uint256 account) private view returns (bool agreed) {
        assembly ("memory-safe") {
            let word := sload(shl(96, account))
            mstore(WORD, word)
            mstore(ORDER_OWNER, account)
            agreed := iszero(and(not(add(word, mload(AGREEMENT))), CARRIES))
        }
    }

    /// @dev Reverts unless the owner agreed to the batch's prices, by its agreement's history if need be. The account's
    /// orders will be looked up.
    function _lookClosely(uint256 account) private view {
        _set(RESTRICTED, account);
        _requireSupply(
            AccountWord.wrap(_get(WORD)),
            _owner(),
            _get(START),
            _get(RETAIL_IMPORT),
            _get(FEED_IN),
            _get(JUDGED_AT)
        );
    }

    /// @dev Reverts if the account used the order's k before in the batch, or cancelled the order.
    function _useNonce(uint256 order) private view {
        uint256 k = order >> 232 & 0xff;
        uint256 nonces = _get(NONCES);
        if (nonces & 1 << k != 0) revert OrderReplayed(_index());
        _set(NONCES, nonces | 1 << k);
        if (_get(RESTRICTED) == _get(ORDER_OWNER)) {
            _requireUncancelled(_index(), _owner(), _get(START) << 8 | k, _get(JUDGED_AT));
        }
    }

    /// @dev Puts nonce and terms into the order's encoding, unless the terms do not allow this batch. They are what was
    /// signed, wherever they are read from: an index out of range changes the digest.
    function _keepTerms(uint256 order) private pure returns (uint256 feeCap, uint256 expiry) {
        unchecked {
            uint256 terms = _load(_get(TERMS) + (order >> 248) * TERM);
            (feeCap, expiry) = (terms >> 224, uint40(terms >> 152));
            if (feeCap < _get(FEE) || expiry < _get(JUDGED_AT)) return (feeCap, expiry);
            _set(ORDER_FEE_CAP, feeCap);
            _set(ORDER_IMBALANCE_CAP, uint32(terms >> 192));
            _set(ORDER_EXPIRY, expiry);
            _set(ORDER_NONCE, _get(START) << 8 | (order >> 232 & 0xff));
            _set(KEPT, order & KEPT_MASK);
        }
    }

    function _readTerms(uint256 order) private pure {
        (uint256 feeCap, uint256 expiry) = _keepTerms(order);
        if (feeCap < _get(FEE)) revert OrderFeeCapExceeded(_index(), feeCap, _get(FEE));
        if (expiry < _get(JUDGED_AT)) revert OrderExpired(_index(), expiry);
    }

    /// @dev Who signed the struct hash in the message with the r and vs at the cursor; zero when nobody did.
    function _recover(uint256 cursor) private view returns (uint256 signer) {
        assembly ("memory-safe") {
            let vs := calldataload(add(cursor, 32))
            mstore(DIGEST, keccak256(MESSAGE, MESSAGE_SIZE))
            mstore(SIGNATURE_V, add(27, shr(255, vs)))
            mstore(SIGNATURE_R, calldataload(cursor))
            mstore(SIGNATURE_S, shr(1, shl(1, vs)))
            mstore(0x00, 0)
            pop(staticcall(gas(), 1, DIGEST, RECOVER_SIZE, 0x00, 32))
            signer := mload(0x00)
        }
    }

    /// @dev Reverts unless a mandate allows the order; adds it to those that its agent must have signed.
    function _useMandate(uint256 which, uint256 filledWh) private view {
        unchecked {
            uint256 agents = _get(AGENTS);
            if (2 * which >= _get(agents)) revert BatchMalformed();
            agents += 32 + 64 * which;
            address agent = address(uint160(_get(agents)));
            assembly ("memory-safe") {
                mstore(0x00, mload(add(agents, 32)))
                mstore(0x20, mload(MESSAGE_HASH))
                mstore(add(agents, 32), keccak256(0x00, 0x40))
            }
            MandateWord mandate = _standingMandate(_owner(), agent, _get(JUDGED_AT));
            uint256 start = _get(START);
            if (MandateWord.unwrap(mandate) == 0 || start > mandate.validUntil()) {
                revert MandateMissing(_lastIndex(), agent);
            }
            uint256 limit = _get(ORDER_LIMIT);
            // What the order can cost is bounded by its limit and caps, so the mandate bounds those.
            if (
                (_get(ORDER_SIDE) == OrderTypes.BUY
                            ? limit > mandate.maxBuyPrice()
                            : limit < mandate.minSellPrice()) || _get(ORDER_FEE_CAP) > mandate.feeCap()
                    || _get(ORDER_IMBALANCE_CAP) > mandate.imbalanceCap()
            ) revert MandateExceeded(_lastIndex(), agent);
            AccountWord word = AccountWord.wrap(_get(WORD));
            uint256 day = start / 1 days;
            uint256 usedWh = word.usedWh(day) + filledWh;
            if (usedWh > mandate.maxWhPerDay()) {
                revert MandateDailyCapExceeded(_lastIndex(), agent, usedWh, mandate.maxWhPerDay());
            }
            _set(WORD, AccountWord.unwrap(word.withUsedWh(day, usedWh)));
        }
    }

    function _noteTrade(uint256 trade, uint256 side) private pure {
        unchecked {
            uint256 place = _get(TRADES);
            if (trade >= _get(place)) revert TradeMismatch(trade);
            place += 32 + (trade << 5);
            uint256 sides = _get(place);
            if (sides >> 128 != 0) revert TradeMismatch(trade);
            _set(place, sides << 128 | side | ENTERED);
        }
    }

    /// @dev A meter without a reading is taken to have imported what its owner agreed to, and at least what it bought.
    function _missingImport(uint256 account, uint256 boughtWh) private returns (uint256 importWh) {
        if (_load(_get(REGISTERS) + _get(MEMBERS) * 8) >> 248 != ATTESTED_WITH_GAPS) {
            _checkRole(OPERATOR_ROLE);
        }
        address owner = address(uint160(account));
        importWh = _fallbackImportWh(owner, intervalSeconds, _get(JUDGED_AT));
        if (importWh < boughtWh) importWh = boughtWh;
        emit ReadingMissing(uint64(_get(START)), owner, uint16(_get(ORDER_METER)), importWh);
    }

    /// @dev After the members stand the agents' signatures, in the order of the agents.
    function _requireAgentsSigned(uint256 cursor) private view returns (uint256) {
        unchecked {
            uint256 agent = _get(AGENTS) + 32;
            for (uint256 end = agent + 32 * _get(agent - 32); agent != end; agent += 64) {
                _set(
                    MESSAGE_HASH, uint256(OrderTypes.hashAgentOrders(_get(START), bytes32(_get(agent + 32))))
                );
                uint256 signer = _recover(cursor);
                if (signer != _get(agent) || signer == 0) {
                    revert AgentOrdersNotSigned(address(uint160(_get(agent))), address(uint160(signer)));
                }
                cursor += 64;
            }
        }
        return cursor;
    }

    /// @dev Each trade must have two sides, of which one buys what the other sells, at the same price.
    function _settleTrades() private {
        bytes32 topic = TradeSettled.selector;
        uint256 place = _get(TRADES);
        unchecked {
            for (uint256 last = place + (_get(place) << 5); place != last;) {
                place += 32;
                uint256 sides = _get(place);
                if (sides >> 128 == 0) revert TradeIncomplete();
                if ((sides ^ sides >> 128) & SIDE_AND_TERMS != SIDE_OF_FILL) {
                    revert TradeMismatch(place - _get(TRADES) - 32 >> 5);
                }
                assembly ("memory-safe") {
                    // Of each side: position of the meter 16, side 8, k 8
                    let buy := shr(192, sides)
                    let sell := and(shr(64, sides), 0xffffffff)
                    if iszero(and(sides, SIDE_OF_FILL)) {
                        let other := buy
                        buy := sell
                        sell := other
                    }
                    mstore(
                        0x00,
                        or(
                            or(shl(104, and(buy, METER_AND_K)), shl(136, and(sell, METER_AND_K))),
                            or(shl(64, mload(START)), and(sides, 0xffffffffffffffff))
                        )
                    )
                    let readings := mload(READINGS_BEGIN)
                    let buyer := shr(96, mload(add(readings, mul(READING, shr(16, buy)))))
                    log3(0x00, 32, topic, buyer, shr(96, mload(add(readings, mul(READING, shr(16, sell))))))
                }
            }
        }
    }

    function _requireReadings(bytes calldata evidence) private view {
        address oracle_ = address(oracle);
        uint256 seconds_ = intervalSeconds;
        bytes4 selector = IMeterOracle.requireReadings.selector;
        assembly ("memory-safe") {
            let size := mul(mload(MEMBERS), READING)
            let readings := mload(READINGS_BEGIN)
            let call_ := mload(CALL)
            let registers := shl(3, mload(MEMBERS))
            let proof := sub(evidence.length, registers)
            mstore(call_, selector)
            mstore(add(call_, 4), mload(START))
            mstore(add(call_, 36), seconds_)
            mstore(add(call_, 68), sub(sub(readings, call_), 36)) // where the readings' length is
            mstore(add(call_, 100), 128) // where the proof's is
            mstore(add(call_, 132), proof)
            calldatacopy(add(call_, 164), add(evidence.offset, registers), proof)
            mstore(sub(readings, 32), size)
            if iszero(staticcall(gas(), oracle_, call_, sub(add(readings, size), call_), 0, 0)) {
                returndatacopy(call_, 0, returndatasize())
                revert(call_, returndatasize())
            }
        }
    }

    /// @dev What accounts were credited: account ‖ 96-bit micro-units.
    function _credits() private pure returns (uint256[] memory credits) {
        unchecked {
            uint256 members = _get(MEMBERS);
            (uint256 owed, uint256 readings) = (OWED, _get(READINGS_BEGIN));
            credits = new uint256[](members);
            uint256 creditors;
            for (uint256 i = 0; i < members; ++i) {
                if (int256(_get(owed)) < 0) {
                    credits[creditors++] = _get(readings) >> 96 << 96 | (0 - _get(owed));
                }
                owed += 32;
                readings += READING;
            }
            assembly ("memory-safe") {
                mstore(credits, creditors)
            }
        }
    }

    function _emitBatchSettled(int256 retailerDelta) private {
        bytes32 topic = BatchSettled.selector;
        assembly ("memory-safe") {
            let lines := mload(READINGS_BEGIN)
            let end := mload(FILLS_END)
            mstore(end, 0)
            mstore(
                sub(lines, 96),
                or(or(shl(240, mload(MEMBERS)), shr(16, shl(176, retailerDelta))), mload(PRICES))
            )
            mstore(sub(lines, 64), 64)
            mstore(sub(lines, 32), sub(end, lines))
            log2(sub(lines, 96), add(96, and(add(sub(end, lines), 31), not(31))), topic, mload(START))
        }
    }

    function _totals() private pure returns (int256 paid, int256 unmatchedWh, uint256 fees) {
        unchecked {
            uint256 totals = _get(TOTALS);
            fees = uint80(totals);
            unmatchedWh = int80(uint80(totals >> 80));
            paid = int256(totals) >> 160;
        }
    }

    /// @dev Position of the order at hand in the batch, before it is executed.
    function _index() private pure returns (uint256) {
        return _isUniform() ? _fillIndex() : _get(LISTED);
    }

    /// @dev ... and after.
    function _lastIndex() private pure returns (uint256) {
        return _index() - 1;
    }

    /// @dev ... and of the fill at hand in the event.
    function _fillIndex() private pure returns (uint256) {
        return (_get(FILLS) - _get(FILLS_BEGIN)) / FILL;
    }

    function _isUniform() private pure returns (bool) {
        return _get(_get(TRADES)) == 0;
    }

    function _owner() private pure returns (address) {
        return address(uint160(_get(ORDER_OWNER)));
    }

    function _readNumber(uint256 head, uint256 i) private pure returns (uint256 number) {
        number = uint16(head >> 72);
        if (number >= FIRST_GENERATION_METER) revert NotAGridMeter(i, number);
    }

    /// @dev Micro-units of a product of Wh and micro-units per kWh, rounded up: what a member pays.
    function _up(uint256 product) private pure returns (uint256) {
        unchecked {
            return (product + WH_PER_KWH - 1) / WH_PER_KWH;
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

    function _get(uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(place)
        }
    }

    function _set(uint256 place, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(place, word)
        }
    }
}
