// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IMeterOracle} from "./interfaces/IMeterOracle.sol";
import {MandateTerms, SupplyTerms} from "./interfaces/IEnergyExchange.sol";
import {Ledger} from "./Ledger.sol";
import {Mandate, Order, OrderTypes, SupplyAgreement} from "./libraries/OrderTypes.sol";
import {AccountWord, MandateWord, MandateWords, SupplyWord, SupplyWords} from "./libraries/Words.sol";

/// @title What members have signed: orders, mandates of their agents, supply agreements
/// @notice A batch is judged by what stood when it was committed; what a member replaces, ends or cancels takes
/// effect for batches committed after `NOTICE`. So nobody can make a committed batch unsettleable.
abstract contract Agreements is Ledger, EIP712 {
    using OrderTypes for *;

    /// @dev Orders for intervals that start before `floor` are void in batches committed at `since` or later.
    struct Floors {
        uint64 floor;
        uint64 since;
        uint64 previousFloor;
        uint64 previousSince;
    }

    /// @notice Seconds until a replacement, an ending or a cancellation takes effect: the operator sees it before it
    /// commits.
    uint256 public constant NOTICE = 2 minutes;

    /// @notice Proves readings; its registry knows accounts and meters.
    IMeterOracle public immutable oracle;

    mapping(address owner => mapping(address agent => MandateWord)) internal _mandates;
    mapping(address owner => mapping(address agent => MandateWord)) private _previousMandates;
    mapping(address owner => mapping(address agent => uint256)) private _nextMandateNonce;
    mapping(address owner => SupplyWord) private _supplies;
    mapping(address owner => SupplyWord) private _previousSupplies;
    mapping(address owner => mapping(uint256 nonce => uint256)) private _cancelledSince;
    mapping(address owner => Floors) private _floors;
    mapping(bytes32 structHash => bool) private _recorded;

    constructor(IMeterOracle oracle_) EIP712("Commonwatt", "1") {
        if (address(oracle_) == address(0)) revert ZeroAddress("oracle");
        oracle = oracle_;
    }

    /// @notice Lets `mandate.agent` sign orders for `mandate.owner` inside the mandate's limits.
    /// @dev Takes effect at once where there is no mandate to this agent; else it replaces that one after `NOTICE`.
    function registerMandate(Mandate calldata mandate, bytes calldata signature) external {
        if (mandate.agent == address(0)) revert ZeroAddress("agent");
        uint256 widest = mandate.maxBuyPrice | mandate.minSellPrice | mandate.feeCap | mandate.imbalanceCap
            | mandate.maxWhPerDay | mandate.validUntil;
        if (widest > type(uint32).max) revert TermTooLarge();
        uint256 nextNonce = _nextMandateNonce[mandate.owner][mandate.agent];
        if (mandate.nonce < nextNonce) revert StaleNonce(mandate.owner, mandate.nonce, nextNonce);
        if (!_isSignedBy(mandate.owner, _hashTypedDataV4(mandate.hash()), signature)) {
            revert InvalidMandateSignature(mandate.owner, mandate.agent);
        }
        _nextMandateNonce[mandate.owner][mandate.agent] = uint256(mandate.nonce) + 1;
        MandateWord standing = _mandates[mandate.owner][mandate.agent];
        uint256 since = block.timestamp;
        if (standing.endsAt() != 0) {
            if (_previousMandates[mandate.owner][mandate.agent].endsAt() != 0) {
                _requireSettled(mandate.owner, standing.since());
            }
            _previousMandates[mandate.owner][mandate.agent] = standing;
            since += NOTICE;
        }
        _mandates[mandate.owner][mandate.agent] = MandateWords.pack(
            mandate.maxBuyPrice,
            mandate.minSellPrice,
            mandate.feeCap,
            mandate.imbalanceCap,
            mandate.maxWhPerDay,
            mandate.validUntil,
            since
        );
        emit MandateRegistered(mandate.owner, mandate.agent, mandate, uint64(since));
    }

    /// @notice Ends the caller's mandate to `agent`: no batch committed after `NOTICE` may use it.
    function revokeMandate(address agent) external {
        uint256 endsAt = block.timestamp + NOTICE;
        MandateWord standing = _mandates[msg.sender][agent];
        if (standing.endsAt() <= endsAt) revert NoMandate(msg.sender, agent);
        _mandates[msg.sender][agent] = standing.ended(endsAt);
        _previousMandates[msg.sender][agent] = _previousMandates[msg.sender][agent].ended(endsAt);
        emit MandateRevoked(msg.sender, agent, uint64(endsAt));
    }

    /// @notice Lets the retailer bill the residual import of the owner's meters and pay their feed-in, inside the price
    /// limits; and says what import a meter without a reading is taken to have had.
    /// @dev Replaces the standing agreement after `NOTICE`.
    function registerSupply(SupplyAgreement calldata agreement, bytes calldata signature) external {
        address owner = agreement.owner;
        if (owner == retailer || owner == fund || !oracle.registry().isParticipant(owner)) {
            revert NotAParticipant(owner);
        }
        uint256 widest = agreement.maxImportPrice | agreement.minFeedInPrice | agreement.fallbackImportW
            | agreement.validFrom | agreement.validUntil | (uint256(agreement.nonce) + 1);
        if (widest > type(uint32).max) revert TermTooLarge();
        SupplyWord standing = _supplies[owner];
        if (agreement.nonce < standing.nextNonce()) {
            revert StaleNonce(owner, agreement.nonce, standing.nextNonce());
        }
        if (!_isSignedBy(owner, _hashTypedDataV4(agreement.hash()), signature)) {
            revert InvalidSupplySignature(owner);
        }
        uint256 since = block.timestamp;
        if (standing.endsAt() != 0) {
            if (_previousSupplies[owner].endsAt() != 0) _requireSettled(owner, standing.since());
            _previousSupplies[owner] = standing;
            since += NOTICE;
        }
        SupplyWord word = SupplyWords.pack(
            agreement.maxImportPrice,
            agreement.minFeedInPrice,
            agreement.fallbackImportW,
            agreement.validFrom,
            agreement.validUntil / 1 days,
            since,
            agreement.nonce + 1
        );
        _supplies[owner] = word;
        uint256 restrictedUntil = Math.max(since + withdrawalDelay, agreement.validFrom);
        _setWord(owner, _wordOf(owner).withSupply(word).restricted(restrictedUntil));
        emit SupplyRegistered(owner, agreement, uint64(since));
    }

    /// @notice Ends the caller's supply agreement: no batch committed after `NOTICE` may bill its meters.
    function endSupply() external {
        uint256 endsAt = block.timestamp + NOTICE;
        SupplyWord standing = _supplies[msg.sender];
        if (standing.endsAt() <= endsAt) revert NoSupply(msg.sender);
        _supplies[msg.sender] = standing.ended(endsAt);
        _previousSupplies[msg.sender] = _previousSupplies[msg.sender].ended(endsAt);
        AccountWord word = _wordOf(msg.sender).withSupply(SupplyWord.wrap(0));
        _setWord(msg.sender, word.restricted(endsAt + withdrawalDelay));
        emit SupplyEnded(msg.sender, uint64(endsAt));
    }

    /// @notice Makes the owner's order with `nonce` void for batches committed after `NOTICE`.
    /// @dev Called by the owner, or by an agent whose mandate has not been revoked.
    function cancelNonce(address owner, uint64 nonce) external {
        _requireOwnerOrAgent(owner);
        if (_cancelledSince[owner][nonce] != 0) revert NonceUnavailable(owner, nonce);
        uint256 since = block.timestamp + NOTICE;
        _cancelledSince[owner][nonce] = since;
        _setWord(owner, _wordOf(owner).restricted(OrderTypes.intervalOf(nonce)));
        emit NonceCancelled(owner, nonce, uint64(since));
    }

    /// @notice Raises the floor under the caller's nonces: makes every order of the caller void, however many it signed,
    /// that is for an interval which starts before `floor`, in batches committed after `NOTICE`.
    function cancelBefore(uint64 floor) external {
        Floors memory floors = _floors[msg.sender];
        if (floor <= floors.floor || floor > type(uint32).max) {
            revert FloorNotRaised(msg.sender, floors.floor, floor);
        }
        if (floors.previousSince != 0) _requireSettled(msg.sender, floors.since);
        uint64 since = uint64(block.timestamp + NOTICE);
        _floors[msg.sender] = Floors(floor, since, floors.floor, floors.since);
        _setWord(msg.sender, _wordOf(msg.sender).restricted(floor));
        emit FloorRaised(msg.sender, floor, since);
    }

    /// @notice Keeps for good that `order.owner` has signed, so that a contract wallet cannot say otherwise later.
    /// @dev The only way for ERC-1271 owners; keys need it not.
    function recordOrder(Order calldata order, bytes calldata signature) external {
        bytes32 structHash = order.hash();
        if (!_isSignedBy(order.owner, _hashTypedDataV4(structHash), signature)) {
            revert InvalidOrderSignature(order.owner, structHash);
        }
        _recorded[structHash] = true;
        emit OrderRecorded(order.owner, structHash);
    }

    /// @notice From which instant on batches must not contain the owner's order with this nonce, because it was cancelled
    /// or lies under the floor; 0 when it does not.
    function cancelledSince(address owner, uint256 nonce) public view returns (uint256 since) {
        since = _cancelledSince[owner][nonce];
        Floors memory floors = _floors[owner];
        uint256 start = nonce >> 8;
        if (start < floors.floor && (since == 0 || floors.since < since)) since = floors.since;
        if (start < floors.previousFloor && (since == 0 || floors.previousSince < since)) {
            since = floors.previousSince;
        }
    }

    /// @notice What stands of the owner's mandate to `agent`; all zero when there never was one.
    function mandateOf(address owner, address agent) external view returns (MandateTerms memory) {
        MandateWord word = _mandates[owner][agent];
        return MandateTerms({
            maxBuyPrice: word.maxBuyPrice(),
            minSellPrice: word.minSellPrice(),
            feeCap: word.feeCap(),
            imbalanceCap: word.imbalanceCap(),
            maxWhPerDay: word.maxWhPerDay(),
            validUntil: word.validUntil(),
            since: word.since(),
            endsAt: word.endsAt(),
            nextNonce: _nextMandateNonce[owner][agent]
        });
    }

    /// @notice What stands of the owner's supply agreement; all zero when there never was one.
    function supplyOf(address owner) external view returns (SupplyTerms memory) {
        SupplyWord word = _supplies[owner];
        return SupplyTerms({
            maxImportPrice: word.maxImportPrice(),
            minFeedInPrice: word.minFeedInPrice(),
            fallbackImportW: word.fallbackImportW(),
            validFrom: word.validFrom(),
            endDay: word.endDay(),
            since: word.since(),
            endsAt: word.endsAt(),
            nextNonce: word.nextNonce()
        });
    }

    /// @notice Wh that agents traded for the owner in settled intervals that start in UTC day `day` (days since
    /// 1970-01-01); known for the last two days.
    function mandateUsage(address owner, uint256 day) external view returns (uint256) {
        return _wordOf(owner).usedWh(day);
    }

    /// @dev Reverts if the order was cancelled in time for a batch committed at `committedAt`.
    function _requireUncancelled(uint256 index, address owner, uint256 nonce, uint256 committedAt)
        internal
        view
    {
        uint256 since = cancelledSince(owner, nonce);
        if (since != 0 && since <= committedAt) revert OrderCancelled(index);
    }

    function _requireRecorded(uint256 index, address owner, bytes32 structHash) internal view {
        if (!_recorded[structHash]) revert OrderNotAuthorised(index, owner);
    }

    /// @dev The mandate that judges a batch committed at `committedAt`; zero when there is none.
    function _standingMandate(address owner, address agent, uint256 committedAt)
        internal
        view
        returns (MandateWord word)
    {
        word = _mandates[owner][agent];
        if (word.since() > committedAt) word = _previousMandates[owner][agent];
        if (word.since() > committedAt || word.endsAt() <= committedAt) return MandateWord.wrap(0);
    }

    /// @dev Reverts unless the owner agreed to the retailer's prices for the interval. The account's word says so unless
    /// the interval is one of those for which the agreement's history is to be looked up.
    function _requireSupply(
        AccountWord word,
        address owner,
        uint256 intervalStart,
        uint256 retailImport,
        uint256 feedIn,
        uint256 committedAt
    ) internal view {
        bool agreed;
        if (intervalStart > word.restrictedUntil()) {
            // retail = import x retailImport <= import x maxImportPrice; feedIn = export x feedIn, from below.
            agreed = retailImport <= word.maxImportPrice() && feedIn >= word.minFeedInPrice()
                && intervalStart < word.supplyEndDay() * 1 days;
        } else {
            SupplyWord terms = _standingSupply(owner, committedAt);
            agreed = retailImport <= terms.maxImportPrice() && feedIn >= terms.minFeedInPrice()
                && intervalStart >= terms.validFrom() && intervalStart < terms.endDay() * 1 days;
        }
        if (!agreed) revert SupplyMissing(owner, intervalStart);
    }

    /// @dev Wh that a meter without a reading is taken to have imported in `intervalSeconds`, rounded down.
    function _fallbackImportWh(address owner, uint256 intervalSeconds, uint256 committedAt)
        internal
        view
        returns (uint256)
    {
        return _standingSupply(owner, committedAt).fallbackImportW() * intervalSeconds / 1 hours;
    }

    /// @dev The agreement that judges a batch committed at `committedAt`; zero when there is none.
    function _standingSupply(address owner, uint256 committedAt) private view returns (SupplyWord word) {
        word = _supplies[owner];
        if (word.since() > committedAt) word = _previousSupplies[owner];
        if (word.since() > committedAt || word.endsAt() <= committedAt) return SupplyWord.wrap(0);
    }

    /// @dev Only one earlier state is kept, so a state may be replaced only when no batch that was committed before it
    /// came into force can still be settled: committedAt < since => settled before since + withdrawalDelay.
    function _requireSettled(address owner, uint256 since) private view {
        if (block.timestamp < since + withdrawalDelay) {
            revert StillBinding(owner, since + withdrawalDelay);
        }
    }

    function _requireOwnerOrAgent(address owner) private view {
        if (msg.sender != owner && _mandates[owner][msg.sender].endsAt() <= block.timestamp) {
            revert NotOwnerOrAgent(owner, msg.sender);
        }
    }

    function _isSignedBy(address owner, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        return owner != address(0) && SignatureChecker.isValidSignatureNowCalldata(owner, digest, signature);
    }
}
