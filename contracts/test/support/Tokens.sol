// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Keeps one percent of each transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0)) return super._update(from, to, amount);
        uint256 fee = amount / 100;
        super._update(from, address(0xFEE), fee);
        super._update(from, to, amount - fee);
    }
}

/// @notice Returns false instead of reverting, and moves nothing, once it is told to.
contract FalseToken is ERC20("False", "FALSE") {
    bool public broken;

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return broken ? false : super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return broken ? false : super.transferFrom(from, to, amount);
    }
}

/// @notice Lets both sides act in the middle of each transfer, as ERC-777 tokens do, if they care to.
contract CallbackToken is ERC20("Callback", "CALL") {
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (from != address(0)) _tell(from);
        super._update(from, to, amount);
        if (from != address(0)) _tell(to);
    }

    function _tell(address account) private {
        if (account.code.length == 0) return;
        try ICallback(account).onTransfer() {} catch {}
    }
}

interface ICallback {
    function onTransfer() external;
}
