// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Batch} from "./interfaces/IEnergyExchange.sol";
import {IParticipantRegistry} from "./interfaces/IParticipantRegistry.sol";
import {Ledger} from "./Ledger.sol";
import {Mandate, MeterReading, Order, OrderTypes, SupplyAgreement} from "./libraries/OrderTypes.sol";

/// @title What members have signed: orders, mandates of their agents, supply agreements
/// @notice A member may widen what it signed at any time, and end it with notice. A batch that is already
/// committed is judged by what stood at its commitment, so nobody can make a committed batch unsettleable.
abstract contract Agreements is Ledger, EIP712 {
    using OrderTypes for *;
    using BitMaps for BitMaps.BitMap;

    /// @notice What stands of a mandate. It covers batches committed before `endsAt`.
    struct MandateTerms {
        uint64 maxBuyPrice;
        uint64 minSellPrice;
        uint64 maxWhPerDay;
        uint64 validUntil;
        uint64 nextNonce;
        uint64 endsAt;
    }

    /// @notice What stands of a supply agreement. It covers batches committed before `endsAt`.
    struct SupplyTerms {
        uint64 maxImportPrice;
        uint64 minFeedInPrice;
        uint64 validUntil;
        uint64 nextNonce;
        uint64 endsAt;
    }

    /// @notice Seconds until a cancellation or an ending takes effect: the operator sees it before it commits.
    uint64 public constant NOTICE = 2 minutes;

    /// @notice Accounts, meters and meter keys.
    IParticipantRegistry public immutable registry;

    mapping(address owner => mapping(address agent => MandateTerms)) private _mandates;
    mapping(bytes32 meterId => SupplyTerms) private _supplies;
    mapping(address owner => mapping(address agent => mapping(uint256 day => uint256))) private _usedWh;
    mapping(address owner => BitMaps.BitMap) private _settledNonces;
    mapping(address owner => mapping(uint64 nonce => uint64)) private _cancelledFrom;
    mapping(bytes32 digest => bool) private _recorded;

    constructor(IParticipantRegistry registry_) EIP712("Commonwatt", "1") {
        if (address(registry_) == address(0)) revert ZeroAddress("registry");
        registry = registry_;
    }

    /// @notice Lets `mandate.agent` sign orders for `mandate.owner` inside the mandate's limits.
    /// @dev Replaces the standing mandate if it is nowhere narrower, or when that one binds no batch any more.
    function registerMandate(Mandate calldata mandate, bytes calldata signature) external {
        if (mandate.agent == address(0)) revert ZeroAddress("agent");
        MandateTerms storage terms = _mandates[mandate.owner][mandate.agent];
        _requireFresh(mandate.owner, mandate.nonce, terms.nextNonce);
        bool widens = mandate.maxBuyPrice >= terms.maxBuyPrice && mandate.minSellPrice <= terms.minSellPrice
            && mandate.maxWhPerDay >= terms.maxWhPerDay && mandate.validUntil >= terms.validUntil;
        if (!widens) _requireUnbound(mandate.owner, terms.endsAt);
        if (!_isSignedBy(mandate.owner, hashMandate(mandate), signature)) {
            revert InvalidMandateSignature(mandate.owner, mandate.agent);
        }
        _mandates[mandate.owner][mandate.agent] = MandateTerms({
            maxBuyPrice: mandate.maxBuyPrice,
            minSellPrice: mandate.minSellPrice,
            maxWhPerDay: mandate.maxWhPerDay,
            validUntil: mandate.validUntil,
            nextNonce: mandate.nonce + 1,
            endsAt: mandate.validUntil
        });
        emit MandateRegistered(
            mandate.owner,
            mandate.agent,
            mandate.maxBuyPrice,
            mandate.minSellPrice,
            mandate.maxWhPerDay,
            mandate.validUntil
        );
    }

    /// @notice Ends the caller's mandate to `agent`, with `NOTICE`.
    function revokeMandate(address agent) external {
        MandateTerms storage terms = _mandates[msg.sender][agent];
        if (terms.endsAt <= block.timestamp) revert NoMandate(msg.sender, agent);
        terms.endsAt = uint64(Math.min(terms.endsAt, block.timestamp + NOTICE));
        emit MandateRevoked(msg.sender, agent, terms.endsAt);
    }

    /// @notice Lets the retailer bill the meter's residual import and pay its feed-in, inside the price limits.
    /// @dev Replaces the standing agreement if it is nowhere narrower, or when that one binds no batch any more.
    function registerSupply(SupplyAgreement calldata agreement, bytes calldata signature) external {
        (address account,) = registry.meters(agreement.meterId);
        if (account != agreement.owner || account == address(0)) {
            revert MeterNotOwned(agreement.meterId, agreement.owner);
        }
        SupplyTerms storage terms = _supplies[agreement.meterId];
        _requireFresh(agreement.owner, agreement.nonce, terms.nextNonce);
        bool widens = agreement.maxImportPrice >= terms.maxImportPrice
            && agreement.minFeedInPrice <= terms.minFeedInPrice && agreement.validUntil >= terms.validUntil;
        if (!widens) _requireUnbound(agreement.owner, terms.endsAt);
        if (!_isSignedBy(agreement.owner, hashSupplyAgreement(agreement), signature)) {
            revert InvalidSupplySignature(agreement.owner, agreement.meterId);
        }
        _supplies[agreement.meterId] = SupplyTerms({
            maxImportPrice: agreement.maxImportPrice,
            minFeedInPrice: agreement.minFeedInPrice,
            validUntil: agreement.validUntil,
            nextNonce: agreement.nonce + 1,
            endsAt: agreement.validUntil
        });
        emit SupplyRegistered(
            agreement.owner,
            agreement.meterId,
            agreement.maxImportPrice,
            agreement.minFeedInPrice,
            agreement.validUntil
        );
    }

    /// @notice Ends the supply agreement of the caller's meter, with `NOTICE`.
    function endSupply(bytes32 meterId) external {
        (address account,) = registry.meters(meterId);
        SupplyTerms storage terms = _supplies[meterId];
        if (account != msg.sender || terms.endsAt <= block.timestamp) revert NoSupply(msg.sender, meterId);
        terms.endsAt = uint64(Math.min(terms.endsAt, block.timestamp + NOTICE));
        emit SupplyEnded(msg.sender, meterId, terms.endsAt);
    }

    /// @notice Makes the owner's order with `nonce` void for batches committed after `NOTICE`.
    /// @dev Called by the owner, or by an agent whose mandate stands.
    function cancelNonce(address owner, uint64 nonce) external {
        if (msg.sender != owner && _mandates[owner][msg.sender].endsAt <= block.timestamp) {
            revert NotOwnerOrAgent(owner, msg.sender);
        }
        if (isNonceUsed(owner, nonce)) revert NonceUnavailable(owner, nonce);
        uint64 effectiveAt = uint64(block.timestamp) + NOTICE;
        _cancelledFrom[owner][nonce] = effectiveAt;
        emit NonceCancelled(owner, nonce, effectiveAt);
    }

    /// @notice Keeps for good that `order.owner` has signed, so that a contract wallet cannot say otherwise later.
    /// @dev Needed only for ERC-1271 owners: the operator records their orders before it commits them.
    function recordOrder(Order calldata order, bytes calldata signature) external {
        bytes32 digest = hashOrder(order);
        if (!_isSignedBy(order.owner, digest, signature)) revert InvalidOrderSignature(order.owner, digest);
        _recorded[digest] = true;
        emit OrderRecorded(order.owner, digest);
    }

    /// @notice The EIP-712 digest that the owner, or its agent, signs.
    function hashOrder(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(order.hash());
    }

    /// @notice The EIP-712 digest that the owner signs.
    function hashMandate(Mandate calldata mandate) public view returns (bytes32) {
        return _hashTypedDataV4(mandate.hash());
    }

    /// @notice The EIP-712 digest that the owner signs.
    function hashSupplyAgreement(SupplyAgreement calldata agreement) public view returns (bytes32) {
        return _hashTypedDataV4(agreement.hash());
    }

    /// @notice The EIP-712 digest that the meter's key signs.
    function hashReading(MeterReading memory reading) public view returns (bytes32) {
        return _hashTypedDataV4(reading.hash());
    }

    /// @notice Whether an order with this nonce has been settled or cancelled.
    function isNonceUsed(address owner, uint64 nonce) public view returns (bool) {
        return _settledNonces[owner].get(nonce) || _cancelledFrom[owner][nonce] != 0;
    }

    /// @notice What stands of the owner's mandate to `agent`; all zero when there never was one.
    function mandateOf(address owner, address agent) external view returns (MandateTerms memory) {
        return _mandates[owner][agent];
    }

    /// @notice What stands of the meter's supply agreement; all zero when there never was one.
    function supplyOf(bytes32 meterId) external view returns (SupplyTerms memory) {
        return _supplies[meterId];
    }

    /// @notice Wh settled under the mandate in intervals that start in UTC day `day` (days since 1970-01-01).
    function mandateUsage(address owner, address agent, uint256 day) external view returns (uint256) {
        return _usedWh[owner][agent][day];
    }

    /// @dev Uses up the order's nonce; reverts when it was used before, or cancelled before the commitment.
    function _useNonce(uint256 index, Order calldata order, uint64 committedAt) internal {
        uint64 cancelledFrom = _cancelledFrom[order.owner][order.nonce];
        if (cancelledFrom != 0 && cancelledFrom <= committedAt) revert OrderCancelled(index);
        BitMaps.BitMap storage settled = _settledNonces[order.owner];
        if (settled.get(order.nonce)) revert OrderReplayed(index);
        settled.set(order.nonce);
    }

    /// @dev Reverts unless the owner signed the order, or an agent whose mandate covered it at the commitment.
    /// An ECDSA signature is tried first, so that code put on the owner's account later changes nothing.
    function _authorise(
        uint256 index,
        Order calldata order,
        bytes calldata signature,
        bytes32 digest,
        uint64 committedAt,
        uint256 filledWh
    ) internal {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError) {
            if (signer == order.owner) return;
            if (_mandates[order.owner][signer].endsAt != 0) {
                return _useMandate(index, order, signer, committedAt, filledWh);
            }
        }
        if (_recorded[digest]) return;
        if (!SignatureChecker.isValidERC1271SignatureNowCalldata(order.owner, digest, signature)) {
            revert OrderNotAuthorised(index, signer);
        }
    }

    /// @dev Reverts unless the retailer's prices lie inside what the meter's owner agreed to.
    function _requireSupply(uint256 index, Batch calldata batch, address account, uint64 committedAt)
        internal
        view
    {
        SupplyTerms storage terms = _supplies[batch.meterIds[index]];
        if (committedAt >= terms.endsAt || batch.intervalStart > terms.validUntil) {
            revert SupplyMissing(index, account);
        }
        // retail = import x retailImport <= import x maxImportPrice; feedIn = export x feedIn, likewise from below.
        if (batch.prices.retailImport > terms.maxImportPrice || batch.prices.feedIn < terms.minFeedInPrice) {
            revert SupplyPriceExceeded(index, account);
        }
    }

    function _useMandate(
        uint256 index,
        Order calldata order,
        address agent,
        uint64 committedAt,
        uint256 filledWh
    ) private {
        MandateTerms storage terms = _mandates[order.owner][agent];
        if (order.intervalStart > terms.validUntil) revert MandateExpired(index, agent);
        if (committedAt >= terms.endsAt) revert MandateEnded(index, agent);
        // What the order can cost is bounded by its limit, so the mandate bounds the limit.
        bool inside = order.side == OrderTypes.BUY
            ? order.limitPrice <= terms.maxBuyPrice
            : order.limitPrice >= terms.minSellPrice;
        if (!inside) revert MandatePriceExceeded(index, agent);
        uint256 day = order.intervalStart / 1 days;
        uint256 usedWh = _usedWh[order.owner][agent][day] + filledWh;
        if (usedWh > terms.maxWhPerDay) {
            revert MandateDailyCapExceeded(index, agent, usedWh, terms.maxWhPerDay);
        }
        _usedWh[order.owner][agent][day] = usedWh;
    }

    /// @dev An older signature must not undo a newer one.
    function _requireFresh(address owner, uint64 nonce, uint64 nextNonce) private pure {
        if (nonce < nextNonce) revert StaleNonce(owner, nonce, nextNonce);
    }

    /// @dev Terms that ended at `endsAt` bind batches committed before it, and each of those closes inside the
    /// withdrawal delay (`commitBatch`): committedAt < endsAt => closesAt <= endsAt + withdrawalDelay.
    /// An interval settled without a commitment has no fixed batch: it can leave out a meter whose terms are narrower.
    function _requireUnbound(address owner, uint64 endsAt) private view {
        uint256 until = uint256(endsAt) + withdrawalDelay;
        if (endsAt != 0 && block.timestamp <= until) revert StillBinding(owner, until);
    }

    function _isSignedBy(address owner, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        return owner != address(0) && SignatureChecker.isValidSignatureNowCalldata(owner, digest, signature);
    }
}
