// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

/// @title Roles that no account can combine
/// @notice In one contract an account holds at most one role, the administration of roles being one of them.
/// Who attests cannot also register meters, who operates cannot also pause, and whoever hands out roles (a
/// timelock) has none of them. It says nothing about who stands behind two accounts.
abstract contract DisjointRoles is AccessControl {
    /// @notice The account cannot be given `role`: it holds another one.
    error RoleConflict(address account, bytes32 role);

    /// @notice Nobody could ever grant a role.
    error AdminMissing();

    mapping(address account => bool) private _holdsRole;

    /// @param admin Grants and revokes roles; should be a timelock.
    constructor(address admin) {
        if (admin == address(0)) revert AdminMissing();
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc AccessControl
    /// @dev Granting a role that the account holds already stays without effect.
    function _grantRole(bytes32 role, address account) internal virtual override returns (bool granted) {
        granted = super._grantRole(role, account);
        if (!granted) return false;
        if (_holdsRole[account]) revert RoleConflict(account, role);
        _holdsRole[account] = true;
    }

    /// @inheritdoc AccessControl
    function _revokeRole(bytes32 role, address account) internal virtual override returns (bool revoked) {
        revoked = super._revokeRole(role, account);
        if (revoked) _holdsRole[account] = false;
    }
}
