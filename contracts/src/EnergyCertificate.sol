// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {DisjointRoles} from "./DisjointRoles.sol";
import {IEnergyCertificate} from "./interfaces/IEnergyCertificate.sol";
import {IMeterOracle} from "./interfaces/IMeterOracle.sol";
import {IParticipantRegistry} from "./interfaces/IParticipantRegistry.sol";
import {MeterIds} from "./libraries/MeterIds.sol";
import {ReadingTypes} from "./libraries/ReadingTypes.sol";

/// @title Certificates of generated energy, one unit a Wh
/// @notice What a generation meter measured in an interval is certified once, to the meter's account, in the amount of
/// the proven reading. So of each id never more exists than was metered. Claiming burns.
///
/// An id says where its energy is from, and stays readable when the contract's history is not:
///   account (20 bytes) ‖ meter number (2) ‖ start of the interval (8, unix seconds) ‖ zero (2).
/// Energy of different meters or intervals is therefore never the same token; matching consumption hour by hour
/// needs just that, and whoever wants a fungible token can wrap ids.
/// @dev Certificates are of gross generation, energy on the exchange is of the grid meter: selling one does not sell
/// the other. Accounts with code must accept ERC-1155 tokens; those that refuse must be left out of `picks`.
contract EnergyCertificate is IEnergyCertificate, ERC1155, DisjointRoles {
    using BitMaps for BitMaps.BitMap;
    using MeterIds for bytes32;
    using ReadingTypes for bytes;
    using ReadingTypes for uint256;

    /// @notice May issue certificates.
    bytes32 public constant ISSUER_ROLE = keccak256("ISSUER_ROLE");

    /// @notice Proves readings.
    IMeterOracle public immutable oracle;
    /// @notice Accounts, meters and meter keys.
    IParticipantRegistry public immutable registry;
    /// @notice Seconds of an interval. With one length only, intervals cannot overlap.
    uint32 public immutable intervalSeconds;

    mapping(bytes32 meterId => BitMaps.BitMap) private _issued;

    /// @param oracle_ Proves readings and names the registry.
    /// @param admin Grants and revokes roles; should be a timelock.
    /// @param intervalSeconds_ Seconds of an interval, those of the readings.
    /// @param uri_ Metadata of all ids, with `{id}` as ERC-1155 says.
    constructor(IMeterOracle oracle_, address admin, uint32 intervalSeconds_, string memory uri_)
        DisjointRoles(admin)
        ERC1155(uri_)
    {
        if (address(oracle_) == address(0)) revert ZeroValue("oracle");
        if (intervalSeconds_ == 0) revert ZeroValue("intervalSeconds");
        oracle = oracle_;
        registry = oracle_.registry();
        intervalSeconds = intervalSeconds_;
    }

    /// @inheritdoc IEnergyCertificate
    /// @dev Meters certified already, and those that generated nothing, are passed over: issuing twice is harmless.
    /// @param picks Entries of `readings` to certify.
    /// @param readings List as `ReadingTypes` says; other meters may be in it.
    /// @param proof As `IMeterOracle` says.
    function issue(
        uint64 intervalStart,
        uint256[] calldata picks,
        bytes calldata readings,
        bytes calldata proof
    ) external onlyRole(ISSUER_ROLE) returns (uint256 issuedWh) {
        if (intervalStart % intervalSeconds != 0) revert InvalidInterval(intervalStart);
        uint256 endsAt = uint256(intervalStart) + intervalSeconds;
        if (block.timestamp < endsAt) revert IntervalNotEnded(intervalStart, endsAt);
        oracle.requireReadings(intervalStart, intervalSeconds, readings, proof);
        for (uint256 i = 0; i < picks.length; ++i) {
            if (picks[i] >= readings.length / ReadingTypes.ENTRY) revert NoSuchEntry(picks[i]);
            issuedWh += _issue(intervalStart, readings.entryAt(picks[i] * ReadingTypes.ENTRY));
        }
    }

    /// @inheritdoc IEnergyCertificate
    function claim(uint256 id, uint256 amountWh, address beneficiary, string calldata purpose) external {
        if (amountWh == 0) revert ZeroValue("amountWh");
        if (beneficiary == address(0)) revert ZeroValue("beneficiary");
        _burn(msg.sender, id, amountWh);
        emit CertificateClaimed(msg.sender, id, beneficiary, amountWh, purpose);
    }

    /// @inheritdoc IEnergyCertificate
    function isIssued(bytes32 meterId, uint64 intervalStart) external view returns (bool) {
        return _issued[meterId].get(intervalStart / intervalSeconds);
    }

    /// @inheritdoc IEnergyCertificate
    function provenanceOf(uint256 id) external pure returns (bytes32 meterId, uint64 intervalStart) {
        return (MeterIds.idOf(address(uint160(id >> 96)), uint16(id >> 80)), uint64(id >> 16));
    }

    /// @inheritdoc IEnergyCertificate
    function idOf(bytes32 meterId, uint64 intervalStart) public pure returns (uint256 id) {
        if (!meterId.isGeneration()) revert NotAGenerationMeter(meterId);
        // A generation meter's number is below 2^16.
        return uint256(uint160(meterId.accountOf())) << 96 | uint256(meterId.numberOf()) << 80
            | uint256(intervalStart) << 16;
    }

    /// @inheritdoc ERC1155
    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC1155, AccessControl)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }

    /// @dev Marks before it mints: the account may be a contract, which is called.
    function _issue(uint64 intervalStart, uint256 entry) private returns (uint256 amountWh) {
        bytes32 meterId = entry.meterIdOf();
        uint256 id = idOf(meterId, intervalStart);
        // Attestors vouch for whatever they sign; a certificate also needs a meter that the registrar knows.
        (address signer,, bytes32 y) = registry.keyOf(meterId);
        if (signer == address(0) && y == bytes32(0)) revert NotAGenerationMeter(meterId);
        if (entry.isMissing()) revert ReadingMissing(meterId);
        amountWh = entry.exportOf();
        uint256 interval = intervalStart / intervalSeconds;
        if (amountWh == 0 || _issued[meterId].get(interval)) return 0;
        _issued[meterId].set(interval);
        emit CertificateIssued(id, meterId, intervalStart, amountWh);
        _mint(meterId.accountOf(), id, amountWh, "");
    }
}
