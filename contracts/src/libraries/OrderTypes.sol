// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A limit order for one delivery interval. Energy in Wh, prices in micro-units per kWh.
struct Order {
    address owner;
    bytes32 meterId; // MeterIds: the owner's account and the meter's number
    uint8 side; // OrderTypes.BUY or OrderTypes.SELL
    uint64 intervalStart;
    uint32 intervalSeconds;
    uint64 energyWh;
    uint64 limitPrice;
    uint64 feeCap;
    uint64 imbalanceCap; // most that a seller pays per kWh not delivered
    uint64 nonce; // intervalStart * 256 + k, k from 0 to 255
    uint64 expiry; // last instant at which the order may be committed
}

/// @notice What an owner lets an agent sign. `validUntil` is the start of the last interval.
struct Mandate {
    address owner;
    address agent;
    uint64 maxBuyPrice;
    uint64 minSellPrice;
    uint64 feeCap; // highest that an order under the mandate may have
    uint64 imbalanceCap; // likewise
    uint64 maxWhPerDay; // executed, by the UTC day in which intervals start
    uint64 validUntil;
    uint64 nonce;
}

/// @notice What an owner accepts of the retailer for the residual import and feed-in of its meters.
struct SupplyAgreement {
    address owner;
    uint64 maxImportPrice;
    uint64 minFeedInPrice;
    uint64 fallbackImportW; // mean power that a meter without a reading is taken to have drawn
    uint64 validFrom; // start of the first interval
    uint64 validUntil; // start of the last interval; the contract rounds it down to whole UTC days
    uint64 nonce;
}

/// @title EIP-712 struct hashes of what owners and agents sign
/// @dev Every member is a static type, so `abi.encode` of the struct is its EIP-712 encoding.
library OrderTypes {
    uint8 internal constant BUY = 0;
    uint8 internal constant SELL = 1;

    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address owner,bytes32 meterId,uint8 side,uint64 intervalStart,uint32 intervalSeconds,uint64 energyWh,uint64 limitPrice,uint64 feeCap,uint64 imbalanceCap,uint64 nonce,uint64 expiry)"
    );
    bytes32 internal constant AGENT_ORDERS_TYPEHASH =
        keccak256("AgentOrders(uint64 intervalStart,bytes32 ordersHash)");
    bytes32 internal constant MANDATE_TYPEHASH = keccak256(
        "Mandate(address owner,address agent,uint64 maxBuyPrice,uint64 minSellPrice,uint64 feeCap,uint64 imbalanceCap,uint64 maxWhPerDay,uint64 validUntil,uint64 nonce)"
    );
    bytes32 internal constant SUPPLY_AGREEMENT_TYPEHASH = keccak256(
        "SupplyAgreement(address owner,uint64 maxImportPrice,uint64 minFeedInPrice,uint64 fallbackImportW,uint64 validFrom,uint64 validUntil,uint64 nonce)"
    );

    /// @dev keccak256(abi.encode(ORDER_TYPEHASH, order)) where the order is: with the type's hash in the word before it.
    function hash(Order memory order) internal pure returns (bytes32 structHash) {
        bytes32 typehash = ORDER_TYPEHASH;
        assembly ("memory-safe") {
            let before := sub(order, 32)
            let kept := mload(before)
            mstore(before, typehash)
            structHash := keccak256(before, 384)
            mstore(before, kept)
        }
    }

    function hash(Mandate calldata mandate) internal pure returns (bytes32) {
        return keccak256(abi.encode(MANDATE_TYPEHASH, mandate));
    }

    function hash(SupplyAgreement calldata agreement) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUPPLY_AGREEMENT_TYPEHASH, agreement));
    }

    /// @notice What an agent signs once for all its orders in a batch.
    /// @param ordersHash h(n) with h(0) = 0, h(i) = keccak256(h(i - 1) ‖ struct hash of order i), in batch order.
    function hashAgentOrders(uint256 intervalStart, bytes32 ordersHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(AGENT_ORDERS_TYPEHASH, intervalStart, ordersHash));
    }

    /// @notice The interval that a nonce belongs to.
    function intervalOf(uint64 nonce) internal pure returns (uint64) {
        return nonce >> 8;
    }
}
