// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Prices} from "../libraries/Settlement.sol";

/// @notice A grid meter of a batch. From the lowest bit: account 160, number 16, how many orders are its own 16.
type MemberWord is uint256;

/// @notice An order as a batch holds it: what is signed, less what the batch says already. From the lowest bit: side 8, k of the
/// nonce 8, authority 8 (0: the owner's signature; 1: recorded; 2 + i: agent i of the batch), how many executions are its
/// own 8, Wh 32, limit 32, fee cap 32, imbalance cap 32, expiry 40.
type OrderWord is uint256;

/// @notice A part of an order that was executed. From the lowest bit: price 32 and trade 16, which count in bilateral batches,
/// with Wh 32 between them.
type ExecutionWord is uint256;

/// @notice A meter's reading. From the lowest bit: export Wh 32, import Wh 32, whether there is none 1.
type RegistersWord is uint256;

/// @notice An execution, as it stands in `BatchSettled` with its price below. From the lowest bit: price 32, Wh 32, k of the
/// nonce 8, side 8 (0x80: sold), position of its meter 16.
type FillWord is uint256;

/// @notice An order, and its owner's signature where its authority asks for it.
struct BatchOrder {
    OrderWord word;
    bytes32 r;
    bytes32 vs;
}

/// @notice An agent and its signature over `AgentOrders`.
struct BatchAgent {
    address agent;
    bytes32 r;
    bytes32 vs;
}

/// @notice A batch, or a part of one. `trades` is 0 when all energy has the clearing price. The orders of all members stand in
/// one list, in the order of their members, and so do the executions of all orders: nested lists would cost more.
struct Batch {
    uint40 intervalStart;
    Prices prices;
    uint16 trades;
    MemberWord[] members;
    BatchOrder[] orders;
    ExecutionWord[] executions;
    BatchAgent[] agents;
}

using BatchWords for MemberWord global;
using BatchWords for OrderWord global;
using BatchWords for ExecutionWord global;
using BatchWords for RegistersWord global;
using BatchWords for FillWord global;

/// @title Fields of the words in a batch of `EnergyExchangeReference`
library BatchWords {
    function account(MemberWord word) internal pure returns (address) {
        return address(uint160(MemberWord.unwrap(word)));
    }

    function number(MemberWord word) internal pure returns (uint16) {
        return uint16(MemberWord.unwrap(word) >> 160);
    }

    function orders(MemberWord word) internal pure returns (uint256) {
        return uint16(MemberWord.unwrap(word) >> 176);
    }

    function side(OrderWord word) internal pure returns (uint8) {
        return uint8(OrderWord.unwrap(word));
    }

    function k(OrderWord word) internal pure returns (uint8) {
        return uint8(OrderWord.unwrap(word) >> 8);
    }

    function authority(OrderWord word) internal pure returns (uint256) {
        return uint8(OrderWord.unwrap(word) >> 16);
    }

    function executions(OrderWord word) internal pure returns (uint256) {
        return uint8(OrderWord.unwrap(word) >> 24);
    }

    function energyWh(OrderWord word) internal pure returns (uint32) {
        return uint32(OrderWord.unwrap(word) >> 32);
    }

    function limitPrice(OrderWord word) internal pure returns (uint32) {
        return uint32(OrderWord.unwrap(word) >> 64);
    }

    function feeCap(OrderWord word) internal pure returns (uint32) {
        return uint32(OrderWord.unwrap(word) >> 96);
    }

    function imbalanceCap(OrderWord word) internal pure returns (uint32) {
        return uint32(OrderWord.unwrap(word) >> 128);
    }

    function expiry(OrderWord word) internal pure returns (uint40) {
        return uint40(OrderWord.unwrap(word) >> 160);
    }

    function price(ExecutionWord word) internal pure returns (uint256) {
        return uint32(ExecutionWord.unwrap(word));
    }

    function energyWh(ExecutionWord word) internal pure returns (uint256) {
        return uint32(ExecutionWord.unwrap(word) >> 32);
    }

    function trade(ExecutionWord word) internal pure returns (uint256) {
        return uint16(ExecutionWord.unwrap(word) >> 64);
    }

    function exportWh(RegistersWord word) internal pure returns (uint256) {
        return uint32(RegistersWord.unwrap(word));
    }

    function importWh(RegistersWord word) internal pure returns (uint256) {
        return uint32(RegistersWord.unwrap(word) >> 32);
    }

    function missing(RegistersWord word) internal pure returns (bool) {
        return RegistersWord.unwrap(word) >> 64 != 0;
    }

    function pack(uint256 meter, OrderWord order, uint256 energyWh_, uint256 price_)
        internal
        pure
        returns (FillWord)
    {
        return FillWord.wrap(
            meter << 80 | uint256(order.side()) << 79 | uint256(order.k()) << 64 | energyWh_ << 32 | price_
        );
    }

    /// @notice Wh and price.
    function terms(FillWord word) internal pure returns (uint256) {
        return uint64(FillWord.unwrap(word));
    }

    function k(FillWord word) internal pure returns (uint256) {
        return uint8(FillWord.unwrap(word) >> 64);
    }

    function sells(FillWord word) internal pure returns (bool) {
        return FillWord.unwrap(word) >> 79 & 1 != 0;
    }

    function position(FillWord word) internal pure returns (uint256) {
        return uint16(FillWord.unwrap(word) >> 80);
    }
}
