// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A stablecoin for local chains and testnets: anyone may mint it, so it is worth nothing
contract MockStablecoin is ERC20, ERC20Permit {
    /// @notice Play money has no place on a chain where money is real.
    error MainnetRefused(uint256 chainId);

    constructor() ERC20("Commonwatt Test Dollar", "cwUSD") ERC20Permit("Commonwatt Test Dollar") {
        if (_isMainnet(block.chainid)) revert MainnetRefused(block.chainid);
    }

    /// @notice Creates `amount` micro-units for `account`.
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    /// @notice Six decimals, as the stablecoins that the platform settles in.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @dev Ethereum, OP, BNB, Gnosis, Polygon, Sonic, zkSync, World, Energy Web, Polygon zkEVM, Mantle, Base,
    /// Arbitrum, Celo, Avalanche, Linea, Scroll.
    function _isMainnet(uint256 chainId) private pure returns (bool) {
        uint24[17] memory mainnets = [
            uint24(1),
            10,
            56,
            100,
            137,
            146,
            324,
            480,
            246,
            1101,
            5000,
            8453,
            42161,
            42220,
            43114,
            59144,
            534352
        ];
        for (uint256 i = 0; i < mainnets.length; ++i) {
            if (chainId == mainnets[i]) return true;
        }
        return false;
    }
}
