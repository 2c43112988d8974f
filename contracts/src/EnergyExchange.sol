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
///     members  head 1: bit 7 numbered, bit 6 another meter of the account follows, bits 0-5 orders; account 20;
///              [number 2, if numbered, else it is 0]; orders
///     order    head 1: bit 7 sells, bit 6 partial, bits 0-5 authority (0 the owner's signature, 1 recorded,
///              2 + i agent i); k of the nonce 1; terms 1; energy 4; limit 4;
///              uniform, partial: filled 4;  bilateral: fills 1, each trade 2, energy 4, price 4;
///              authority 0: signature 64 (EIP-2098)
///     at last  agents' signatures over AgentOrders 64       each
///
/// Members increase strictly by account and number. `fills` counts orders at a uniform price, or fills of orders in a
/// bilateral batch: as many entries has the event.
contract EnergyExchange is Intervals {
    // A settlement keeps what it works with at fixed places in memory, the frame: to read a word there costs 6 gas.

    // The EIP-712 encoding of the order at hand, word by word
    uint256 private constant ORDER = 0x400;
    uint256 private constant ORDER_OWNER = 0x420;
    uint256 private constant ORDER_METER = 0x440;
    uint256 private constant ORDER_SIDE = 0x460;
    uint256 private constant ORDER_START = 0x480;
    uint256 private constant ORDER_SECONDS = 0x4a0;
    uint256 private constant ORDER_ENERGY = 0x4c0;
    uint256 private constant ORDER_LIMIT = 0x4e0;
    uint256 private constant ORDER_FEE_CAP = 0x500;
    uint256 private constant ORDER_IMBALANCE_CAP = 0x520;
    uint256 private constant ORDER_NONCE = 0x540;
    uint256 private constant ORDER_EXPIRY = 0x560;
    uint256 private constant ORDER_SIZE = 0x180;
    // 0x1901 ‖ domain ‖ struct hash
    uint256 private constant MESSAGE = 0x580;
    uint256 private constant MESSAGE_DOMAIN = 0x582;
    uint256 private constant MESSAGE_HASH = 0x5a2;
    uint256 private constant MESSAGE_SIZE = 0x42;
    // The input of ecrecover; its output overwrites the digest
    uint256 private constant DIGEST = 0x5e0;
    uint256 private constant SIGNATURE_V = 0x600;
    uint256 private constant SIGNATURE_R = 0x620;
    uint256 private constant SIGNATURE_S = 0x640;
    uint256 private constant RECOVER_SIZE = 0x80;
    // The batch
    uint256 private constant START = 0x660;
    uint256 private constant CLEARING = 0x680;
    uint256 private constant RETAIL_IMPORT = 0x6a0;
    uint256 private constant FEED_IN = 0x6c0;
    uint256 private constant IMBALANCE = 0x6e0;
    uint256 private constant FEE = 0x700;
    uint256 private constant PRICES = 0x720; // as in the event
    uint256 private constant JUDGED_AT = 0x740;
    uint256 private constant MEMBERS = 0x760;
    uint256 private constant REGISTERS = 0x780; // where they begin in calldata
    uint256 private constant TERMS = 0x7a0; // where they begin in calldata
    uint256 private constant KEPT = 0x7c0; // of the last order: k and terms, which still stand in the encoding, and its agent
    uint256 private constant AGENTS = 0x7e0; // uint256[]: of each its address, and the hash of its orders so far
    uint256 private constant TRADES = 0x800; // uint256[]: what is known of each trade
    uint256 private constant SUPPLY_FLOOR = 0x820; // see _agreed
    uint256 private constant SUPPLY_CEILING = 0x840; // see _agreed
    // Its event's data, and the next entries in it
    uint256 private constant EVENT = 0x860;
    uint256 private constant READINGS = 0x880;
    uint256 private constant FILLS = 0x8a0;
    uint256 private constant FILLS_BEGIN = 0x8c0;
    uint256 private constant FILLS_END = 0x8e0;
    // Sums over accounts
    uint256 private constant OWED = 0x900; // where it is noted, by meter, what its account owed
    uint256 private constant TOTALS = 0x920; // paid in less paid out 96, Wh bought less sold 80, fees 80
    // The account at hand
    uint256 private constant WORD = 0x940;
    uint256 private constant NONCES = 0x960; // bitmap of the k of its orders so far
    uint256 private constant RESTRICTED = 0x980; // the last account whose orders are to be looked up
    // The meter at hand: products of Wh and price
    uint256 private constant PURCHASE = 0x9a0;
    uint256 private constant SALE = 0x9c0;
    uint256 private constant SHORTFALL = 0x9e0;
    // Orders so far in a bilateral batch
    uint256 private constant LISTED = 0xa00;
    // A run of plain members: where their agent stands in memory (0: they signed themselves), and the hash of its orders before
    // the one at hand; bytes of a member
    uint256 private constant AGENT = 0xa20;
    uint256 private constant ORDERS_HASH = 0xa40;
    uint256 private constant STRIDE = 0xa60;
    uint256 private constant FRAME_END = 0xa80;

    uint256 private constant HEADER = 33;
    uint256 private constant TERM = 13;
    uint256 private constant WH_PER_KWH = 1_000;
    uint256 private constant MISSING = 0xffffffffffffffff;
    uint256 private constant MISSING_FLAG = 0x8000;
    uint256 private constant FIRST_GENERATION_METER = 0x4000;
    uint256 private constant SETTLED_TRADE = type(uint256).max;
    uint256 private constant READING = 30;
    uint256 private constant UNIFORM_FILL = 12;
    uint256 private constant BILATERAL_FILL = 16;

    // An account's word (AccountWords): highest import price and end day, lowest feed-in price and restriction
    uint256 private constant SUPPLY_FLOOR_MASK = 0xffff00000000ffffffff0000000000000000;
    uint256 private constant SUPPLY_CEILING_MASK = 0xffffffff0000ffffffff000000000000000000000000;
    uint256 private constant SUPPLY_AGREED = 0x1000000000001000000000000000000000000;

    uint256 private constant NO_ORDER = type(uint256).max;
    // Of an order's head: k and terms; and what makes it unusual, too
    uint256 private constant KEPT_MASK = 0x00ffff0000000000000000000000000000000000000000000000000000000000;
    uint256 private constant KEPT_BY_AGENT_MASK =
        0x3fffff0000000000000000000000000000000000000000000000000000000000;
    uint256 private constant USUAL_MASK = 0x7fffff0000000000000000000000000000000000000000000000000000000000;
    uint256 private constant ACCOUNT_MASK =
        0xffffffffffffffffffffffffffffffffffffffff000000000000000000000000;
    // An order's side and k, as a fill has them after a shift by 16
    uint256 private constant SIDE_AND_K = 0x80ff000000000000000000000000000000000000000000000000000000000000;

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
        _reserveFrame();
        uint256 cursor = _readHeader(batch);
        if (registers.length != _get(MEMBERS) * 8) revert BatchMalformed();
        (uint256 judgedAt, uint256 lastAccount) = _open(_get(START), keccak256(batch), next);
        _set(JUDGED_AT, judgedAt);
        _layOutMemory();
        _set(REGISTERS, _begin(registers));
        (cursor, lastAccount) = _settleMembers(cursor, lastAccount);
        if (next != 0) _keepLastAccount(_get(START), address(uint160(lastAccount)));
        cursor = _requireAgentsSigned(cursor);
        (int256 paid, int256 unmatchedWh, uint256 fees) = _totals();
        if (unmatchedWh != 0) revert BuysDifferFromSells(unmatchedWh);
        if (_get(KEPT) != NO_ORDER && judgedAt == _get(START)) revert LateBatchHasOrders(_get(START));
        if (cursor != _begin(batch) + batch.length || _get(FILLS) != _get(FILLS_END)) {
            revert BatchMalformed();
        }
        _requireTradesComplete();
        _requireReadings(proof);
        (int256 retailerDelta, uint256 missing) = _settleRetailer(_get(START), judgedAt, paid, fees);
        if (missing != 0) _reduceCredits(_get(START), _credits(), missing);
        _emitBatchSettled(retailerDelta);
    }

    /// @dev Takes the memory up to the frame's end, which nothing has used yet.
    function _reserveFrame() private pure {
        assembly ("memory-safe") {
            if gt(mload(0x40), ORDER) { invalid() }
            mstore(0x40, FRAME_END)
        }
    }

    /// @dev Reads what stands before the members. FILLS_END is the number of fills for now.
    /// @return cursor Where the members begin.
    function _readHeader(bytes calldata batch) private pure returns (uint256 cursor) {
        if (batch.length < HEADER) revert BatchMalformed();
        cursor = _begin(batch);
        uint256 header = _load(cursor);
        _set(START, header >> 216);
        _set(PRICES, header << 40 >> 96);
        _set(CLEARING, uint32(header >> 184));
        _set(RETAIL_IMPORT, uint32(header >> 152));
        _set(FEED_IN, uint32(header >> 120));
        _set(IMBALANCE, uint32(header >> 88));
        _set(FEE, uint32(header >> 56));
        _set(MEMBERS, uint16(header >> 40));
        _set(FILLS_END, uint16(header >> 24));
        uint256 agents = uint8(_load(cursor + 1));
        unchecked {
            cursor += HEADER;
            _set(TERMS, cursor);
            cursor += uint8(header) * TERM;
            _set(TRADES, _newList(uint16(header >> 8)));
            uint256 list = _newList(2 * agents);
            _set(AGENTS, list);
            for (uint256 i = 0; i < agents; ++i) {
                list += 32;
                _set(list, _load(cursor) >> 96);
                list += 32;
                cursor += 20;
            }
        }
    }

    /// @dev Fills in what is the same for all members, and makes room for lists: what is owed by meter, then the data of
    /// `BatchSettled`, which is prices, retailerDelta, two offsets, readings, fills, as the ABI has them.
    function _layOutMemory() private view {
        uint256 start = _get(START);
        _set(ORDER, uint256(OrderTypes.ORDER_TYPEHASH));
        _set(ORDER_START, start);
        _set(ORDER_SECONDS, intervalSeconds);
        _set(MESSAGE, 0x1901 << 240);
        _set(MESSAGE_DOMAIN, uint256(_domainSeparatorV4()));
        unchecked {
            // The sums below cannot leave their fields in these years; later, nothing agrees at once.
            if (start - 1 < type(uint32).max) {
                _set(SUPPLY_FLOOR, SUPPLY_AGREED - (_get(RETAIL_IMPORT) << 64 | start / 1 days + 1 << 128));
                _set(SUPPLY_CEILING, SUPPLY_AGREED << 32 | _get(FEED_IN) << 96 | start - 1 << 144);
            }
            uint256 members = _get(MEMBERS);
            uint256 fills = _get(FILLS_END) * (_isUniform() ? UNIFORM_FILL : BILATERAL_FILL);
            uint256 data = _newList(members);
            _set(OWED, data + 32);
            data = _newList((192 + _padded(members * READING) + fills) / 32 + 2) + 32;
            _set(EVENT, data);
            _set(READINGS, data + 160);
            data += 192 + _padded(members * READING);
            _set(FILLS, data);
            _set(FILLS_BEGIN, data);
            _set(FILLS_END, data + fills);
            _set(KEPT, NO_ORDER);
            if (_get(FILLS_END) != data) _keepTerms(0); // most orders have these
        }
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

    /// @dev Settles members as long as there is nothing particular about them: at a uniform price, an account with one
    /// meter, not numbered, which has a reading; nothing to be looked up; one order, executed whole, with terms, k and
    /// authority of the order before, which are the owner's signature or an agent who has traded for it on that day; all
    /// sold is delivered, all owed can be paid. `_settleAccount` does the same for any account; where something is wrong,
    /// it says what.
    function _settlePlain(uint256 cursor, uint256 account, uint256 i)
        private
        returns (uint256, uint256, uint256)
    {
        // The account stands in the highest bits here, and is its slot.
        assembly ("memory-safe") {
            // The account's word with the order's energy as used by the agent; particular, unless the mandate plainly allows
            // the order. `_useMandate` says what is wrong. (With `leave` in it, it is not copied into the loop.)
            function trade(word) -> particular, used {
                mstore(0x00, mload(ORDER_OWNER))
                mstore(0x20, _mandates.slot)
                mstore(0x20, keccak256(0x00, 0x40))
                mstore(0x00, mload(mload(AGENT)))
                let mandate := sload(keccak256(0x00, 0x40))
                particular := or(
                    or(
                        gt(and(shr(192, mandate), 0xffffffff), mload(JUDGED_AT)),
                        iszero(gt(shr(224, mandate), mload(JUDGED_AT)))
                    ),
                    gt(mload(START), and(shr(160, mandate), 0xffffffff))
                )
                particular := or(
                    particular,
                    or(
                        gt(mload(ORDER_FEE_CAP), and(shr(64, mandate), 0xffffffff)),
                        gt(mload(ORDER_IMBALANCE_CAP), and(shr(96, mandate), 0xffffffff))
                    )
                )
                switch mload(ORDER_SIDE)
                case 0 { particular := or(particular, gt(mload(ORDER_LIMIT), and(mandate, 0xffffffff))) }
                default {
                    particular := or(particular, lt(mload(ORDER_LIMIT), and(shr(32, mandate), 0xffffffff)))
                }
                // AccountWords: the day of use, and Wh used on it
                particular := or(
                    particular,
                    or(
                        xor(and(shr(176, word), 0xffff), div(mload(START), 86400)),
                        gt(
                            add(and(shr(192, word), 0xffffffff), mload(ORDER_ENERGY)),
                            and(shr(128, mandate), 0xffffffff)
                        )
                    )
                )
                used := add(word, shl(192, mload(ORDER_ENERGY)))
                let place := add(mload(AGENT), 32)
                mstore(ORDERS_HASH, mload(place))
                if particular { leave }
                mstore(0x00, mload(place))
                mstore(0x20, mload(MESSAGE_HASH))
                mstore(place, keccak256(0x00, 0x40))
            }
            account := shl(96, account)
            {
                let authority := and(shr(248, mload(KEPT)), 0x3f)
                mstore(AGENT, 0)
                mstore(STRIDE, 96)
                if authority {
                    mstore(AGENT, add(mload(AGENTS), sub(shl(6, authority), 96)))
                    mstore(STRIDE, 32)
                }
            }
            let fills := mload(FILLS)
            let readings := mload(READINGS)
            let totals := mload(TOTALS)
            for {} lt(i, mload(MEMBERS)) {} {
                let slot := calldataload(cursor)
                let order := calldataload(add(cursor, 21))
                let particular := or(xor(shr(248, slot), 1), and(xor(order, mload(KEPT)), USUAL_MASK))
                slot := and(shl(8, slot), ACCOUNT_MASK)
                particular := or(particular, iszero(gt(slot, account)))
                let registered := shr(192, calldataload(add(mload(REGISTERS), shl(3, i))))
                particular := or(particular, eq(registered, MISSING))
                let word := sload(slot)
                {
                    let floors := add(and(word, SUPPLY_FLOOR_MASK), mload(SUPPLY_FLOOR))
                    let ceilings := sub(mload(SUPPLY_CEILING), and(word, SUPPLY_CEILING_MASK))
                    let agreed := and(and(floors, shr(32, ceilings)), SUPPLY_AGREED)
                    particular := or(particular, xor(agreed, SUPPLY_AGREED))
                }
                if particular { break }

                // What is written here counts only when the pointers move.
                mstore(readings, or(slot, shl(16, registered)))
                mstore(ORDER_OWNER, shr(96, slot))
                mstore(ORDER_METER, slot)
                mstore(ORDER_SIDE, shr(255, order))
                mstore(ORDER_ENERGY, and(shr(200, order), 0xffffffff))
                mstore(ORDER_LIMIT, and(shr(168, order), 0xffffffff))
                mstore(
                    fills,
                    or(
                        or(shl(240, i), shr(16, and(order, SIDE_AND_K))),
                        or(shl(192, mload(ORDER_ENERGY)), shl(160, mload(ORDER_IMBALANCE_CAP)))
                    )
                )
                mstore(MESSAGE_HASH, keccak256(ORDER, ORDER_SIZE))
                switch mload(AGENT)
                case 0 {
                    let vs := calldataload(add(cursor, 64))
                    mstore(DIGEST, keccak256(MESSAGE, MESSAGE_SIZE))
                    mstore(SIGNATURE_V, add(27, shr(255, vs)))
                    mstore(SIGNATURE_R, calldataload(add(cursor, 32)))
                    mstore(SIGNATURE_S, shr(1, shl(1, vs)))
                    // When it fails, the digest stays, which is nobody.
                    pop(staticcall(gas(), 1, DIGEST, RECOVER_SIZE, DIGEST, 32))
                    particular := xor(mload(DIGEST), mload(ORDER_OWNER))
                }
                default { particular, word := trade(word) }
                let owed := div(add(mul(mload(ORDER_ENERGY), mload(FEE)), 999), 1000)
                let sums := owed // the fee
                let fedIn := and(registered, 0xffffffff)
                registered := shr(32, registered)
                switch mload(ORDER_SIDE)
                case 0 {
                    let energy := mload(ORDER_ENERGY)
                    particular := or(particular, gt(mload(CLEARING), mload(ORDER_LIMIT)))
                    sums := add(sums, shl(80, energy))
                    owed := add(owed, div(add(mul(energy, mload(CLEARING)), 999), 1000))
                    switch gt(registered, energy)
                    case 0 { fedIn := add(fedIn, sub(energy, registered)) }
                    default {
                        owed := add(
                            owed,
                            div(add(mul(sub(registered, energy), mload(RETAIL_IMPORT)), 999), 1000)
                        )
                    }
                }
                default {
                    let energy := mload(ORDER_ENERGY)
                    particular := or(particular, lt(mload(CLEARING), mload(ORDER_LIMIT)))
                    particular := or(particular, gt(energy, fedIn))
                    sums := sub(sums, shl(80, energy))
                    owed := sub(owed, div(mul(energy, mload(CLEARING)), 1000))
                    fedIn := sub(fedIn, energy)
                    if registered {
                        owed := add(owed, div(add(mul(registered, mload(RETAIL_IMPORT)), 999), 1000))
                    }
                }
                if fedIn { owed := sub(owed, div(mul(fedIn, mload(FEED_IN)), 1000)) }
                if or(particular, shr(64, sub(and(word, 0xffffffffffffffff), owed))) {
                    if mload(AGENT) { mstore(add(mload(AGENT), 32), mload(ORDERS_HASH)) }
                    break
                }

                sstore(slot, sub(word, owed))
                account := slot
                totals := add(add(totals, sums), shl(160, owed))
                readings := add(readings, READING)
                fills := add(fills, UNIFORM_FILL)
                mstore(add(mload(OWED), shl(5, i)), owed)
                i := add(i, 1)
                cursor := add(cursor, mload(STRIDE))
            }
            mstore(FILLS, fills)
            mstore(READINGS, readings)
            mstore(TOTALS, totals)
            account := shr(96, account)
        }
        return (cursor, account, i);
    }

    /// @dev Whether the member at the cursor, and its order, may be of the kind that `_settlePlain` settles.
    function _looksPlain(uint256 cursor) private view returns (bool) {
        unchecked {
            (uint256 head, uint256 order) = (_load(cursor), _load(cursor + 21));
            if (head >> 248 != 1 || (order ^ _get(KEPT)) & USUAL_MASK != 0 || !_isUniform()) return false;
            if (order >> 248 & 0x3f == 0) return true;
            return _wordOf(address(uint160(head << 8 >> 96))).dayOfUse() == _get(START) / 1 days;
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
                    uint256 side = _load(cursor) >> 255;
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
            uint256 balance = uint64(word);
            if (balance - owed >> 64 == 0) {
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
            _set(_get(OWED) + (i - 1 << 5), owed);
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
                mstore(ORDER_SIDE, shr(255, order))
                mstore(ORDER_ENERGY, and(shr(200, order), 0xffffffff))
                mstore(ORDER_LIMIT, and(shr(168, order), 0xffffffff))
                mstore(MESSAGE_HASH, keccak256(ORDER, ORDER_SIZE))
            }
            if (_isUniform()) {
                filledWh = _get(ORDER_ENERGY);
                if (order >> 254 & 1 != 0) {
                    filledWh = uint32(order >> 136);
                    cursor += 4;
                }
                _execute(order, i, filledWh, _get(CLEARING), exportWh, soldWh + filledWh);
                _set(FILLS, _get(FILLS) + UNIFORM_FILL);
            } else {
                uint256 left = _load(cursor) >> 248;
                ++cursor;
                for (; left != 0; --left) {
                    uint256 trade = _load(cursor);
                    cursor += 10;
                    uint256 energyWh = uint32(trade >> 208);
                    filledWh += energyWh;
                    _matchTrade(order >> 255, trade);
                    _execute(order, i, energyWh, uint32(trade >> 176), exportWh, soldWh + filledWh);
                    _set(FILLS, _get(FILLS) + BILATERAL_FILL);
                }
                _set(LISTED, _get(LISTED) + 1);
            }
            if (filledWh > _get(ORDER_ENERGY)) {
                revert OrderOverfilled(_lastIndex(), filledWh, _get(ORDER_ENERGY));
            }
            uint256 authority = order >> 248 & 0x3f;
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
            _set(KEPT, order & (order >> 254 & 1 == 0 && authority != 1 ? KEPT_BY_AGENT_MASK : KEPT_MASK));
        }
        return (cursor, filledWh);
    }

    /// @dev Adds `energyWh` at `price` to the meter, and to the event.
    /// @param soldWh Sold so far, if the order sells, with this.
    function _execute(
        uint256 order,
        uint256 i,
        uint256 energyWh,
        uint256 price,
        uint256 exportWh,
        uint256 soldWh
    ) private pure {
        unchecked {
            uint256 limit = _get(ORDER_LIMIT);
            if (order >> 255 == OrderTypes.BUY) {
                // filled <= energy and price <= limit, so the purchase <= energy x limit.
                if (price > limit) revert OrderLimitViolated(_index(), limit, price);
                _set(PURCHASE, _get(PURCHASE) + energyWh * price);
            } else {
                if (price < limit) revert OrderLimitViolated(_index(), limit, price);
                uint256 deliveredWh = energyWh;
                if (soldWh > exportWh) {
                    // sale = delivered x price >= delivered x limit; shortfall <= short x cap.
                    uint256 shortWh = soldWh - exportWh;
                    if (shortWh > energyWh) shortWh = energyWh;
                    deliveredWh -= shortWh;
                    uint256 imbalance = _get(IMBALANCE);
                    uint256 premium = imbalance > price ? imbalance - price : 0;
                    if (premium > _get(ORDER_IMBALANCE_CAP)) premium = _get(ORDER_IMBALANCE_CAP);
                    _set(SHORTFALL, _get(SHORTFALL) + shortWh * premium);
                }
                _set(SALE, _get(SALE) + deliveredWh * price);
            }
            uint256 entry =
                i << 240 | (order & SIDE_AND_K) >> 16 | energyWh << 192 | _get(ORDER_IMBALANCE_CAP) << 160;
            _set(_get(FILLS), _isUniform() ? entry : entry | price << 128);
        }
    }

    /// @dev Loads the account's word.
    /// @return agreed Whether the word says that the owner agreed to the batch's prices, and that nothing restricts it:
    /// all of highest import price >= the batch's, end day > the batch's, lowest feed-in price <= the batch's,
    /// restriction < start of the interval. Each of the four differences has a bit above its field that tells.
    function _agreed(uint256 account) private view returns (bool agreed) {
        assembly ("memory-safe") {
            let word := sload(shl(96, account))
            mstore(WORD, word)
            mstore(ORDER_OWNER, account)
            let floors := add(and(word, SUPPLY_FLOOR_MASK), mload(SUPPLY_FLOOR))
            let ceilings := sub(mload(SUPPLY_CEILING), and(word, SUPPLY_CEILING_MASK))
            agreed := eq(and(and(floors, shr(32, ceilings)), SUPPLY_AGREED), SUPPLY_AGREED)
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
        uint256 k = order >> 240 & 0xff;
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
            uint256 terms = _load(_get(TERMS) + (order >> 232 & 0xff) * TERM);
            (feeCap, expiry) = (terms >> 224, uint40(terms >> 152));
            if (feeCap < _get(FEE) || expiry < _get(JUDGED_AT)) return (feeCap, expiry);
            _set(ORDER_FEE_CAP, feeCap);
            _set(ORDER_IMBALANCE_CAP, uint32(terms >> 192));
            _set(ORDER_EXPIRY, expiry);
            _set(ORDER_NONCE, _get(START) << 8 | (order >> 240 & 0xff));
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

    /// @dev The first side of a trade is kept, as side 1, Wh 32, price 32, account 160; the second one must be the other
    /// side, and say the same. `trade`, from the highest bit: number 16, Wh 32, price 32.
    function _matchTrade(uint256 side, uint256 trade) private {
        unchecked {
            uint256 place = _get(TRADES);
            if (trade >> 240 >= _get(place)) revert TradeMismatch(_get(LISTED), trade >> 240);
            place += 32 + (trade >> 240 << 5);
            uint256 known = _get(place);
            uint256 terms = trade << 16 >> 192;
            if (known == 0) {
                _set(place, side << 224 | terms << 160 | _get(ORDER_OWNER));
                return;
            }
            if (known == SETTLED_TRADE || known >> 224 == side || uint64(known >> 160) != terms) {
                revert TradeMismatch(_get(LISTED), trade >> 240);
            }
            _set(place, SETTLED_TRADE);
            (address one, address other) = (_owner(), address(uint160(known)));
            (address buyer, address seller) = side == OrderTypes.BUY ? (one, other) : (other, one);
            emit TradeSettled(buyer, seller, _get(START) << 64 | terms);
        }
    }

    /// @dev A meter without a reading is taken to have imported what its owner agreed to, and at least what it bought.
    function _missingImport(uint256 account, uint256 boughtWh) private returns (uint256 importWh) {
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

    function _requireTradesComplete() private pure {
        unchecked {
            uint256 trade = _get(TRADES) + 32;
            for (uint256 end = trade + 32 * _get(trade - 32); trade != end; trade += 32) {
                if (_get(trade) != SETTLED_TRADE) revert TradeIncomplete();
            }
        }
    }

    function _requireReadings(bytes calldata proof) private view {
        bytes memory readings;
        uint256 length = _get(MEMBERS) * READING;
        assembly ("memory-safe") {
            readings := add(mload(EVENT), 128)
            mstore(readings, length)
        }
        oracle.requireReadings(uint64(_get(START)), uint32(intervalSeconds), readings, proof);
    }

    /// @dev What accounts were credited: account ‖ 96-bit micro-units.
    function _credits() private pure returns (uint256[] memory credits) {
        unchecked {
            uint256 members = _get(MEMBERS);
            (uint256 owed, uint256 readings) = (_get(OWED), _get(EVENT) + 160);
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
        unchecked {
            uint256 data = _get(EVENT);
            uint256 readingsSize = _padded(_get(MEMBERS) * READING);
            uint256 fills = _get(FILLS_BEGIN);
            uint256 fillsLength = _get(FILLS_END) - fills;
            _set(data, _get(PRICES));
            _set(data + 32, uint256(retailerDelta));
            _set(data + 64, 128);
            _set(data + 96, 160 + readingsSize);
            _set(fills - 32, fillsLength);
            uint256 size = fills + _padded(fillsLength) - data;
            (uint256 start, bytes32 topic) = (_get(START), BatchSettled.selector);
            assembly ("memory-safe") {
                log2(data, size, topic, start)
            }
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
        if (!_isUniform()) return _get(LISTED);
        return (_get(FILLS) - _get(FILLS_BEGIN)) / UNIFORM_FILL;
    }

    /// @dev ... and after.
    function _lastIndex() private pure returns (uint256) {
        return _index() - 1;
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

    function _padded(uint256 size) private pure returns (uint256) {
        unchecked {
            return (size + 31) / 32 * 32;
        }
    }

    /// @dev A list of zeros.
    function _newList(uint256 length) private pure returns (uint256 pointer) {
        uint256[] memory list = new uint256[](length);
        assembly ("memory-safe") {
            pointer := list
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
