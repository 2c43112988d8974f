// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice All that an ordinary settlement needs to know of an account, in one slot. From the lowest bit:
/// balance 60, highest import price 32, 0, lowest feed-in price 32 (as its complement), 0, first UTC day without supply 16, 0,
/// restricted until 32 (as its complement, 0: never was), 0, day of use 16, Wh used on that day 32, Wh used on the day before 32.
/// @dev A field in which more is more permissive, and a free bit above it: one addition to the word compares all four with
/// a batch's prices and start (`AccountWords.agreement`). A word of zeros permits nothing.
type AccountWord is uint256;

/// @notice A mandate's terms in one slot. From the lowest bit: highest buy price 32, lowest sell price 32,
/// fee cap 32, imbalance cap 32, Wh a day 32, last interval 32, judges since 32, ends at 32.
type MandateWord is uint256;

/// @notice A supply agreement's terms in one slot. From the lowest bit, 32 each: highest import price, lowest feed-in
/// price, fallback import W, first interval, end day, judges since, ends at, next nonce.
type SupplyWord is uint256;

using AccountWords for AccountWord global;
using MandateWords for MandateWord global;
using SupplyWords for SupplyWord global;

/// @title Fields of an account's word
/// @dev Prices in micro-units per kWh; instants in Unix seconds; days since 1970-01-01.
library AccountWords {
    uint256 internal constant BALANCE_MAX = type(uint64).max >> 4;
    /// @dev The free bits.
    uint256 internal constant CARRIES = 1 << 92 | 1 << 125 | 1 << 142 | 1 << 175;

    uint256 private constant PRICE_MAX = type(uint32).max;
    uint256 private constant SUPPLY_MASK = (uint256(1) << 142) - (uint256(1) << 60);
    uint256 private constant RESTRICTION_MASK = uint256(type(uint32).max) << 143;
    uint256 private constant USE_MASK = uint256(type(uint80).max) << 176;

    /// @notice Micro-units that the account can spend.
    function balance(AccountWord word) internal pure returns (uint256) {
        return AccountWord.unwrap(word) & BALANCE_MAX;
    }

    /// @dev `balance_` is at most BALANCE_MAX.
    function withBalance(AccountWord word, uint256 balance_) internal pure returns (AccountWord) {
        return AccountWord.wrap(AccountWord.unwrap(word) & ~BALANCE_MAX | balance_);
    }

    function maxImportPrice(AccountWord word) internal pure returns (uint256) {
        return uint32(AccountWord.unwrap(word) >> 60);
    }

    function minFeedInPrice(AccountWord word) internal pure returns (uint256) {
        return PRICE_MAX - uint32(AccountWord.unwrap(word) >> 93);
    }

    /// @notice The supply agreement covers intervals that start on days before this one; 0: there is none.
    function supplyEndDay(AccountWord word) internal pure returns (uint256) {
        return uint16(AccountWord.unwrap(word) >> 126);
    }

    /// @notice For intervals that start at or before this instant, cancellations and the supply agreement's
    /// history are to be looked up.
    function restrictedUntil(AccountWord word) internal pure returns (uint256) {
        uint256 field = uint32(AccountWord.unwrap(word) >> 143);
        return field == 0 ? 0 : type(uint32).max - field;
    }

    /// @notice What, added to an account's word, carries into all of CARRIES when the account's agreement allows the prices
    /// for an interval, and nothing restricts it; 0, which never does, for what no longer fits the fields.
    function agreement(uint256 retailImport, uint256 feedIn, uint256 intervalStart)
        internal
        pure
        returns (uint256)
    {
        if (intervalStart > type(uint32).max) return 0;
        unchecked {
            // highest import price >= retailImport; complement of the lowest feed-in price >= that of feedIn; first day
            // without supply > day; complement of the restriction >= that of intervalStart - 1
            uint256 day = intervalStart / 1 days; // below 2^16
            return (PRICE_MAX + 1 - retailImport) << 60 | (feedIn + 1) << 93 | (type(uint16).max - day) << 126
                | intervalStart << 143;
        }
    }

    /// @notice Whether the word's agreement allows what `agreement` was made of, and nothing restricts it.
    function carries(AccountWord word, uint256 agreement_) internal pure returns (bool) {
        unchecked {
            return ~(AccountWord.unwrap(word) + agreement_) & CARRIES == 0; // each sum stays in its field
        }
    }

    /// @notice The word with the prices and end of `supply`.
    function withSupply(AccountWord word, SupplyWord supply) internal pure returns (AccountWord) {
        uint256 rest = AccountWord.unwrap(word) & ~SUPPLY_MASK;
        uint256 feedIn = PRICE_MAX - supply.minFeedInPrice();
        return AccountWord.wrap(rest | supply.maxImportPrice() << 60 | feedIn << 93 | supply.endDay() << 126);
    }

    function restricted(AccountWord word, uint256 until) internal pure returns (AccountWord) {
        if (until <= restrictedUntil(word)) return word;
        // No interval starts in the last second that the field can name.
        if (until >= type(uint32).max) until = type(uint32).max - 1;
        uint256 rest = AccountWord.unwrap(word) & ~RESTRICTION_MASK;
        return AccountWord.wrap(rest | (type(uint32).max - until) << 143);
    }

    /// @notice The last UTC day with intervals for which agents traded for the account, as far as they are settled.
    function dayOfUse(AccountWord word) internal pure returns (uint256) {
        return uint16(AccountWord.unwrap(word) >> 176);
    }

    /// @notice Wh that agents traded for the account in intervals that start on `day`.
    /// @dev Two days are kept. No interval of an older day can still be settled: the settlement term is a day.
    function usedWh(AccountWord word, uint256 day) internal pure returns (uint256) {
        uint256 latest = dayOfUse(word);
        if (day == latest) return uint32(AccountWord.unwrap(word) >> 192);
        if (day + 1 == latest) return AccountWord.unwrap(word) >> 224;
        return 0;
    }

    /// @notice The word with `energyWh` (32 bits) as the use of `day`.
    function withUsedWh(AccountWord word, uint256 day, uint256 energyWh) internal pure returns (AccountWord) {
        uint256 raw = AccountWord.unwrap(word);
        uint256 latest = dayOfUse(word);
        if (day + 1 == latest) return AccountWord.wrap(raw << 32 >> 32 | energyWh << 224);
        uint256 before = day == latest ? raw >> 224 : day == latest + 1 ? uint32(raw >> 192) : 0;
        return AccountWord.wrap(raw & ~USE_MASK | day << 176 | energyWh << 192 | before << 224);
    }
}

/// @title Fields of a mandate's word
library MandateWords {
    function maxBuyPrice(MandateWord word) internal pure returns (uint256) {
        return uint32(MandateWord.unwrap(word));
    }

    function minSellPrice(MandateWord word) internal pure returns (uint256) {
        return uint32(MandateWord.unwrap(word) >> 32);
    }

    function feeCap(MandateWord word) internal pure returns (uint256) {
        return uint32(MandateWord.unwrap(word) >> 64);
    }

    function imbalanceCap(MandateWord word) internal pure returns (uint256) {
        return uint32(MandateWord.unwrap(word) >> 96);
    }

    function maxWhPerDay(MandateWord word) internal pure returns (uint256) {
        return uint32(MandateWord.unwrap(word) >> 128);
    }

    /// @notice Start of the last interval that the mandate covers.
    function validUntil(MandateWord word) internal pure returns (uint256) {
        return uint32(MandateWord.unwrap(word) >> 160);
    }

    /// @notice The terms judge batches committed from this instant on.
    function since(MandateWord word) internal pure returns (uint256) {
        return uint32(MandateWord.unwrap(word) >> 192);
    }

    /// @notice ... and before this one. 0: there never was a mandate.
    function endsAt(MandateWord word) internal pure returns (uint256) {
        return MandateWord.unwrap(word) >> 224;
    }

    function ended(MandateWord word, uint256 instant) internal pure returns (MandateWord) {
        if (instant >= endsAt(word)) return word;
        return MandateWord.wrap(MandateWord.unwrap(word) << 32 >> 32 | instant << 224);
    }

    /// @dev The caller has checked that each value fits its field. The mandate ends never.
    function pack(
        uint256 maxBuy,
        uint256 minSell,
        uint256 fee,
        uint256 imbalance,
        uint256 whPerDay,
        uint256 until,
        uint256 since_
    ) internal pure returns (MandateWord) {
        return MandateWord.wrap(
            maxBuy | minSell << 32 | fee << 64 | imbalance << 96 | whPerDay << 128 | until << 160 | since_
                << 192 | uint256(type(uint32).max) << 224
        );
    }
}

/// @title Fields of a supply agreement's word
library SupplyWords {
    function maxImportPrice(SupplyWord word) internal pure returns (uint256) {
        return uint32(SupplyWord.unwrap(word));
    }

    function minFeedInPrice(SupplyWord word) internal pure returns (uint256) {
        return uint32(SupplyWord.unwrap(word) >> 32);
    }

    function fallbackImportW(SupplyWord word) internal pure returns (uint256) {
        return uint32(SupplyWord.unwrap(word) >> 64);
    }

    /// @notice Start of the first interval that the agreement covers.
    function validFrom(SupplyWord word) internal pure returns (uint256) {
        return uint32(SupplyWord.unwrap(word) >> 96);
    }

    /// @notice The agreement covers intervals that start on UTC days before this one.
    function endDay(SupplyWord word) internal pure returns (uint256) {
        return uint32(SupplyWord.unwrap(word) >> 128);
    }

    /// @notice The terms judge batches committed from this instant on.
    function since(SupplyWord word) internal pure returns (uint256) {
        return uint32(SupplyWord.unwrap(word) >> 160);
    }

    /// @notice ... and before this one. 0: there never was an agreement.
    function endsAt(SupplyWord word) internal pure returns (uint256) {
        return uint32(SupplyWord.unwrap(word) >> 192);
    }

    function nextNonce(SupplyWord word) internal pure returns (uint256) {
        return SupplyWord.unwrap(word) >> 224;
    }

    function ended(SupplyWord word, uint256 instant) internal pure returns (SupplyWord) {
        if (instant >= endsAt(word)) return word;
        uint256 rest = SupplyWord.unwrap(word) & ~(uint256(type(uint32).max) << 192);
        return SupplyWord.wrap(rest | instant << 192);
    }

    /// @dev The caller has checked that each value fits its field. The agreement ends never.
    function pack(
        uint256 maxImport,
        uint256 minFeedIn,
        uint256 fallbackW,
        uint256 from,
        uint256 endDay_,
        uint256 since_,
        uint256 nextNonce_
    ) internal pure returns (SupplyWord) {
        return SupplyWord.wrap(
            maxImport | minFeedIn << 32 | fallbackW << 64 | from << 96 | endDay_ << 128 | since_ << 160
                | uint256(type(uint32).max) << 192 | nextNonce_ << 224
        );
    }
}
