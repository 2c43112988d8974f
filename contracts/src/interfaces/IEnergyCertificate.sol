// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Certificates of generated energy
interface IEnergyCertificate {
    /// @notice The meter's account received `amountWh` of certificate `id`.
    event CertificateIssued(
        uint256 indexed id, bytes32 indexed meterId, uint64 indexed intervalStart, uint256 amountWh
    );

    /// @notice `amountWh` of certificate `id` was used up on behalf of `beneficiary`.
    event CertificateClaimed(
        address indexed account,
        uint256 indexed id,
        address indexed beneficiary,
        uint256 amountWh,
        string purpose
    );

    /// @notice `field` must not be zero.
    error ZeroValue(string field);

    /// @notice Not a start of an interval.
    error InvalidInterval(uint64 intervalStart);

    /// @notice The interval ends at `endsAt`.
    error IntervalNotEnded(uint64 intervalStart, uint256 endsAt);

    /// @notice The list of readings has no entry `index`.
    error NoSuchEntry(uint256 index);

    /// @notice Only registered meters with numbers from 0x4000 to 0x7fff measure generation.
    error NotAGenerationMeter(bytes32 meterId);

    /// @notice There is no reading to certify.
    error ReadingMissing(bytes32 meterId);

    /// @notice Certifies what the meters picked from a proven list of readings generated, at most once each.
    function issue(
        uint64 intervalStart,
        uint256[] calldata picks,
        bytes calldata readings,
        bytes calldata proof
    ) external returns (uint256 issuedWh);

    /// @notice Uses up the caller's certificates on behalf of `beneficiary`; nobody can claim them again.
    function claim(uint256 id, uint256 amountWh, address beneficiary, string calldata purpose) external;

    /// @notice Whether the meter's generation in the interval is certified.
    function isIssued(bytes32 meterId, uint64 intervalStart) external view returns (bool);

    /// @notice Id of the certificate of a meter and interval.
    function idOf(bytes32 meterId, uint64 intervalStart) external pure returns (uint256 id);

    /// @notice The meter and interval of a certificate.
    function provenanceOf(uint256 id) external pure returns (bytes32 meterId, uint64 intervalStart);
}
