// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice How a token can be other than it seems.
enum Fault {
    None,
    FeeOnTransfer,
    ReturnsFalse,
    ReturnsNothing,
    Reenters,
    MintsOnTransfer
}

/// @notice A token with one fault. It may call `target` with `call` in the middle of a transfer.
contract BadToken is ERC20 {
    Fault public fault;
    address private target;
    bytes private call;
    bool public entered;
    bytes public answer;

    constructor() ERC20("Bad", "BAD") {}

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    function turn(Fault fault_) external {
        fault = fault_;
    }

    function reenter(address target_, bytes calldata call_) external {
        (fault, target, call, entered) = (Fault.Reenters, target_, call_, false);
    }

    /// @dev Whoever calls the exchange from here is this contract: it may hold a balance there.
    function act(address target_, bytes calldata call_) external {
        (bool done, bytes memory reason) = target_.call(call_);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (fault != Fault.ReturnsFalse) _spendAllowance(from, msg.sender, amount);
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (fault == Fault.ReturnsFalse) return false;
        _transfer(from, to, amount);
        if (fault == Fault.FeeOnTransfer) _burn(to, amount / 100 + 1);
        if (fault == Fault.MintsOnTransfer) _mint(to, 1);
        if (fault == Fault.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        if (fault == Fault.Reenters && !entered) {
            entered = true;
            bool done;
            (done, answer) = target.call(call);
            if (!done) {
                bytes memory reason = answer;
                assembly ("memory-safe") {
                    revert(add(reason, 32), mload(reason))
                }
            }
        }
        return true;
    }
}
