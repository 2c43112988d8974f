// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A limit order for one delivery interval. Energy in Wh, prices in micro-units per kWh.
struct Order {
    address owner;
    bytes32 meterId;
    uint8 side; // OrderTypes.BUY or OrderTypes.SELL
    uint64 intervalStart;
    uint32 intervalSeconds;
    uint64 energyWh;
    uint64 limitPrice;
    uint64 feeCap;
    uint64 imbalanceCap; // most that a seller pays per kWh not delivered
    uint64 nonce;
    uint64 expiry; // last instant at which the order may be committed
}

/// @notice What an owner lets an agent sign: price limits, executed Wh per UTC day, last interval start.
struct Mandate {
    address owner;
    address agent;
    uint64 maxBuyPrice;
    uint64 minSellPrice;
    uint64 maxWhPerDay;
    uint64 validUntil;
    uint64 nonce;
}

/// @notice What an owner accepts of the retailer for one meter's residual import and feed-in.
struct SupplyAgreement {
    address owner;
    bytes32 meterId;
    uint64 maxImportPrice;
    uint64 minFeedInPrice;
    uint64 validUntil;
    uint64 nonce;
}

/// @notice Energy through one meter in one delivery interval; both registers count upwards.
struct MeterReading {
    bytes32 meterId;
    uint64 intervalStart;
    uint32 intervalSeconds;
    uint64 importWh;
    uint64 exportWh;
}

/// @title EIP-712 struct hashes of everything that is signed
/// @dev Every member is a static type, so `abi.encode` of the struct is its EIP-712 encoding.
library OrderTypes {
    uint8 internal constant BUY = 0;
    uint8 internal constant SELL = 1;

    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address owner,bytes32 meterId,uint8 side,uint64 intervalStart,uint32 intervalSeconds,uint64 energyWh,uint64 limitPrice,uint64 feeCap,uint64 imbalanceCap,uint64 nonce,uint64 expiry)"
    );
    bytes32 internal constant MANDATE_TYPEHASH = keccak256(
        "Mandate(address owner,address agent,uint64 maxBuyPrice,uint64 minSellPrice,uint64 maxWhPerDay,uint64 validUntil,uint64 nonce)"
    );
    bytes32 internal constant SUPPLY_AGREEMENT_TYPEHASH = keccak256(
        "SupplyAgreement(address owner,bytes32 meterId,uint64 maxImportPrice,uint64 minFeedInPrice,uint64 validUntil,uint64 nonce)"
    );
    bytes32 internal constant METER_READING_TYPEHASH = keccak256(
        "MeterReading(bytes32 meterId,uint64 intervalStart,uint32 intervalSeconds,uint64 importWh,uint64 exportWh)"
    );

    function hash(Order calldata order) internal pure returns (bytes32) {
        return keccak256(abi.encode(ORDER_TYPEHASH, order));
    }

    function hash(Mandate calldata mandate) internal pure returns (bytes32) {
        return keccak256(abi.encode(MANDATE_TYPEHASH, mandate));
    }

    function hash(SupplyAgreement calldata agreement) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUPPLY_AGREEMENT_TYPEHASH, agreement));
    }

    function hash(MeterReading memory reading) internal pure returns (bytes32) {
        return keccak256(abi.encode(METER_READING_TYPEHASH, reading));
    }
}
