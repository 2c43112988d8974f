// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {GasFigures} from "./support/GasFigures.sol";
import {Scene} from "./support/Scene.sol";
import {OrderTypes} from "../src/libraries/OrderTypes.sol";
import {Batch, BatchOrder, Registers} from "./support/Batches.sol";
import {BatchAgent} from "../src/reference/BatchWords.sol";

/// @notice Execution gas of what members and the operator do, all storage cold, without calldata and the 21,000 of a
/// transaction.
contract GasTest is Scene, GasFigures {
    function test_Uniform10() external {
        _measure("uniform 10", 10, false, false);
    }

    function test_Uniform100() external {
        _measure("uniform 100", 100, false, false);
    }

    function test_UniformByAgent100() external {
        _measure("agent 100", 100, false, true);
    }

    function test_Bilateral10() external {
        _measure("bilateral 10", 20, true, false);
    }

    function test_Bilateral100() external {
        _measure("bilateral 100", 200, true, false);
    }

    function test_Commit() external {
        _cool();
        vm.prank(operator);
        exchange.commitBatch(START, bytes32(type(uint256).max));
        _keepGas("Gas", _named("commit"));
    }

    function test_Deposit() external {
        token.mint(address(this), 3_000);
        token.approve(address(exchange), 3_000);
        _cool();
        exchange.deposit(1_000);
        _keepGas("Gas", _named("first deposit"));
        _cool();
        exchange.deposit(1_000);
        _keepGas("Gas", _named("deposit"));
    }

    function test_Withdraw() external {
        token.mint(_owner(0), 1);
        _cool();
        vm.prank(_owner(0));
        exchange.requestWithdrawal(1_000);
        _keepGas("Gas", _named("request withdrawal"));
        vm.warp(GATE + WITHDRAWAL_DELAY);
        _cool();
        vm.prank(_owner(0));
        exchange.withdraw();
        _keepGas("Gas", _named("withdraw"));
    }

    /// @dev EIP-170: what is longer cannot be deployed. The reference need not: it is there to be read.
    function test_FitsIntoAContract() external {
        if (_onReference()) return vm.skip(true);
        vm.assertLe(address(exchange).code.length, 24_576);
    }

    function _measure(string memory name, uint256 members, bool bilateral, bool byAgent) private {
        Batch memory batch = _unsigned(START, members);
        if (bilateral) batch.trades = uint16(members / 2);
        if (byAgent) batch.agents = new BatchAgent[](1);
        vm.warp(GATE - 7 days);
        for (uint256 i = 0; i < members; ++i) {
            if (i > 1) _addMember(i);
            BatchOrder memory order = _order(i % 2 == 0 ? OrderTypes.SELL : OrderTypes.BUY, 1_000);
            order.executions[0].trade = uint16(i / 2);
            if (byAgent) {
                _registerMandate(i, _mandate(i));
                order.authority = 2;
            }
            batch.members[i] = _memberOf(i, order);
        }
        vm.warp(GATE);
        _complete(batch);
        Registers[] memory registers = _delivered(batch);
        bytes memory proof = _attestedProof(batch, registers);
        _commitAndDeliver(batch);
        _cool();
        _settle(batch, registers, proof);
        _keepGas("Gas", _named(name));
    }

    function _cool() private {
        vm.cool(address(exchange));
        vm.cool(address(oracle));
        vm.cool(address(token));
    }

    function _named(string memory name) private pure returns (string memory) {
        return _onReference() ? string.concat("reference: ", name) : name;
    }
}

contract GasOfTheReferenceTest is GasTest {
    function _onReference() internal pure override returns (bool) {
        return true;
    }
}
